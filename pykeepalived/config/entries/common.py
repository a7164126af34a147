"""What the entry parsers share: walking the words of a line, naming an interface, a track group, a number with a limit.

Nothing here knows addresses, routes or rules.
"""

from __future__ import annotations

from collections.abc import Mapping

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.iproute_names import number_or_name
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault


class EntryDroppedError(Exception):
    """The entry cannot be used; its findings have been recorded."""


class Words:
    """The words of an entry line from left to right; `index` is the word taken last."""

    __slots__ = ("index", "reading", "statement", "words")

    def __init__(self, statement: Statement, reading: Reading, start: int = 0) -> None:
        self.statement = statement
        self.reading = reading
        self.words = statement.words
        self.index = start - 1

    @property
    def more(self) -> bool:
        return self.index + 1 < len(self.words)

    def peek(self) -> str:
        """The next word, "" at the end."""
        return self.words[self.index + 1] if self.more else ""

    def take(self) -> str:
        self.index += 1
        return self.words[self.index]

    def value(self) -> str:
        """The value of the word taken last; its absence ends keepalived with status 2."""
        if not self.more:
            word = self.words[self.index]
            self.reading.report(
                self.statement,
                "word-missing",
                f"{word} needs a value",
                word=len(self.words),
                kind=FindingClass.MISSING_PARAMETER,
                upstream=f"*** Configuration line starting `{self.words[0]}` is missing a parameter"
                f" after keyword `{word}` at word position {len(self.words) + 1}",
                stop=True,
            )
            raise EntryDroppedError
        return self.take()

    def report(self, code: str, text: str, kind: FindingClass = FindingClass.GENERAL, suggestion: str = "") -> None:
        """Record a finding at the word taken last."""
        self.reading.report(self.statement, code, text, word=max(self.index, 0), kind=kind, suggestion=suggestion)

    def note(self, code: str, text: str) -> None:
        """Record what keepalived only logs."""
        self.reading.note(self.statement, code, text, word=max(self.index, 0))

    def drop(self, code: str, text: str, suggestion: str = "") -> EntryDroppedError:
        """Record a finding; the caller raises the result."""
        self.report(code, text, suggestion=suggestion)
        return EntryDroppedError()

    def number(self, low: int, high: int, text: str, *, c_notation: bool = False) -> int:
        """The value of the word taken last, a number; `text` is the message of a bad one (%s = the word)."""
        word = self.value()
        number = values.integer(word, low, high, lenient=self.reading.lenient, c_notation=c_notation)
        if isinstance(number, Fault):
            if number.value is None:
                raise self.drop(number.code, f"{text.replace('%s', word)} - {number.text}")
            self.reading.fault(self.statement, self.index, number, f"using {number.value}")
            return number.value
        return number

    def name_or_number(self, names: Mapping[str, int], high: int, text: str) -> int:
        """The value of the word taken last, a number in C notation or a name of an iproute2 file."""
        word = self.value()
        number = number_or_name(word, names, high)
        if isinstance(number, Fault):
            raise self.drop("name-unknown", text.replace("%s", word), nearest(word, names))
        return number

    def interface(self, what: str) -> str:
        """The value of the word taken last, an interface; when it does not exist the VRRP process refuses the file."""
        name = self.value()
        if not interface_exists(name, self.reading):
            self.reading.draft.refused = True
            text = f"WARNING - interface {name} for {what} doesn't exist"
            raise self.drop("interface-unknown", text, nearest(name, self.reading.environment.interfaces))
        return name

    def track_group(self, earlier: str = "") -> str:
        """The value of the word taken last, a track_group; "" when it is unknown.

        `earlier` is the group this line has already: it stays, and the rest of the line is passed over.
        """
        name = self.value()
        if earlier:
            self.report("track-group-repeated", f"track_group {earlier} is a duplicate")
            self.skip()
            return earlier
        known = self.reading.draft.names.get("track_group", {})
        if name not in known:
            self.report("track-group-unknown", f"track_group {name} not found", suggestion=nearest(name, known))
            return ""
        return name

    def skip(self) -> None:
        """Pass over the rest of the line."""
        self.index = len(self.words) - 1


def interface_exists(name: str, reading: Reading) -> bool:
    """True when the interface is there, or may come later because of dynamic_interfaces."""
    return name in reading.environment.interfaces or bool(reading.draft.globals.dynamic_interfaces)


def nearest(word: str, names: Mapping[str, object]) -> str:
    """A suggestion: the known name most like a misspelt one, "" without one."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(names)[:2000], n=1)
    return f"did you mean {found[0]!r}?" if found else ""
