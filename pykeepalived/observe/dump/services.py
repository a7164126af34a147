"""Virtual servers, their groups and real servers in keepalived_check.data."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from pykeepalived.config.model.ipvs import (
    BfdCheck,
    FileCheck,
    GroupEntry,
    LvsMethod,
    RealServer,
    SorryServer,
    VirtualServer,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.dump.text import enabled, micro, on_off, script_line, yes_no
from pykeepalived.observe.snapshot import GroupEntrySnapshot, RealServerSnapshot, VirtualServerSnapshot

_SCHEDULER_FLAGS = {
    "sh": (("sh-port", 0x10), ("sh-fallback", 0x08)),
    "mh": (("mh-port", 0x10), ("mh-fallback", 0x08)),
}
_PLAIN_FLAGS = (("flag-1", 0x08), ("flag-2", 0x10), ("flag-3", 0x20))
_ONE_PACKET, _HASHED = 0x04, 0x02
_DEFAULT_GRANULARITY = {4: 0xFFFFFFFF, 6: 128}


def virtual_name(virtual: VirtualServer) -> str:
    """A virtual server as log lines call it."""
    if virtual.group:
        return f"[{virtual.group}]:{virtual.group_index}"
    if virtual.address is None:
        return f"FWM {virtual.fwmark}"
    return server_name(virtual.address, virtual, virtual.port)


def server_name(address: Ip, virtual: VirtualServer, port: int) -> str:
    """A real or sorry server as log lines call it."""
    return f"[{address}]:{virtual.protocol}:{port}"


def initial(real: RealServer, name: str) -> RealServerSnapshot:
    """A real server about which a snapshot says nothing."""
    return RealServerSnapshot(name=name, effective_weight=real.weight)


def group_lines(group: VirtualServerGroup, now: tuple[GroupEntrySnapshot, ...]) -> Iterator[str]:
    """One virtual_server_group."""
    families = {entry.first.family for entry in group.entries if entry.first is not None}
    yield " ------< Virtual server group >------"
    yield (f" Virtual Server Group = {group.name}, IPv4 = {yes_no(4 in families)}, IPv6 = {yes_no(6 in families)}")
    addresses = [entry for entry in group.entries if entry.fwmark is None]
    marks = [entry for entry in group.entries if entry.fwmark is not None]
    states = dict(zip(map(id, group.entries), now, strict=False))
    for entry in (*addresses, *marks):
        yield from _entry(entry, states.get(id(entry), GroupEntrySnapshot()))


def _entry(entry: GroupEntry, now: GroupEntrySnapshot) -> Iterator[str]:
    if entry.fwmark is not None:
        yield f"   FWMARK = {entry.fwmark}"
        yield f"     Alive: {now.ipv4} IPv4, {now.ipv6} IPv6"
    else:
        if entry.first == entry.last:
            yield f"   VIP = {entry.first}, VPORT = {entry.port}"
        else:
            yield f"   VIP Range = {entry.first}-{entry.last}, VPORT = {entry.port}"
        yield f"     Alive: {now.tcp} tcp, {now.udp} udp, {now.sctp} sctp"
    yield f"     reloaded = {now.reloaded}"


def virtual_lines(
    virtual: VirtualServer, now: VirtualServerSnapshot, group: VirtualServerGroup | None
) -> Iterator[str]:
    """One virtual_server with its real servers."""
    yield " ------< Virtual server >------"
    if virtual.group:
        yield f" VS GROUP = {virtual_name(virtual)}"
    elif virtual.address is None:
        yield f" VS FWMARK = {virtual.fwmark}"
    else:
        yield f" VS VIP = {virtual.address}, VPORT = {virtual.port}"
    for line in _virtual(virtual, now, group):
        yield f"   {line}"
    for position, real in enumerate(virtual.real_servers):
        name = server_name(real.address, virtual, real.port)
        known = now.real_servers[position] if position < len(now.real_servers) else initial(real, name)
        yield "   ------< Real server >------"
        for line in _real(real, known, virtual):
            yield f"   {line}"


def _virtual(virtual: VirtualServer, now: VirtualServerSnapshot, group: VirtualServerGroup | None) -> Iterator[str]:
    if virtual.virtualhost:
        yield f"VirtualHost = {virtual.virtualhost}"
    if virtual.snmp_name:
        yield f"SNMP name = '{virtual.snmp_name}'"
    yield f"Address family = {_family(virtual, group)}"
    yield f"connection timeout = {micro(virtual.connect_timeout_us)}"
    yield f"delay_loop = {micro(virtual.delay_loop_us)}"
    yield f"lvs_sched = {virtual.scheduler}"
    yield f"Hashed = {enabled(bool(virtual.flags & _HASHED))}"
    for name, bit in _SCHEDULER_FLAGS.get(virtual.scheduler, _PLAIN_FLAGS):
        yield f"{name} = {enabled(bool(virtual.flags & bit))}"
    yield f"One packet scheduling = {enabled(bool(virtual.flags & _ONE_PACKET))}"
    if virtual.persistence_timeout_s:
        yield f"persistence timeout = {virtual.persistence_timeout_s}"
    if virtual.persistence_granularity != _DEFAULT_GRANULARITY[virtual.family]:
        yield f"persistence granularity = {_granularity(virtual)}"
    if virtual.persistence_engine:
        yield f"persistence engine = {virtual.persistence_engine}"
    protocol = virtual.protocol.value
    yield f"protocol = {protocol if protocol == 'none' else protocol.upper()}"
    yield f"alpha is {on_off(virtual.alpha)}"
    yield f"omega is {on_off(virtual.omega)}"
    yield from _retries(virtual)
    yield f"Inhibit on failure is {on_off(virtual.inhibit_on_failure)}"
    yield f"quorum = {virtual.quorum}, hysteresis = {virtual.hysteresis}"
    if virtual.quorum_up is not None:
        yield f"Quorum up notify script = {script_line(virtual.quorum_up)}"
    if virtual.quorum_down is not None:
        yield f"Quorum down notify script = {script_line(virtual.quorum_down)}"
    if virtual.ha_suspend:
        yield "Using HA suspend"
    yield f"Using smtp notification = {yes_no(virtual.smtp_alert)}"
    yield f"default forwarding method = {_method(virtual.method)}"
    if virtual.sorry_server is not None:
        yield from _sorry(virtual.sorry_server, virtual, now.sorry_server)
    yield f"VS alive = {now.alive:d}"
    yield f"quorum_state_up = {now.quorum_up:d}"
    yield f"reloaded = {now.reloaded:d}"


def _family(virtual: VirtualServer, group: VirtualServerGroup | None) -> str:
    if group is not None:
        families = {entry.first.family for entry in group.entries if entry.first is not None}
        if len(families) == 2:
            return "IPv4 & IPv6"
    return "inet6" if virtual.family == 6 else "inet"


def _granularity(virtual: VirtualServer) -> str:
    if virtual.family == 6:
        return str(virtual.persistence_granularity)
    return str(IPv4Address(virtual.persistence_granularity))


def _retries(server: VirtualServer | RealServer) -> Iterator[str]:
    if server.retry is not None:
        yield f"Retry count = {server.retry}"
    if server.delay_before_retry_us is not None:
        yield f"Retry delay = {micro(server.delay_before_retry_us)}"
    if server.warmup_us is not None:
        yield f"Warmup = {micro(server.warmup_us)}"


_CHECKSUMS = {"nocsum": ", no checksum", "csum": ", checksum", "remcsum": ", remote checksum"}


def _method(method: LvsMethod) -> str:
    text = method.forwarding.value
    if text != "TUN":
        return text
    text += f", type = {method.tunnel.upper()}"
    if method.tunnel == "gue":
        text += f", port = {method.port}"
    if method.tunnel != "ipip":
        text += _CHECKSUMS.get(method.checksum, "")
    return text


def _sorry(sorry: SorryServer, virtual: VirtualServer, now: RealServerSnapshot | None) -> Iterator[str]:
    twin = any((real.address, real.port) == (sorry.address, sorry.port) for real in virtual.real_servers)
    label = "sorry server (duplicates rs)" if twin else "sorry server"
    yield f"{label} = {server_name(sorry.address, virtual, sorry.port)}"
    yield f"  forwarding method = {_method(sorry.method)}"
    yield f"  Inhibit on failure is {on_off(sorry.inhibit)}"
    if now is not None:
        yield f"  set = {now.set:d}"
        yield f"  alive = {now.alive:d}"


def _real(real: RealServer, now: RealServerSnapshot, virtual: VirtualServer) -> Iterator[str]:
    weight = min(max(now.effective_weight, 0), 2**31 - 1)
    yield (f"RIP = {real.address}, RPORT = {real.port}, WEIGHT = {weight} EFF WEIGHT = {now.effective_weight}")
    yield f"forwarding method = {_method(real.method)}"
    yield f"Alpha is {on_off(real.alpha)}"
    yield f"connection timeout = {micro(real.connect_timeout_us)}"
    yield f"connection limit range = {real.lower_threshold} -> {real.upper_threshold}"
    yield f"Delay loop = {micro(real.delay_loop_us)}"
    yield from _retries(real)
    yield f"Inhibit on failure is {on_off(real.inhibit_on_failure)}"
    if real.notify_up is not None:
        yield f"RS up notify script = {script_line(real.notify_up)}"
    if real.notify_down is not None:
        yield f"RS down notify script = {script_line(real.notify_down)}"
    if real.virtualhost:
        yield f" VirtualHost = '{real.virtualhost}'"
    if real.snmp_name:
        yield f"SNMP name = {real.snmp_name}"
    yield f"Using smtp notification = {yes_no(real.smtp_alert)}"
    yield f"initial weight = {real.weight}"
    yield f"effective weight = {now.effective_weight}"
    yield f"previous effective_weight = {now.previous_weight}"
    yield f"alive = {now.alive:d}"
    yield f"num failed checkers = {now.failed_checkers}"
    yield f"RS set = {now.set:d}"
    yield f"reloaded = {now.reloaded:d}"
    files = [checker for checker in real.checkers if isinstance(checker, FileCheck)]
    if files:
        yield "Tracked Files"
        for file in files:
            yield f"  {file.track_file}, weight {file.weight}{' reverse' if file.reverse else ''}"
    sessions = [checker for checker in real.checkers if isinstance(checker, BfdCheck)]
    if sessions:
        yield "Tracked BFDs"
        for session in sessions:
            yield f"  {session.name}"
