"""bfd_instance after completion (keepalived.conf(5), BFD CONFIGURATION)."""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.values import Ip, Span
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(frozen=True, slots=True, kw_only=True)
class BfdInstance:
    """One BFD session: intervals in microseconds, `max_hops` 255 = no check of the received TTL."""

    name: str
    neighbor: Ip
    source: Ip | None = None
    min_rx_us: int = 10_000
    min_tx_us: int = 10_000
    idle_tx_us: int = 1_000_000
    multiplier: int = 5
    passive: bool = False
    ttl: int = 255
    max_hops: int = 0
    multihop: bool = False
    weight: int = 0
    reverse: bool = False
    to_vrrp: bool = True
    to_checker: bool = True
    at: Span | None = field(default=None, compare=False)
