"""The track_* blocks that instances and sync groups share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from pykeepalived.config.entries.tracker import TrackerEntry, TrackerKind, parse_tracker
from pykeepalived.config.schema.base import Keyword, Reading, ValueBlock
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(slots=True, eq=False, repr=False)
class TrackersDraft:
    """Lines of all track_* blocks by kind, in the order of the file; a name occurs once a kind."""

    entries: dict[TrackerKind, dict[str, TrackerEntry]] = field(default_factory=dict)

    def of(self, kind: TrackerKind) -> dict[str, TrackerEntry]:
        """What is tracked, to be looked at and changed; new names are added by `add`."""
        return self.entries.get(kind, {}) if self.entries else {}

    def add(self, kind: TrackerKind, entry: TrackerEntry) -> None:
        self.entries.setdefault(kind, {})[entry.name] = entry


_WEIGHTS = {TrackerKind.FILE: "-254..254", TrackerKind.PROCESS: "-254..254"}
_INHERITS = {
    TrackerKind.SCRIPT: "vrrp_script/weight",
    TrackerKind.FILE: "track_file/weight",
    TrackerKind.PROCESS: "vrrp_track_process/weight",
    TrackerKind.BFD: "bfd_instance/weight",
}


def _entry(kind: TrackerKind) -> Callable[[Any, Statement, Reading], None]:
    def entry(draft: Any, statement: Statement, reading: Reading) -> None:
        parsed = parse_tracker(kind, statement, reading, draft.name, draft.track.of(kind))
        if parsed is not None:
            draft.track.add(kind, parsed)

    return entry


def tracker_blocks() -> list[Keyword]:
    """The five blocks; the draft needs `name` and `track`."""
    keywords = []
    for kind in TrackerKind:
        reverse = "[reverse]" if kind is TrackerKind.INTERFACE else "[reverse|noreverse]"
        what = "IFNAME" if kind is TrackerKind.INTERFACE else kind.word.upper()
        keywords.append(
            Keyword(
                name=kind.keyword,
                process="vrrp",
                values=_WEIGHTS.get(kind, "-253..253"),
                default=f"weight of the {kind.word}" if kind in _INHERITS else "",
                inherits=_INHERITS.get(kind, ""),
                block=ValueBlock(entry=_entry(kind), notation=f"{what} [weight I {reverse}]"),
            )
        )
    return keywords
