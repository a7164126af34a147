"""Rules of an instance, second part: unicast, interfaces, VMACs, and how many addresses fit into an advert."""

from __future__ import annotations

import dataclasses

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.interfaces import ARPHRD_ETHER
from pykeepalived.config.rules.context import Rule, RuleContext
from pykeepalived.config.schema.vrrp_draft import InstanceDraft

MOST_ADDRESSES = 255
ETHERNET, IPV4, IPV6, VRRP, AUTH_V2, AH, HMAC = 14, 20, 40, 8, 8, 24, 28
"""Bytes of headers and trailers around the addresses of an advert."""


def uses_unicast(draft: InstanceDraft) -> bool:
    """Adverts go to peers, not to the group."""
    return bool(draft.unicast_peers)


def unicast_without_peers(draft: InstanceDraft, context: RuleContext) -> None:
    """A unicast keyword without peers falls back to multicast, or is a fault with unicast_fault_no_peer."""
    if draft.unicast_peers:
        return
    if draft.unicast_fault_no_peer:
        text = "Cannot use unicast without any peers - going to fault state"
        context.note(draft, "unicast-no-peers", text, "unicast_peer")
        draft.fault = draft.fault or "no unicast peers"
        return
    if draft.unicast_seen:
        text = (
            "A unicast keyword has been specified without any unicast peers. Defaulting to multicast."
            " This usage is deprecated - please update your configuration."
        )
        keyword = next((word for word in _UNICAST_WORDS if word in draft.positions), "")
        context.error(draft, "unicast-no-peers", text, keyword, kind=FindingClass.DEPRECATED)
        draft.unicast_seen = False


_UNICAST_WORDS = ("unicast_peer", "unicast_src_ip", "check_unicast_src", "old_unicast_checksum")


def strict_unicast(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode allows unicast only where multicast is impossible."""
    interface = context.interface(draft)
    if draft.strict_mode and uses_unicast(draft) and interface is not None and interface.can_multicast:
        text = "Unicast peers are not supported in strict mode on an interface that can multicast"
        raise context.refuse(draft, "strict-unicast", text, "unicast_peer")


def unicast_source(draft: InstanceDraft, context: RuleContext) -> None:
    """Without an interface the source address must be given."""
    if not draft.interface and draft.source_address is None:
        text = "unicast_src_ip is required when there is no interface"
        raise context.refuse(draft, "unicast-source", text)


def unicast_link_local(draft: InstanceDraft, context: RuleContext) -> None:
    """A link-local address means nothing without an interface."""
    if not draft.interface and draft.source_address is not None and draft.source_address.is_link_local:
        text = "a link-local source address needs an interface"
        raise context.refuse(draft, "unicast-link-local", text, "unicast_src_ip")


def strict_vmac_address(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode has no MAC addresses of one's own."""
    if draft.strict_mode and draft.vmac is not None and draft.vmac.mac is not None:
        text = "cannot specify MAC address with strict mode - clearing"
        context.error(draft, "strict-vmac", text, "use_vmac")
        draft.vmac = dataclasses.replace(draft.vmac, mac=None)


def vmac_ethernet(draft: InstanceDraft, context: RuleContext) -> None:
    """A VMAC or ipvlan needs an Ethernet interface; otherwise the instance stays in FAULT, its flags cleared."""
    interface = context.interface(draft)
    if (draft.vmac is None and draft.ipvlan is None) or interface is None or interface.arp_type == ARPHRD_ETHER:
        return
    text = f"use_vmac/use_ipvlan is not possible on {draft.interface}: not an Ethernet interface"
    context.error(draft, "vmac-ethernet", text, "use_vmac")
    draft.fault = draft.fault or f"{draft.interface} is not an Ethernet interface"
    draft.vmac = draft.ipvlan = None
    draft.nopreempt = draft.unicast_seen = draft.vmac_xmit_base = draft.use_vmac_addr = False


def multicast_possible(draft: InstanceDraft, context: RuleContext) -> None:
    """An instance without peers needs an interface that can multicast."""
    interface = context.interface(draft)
    if not uses_unicast(draft) and interface is not None and not interface.can_multicast:
        text = f"interface {draft.interface} does not support multicast, specify unicast peers - disabling"
        context.error(draft, "multicast-impossible", text, "interface")
        draft.fault = draft.fault or f"{draft.interface} cannot multicast"


def interface_arp(draft: InstanceDraft, context: RuleContext) -> None:
    """Gratuitous ARP does not work on an interface without ARP; said with detailed logging only."""
    interface = context.interface(draft)
    if context.detailed and interface is not None and not interface.has_arp:
        context.error(draft, "interface-arp", f"interface {draft.interface} does not support ARP", "interface")


def first_address_link_local(draft: InstanceDraft, context: RuleContext) -> None:
    """RFC 9568 section 5.2.9: the first IPv6 address is the link-local one."""
    if draft.family != 6 or uses_unicast(draft) or not draft.virtual_addresses:
        return
    first = draft.virtual_addresses[0].address
    if first.is_link_local:
        return
    text = "the first IPv6 VIP address should be link local"
    if draft.strict_mode:
        context.error(draft, "address-link-local", text, "virtual_ipaddress")
    else:
        context.note(draft, "address-link-local", text, "virtual_ipaddress")


def vrf_use(draft: InstanceDraft, context: RuleContext) -> None:
    """vrf is for unicast instances without an interface."""
    if draft.vrf and (draft.interface or not uses_unicast(draft)):
        context.error(draft, "vrf-interface", "vrf is only possible with unicast and no interface - clearing", "vrf")
        draft.vrf = ""


def address_limit(draft: InstanceDraft, context: RuleContext) -> int:
    """How many addresses an advert of this instance can carry."""
    interface = context.interface(draft)
    mtu = interface.mtu if interface is not None else 1500
    signed = HMAC if draft.hmac is not None and draft.hmac.mode != "receive-only" else 0
    if draft.family == 6:
        return max(min((mtu - ETHERNET - IPV6 - VRRP - signed) // 16, MOST_ADDRESSES), 0)
    used = ETHERNET + IPV4 + VRRP + signed
    used += AUTH_V2 if draft.version == 2 else 0
    used += AH if draft.auth_type == "AH" else 0
    return max(min((mtu - used) // 4, MOST_ADDRESSES), 0)


def too_many_addresses(draft: InstanceDraft, context: RuleContext) -> None:
    """What does not fit is not advertised."""
    limit = address_limit(draft, context)
    excess = len(draft.virtual_addresses) - limit
    if excess > 0:
        text = f"Number of VIPs ({limit + excess}) exceeds {limit} - the last {excess} will be excluded VIPs"
        context.error(draft, "addresses-many", text, "virtual_ipaddress")
        draft.excluded_addresses += draft.virtual_addresses[limit:]
        del draft.virtual_addresses[limit:]


NETWORK_RULES: tuple[Rule, ...] = (
    unicast_without_peers,
    strict_unicast,
    unicast_source,
    unicast_link_local,
    strict_vmac_address,
    vmac_ethernet,
    multicast_possible,
    interface_arp,
    first_address_link_local,
    vrf_use,
    too_many_addresses,
)
