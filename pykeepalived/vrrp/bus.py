"""D-Bus for the VRRP process: which instances there are, and what their callers want of it. Shell."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model import Config
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.dbus import BusService
from pykeepalived.notify.queue import BusSignal
from pykeepalived.observe.snapshot import VrrpSnapshot
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import Dump

_DUMPS = {"PrintData": Dump.DATA, "PrintStats": Dump.STATS, "PrintStatsClear": Dump.STATS_CLEAR}


class VrrpBus(BusService):
    """The service with the requests of this process; costs nothing without enable_dbus."""

    def __init__(
        self,
        loop: Loop,
        log: Logger,
        dump: Callable[[Dump], object],
        reload: Callable[[], object],
        send_garp: Callable[[str], object],
    ) -> None:
        super().__init__(loop, log, self._requested)
        self._dump = dump
        self._reload = reload
        self._send_garp = send_garp

    def publish(self, config: Config, snapshot: Callable[[], VrrpSnapshot]) -> None:
        """At start and after a reload: these are the instances, with the states of the snapshot."""
        instances: list[BusSignal] = []
        if config.globals.enable_dbus:
            states = {instance.name: instance.state for instance in snapshot().instances}
            instances = [
                BusSignal(model.name, model.interface, model.virtual_router_id, model.family, states.get(model.name, 0))
                for model in config.vrrp_instances
            ]
        self.configure(config.globals, instances)

    def _requested(self, method: str, name: str) -> None:
        if method == "ReloadConfig":
            self._reload()
        elif method == "SendGarp":
            self._send_garp(name)
        else:
            self._dump(_DUMPS[method])
