"""vrrp_sync_group: its draft and the table of its keywords."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model.values import Span
from pykeepalived.config.schema.base import Block, Keyword, Reading, ValueBlock, table
from pykeepalived.config.schema.trackers import TrackersDraft, tracker_blocks
from pykeepalived.config.schema.types import Flag, Switch
from pykeepalived.config.schema.vrrp_draft import NotifyDraft
from pykeepalived.config.schema.vrrp_handlers import notify_script
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(slots=True, eq=False, repr=False)
class SyncGroupDraft:
    """One vrrp_sync_group; `members` are names with their places, None before the group block."""

    name: str
    at: Span | None = None
    members: dict[str, Span] | None = None
    track: TrackersDraft = field(default_factory=TrackersDraft)
    tracking_weight: bool = False
    notify: NotifyDraft = field(default_factory=NotifyDraft)
    notify_priority_changes: bool | None = None
    smtp_alert: bool | None = None


def _begin(parent: Any, statement: Statement, reading: Reading) -> SyncGroupDraft | None:
    words = statement.words
    if len(words) != 2:
        text = "vrrp_sync_group must have a name - skipping"
        reading.report(statement, "name-missing", text, word=min(len(words), 2))
        return None
    name = words[1]
    draft = SyncGroupDraft(name, statement.span(1))
    draft.notify.name = name
    if not reading.draft.register("vrrp_sync_group", name, draft):
        reading.report(statement, "name-repeated", f"vrrp sync group {name} already defined", word=1)
        return None
    return draft


def _end(draft: SyncGroupDraft, parent: Any, reading: Reading) -> None:
    if draft.members is None:
        text = f"vrrp sync group {draft.name} has no group list - removing"
        reading.report(draft.at, "group-empty", text)
        return
    reading.draft.sync_groups.append(draft)


def begin_members(what: str) -> Any:
    """The `begin` of a group block, which may be given once."""

    def begin(draft: Any, statement: Statement, reading: Reading) -> Any:
        if draft.members is not None:
            text = f"Group list already specified for {what} {draft.name}"
            reading.report(statement, "keyword-repeated", text, word=0)
            return None
        draft.members = {}
        return draft

    return begin


def member(draft: Any, statement: Statement, reading: Reading) -> None:
    """Every word of a line of a group block is a name, repeated or not."""
    for index, name in enumerate(statement.words):
        draft.members.setdefault(name, statement.span(index))


def _sync_member(draft: SyncGroupDraft, statement: Statement, reading: Reading) -> None:
    assert draft.members is not None
    for index, name in enumerate(statement.words):
        at = statement.span(index)
        if draft.members.setdefault(name, at) is not at:
            text = f"Virtual router {name} is in sync group {draft.name} twice - ignoring"
            reading.report(at, "member-taken", text, upstream=taken_elsewhere(name, draft.name))


def taken_elsewhere(name: str, group: str) -> str:
    """What keepalived says of a member that has a group already."""
    return f"Virtual router {name} cannot exist in more than one sync group; ignoring {group}"


SYNC_GROUP = table(
    [
        Keyword(
            name="group",
            process="vrrp",
            block=ValueBlock(
                entry=_sync_member, begin=begin_members("sync group"), notation="INSTANCE...", empty_is_error=True
            ),
        ),
        *tracker_blocks(),
        *(notify_script(name) for name in ("notify_backup", "notify_master", "notify_fault", "notify_stop", "notify")),
        Keyword(
            name="smtp_alert",
            process="vrrp",
            type=Switch(),
            target="smtp_alert",
            default="no",
            inherits="smtp_alert_vrrp, smtp_alert",
        ),
        Keyword(
            name="global_tracking",
            process="vrrp",
            type=Flag(),
            target="tracking_weight",
            default="off",
            since="~1.2.3",
            deprecated="use track_interface, track_script and the other track blocks of the group",
            deprecated_status=FindingClass.DEPRECATED,
        ),
        Keyword(
            name="sync_group_tracking_weight",
            process="vrrp",
            type=Flag(),
            target="tracking_weight",
            default="off",
            since="~2.0.0",
            note="allows weights of members",
        ),
        Keyword(
            name="notify_priority_changes",
            process="vrrp",
            type=Switch(),
            target="notify_priority_changes",
            default="global",
            inherits="vrrp_notify_priority_changes",
        ),
    ]
)

KEYWORDS = (Keyword(name="vrrp_sync_group", process="vrrp", block=Block(SYNC_GROUP, _begin, _end), since="~0.6.1"),)
