"""What an earlier loading made of virtual_server blocks: an unchanged block is neither read nor built again.

A block is remembered by all its statements, text and places, when what becomes of it depends on nothing else in the
files but a few global settings: no group, scripts, track_file or bfd_instance, and no finding about one of its lines.
The same block then gives the same object, so a comparison of two configurations sees at once what did not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from pykeepalived.config.findings import Finding
from pykeepalived.config.model.ipvs import VirtualServer
from pykeepalived.config.schema import checker_drafts as kinds
from pykeepalived.config.schema.lvs_drafts import VirtualDraft
from pykeepalived.config.statement import Statement

if TYPE_CHECKING:
    from pykeepalived.config.schema.base import Reading

_SELF_CONTAINED = (kinds.TCP, kinds.PING, kinds.UDP, kinds.DNS, kinds.SMTP, kinds.HTTP, kinds.SSL)
"""Checkers that are made of their own words and those of the blocks around them."""

_parts = attrgetter("raw", "file", "line", "column", "opens", "fixed")

Text = tuple[object, ...]
"""The statements of a block, taken to pieces."""


class BlockMemo:
    """The virtual servers of the last loading, for the next one. `begin`, then `recall` for each block, then `keep`."""

    def __init__(self) -> None:
        self._settings: tuple[object, ...] = ()
        self._known: dict[Text, VirtualServer] = {}
        self._seen: dict[Statement, tuple[Text, Sequence[Statement]]] = {}
        self._doubtful: set[tuple[str, int]] = set()

    def begin(self, reading: Reading) -> None:
        """A loading begins to read virtual servers; other global settings than last time void all that is known."""
        owner = reading.draft.globals
        settings = (reading.lenient, owner.smtp_alert, owner.smtp_alert_checker, owner.checker_log_all_failures)
        if settings != self._settings:
            self._known = {}
        self._settings = settings
        self._seen = {}
        self._doubtful = set()

    def doubt(self, statement: Statement) -> None:
        """Do not remember the block of this statement: what is reported of it depends on other blocks."""
        self._doubtful.add((statement.file, statement.line))

    def recall(self, block: Sequence[Statement]) -> VirtualDraft | None:
        """The finished draft of a block that did not change, None if it has to be read."""
        header = block[0]
        text = tuple(chain.from_iterable(map(_parts, block)))
        self._seen[header] = text, block
        known = self._known.get(text)
        if known is None:
            return None
        virtual = VirtualDraft(header)
        virtual.finished = known
        return virtual

    def keep(
        self, drafts: Sequence[VirtualDraft], servers: Sequence[VirtualServer], findings: Sequence[Finding]
    ) -> None:
        """Remember what this loading has made of its blocks, and forget what it did not see."""
        places = {(finding.at.file, finding.at.line) for finding in findings if finding.at is not None}
        doubtful = self._doubtful | places
        known: dict[Text, VirtualServer] = {}
        for draft, server in zip(drafts, servers, strict=True):
            text, block = self._seen.get(draft.statement, ((), ()))
            if text and (draft.finished is not None or _self_contained(draft)) and _clear(block, doubtful):
                known[text] = server
        self._known = known
        self._seen = {}


def _self_contained(draft: VirtualDraft) -> bool:
    """True when the block alone, with the settings, decides about its virtual server."""
    if draft.group or draft.quorum_up or draft.quorum_down:
        return False
    return all(
        not real.notify_up and not real.notify_down and all(one.kind in _SELF_CONTAINED for one in real.checkers)
        for real in draft.real_servers
    )


def _clear(block: Sequence[Statement], doubtful: set[tuple[str, int]]) -> bool:
    return not doubtful or doubtful.isdisjoint((statement.file, statement.line) for statement in block)
