"""The state of the VRRP core as snapshots for dumps, status and metrics. Reads everything, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykeepalived.config.model.vrrp import UnicastChecksum, VrrpInstance
from pykeepalived.observe.snapshot import (
    InterfaceSnapshot,
    SocketSnapshot,
    TrackBfdSnapshot,
    TrackFileSnapshot,
    TrackProcessSnapshot,
    TrackScriptSnapshot,
    VrrpCounters,
    VrrpGroupSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
    VrrpState,
)
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.circumstances import circumstances
from pykeepalived.vrrp.table import State

if TYPE_CHECKING:
    from pykeepalived.vrrp.assembly import Assembly
    from pykeepalived.vrrp.group import Group
    from pykeepalived.vrrp.holdings import PlacedAddress
    from pykeepalived.vrrp.instance import Instance
    from pykeepalived.vrrp.machine import Link
    from pykeepalived.vrrp.track import TrackedProcess, TrackedScript

_FAULT_WORDS = {
    "interface": "i/f down",
    "missing": "i/f down",
    "base": "base i/f down",
    "vrid": "duplicate VRID",
    "source": "no source IP address",
    "config": "config error",
    "pool": "unspecified",
}


def snapshot(assembly: Assembly) -> VrrpSnapshot:
    """The whole core; clocks, process figures and descriptors are filled in by the shell."""
    tracking = assembly.tracking
    return VrrpSnapshot(
        instances=tuple(_instance(assembly, instance) for instance in assembly.instances.values()),
        groups=tuple(_group(group) for group in assembly.groups),
        scripts=tuple(_script(script) for script in tracking.scripts.values()),
        files=tuple(TrackFileSnapshot(name=file.name, value=file.value) for file in tracking.files.values()),
        processes=tuple(_process(process) for process in tracking.processes.values()),
        bfds=tuple(TrackBfdSnapshot(name=bfd.name, up=bool(bfd.up)) for bfd in tracking.bfds.values()),
        interfaces=tuple(_interface(assembly, link) for link in assembly.context.machine.links.values() if link.exists),
        sockets=tuple(
            SocketSnapshot(
                fd_in=-1,
                fd_out=-1,
                interface=state.pool.interface,
                address=state.pool.group or state.pool.source,
                family=state.pool.family,
                protocol="AH" if state.pool.protocol == packet.PROTOCOL_AH else "VRRP",
                unicast=state.pool.unicast,
                receive_buffer=state.pool.receive_buffer,
                instances=tuple(instance.name for instance in state.instances),
            )
            for state in assembly.pools.states.values()
        ),
        static_addresses_set=tuple(True for _ in assembly.config.static_addresses),
    )


def _shown(state: State, waiting: bool) -> VrrpState:
    """Waiting for a script's first result is shown as FAULT."""
    return VrrpState.FAULT if waiting else VrrpState(int(state))


def _instance(assembly: Assembly, instance: Instance) -> VrrpInstanceSnapshot:
    config, holdings = instance.config, instance.estate.holdings
    link = assembly.context.machine.link(instance.interface)
    key = (config.name, config.interface, config.family)
    made = assembly.attachments.get(key, "") if config.vmac is not None or config.ipvlan is not None else ""
    vmac = assembly.context.machine.link(made) if made else None
    master = instance.state is State.MASTER
    kinds = [kind for kind, _ in instance.faults]
    words = dict.fromkeys(_FAULT_WORDS[kind] for kind in kinds if kind in _FAULT_WORDS)
    expires = instance.timer.when or 0
    return VrrpInstanceSnapshot(
        name=config.name,
        state=_shown(instance.state, bool(instance.waiting)),
        wantstate=VrrpState(int(instance.want)),
        cause=instance.cause,
        last_transition_ns=instance.last_transition,
        faults=tuple(instance.faults.values()),
        troubles=holdings.troubles,
        circumstances=circumstances(instance),
        contributions=tuple((*key, amount) for key, amount in instance.contributions.items() if amount),
        fault_flags=tuple(words),
        duplicate_vrid="vrid" in kinds,
        config_faults=kinds.count("config"),
        tracker_faults=sum(1 for kind in kinds if kind not in _FAULT_WORDS),
        scripts_init=len(instance.waiting),
        flags=("Using unicast",) if config.unicast else (),
        timer_expires_ns=expires,
        master_down_us=instance.down_ns // 1000,
        interface=made or instance.interface,
        base_interface=config.interface if made else "",
        interface_index=link.facts.index if link.facts is not None else 0,
        interface_up=link.up,
        vmac_mac=vmac.facts.mac if vmac is not None and vmac.facts is not None else None,
        vmac_name=made if config.vmac is not None else "",
        vrf=config.vrf,
        source_address=instance.source,
        master_address=instance.master_source,
        master_priority=0 if master else instance.master_priority,
        master_advert_int_us=instance.master_interval_us,
        base_priority=config.priority,
        effective_priority=instance.effective,
        total_priority=instance.total,
        highest_other_priority=instance.highest_other,
        last_advert_sent_ns=instance.last_sent,
        accept=config.accept,
        vips_set=holdings.taken,
        addresses_set=tuple(item.is_set for item in holdings.addresses),
        excluded_set=tuple(item.is_set for item in holdings.excluded),
        routes_set=tuple(item.is_set for item in holdings.routes),
        rules_set=tuple(item.is_set for item in holdings.rules),
        address_devices=tuple(_device(assembly, config, item) for item in holdings.addresses),
        excluded_devices=tuple(_device(assembly, config, item) for item in holdings.excluded),
        firewall_word="nftable_set" if holdings.filtered else "",
        counters=VrrpCounters(**instance.counters.as_dict()),
        group=instance.group.name if instance.group is not None else "",
        previous_state=VrrpState(int(instance.previous)),
        checksum_compatibility="auto" if _detected_old_checksum(instance) else "",
    )


def _detected_old_checksum(instance: Instance) -> bool:
    return instance.receiver.old_checksum and instance.config.unicast_checksum is UnicastChecksum.AUTO


def _device(assembly: Assembly, config: VrrpInstance, placed: PlacedAddress) -> str:
    """The device of an address where the configuration does not tell it: a VMAC with its parent."""
    if placed.interface in (placed.config.interface, config.interface):
        return ""
    machine = assembly.context.machine
    parent = machine.parent(machine.link(placed.interface))
    return f"{placed.interface}@{parent.name}" if parent is not None else placed.interface


def _group(group: Group) -> VrrpGroupSnapshot:
    return VrrpGroupSnapshot(
        name=group.name,
        state=VrrpState(int(group.state)),
        members_fault=group.faulty_members,
        members_init=group.waiting_members,
        cause=group.cause,
        last_transition_ns=group.last_transition,
    )


def _script(script: TrackedScript) -> TrackScriptSnapshot:
    return TrackScriptSnapshot(
        name=script.name,
        result=script.result,
        good=script.result >= script.config.rise,
        last_status=script.last_status if script.last_end else -1,
        ending=script.ending,
        init_state=script.init_state,
        run_state="running" if script.running else "idle",
    )


def _process(process: TrackedProcess) -> TrackProcessSnapshot:
    expires = process.timer_expires or 0
    return TrackProcessSnapshot(
        name=process.name,
        current=process.count,
        have_quorum=bool(process.up),
        fork_timer_ns=expires if process.timer_is_fork else 0,
        terminate_timer_ns=0 if process.timer_is_fork else expires,
    )


def _interface(assembly: Assembly, link: Link) -> InterfaceSnapshot:
    machine = assembly.context.machine
    facts = link.facts
    parent = machine.parent(link)
    return InterfaceSnapshot(
        name=link.name,
        index=facts.index if facts is not None else 0,
        ipv4=machine.first_address(link.name, 4, assembly.virtual_ips),
        ipv6=machine.first_address(link.name, 6, assembly.virtual_ips),
        mac=facts.mac if facts is not None else b"",
        mac_broadcast=facts.broadcast if facts is not None else b"",
        up=link.up,
        seen_up=link.seen_up,
        mtu=facts.mtu if facts is not None else 0,
        hw_type=facts.hardware if facts is not None else 0,
        base=parent.name if parent is not None else "",
        vmac=link.name in assembly.attachments.values(),
        delayed_change_ns=link.timer.when or 0,
        up_debounce_us=link.up_delay_ns // 1000,
        down_debounce_us=link.down_delay_ns // 1000,
        ipv6_forwarding=facts.forwarding if facts is not None else None,
    )
