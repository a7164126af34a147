"""The grammar of a configuration file: runs of plain statements, and the physical lines that need more than that.

A plain line holds printable ASCII words, at most one brace, and perhaps a comment: no quotes, definitions, conditions,
loops, includes or escapes. Whole runs of such lines become statements in one token; every other line is handed to
source.py as it stands. The words of a logical line that source.py has made are split by config/statement.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyparsing as pp

from pykeepalived.config.statement import CLOSE, OPEN, Statement

LONGEST_LINE = 1022
"""Bytes of a physical line without its newline (keepalived reads longer ones in pieces)."""

_FIRST = r"[^\x00-\x20\"#!$@~{}\\\x7f-\U0010ffff]"
_OTHER = r"[^\x00-\x20\"#!${}\\\x7f-\U0010ffff]"
_PLAIN = re.compile(
    rf"[ \t]*(?!include)(?:({_FIRST}{_OTHER}*)((?:[ \t]+{_OTHER}+)*))?[ \t]*([{{}}]?)[ \t]*(?:[#!][^\n\x00]*)?\r*\n"
)
_NEARLY_LONG = LONGEST_LINE // 4


class Progress:
    """How far a file has been read: `line` is the number of the next physical line.

    `suspended` is set while a definition over several lines is collected: no line is plain then.
    """

    __slots__ = ("file", "line", "suspended")

    def __init__(self, file: str) -> None:
        self.file = file
        self.line = 1
        self.suspended = False


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
            loc = self._run(instring, loc, statements)
        if not statements:
            raise pp.ParseException(instring, loc, "plain statement expected", self)
        return loc, [statements]

    def _run(self, text: str, loc: int, statements: list[Statement]) -> int:
        match_line, append, file, line = _PLAIN.match, statements.append, self.progress.file, self.progress.line
        start = loc
        while (match := match_line(text, loc)) is not None:
            end = match.end()
            if end - loc > _NEARLY_LONG:
                break
            first, rest, brace = match.groups()
            if first:
                begin = match.start(1)
                raw = first + rest
                words = (first, *rest.split()) if rest else (first,)
                append(Statement(words, raw, file, line, begin - loc + 1))
            if brace:
                if brace == CLOSE:
                    append(Statement((CLOSE,), CLOSE, file, line, match.start(3) - loc + 1, brace=CLOSE))
                elif first:
                    statements[-1].opens = True
                else:
                    append(Statement((OPEN,), OPEN, file, line, match.start(3) - loc + 1, brace=OPEN))
            loc = end
            line += 1
        self.progress.line = line
        if not statements and loc > start:
            # Empty lines and comments only: take them, with a statement list that says nothing.
            statements.append(_NOTHING)
        return loc


_NOTHING = Statement((), "", "", 0, 0)


def lines(text: str, progress: Progress) -> Iterator[list[Statement] | str]:
    """Split a file into runs of plain statements and single physical lines (with their newline), in order."""
    if not text.endswith("\n"):
        text += "\n"
    other = pp.Regex(r"[^\n]*\n").leave_whitespace().set_name("line")
    document = (PlainRun(progress) | other).leave_whitespace().parse_with_tabs()
    for tokens, start, end in document.scan_string(text, always_skip_whitespace=False):
        token = tokens[0]
        if isinstance(token, str):
            progress.line += 1
            yield text[start:end]
        else:
            yield [statement for statement in token if statement is not _NOTHING]
