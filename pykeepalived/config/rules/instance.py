"""All rules of an instance in keepalived's order, and the finished model of one."""

from __future__ import annotations

import dataclasses

from pykeepalived.config.entries.tracker import TrackerEntry, TrackerKind
from pykeepalived.config.model.globals import Garp
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.vrrp import (
    AuthHmac,
    AuthType,
    HmacKey,
    Notify,
    State,
    Tracker,
    Trackers,
    UnicastChecksum,
    VrrpInstance,
)
from pykeepalived.config.rules.context import Rule, RuleContext
from pykeepalived.config.rules.instance_devices import DEVICE_RULES
from pykeepalived.config.rules.instance_election import ELECTION_RULES
from pykeepalived.config.rules.instance_identity import IDENTITY_RULES
from pykeepalived.config.rules.instance_network import NETWORK_RULES
from pykeepalived.config.rules.scripts import Scripts
from pykeepalived.config.schema.trackers import TrackersDraft
from pykeepalived.config.schema.vrrp_draft import HmacDraft, InstanceDraft, NotifyDraft

INSTANCE_RULES: tuple[Rule, ...] = (*IDENTITY_RULES, *NETWORK_RULES, *ELECTION_RULES, *DEVICE_RULES)


def finished_instance(draft: InstanceDraft, context: RuleContext, notify: Notify) -> VrrpInstance:
    """The model of a draft all rules have been applied to."""
    defaults = context.globals.vrrp_defaults
    vmac = draft.vmac
    if vmac is not None:
        mac = vmac.mac
        if mac is not None and len(mac) == 5:
            mac += bytes((draft.virtual_router_id,))
        vmac = dataclasses.replace(vmac, mac=mac, xmit_base=draft.vmac_xmit_base)
    assert draft.advert_int_us is not None and draft.mcast_dst_ip is not None and draft.priority is not None
    return VrrpInstance(
        name=draft.name,
        interface=draft.interface,
        virtual_router_id=draft.virtual_router_id,
        family=draft.family,
        version=draft.version or defaults.version,
        state=State(draft.state or "BACKUP"),
        priority=draft.priority,
        advert_int_us=draft.advert_int_us,
        strict_mode=bool(draft.strict_mode),
        native_ipv6=draft.native_ipv6,
        source_address=draft.source_address,
        track_src_ip=draft.track_src_ip,
        mcast_dst_ip=draft.mcast_dst_ip,
        unicast=bool(draft.unicast_peers),
        unicast_peers=tuple(draft.unicast_peers),
        unicast_ttl=draft.unicast_ttl,
        check_unicast_src=draft.check_unicast_src or defaults.check_unicast_src,
        unicast_checksum=UnicastChecksum(draft.unicast_checksum or "auto"),
        v3_checksum_as_v2=_own_or(draft.v3_checksum_as_v2, defaults.v3_checksum_as_v2),
        vrf=draft.vrf,
        kernel_rx_buf_size=draft.kernel_rx_buf_size,
        nopreempt=draft.nopreempt,
        preempt_delay_us=draft.preempt_delay_us,
        down_timer_adverts=draft.down_timer_adverts or defaults.down_timer_adverts,
        timer_expired_backup=draft.timer_expired_backup,
        lower_prio_no_advert=bool(draft.lower_prio_no_advert),
        higher_prio_send_advert=bool(draft.higher_prio_send_advert),
        owner_ignore_adverts=bool(draft.owner_ignore_adverts),
        skip_check_adv_addr=_own_or(draft.skip_check_adv_addr, defaults.skip_check_adv_addr),
        accept=bool(draft.accept),
        auth_type=AuthType(draft.auth_type or "NONE"),
        auth_pass=draft.auth_pass if draft.auth_type else b"",
        auth_hmac=_hmac(draft.hmac) if draft.hmac is not None else None,
        virtual_addresses=_addresses(draft.virtual_addresses, draft.interface),
        excluded_addresses=_addresses(draft.excluded_addresses, draft.interface),
        virtual_routes=tuple(draft.virtual_routes),
        virtual_rules=tuple(draft.virtual_rules),
        no_virtual_ipaddress=draft.no_virtual_ipaddress,
        promote_secondaries=draft.promote_secondaries,
        vmac=vmac,
        ipvlan=draft.ipvlan,
        use_vmac_addr=draft.use_vmac_addr,
        garp=_garp(draft, defaults.garp),
        dont_track_primary=draft.dont_track_primary,
        track=finished_trackers(draft.track, context),
        linkbeat_use_polling=draft.linkbeat_use_polling,
        notify=notify,
        notify_priority_changes=bool(draft.notify_priority_changes),
        smtp_alert=bool(draft.smtp_alert),
        debug=draft.debug,
        config_fault=draft.fault,
        at=draft.at,
        positions={name: statement.span(0) for name, statement in draft.positions.items()},
    )


def _own_or(own: bool | None, default: bool) -> bool:
    return default if own is None else own


def _addresses(addresses: list[IpAddress], interface: str) -> tuple[IpAddress, ...]:
    """Addresses without `dev` live on the interface of the instance."""
    return tuple(
        address
        if address.interface
        else dataclasses.replace(address, interface=interface, interface_given=address.interface_given)
        for address in addresses
    )


def _hmac(draft: HmacDraft) -> AuthHmac:
    return AuthHmac(
        keys=tuple(HmacKey(id=number, secret=secret) for number, secret in sorted(draft.keys.items())),
        active_key=draft.active_key,
        anti_replay=draft.anti_replay,
        time_window_s=draft.time_window_s or 5,
        mode=draft.mode,
    )


def _garp(draft: InstanceDraft, defaults: Garp) -> Garp:
    def own(value: int | None, default: int) -> int:
        return default if value is None else value

    return Garp(
        master_delay_s=own(draft.garp_master_delay_s, defaults.master_delay_s),
        master_repeat=own(draft.garp_master_repeat, defaults.master_repeat),
        master_refresh_s=own(draft.garp_master_refresh_s, defaults.master_refresh_s),
        master_refresh_repeat=own(draft.garp_master_refresh_repeat, defaults.master_refresh_repeat),
        lower_prio_delay_s=own(draft.garp_lower_prio_delay_s, defaults.lower_prio_delay_s),
        lower_prio_repeat=own(draft.garp_lower_prio_repeat, defaults.lower_prio_repeat),
        extra_if_s=own(draft.garp_extra_if_s, defaults.extra_if_s),
        extra_if_all=draft.garp_extra_if_all,
    )


def finished_trackers(draft: TrackersDraft, context: RuleContext) -> Trackers:
    """Trackers with the weights in force."""

    def of(kind: TrackerKind) -> tuple[Tracker, ...]:
        tracked = draft.of(kind)
        return tuple(_tracker(kind, entry, context) for entry in tracked.values()) if tracked else ()

    return Trackers(
        interfaces=of(TrackerKind.INTERFACE),
        scripts=of(TrackerKind.SCRIPT),
        files=of(TrackerKind.FILE),
        processes=of(TrackerKind.PROCESS),
        bfds=of(TrackerKind.BFD),
    )


def _tracker(kind: TrackerKind, entry: TrackerEntry, context: RuleContext) -> Tracker:
    found = context.reading.draft.find(kind.named, entry.name) if kind.named else None
    weight, reverse = entry.weight, entry.reverse
    if weight is None:
        weight = found.weight if found is not None else 0
    if reverse is None:
        reverse = found is not None and found.reverse
    return Tracker(name=entry.name, weight=weight, reverse=reverse, at=entry.at)


_NOTIFY = ("backup", "master", "fault", "stop", "deleted", "master_rx_lower_pri")


def finished_notify(draft: NotifyDraft, scripts: Scripts) -> Notify:
    """Notify scripts that may run."""
    found = {
        target: scripts.notify(words, f"({draft.name}) notify_{target}")
        for target in _NOTIFY
        if (words := getattr(draft, target)) is not None
    }
    generic = scripts.notify(draft.generic, f"({draft.name}) notify")
    return Notify(**found, generic=generic, deleted_as_deleted=draft.deleted_given)
