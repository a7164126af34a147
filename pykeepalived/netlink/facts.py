"""What the kernel has: links, addresses, routes and rules as frozen values, and the events that change them.

Wishes live in config.model.network, the steps from one to the other in operations.py. No I/O, no decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass

IFF_UP = 0x1
IFF_BROADCAST = 0x2
IFF_LOOPBACK = 0x8
IFF_RUNNING = 0x40
IFF_NOARP = 0x80
IFF_MULTICAST = 0x1000

IFA_F_SECONDARY = 0x01
IFA_F_NODAD = 0x02
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80

ARPHRD_ETHER = 1
ARPHRD_INFINIBAND = 32

MACVLAN_MODE_PRIVATE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One network interface (rtnetlink(7), RTM_NEWLINK).

    `parent` is the index IFLA_LINK names (0 = none); `parent_elsewhere` tells that it is an index of another network
    namespace. `mode` is the macvlan or ipvlan mode, `mode_flag` the ipvlan flag word, `vrf_table` the table of a VRF.
    """

    index: int
    name: str
    flags: int = 0
    mtu: int = 1500
    mac: bytes = b""
    broadcast: bytes = b""
    type: int = ARPHRD_ETHER
    kind: str = ""
    parent: int = 0
    parent_elsewhere: bool = False
    master: int = 0
    group: int = 0
    mode: int = 0
    mode_flag: int = 0
    vrf_table: int | None = None

    @property
    def is_up(self) -> bool:
        """Administratively up and running: what keepalived calls up."""
        return self.flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a link. `address` is the local one; `preferred_lft` None = forever, seconds otherwise."""

    index: int
    address: Ip
    prefix_length: int
    scope: int = 0
    flags: int = 0
    label: str = ""
    peer: Ip | None = None
    broadcast: Ip | None = None
    preferred_lft: int | None = None
    protocol: int = 0

    @property
    def family(self) -> int:
        return self.address.family

    @property
    def is_secondary(self) -> bool:
        """An IPv4 secondary address; for IPv6 the same bit marks a temporary address."""
        return bool(self.flags & IFA_F_SECONDARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteHop:
    """One nexthop of a route; `index` 0 = no device."""

    index: int = 0
    via: Ip | None = None
    weight: int = 1
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One entry of a routing table; `destination` None = default. The key of a table is family .. metric."""

    family: int
    table: int = 254
    destination: Ip | None = None
    prefix_length: int = 0
    tos: int = 0
    metric: int = 0
    type: int = 1
    scope: int = 0
    protocol: int = 0
    src: Ip | None = None
    hops: tuple[RouteHop, ...] = ()

    @property
    def key(self) -> tuple[int, int, bytes, int, int, int]:
        """What tells two routes of one family apart: table, destination, length, TOS, metric."""
        destination = bytes(self.destination) if self.destination is not None else b""
        if not any(destination):
            destination = b""
        return (self.family, self.table, destination, self.prefix_length, self.tos, self.metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy rule (ip-rule(8)); unset attributes are None or ""."""

    family: int
    priority: int = 0
    action: int = 1
    invert: bool = False
    from_address: Ip | None = None
    from_length: int = 0
    to_address: Ip | None = None
    to_length: int = 0
    table: int = 0
    tos: int = 0
    fwmark: int | None = None
    fwmask: int | None = None
    realms: int | None = None
    suppress_prefixlength: int | None = None
    suppress_ifgroup: int | None = None
    iif: str = ""
    oif: str = ""
    tunnel_id: int | None = None
    uid_range: tuple[int, int] | None = None
    l3mdev: bool = False
    protocol: int = 0
    ip_protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    goto: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A picture of the kernel's objects at one moment; links by index."""

    links: Mapping[int, Link] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    _by_name: dict[str, Link] = field(default_factory=dict, init=False, repr=False, compare=False)
    _by_mac: dict[bytes, list[Link]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _by_index: dict[int, list[Address]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """All three are filled when they are first asked."""

    def link(self, name: str) -> Link | None:
        """The link of this name, or None."""
        if not self._by_name:
            self._by_name.update((link.name, link) for link in self.links.values())
        return self._by_name.get(name)

    def links_with(self, mac: bytes) -> Sequence[Link]:
        """The links of this hardware address in the kernel's order."""
        if not self._by_mac:
            for link in self.links.values():
                self._by_mac.setdefault(link.mac, []).append(link)
        return self._by_mac.get(mac, ())

    def addresses_of(self, index: int) -> tuple[Address, ...]:
        """The addresses of one link in the kernel's order."""
        if not self._by_index:
            for address in self.addresses:
                self._by_index.setdefault(address.index, []).append(address)
        return tuple(self._by_index.get(index, ()))


# events


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A link appeared or changed: its new form."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkRemoved:
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class AddressAdded:
    address: Address


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    address: Address


@dataclass(frozen=True, slots=True)
class RouteRemoved:
    route: Route


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    rule: Rule


@dataclass(frozen=True, slots=True)
class Overrun:
    """Events were lost (ENOBUFS): whoever relies on them reads the facts again."""


Event = LinkChanged | LinkRemoved | AddressAdded | AddressRemoved | RouteRemoved | RuleRemoved | Overrun
