"""One statement of the configuration language: its words, its raw text, and where it stands.

Statements are made by source.py and grammar.py and read by reader.py; nothing here knows a keyword.
"""

from __future__ import annotations

import re

from pykeepalived.config.model.values import Span

_WORD = re.compile(r"[^ \t\n\v\f\r]+")
WORD_OR_QUOTED = re.compile(r'"([^"]*)("?)|([^ \t\n\v\f\r"]+)')
"""A word, or a quoted string: quotes end the word before them and know no escapes (keepalived.conf(5))."""

OPEN, CLOSE = "{", "}"


class Statement:
    """One logical line. `words[0]` is the keyword; braces are statements of their own (`brace` tells which).

    `opens`: the next logical line is `{`. It belongs to this statement and does not appear by itself. `raw` is the text
    the words were split from (scripts and regexes split it again). `line` and `column` count from 1; for text that came
    out of a definition they give the place of the reference.
    """

    __slots__ = ("brace", "column", "file", "fixed", "line", "opens", "raw", "words")

    def __init__(
        self,
        words: tuple[str, ...],
        raw: str,
        file: str,
        line: int,
        column: int,
        opens: bool = False,
        brace: str = "",
        fixed: bool = False,
    ) -> None:
        self.words = words
        self.raw = raw
        self.file = file
        self.line = line
        self.column = column
        self.opens = opens
        self.brace = brace
        self.fixed = fixed
        """True when the text was substituted: words have no columns of their own."""

    def span(self, index: int | None = None) -> Span:
        """Place of word `index` (0 = the keyword, negative counts from the end, None = the whole statement)."""
        if self.fixed or index is None or not self.words:
            return Span(self.file, self.line, self.column, 0 if self.fixed else len(self.raw))
        if index == 0 and self.raw.startswith(self.words[0]):
            return Span(self.file, self.line, self.column, len(self.words[0]))
        if index < 0:
            index += len(self.words)
        for number, match in enumerate(WORD_OR_QUOTED.finditer(self.raw)):
            if number == index:
                return Span(self.file, self.line, self.column + match.start(), match.end() - match.start())
        return Span(self.file, self.line, self.column + len(self.raw), 0)

    def __repr__(self) -> str:
        # Only the keyword: the arguments may be secret.
        keyword = self.words[0] if self.words else self.brace
        return f"<Statement {keyword!r} at {self.file}:{self.line}:{self.column}>"


def split_words(text: str) -> tuple[str, ...]:
    """Split a logical line into words; a lone quote drops the word it starts."""
    if '"' not in text:
        return tuple(_WORD.findall(text))
    words = []
    for quoted, closing, plain in WORD_OR_QUOTED.findall(text):
        if plain:
            words.append(plain)
        elif closing:
            words.append(quoted)
    return tuple(words)
