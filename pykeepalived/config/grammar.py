"""The grammar of a configuration file: runs of plain statements, and the physical lines that need more than that.

A plain line holds printable ASCII words, at most one brace, and perhaps a comment: no quotes, definitions, conditions,
loops, includes or escapes. Whole runs of such lines become statements in one token; every other line is handed to
source.py as it stands. The words of a logical line that source.py has made are split by config/statement.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pykeepalived.config.statement import CLOSE, OPEN, Statement
from pykeepalived.deferred import defer

defer("pyparsing")

import pyparsing.core as pp  # noqa: E402

LONGEST_LINE = 1022
"""Bytes of a physical line without its newline (keepalived reads longer ones in pieces)."""

_FIRST = r"[%-?A-\[\]-z|]"
_OTHER = r"[%-\[\]-z|~]"
_PLAIN = re.compile(
    rf"[ \t]*(?!include)(?:({_FIRST}{_OTHER}*)((?:[ \t]+{_OTHER}+)*))?[ \t]*([{{}}]?)[ \t]*(?:[#!][^\n\x00]*)?\r*"
)
_NEARLY_LONG = LONGEST_LINE // 4


class Progress:
    """How far a file has been read: `line` is the number of the next physical line, `lines` are all of them.

    `suspended` is set while a definition over several lines is collected: no line is plain then. `known` remembers what
    a line of this text consists of: configurations repeat themselves. `alone`: an opening brace stood on a line of its
    own.
    """

    __slots__ = ("alone", "file", "known", "line", "lines", "suspended")

    def __init__(self, file: str) -> None:
        self.file = file
        self.line = 1
        self.lines: list[str] = []
        self.suspended = False
        self.alone = False
        self.known: dict[str, Plain | None] = {}


class PlainRun(pp.Token):
    """As many plain lines as possible from here on, as one list of statements."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.mayIndexError = False
        self.leave_whitespace()

    def _generateDefaultName(self) -> str:  # noqa: N802 (pyparsing's name)
        return "plain statements"

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Any:  # noqa: N802 (pyparsing's name)
        statements: list[Statement] = []
        if not self.progress.suspended:
            loc = self._run(loc, statements)
        if not statements:
            raise pp.ParseException(instring, loc, "plain statement expected", self)
        return loc, [statements]

    def _run(self, loc: int, statements: list[Statement]) -> int:
        progress = self.progress
        append, known, file, physical_lines = statements.append, progress.known, progress.file, progress.lines
        start = loc
        for number in range(progress.line, len(physical_lines) + 1):
            physical = physical_lines[number - 1]
            plain = known.get(physical, _UNSEEN)
            if plain is _UNSEEN:
                plain = known[physical] = _plain_line(physical)
            if plain is None:
                progress.line = number
                break
            words, raw, column, brace = plain
            if words:
                append(Statement(words, raw, file, number, column, brace == OPEN))
            elif brace:
                append(Statement((brace,), brace, file, number, column, False, brace))
                progress.alone |= brace == OPEN
            loc += len(physical) + 1
        else:
            progress.line = len(physical_lines) + 1
        if not statements and loc > start:
            # Empty lines and comments only: take them, with a statement list that says nothing.
            statements.append(_NOTHING)
        return loc


Plain = tuple[tuple[str, ...], str, int, str]
"""Words, text, column and brace of a plain line."""

_UNSEEN: Plain = ((), "", -1, "")


def _plain_line(line: str) -> Plain | None:
    """Take a line to pieces, None if it is not plain."""
    match = _PLAIN.fullmatch(line) if len(line) <= _NEARLY_LONG else None
    if match is None:
        return None
    first, rest, brace = match.groups()
    if first is None:
        return (), "", match.start(3) + 1 if brace else 0, brace
    if brace == CLOSE:
        # Two statements on one line: rare enough to go the long way.
        return None
    return (first, *rest.split()), first + rest, match.start(1) + 1, brace


_NOTHING = Statement((), "", "", 0, 0)


def lines(text: str, progress: Progress) -> Iterator[list[Statement] | str]:
    """Split a file into runs of plain statements and single physical lines (with their newline), in order."""
    if not text.endswith("\n"):
        text += "\n"
    progress.lines = text[:-1].split("\n")
    other = pp.Regex(r"[^\n]*\n").leave_whitespace().set_name("line")
    document = (PlainRun(progress) | other).leave_whitespace().parse_with_tabs()
    for tokens, start, end in document.scan_string(text, always_skip_whitespace=False):
        token = tokens[0]
        if isinstance(token, str):
            progress.line += 1
            yield text[start:end]
        else:
            yield [] if token[0] is _NOTHING else token
