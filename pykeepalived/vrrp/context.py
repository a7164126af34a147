"""What all objects of one Router share. No decisions: only the things they need at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.vrrp.announce import Announcer
from pykeepalived.vrrp.machine import Machine
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.pacing import Pacer
from pykeepalived.vrrp.timers import Timers


@dataclass(slots=True)
class Context:
    """`delay_until` is the end of vrrp_startup_delay (0 = none): until then nothing is sent and nothing heard.

    `unfinished` is what remains of becoming MASTER when the advert is ready to leave: it is worked off while the advert
    is on its way, before anything else happens. `interval_changed` is called when a master's advert interval becomes
    another one: delays of interfaces depend on it.
    """

    outbox: Outbox
    timers: Timers
    machine: Machine
    announcer: Announcer
    wall: Callable[[], int]
    globals: GlobalDefs
    delay_until: int = 0
    pacer: Pacer = field(default_factory=Pacer)
    unfinished: list[Callable[[], None]] = field(default_factory=list)
    interval_changed: Callable[[], None] = lambda: None

    def finish(self) -> None:
        """Do what has been put off."""
        while self.unfinished:
            actions, self.unfinished = self.unfinished, []
            for action in actions:
                action()
