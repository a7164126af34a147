"""Rules of an instance, third part: preemption, acceptance, announcements, and the advertisement interval."""

from __future__ import annotations

from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND
from pykeepalived.config.model.vrrp import OWNER
from pykeepalived.config.rules.context import Rule, RuleContext
from pykeepalived.config.rules.instance_network import uses_unicast
from pykeepalived.config.schema.vrrp_draft import InstanceDraft

STRICT_DOWN_TIMER = 3
LONGEST_V2_US = 255 * MICROSECONDS_PER_SECOND
LONGEST_V3_US = 40_950_000
STEP_V3_US = 10_000


def owner_nopreempt(draft: InstanceDraft, context: RuleContext) -> None:
    """The owner always preempts."""
    if draft.priority == OWNER and draft.nopreempt:
        text = f"nopreempt is incompatible with priority {OWNER}. resetting nopreempt"
        context.error(draft, "nopreempt-owner", text, "nopreempt")
        draft.nopreempt = False


def master_nopreempt(draft: InstanceDraft, context: RuleContext) -> None:
    """nopreempt makes no sense for an instance that starts as MASTER."""
    if draft.state == "MASTER" and draft.nopreempt:
        text = "Warning - nopreempt will not work with initial state MASTER - clearing"
        context.error(draft, "nopreempt-master", text, "nopreempt", suggestion="write state BACKUP")
        draft.nopreempt = False


def master_preempt_delay(draft: InstanceDraft, context: RuleContext) -> None:
    """Nor does a delay."""
    if draft.state == "MASTER" and draft.preempt_delay_us:
        text = "Warning - preempt delay will not work with initial state MASTER - clearing"
        context.error(draft, "preempt-delay-master", text, "preempt_delay", suggestion="write state BACKUP")
        draft.preempt_delay_us = 0


def strict_preempt_delay(draft: InstanceDraft, context: RuleContext) -> None:
    """Strict mode preempts at once."""
    if draft.preempt_delay_us and draft.strict_mode:
        text = "preempt_delay is incompatible with strict mode - resetting"
        context.error(draft, "preempt-delay-strict", text, "preempt_delay")
        draft.preempt_delay_us = 0


def nopreempt_delay(draft: InstanceDraft, context: RuleContext) -> None:
    """What never happens cannot be delayed."""
    if draft.preempt_delay_us and draft.nopreempt:
        text = "preempt_delay is incompatible with nopreempt mode - resetting"
        context.error(draft, "preempt-delay-nopreempt", text, "preempt_delay")
        draft.preempt_delay_us = 0


def down_timer(draft: InstanceDraft, context: RuleContext) -> None:
    """down_timer_adverts comes from the globals; strict mode has RFC 9568's three adverts."""
    if draft.down_timer_adverts is None:
        draft.down_timer_adverts = context.globals.vrrp_defaults.down_timer_adverts
    if draft.strict_mode and draft.down_timer_adverts != STRICT_DOWN_TIMER:
        text = "down_timer_adverts is incompatible with strict mode - resetting"
        context.error(draft, "down-timer-strict", text, "down_timer_adverts")
        draft.down_timer_adverts = STRICT_DOWN_TIMER


def timer_expired_backup(draft: InstanceDraft, context: RuleContext) -> None:
    """timer_expired_backup belongs to nopreempt."""
    if draft.timer_expired_backup is not None and not draft.nopreempt:
        text = "expired_timer_backup requires nopreempt - resetting"
        context.error(draft, "timer-expired-backup", text, "timer_expired_backup")
        draft.timer_expired_backup = None


def default_accept(draft: InstanceDraft, context: RuleContext) -> None:
    """Packets to the VIPs are accepted, except in strict mode by others than the owner."""
    if draft.accept is None:
        draft.accept = draft.priority == OWNER or not draft.strict_mode


def strict_accept(draft: InstanceDraft, context: RuleContext) -> None:
    """Version 2 in strict mode: only the owner accepts."""
    if draft.accept and draft.strict_mode and draft.version == 2 and draft.priority != OWNER:
        text = "warning - accept mode for VRRP version 2 does not comply with RFC3768 - resetting"
        context.error(draft, "accept-strict", text, "accept")
        draft.accept = False


def default_firewall(draft: InstanceDraft, context: RuleContext) -> None:
    """Dropping packets needs a firewall: nftables with table keepalived unless one is configured."""
    firewall = context.globals.firewall
    if context.firewall_noted or firewall.nftables_table or firewall.iptables_chains:
        return
    if not draft.accept or draft.vmac is not None:
        context.firewall_noted = True
        text = "use_vmac or no_accept/strict specified, but no firewall configured - using nftables"
        context.reading.note(None, "firewall-default", text)


def multicast_group(draft: InstanceDraft, context: RuleContext) -> None:
    """The instance's own group makes no sense with unicast; without one the global group is used."""
    if draft.mcast_dst_ip is not None and uses_unicast(draft):
        context.error(draft, "mcast-dst-unicast", "mcast_dst_ip is ignored with unicast peers", "mcast_dst_ip")
        draft.mcast_dst_ip = None
    if draft.mcast_dst_ip is None:
        defaults = context.globals.vrrp_defaults
        draft.mcast_dst_ip = defaults.mcast_group4 if draft.family == 4 else defaults.mcast_group6


def lower_prio_announcements(draft: InstanceDraft, context: RuleContext) -> None:
    """garp_lower_prio_*: none in strict mode, else the globals'."""
    garp = context.globals.vrrp_defaults.garp
    for target, keyword, what, fallback in (
        ("garp_lower_prio_repeat", "garp_lower_prio_repeat", "repeat garps", garp.lower_prio_repeat),
        ("garp_lower_prio_delay_s", "garp_lower_prio_delay", "repeat garp delay", garp.lower_prio_delay_s),
    ):
        value = getattr(draft, target)
        if value is None:
            setattr(draft, target, 0 if draft.strict_mode else fallback)
        elif value and draft.strict_mode:
            context.error(draft, "garp-strict", f"Strict mode requires no {what}. resetting", keyword)
            setattr(draft, target, 0)


def lower_prio_advert(draft: InstanceDraft, context: RuleContext) -> None:
    """lower_prio_no_advert: on in strict mode, else the globals'."""
    if draft.lower_prio_no_advert is None:
        draft.lower_prio_no_advert = bool(draft.strict_mode) or context.globals.vrrp_defaults.lower_prio_no_advert
    elif not draft.lower_prio_no_advert and draft.strict_mode:
        text = "Strict mode requires no lower priority advert. resetting"
        context.error(draft, "lower-prio-strict", text, "lower_prio_no_advert")
        draft.lower_prio_no_advert = True


def higher_prio_advert(draft: InstanceDraft, context: RuleContext) -> None:
    """higher_prio_send_advert: off in strict mode, else the globals'."""
    if draft.higher_prio_send_advert is None:
        fallback = context.globals.vrrp_defaults.higher_prio_send_advert
        draft.higher_prio_send_advert = False if draft.strict_mode else fallback
    elif draft.higher_prio_send_advert and draft.strict_mode:
        text = "strict mode requires higher_prio_send_advert to be clear. resetting"
        context.error(draft, "higher-prio-strict", text, "higher_prio_send_advert")
        draft.higher_prio_send_advert = False


def owner_ignores_adverts(draft: InstanceDraft, context: RuleContext) -> None:
    """owner_ignore_adverts is for owners; an explicit `off` is honoured (keepalived 2.4.3 turns it on)."""
    owner = draft.priority == OWNER
    if draft.owner_ignore_adverts is None:
        fallback = bool(draft.strict_mode) or context.globals.vrrp_defaults.owner_ignore_adverts
        draft.owner_ignore_adverts = owner and fallback
    elif draft.owner_ignore_adverts and not owner:
        text = f"ignoring owner_ignore_adverts since priority is not {OWNER}"
        context.error(draft, "owner-ignore", text, "owner_ignore_adverts")
        draft.owner_ignore_adverts = False
    elif not draft.owner_ignore_adverts and owner:
        text = "the address owner should ignore adverts (keepalived does, whatever the configuration says)"
        context.error(draft, "owner-ignore", text, "owner_ignore_adverts")


def telling_defaults(draft: InstanceDraft, context: RuleContext) -> None:
    """smtp_alert and notify_priority_changes: own, (sync group,) global, off."""
    owner = context.globals
    if draft.smtp_alert is None:
        chain = (owner.smtp_alert_vrrp, owner.smtp_alert)
        draft.smtp_alert = next((value for value in chain if value is not None), False)
    if draft.notify_priority_changes is None:
        group = context.groups.get(draft.name)
        inherited = group.notify_priority_changes if group is not None else None
        draft.notify_priority_changes = (
            inherited if inherited is not None else owner.vrrp_defaults.notify_priority_changes
        )


def default_interval(draft: InstanceDraft, context: RuleContext) -> None:
    """One second."""
    if draft.advert_int_us is None:
        draft.advert_int_us = MICROSECONDS_PER_SECOND


def interval_v2(draft: InstanceDraft, context: RuleContext) -> None:
    """Version 2 knows whole seconds up to 255 (RFC 3768 section 5.3.7)."""
    interval = draft.advert_int_us
    assert interval is not None, "default_interval ran"
    if draft.version != 2:
        return
    if interval > LONGEST_V2_US:
        context.error(
            draft, "interval-long", "VRRPv2 advertisement interval is out of range - using 255 s", "advert_int"
        )
        draft.advert_int_us = LONGEST_V2_US
    elif interval % MICROSECONDS_PER_SECOND:
        seconds = max((interval + MICROSECONDS_PER_SECOND // 2) // MICROSECONDS_PER_SECOND, 1)
        shown = f"{interval // MICROSECONDS_PER_SECOND}.{interval % MICROSECONDS_PER_SECOND:06d}s"
        text = f"VRRPv2 advertisement interval {shown} must be an integer. rounding"
        context.error(draft, "interval-v2", text, "advert_int", suggestion=f"write {seconds}, or version 3")
        draft.advert_int_us = seconds * MICROSECONDS_PER_SECOND


def interval_v3(draft: InstanceDraft, context: RuleContext) -> None:
    """Version 3 knows multiples of 10 ms up to 40.95 s (RFC 9568 section 5.2.7)."""
    interval = draft.advert_int_us
    assert interval is not None, "default_interval ran"
    if draft.version != 3:
        return
    if interval >= LONGEST_V3_US + STEP_V3_US:
        shown = f"{interval / MICROSECONDS_PER_SECOND:.2f}s"
        text = f"VRRPv3 advertisement interval {shown} is out of range. Must be less than 40.96s. Setting to 40.95s"
        context.error(draft, "interval-long", text, "advert_int")
        draft.advert_int_us = LONGEST_V3_US
    elif interval % STEP_V3_US:
        rounded = (interval + STEP_V3_US // 2) // STEP_V3_US * STEP_V3_US
        text = f"VRRPv3 advertisement interval {interval / MICROSECONDS_PER_SECOND:.6f}s must be in units of 10ms"
        context.error(draft, "interval-v3", f"{text} - rounding", "advert_int")
        draft.advert_int_us = min(max(rounded, STEP_V3_US), LONGEST_V3_US)


ELECTION_RULES: tuple[Rule, ...] = (
    owner_nopreempt,
    master_nopreempt,
    master_preempt_delay,
    strict_preempt_delay,
    nopreempt_delay,
    down_timer,
    timer_expired_backup,
    default_accept,
    strict_accept,
    default_firewall,
    multicast_group,
    lower_prio_announcements,
    lower_prio_advert,
    higher_prio_advert,
    owner_ignores_adverts,
    telling_defaults,
    default_interval,
    interval_v2,
    interval_v3,
)
