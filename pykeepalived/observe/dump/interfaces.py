"""The sections about interfaces and sockets in keepalived.data."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.observe.dump.text import Moments, true_false
from pykeepalived.observe.dump.tracking import Followers
from pykeepalived.observe.snapshot import InterfaceSnapshot, SocketSnapshot, VrrpSnapshot

_UP, _BROADCAST, _LOOPBACK, _POINTOPOINT, _RUNNING, _NOARP, _MULTICAST = 0x1, 0x2, 0x8, 0x10, 0x40, 0x80, 0x1000
_HARDWARE = {1: "ETHERNET", 772: "LOOPBACK", 32: "INFINIBAND"}


def socket_lines(sockets: tuple[SocketSnapshot, ...], config: Config) -> Iterator[str]:
    """The section "VRRP Sockpool"."""
    vrids = {instance.name: instance.virtual_router_id for instance in config.vrrp_instances}
    yield "------< VRRP Sockpool >------"
    for pair in sockets:
        yield f" fd_in {pair.fd_in} fd_out = {pair.fd_out}"
        if pair.interface:
            yield f"   Interface = {pair.interface}"
        yield f"   Family = IPv{pair.family}"
        yield f"   Protocol = {pair.protocol}"
        yield f"   Type = {'Unicast' if pair.unicast else 'Multicast'}"
        if pair.unicast and pair.address is not None:
            yield f"   Address = {pair.address}"
        yield f"   Rx buf size = {pair.receive_buffer}"
        yield "   VRRP instances"
        for name in pair.instances:
            yield f"     {name} vrid {vrids.get(name, 0)}"


def interface_lines(config: Config, snapshot: VrrpSnapshot, followers: Followers, moments: Moments) -> Iterator[str]:
    """The section "Interfaces": every interface the process knows, with the instances that depend on it."""
    if not snapshot.interfaces:
        return
    yield "------< Interfaces >------"
    users = _users(config, snapshot)
    six = {instance.name for instance in config.vrrp_instances if instance.family == 6}
    for interface in snapshot.interfaces:
        yield f" Name = {interface.name}"
        for line in _lines(interface):
            yield f"   {line}"
        if interface.ipv6_forwarding is not None and six.intersection(users.get(interface.name, ())):
            word = "" if interface.ipv6_forwarding else "Not "
            checked = interface.forwarding_checked_ns or snapshot.taken.monotonic_ns
            yield f"   {word}IPv6 forwarding. Last checked {moments.year_first(checked)}"
        tracking = dict.fromkeys(users.get(interface.name, ()), (0, False))
        for name, tracker in followers.of("interfaces", interface.name).items():
            tracking[name] = (tracker.weight, tracker.reverse)
        if tracking:
            yield "   Tracking VRRP instances :"
            for name, (weight, reverse) in tracking.items():
                yield f"     {name}, weight {weight}{' reverse' if reverse else ''}"


def _users(config: Config, snapshot: VrrpSnapshot) -> dict[str, list[str]]:
    """Interface to the instances that fault with it because it is theirs."""
    now = {instance.name: instance for instance in snapshot.instances}
    users: dict[str, list[str]] = {}
    for instance in config.vrrp_instances:
        if instance.dont_track_primary:
            continue
        state = now.get(instance.name)
        own = [instance.interface]
        if state is not None:
            own = [state.interface or instance.interface, state.base_interface]
        for interface in dict.fromkeys(own):
            if interface:
                users.setdefault(interface, []).append(instance.name)
    return users


def _lines(interface: InterfaceSnapshot) -> Iterator[str]:
    yield f"index = {interface.index}"
    yield f"IPv4 address = {interface.ipv4 or '(none)'}"
    yield f"IPv6 address = {interface.ipv6 or '(none)'}"
    if any(interface.mac):
        yield f"MAC = {interface.mac.hex(':')}"
        if interface.mac_broadcast:
            yield f"MAC broadcast = {interface.mac_broadcast.hex(':')}"
    yield f"State = {_flags(interface.flags)}"
    yield f"Seen up = {interface.seen_up:d}"
    yield f"Delayed state change running = {true_false(bool(interface.delayed_change_ns))}"
    yield f"Up debounce timer = {interface.up_debounce_us}us"
    yield f"Down debounce timer = {interface.down_debounce_us}us"
    if interface.vmac:
        yield f"VMAC type = {interface.kind}"
        yield f"Underlying interface = {interface.base}"
    if interface.vrf:
        yield f"VRF master = {interface.vrf}"
    yield f"Group = {interface.group}"
    yield f"MTU = {interface.mtu}"
    yield f"HW Type = {_HARDWARE.get(interface.hw_type, 'UNKNOWN')}"
    yield f"NIC {interface.linkbeat + ' polling' if interface.linkbeat else 'netlink status update'}"
    yield f"Reset ARP config counter {interface.arp_resets}"
    yield f"Original arp_ignore {interface.arp_ignore}"
    yield f"Original arp_filter {interface.arp_filter}"
    yield f"Original promote_secondaries {interface.promote_secondaries}"
    yield f"Reset promote_secondaries counter {interface.promote_resets}"


def _flags(flags: int) -> str:
    words = ["UP" if flags & _UP else "not UP", "RUNNING" if flags & _RUNNING else "not RUNNING"]
    if not flags & _BROADCAST:
        words.append("no broadcast")
    if flags & _LOOPBACK:
        words.append("loopback")
    if flags & _POINTOPOINT:
        words.append("point to point")
    if flags & _NOARP:
        words.append("no arp")
    if not flags & _MULTICAST:
        words.append("no multicast")
    return ", ".join(words)
