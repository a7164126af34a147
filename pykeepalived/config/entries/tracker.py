"""Lines of track_interface, track_script, track_file, track_process and track_bfd (keepalived.conf(5), track_*).

Which weight is in force when the line gives none, and what weights mean in groups, is settled by completion.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import field
from enum import Enum

from pykeepalived.config import values
from pykeepalived.config.entries.common import EntryDroppedError, Words, interface_exists, nearest
from pykeepalived.config.model.values import Span
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault
from pykeepalived.light_dataclasses import dataclass


class TrackerKind(Enum):
    """What can be tracked: keyword of the block, word of messages, kind of the named object, largest weight."""

    INTERFACE = ("track_interface", "interface", "", 253)
    SCRIPT = ("track_script", "script", "vrrp_script", 253)
    FILE = ("track_file", "file", "track_file", 254)
    PROCESS = ("track_process", "process", "vrrp_track_process", 254)
    BFD = ("track_bfd", "bfd", "bfd_instance", 253)

    def __init__(self, keyword: str, word: str, named: str, limit: int) -> None:
        self.keyword = keyword
        self.word = word
        self.named = named
        self.limit = limit


@dataclass(frozen=True, slots=True)
class TrackerEntry:
    """One line: `weight` and `reverse` None = as the tracked object has it (an interface: 0, not reversed)."""

    name: str
    weight: int | None = None
    reverse: bool | None = None
    at: Span | None = field(default=None, compare=False)


def parse_tracker(
    kind: TrackerKind, statement: Statement, reading: Reading, owner: str, seen: Container[str] = ()
) -> TrackerEntry | None:
    """Read `NAME [weight W [reverse|noreverse]]` for the instance or group `owner`; None when the line is dropped.

    `seen` holds the names already tracked there; a repeated one is dropped. The object must have been defined earlier.
    """
    if not statement.words:
        return None
    words = Words(statement, reading)
    try:
        name = words.take()
        _check_name(kind, name, words, owner)
        if name in seen:
            raise words.drop("tracker-repeated", f"({owner}) duplicate {kind.keyword} {name} - ignoring")
        weight, reverse = _options(kind, name, words, owner)
    except EntryDroppedError:
        return None
    return TrackerEntry(name, weight, reverse, statement.span())


def _check_name(kind: TrackerKind, name: str, words: Words, owner: str) -> None:
    reading = words.reading
    if kind is TrackerKind.INTERFACE:
        if not interface_exists(name, reading):
            reading.draft.refused = True
            text = f"({owner}) tracked interface {name} doesn't exist"
            raise words.drop("interface-unknown", text, nearest(name, reading.environment.interfaces))
        return
    found = reading.draft.find(kind.named, name)
    if found is None or (kind is TrackerKind.BFD and not found.to_vrrp):
        text = f"({owner}) track {kind.word} {name} not found, ignoring..."
        raise words.drop("tracker-unknown", text, nearest(name, reading.draft.names.get(kind.named, {})))


def _options(kind: TrackerKind, name: str, words: Words, owner: str) -> tuple[int | None, bool | None]:
    """Weight and reversal; an invalid weight keeps the object's own, anything else drops the line."""
    if not words.more:
        return None, None
    option = words.take()
    if option != "weight":
        what = f" {name}" if kind in (TrackerKind.INTERFACE, TrackerKind.BFD) else ""
        text = f"({owner}) unknown {_title(kind)}{what} option {option} - ignoring"
        raise words.drop("tracker-option", text, "weight")
    if not words.more:
        text = f"({owner}) weight without value specified for {_title(kind)} {name} - ignoring"
        raise words.drop("tracker-weight-missing", text)
    weight = _weight(kind, name, words, owner)
    reverse: bool | None = None
    if words.more:
        option = words.take()
        if option == "reverse":
            reverse = True
        elif option == "noreverse" and kind is not TrackerKind.INTERFACE:
            reverse = False
        else:
            title = kind.keyword if kind in (TrackerKind.SCRIPT, TrackerKind.PROCESS) else _title(kind)
            text = f"({owner}) unknown {title} {name} weight option {option} - ignoring"
            raise words.drop("tracker-option", text, "reverse")
    return weight, reverse


def _title(kind: TrackerKind) -> str:
    """The block in keepalived's messages."""
    return kind.keyword if kind is TrackerKind.INTERFACE else f"track {kind.word}"


def _weight(kind: TrackerKind, name: str, words: Words, owner: str) -> int | None:
    word = words.take()
    # A session takes no more than its limit; scripts and interfaces take one more, and use the limit.
    most = kind.limit if kind is TrackerKind.BFD else 254
    weight = values.integer(word, -most, most, lenient=words.reading.lenient)
    if isinstance(weight, Fault):
        limits = f"[-{kind.limit}..{kind.limit}] inclusive"
        if kind is TrackerKind.SCRIPT:
            text = f"track script {name}: weight must be between {limits}, ignoring..."
        elif kind is TrackerKind.INTERFACE:
            text = f"weight {word} for {name} must be between {limits}. Ignoring..."
        else:
            text = f"weight for track {kind.word} {name} must be in {limits}. Ignoring..."
        words.report(weight.code, f"({owner}) {text} - {weight.text}", weight.kind)
        return weight.value
    if abs(weight) > kind.limit:
        words.report("tracker-weight", f"({owner}) weight for {name} cannot be +/-254. Setting to +/-253")
        return kind.limit if weight > 0 else -kind.limit
    return weight
