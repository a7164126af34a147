"""KEEPALIVED-MIB, tables of addresses, routes, nexthops and rules of instances. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import Encap, IpAddress, IpRoute, IpRule, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.notify.agentx import Oid
from pykeepalived.notify.mib import (
    Columns,
    Entry,
    address_type,
    counter64,
    gauge,
    integer,
    octets,
    table_row,
    text,
    truth,
)
from pykeepalived.observe.snapshot import VrrpInstanceSnapshot, VrrpSnapshot

_SCOPES = {0: 14, 200: 5, 253: 2, 254: 1}
"""Scopes of rtnetlink(7) as InetScopeType (RFC 4001)."""
_RTT, _RTTVAR, _RTO_MIN, _FEATURES, _QUICKACK, _CONGESTION, _FASTOPEN = 4, 5, 13, 12, 15, 16, 17
_METRICS = {2: 22, 10: 24, 8: 25, _RTT: 27, _RTTVAR: 29, 9: 31, 3: 33, 7: 34, 6: 36, _RTO_MIN: 38, 11: 40, 14: 41}
"""RTAX_* to column; a lock stands in the next column where there is one."""
_LOCKABLE = {2, 8, _RTT, _RTTVAR, 9, 7, 6, _RTO_MIN}
_UNITS = {_RTT: 8, _RTTVAR: 4}
_PREFERENCES = {0: 1, 1: 2, 3: 3}
_ENCAPS = {"mpls": 1, "ip": 2, "ila": 3, "ip6": 4}
_OWN_PROTOCOL = 18


def network_entries(vrrp: Oid, config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    """The tables below `vrrp`, indexed by instance and position."""
    states = {instance.name: instance for instance in snapshot.instances}
    indices = {interface.name: interface.index for interface in snapshot.interfaces}
    for row, instance in enumerate(config.vrrp_instances, 1):
        now = states.get(instance.name) or VrrpInstanceSnapshot(name=instance.name)
        for number, (address, present, advertised) in enumerate(_addresses(instance, now), 1):
            interface = address.interface or now.interface
            columns = _address(address, interface, indices.get(interface, 0), present, advertised)
            yield from table_row((*vrrp, 6, 1), (row, number), columns)
        for number, route in enumerate(instance.virtual_routes, 1):
            present = now.routes_set[number - 1] if number <= len(now.routes_set) else False
            columns = _route(route, indices.get(route.interface, 0), present)
            yield from table_row((*vrrp, 7, 1), (row, number), columns)
            yield from _nexthops((*vrrp, 11, 1), (row, number), route, indices)
        for number, rule in enumerate(instance.virtual_rules, 1):
            present = now.rules_set[number - 1] if number <= len(now.rules_set) else False
            yield from table_row((*vrrp, 8, 1), (row, number), _rule(rule, present))


def _addresses(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> Iterator[tuple[IpAddress, bool, bool]]:
    for addresses, present, advertised in (
        (instance.virtual_addresses, now.addresses_set, True),
        (instance.excluded_addresses, now.excluded_set, False),
    ):
        for position, address in enumerate(addresses):
            yield address, position < len(present) and present[position], advertised


def _address(address: IpAddress, interface: str, index: int, present: bool, advertised: bool) -> Columns:
    yield 2, address_type(address.address)
    yield 3, octets(address.address)
    if address.family == 4:
        yield 4, octets(address.broadcast or bytes(4))
    yield 5, gauge(address.prefix_length)
    yield 6, integer(_SCOPES.get(address.scope, 14))
    yield 7, integer(index)
    yield 8, text(interface)
    if address.label:
        yield 9, text(address.label)
    yield 10, truth(present)
    yield 11, truth(advertised)
    if address.peer is not None:
        yield 12, octets(address.peer)


def _any(family: int) -> Ip:
    return Ip(bytes(4 if family == 4 else 16))


def _route(route: IpRoute, index: int, present: bool) -> Columns:
    destination = route.destination if route.destination is not None else _any(route.family)
    yield 2, address_type(destination)
    yield 3, octets(destination)
    yield 4, gauge(route.prefix_length)
    if route.via is not None:
        yield 5, octets(route.via)
    if route.src is not None:
        yield 7, octets(route.src)
    yield 8, gauge(route.metric or 0)
    yield 9, integer(_SCOPES.get(route.scope or 0, 14))
    yield 10, integer(route.type)
    if route.interface:
        yield 11, integer(index)
        yield 12, text(route.interface)
    yield 13, gauge(route.table)
    yield 14, truth(present)
    if route.from_address is not None:
        yield 15, octets(route.from_address)
        yield 16, gauge(route.from_length)
    if route.tos is not None:
        yield 17, gauge(route.tos)
    yield 18, integer(route.protocol + 1)
    metrics = dict(route.metrics)
    yield 19, truth(_FEATURES in metrics)
    yield 20, truth(bool(metrics.get(_QUICKACK)))
    if route.expires_s is not None:
        yield 21, integer(route.expires_s)
    yield from _metrics(route, metrics)
    if _CONGESTION in metrics:
        yield 42, text(str(metrics[_CONGESTION]))
    if route.pref is not None:
        yield 43, integer(_PREFERENCES.get(route.pref, 1))
    if route.realms is not None:
        yield 44, gauge(route.realms & 0xFFFF)
        yield 45, gauge(route.realms >> 16)
    yield from _encap(route.encap, 46)
    if _FASTOPEN in metrics:
        yield 55, truth(bool(metrics[_FASTOPEN]))


def _metrics(route: IpRoute, metrics: dict[int, int | str]) -> Columns:
    for number, column in _METRICS.items():
        value = metrics.get(number)
        if isinstance(value, int):
            yield column, gauge(value // _UNITS.get(number, 1))
            if number in _LOCKABLE:
                yield column + 1, truth(bool(route.locks & 1 << number))


def _encap(encap: Encap | None, first: int) -> Columns:
    if encap is None:
        return
    yield first, integer(_ENCAPS.get(encap.kind, 0))
    if encap.labels:
        yield first + 1, text("/".join(str(label) for label in encap.labels))
    if encap.id is not None:
        yield first + 2, counter64(encap.id)
    if encap.dst is not None:
        yield first + 3, octets(encap.dst)
    if encap.src is not None:
        yield first + 4, octets(encap.src)
    for offset, number in ((5, encap.tos), (6, encap.ttl), (7, encap.flags)):
        if number is not None:
            yield first + offset, gauge(number)
    if encap.locator is not None:
        yield first + 8, counter64(encap.locator)


def _nexthops(table: Oid, index: Oid, route: IpRoute, indices: dict[str, int]) -> Iterator[Entry]:
    for number, hop in enumerate(route.nexthops, 1):
        yield from table_row(table, (*index, number), _nexthop(hop, indices.get(hop.interface, 0)))


def _nexthop(hop: NextHop, index: int) -> Columns:
    """Column 10, the kind of encapsulation, is not accessible in this table."""
    if hop.via is not None:
        yield 2, address_type(hop.via)
        yield 3, octets(hop.via)
    if hop.interface:
        yield 4, integer(index)
        yield 5, text(hop.interface)
    yield 6, gauge(hop.weight)
    yield 7, truth(hop.onlink)
    if hop.realms is not None:
        yield 8, gauge(hop.realms & 0xFFFF)
        yield 9, gauge(hop.realms >> 16)
    yield from (entry for entry in _encap(hop.encap, 10) if entry[0] != 10)


def _rule(rule: IpRule, present: bool) -> Columns:
    direction = "from" if rule.from_address is not None else "to" if rule.to_address is not None else "all"
    address = rule.from_address if rule.from_address is not None else rule.to_address
    length = rule.from_length if rule.from_address is not None else rule.to_length
    yield 2, text(direction)
    if address is not None:
        yield 3, address_type(address)
        yield 4, octets(address)
        yield 5, gauge(length)
    yield 6, gauge(rule.table or 0)
    yield 7, truth(present)
    yield 8, truth(rule.invert)
    for first, end, bits in ((9, rule.to_address, rule.to_length), (12, rule.from_address, rule.from_length)):
        if end is not None:
            yield first, address_type(end)
            yield first + 1, octets(end)
            yield first + 2, gauge(bits)
    yield 15, gauge(rule.tos or 0)
    if rule.fwmark is not None:
        yield 16, gauge(rule.fwmark)
        yield 17, gauge(0xFFFFFFFF if rule.fwmask is None else rule.fwmask)
    if rule.realms is not None:
        yield 18, gauge(rule.realms & 0xFFFF)
        yield 19, gauge(rule.realms >> 16)
    for column, name in ((20, rule.iif), (21, rule.oif)):
        if name:
            yield column, text(name)
    if rule.goto is not None:
        yield 22, gauge(rule.goto)
    yield 23, integer(rule.action)
    yield 24, gauge(rule.table or 0)
    if rule.priority is not None:
        yield 25, gauge(rule.priority)
    yield from _rule_extras(rule)


def _rule_extras(rule: IpRule) -> Columns:
    if rule.suppress_prefixlength is not None:
        yield 26, gauge(rule.suppress_prefixlength)
    if rule.suppress_ifgroup is not None:
        yield 27, text(str(rule.suppress_ifgroup))
    if rule.tunnel_id is not None:
        yield 28, gauge(rule.tunnel_id >> 32)
        yield 29, gauge(rule.tunnel_id & 0xFFFFFFFF)
    if rule.uid_range is not None:
        yield 30, gauge(rule.uid_range[0])
        yield 31, gauge(rule.uid_range[1])
    if rule.l3mdev:
        yield 32, truth(True)
    if rule.protocol != _OWN_PROTOCOL:
        yield 33, integer(rule.protocol + 1)
    if rule.ip_protocol is not None:
        yield 34, gauge(rule.ip_protocol)
    for first, ports in ((35, rule.source_ports), (37, rule.destination_ports)):
        if ports is not None:
            yield first, gauge(ports[0])
            yield first + 1, gauge(ports[1])
