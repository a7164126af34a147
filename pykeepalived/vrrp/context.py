"""What all objects of one Router share. No decisions: only the things they need at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.vrrp.announce import Announcer
from pykeepalived.vrrp.machine import Machine
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.timers import Timers

NANOSECONDS_PER_MICROSECOND = 1_000


@dataclass(slots=True)
class Context:
    """`delay_until` is the end of vrrp_startup_delay (0 = none): until then nothing is sent and nothing heard."""

    outbox: Outbox
    timers: Timers
    machine: Machine
    announcer: Announcer
    wall: Callable[[], int]
    globals: GlobalDefs
    delay_until: int = 0
