"""One vrrp_instance in keepalived.data."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import VrrpDefaults
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.vrrp import AuthType, Notify, Tracker, UnicastChecksum, VrrpInstance
from pykeepalived.observe.dump.globals import garp_lines
from pykeepalived.observe.dump.network import address_line, route_line, rule_line
from pykeepalived.observe.dump.text import Moments, enabled, script_line, true_false, yes_no
from pykeepalived.observe.snapshot import VrrpInstanceSnapshot, VrrpSnapshot, VrrpState

_AUTH_TYPES = {AuthType.NONE: "none", AuthType.PASS: "SIMPLE_PASSWORD", AuthType.AH: "IPSEC_AH"}
_CHECKSUMS = {UnicastChecksum.AUTO: "no", UnicastChecksum.NEVER: "never", UnicastChecksum.OLD: "config"}
_UNICAST_FLAG = "Using unicast"


_FAULT_ORDER = ("unspecified", "i/f down", "base i/f down", "duplicate VRID", "no source IP address", "config error")


def states(config: Config, snapshot: VrrpSnapshot) -> Iterator[tuple[VrrpInstance, VrrpInstanceSnapshot]]:
    """Each configured instance with its state; one that the snapshot does not know is in its initial state."""
    known = {instance.name: instance for instance in snapshot.instances}
    groups = {member: group.name for group in config.vrrp_sync_groups for member in group.members}
    prefix = config.globals.vrrp_defaults.vmac_prefix
    for instance in config.vrrp_instances:
        state = known.get(instance.name)
        yield instance, _initial(instance, groups.get(instance.name, ""), prefix) if state is None else state


def _initial(instance: VrrpInstance, group: str, prefix: str) -> VrrpInstanceSnapshot:
    virtual = instance.vmac or instance.ipvlan
    return VrrpInstanceSnapshot(
        name=instance.name,
        group=group,
        vmac_name=(virtual.name or f"{prefix}.{instance.virtual_router_id}") if virtual is not None else "",
        wantstate=VrrpState[instance.state.value],
        interface=instance.interface,
        base_priority=instance.priority,
        effective_priority=instance.priority,
        total_priority=instance.priority,
        accept=instance.accept,
    )


def instance_lines(
    instance: VrrpInstance, now: VrrpInstanceSnapshot, moments: Moments, defaults: VrrpDefaults
) -> Iterator[str]:
    """The whole block of an instance; its lines are indented by three blanks, lists by five."""
    yield f" VRRP Instance = {instance.name}"
    for line in _lines(instance, now, moments, defaults):
        yield f"   {line}"


def _lines(
    instance: VrrpInstance, now: VrrpInstanceSnapshot, moments: Moments, defaults: VrrpDefaults
) -> Iterator[str]:
    yield from _state(instance, now, moments)
    yield from _interface(instance, now)
    yield from garp_lines(instance.garp, "")
    yield f"Down timer adverts = {instance.down_timer_adverts}"
    if instance.garp.extra_if_s:
        what = "i/f" if instance.garp.extra_if_all else "VMAC"
        yield f"Gratuitous ARP for each secondary {what} = {instance.garp.extra_if_s}"
    yield f"Send advert after receive lower priority advert = {true_false(not instance.lower_prio_no_advert)}"
    yield f"Send advert after receive higher priority advert = {true_false(instance.higher_prio_send_advert)}"
    if instance.is_owner:
        yield f"Address owner ignores received adverts = {true_false(instance.owner_ignore_adverts)}"
    yield from _election(instance, now, moments)
    yield from _authentication(instance)
    if instance.kernel_rx_buf_size:
        yield f"Kernel rx buffer size = {instance.kernel_rx_buf_size}"
    if instance.debug:
        yield f"Debug level = {instance.debug}"
    yield from _addresses(instance, now)
    yield from _unicast(instance, now, defaults)
    yield "No sockets allocated" if now.fd_in < 0 and now.fd_out < 0 else f"fd_in {now.fd_in}, fd_out {now.fd_out}"
    yield from _listed("Virtual Routes :", [route_line(route) for route in instance.virtual_routes])
    yield from _listed("Virtual Rules :", [rule_line(rule) for rule in instance.virtual_rules])
    yield from tracker_lines(instance.track.interfaces, "Tracked interfaces :", " weight ")
    yield from tracker_lines(instance.track.scripts, "Tracked scripts :", " weight ")
    yield from tracker_lines(instance.track.files, "Tracked files :", ", weight ")
    yield from tracker_lines(instance.track.processes, "Tracked processes :", ", weight ")
    yield from tracker_lines(instance.track.bfds, "Tracked BFDs :", ": weight ")
    yield f"Using smtp notification = {yes_no(instance.smtp_alert)}"
    yield f"Notify deleted = {'Deleted' if instance.notify.deleted_as_deleted else 'Fault'}"
    yield from notify_lines(instance.notify)
    yield f"Notify priority changes = {true_false(instance.notify_priority_changes)}"


def _state(instance: VrrpInstance, now: VrrpInstanceSnapshot, moments: Moments) -> Iterator[str]:
    yield f"VRRP Version = {instance.version}"
    if now.group:
        yield f"Sync group = {now.group}"
    if instance.native_ipv6 or instance.family == 6:
        yield "Using Native IPv6"
    yield f"State = {now.state.name}"
    if now.state == VrrpState.BACKUP:
        yield f"Master router = {now.master_address or instance.mcast_dst_ip}"
        yield f"Master priority = {now.master_priority}"
        if instance.version == 3:
            advert = now.master_advert_int_us or instance.advert_int_us
            yield f"Master advert interval = {advert // 1000} milli-sec"
    flags = now.flags or ((_UNICAST_FLAG,) if instance.unicast else ())
    yield "Flags:" if flags or _has_flags(instance) else "Flags: none"
    for flag in flags:
        yield f"  {flag}"
    if now.rate_limit_flags:
        yield f"Rate-limit flags = 0x{now.rate_limit_flags:x}"
    yield f"Wantstate = {now.wantstate.name}"
    yield f"Number of config faults = {now.config_faults}"
    yield f"Number of tracker faults = {now.tracker_faults}"
    yield from _fault_flags(now)
    if now.duplicate_vrid:
        yield "Duplicate VRID"
    yield f"Number of track scripts init = {now.scripts_init}"
    yield f"Last transition = {moments.full(now.last_transition_ns)}"
    yield f"Read timeout = {moments.full(now.timer_expires_ns) if now.timer_expires_ns else 'DISABLED'}"
    yield f"Master down timer = {now.master_down_us} usecs"


def _has_flags(instance: VrrpInstance) -> bool:
    """Whether one of the words is given that keepalived keeps as a bit; most of them have a line of their own."""
    return bool(
        instance.vmac is not None
        or instance.ipvlan is not None
        or instance.use_vmac_addr
        or instance.nopreempt
        or instance.source_address is not None
        or instance.v3_checksum_as_v2
        or instance.dont_track_primary
        or instance.promote_secondaries
        or instance.linkbeat_use_polling
        or instance.skip_check_adv_addr
        or instance.garp.extra_if_all
        or instance.no_virtual_ipaddress
    )


def _fault_flags(now: VrrpInstanceSnapshot) -> Iterator[str]:
    shown = sorted((flag for flag in now.fault_flags if flag in _FAULT_ORDER), key=_FAULT_ORDER.index)
    if not shown:
        yield "Flags of interface faults - (none)"
        return
    yield "Flags of interface faults -"
    for flag in shown:
        yield f"  {flag}"


def _virtual_link(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> str:
    """Name of the VMAC or ipvlan of an instance, whether it exists already or not; "" where there is none."""
    configured = instance.vmac or instance.ipvlan
    if configured is None:
        return ""
    name = now.vmac_name or configured.name
    if name:
        return name
    if now.interface and now.interface != (now.base_interface or instance.interface):
        return now.interface
    return f"vrrp.{instance.virtual_router_id}"


def _interface(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> Iterator[str]:
    base = now.base_interface or instance.interface
    link = _virtual_link(instance, now)
    up = true_false(now.interface_up)
    xmit_base = instance.vmac is not None and instance.vmac.xmit_base
    if instance.vmac is not None:
        yield f"Use VMAC, i/f name {link}, is_up = {up}, xmit_base = {true_false(xmit_base)}"
        if instance.vmac.mac is not None:
            yield f"  MAC = {instance.vmac.mac.hex(':')}"
    if instance.use_vmac_addr:
        yield "Use VMAC for VIPs on other interfaces"
    if instance.vmac is not None:
        if instance.vmac.group is not None:
            yield f"Interface group = {instance.vmac.group}"
        # A VMAC that could not be made yet, its parent being absent, stands on nothing.
        below = f", vmac on {base}{', xmit base i/f' if xmit_base else ''}" if now.vmac_name else ""
        yield f"Interface = {link}{below}"
    elif instance.ipvlan is not None:
        address = f" i/f address = {instance.ipvlan.address}," if instance.ipvlan.address is not None else ""
        yield f"Use IPVLAN, i/f {link}, is_up = {up},{address} type {instance.ipvlan.mode_flag}"
        yield f"Interface = {link}, ipvlan on {base}"
    else:
        yield f"Interface = {now.interface or instance.interface}"
    if now.vrf:
        yield f"VRF = {now.vrf}"
    if instance.dont_track_primary:
        yield "VRRP interface tracking disabled"
    if instance.skip_check_adv_addr:
        yield "Skip checking advert IP addresses"
    if instance.no_virtual_ipaddress:
        yield "Suppress no VIPs warning"
    if instance.strict_mode:
        yield "Enforcing strict VRRP compliance"
    source = now.source_address or instance.source_address
    configured = " (from configuration)" if instance.source_address is not None else ""
    yield f"Using src_ip = {source if source is not None else '(none)'}{configured if source is not None else ''}"
    if not instance.unicast:
        index = f", ifindex {now.interface_index}" if instance.family == 6 else ""
        yield f"Multicast address {instance.mcast_dst_ip}{index}"


def _election(instance: VrrpInstance, now: VrrpInstanceSnapshot, moments: Moments) -> Iterator[str]:
    yield f"Virtual Router ID = {instance.virtual_router_id}"
    yield f"Priority = {now.base_priority}"
    yield f"Effective priority = {now.effective_priority}"
    yield f"Total priority = {now.total_priority}"
    if instance.nopreempt:
        yield f"Highest other priority = {now.highest_other_priority}"
    if instance.version == 2:
        yield f"Advert interval = {instance.advert_int_us // 1_000_000} sec"
    else:
        yield f"Advert interval = {instance.advert_int_us // 1000} milli-sec"
    yield f"Last advert sent = {moments.seconds(now.last_advert_sent_ns)}"
    yield f"Accept = {enabled(instance.accept)}"
    yield f"Preempt = {enabled(not instance.nopreempt)}"
    if instance.preempt_delay_us:
        yield f"Preempt delay = {instance.preempt_delay_us / 1_000_000:g} secs"
    yield f"Promote_secondaries = {enabled(instance.promote_secondaries)}"


def _authentication(instance: VrrpInstance) -> Iterator[str]:
    if instance.version == 2:
        yield f"Authentication type = {_AUTH_TYPES[instance.auth_type]}"
        if instance.auth_type != AuthType.NONE:
            yield "Password = ********"
    if instance.auth_hmac is not None:
        hmac = instance.auth_hmac
        yield "Authentication extension = HMAC-SHA256-128"
        yield f"  Mode = {hmac.mode}"
        yield f"  Active key = {hmac.active_key}, keys = {' '.join(str(key.id) for key in hmac.keys)}"
        yield f"  Anti-replay = {hmac.anti_replay}, time window = {hmac.time_window_s} secs"
    if instance.version == 3 and instance.family == 4:
        yield f"VRRPv3 uses VRRPv2 checksum = {enabled(instance.v3_checksum_as_v2)}"


def _addresses(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> Iterator[str]:
    vips = virtual_addresses(instance, now)
    if vips:
        yield f"Virtual IP ({len(vips)}):"
        for line in vips:
            yield f"  {line}"
    yield from _listed("Virtual IP Excluded :", excluded_addresses(instance, now))


def virtual_addresses(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> list[str]:
    """The lines of the VIPs, as in keepalived.data and keepalived.json."""
    return _address_lines(instance, now, instance.virtual_addresses, now.addresses_set, now.address_devices)


def excluded_addresses(instance: VrrpInstance, now: VrrpInstanceSnapshot) -> list[str]:
    """The lines of the excluded VIPs."""
    return _address_lines(instance, now, instance.excluded_addresses, now.excluded_set, now.excluded_devices)


def _address_lines(
    instance: VrrpInstance,
    now: VrrpInstanceSnapshot,
    addresses: tuple[IpAddress, ...],
    is_set: tuple[bool, ...],
    devices: tuple[str, ...],
) -> list[str]:
    lines = []
    for position, address in enumerate(addresses):
        device = devices[position] if position < len(devices) else ""
        if not device:
            device = _device(instance, now, address)
        present = is_set[position] if position < len(is_set) else False
        lines.append(address_line(address, device, present, now.firewall_word))
    return lines


def _device(instance: VrrpInstance, now: VrrpInstanceSnapshot, address: IpAddress) -> str:
    if address.interface_given and address.interface not in ("", instance.interface):
        return address.interface
    base = now.base_interface or instance.interface
    if instance.vmac is None or address.family != instance.family:
        return base
    return f"{_virtual_link(instance, now)}@{base}"


def _unicast(instance: VrrpInstance, now: VrrpInstanceSnapshot, defaults: VrrpDefaults) -> Iterator[str]:
    if not instance.unicast:
        return
    yield f"Unicast TTL = {255 if instance.unicast_ttl is None else instance.unicast_ttl}"
    # keepalived shows the instance's own word, not what holds for all.
    yield f"Check unicast src : {yes_no(instance.check_unicast_src and not defaults.check_unicast_src)}"
    if instance.unicast_peers:
        yield "Unicast Peer :"
        for position, peer in enumerate(instance.unicast_peers):
            low = max(peer.min_ttl, 0)
            high = peer.max_ttl if peer.max_ttl >= 0 else 255
            word = now.peer_checksums[position] if position < len(now.peer_checksums) else ""
            yield f"  {peer.address} min_ttl {low} max_ttl {high}{' ' + word if word else ''}"
    yield f"Unicast checksum compatibility = {now.checksum_compatibility or _CHECKSUMS[instance.unicast_checksum]}"


def tracker_lines(trackers: tuple[Tracker, ...], title: str, between: str) -> Iterator[str]:
    """A title and one line a tracked object: its name, its weight, `reverse`."""
    if not trackers:
        return
    yield title
    for tracker in trackers:
        yield f"  {tracker.name}{between}{tracker.weight}{' reverse' if tracker.reverse else ''}"


def notify_lines(notify: Notify) -> Iterator[str]:
    """One line a notify script."""
    for word, script in (
        ("Backup state transition", notify.backup),
        ("Master state transition", notify.master),
        ("Fault state transition", notify.fault),
        ("Stop state transition", notify.stop),
        ("Deleted state transition", notify.deleted),
        ("Generic state transition", notify.generic),
        ("Master rx lower pri", notify.master_rx_lower_pri),
    ):
        if script is not None:
            yield f"{word} script = {script_line(script)}"


def _listed(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        for line in lines:
            yield f"  {line}"
