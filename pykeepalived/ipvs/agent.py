"""SNMP for the checker process: whose configuration and state the subagent shows. Shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.snmp import SnmpAgent
from pykeepalived.observe.snapshot import IpvsSnapshot, VirtualTrafficSnapshot
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.loop import Loop


class CheckerAgent(SnmpAgent):
    """The agent of this process; costs nothing unless the file or the command line wants SNMP.

    `traffic` reads the kernel's statistics; like `snapshot` it is called in a copy of the process.
    """

    def __init__(
        self,
        loop: Loop,
        log: Logger,
        options: DaemonOptions,
        snapshot: Callable[[], IpvsSnapshot],
        traffic: Callable[[], tuple[VirtualTrafficSnapshot, ...] | None],
    ) -> None:
        super().__init__(loop, log, lambda: (self._config, self._shown(snapshot())))
        self._loop = loop
        self._options = options
        self._config = Config()
        self._traffic = traffic
        self._look = False
        self._look_at = 0

    def publish(self, config: Config) -> None:
        """At start and after a reload. The option -x enables it too."""
        settings = config.globals
        if self._options.snmp:
            config = replace(config, globals=replace(settings, snmp=replace(settings.snmp, checker=True)))
        self._config = config
        self._look_at = 0
        self.configure(config, config.globals.snmp.checker, self._options.snmp_agent_socket)

    def about_to_show(self) -> None:
        """Traffic is looked at no more often than the shorter snmp_..._stats_update_interval."""
        now, snmp = self._loop.now(), self._config.globals.snmp
        self._look = now >= self._look_at
        if self._look:
            self._look_at = now + min(snmp.vs_stats_update_interval_us, snmp.rs_stats_update_interval_us) * 1000

    def _shown(self, snapshot: IpvsSnapshot) -> IpvsSnapshot:
        return replace(snapshot, traffic=self._traffic()) if self._look else snapshot
