"""Network interfaces as a configuration check sees them: plain data, no kernel access."""

from __future__ import annotations

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass

IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_NOARP, IFF_MULTICAST = 0x1, 0x8, 0x40, 0x80, 0x1000
"""Interface flags (netdevice(7))."""

ARPHRD_ETHER, ARPHRD_INFINIBAND = 1, 32


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address an interface has; `flags` are IFA_F_* bits (rtnetlink(7)), 0x01 = secondary."""

    address: Ip
    prefix_length: int
    scope: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface: `kind` is the driver's name for virtual ones ("macvlan", "vrf", ...), "" otherwise.

    `base_index` is the interface below a macvlan, ipvlan or vlan (0 = none), `vrf_table` the routing table of a VRF
    device (0 = not a VRF).
    `macvlan_mode` is MACVLAN_MODE_* of a macvlan (0 = not one; private is 1).
    """

    name: str
    index: int
    flags: int = IFF_UP | IFF_RUNNING | IFF_MULTICAST
    mtu: int = 1500
    arp_type: int = ARPHRD_ETHER
    mac: bytes = b""
    kind: str = ""
    base_index: int = 0
    vrf_table: int = 0
    macvlan_mode: int = 0
    group: int = 0
    addresses: tuple[InterfaceAddress, ...] = ()

    @property
    def is_up(self) -> bool:
        """Administratively up and running."""
        return self.flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING

    @property
    def can_multicast(self) -> bool:
        return bool(self.flags & IFF_MULTICAST)

    @property
    def has_arp(self) -> bool:
        return not self.flags & IFF_NOARP
