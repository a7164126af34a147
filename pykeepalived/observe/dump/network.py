"""Lines about addresses, routes and rules, in the form shared by keepalived.data and keepalived.json."""

from __future__ import annotations

from pykeepalived.config.model.network import Encap, IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.dump.text import prefix

_ADDRESS_FLAGS = ((0x10, " home"), (0x100, " mngtmpaddr"), (0x200, " noprefixroute"), (0x400, " autojoin"))
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_ROUTE_TYPES = {
    2: "local",
    3: "broadcast",
    4: "anycast",
    5: "multicast",
    6: "blackhole",
    7: "unreachable",
    8: "prohibit",
    9: "throw",
    10: "nat",
}
_RULE_TYPES = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
_RULE_TABLE, _RULE_GOTO, _RULE_NOP = 1, 2, 3
_MAIN_TABLE = 254
_PREFERENCES = {0: "medium", 1: "high", 3: "low"}

_RTT, _RTTVAR, _RTO_MIN, _FEATURES, _CC_ALGO = 4, 5, 13, 12, 16
_TIMES = {_RTT: 8, _RTTVAR: 4, _RTO_MIN: 1}
_METRICS = (
    (_RTT, "rtt"),
    (_RTTVAR, "rttvar"),
    (_RTO_MIN, "rto_min"),
    (_FEATURES, "features"),
    (2, "mtu"),
    (3, "window"),
    (6, "ssthresh"),
    (7, "cwnd"),
    (8, "advmss"),
    (9, "reordering"),
    (10, "hoplimit"),
    (11, "initcwnd"),
    (14, "initrwnd"),
    (15, "quickack"),
    (_CC_ALGO, "congctl"),
    (17, "fastopen_no_cookie"),
)


def address_line(address: IpAddress, device: str = "", is_set: bool = False, firewall: str = "") -> str:
    """An address with its options. `device` is the interface in use (`vrrp.51@eth0` for a VMAC)."""
    text = prefix(address.address, address.prefix_length)
    if address.broadcast is not None:
        text += f" brd {address.broadcast}"
    text += f" dev {device or address.interface}"
    if address.use_vmac:
        text += " use_vmac"
    text += f" scope {_SCOPES.get(address.scope, str(address.scope))}"
    if address.label:
        text += f" label {address.label}"
    if address.peer is not None:
        text += f" peer {address.peer}/{address.prefix_length}"
    for flag, word in _ADDRESS_FLAGS:
        if flag == 0x100 and address.dad:
            text += " -nodad"
        if address.flags & flag:
            text += word
    if address.no_track:
        text += " no_track"
    if address.track_group:
        text += f" track_group {address.track_group}"
    if address.family == 6:
        text += _lifetime(address.preferred_lft)
    if is_set:
        text += " set"
        if firewall:
            text += f" {firewall}"
    return text


def _lifetime(preferred: int | None) -> str:
    if preferred is None:
        return " preferred_lft forever"
    return f" preferred_lft {preferred}" if preferred else " deprecated"


def route_line(route: IpRoute) -> str:
    """A route in the words of ip-route(8), in keepalived's order."""
    text = route.mode
    if route.type in _ROUTE_TYPES:
        text += f" {_ROUTE_TYPES[route.type]}"
    text += " " + _destination(route)
    if route.from_address is not None:
        text += f" from {prefix(route.from_address, route.from_length)}"
    if route.src is not None:
        text += f" src {route.src}"
    if route.tos is not None:
        text += f" tos {route.tos}"
    if route.encap is not None:
        text += _encap(route.encap)
    if route.via is not None:
        text += _via(route.via)
    if route.interface:
        text += f" dev {route.interface}"
    if route.table != _MAIN_TABLE:
        text += f" table {route.table}"
    text += f" proto {route.protocol}"
    if route.scope is not None:
        text += f" scope {route.scope}"
    if route.metric is not None:
        text += f" metric {route.metric}"
    if route.onlink:
        text += " onlink"
    if route.realms is not None:
        text += f" realm{_realms(route.realms, 's')}"
    if route.expires_s is not None:
        text += f" expires {route.expires_s}sec"
    text += _metrics(route)
    if route.pref is not None:
        text += f" pref {_PREFERENCES.get(route.pref, str(route.pref))}"
    if route.ttl_propagate is not None:
        text += f" ttl-propagate {'enabled' if route.ttl_propagate else 'disabled'}"
    text += "".join(_nexthop(nexthop) for nexthop in route.nexthops)
    return text + _tracking(route.no_track, route.track_group)


def _destination(route: IpRoute) -> str:
    if route.destination is None:
        return "0.0.0.0/0" if route.family == 4 else "::/0"
    return prefix(route.destination, route.prefix_length)


def _via(gateway: Ip) -> str:
    return f" via inet{'6' if gateway.family == 6 else ''} {gateway}"


def _realms(realms: int, plural: str) -> str:
    source, destination = realms >> 16, realms & 0xFFFF
    return f"{plural} {source}/{destination}" if source else f" {destination}"


def _metrics(route: IpRoute) -> str:
    values = dict(route.metrics)
    text = ""
    for number, word in _METRICS:
        if number not in values:
            continue
        value = values[number]
        if number in _TIMES and isinstance(value, int):
            value = _milliseconds(value, _TIMES[number])
        elif number == _FEATURES:
            value = "ecn"
        lock = " lock" if route.locks & (1 << number) else ""
        text += f" {word}{lock} {value}"
    return text


def _milliseconds(value: int, unit: int) -> str:
    if value >= 1000 * unit and value % (1000 * unit) == 0:
        return f"{value // (1000 * unit)}s"
    return f"{value / unit:g}ms"


def _nexthop(nexthop: NextHop) -> str:
    text = " nexthop"
    if nexthop.encap is not None:
        text += _encap(nexthop.encap)
    if nexthop.via is not None:
        text += _via(nexthop.via)
    if nexthop.interface:
        text += f" dev {nexthop.interface}"
    if nexthop.weight_given or nexthop.weight != 1:
        text += f" weight {nexthop.weight}"
    if nexthop.onlink:
        text += " onlink"
    if nexthop.realms is not None:
        text += f" realm{_realms(nexthop.realms, 's')}"
    return text


def _encap(encap: Encap) -> str:
    text = f" encap {encap.kind}"
    if encap.labels:
        return f"{text} {'/'.join(str(label) for label in encap.labels)}"
    if encap.locator is not None:
        parts = [f"{encap.locator >> shift & 0xFFFF:x}" for shift in (48, 32, 16, 0)]
        return f"{text} {':'.join(parts)}"
    for word, value in (("id", encap.id), ("dst", encap.dst), ("src", encap.src)):
        if value is not None:
            text += f" {word} {value}"
    if encap.tos is not None:
        text += f" {'tc' if encap.kind == 'ip6' else 'tos'} {encap.tos}"
    if encap.ttl is not None:
        text += f" {'hoplimit' if encap.kind == 'ip6' else 'ttl'} {encap.ttl}"
    if encap.flags is not None:
        text += f" flags 0x{encap.flags:x}"
    return text


def rule_line(rule: IpRule) -> str:
    """A rule in the words of ip-rule(8), in keepalived's order."""
    text = "not " if rule.invert else ""
    text += f"from {_selector(rule)}"
    if rule.to_address is not None:
        text += f" to {prefix(rule.to_address, rule.to_length)}"
    if rule.priority is not None:
        text += f" priority {rule.priority}"
    text += f" tos 0x{rule.tos or 0:x}"
    if rule.fwmark is not None:
        text += f" fwmark 0x{rule.fwmark:x}"
        if rule.fwmask is not None and rule.fwmask != 0xFFFFFFFF:
            text += f"/0x{rule.fwmask:x}"
    if rule.iif:
        text += f" iif {rule.iif}"
    if rule.oif:
        text += f" oif {rule.oif}"
    if rule.suppress_prefixlength is not None:
        text += f" suppress_prefixlength {rule.suppress_prefixlength}"
    if rule.suppress_ifgroup is not None:
        text += f" suppress_ifgroup {rule.suppress_ifgroup}"
    if rule.tunnel_id is not None:
        text += f" tunnel-id {rule.tunnel_id}"
    if rule.uid_range is not None:
        text += f" uidrange {rule.uid_range[0]}-{rule.uid_range[1]}"
    if rule.l3mdev:
        text += " l3mdev"
    text += f" protocol {rule.protocol}"
    if rule.ip_protocol is not None:
        text += f" ipproto {rule.ip_protocol}"
    for word, ports in (("sport", rule.source_ports), ("dport", rule.destination_ports)):
        if ports is not None:
            text += f" {word} {ports[0]}" + (f"-{ports[1]}" if ports[1] != ports[0] else "")
    if rule.realms is not None:
        text += f" realms {_realms(rule.realms, '').strip()}"
    return text + _action(rule) + _tracking(rule.no_track, rule.track_group)


def _selector(rule: IpRule) -> str:
    if rule.from_address is not None:
        return prefix(rule.from_address, rule.from_length)
    if not rule.from_given:
        return "all"
    return "0.0.0.0/0" if rule.family == 4 else "::/0"


def _action(rule: IpRule) -> str:
    if rule.action == _RULE_TABLE:
        return f" lookup {rule.table or 0}"
    if rule.action == _RULE_GOTO:
        return f" goto {rule.goto}"
    if rule.action == _RULE_NOP:
        return " nop"
    return f" type {_RULE_TYPES.get(rule.action, str(rule.action))}"


def _tracking(no_track: bool, group: str) -> str:
    return (" no_track" if no_track else "") + (f" track_group {group}" if group else "")
