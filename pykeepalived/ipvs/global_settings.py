"""lvs_sync_daemon, lvs_timeouts and lvs_flush: what belongs to no virtual server. Pure.

A sync daemon with `inst` belongs to the VRRP process; only one without is started here (keepalived.conf(5)).
"""

from __future__ import annotations

from pykeepalived.config.model.globals import GlobalDefs, LvsSyncDaemon
from pykeepalived.ipvs.service import Batch, Director, Procedure
from pykeepalived.netlink.services import (
    BACKUP_DAEMON,
    FLUSH,
    MASTER_DAEMON,
    SyncDaemon,
    Timeouts,
    set_timeouts,
    start_daemon,
    stop_daemon,
)


def own_daemon(settings: GlobalDefs) -> LvsSyncDaemon | None:
    """The sync daemon this process runs, as master and as backup."""
    daemon = settings.lvs_sync_daemon
    return daemon if daemon is not None and not daemon.instance else None


def daemon_parameters(daemon: LvsSyncDaemon, state: int) -> SyncDaemon:
    """The kernel's parameters of one sync daemon thread."""
    return SyncDaemon(
        state,
        daemon.sync_id or 0,
        daemon.interface,
        daemon.max_length,
        daemon.port,
        daemon.ttl,
        bytes(daemon.group) if daemon.group is not None else b"",
    )


def wanted_timeouts(settings: GlobalDefs, original: Timeouts) -> Timeouts:
    """The timeouts of the configuration; what it leaves out stays as the kernel had it."""
    wanted = settings.lvs_timeouts
    return Timeouts(wanted.tcp_s or original.tcp, wanted.tcp_fin_s or original.tcp_fin, wanted.udp_s or original.udp)


class KernelSettings:
    """What was changed of the kernel's settings and has to be put back."""

    def __init__(self) -> None:
        self._original: Timeouts | None = None
        self._timeouts: Timeouts | None = None
        self._daemon: LvsSyncDaemon | None = None

    def start(self, director: Director, settings: GlobalDefs, found: Timeouts | None, flush: bool) -> Procedure:
        """Timeouts, then sync daemons, then lvs_flush if `flush`; `found` are the kernel's timeouts."""
        yield from self._set_timeouts(director, settings, found)
        daemon = own_daemon(settings)
        if daemon is not None:
            yield from self._stop_daemons(director)
            yield from self._start_daemons(director, daemon)
        if settings.lvs_flush and flush:
            batch = Batch()
            batch.add(FLUSH)
            yield from director.perform(batch)

    def reload(self, director: Director, before: GlobalDefs, settings: GlobalDefs, found: Timeouts | None) -> Procedure:
        """The difference only: unchanged timeouts and daemons are left alone."""
        yield from self._set_timeouts(director, settings, found)
        daemon = own_daemon(settings)
        if daemon == self._daemon:
            return
        if self._daemon is not None or daemon is not None:
            yield from self._stop_daemons(director)
        if daemon is not None:
            yield from self._start_daemons(director, daemon)

    def stop(self, director: Director) -> Procedure:
        """Stop the daemons that are ours and put the timeouts back."""
        if self._daemon is not None:
            yield from self._stop_daemons(director)
        if self._original is not None and self._timeouts != self._original:
            batch = Batch()
            batch.add(set_timeouts(self._original))
            yield from director.perform(batch)

    def _set_timeouts(self, director: Director, settings: GlobalDefs, found: Timeouts | None) -> Procedure:
        if found is None:
            return
        if self._original is None:
            self._original = self._timeouts = found
        wanted = wanted_timeouts(settings, self._original)
        if wanted != self._timeouts:
            batch = Batch()
            batch.add(set_timeouts(wanted))
            yield from director.perform(batch)
            self._timeouts = wanted

    def _start_daemons(self, director: Director, daemon: LvsSyncDaemon) -> Procedure:
        batch = Batch()
        batch.add(*[start_daemon(daemon_parameters(daemon, state)) for state in (MASTER_DAEMON, BACKUP_DAEMON)])
        yield from director.perform(batch)
        self._daemon = daemon

    def _stop_daemons(self, director: Director) -> Procedure:
        batch = Batch()
        batch.quiet = True
        batch.add(stop_daemon(MASTER_DAEMON), stop_daemon(BACKUP_DAEMON))
        yield from director.perform(batch)
        self._daemon = None
