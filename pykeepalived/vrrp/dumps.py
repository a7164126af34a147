"""Snapshots of the running VRRP process, and its dump files on request. Shell: descriptors, clocks, forks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.netlink.facts import Link
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.observe.dump.json import vrrp_json
from pykeepalived.observe.dump.vrrp import vrrp_data, vrrp_stats
from pykeepalived.observe.dump_files import DumpWriter, Logger, data_path, dump_directory, json_path, stats_path
from pykeepalived.observe.snapshot import InterfaceSnapshot, SocketSnapshot, VrrpSnapshot
from pykeepalived.runtime.messages import Dump
from pykeepalived.vrrp.effects import Pool
from pykeepalived.vrrp.packet import PROTOCOL_VRRP
from pykeepalived.vrrp.sockets import PoolSockets

_Place = tuple[str, int, str, bool, bytes]
_WORDS = {
    Dump.DATA: "Printing VRRP data",
    Dump.STATS: "Printing VRRP stats",
    Dump.STATS_CLEAR: "Printing and clearing VRRP stats",
    Dump.JSON: "Printing VRRP as json",
}


def with_descriptors(
    snapshot: VrrpSnapshot, pools: Iterable[PoolSockets], run_states: Mapping[str, str]
) -> VrrpSnapshot:
    """The core's snapshot with what only the shell knows: socket descriptors and the state of running scripts."""
    open_pools = {_place(sockets.pool): sockets for sockets in pools}
    sockets = tuple(_with_fds(shown, open_pools.get(_shown_place(shown))) for shown in snapshot.sockets)
    fds = {name: (shown.fd_in, shown.fd_out) for shown in sockets for name in shown.instances}
    return replace(
        snapshot,
        sockets=sockets,
        instances=tuple(
            replace(shown, fd_in=fds[shown.name][0], fd_out=fds[shown.name][1]) if shown.name in fds else shown
            for shown in snapshot.instances
        ),
        scripts=tuple(
            replace(shown, run_state=run_states[shown.name]) if shown.name in run_states else shown
            for shown in snapshot.scripts
        ),
    )


def with_links(snapshot: VrrpSnapshot, link: Callable[[str], Link | None]) -> VrrpSnapshot:
    """The snapshot with what only the kernel knows of interfaces: flags, group, kind of a virtual one."""

    def known(shown: InterfaceSnapshot) -> InterfaceSnapshot:
        facts = link(shown.name)
        return shown if facts is None else replace(shown, flags=facts.flags, group=facts.group, kind=facts.kind)

    return replace(snapshot, interfaces=tuple(known(shown) for shown in snapshot.interfaces))


def _with_fds(shown: SocketSnapshot, pair: PoolSockets | None) -> SocketSnapshot:
    return shown if pair is None else replace(shown, fd_in=pair.receive.fileno(), fd_out=pair.send.fileno())


def _place(pool: Pool) -> _Place:
    protocol = "VRRP" if pool.protocol == PROTOCOL_VRRP else "AH"
    return (pool.interface, pool.family, protocol, pool.unicast, pool.group or pool.source or b"")


def _shown_place(shown: SocketSnapshot) -> _Place:
    return (shown.interface, shown.family, shown.protocol, shown.unicast, shown.address or b"")


class VrrpDumps:
    """Writes keepalived.data, .stats and .json when asked; `reap` is to be called on SIGCHLD."""

    def __init__(self, log: Logger, snapshot: Callable[[], VrrpSnapshot]) -> None:
        self._log = log
        self._snapshot = snapshot
        self._writer = DumpWriter(log)
        self.reap = self._writer.reap

    def write(self, kind: Dump, config: Config) -> None:
        """Write the file of this kind; returns after a fork."""
        self._log.write(LogLine(f"{_WORDS[kind]} for process({os.getpid()}) on signal"))
        directory, complaint = dump_directory(os.environ)
        if complaint:
            self._log.write(LogLine(complaint, Priority.WARNING))
        self._writer.write(_path(kind, config.globals, directory), lambda: self._text(kind, config))

    def save(self, path: str, config: Config) -> None:
        """Write the data dump to this file; returns after a fork."""
        self._writer.write(path, lambda: self._text(Dump.DATA, config))

    def _text(self, kind: Dump, config: Config) -> str:
        snapshot = self._snapshot()
        match kind:
            case Dump.DATA:
                return vrrp_data(config, snapshot)
            case Dump.JSON:
                return vrrp_json(config, snapshot)
            case _:
                return vrrp_stats(snapshot)


def _path(kind: Dump, settings: GlobalDefs, directory: str) -> str:
    match kind:
        case Dump.DATA:
            return data_path(settings, "vrrp", directory)
        case Dump.JSON:
            return json_path(settings, directory)
        case _:
            return stats_path(settings, directory)
