"""Rules of an instance, last part: debounce, VMAC devices, addresses without a device, empty lists, trackers."""

from __future__ import annotations

import dataclasses

from pykeepalived.config.entries.tracker import TrackerEntry, TrackerKind
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.vrrp import OWNER
from pykeepalived.config.rules.context import Rule, RuleContext
from pykeepalived.config.schema.vrrp_draft import InstanceDraft

VMAC_PREFIX = {4: b"\x00\x00\x5e\x00\x01", 6: b"\x00\x00\x5e\x00\x02"}
"""First five octets of the virtual router MAC address (RFC 9568 section 7.3)."""
_MACVLAN_PRIVATE = 1


def debounce(draft: InstanceDraft, context: RuleContext) -> None:
    """Delays of the interface must end before the master down timer does; log only."""
    delays = context.reading.draft.interface_delays
    if not draft.interface or not delays:
        return
    interval, adverts = draft.advert_int_us or 0, draft.down_timer_adverts or 1
    limit = (adverts - 1) * interval - interval // 256
    for index, entry in enumerate(delays):
        if entry.interface != draft.interface or (entry.down_us <= limit and entry.up_us <= limit):
            continue
        if adverts == 1:
            if entry.down_us or entry.up_us:
                text = f"interface delays of {draft.interface} are impossible with down_timer_adverts 1 - clearing"
                context.note(draft, "delay-long", text)
                delays[index] = dataclasses.replace(entry, down_us=0, up_us=0)
            continue
        if entry.down_us > limit:
            up = limit if entry.up_us == entry.down_us else entry.up_us
            context.note(draft, "delay-long", f"interface down delay of {draft.interface} is limited to {limit} us")
            delays[index] = dataclasses.replace(entry, down_us=limit, up_us=up)


def source_tracking(draft: InstanceDraft, context: RuleContext) -> None:
    """Only a configured source address can be tracked."""
    if draft.source_address is None:
        draft.track_src_ip = False


def matching_vmac(draft: InstanceDraft, context: RuleContext) -> None:
    """A fitting macvlan that exists under another name is used; log only."""
    parent = context.interface(draft)
    if draft.vmac is None or parent is None:
        return
    mac = draft.vmac.mac or VMAC_PREFIX[draft.family]
    mac = mac if len(mac) == 6 else mac + bytes((draft.virtual_router_id,))
    for device in context.reading.environment.interfaces.values():
        fits = device.kind == "macvlan" and device.macvlan_mode == _MACVLAN_PRIVATE
        if (
            fits
            and device.base_index == parent.index
            and device.mac == mac
            and draft.vmac.name not in ("", device.name)
        ):
            text = f"Found matching interface {device.name}, using it instead of {draft.vmac.name}"
            context.note(draft, "vmac-found", text, "use_vmac")
            draft.vmac = dataclasses.replace(draft.vmac, name=device.name)
            return


def strict_xmit_base(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode sends from the virtual MAC address."""
    if draft.strict_mode and draft.vmac_xmit_base:
        text = "xmit_base is incompatible with strict mode - resetting"
        context.error(draft, "xmit-base-strict", text, "vmac_xmit_base")
        draft.vmac_xmit_base = False


def promote_secondaries(draft: InstanceDraft, context: RuleContext) -> None:
    """VMACs have it always."""
    if draft.promote_secondaries and (draft.vmac is not None or draft.ipvlan is not None):
        text = "promote_secondaries is automatically set for vmacs - ignoring"
        context.error(draft, "promote-secondaries", text, "promote_secondaries")
        draft.promote_secondaries = False


def ipvlan_address(draft: InstanceDraft, context: RuleContext) -> None:
    """An ipvlan of an IPv4 instance needs an address; of either family it must fit."""
    if draft.ipvlan is None:
        return
    address = draft.ipvlan.address
    if address is None:
        if draft.family == 4:
            text = "IPv4 ipvlan requires a source ip address to be configured. setting instance to fault state"
            context.error(draft, "ipvlan-address", text, "use_ipvlan")
            draft.fault = draft.fault or "ipvlan without address"
    elif address.family != draft.family:
        text = "the address of use_ipvlan is not of the family of the instance"
        context.error(draft, "ipvlan-address", text, "use_ipvlan")
        draft.fault = draft.fault or "ipvlan address of the other family"


def own_interface(draft: InstanceDraft, context: RuleContext) -> None:
    """The instance's own interface is tracked anyway."""
    tracked = draft.track.of(TrackerKind.INTERFACE)
    entry = tracked.get(draft.interface)
    if entry is not None and draft.interface:
        text = f"({draft.name}) Ignoring track_interface {draft.interface} since own interface"
        context.reading.report(entry.at, "track-own-interface", text)
        del tracked[draft.interface]


def xmit_base_without_vmac(draft: InstanceDraft, context: RuleContext) -> None:
    """vmac_xmit_base belongs to use_vmac."""
    if draft.vmac_xmit_base and draft.vmac is None:
        text = "vmac_xmit_base is only valid with a vmac"
        context.error(draft, "xmit-base", text, "vmac_xmit_base")
        draft.vmac_xmit_base = False


def show_address(address: IpAddress) -> str:
    """The address with its prefix length."""
    return f"{address.address}/{address.prefix_length}"


def address_vmac(draft: InstanceDraft, context: RuleContext) -> None:
    """use_vmac of an address is pointless on the instance's own VMAC or with use_vmac_addr."""
    for address in (*draft.virtual_addresses, *draft.excluded_addresses):
        if not address.use_vmac:
            continue
        own = draft.vmac is not None and address.family == draft.family
        if draft.use_vmac_addr or (own and address.interface in ("", draft.interface)):
            text = f"({draft.name}) use_vmac specified for VIP/eVIP {show_address(address)} and vrrp instance"
            context.reading.report(address.at, "address-vmac", text)


def addresses_without_device(draft: InstanceDraft, context: RuleContext) -> None:
    """Without an interface every address needs its own device."""
    if draft.interface:
        return
    for addresses in (draft.virtual_addresses, draft.excluded_addresses):
        for address in [address for address in addresses if not address.interface]:
            text = f"({draft.name}) no interface for address {address.address} - removing"
            context.reading.report(address.at, "address-device", text)
            addresses.remove(address)


def extra_interfaces(draft: InstanceDraft, context: RuleContext) -> None:
    """garp_extra_if comes from the globals and needs addresses on other interfaces."""
    garp = context.globals.vrrp_defaults.garp
    if draft.garp_extra_if_s is None:
        draft.garp_extra_if_s = garp.extra_if_s
        draft.garp_extra_if_all = draft.garp_extra_if_all or garp.extra_if_all
    addresses = (*draft.virtual_addresses, *draft.excluded_addresses)
    if not any(address.interface not in ("", draft.interface) or address.use_vmac for address in addresses):
        draft.garp_extra_if_s = 0


def strict_no_addresses(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode needs an address."""
    if draft.no_virtual_ipaddress and draft.strict_mode:
        text = "no_virtual_ipaddress and strict mode incompatible, clearing no_virtual_ipaddress"
        kind = FindingClass.WARNING
        context.error(draft, "no-address-strict", text, "no_virtual_ipaddress", kind=kind)
        draft.no_virtual_ipaddress = False


def some_address(draft: InstanceDraft, context: RuleContext) -> None:
    """Version 3 and strict mode need an address; version 2 runs without."""
    if draft.virtual_addresses or draft.no_virtual_ipaddress:
        return
    if draft.version == 3 or draft.strict_mode:
        text = "No VIP specified; at least one is required"
        raise context.refuse(draft, "address-none", text, "virtual_ipaddress")
    text = "No VIP specified; at least one is sensible"
    context.error(draft, "address-none", text, "virtual_ipaddress", kind=FindingClass.WARNING)


# --- trackers ---------------------------------------------------------------------------------------------------------


def weight_of(kind: TrackerKind, entry: TrackerEntry, context: RuleContext) -> int:
    """The weight in force: the line's, else the object's."""
    if entry.weight is not None:
        return entry.weight
    found = context.reading.draft.find(kind.named, entry.name) if kind.named else None
    return found.weight if found is not None else 0


def _weightless(draft: InstanceDraft, context: RuleContext) -> str:
    """Why weights do not count for this instance, "" where they do."""
    group = context.groups.get(draft.name)
    if group is not None and not group.tracking_weight:
        return "due to SYNC group"
    return "due to address_owner" if draft.priority == OWNER else ""


def weighted_interfaces(draft: InstanceDraft, context: RuleContext) -> None:
    """In a group the weight becomes 0 (the interface faults), for an owner the entry goes."""
    if not _weightless(draft, context):
        return
    tracked = draft.track.of(TrackerKind.INTERFACE)
    grouped = draft.name in context.groups and not context.groups[draft.name].tracking_weight
    for name, entry in list(tracked.items()):
        if not weight_of(TrackerKind.INTERFACE, entry, context):
            continue
        reason = "interface weight due to SYNC group" if grouped else "interface due to address owner"
        text = f"({draft.name}) ignoring {name} tracked {reason}"
        context.reading.report(entry.at, "weight-useless", text)
        if grouped:
            tracked[name] = dataclasses.replace(entry, weight=0, reverse=False)
        else:
            del tracked[name]
            draft.dropped_interfaces.add(name)


def weighted_scripts_and_sessions(draft: InstanceDraft, context: RuleContext) -> None:
    """Scripts and BFD sessions with a weight go."""
    why = _weightless(draft, context)
    if not why:
        return
    for kind in (TrackerKind.SCRIPT, TrackerKind.BFD):
        tracked = draft.track.of(kind)
        for name, entry in list(tracked.items()):
            if weight := weight_of(kind, entry, context):
                shown = "weights" if kind is TrackerKind.SCRIPT else f"weight {weight}"
                text = f"({draft.name}) ignoring tracked {kind.word} {name} with {shown} {why}"
                context.reading.report(entry.at, "weight-useless", text)
                del tracked[name]


def weighted_files(draft: InstanceDraft, context: RuleContext) -> None:
    """A file with the default weight gets weight 0, with another weight it goes."""
    why = _weightless(draft, context)
    if not why:
        return
    tracked = draft.track.of(TrackerKind.FILE)
    for name, entry in list(tracked.items()):
        weight = weight_of(TrackerKind.FILE, entry, context)
        if not weight:
            continue
        if weight == 1:
            text = f"({draft.name}) ignoring weight from tracked file {name} {why}. specify weight 0"
            tracked[name] = dataclasses.replace(entry, weight=0)
        else:
            text = f"({draft.name}) ignoring tracked file {name} with weight {weight} {why}"
            del tracked[name]
        context.reading.report(entry.at, "weight-useless", text)


def owner_in_group(draft: InstanceDraft, context: RuleContext) -> None:
    """Weights of a group's trackers become 0 when a member is an owner."""
    group = context.groups.get(draft.name)
    if group is None or draft.priority != OWNER:
        return
    for kind in TrackerKind:
        tracked = group.track.of(kind)
        for name, entry in tracked.items():
            if weight_of(kind, entry, context):
                text = f"({group.name}) Cannot have weighted track {kind.word} '{name}' with member having priority"
                effect = "clearing weight" if kind is TrackerKind.SCRIPT else "setting weight 0"
                context.reading.report(entry.at, "weight-useless", f"{text} {OWNER} - {effect}")
                tracked[name] = dataclasses.replace(entry, weight=0)


def interface_tracked_twice(draft: InstanceDraft, context: RuleContext) -> None:
    """Member and group track the same interface."""
    group = context.groups.get(draft.name)
    if group is None:
        return
    own = {*draft.track.of(TrackerKind.INTERFACE), *draft.dropped_interfaces}
    if not draft.dont_track_primary:
        own.add(draft.interface)
    for name, entry in group.track.of(TrackerKind.INTERFACE).items():
        if name in own:
            text = f"({draft.name}) track_interface {name} is configured on VRRP instance and sync group."
            context.reading.report(entry.at, "track-twice", f"{text} Remove vrrp instance or sync group config")


DEVICE_RULES: tuple[Rule, ...] = (
    debounce,
    source_tracking,
    matching_vmac,
    strict_xmit_base,
    promote_secondaries,
    ipvlan_address,
    own_interface,
    xmit_base_without_vmac,
    address_vmac,
    addresses_without_device,
    extra_interfaces,
    strict_no_addresses,
    some_address,
    weighted_interfaces,
    weighted_scripts_and_sessions,
    weighted_files,
    owner_in_group,
    interface_tracked_twice,
)
