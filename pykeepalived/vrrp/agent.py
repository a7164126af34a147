"""SNMP for the VRRP process: whose configuration and state the subagent shows. Shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.snmp import SnmpAgent
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.loop import Loop


class VrrpAgent(SnmpAgent):
    """The agent of this process; costs nothing unless the file or the command line wants SNMP."""

    def __init__(self, loop: Loop, log: Logger, options: DaemonOptions, snapshot: Callable[[], VrrpSnapshot]) -> None:
        super().__init__(loop, log, lambda: (self._config, snapshot()))
        self._options = options
        self._config = Config()

    def publish(self, config: Config) -> None:
        """At start and after a reload. The option -x enables every tree."""
        settings = config.globals
        if self._options.snmp:
            snmp = replace(settings.snmp, vrrp=True, rfcv2=True, rfcv3=True)
            config = replace(config, globals=replace(settings, snmp=snmp))
        self._config = config
        snmp = config.globals.snmp
        self.configure(config, snmp.vrrp or snmp.rfcv2 or snmp.rfcv3, self._options.snmp_agent_socket)
