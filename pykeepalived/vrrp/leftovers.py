"""What the kernel refused to remove: tried again, less and less often, until it is gone or wanted again.

What it refuses to add is estate.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.vrrp.assembly import Assembly
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import RemoveAddress, RemoveRoute, RemoveRule
from pykeepalived.vrrp.holdings import PlacedAddress
from pykeepalived.vrrp.timers import Timer

FIRST_RETRY_NS = 1_000_000_000
LAST_RETRY_NS = 60_000_000_000

Removal = RemoveAddress | RemoveRoute | RemoveRule


class Leftovers:
    """Removals to be tried again."""

    __slots__ = ("_assembly", "_context", "_pause_ns", "_timer", "_tried", "_waiting")

    def __init__(self, context: Context, assembly: Assembly) -> None:
        self._context = context
        self._assembly = assembly
        self._waiting: dict[Removal, None] = {}
        self._timer = Timer(context.timers, self._try_again)
        self._pause_ns = FIRST_RETRY_NS
        self._tried = 0

    def refused(self, removal: Removal, now: int) -> None:
        """The kernel has refused to remove something."""
        for placed in self._placed(removal):
            placed.removals = max(placed.removals - 1, 0)
        if not self._waiting:
            again = now <= self._tried + FIRST_RETRY_NS
            self._pause_ns = min(2 * self._pause_ns, LAST_RETRY_NS) if again else FIRST_RETRY_NS
            self._timer.set(now + self._pause_ns)
        self._waiting[removal] = None

    def _try_again(self, now: int, due: int) -> None:
        self._tried = now
        waiting, self._waiting = self._waiting, {}
        for removal in waiting:
            if self._is_wanted(removal):
                continue
            for placed in self._placed(removal):
                placed.removals += 1
            self._context.outbox.operation(removal)

    def _placed(self, removal: Removal) -> Iterator[PlacedAddress]:
        """The same address of instances of the present configuration."""
        if isinstance(removal, RemoveAddress):
            place = ("address", removal.interface, removal.address.address, removal.address.prefix_length)
            yield from (placed for _, placed in self._assembly.places.get(place, ()))

    def _is_wanted(self, removal: Removal) -> bool:
        """Whether the object is to be in place again: a master has it, or waits to get it."""
        config = self._assembly.config
        held = [each.estate.holdings for each in self._assembly.instances.values() if each.estate.holdings.taken]
        match removal:
            case RemoveAddress(address, interface):
                place = ("address", interface, address.address, address.prefix_length)
                addresses = (placed for each in held for placed in each.all_addresses)
                return address in config.static_addresses or any(placed.place == place for placed in addresses)
            case RemoveRoute(route):
                return route in config.static_routes or any(each.config == route for one in held for each in one.routes)
            case RemoveRule(rule):
                return rule in config.static_rules or any(each.config == rule for one in held for each in one.rules)
