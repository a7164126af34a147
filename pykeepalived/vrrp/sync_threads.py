"""The IPVS synchronisation threads that follow a VRRP instance (keepalived.conf(5), lvs_sync_daemon). Shell."""

from __future__ import annotations

import os
from collections.abc import Callable

from pykeepalived.config.model.globals import GlobalDefs, LvsSyncDaemon
from pykeepalived.netlink.kernel_ipvs import IpvsKernel, IpvsUnavailableError
from pykeepalived.netlink.services import BACKUP_DAEMON, MASTER_DAEMON, SyncDaemon, start_daemon, stop_daemon
from pykeepalived.observe.cause import LogLine, Priority

_STATES = {"MASTER": MASTER_DAEMON, "BACKUP": BACKUP_DAEMON}


class SyncThreads:
    """Keeps at most one of the two threads running. Opened when the configuration asks for it, not on a transition."""

    def __init__(self, log: Callable[[LogLine], object]) -> None:
        self._log = log
        self._kernel: IpvsKernel | None = None
        self._wanted: LvsSyncDaemon | None = None
        self._running: SyncDaemon | None = None
        self._default_id = 0

    def configure(self, settings: GlobalDefs, virtual_router_id: int) -> None:
        """Take over the settings; a thread that runs with other ones is started anew at the next `set`.

        `virtual_router_id` is the sync id when none is configured.
        """
        daemon = settings.lvs_sync_daemon
        if daemon is None or not daemon.instance:
            self.set("")
            self._wanted = None
            return
        self._wanted = daemon
        self._default_id = virtual_router_id
        if self._kernel is None:
            try:
                self._kernel = IpvsKernel.open(settings.net_namespace_ipvs)
            except IpvsUnavailableError as error:
                self._log(LogLine(f"IPVS: Can't initialize ipvs: {error.strerror}", Priority.ERROR))

    def set(self, state: str) -> None:
        """Run the thread of this state: MASTER, BACKUP, or "" for none."""
        wanted = self._thread(_STATES[state]) if state and self._wanted is not None else None
        if self._kernel is None or wanted == self._running:
            return
        operations = []
        if self._running is not None:
            operations.append(stop_daemon(self._running.state, self._running.sync_id))
        if wanted is not None:
            operations.append(start_daemon(wanted))
        for failure in self._kernel.perform(operations):
            text = f"IPVS: {operations[failure.position]}: {os.strerror(failure.error)}"
            self._log(LogLine(text, Priority.ERROR))
        self._running = wanted

    def _thread(self, state: int) -> SyncDaemon:
        assert self._wanted is not None
        daemon = self._wanted
        return SyncDaemon(
            state,
            daemon.sync_id if daemon.sync_id is not None else self._default_id,
            daemon.interface,
            daemon.max_length,
            daemon.port,
            daemon.ttl,
            daemon.group or b"",
        )

    def close(self) -> None:
        """Stop what runs."""
        self.set("")
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
