"""track_file (and its old name vrrp_track_file): draft, keywords, and the checks on the directory of the file."""

from __future__ import annotations

import posixpath
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.model.values import Span
from pykeepalived.config.schema.base import Keyword, Reading, table
from pykeepalived.config.schema.types import Word
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import I32_MAX, I32_MIN, Fault
from pykeepalived.light_dataclasses import late_dataclass

LARGEST_WEIGHT = 254
_NUMBER_BEGINS = tuple("-0123456789 \t")

UNWATCHABLE = {
    0x9FA0: "proc",
    0x62656572: "sysfs",
    0x27E0EB: "cgroup",
    0x63677270: "cgroup2",
    0x64626720: "debugfs",
    0x74726163: "tracefs",
    0x1CD1: "devpts",
    0x65735546: "fuse",
    0x6969: "nfs",
    0x517B: "smb",
    0xFE534D42: "smb2",
    0xFF534D42: "cifs",
    0x50495045: "pipefs",
    0x7275: "romfs",
    0x28CD3D45: "cramfs",
    0x73717368: "squashfs",
}
"""File systems without change notification, or that cannot change, by statfs(2) magic number."""


@late_dataclass(slots=True, eq=False, repr=False)
class TrackFileDraft:
    """One track_file; `path` is absolute once the block has ended."""

    name: str
    at: Span | None = None
    path: str | None = None
    path_at: Statement | None = None
    weight: int = 1
    reverse: bool = False
    init_value: int | None = None
    overwrite: bool = False


def begin_track_file(parent: Any, statement: Statement, reading: Reading) -> TrackFileDraft:
    if len(statement.words) < 2:
        reading.missing(statement, "a name")
        return TrackFileDraft("", statement.span(0))
    return TrackFileDraft(statement.words[1], statement.span(1))


def end_track_file(draft: TrackFileDraft, parent: Any, reading: Reading) -> None:
    """The directory must exist and be one that can be watched; the file itself need not exist."""
    if draft.path is None or draft.path_at is None:
        reading.report(draft.at, "track-file-absent", f"No file set for track_file {draft.name} - ignoring")
        return
    path = posixpath.normpath(posixpath.join(reading.directory(draft.path_at.file), draft.path))
    problem = _objection(path, draft, reading)
    if problem:
        reading.report(draft.path_at, "track-file-unusable", f"{problem} - ignoring track_file {draft.name}", word=1)
        return
    draft.path = path
    reading.draft.track_files.append(draft)
    reading.draft.register("track_file", draft.name, draft)


def _objection(path: str, draft: TrackFileDraft, reading: Reading) -> str:
    files = reading.environment.files
    directory = posixpath.dirname(path) or "/"
    found = files.filesystem(directory)
    if isinstance(found, int):
        return f"the directory {directory} of {draft.path} does not exist"
    magic, read_only = found
    if read_only and draft.init_value is not None:
        return f"{directory} is on a read-only file system"
    if magic in UNWATCHABLE:
        return f"{directory} is on a file system ({UNWATCHABLE[magic]}) that cannot be watched"
    entry = files.lstat(path)
    if draft.overwrite and not isinstance(entry, int) and entry.kind.value in ("directory", "other"):
        return f"{path} is not a regular file and cannot be overwritten"
    return ""


def _file(draft: TrackFileDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2 or not words[1]:
        text = f"No file given for track_file {draft.name} - ignoring"
        reading.report(statement, "word-absent", text, word=len(words))
    elif draft.path is not None:
        text = f"File already set for track_file {draft.name} - ignoring {words[1]}"
        reading.report(statement, "keyword-repeated", text, word=0)
    else:
        draft.path, draft.path_at = words[1], statement


def _weight(draft: TrackFileDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.report(statement, "word-absent", f"No weight specified for track_file {draft.name} - ignoring", word=1)
        return
    if draft.weight != 1:
        text = f"Weight already set for track_file {draft.name} - ignoring {words[1]}"
        reading.report(statement, "keyword-repeated", text, word=0)
        return
    weight = values.integer(words[1], -LARGEST_WEIGHT, LARGEST_WEIGHT, lenient=reading.lenient)
    if isinstance(weight, Fault):
        limits = f"[-{LARGEST_WEIGHT}..{LARGEST_WEIGHT}]"
        text = f"Weight ({words[1]}) for track_file {draft.name} must be between {limits} inclusive. Ignoring..."
        reading.report(statement, weight.code, f"{text} ({weight.text})", word=1, kind=weight.kind, upstream=text)
        weight = weight.value if weight.value is not None else 1
    draft.weight = weight
    if len(words) > 2:
        if words[2] == "reverse":
            draft.reverse = True
        else:
            text = f"unknown track_file {draft.name} weight option {words[2]} - ignoring"
            reading.report(statement, "word-unknown", text, word=2, suggestion="the only option is reverse")


def _init_file(draft: TrackFileDraft, statement: Statement, reading: Reading) -> None:
    """`[I] [overwrite]`; a value outside the limits of weights is reported and used."""
    draft.init_value = draft.init_value or 0
    for index, word in enumerate(statement.words[1:], 1):
        if word == "overwrite":
            draft.overwrite = True
            continue
        if word[:1] not in _NUMBER_BEGINS:
            text = f"Unknown track file init option {word}"
            reading.report(statement, "word-unknown", text, word=index, suggestion="a number or overwrite")
            continue
        value = values.integer(word, I32_MIN, I32_MAX)
        if isinstance(value, Fault):
            text = f"Track file {draft.name} init value {word} is invalid"
            reading.report(statement, value.code, text, word=index, kind=value.kind)
            continue
        if abs(value) > LARGEST_WEIGHT:
            text = f"Track file {draft.name} init value {value} is outside sensible range [-254, 254]"
            reading.report(statement, "number-range", text, word=index)
        draft.init_value = value


TRACK_FILE = table(
    [
        Keyword(name="file", process="vrrp,checker", type=Word("PATH"), take=_file),
        Keyword(
            name="weight",
            process="vrrp,checker",
            type=Word("I [reverse]"),
            take=_weight,
            default="1",
            values="-254..254",
        ),
        Keyword(
            name="init_file",
            process="vrrp,checker",
            type=Word("[I] [overwrite]", missing="ignore"),
            take=_init_file,
            default="no creation",
        ),
    ]
)
