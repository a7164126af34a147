"""KEEPALIVED-MIB, branches global and vrrp: objects from the configuration and a snapshot. Pure.

Addresses, routes and rules are mib_network.py, the RFC trees mib_rfc.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Script
from pykeepalived.config.model.vrrp import AuthType, Notify, Tracker, Trackers, VrrpInstance, VrrpSyncGroup
from pykeepalived.notify.agentx import Oid
from pykeepalived.notify.mib import Columns, Entry, address_type, gauge, integer, octets, table_row, text, truth
from pykeepalived.notify.mib_network import network_entries
from pykeepalived.observe.dump.text import command
from pykeepalived.observe.snapshot import VrrpGroupSnapshot, VrrpInstanceSnapshot, VrrpSnapshot, VrrpState

KEEPALIVED: Oid = (1, 3, 6, 1, 4, 1, 9586, 100, 5)
GLOBAL: Oid = (*KEEPALIVED, 1)
VRRP: Oid = (*KEEPALIVED, 2)
INSTANCE_TABLE: Oid = (*VRRP, 3, 1)
_STATES = {
    VrrpState.INIT: 0,
    VrrpState.BACKUP: 1,
    VrrpState.MASTER: 2,
    VrrpState.FAULT: 3,
    VrrpState.STOP: 5,
    VrrpState.DELETED: 6,
}
_AUTH = {AuthType.NONE: 0, AuthType.PASS: 1, AuthType.AH: 2}
_MATCHES = {"": 0, "exact": 1, "partial": 2, "initial": 3}


def state_number(state: int) -> int:
    """The MIB's number of a state of keepalived.json and D-Bus; 4 = unknown."""
    return _STATES.get(VrrpState(state), 4) if state in VrrpState.__members__.values() else 4


def vrrp_entries(config: Config, snapshot: VrrpSnapshot, version: str) -> Iterator[Entry]:
    """Everything below global and vrrp."""
    yield from global_entries(config, version)
    yield from _groups(config, snapshot)
    states = {instance.name: instance for instance in snapshot.instances}
    for row, instance in enumerate(config.vrrp_instances, 1):
        now = states.get(instance.name) or VrrpInstanceSnapshot(name=instance.name)
        yield from table_row(INSTANCE_TABLE, (row,), _instance(config, instance, now))
        yield from _tracked(instance.track, row, (4, 5, 12, 17, 20))
    for row, group in enumerate(config.vrrp_sync_groups, 1):
        yield from _tracked(group.track, row, (14, 15, 16, 19, 22))
    yield from network_entries(VRRP, config, snapshot)
    yield from _objects(config, snapshot)


def global_entries(config: Config, version: str) -> Iterator[Entry]:
    """The scalars of the whole daemon; `version` as in the first log line."""
    settings = config.globals
    smtp = settings.smtp

    def alert(value: bool | None) -> int:
        return 3 if value is None else 1 if value else 2

    yield (*GLOBAL, 1, 0), text(version)
    yield (*GLOBAL, 2, 0), text(settings.router_id)
    if smtp.server is not None:
        yield (*GLOBAL, 3, 1, 0), address_type(smtp.server)
        yield (*GLOBAL, 3, 2, 0), octets(smtp.server)
    yield (*GLOBAL, 3, 3, 0), gauge(smtp.connect_timeout_s)
    yield (*GLOBAL, 3, 4, 0), text(smtp.email_from)
    for row, recipient in enumerate(smtp.recipients, 1):
        yield (*GLOBAL, 3, 5, 1, 2, row), text(recipient)
    yield (*GLOBAL, 3, 6, 0), gauge(smtp.port)
    yield (*GLOBAL, 3, 7, 0), truth(not settings.no_email_faults)
    yield (*GLOBAL, 3, 8, 0), integer(alert(settings.smtp_alert))
    yield (*GLOBAL, 3, 9, 0), integer(alert(settings.smtp_alert_vrrp))
    yield (*GLOBAL, 3, 10, 0), integer(alert(settings.smtp_alert_checker))
    yield (*GLOBAL, 4, 0), truth(settings.snmp.traps)
    yield (*GLOBAL, 5, 0), integer(2 if config.linkbeat_use_polling else 1)
    yield (*GLOBAL, 6, 0), truth(settings.lvs_flush)
    yield (*GLOBAL, 7, 0), truth(True)
    yield (*GLOBAL, 8, 0), text(settings.net_namespace)
    yield (*GLOBAL, 9, 0), truth(settings.enable_dbus)
    yield (*GLOBAL, 10, 0), truth(settings.dynamic_interfaces)
    yield (*GLOBAL, 11, 0), integer({"": 2, "all": 1}.get(settings.lvs_flush_on_stop, 3))
    yield (*GLOBAL, 12, 0), truth(settings.vrrp_defaults.v3_checksum_as_v2)


def _script(column: int, script: Script | None) -> Columns:
    if script is not None:
        yield column, text(command(script))


def _groups(config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    states = {group.name: group for group in snapshot.groups}
    for row, group in enumerate(config.vrrp_sync_groups, 1):
        now = states.get(group.name) or VrrpGroupSnapshot(name=group.name)
        yield from table_row((*VRRP, 1, 1), (row,), _group(group, now))
        for number, member in enumerate(group.members, 1):
            yield (*VRRP, 2, 1, 2, row, number), text(member)


def _group(group: VrrpSyncGroup, now: VrrpGroupSnapshot) -> Columns:
    yield 2, text(group.name)
    yield 3, integer(state_number(now.state))
    yield 4, truth(group.smtp_alert)
    yield 5, truth(_has_scripts(group.notify))
    yield from _script(6, group.notify.master)
    yield from _script(7, group.notify.backup)
    yield from _script(8, group.notify.fault)
    yield from _script(9, group.notify.generic)
    yield 10, truth(group.tracking_weight)
    yield from _script(11, group.notify.stop)


def _has_scripts(notify: Notify) -> bool:
    scripts = (notify.master, notify.backup, notify.fault, notify.stop, notify.deleted, notify.generic)
    return any(script is not None for script in scripts)


def _instance(config: Config, instance: VrrpInstance, now: VrrpInstanceSnapshot) -> Columns:
    notify = instance.notify
    advert = instance.advert_int_us // (1_000_000 if instance.version == 2 else 10_000)
    yield 2, text(instance.name)
    yield 3, gauge(instance.virtual_router_id)
    yield 4, integer(state_number(now.state))
    yield 5, integer(2 if instance.state.value == "MASTER" else 1)
    yield 6, integer(state_number(now.wantstate))
    yield 7, integer(now.base_priority)
    yield 8, integer(now.effective_priority)
    yield 9, truth(now.vips_set)
    yield 10, text(now.interface or instance.interface)
    yield 11, truth(bool(instance.track.interfaces))
    yield 12, gauge(advert)
    yield 13, truth(not instance.nopreempt)
    yield 14, gauge(instance.preempt_delay_us // 1_000_000)
    yield 15, integer(_AUTH[instance.auth_type])
    daemon = config.globals.lvs_sync_daemon
    follows = daemon is not None and daemon.instance == instance.name
    yield 16, truth(follows)
    if daemon is not None and follows:
        yield 17, text(daemon.interface)
    if now.group:
        yield 18, text(now.group)
    yield 19, gauge(instance.garp.master_delay_s)
    yield 20, truth(instance.smtp_alert)
    yield 21, truth(_has_scripts(notify))
    yield from _script(22, notify.master)
    yield from _script(23, notify.backup)
    yield from _script(24, notify.fault)
    yield from _script(25, notify.stop)
    yield from _script(26, notify.generic)
    yield 27, integer(0) if instance.version == 2 else truth(now.accept)
    yield 28, truth(instance.promote_secondaries)
    yield 29, truth(instance.linkbeat_use_polling)
    yield 30, integer(instance.version)
    yield from _script(31, notify.master_rx_lower_pri)
    yield from _script(32, notify.deleted)
    yield 33, truth(notify.deleted_as_deleted)
    if not instance.unicast:
        yield 34, address_type(instance.mcast_dst_ip)
        yield 35, octets(instance.mcast_dst_ip)
    if instance.version == 3 and instance.family == 4:
        yield 36, truth(instance.v3_checksum_as_v2)


def _tracked(track: Trackers, row: int, tables: tuple[int, int, int, int, int]) -> Iterator[Entry]:
    """The five tables of tracked objects; only that of interfaces counts its columns from 1."""
    kinds = (track.interfaces, track.scripts, track.files, track.bfds, track.processes)
    for table, trackers in zip(tables, kinds, strict=True):
        first = 1 if trackers is track.interfaces else 2
        for number, tracker in enumerate(trackers, 1):
            yield from _tracker((*VRRP, table, 1), (row, number), tracker, first)


def _tracker(table: Oid, index: Oid, tracker: Tracker, first: int) -> Iterator[Entry]:
    yield (*table, first, *index), text(tracker.name)
    yield (*table, first + 1, *index), integer(tracker.weight)
    yield (*table, first + 2, *index), truth(tracker.reverse)


def _objects(config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    """Scripts, files, BFD sessions and processes themselves."""
    scripts = {script.name: script for script in snapshot.scripts}
    for row, script in enumerate(config.vrrp_scripts, 1):
        known = scripts.get(script.name)
        result = 1 if known is None or known.last_status < 0 else 3 if known.good else 2
        values = (
            text(script.name),
            text(command(script.script)),
            integer(script.interval_us // 1_000_000),
            integer(script.weight),
            integer(result),
            gauge(script.rise),
            gauge(script.fall),
            truth(script.reverse),
            text(script.script.path or script.script.words[0]),
            gauge(script.interval_us),
            gauge(script.timeout_us),
        )
        for column, value in enumerate(values, 2):
            yield (*VRRP, 9, 1, column, row), value
    files = {file.name: file.value for file in snapshot.files}
    for row, file in enumerate(config.track_files, 1):
        for column, value in enumerate(
            (
                text(file.name),
                text(file.path),
                integer(files.get(file.name, 0)),
                integer(file.weight),
                truth(file.reverse),
            ),
            2,
        ):
            yield (*VRRP, 13, 1, column, row), value
    up = {bfd.name: bfd.up for bfd in snapshot.bfds}
    sessions = [session for session in config.bfd_instances if session.to_vrrp]
    for row, session in enumerate(sessions, 1):
        for column, value in enumerate(
            (
                text(session.name),
                integer(int(up.get(session.name, False))),
                integer(session.weight),
                truth(session.reverse),
            ),
            2,
        ):
            yield (*VRRP, 18, 1, column, row), value
    yield from _processes(config, snapshot)


def _processes(config: Config, snapshot: VrrpSnapshot) -> Iterator[Entry]:
    counts = {process.name: process for process in snapshot.processes}
    for row, process in enumerate(config.track_processes, 1):
        known = counts.get(process.name)
        values = (
            text(process.name),
            text(process.process),
            text(" ".join(process.parameters)),
            integer(_MATCHES[process.param_match]),
            integer(process.weight),
            truth(process.reverse),
            gauge(process.quorum),
            integer(-1 if process.quorum_max is None else process.quorum_max),
            gauge(process.fork_delay_us),
            gauge(process.terminate_delay_us),
            truth(process.full_command),
            integer(known.current if known else 0),
            truth(known.have_quorum if known else False),
        )
        for column, value in enumerate(values, 2):
            yield (*VRRP, 21, 1, column, row), value
