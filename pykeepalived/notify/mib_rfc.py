"""VRRP-MIB (RFC 2787) for VRRPv2 over IPv4 and VRRPV3-MIB (RFC 6527) for all instances. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthType, VrrpInstance
from pykeepalived.notify.agentx import Oid, Syntax, Value
from pykeepalived.notify.mib import (
    Columns,
    Entry,
    counter32,
    counter64,
    gauge,
    integer,
    octets,
    table_row,
    ticks,
    truth,
)
from pykeepalived.observe.snapshot import InterfaceSnapshot, VrrpInstanceSnapshot, VrrpSnapshot, VrrpState

VRRP_MIB: Oid = (1, 3, 6, 1, 2, 1, 68)
VRRPV3_MIB: Oid = (1, 3, 6, 1, 2, 1, 207)

_OPERATING = {VrrpState.BACKUP: 2, VrrpState.MASTER: 3}
_AUTH = {AuthType.NONE: 1, AuthType.PASS: 2, AuthType.AH: 3}
_ACTIVE = 1


class _Row:
    """An instance with what both tables need of it."""

    def __init__(
        self, instance: VrrpInstance, now: VrrpInstanceSnapshot, interface: InterfaceSnapshot | None, taken_ns: int
    ) -> None:
        self.instance = instance
        self.now = now
        self.index = now.interface_index
        mac = now.vmac_mac or (interface.mac if interface is not None else b"")
        self.mac = mac or bytes(6)
        self.state = _OPERATING.get(now.state, 1)
        nowhere = Ip(bytes(4 if instance.family == 4 else 16))
        self.primary = now.source_address if now.source_address is not None else nowhere
        heard = now.master_address if now.master_address is not None else nowhere
        self.master = self.primary if now.state == VrrpState.MASTER else heard
        self.uptime = max(taken_ns - now.last_transition_ns, 0) // 10_000_000 if self.state != 1 else 0


def _rows(config: Config, snapshot: VrrpSnapshot) -> Iterator[_Row]:
    states = {instance.name: instance for instance in snapshot.instances}
    interfaces = {interface.name: interface for interface in snapshot.interfaces}
    for instance in config.vrrp_instances:
        now = states.get(instance.name)
        if now is not None and now.interface_index:
            yield _Row(instance, now, interfaces.get(now.interface), snapshot.taken.monotonic_ns)


def rfc2787_entries(config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    """Objects of VRRP-MIB."""
    rows = [row for row in _rows(config, snapshot) if row.instance.version == 2 and row.instance.family == 4]
    yield (*VRRP_MIB, 1, 1, 0), integer(2)
    yield (*VRRP_MIB, 1, 2, 0), truth(config.globals.snmp.traps)
    for row in rows:
        index = (row.index, row.instance.virtual_router_id)
        yield from table_row((*VRRP_MIB, 1, 3, 1), index, _operations_v2(row))
        for address in row.instance.virtual_addresses:
            yield (*VRRP_MIB, 1, 4, 1, 2, *index, *address.address), integer(_ACTIVE)
        counters = row.now.counters
        for column, count in enumerate(
            (
                counters.become_master,
                counters.advert_rcvd,
                counters.advert_interval_err,
                counters.auth_failure,
                counters.ip_ttl_err,
                counters.pri_zero_rcvd,
                counters.pri_zero_sent,
                counters.invalid_type_rcvd,
                counters.addr_list_err,
                counters.invalid_authtype,
                counters.authtype_mismatch,
                counters.packet_len_err,
            ),
            1,
        ):
            yield (*VRRP_MIB, 2, 4, 1, column, *index), counter32(count)
    yield (*VRRP_MIB, 2, 1, 0), counter32(sum(row.now.counters.chk_err for row in rows))
    yield (*VRRP_MIB, 2, 2, 0), counter32(sum(row.now.counters.vers_err for row in rows))
    yield (*VRRP_MIB, 2, 3, 0), counter32(sum(row.now.counters.vrid_err for row in rows))


def _operations_v2(row: _Row) -> Columns:
    instance = row.instance
    yield 2, octets(row.mac)
    yield 3, integer(row.state)
    yield 4, integer(1)
    yield 5, integer(row.now.base_priority)
    yield 6, integer(len(instance.virtual_addresses))
    yield 7, Value(Syntax.IP_ADDRESS, bytes(row.master))
    yield 8, Value(Syntax.IP_ADDRESS, bytes(row.primary))
    yield 9, integer(_AUTH[instance.auth_type])
    yield 11, integer(instance.advert_int_us // 1_000_000)
    yield 12, truth(not instance.nopreempt)
    yield 13, ticks(row.uptime)
    yield 14, integer(1)
    yield 15, integer(_ACTIVE)


def rfc6527_entries(config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    """Objects of VRRPV3-MIB; VRRPv2 instances are shown too."""
    rows = list(_rows(config, snapshot))
    operations = (*VRRPV3_MIB, 1, 1, 1, 1)
    statistics = (*VRRPV3_MIB, 1, 2, 5, 1)
    for row in rows:
        instance = row.instance
        index = (row.index, instance.virtual_router_id, 1 if instance.family == 4 else 2)
        yield from table_row(operations, index, _operations_v3(row))
        for address in instance.virtual_addresses:
            yield (*VRRPV3_MIB, 1, 1, 2, 1, 2, *index, *address.address), integer(_ACTIVE)
        yield from table_row(statistics, index, _statistics_v3(row))
    yield (*VRRPV3_MIB, 1, 2, 1, 0), counter64(sum(row.now.counters.chk_err for row in rows))
    yield (*VRRPV3_MIB, 1, 2, 2, 0), counter64(sum(row.now.counters.vers_err for row in rows))
    yield (*VRRPV3_MIB, 1, 2, 3, 0), counter64(sum(row.now.counters.vrid_err for row in rows))
    yield (*VRRPV3_MIB, 1, 2, 4, 0), ticks(0)


def _operations_v3(row: _Row) -> Columns:
    instance = row.instance
    yield 3, octets(row.master)
    yield 4, octets(row.primary)
    yield 5, octets(row.mac)
    yield 6, integer(row.state)
    yield 7, gauge(row.now.base_priority)
    yield 8, integer(len(instance.virtual_addresses))
    yield 9, integer(instance.advert_int_us // 10_000)
    yield 10, truth(not instance.nopreempt)
    yield 11, truth(row.now.accept)
    yield 12, ticks(row.uptime)
    yield 13, integer(_ACTIVE)


def _statistics_v3(row: _Row) -> Columns:
    counters = row.now.counters
    yield 1, counter32(counters.become_master)
    yield 2, integer(3 if row.now.state == VrrpState.MASTER else 0)
    yield 3, counter64(counters.advert_rcvd)
    yield 4, counter64(counters.advert_interval_err)
    yield 5, counter64(counters.ip_ttl_err)
    yield 6, integer(0)
    yield 7, counter64(counters.pri_zero_rcvd)
    yield 8, counter64(counters.pri_zero_sent)
    yield 9, counter64(counters.invalid_type_rcvd)
    yield 10, counter64(counters.addr_list_err)
    yield 11, counter64(counters.packet_len_err)
    yield 12, ticks(0)
    yield 13, gauge(row.instance.advert_int_us // 1000)
