"""Which VMAC and ipvlan interfaces a configuration needs, and how each is made ready. Pure: plans, no kernel.

keepalived.conf(5): use_vmac, use_ipvlan, use_vmac_addr, vmac_prefix, vmac_addr_prefix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from itertools import chain

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink import links
from pykeepalived.netlink.facts import Facts, Link
from pykeepalived.netlink.firewall import VmacRule
from pykeepalived.netlink.operations import AddAddress, AddLink, DeleteLink, Operation, SetLink, VirtualLink

Key = tuple[str, str, int]
"""Instance name, parent interface, family: as inputs.View.attachments has it."""

_IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}
RT_SCOPE_LINK = 253


def virtual_mac(virtual_router_id: int, family: int) -> bytes:
    """The virtual router MAC address (RFC 9568 section 7.3)."""
    return bytes((0, 0, 0x5E, 0, 1 if family == 4 else 2, virtual_router_id))


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interface for one purpose. `exists` tells that the link is there already and is adopted.

    `primary` is the instance's own interface, the others carry addresses on further interfaces or of the other family.
    """

    key: Key
    link: VirtualLink
    exists: bool
    primary: bool
    instance: VrrpInstance = field(repr=False)

    @property
    def family(self) -> int:
        return self.key[2]

    @property
    def carries_both(self) -> bool:
        """Whether it is the interface of an instance with addresses of both families."""
        instance = self.instance
        owned = (*instance.virtual_addresses, *instance.excluded_addresses)
        return self.primary and any(address.family != self.family for address in owned)


@dataclass(frozen=True, slots=True)
class Plan:
    """All attachments of a configuration, also those whose parent does not exist yet."""

    attachments: tuple[Attachment, ...] = ()
    parents: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """The configured parent of each link, whatever the kernel has below it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", {made.link.name: made.link.parent for made in self.attachments})

    @property
    def names(self) -> dict[Key, str]:
        return {attachment.key: attachment.link.name for attachment in self.attachments}

    def find(self, instance: str, parent: str, family: int) -> Attachment | None:
        """The attachment of this key."""
        for attachment in self.attachments:
            if attachment.key == (instance, parent, family):
                return attachment
        return None


def plan(config: Config, facts: Facts, before: Mapping[Key, str] | None = None) -> Plan:
    """What the configuration needs on this machine. `before` are the names in use, which are kept where they fit."""
    made: list[Attachment] = []
    shared: dict[tuple[str, int, bytes | None, int], VirtualLink] = {}
    taken: set[str] = set()
    keys: set[Key] = set()
    for instance in config.vrrp_instances:
        for parent, family, primary in _places(instance):
            key = (instance.name, parent, family)
            if key in keys:
                continue
            keys.add(key)
            wanted = _wanted(config, instance, parent, family, primary, facts)
            identity = (parent, family, wanted.mac, instance.virtual_router_id)
            if not primary and identity in shared:
                made.append(Attachment(key, shared[identity], True, primary, instance))
                continue
            link, exists = _placed(config, instance, wanted, key, primary, facts, taken, (before or {}).get(key, ""))
            taken.add(link.name)
            shared.setdefault(identity, link)
            made.append(Attachment(key, link, exists, primary, instance))
    return Plan(tuple(made))


def _places(instance: VrrpInstance) -> Iterator[tuple[str, int, bool]]:
    """(parent, family, primary) of every link the instance needs."""
    if instance.interface and (instance.vmac is not None or instance.ipvlan is not None):
        yield instance.interface, instance.family, True
    for address in (*instance.virtual_addresses, *instance.excluded_addresses):
        if wants_own_vmac(instance, address):
            yield address.interface or instance.interface, address.family, False


def wants_own_vmac(instance: VrrpInstance, address: IpAddress) -> bool:
    """Is the address to have a VMAC that is not the instance's?

    use_vmac_addr asks for one for all that is on another interface or of the other family; use_vmac of an address also
    where the instance itself has none.
    """
    place = address.interface or instance.interface
    elsewhere = place != instance.interface or address.family != instance.family
    wanted = address.use_vmac or (instance.use_vmac_addr and elsewhere)
    return wanted and bool(place) and (elsewhere or instance.vmac is None)


def _wanted(
    config: Config, instance: VrrpInstance, parent: str, family: int, primary: bool, facts: Facts
) -> VirtualLink:
    below = facts.link(parent)
    master = facts.links.get(below.master) if below is not None else None
    vrf = master.name if master is not None and master.kind == "vrf" else ""
    if primary and instance.ipvlan is not None:
        return VirtualLink(
            name=instance.ipvlan.name,
            parent=parent,
            kind="ipvlan",
            group=instance.ipvlan.group,
            mode_flag=_IPVLAN_FLAGS[instance.ipvlan.mode_flag],
            vrf=vrf,
        )
    vmac = instance.vmac
    mac = virtual_mac(instance.virtual_router_id, family)
    if primary and vmac is not None and vmac.mac is not None:
        mac = vmac.mac
    name = vmac.name if primary and vmac is not None else ""
    return VirtualLink(name=name, parent=parent, mac=mac, group=vmac.group if vmac is not None else None, vrf=vrf)


def _placed(
    config: Config,
    instance: VrrpInstance,
    wanted: VirtualLink,
    key: Key,
    primary: bool,
    facts: Facts,
    taken: Collection[str],
    before: str,
) -> tuple[VirtualLink, bool]:
    """The link with its final name, and whether it is there already."""
    defaults = config.globals.vrrp_defaults
    prefix = defaults.vmac_prefix if primary else defaults.vmac_addr_prefix
    candidates = links.numbered_names(prefix, instance.virtual_router_id, key[2])
    first = next(candidates)
    asked = _renamed(wanted, before or wanted.name or first)
    match = links.find_match(asked, facts, taken)
    if match is not None:
        return _renamed(wanted, match.name), True
    if wanted.name and wanted.name not in taken:
        namesake = facts.link(wanted.name)
        if namesake is None or namesake.kind == wanted.kind:
            return wanted, False
    return _renamed(wanted, links.free_name(chain((first,), candidates), facts, taken)), False


def _renamed(link: VirtualLink, name: str) -> VirtualLink:
    return VirtualLink(
        name=name,
        parent=link.parent,
        kind=link.kind,
        mac=link.mac,
        group=link.group,
        mode_flag=link.mode_flag,
        vrf=link.vrf,
    )


# making one ready


def creation(attachment: Attachment, facts: Facts) -> list[Operation]:
    """Make the link, not yet up; a namesake of the same kind goes first."""
    name = attachment.link.name
    operations: list[Operation] = [DeleteLink(name)] if facts.link(name) is not None else []
    return [*operations, AddLink(attachment.link), SetLink(name, no_link_local=True)]


def sysctls(attachment: Attachment) -> list[tuple[str, str]]:
    """Kernel parameters of the link itself, to be set before it is up: (path, value)."""
    name = attachment.link.name
    if attachment.family == 6:
        # It must not answer ARP for the host's IPv4 addresses with the virtual MAC.
        return [(f"net/ipv4/conf/{name}/arp_ignore", "1")] if attachment.link.kind == "macvlan" else []
    values = [(f"net/ipv4/conf/{name}/{word}", value) for word, value in _IPV4_SYSCTLS]
    if not attachment.primary or not _carries_ipv6(attachment.instance):
        values.append((f"net/ipv6/conf/{name}/disable_ipv6", "1"))
    return values


_IPV4_SYSCTLS = (("arp_ignore", "1"), ("accept_local", "1"), ("rp_filter", "0"), ("promote_secondaries", "1"))


def parent_sysctls(attachment: Attachment) -> list[tuple[str, str]]:
    """Kernel parameters of the interface below, so that it does not answer ARP for addresses of the VMAC."""
    if attachment.family == 6 or attachment.link.kind != "macvlan":
        return []
    parent = attachment.link.parent
    return [(f"net/ipv4/conf/{parent}/arp_ignore", "1"), (f"net/ipv4/conf/{parent}/arp_filter", "1")]


def _carries_ipv6(instance: VrrpInstance) -> bool:
    return any(address.family == 6 for address in (*instance.virtual_addresses, *instance.excluded_addresses))


def addresses(attachment: Attachment, facts: Facts) -> list[Operation]:
    """Addresses the link needs for itself: the source address of IPv6 adverts and neighbour advertisements, or the
    address of an ipvlan."""
    instance, name = attachment.instance, attachment.link.name
    ipvlan = instance.ipvlan
    if attachment.primary and ipvlan is not None and ipvlan.address is not None:
        length = ipvlan.prefix_length or ipvlan.address.bits
        return [AddAddress(IpAddress(address=ipvlan.address, prefix_length=length, interface=name), name)]
    if attachment.family == 4 or (attachment.primary and instance.vmac is not None and instance.vmac.xmit_base):
        return []
    parent = facts.link(attachment.link.parent)
    source = instance.source_address if attachment.primary else None
    if source is None or not source.is_link_local:
        source = _link_local(parent, facts) if parent is not None else None
    if source is None:
        return []
    wish = IpAddress(address=source, prefix_length=64, interface=name, scope=RT_SCOPE_LINK, preferred_lft=0)
    return [AddAddress(wish, name)]


def _link_local(parent: Link, facts: Facts) -> Ip | None:
    """The parent's link-local address, else the one its MAC address gives (RFC 4291 appendix A)."""
    for address in facts.addresses_of(parent.index):
        if address.address.is_link_local:
            return address.address
    if len(parent.mac) != 6:
        return None
    mac = parent.mac
    return Ip(b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:])


def vmac_rules(plan: Plan, facts: Facts) -> frozenset[VmacRule]:
    """What the firewall must know of the VMACs that are there."""
    rules = set()
    for attachment in plan.attachments:
        link = facts.link(attachment.link.name)
        if link is None or link.kind != "macvlan":
            continue
        copied = None
        if attachment.family == 6:
            own = {address.address for address in facts.addresses_of(link.index)}
            below = (address.address for address in facts.addresses_of(link.parent))
            copied = next((address for address in below if address.is_link_local and address in own), None)
        rules.add(VmacRule(attachment.family, link.name, link.index, link.parent, copied))
        if attachment.carries_both:
            rules.add(VmacRule(10 - attachment.family, link.name, link.index, link.parent))
    return frozenset(rules)
