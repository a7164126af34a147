"""SNMP for the checker process: whose configuration and state the subagent shows. Shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.snmp import SnmpAgent
from pykeepalived.observe.snapshot import IpvsSnapshot
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.loop import Loop


class CheckerAgent(SnmpAgent):
    """The agent of this process; costs nothing unless the file or the command line wants SNMP."""

    def __init__(self, loop: Loop, log: Logger, options: DaemonOptions, snapshot: Callable[[], IpvsSnapshot]) -> None:
        super().__init__(loop, log, lambda: (self._config, snapshot()))
        self._options = options
        self._config = Config()

    def publish(self, config: Config) -> None:
        """At start and after a reload. The option -x enables it too."""
        settings = config.globals
        if self._options.snmp:
            config = replace(config, globals=replace(settings, snmp=replace(settings.snmp, checker=True)))
        self._config = config
        self.configure(config, config.globals.snmp.checker, self._options.snmp_agent_socket)
