"""What an instance owns as MASTER, over time: taken and announced, tried again when it is refused, given up.

What the objects are is holdings.py; when frames go out is announce.py.
"""

from __future__ import annotations

import errno

from pykeepalived.config.model.network import IpRoute
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.observe.cause import Cause, Priority
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.announce import Schedule
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import Operation
from pykeepalived.vrrp.holdings import REFUSED, Change, Holdings, InterfaceOf, Placed, PlacedAddress
from pykeepalived.vrrp.machine import IFA_F_DADFAILED, IFA_F_TENTATIVE
from pykeepalived.vrrp.timers import Timer

FIRST_RETRY_NS = 1_000_000_000
LAST_RETRY_NS = 600_000_000_000


class Estate:
    """Holdings, their announcements, and the timer of what the kernel refused."""

    __slots__ = ("_added", "_config", "_context", "_retry", "_retry_ns", "holdings", "schedule")

    def __init__(self, config: VrrpInstance, context: Context, interface: str, interface_of: InterfaceOf) -> None:
        """`interface` carries the adverts."""
        self._config = config
        self._context = context
        self.holdings = Holdings(config, interface_of, context.outbox, not context.globals.firewall.nftables_ifindex)
        self.schedule = Schedule(config.name, config.garp, context.announcer, context.timers)
        self.schedule.configure(config.name, config.garp, self.holdings.all_addresses, interface)
        self._retry = Timer(context.timers, self._try_again)
        self._retry_ns = FIRST_RETRY_NS
        self._added = False

    def take(self, now: int) -> None:
        """Put everything in place and announce the addresses."""
        self._retry_ns = FIRST_RETRY_NS
        self.holdings.take()
        self.schedule.start(now)

    def give_up(self, *, release: bool = True) -> None:
        """The end of the mastership. Without `release` everything stays in the kernel."""
        self._retry.cancel()
        self.schedule.stop()
        if release:
            self.holdings.give_up()

    # what did not succeed

    def refused(self, operation: Operation, error: int, now: int) -> None:
        """The kernel refused something a MASTER must own: it stays MASTER and tries again, less and less often.

        `error` is the errno.
        """
        placed = self.holdings.refused(operation)
        if placed is not None:
            reason = errno.errorcode.get(error, str(error))
            placed.trouble = Cause(REFUSED, _name(placed), reason, now, placed.config.at)
            self._try_later(now)

    def seen(self, placed: PlacedAddress, flags: int, now: int) -> None:
        """The kernel tells about an address of a MASTER."""
        if flags & IFA_F_DADFAILED:
            self.duplicated(placed, now)
        elif not flags & IFA_F_TENTATIVE:
            placed.trouble = None

    def duplicated(self, placed: PlacedAddress, now: int) -> None:
        """Another host has this address, so the kernel does not use it (RFC 4862 section 5.4.5).

        It is taken off and tried again, less and less often: a former master may still have been giving it up.
        """
        name, where = self._config.name, (placed.address, placed.interface)
        cause = Cause("duplicate_address", str(placed.address), f"on {placed.interface}", now, placed.config.at)
        text = messages.DUPLICATE % (name, *where)
        self._context.outbox.log(text, priority=Priority.WARNING, INSTANCE=name, CAUSE=str(cause))
        placed.trouble = cause
        self.holdings.withdraw(placed)
        self._try_later(now)

    def _try_later(self, now: int) -> None:
        if self._retry.when is None:
            self._retry.set(now + self._retry_ns)
            self._retry_ns = min(2 * self._retry_ns, LAST_RETRY_NS)

    def _try_again(self, now: int, due: int) -> None:
        if self.holdings.place():
            self.schedule.block(self._config.garp.master_repeat, now)

    # reload

    def reconfigure(self, config: VrrpInstance, interface: str, interface_of: InterfaceOf, change: Change) -> None:
        """Own what another configuration says. What a MASTER gains and loses goes into `change`."""
        former, self._config = self.holdings, config
        self.holdings = Holdings(config, interface_of, self._context.outbox, former.by_name)
        self._added = self.holdings.replace(former, change)
        self.schedule.configure(config.name, config.garp, self.holdings.all_addresses, interface)

    def reloaded(self, now: int) -> None:
        """Announce what the last `reconfigure` of a MASTER brought."""
        self.schedule.reloaded(now, self._added)


def _name(placed: Placed) -> str:
    """What a Cause calls it."""
    if isinstance(placed, PlacedAddress):
        return f"address {placed.address}"
    if isinstance(placed.config, IpRoute):
        return f"route {placed.config.destination or 'default'}"
    return f"rule {placed.config.from_address or 'all'}"
