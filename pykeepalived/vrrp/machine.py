"""What the core knows of the machine it runs on: interfaces, their debounced state, their addresses.

Deciding what an interface that goes down means is track.py; which address an instance sends from is
assembly.py.
"""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model.values import Ip
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.inputs import Address, Interface
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.timers import Timer, Timers

IFA_F_SECONDARY = 0x01
IFA_F_DADFAILED = 0x08
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40


class Link:
    """One interface, existing or only named by the configuration. Its addresses are in the kernel's order.

    `up` is the state that counts: debounced, and from link-beat polling where that is configured.
    """

    __slots__ = (
        "addresses",
        "down_delay_ns",
        "facts",
        "linkbeat",
        "name",
        "polled",
        "seen_up",
        "timer",
        "up",
        "up_delay_ns",
    )

    def __init__(self, name: str, timers: Timers, expired: Callable[[Link, int], None]) -> None:
        self.name = name
        self.facts: Interface | None = None
        self.up = False
        self.seen_up = False
        self.polled = False
        self.linkbeat = True
        self.addresses: dict[tuple[Ip, int], Address] = {}
        self.down_delay_ns = 0
        self.up_delay_ns = 0
        self.timer = Timer(timers, lambda now, _due: expired(self, now))

    @property
    def exists(self) -> bool:
        return self.facts is not None

    @property
    def is_blank(self) -> bool:
        """Whether a new Link of this name would be the same."""
        return self.facts is None and not (self.polled or self.down_delay_ns or self.up_delay_ns) and self.linkbeat

    @property
    def undelayed(self) -> bool:
        """The state as last reported."""
        if self.facts is None:
            return False
        return self.facts.up and (self.linkbeat or not self.polled)


class Machine:
    """All links by name. `changed` is called with (link, now) when `up` of a link changes or it comes or goes."""

    def __init__(self, outbox: Outbox, timers: Timers, changed: Callable[[Link, int], None]) -> None:
        self._outbox = outbox
        self._timers = timers
        self._changed = changed
        self.links: dict[str, Link] = {}

    def link(self, name: str) -> Link:
        """The link of that name; an empty one if nothing is known of it."""
        found = self.links.get(name)
        if found is None:
            found = self.links[name] = Link(name, self._timers, self._expired)
        return found

    def parent(self, link: Link) -> Link | None:
        """The interface below a macvlan or ipvlan."""
        if link.facts is None or not link.facts.parent:
            return None
        return self.link(link.facts.parent)

    def load(self, interfaces: tuple[Interface, ...], addresses: tuple[Address, ...]) -> None:
        """Take the state of the machine as it is, telling nobody."""
        for link in self.links.values():
            link.addresses = {}
            link.facts = None
        for interface in interfaces:
            self.link(interface.name).facts = interface
        for address in addresses:
            self.link(address.interface).addresses[address.address, address.prefix_length] = address
        for link in self.links.values():
            link.timer.cancel()
            link.up = link.undelayed
            link.seen_up = link.seen_up or link.up
        for gone in [link for link in self.links.values() if link.is_blank]:
            del self.links[gone.name]

    def update(self, interface: Interface, now: int) -> None:
        """An interface appeared or changed. One that has another index is another interface."""
        link = self.link(interface.name)
        if link.facts is not None and link.facts.index != interface.index:
            self.remove(interface.name, now)
            link = self.link(interface.name)
        appeared = link.facts is None
        link.facts = interface
        self._settle(link, now, appeared)

    def remove(self, name: str, now: int) -> None:
        """An interface is gone. Nothing is kept of it: a host may make and remove them for ever."""
        link = self.link(name)
        if link.facts is None:
            return
        link.facts = None
        link.addresses = {}
        link.seen_up = False
        link.timer.cancel()
        if link.up:
            link.up = False
            self._outbox.log(messages.NETLINK_LINK % (name, "down"), INTERFACE=name)
        self._changed(link, now)
        if link.is_blank:
            self.links.pop(name, None)

    def set_linkbeat(self, name: str, up: bool, now: int) -> None:
        link = self.link(name)
        link.linkbeat = up
        if link.up == link.undelayed:
            return
        self._outbox.log(messages.LINKBEAT % (name, "up" if up else "down"), INTERFACE=name)
        link.up = link.undelayed
        link.seen_up = link.seen_up or link.up
        self._changed(link, now)

    def _settle(self, link: Link, now: int, appeared: bool) -> None:
        wanted = link.undelayed
        if wanted == link.up:
            link.timer.cancel()
            if appeared:
                self._changed(link, now)
            return
        delay = link.up_delay_ns if wanted else link.down_delay_ns
        if delay and link.seen_up and not link.polled:
            if link.timer.when is None:
                link.timer.set(now + delay)
            return
        self._switch(link, now)

    def _expired(self, link: Link, now: int) -> None:
        if link.undelayed != link.up:
            self._switch(link, now)

    def _switch(self, link: Link, now: int) -> None:
        link.timer.cancel()
        link.up = link.undelayed
        link.seen_up = link.seen_up or link.up
        word = "up" if link.up else "down"
        self._outbox.log(messages.NETLINK_LINK % (link.name, word), INTERFACE=link.name)
        self._changed(link, now)

    def add_address(self, address: Address) -> bool:
        """Remember an address; False if it was known (its flags may have changed)."""
        known = self.link(address.interface).addresses
        place = (address.address, address.prefix_length)
        new = place not in known
        known[place] = address
        return new

    def remove_address(self, address: Address) -> None:
        self.link(address.interface).addresses.pop((address.address, address.prefix_length), None)

    def has_address(self, address: Ip, interface: str = "") -> bool:
        """Whether some interface (or this one) has the address."""
        links = [self.link(interface)] if interface else list(self.links.values())
        return any(known == address for link in links for known, _ in link.addresses)

    def first_address(self, name: str, family: int, excluded: frozenset[Ip]) -> Ip | None:
        """The address an instance sends from: the first primary IPv4 one, or the first usable link-local IPv6 one,
        that is not `excluded` (its own virtual addresses)."""
        link = self.link(name)
        unusable = IFA_F_SECONDARY if family == 4 else IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED
        spare = None
        for known in link.addresses.values():
            address = known.address
            if address.family != family or address in excluded or (family == 6 and not address.is_link_local):
                continue
            if not known.flags & unusable:
                return address
            if family == 4 or (
                link.facts is not None and link.facts.parent and known.flags & unusable == IFA_F_DEPRECATED
            ):
                # The link-local address of a VMAC is a copy of its parent's and deprecated on purpose.
                spare = spare or address
        return spare
