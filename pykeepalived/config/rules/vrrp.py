"""Completion of all the VRRP process acts on: minimum, sync groups, instances, and what holds across instances."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pykeepalived.config.entries.tracker import TrackerKind
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.vrrp import (
    OWNER,
    GarpGroup,
    Notify,
    TrackFile,
    TrackGroup,
    TrackProcess,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
)
from pykeepalived.config.rules.context import RefusedError, RuleContext
from pykeepalived.config.rules.instance import INSTANCE_RULES, finished_instance, finished_notify, finished_trackers
from pykeepalived.config.rules.scripts import Scripts
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.sync_group import SyncGroupDraft, taken_elsewhere
from pykeepalived.config.schema.track import GarpGroupDraft, ProcessDraft, ScriptDraft
from pykeepalived.config.schema.track_file import TrackFileDraft
from pykeepalived.config.schema.vrrp_draft import InstanceDraft
from pykeepalived.light_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VrrpSection:
    """The VRRP part of a configuration. `refused`: the VRRP process would not run with it."""

    instances: tuple[VrrpInstance, ...] = ()
    sync_groups: tuple[VrrpSyncGroup, ...] = ()
    scripts: tuple[VrrpScript, ...] = ()
    track_files: tuple[TrackFile, ...] = ()
    track_processes: tuple[TrackProcess, ...] = ()
    track_groups: tuple[TrackGroup, ...] = ()
    garp_groups: tuple[GarpGroup, ...] = ()
    refused: bool = False


def complete_vrrp(
    reading: Reading, globals_: GlobalDefs, *, detailed: bool = False, findings_only: bool = False
) -> VrrpSection:
    """Apply every rule in keepalived's order. `detailed`: option -D was given.

    `findings_only` leaves out the section itself: rules report all there is to say, what follows only converts.
    """
    draft = reading.draft
    track_files = tuple(finished_track_file(file) for file in draft.track_files)
    if draft.refused:
        reading.note(None, "configuration-refused", "Non-existent interface specified in configuration")
        return VrrpSection(track_files=track_files, refused=True)
    context = RuleContext(reading, globals_, detailed=detailed)
    # Scripts come first: what they say counts even if the configuration is refused afterwards.
    scripts = Scripts(reading)
    track_scripts = complete_scripts(context, scripts)
    notify = {instance.name: finished_notify(instance.notify, scripts) for instance in draft.instances}
    group_notify = {group.name: finished_notify(group.notify, scripts) for group in draft.sync_groups}
    if draft.instances:
        scripts.security("scripts")
    try:
        for instance in draft.instances:
            minimum(instance, context)
        groups = sync_groups(context)
        context.groups = {name: group for group in groups for name in group.members or {}}
        for instance in draft.instances:
            for rule in INSTANCE_RULES:
                rule(instance, context)
        for check in ACROSS_RULES:
            check(context)
    except RefusedError:
        return VrrpSection(track_files=track_files, refused=True)
    mixed_groups_start_as_backup(groups, reading)
    tracked = [owner.track for owner in draft.instances] + [owner.track for owner in groups]
    used = {name for track in tracked for name in track.of(TrackerKind.SCRIPT)}
    for script in track_scripts:
        if script.name not in used:
            reading.note(script.at, "script-unused", f"Warning - script {script.name} is not used")
    finished_track_groups = track_groups(context)
    if findings_only:
        return VrrpSection()
    return VrrpSection(
        instances=tuple(finished_instance(instance, context, notify[instance.name]) for instance in draft.instances),
        sync_groups=tuple(_finished_group(group, context, group_notify[group.name]) for group in groups),
        scripts=tuple(script for script in track_scripts if script.name in used),
        track_files=track_files,
        track_processes=tuple(_finished_process(process) for process in draft.track_processes),
        track_groups=finished_track_groups,
        garp_groups=tuple(_finished_garp_group(group) for group in draft.garp_groups),
    )


# --- before completion ------------------------------------------------------------------------------------------------


def minimum(draft: InstanceDraft, context: RuleContext) -> None:
    """An instance needs a VRID, and an interface or unicast."""
    if not draft.virtual_router_id:
        raise context.refuse(draft, "vrid-missing", "the virtual router id must be set")
    if not draft.interface and not draft.unicast_seen:
        raise context.refuse(draft, "interface-missing", "Unknown interface!")
    if not draft.interface and draft.vmac is not None:
        raise context.refuse(draft, "vmac-interface", "use_vmac needs an interface", "use_vmac")


def sync_groups(context: RuleContext) -> list[SyncGroupDraft]:
    """Members must exist and belong to one group; a group without members goes."""
    reading = context.reading
    taken: dict[str, str] = {}
    kept = []
    for group in reading.draft.sync_groups:
        members = {}
        for name, at in (group.members or {}).items():
            if reading.draft.find("vrrp_instance", name) is None:
                text = f"Virtual router {name} specified in sync group {group.name} doesn't exist - ignoring"
                reading.report(at, "member-unknown", text)
            elif name in taken:
                text = f"Virtual router {name} is in sync groups {taken[name]} and {group.name} - ignoring {group.name}"
                reading.report(at, "member-taken", text, upstream=taken_elsewhere(name, group.name))
            else:
                members[name] = at
                taken[name] = group.name
        group.members = members
        if not members:
            text = f"Sync group {group.name}, no matching virtual router found in group declaration - removing"
            reading.report(group.at, "group-empty", text)
            continue
        if len(members) == 1:
            text = f"Sync group {group.name} has only 1 virtual router(s) - this probably isn't what you want"
            reading.report(group.at, "group-single", text)
        _mixed_states(group, context)
        kept.append(group)
    return kept


def _mixed_states(group: SyncGroupDraft, context: RuleContext) -> None:
    """An owner that starts as MASTER before an explicit BACKUP: the group starts BACKUP."""
    owner_seen = False
    for name in group.members or {}:
        member = context.reading.draft.find("vrrp_instance", name)
        if member.state == "MASTER" and member.priority == OWNER:
            owner_seen = True
        elif member.state == "BACKUP" and owner_seen:
            text = f"Sync group {group.name} has an address owner in state MASTER and {name} in state BACKUP"
            context.reading.report(group.at, "group-states", f"{text} - the group starts as BACKUP")
            return


def complete_scripts(context: RuleContext, scripts: Scripts) -> list[VrrpScript]:
    """Scripts that may run; trackers of the others are dropped."""
    draft = context.reading.draft
    finished = []
    for script in draft.scripts:
        model = _finished_script(script, scripts) if draft.instances else _unchecked_script(script, scripts)
        if model is not None:
            finished.append(model)
        elif draft.find("vrrp_script", script.name) is script:
            for track in [owner.track for owner in draft.instances] + [owner.track for owner in draft.sync_groups]:
                track.of(TrackerKind.SCRIPT).pop(script.name, None)
    return finished


def _finished_script(draft: ScriptDraft, scripts: Scripts) -> VrrpScript | None:
    if draft.script is None:
        return None
    script = scripts.track(draft.script, draft.account, draft.name)
    if script is None:
        return None
    return VrrpScript(
        name=draft.name,
        script=script,
        interval_us=draft.interval_ms * 1000,
        timeout_us=draft.timeout_ms * 1000,
        weight=draft.weight,
        reverse=draft.reverse,
        rise=draft.rise,
        fall=draft.fall,
        init_fail=draft.init_fail,
        at=draft.at,
    )


def _unchecked_script(draft: ScriptDraft, scripts: Scripts) -> VrrpScript | None:
    """Without an instance no script is looked at, but its account must be there."""
    if draft.script is not None and draft.account is None:
        scripts.default_account(draft.script.statement, f"vrrp_script {draft.name}")
    return None


# --- across instances -------------------------------------------------------------------------------------------------


def duplicate_vrids(context: RuleContext) -> None:
    """Two instances must not share VRID, family and network; unicast and multicast never meet."""
    groups: dict[tuple[object, ...], InstanceDraft] = {}
    sources: dict[tuple[object, ...], list[InstanceDraft]] = {}
    for draft in context.reading.draft.instances:
        if draft.unicast_peers:
            alike = sources.setdefault((draft.family, draft.virtual_router_id, draft.source_address), [])
            other = next((known for known in alike if _share_a_peer(known, draft)), None)
            alike.append(draft)
        else:
            key = (draft.family, draft.virtual_router_id, _base(draft, context), draft.mcast_dst_ip)
            other = groups.setdefault(key, draft)
            other = None if other is draft else other
        if other is not None:
            where = f"on interface {draft.interface}" if draft.interface else "without interface"
            text = f"{other.name} and {draft.name} both use VRID {draft.virtual_router_id}"
            text += f" with IPv{draft.family} {where}"
            if _may_part(other, draft, context):
                context.note(draft, "vrid-shared", f"{text}: {draft.name} stays in FAULT", "virtual_router_id")
                continue
            context.reading.report(draft.where("virtual_router_id"), "vrid-duplicate", text)
            raise RefusedError(draft.name)


def _may_part(one: InstanceDraft, two: InstanceDraft, context: RuleContext) -> bool:
    """With allow_if_changes a macvlan that one of them is on may come back on another interface: then they do not meet
    any more."""
    return context.globals.dynamic_interfaces_allow_if_changes and any(
        _base(draft, context) != draft.interface for draft in (one, two) if not draft.unicast_peers
    )


def foreign_vmacs(context: RuleContext) -> None:
    """Of two instances of one VRID outside a common sync group, one must not put addresses on the VMAC of the other:
    both have the same MAC address. The later one stays in FAULT; a configuration test does not see it."""
    owners: dict[tuple[int, str], list[InstanceDraft]] = {}
    guests: dict[tuple[int, str], list[InstanceDraft]] = {}
    for draft in context.reading.draft.instances:
        vrid, name = draft.virtual_router_id, draft.vmac.name if draft.vmac is not None else ""
        devices = {address.interface: None for address in (*draft.virtual_addresses, *draft.excluded_addresses)}
        met = [other for device in devices for other in owners.get((vrid, device), ())]
        if name:
            met += guests.get((vrid, name), ())
            owners.setdefault((vrid, name), []).append(draft)
        for device in devices:
            guests.setdefault((vrid, device), []).append(draft)
        group = context.groups.get(draft.name)
        for other in dict.fromkeys(met):
            if group is None or group is not context.groups.get(other.name):
                text = f"addresses of {other.name} and {draft.name} share a VMAC: {draft.name} stays in FAULT"
                context.note(draft, "vmac-shared", text, "use_vmac")
                draft.fault = draft.fault or f"shares a VMAC with {other.name}"


def _share_a_peer(one: InstanceDraft, two: InstanceDraft) -> bool:
    """Two unicast instances with one source address meet at a common peer on the same interface, or any interface."""
    if one.interface != two.interface and one.interface and two.interface:
        return False
    peers = {peer.address for peer in one.unicast_peers}
    return any(peer.address in peers for peer in two.unicast_peers)


def _base(draft: InstanceDraft, context: RuleContext) -> str:
    """The interface below a VMAC that is used as an instance's interface."""
    interface = context.interface(draft)
    if interface is None or interface.kind != "macvlan" or not interface.base_index:
        return draft.interface
    below: Interface | None = next(
        (item for item in context.reading.environment.interfaces.values() if item.index == interface.base_index), None
    )
    return below.name if below is not None else draft.interface


ACROSS_RULES: tuple[Callable[[RuleContext], None], ...] = (duplicate_vrids, foreign_vmacs)


def track_groups(context: RuleContext) -> tuple[TrackGroup, ...]:
    """Members that exist; a group without any goes. Log only."""
    reading = context.reading
    groups = []
    for draft in reading.draft.track_groups:
        members = []
        for name, at in (draft.members or {}).items():
            if reading.draft.find("vrrp_instance", name) is None:
                reading.note(at, "member-unknown", f"track_group {draft.name}: instance {name} does not exist")
            else:
                members.append(name)
        if members:
            groups.append(TrackGroup(name=draft.name, members=tuple(members), at=draft.at))
        else:
            reading.note(draft.at, "group-empty", f"track_group {draft.name} has no instance - removing")
    return tuple(groups)


# --- what only the daemon looks at: log only --------------------------------------------------------------------------


def mixed_groups_start_as_backup(groups: list[SyncGroupDraft], reading: Reading) -> None:
    """A sync group whose members start in different states starts as BACKUP as a whole."""
    for group in groups:
        members = [reading.draft.find("vrrp_instance", name) for name in group.members or {}]
        if len({member.state for member in members}) > 1:
            text = f"Sync group {group.name} has mixed initial states - all members start as BACKUP"
            reading.note(group.at, "group-states", text)
            for member in members:
                member.state = "BACKUP"


def sync_daemon(globals_: GlobalDefs, section: VrrpSection, reading: Reading) -> GlobalDefs:
    """lvs_sync_daemon: its instance must exist, and its id is the VRID of that instance unless given."""
    daemon = globals_.lvs_sync_daemon
    if daemon is None or not daemon.instance or section.refused:
        return globals_
    found = reading.draft.find("vrrp_instance", daemon.instance)
    if found is None:
        text = f"lvs_sync_daemon: instance {daemon.instance} does not exist - not running it"
        reading.note(globals_.at, "sync-daemon-instance", text)
        return dataclasses.replace(globals_, lvs_sync_daemon=None)
    if daemon.sync_id is not None:
        return globals_
    daemon = dataclasses.replace(daemon, sync_id=found.virtual_router_id)
    return dataclasses.replace(globals_, lvs_sync_daemon=daemon)


# --- models -----------------------------------------------------------------------------------------------------------


def _finished_group(draft: SyncGroupDraft, context: RuleContext, notify: Notify) -> VrrpSyncGroup:
    owner = context.globals
    chain = (draft.smtp_alert, owner.smtp_alert_vrrp, owner.smtp_alert)
    return VrrpSyncGroup(
        name=draft.name,
        members=tuple(draft.members or ()),
        track=finished_trackers(draft.track, context),
        tracking_weight=draft.tracking_weight,
        notify=notify,
        notify_priority_changes=draft.notify_priority_changes,
        smtp_alert=next((value for value in chain if value is not None), False),
        at=draft.at,
    )


def finished_track_file(draft: TrackFileDraft) -> TrackFile:
    return TrackFile(
        name=draft.name,
        path=draft.path or "",
        weight=draft.weight,
        reverse=draft.reverse,
        init_value=draft.init_value,
        overwrite=draft.overwrite,
        at=draft.at,
    )


def _finished_process(draft: ProcessDraft) -> TrackProcess:
    match = draft.param_match if draft.param_match is not None else ("exact" if draft.parameters else "")
    return TrackProcess(
        name=draft.name,
        process=draft.process or "",
        parameters=draft.parameters,
        param_match=match,
        weight=draft.weight,
        reverse=draft.reverse,
        quorum=draft.quorum,
        quorum_max=draft.quorum_max,
        fork_delay_us=draft.fork_delay_us,
        terminate_delay_us=draft.terminate_delay_us,
        full_command=draft.full_command or bool(match or draft.parameters),
        at=draft.at,
    )


def _finished_garp_group(draft: GarpGroupDraft) -> GarpGroup:
    return GarpGroup(
        interfaces=tuple(draft.interfaces),
        garp_interval_us=draft.garp_interval_us or 0,
        gna_interval_us=draft.gna_interval_us or 0,
        at=draft.at,
    )
