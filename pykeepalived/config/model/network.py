"""Addresses, routes and rules as the configuration names them: the entry lines of static_* and virtual_* blocks.

These are wishes; what the kernel has, and the operations that lead from one to the other, live in netlink/.
"""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.values import Ip, Span
from pykeepalived.light_dataclasses import late_dataclass

RTPROT_KEEPALIVED = 18
"""Protocol number of our routes and rules (rtnetlink(7), registered for keepalived)."""


@late_dataclass(frozen=True, slots=True, kw_only=True)
class IpAddress:
    """One line of virtual_ipaddress, virtual_ipaddress_excluded or static_ipaddress.

    `interface` is the `dev` word or what stands for it (the instance's interface, default_interface).
    `preferred_lft` None = forever. `flags` holds IFA_F_HOMEADDRESS, IFA_F_MANAGETEMPADDR, IFA_F_NOPREFIXROUTE and
    IFA_F_MCAUTOJOIN; IFA_F_NODAD is derived (set for IPv6 unless `dad`). `broadcast` is the address itself
    (`+` and `-` are computed when read).
    """

    address: Ip
    prefix_length: int
    interface: str = ""
    interface_given: bool = False
    scope: int = 0
    broadcast: Ip | None = None
    label: str = ""
    peer: Ip | None = None
    flags: int = 0
    dad: bool = False
    preferred_lft: int | None = None
    no_track: bool = False
    use_vmac: bool = False
    track_group: str = ""
    at: Span | None = field(default=None, compare=False)

    @property
    def family(self) -> int:
        return self.address.family


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Encap:
    """A lightweight tunnel of a route or nexthop: `kind` is ip, ip6, mpls or ila; the rest by iproute2's words."""

    kind: str
    id: int | None = None
    dst: Ip | None = None
    src: Ip | None = None
    tos: int | None = None
    ttl: int | None = None
    flags: int | None = None
    labels: tuple[int, ...] = ()
    locator: int | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """One nexthop of a multipath route; `weight` 1..256, `weight_given` when the file says it (for dumps only)."""

    via: Ip | None = None
    interface: str = ""
    weight: int = 1
    weight_given: bool = field(default=False, compare=False)
    onlink: bool = False
    encap: Encap | None = None
    realms: int | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class IpRoute:
    """One line of virtual_routes or static_routes, in the words of ip-route(8).

    `destination` None = default. `metrics` maps RTAX_* numbers to values (names of congestion control are str),
    `locks` is the RTAX_LOCK bit mask. `mode` is add, prepend (the default) or append. Unset numbers are None.
    """

    family: int
    destination: Ip | None = None
    prefix_length: int = 0
    type: int = 1
    src: Ip | None = None
    via: Ip | None = None
    from_address: Ip | None = None
    from_length: int = 0
    tos: int | None = None
    table: int = 254
    protocol: int = RTPROT_KEEPALIVED
    scope: int | None = None
    metric: int | None = None
    interface: str = ""
    onlink: bool = False
    encap: Encap | None = None
    expires_s: int | None = None
    metrics: tuple[tuple[int, int | str], ...] = ()
    locks: int = 0
    realms: int | None = None
    pref: int | None = None
    ttl_propagate: bool | None = None
    mode: str = "prepend"
    nexthops: tuple[NextHop, ...] = ()
    no_track: bool = False
    track_group: str = ""
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class IpRule:
    """One line of virtual_rules or static_rules, in the words of ip-rule(8); `action` is an FR_ACT_* number.

    `from_given`: the file says `from`, perhaps of any address (for dumps only).
    """

    family: int
    action: int = 1
    invert: bool = False
    from_address: Ip | None = None
    from_length: int = 0
    from_given: bool = field(default=False, compare=False)
    to_address: Ip | None = None
    to_length: int = 0
    table: int | None = None
    priority: int | None = None
    tos: int | None = None
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
    protocol: int = RTPROT_KEEPALIVED
    ip_protocol: int | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    goto: int | None = None
    no_track: bool = False
    track_group: str = ""
    at: Span | None = field(default=None, compare=False)
