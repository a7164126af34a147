"""Tracked things: vrrp_script, track_file, vrrp_track_process, and the groups track_group and garp_group."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.entries.common import interface_exists, nearest
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.model.values import Account, Span
from pykeepalived.config.schema.base import REJECTED, Block, Keyword, Reading, Take, ValueBlock, table
from pykeepalived.config.schema.script_words import ScriptWords
from pykeepalived.config.schema.sync_group import begin_members, member
from pykeepalived.config.schema.track_file import TRACK_FILE, TrackFileDraft, begin_track_file, end_track_file
from pykeepalived.config.schema.types import Decimal, Flag, Integer, Word, seconds
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U31, Fault
from pykeepalived.light_dataclasses import late_dataclass

__all__ = ["GarpGroupDraft", "ProcessDraft", "ScriptDraft", "TrackFileDraft", "TrackGroupDraft"]


@late_dataclass(slots=True, eq=False, repr=False)
class ScriptDraft:
    """One vrrp_script; times in milliseconds as read, `user_failed` when its account is unknown."""

    name: str
    at: Span | None = None
    script: ScriptWords | None = None
    account: Account | None = None
    user_failed: bool = False
    interval_ms: int = 1000
    timeout_ms: int = 0
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1
    init_fail: bool = False


@late_dataclass(slots=True, eq=False, repr=False)
class ProcessDraft:
    """One vrrp_track_process."""

    name: str
    at: Span | None = None
    process: str | None = None
    parameters: tuple[str, ...] = ()
    param_match: str | None = None
    weight: int = 0
    reverse: bool = False
    quorum: int = 1
    quorum_max: int | None = None
    fork_delay_us: int = 0
    terminate_delay_us: int = 0
    full_command: bool = False


@late_dataclass(slots=True, eq=False, repr=False)
class TrackGroupDraft:
    """One track_group: names of instances with their places."""

    name: str
    at: Span | None = None
    members: dict[str, Span] | None = None


@late_dataclass(slots=True, eq=False, repr=False)
class GarpGroupDraft:
    """One garp_group."""

    at: Span | None = None
    interfaces: list[str] = field(default_factory=list)
    garp_interval_us: int | None = None
    gna_interval_us: int | None = None
    name: str = ""


def weight_words(limit: int, what: str, *, used: bool = False) -> Take:
    """`weight N [reverse]`. `used`: a value outside the limits is reported and stored nevertheless."""
    argument = Integer(-limit, limit, notation="I")

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        words = statement.words
        if len(words) < 2:
            reading.missing(statement, "a number")
            return
        weight = values.integer(words[1], argument.low, argument.high, lenient=reading.lenient)
        if isinstance(weight, Fault):
            text = f"{what} {draft.name} weight {words[1]} must be in [-{limit}, {limit}]"
            reading.report(statement, weight.code, f"{text}: {weight.text}", word=1, kind=weight.kind, upstream=text)
            wide = values.integer(words[1], values.I32_MIN, values.I32_MAX)
            stored = weight.value if weight.value is not None else wide if used and isinstance(wide, int) else None
            if stored is None:
                return
            weight = stored
        draft.weight = weight
        draft.reverse = False
        if len(words) > 2:
            if words[2] == "reverse":
                draft.reverse = True
            else:
                text = f"unknown {what} {draft.name} weight option {words[2]} - ignoring"
                reading.report(statement, "word-unknown", text, word=2, suggestion="the only option is reverse")

    return take


# --- vrrp_script ------------------------------------------------------------------------------------------------------


def _begin_script(parent: Any, statement: Statement, reading: Reading) -> ScriptDraft | None:
    if len(statement.words) < 2:
        reading.missing(statement, "a name")
        return ScriptDraft("", statement.span(0))
    return ScriptDraft(statement.words[1], statement.span(1))


def _end_script(draft: ScriptDraft, parent: Any, reading: Reading) -> None:
    if draft.script is None or not draft.script.statement.words[1]:
        text = f"No script set for vrrp_script {draft.name} - removing"
        reading.report(draft.at, "script-absent", text)
        return
    if draft.user_failed:
        shown = draft.script.statement.words[1]
        reading.report(draft.script.statement, "user-unknown", f"Unable to set uid/gid for script '{shown}'", word=0)
        return
    reading.draft.scripts.append(draft)
    reading.draft.register("vrrp_script", draft.name, draft)


def _script(draft: ScriptDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.note(statement, "word-absent", "script needs a command - ignored", word=0)
        return
    draft.script = ScriptWords(statement)


def _script_user(draft: ScriptDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a user")
        return
    account = values.account(words[1], words[2] if len(words) > 2 else None, reading.environment.accounts)
    if isinstance(account, Fault):
        word = 1 if account.code.startswith("user") else 2
        text = f"{account.text}: the script is removed"
        reading.report(statement, account.code, text, word=word)
        draft.user_failed = True
        return
    draft.account = account
    draft.user_failed = False


_SCRIPT_TIME = Decimal(1, 4_294_000, places=3, notation="DEC", zero=1000)
_SCRIPT = table(
    [
        Keyword(name="script", process="vrrp", type=Word("QSTR"), take=_script),
        Keyword(name="interval", process="vrrp", type=_SCRIPT_TIME, target="interval_ms", default="1"),
        Keyword(name="timeout", process="vrrp", type=_SCRIPT_TIME, target="timeout_ms", default="0 = interval"),
        Keyword(
            name="weight",
            process="vrrp",
            type=Word("I [reverse]"),
            take=weight_words(253, "vrrp_script", used=True),
            default="0",
            values="-253..253",
        ),
        Keyword(name="rise", process="vrrp", type=Integer(1, U31, fallback=1), target="rise", default="1"),
        Keyword(name="fall", process="vrrp", type=Integer(1, U31, fallback=1), target="fall", default="1"),
        Keyword(
            name="user",
            process="vrrp",
            type=Word("USER GROUP?"),
            take=_script_user,
            default="script_user",
            inherits="script_user",
        ),
        Keyword(name="init_fail", process="vrrp", type=Flag(), target="init_fail", default="off", since="~1.3.2"),
    ]
)


# --- vrrp_track_process -----------------------------------------------------------------------------------------------


def _begin_process(parent: Any, statement: Statement, reading: Reading) -> ProcessDraft | None:
    if len(statement.words) < 2:
        reading.missing(statement, "a name")
        return ProcessDraft("", statement.span(0))
    return ProcessDraft(statement.words[1], statement.span(1))


def _end_process(draft: ProcessDraft, parent: Any, reading: Reading) -> None:
    if not draft.process:
        text = f"track process '{draft.name}' process name not specified"
        reading.report(draft.at, "process-absent", text)
        return
    if not reading.environment.process_events:
        text = f"track process '{draft.name}': the kernel does not report process events - removing"
        reading.report(draft.at, "process-events", text)
        return
    reading.draft.track_processes.append(draft)
    reading.draft.register("vrrp_track_process", draft.name, draft)


def _process(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a process name")
        return
    if draft.process is not None:
        text = f"Process already set for track process {draft.name} - ignoring {words[1]}"
        reading.report(statement, "keyword-repeated", text, word=0)
        return
    draft.process = words[1]
    draft.parameters = words[2:]


def _param_match(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        draft.param_match = "exact"
    elif words[1] in ("initial", "partial"):
        draft.param_match = words[1]
    else:
        text = f"Unknown param_match type {words[1]} for track process {draft.name} - ignoring"
        reading.report(statement, "word-unknown", text, word=1, suggestion="initial or partial")


def _process_weight(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        text = f"No weight specified for track process {draft.name} - ignoring"
        reading.report(statement, "word-absent", text, word=1)
    elif draft.weight:
        text = f"Weight already set for track process {draft.name} - ignoring {statement.words[1]}"
        reading.report(statement, "keyword-repeated", text, word=0)
    else:
        _PROCESS_WEIGHT(draft, statement, reading)


_PROCESS_WEIGHT = weight_words(254, "vrrp_track_process")
_QUORUM = Integer(1, 65535)
_QUORUM_MAX = Integer(0, 65535)


def _quorum(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    value = _QUORUM.read(statement, reading)
    if value is REJECTED:
        return
    if draft.quorum_max is not None and value > draft.quorum_max:
        reading.report(statement, "quorum-order", "Quorum is greater than quorum_max - ignoring", word=1)
        return
    draft.quorum = value


def _quorum_max(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    value = _QUORUM_MAX.read(statement, reading)
    if value is REJECTED:
        return
    if value == 0:
        draft.quorum = 0
    elif value < draft.quorum:
        reading.report(statement, "quorum-order", "quorum_max is less than quorum - ignoring", word=1)
        return
    draft.quorum_max = value


_DELAY = seconds(0.000001, 3600)


def _delay(draft: ProcessDraft, statement: Statement, reading: Reading) -> None:
    value = _DELAY.read(statement, reading)
    if value is not REJECTED:
        draft.fork_delay_us = draft.terminate_delay_us = value


_PROCESS = table(
    [
        Keyword(name="process", process="vrrp", type=Word("STR STR..."), take=_process),
        Keyword(
            name="param_match",
            process="vrrp",
            type=Word("[initial|partial]", missing="ignore"),
            take=_param_match,
            default="exact when parameters are given",
        ),
        Keyword(
            name="weight",
            process="vrrp",
            type=Word("I [reverse]"),
            take=_process_weight,
            default="0",
            values="-254..254",
        ),
        Keyword(name="quorum", process="vrrp", type=_QUORUM, take=_quorum, default="1"),
        Keyword(
            name="quorum_max",
            process="vrrp",
            type=_QUORUM_MAX,
            take=_quorum_max,
            default="unlimited",
            since="~2.0.16",
            note="0 = any match is a failure",
        ),
        Keyword(name="delay", process="vrrp", type=_DELAY, take=_delay, default="0", note="sets both delays"),
        Keyword(name="terminate_delay", process="vrrp", type=_DELAY, target="terminate_delay_us", default="0"),
        Keyword(name="fork_delay", process="vrrp", type=_DELAY, target="fork_delay_us", default="0"),
        Keyword(name="full_command", process="vrrp", type=Flag(), target="full_command", default="off"),
    ]
)


# --- track_group ------------------------------------------------------------------------------------------------------


def _begin_track_group(parent: Any, statement: Statement, reading: Reading) -> TrackGroupDraft | None:
    words = statement.words
    if len(words) != 2:
        text = "track_group must have a name - skipping"
        reading.report(statement, "name-missing", text, word=min(len(words), 2))
        return None
    draft = TrackGroupDraft(words[1], statement.span(1))
    if not reading.draft.register("track_group", words[1], draft):
        reading.report(statement, "name-repeated", f"track_group {words[1]} already defined", word=1)
        return None
    return draft


def _end_track_group(draft: TrackGroupDraft, parent: Any, reading: Reading) -> None:
    if not draft.members:
        text = f"track_group {draft.name} has no virtual router members - removing"
        reading.report(draft.at, "group-empty", text)
        del reading.draft.names["track_group"][draft.name]
        return
    reading.draft.track_groups.append(draft)


_TRACK_GROUP = table(
    [
        Keyword(
            name="group",
            process="vrrp",
            block=ValueBlock(
                entry=member, begin=begin_members("track group"), notation="INSTANCE...", empty_is_error=True
            ),
        )
    ]
)


# --- garp_group -------------------------------------------------------------------------------------------------------


def _begin_garp_group(parent: Any, statement: Statement, reading: Reading) -> GarpGroupDraft:
    return GarpGroupDraft(statement.span(0))


def _end_garp_group(draft: GarpGroupDraft, parent: Any, reading: Reading) -> None:
    if draft.garp_interval_us is None and draft.gna_interval_us is None:
        number = len(reading.draft.garp_groups)
        text = f"garp group {number} does not have any delay set - removing"
        reading.report(draft.at, "garp-group-empty", text)
        return
    reading.draft.garp_groups.append(draft)


def _garp_interface(draft: GarpGroupDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.missing(statement, "an interface")
        return
    _add_garp_interface(draft, statement, 1, reading)


def _garp_interfaces(draft: GarpGroupDraft, statement: Statement, reading: Reading) -> None:
    for index in range(len(statement.words)):
        _add_garp_interface(draft, statement, index, reading)


def _add_garp_interface(draft: GarpGroupDraft, statement: Statement, index: int, reading: Reading) -> None:
    name = statement.words[index]
    if not interface_exists(name, reading):
        reading.draft.refused = True
        text = f"WARNING - interface {name} specified for garp_group doesn't exist"
        hint = nearest(name, reading.environment.interfaces)
        reading.report(statement, "interface-unknown", text, word=index, suggestion=hint)
        return
    if any(name in group.interfaces for group in (*reading.draft.garp_groups, draft)):
        text = f"garp_group already specified for {name} - ignoring"
        reading.report(statement, "interface-repeated", text, word=index)
        return
    known = reading.environment.interfaces.get(name)
    if known is not None and known.kind == "macvlan":
        text = f"Cannot specify garp_group for VMAC interface {name} - ignoring"
        reading.report(statement, "interface-kind", text, word=index)
        return
    draft.interfaces.append(name)


_GARP_TIME = seconds(0, 4294.967295)
_GARP_GROUP = table(
    [
        Keyword(name="garp_interval", process="vrrp", type=_GARP_TIME, target="garp_interval_us", since="~1.4.2"),
        Keyword(name="gna_interval", process="vrrp", type=_GARP_TIME, target="gna_interval_us", since="~2.0.7"),
        Keyword(name="interface", process="vrrp", type=Word("IFNAME"), take=_garp_interface),
        Keyword(
            name="interfaces",
            process="vrrp",
            block=ValueBlock(entry=_garp_interfaces, notation="IFNAME...", empty_is_error=True),
        ),
    ]
)


def _old_track_file(parent: Any, statement: Statement, reading: Reading) -> Any:
    text = "vrrp_track_file is deprecated"
    hint = "use track_file"
    kind, severity = FindingClass.NONE, Severity.WARNING
    reading.report(statement, "keyword-deprecated", text, word=0, kind=kind, severity=severity, suggestion=hint)
    return begin_track_file(parent, statement, reading)


KEYWORDS = (
    Keyword(
        name="vrrp_script",
        process="vrrp",
        block=Block(_SCRIPT, _begin_script, _end_script),
        since="~1.1.13",
    ),
    Keyword(name="track_file", process="vrrp,checker", block=Block(TRACK_FILE, begin_track_file, end_track_file)),
    Keyword(
        name="vrrp_track_file",
        process="vrrp,checker",
        block=Block(TRACK_FILE, _old_track_file, end_track_file),
        since="~2.0.0",
        deprecated="use track_file",
    ),
    Keyword(name="vrrp_track_process", process="vrrp", block=Block(_PROCESS, _begin_process, _end_process)),
    Keyword(
        name="track_group",
        process="vrrp",
        block=Block(_TRACK_GROUP, _begin_track_group, _end_track_group),
        since="~2.0.3",
    ),
    Keyword(name="garp_group", process="vrrp", block=Block(_GARP_GROUP, _begin_garp_group, _end_garp_group)),
)
