"""KEEPALIVED-MIB, branch check: virtual and real servers from the configuration and a snapshot. Pure.

The weight of a real server is the only object that can be written.
"""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import (
    Forwarding,
    GroupEntry,
    LvsMethod,
    Protocol,
    RealServer,
    SorryServer,
    VirtualServer,
)
from pykeepalived.config.model.values import Ip
from pykeepalived.notify.agentx import Oid, Syntax, Value, VarBind
from pykeepalived.notify.mib import (
    Columns,
    Entry,
    address_type,
    counter32,
    counter64,
    gauge,
    integer,
    octets,
    table_row,
    text,
    truth,
)
from pykeepalived.notify.mib_traps import TRAP_OID
from pykeepalived.notify.mib_vrrp import GLOBAL, KEEPALIVED
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.dump.services import virtual_name
from pykeepalived.observe.dump.text import command
from pykeepalived.observe.snapshot import IpvsSnapshot, RealServerSnapshot, TrafficSnapshot, VirtualServerSnapshot

CHECK: Oid = (*KEEPALIVED, 3)
VIRTUAL_TABLE: Oid = (*CHECK, 3, 1)
REAL_TABLE: Oid = (*CHECK, 4, 1)


_PROTOCOLS = {Protocol.TCP: 1, Protocol.UDP: 2, Protocol.SCTP: 3, Protocol.NONE: 4}
_SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos")
_KINDS = {Forwarding.NAT: 1, Forwarding.DR: 2, Forwarding.TUN: 3}
_TUNNELS = {"ipip": 1, "gue": 2, "gre": 3}
_CHECKSUMS = {"nocsum": 1, "csum": 2, "remcsum": 3}
_ONE_PACKET, _HASHED, _FIRST, _SECOND, _THIRD = 0x04, 0x02, 0x08, 0x10, 0x20


def checker_entries(config: Config, snapshot: IpvsSnapshot) -> Iterator[Entry]:
    """Everything below check; the statistics where the snapshot has them."""
    for row, group in enumerate(config.virtual_server_groups, 1):
        yield (*CHECK, 1, 1, 2, row), text(group.name)
        marks = [entry for entry in group.entries if entry.fwmark is not None]
        addresses = [entry for entry in group.entries if entry.fwmark is None]
        for number, entry in enumerate((*marks, *addresses), 1):
            yield from table_row((*CHECK, 2, 1), (row, number), _member(entry))
    for row, virtual in enumerate(config.virtual_servers, 1):
        now = _state(snapshot, row - 1, virtual)
        yield from _statistics(snapshot, row, virtual)
        yield from table_row(VIRTUAL_TABLE, (row,), _virtual(virtual, now))
        number = 1
        if virtual.sorry_server is not None:
            yield from table_row(REAL_TABLE, (row, number), _sorry(virtual.sorry_server))
            number += 1
        for position, real in enumerate(virtual.real_servers):
            known = now.real_servers[position] if position < len(now.real_servers) else None
            columns = _real(real, known or RealServerSnapshot(name="", effective_weight=real.weight), virtual)
            yield from table_row(REAL_TABLE, (row, number + position), columns)
    yield from _scalars(config)


def _state(snapshot: IpvsSnapshot, position: int, virtual: VirtualServer) -> VirtualServerSnapshot:
    if position < len(snapshot.virtual_servers):
        return snapshot.virtual_servers[position]
    return VirtualServerSnapshot(name=virtual_name(virtual))


def _member(entry: GroupEntry) -> Columns:
    if entry.fwmark is not None:
        yield 2, integer(1)
        yield 3, gauge(entry.fwmark)
        return
    first, last = entry.first, entry.last
    if first is None or last is None:
        return
    yield 2, integer(2 if first == last else 3)
    yield 4, address_type(first)
    if first == last:
        yield 5, octets(first)
    else:
        yield 6, octets(first)
        yield 7, octets(last)
    yield 8, gauge(entry.port)


def _type(virtual: VirtualServer) -> int:
    return 3 if virtual.group else 1 if virtual.address is None else 2


def _virtual(virtual: VirtualServer, now: VirtualServerSnapshot) -> Columns:
    yield 2, integer(_type(virtual))
    if virtual.group:
        yield 3, text(virtual.group)
    if virtual.fwmark is not None and virtual.address is None and not virtual.group:
        yield 4, gauge(virtual.fwmark)
    yield 5, integer(1 if virtual.family == 4 else 2)
    if virtual.address is not None:
        yield 6, octets(virtual.address)
        yield 7, gauge(virtual.port)
    if _type(virtual) != 1:
        yield 8, integer(_PROTOCOLS[virtual.protocol])
    known = virtual.scheduler in _SCHEDULERS
    yield 9, integer(_SCHEDULERS.index(virtual.scheduler) + 1 if known else 99)
    yield 10, integer(_KINDS[virtual.method.forwarding])
    yield 11, truth(now.alive)
    if virtual.virtualhost:
        yield 12, text(virtual.virtualhost)
    yield 13, truth(bool(virtual.persistence_timeout_s))
    if virtual.persistence_timeout_s:
        yield 14, gauge(virtual.persistence_timeout_s)
    if virtual.family == 4:
        yield 15, octets(virtual.persistence_granularity.to_bytes(4))
    yield 16, gauge(virtual.delay_loop_us // 1_000_000)
    yield 17, truth(virtual.ha_suspend)
    yield 18, truth(virtual.alpha)
    yield 19, truth(virtual.omega)
    yield 20, gauge(len(virtual.real_servers))
    yield 21, gauge(sum(real.alive for real in now.real_servers))
    yield 22, gauge(virtual.quorum)
    yield 23, truth(now.quorum_up)
    for column, script in ((24, virtual.quorum_up), (25, virtual.quorum_down)):
        if script is not None:
            yield column, text(command(script))
    yield 26, gauge(virtual.hysteresis)
    yield from _flags(virtual)
    yield from _timing(virtual)
    yield from _tunnel(virtual.method, 68)
    if virtual.snmp_name:
        yield 71, text(virtual.snmp_name)
    for column, script in ((72, virtual.quorum_up), (73, virtual.quorum_down)):
        if script is not None:
            yield column, text(script.path or script.words[0])


def _flags(virtual: VirtualServer) -> Columns:
    """The flags of sh and mh are the same bits; both pairs of columns show them whatever the scheduler is."""
    flags = virtual.flags
    yield 37, truth(bool(flags & _ONE_PACKET))
    if virtual.family == 6:
        yield 51, gauge(virtual.persistence_granularity)
    yield 52, truth(bool(flags & _HASHED))
    for fallback, port in ((53, 54), (62, 63)):
        yield fallback, truth(bool(flags & _FIRST))
        yield port, truth(bool(flags & _SECOND))
    yield 55, truth(bool(flags & _THIRD))


def _timing(virtual: VirtualServer) -> Columns:
    retry_delay, warmup = virtual.delay_before_retry_us or 0, virtual.warmup_us or 0
    yield 56, integer(2 if virtual.inhibit_on_failure else 1)
    yield 57, gauge(virtual.retry or 0)
    yield 58, gauge(retry_delay // 1_000_000)
    yield 59, gauge(warmup // 1_000_000)
    yield 60, integer(virtual.weight)
    yield 61, truth(virtual.smtp_alert)
    yield 64, gauge(virtual.delay_loop_us)
    yield 65, gauge(retry_delay)
    yield 66, gauge(warmup)
    yield 67, gauge(virtual.connect_timeout_us)


def _tunnel(method: LvsMethod, first: int) -> Columns:
    if method.forwarding == Forwarding.TUN:
        yield first, integer(_TUNNELS.get(method.tunnel, 1))
        yield first + 1, gauge(method.port)
        yield first + 2, integer(_CHECKSUMS.get(method.checksum, 1))


def _address(address: Ip, port: int) -> Columns:
    yield 3, address_type(address)
    yield 4, octets(address)
    yield 5, gauge(port)


def _statistics(snapshot: IpvsSnapshot, row: int, virtual: VirtualServer) -> Iterator[Entry]:
    traffic = snapshot.traffic
    if traffic is None or row > len(traffic):
        return
    here = traffic[row - 1]
    yield from table_row(VIRTUAL_TABLE, (row,), _carried(here.total, (27, 32, 38, 41, 74)))
    servers = (*([here.sorry_server] if virtual.sorry_server is not None else ()), *here.real_servers)
    for number, server in enumerate(servers, 1):
        yield from table_row(REAL_TABLE, (row, number), _carried(server, (14, 22, 27, 30, 58), connections=True))


def _carried(traffic: TrafficSnapshot, first: tuple[int, int, int, int, int], connections: bool = False) -> Columns:
    """The columns of counters, rates, 64-bit counters, rates in two halves and 64-bit rates begin at `first`."""
    counters, rates, wide_counters, halves, wide_rates = first
    yield counters, gauge(traffic.connections)
    if connections:
        yield counters + 1, gauge(traffic.active)
        yield counters + 2, gauge(traffic.inactive)
        yield counters + 3, gauge(traffic.persistent)
        counters += 3
    yield counters + 1, counter32(traffic.packets_in)
    yield counters + 2, counter32(traffic.packets_out)
    yield counters + 3, counter64(traffic.bytes_in)
    yield counters + 4, counter64(traffic.bytes_out)
    for place, number in enumerate((traffic.connections, traffic.packets_in, traffic.packets_out)):
        yield wide_counters + place, counter64(number)
    rate = (
        traffic.connection_rate,
        traffic.packet_rate_in,
        traffic.packet_rate_out,
        traffic.byte_rate_in,
        traffic.byte_rate_out,
    )
    for place, number in enumerate(rate):
        yield rates + place, gauge(number)
        yield halves + 2 * place, gauge(number & 0xFFFFFFFF)
        yield halves + 2 * place + 1, gauge(number >> 32)
        yield wide_rates + place, counter64(number)


def weight_of(config: Config, name: Oid) -> tuple[str, str] | None:
    """The virtual and the real server whose weight this object is, by the names of log lines; None of any other."""
    if name[: len(REAL_TABLE) + 1] != (*REAL_TABLE, 7) or len(name) != len(REAL_TABLE) + 3:
        return None
    row, number = name[-2:]
    if not 1 <= row <= len(config.virtual_servers):
        return None
    virtual = config.virtual_servers[row - 1]
    place = number - 1 - (virtual.sorry_server is not None)
    if not 0 <= place < len(virtual.real_servers):
        return None
    return virtual_name(virtual), _server_name(virtual.real_servers[place], virtual)


def _server_name(real: RealServer, virtual: VirtualServer) -> str:
    return f"[{real.address}]:{virtual.protocol}:{real.port}"


def _sorry(sorry: SorryServer) -> Columns:
    """It has neither checks nor times of its own: those columns are 0."""
    yield 2, integer(2)
    yield from _address(sorry.address, sorry.port)
    yield 10, integer(2 if sorry.inhibit else 1)
    yield 40, integer(_KINDS[sorry.method.forwarding])
    yield 42, truth(False)
    yield from ((column, gauge(0)) for column in (43, 44, 45, 46, 48, 49, 50, 51))
    yield 47, truth(False)
    yield from _tunnel(sorry.method, 52)


def _real(real: RealServer, now: RealServerSnapshot, virtual: VirtualServer) -> Columns:
    yield 2, integer(1)
    yield from _address(real.address, real.port)
    yield 6, truth(now.alive)
    yield 7, integer(min(max(now.effective_weight, 0), 2**31 - 1))
    if real.upper_threshold:
        yield 8, gauge(real.upper_threshold)
    if real.lower_threshold:
        yield 9, gauge(real.lower_threshold)
    yield 10, integer(2 if real.inhibit_on_failure else 1)
    for column, script in ((11, real.notify_up), (12, real.notify_down)):
        if script is not None:
            yield column, text(command(script))
    yield 13, gauge(now.failed_checkers)
    yield 40, integer(_KINDS[real.method.forwarding])
    if real.virtualhost:
        yield 41, text(real.virtualhost)
    yield 42, truth(real.alpha)
    retry_delay, warmup = virtual.delay_before_retry_us or 0, virtual.warmup_us or 0
    yield 43, gauge(virtual.retry or 0)
    yield 44, gauge(retry_delay // 1_000_000)
    yield 45, gauge(warmup // 1_000_000)
    yield 46, gauge(virtual.delay_loop_us // 1_000_000)
    yield 47, truth(real.smtp_alert)
    yield 48, gauge(retry_delay)
    yield 49, gauge(warmup)
    yield 50, gauge(virtual.delay_loop_us)
    yield 51, gauge(virtual.connect_timeout_us)
    yield from _tunnel(real.method, 52)
    if real.snmp_name:
        yield 55, text(real.snmp_name)
    for column, script in ((56, real.notify_up), (57, real.notify_down)):
        if script is not None:
            yield column, text(script.path or script.words[0])
    yield 63, gauge(sum(not checker.has_run for checker in now.checkers))


def _scalars(config: Config) -> Iterator[Entry]:
    daemon = config.globals.lvs_sync_daemon
    yield (*CHECK, 6, 1, 0), truth(daemon is not None)
    if daemon is not None:
        yield (*CHECK, 6, 2, 0), text(daemon.interface)
        if daemon.instance:
            yield (*CHECK, 6, 3, 0), text(daemon.instance)
        yield (*CHECK, 6, 4, 0), integer(daemon.sync_id or 0)
        for column, number in ((5, daemon.max_length), (6, daemon.port), (7, daemon.ttl)):
            if number:
                yield (*CHECK, 6, column, 0), integer(number)
        if daemon.group is not None:
            yield (*CHECK, 6, 8, 0), address_type(daemon.group)
            yield (*CHECK, 6, 9, 0), octets(daemon.group)
    timeouts = config.globals.lvs_timeouts
    for column, seconds in ((1, timeouts.tcp_s), (2, timeouts.tcp_fin_s), (3, timeouts.udp_s)):
        if seconds:
            yield (*CHECK, 7, column, 0), integer(seconds)


def checker_traps(config: Config, snapshot: IpvsSnapshot, trap: Trap) -> Iterator[list[VarBind]]:
    """The trap for a real server (state 1 up, 0 down) or a quorum (1 met, 2 not met, 3 shutdown).

    The name is that of the virtual server in log lines, for a real server followed by a blank and its own.
    """
    if not (config.globals.snmp.traps and config.globals.snmp.checker):
        return
    wanted, _, server = trap.name.rpartition(" ") if trap.kind == "real_server" else (trap.name, "", "")
    for position, virtual in enumerate(config.virtual_servers):
        if virtual_name(virtual) != wanted:
            continue
        now = _state(snapshot, position, virtual)
        if trap.kind == "virtual_server":
            yield [_name(2), *_virtual_bindings(virtual), *_totals(config, virtual, now, trap.state)]
            return
        for real in virtual.real_servers:
            if server == _server_name(real, virtual):
                about = [VarBind((*REAL_TABLE, column), value) for column, value in _address(real.address, real.port)]
                about.append(VarBind((*REAL_TABLE, 6), truth(bool(trap.state))))
                yield [_name(1), *about, *_virtual_bindings(virtual), *_totals(config, virtual, now)]
                return


def _name(number: int) -> VarBind:
    return VarBind(TRAP_OID, Value(Syntax.OID, (*CHECK, 5, 0, number)))


def _virtual_bindings(virtual: VirtualServer) -> Iterator[VarBind]:
    yield VarBind((*VIRTUAL_TABLE, 2), integer(_type(virtual)))
    if virtual.group:
        yield VarBind((*VIRTUAL_TABLE, 3), text(virtual.group))
    elif virtual.address is None:
        yield VarBind((*VIRTUAL_TABLE, 4), gauge(virtual.fwmark or 0))
    else:
        yield VarBind((*VIRTUAL_TABLE, 5), address_type(virtual.address))
        yield VarBind((*VIRTUAL_TABLE, 6), octets(virtual.address))
        yield VarBind((*VIRTUAL_TABLE, 7), gauge(virtual.port))
    yield VarBind((*VIRTUAL_TABLE, 8), integer(1 if virtual.protocol == Protocol.TCP else 2))


def _totals(
    config: Config, virtual: VirtualServer, now: VirtualServerSnapshot, quorum: int | None = None
) -> Iterator[VarBind]:
    if quorum is not None:
        yield VarBind((*VIRTUAL_TABLE, 23), integer(quorum))
        yield VarBind((*VIRTUAL_TABLE, 22), gauge(virtual.quorum))
    yield VarBind((*VIRTUAL_TABLE, 21), gauge(sum(real.alive for real in now.real_servers)))
    yield VarBind((*VIRTUAL_TABLE, 20), gauge(len(virtual.real_servers)))
    yield VarBind((*GLOBAL, 2, 0), text(config.globals.router_id))
