"""From files to statements: includes, conditions, definitions, loops and braces, with the place of everything.

This is the only part of config/ that opens configuration files, through `ConfigFiles`, so that tests need no disk. What
a single line is made of lives in lines.py, plain text is read in runs by grammar.py, keywords belong to reader.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import field

from pykeepalived.config import lines
from pykeepalived.config.findings import Finding, FindingClass, Severity
from pykeepalived.config.grammar import LONGEST_LINE, Progress
from pykeepalived.config.grammar import lines as grammar_lines
from pykeepalived.config.includes import INCLUDE_CHECKS, NO_CHECKS, ConfigFiles, IncludeChecks, matches
from pykeepalived.config.model.values import Span
from pykeepalived.config.statement import CLOSE, OPEN, Statement, split_words
from pykeepalived.light_dataclasses import dataclass

LONGEST_RESULT = 1023
"""Bytes of a line after substitution."""
DEEPEST_EXPANSION = 100
DEEPEST_INCLUDE = 1000
"""Files open at the same time (keepalived goes on until it has no descriptor left, 1024 by default)."""
_FRAMES_OF_INCLUDE = 5
MOST_READ_AGAIN = 32 * 1024 * 1024
"""Characters read from files that have been read before; opening one counts as _COST_OF_FILE more."""
_COST_OF_FILE = 1024
MOST_LINES_OF_ONE = 1_000_000
"""Logical lines one physical line may become through loops and definitions."""
MOST_REPLACEMENTS = 2_000


@dataclass(slots=True)
class Definition:
    """The value of a `$NAME`: its lines, and whether it was written over several lines."""

    lines: list[str]
    multiline: bool = False


def _random(low: int, high: int) -> int:
    from random import randint

    return randint(low, high)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What substitution and conditions need: config id, environment variables, checks of -e, randomness."""

    config_id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    include_checks: IncludeChecks = NO_CHECKS
    random: Callable[[int, int], int] = _random


class _TooMuchError(Exception):
    """An expansion got out of hand; the physical line is given up."""


@dataclass(slots=True)
class _Place:
    """Where the text being processed stands. `fixed`: it was substituted, so columns point at the reference."""

    file: str
    line: int
    column: int = 1
    fixed: bool = False


class Source:
    """Reads configuration files into statements. Findings and the names of all files read are collected."""

    def __init__(self, files: ConfigFiles, options: SourceOptions) -> None:
        self._files = files
        self._options = options
        self.statements: list[Statement] = []
        self.findings: list[Finding] = []
        self.texts: dict[str, str] = {}
        self.include_violated = False
        self._definitions: dict[str, Definition] = {}
        self._open: tuple[str, Definition] | None = None
        self._checks = options.include_checks
        self._stack: list[str] = []
        self._depth = 0
        self._made = 0
        self._read_again = 0
        self._unbalanced = False
        self._overflowed = False

    # --- files ------------------------------------------------------------------------------------------------------

    def read_file(self, path: str) -> bool:
        """Read one file and what it includes; False (and nothing read) when it cannot be opened."""
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(usual + _FRAMES_OF_INCLUDE * DEEPEST_INCLUDE)
        try:
            return self._read_file(path)
        finally:
            sys.setrecursionlimit(usual)

    def _read_file(self, path: str) -> bool:
        text = self._files.read(path)
        if text is None:
            return False
        if path in self.texts:
            self._read_again += len(text) + _COST_OF_FILE
        self.texts[path] = text
        self._stack.append(path)
        checks = self._checks
        progress = Progress(path)
        for part in grammar_lines(text, progress):
            if isinstance(part, str):
                self._physical_line(part, progress.line - 1)
                progress.suspended = self._open is not None
            else:
                self._add_run(part, progress.alone)
        self._checks = checks
        self._stack.pop()
        return True

    def _add_run(self, run: list[Statement], alone: bool) -> None:
        """Add plain statements; an opening brace that stands alone belongs to the statement before it."""
        if not alone:
            self.statements += run
            return
        for statement in run:
            if statement.brace == OPEN and self._can_open():
                self.statements[-1].opens = True
            else:
                self.statements.append(statement)

    def _can_open(self) -> bool:
        return bool(self.statements) and not self.statements[-1].brace and not self.statements[-1].opens

    def _report(
        self,
        place: _Place,
        code: str,
        message: str,
        kind: FindingClass = FindingClass.GENERAL,
        length: int = 0,
        severity: Severity = Severity.ERROR,
        upstream: str = "",
        suggestion: str = "",
    ) -> None:
        span = Span(place.file, place.line, place.column, length)
        self.findings.append(Finding(code, message, span, severity, kind, suggestion, upstream))

    # --- physical lines ---------------------------------------------------------------------------------------------

    def _physical_line(self, line: str, number: int) -> None:
        place = _Place(self._stack[-1], number)
        self._made = 0
        self._overflowed = False
        line = line.rstrip("\n").rstrip("\r")
        if "\0" in line:
            self._report(place, "line-nul", "the line contains a NUL byte - text before it ignored", upstream="")
            line = line[line.rindex("\0") + 1 :]
        if len(line) > LONGEST_LINE // 4:
            line = self._shorten(line, place)
        if not line:
            self._end_definition()
            return
        text, unbalanced = lines.strip_comment(line)
        self._unbalanced = unbalanced
        if unbalanced:
            self._report(
                place,
                "quote-unmatched",
                "the line has an odd number of double quotes",
                FindingClass.UNMATCHED_QUOTE,
                len(line),
                upstream="Unmatched quote",
            )
        if not text:
            return
        if self._open is not None:
            self._continue_definition(text)
            return
        place.column = 1 + len(line) - len(line.lstrip(lines.BLANKS))
        try:
            self._logical_line(text, place)
        except _TooMuchError as problem:
            self._depth = 0
            self._report(place, "expansion-endless", f"{problem} - the rest of it is ignored", length=len(text))

    def _shorten(self, line: str, place: _Place) -> str:
        data = line.encode("utf-8", "surrogateescape")
        begin = 0
        while len(data) - begin > LONGEST_LINE:
            begin += LONGEST_LINE + 1
        if not begin:
            return line
        message = f"the line is longer than {LONGEST_LINE} bytes - its first {begin} bytes are ignored"
        self._report(place, "line-long", message)
        return data[begin:].decode("utf-8", "surrogateescape")

    # --- logical lines ----------------------------------------------------------------------------------------------

    def _logical_line(self, text: str, place: _Place) -> None:
        """Process one line and all that comes out of it: conditions first, then definitions, loops, references."""
        while text:
            self._made += 1
            if self._made > MOST_LINES_OF_ONE:
                raise _TooMuchError(f"the line expands to more than {MOST_LINES_OF_ONE} lines")
            if text[0] == "@":
                offset = lines.condition(text, self._options.config_id)
                if offset is None:
                    return
                text, place = self._behind(text, offset, place)
            if text[0] == "$" and (defined := lines.definition(text)) is not None:
                self._define(*defined)
                return
            rest: list[str] = []
            if text[0] == "~":
                if lines.is_loop(text):
                    self._loop(text, place)
                    return
            elif "$" in text:
                replaced, rest = self._substitute(text, place)
                if replaced != text or rest:
                    text, place = self._replaced(replaced, place)
                    if text and (text[0] in "@~" or lines.definition(text) is not None):
                        self._deeper(text, place)
                        text = ""
            if text and (included := lines.include(text)) is not None:
                self._include(*included, place)
                text = ""
            text, place = self._split(text, place, rest)
            for line in rest:
                self._deeper(line, place)

    def _split(self, text: str, place: _Place, rest: list[str]) -> tuple[str, _Place]:
        """Emit the text up to and with the first brace; what follows is the next line (before any `rest`)."""
        at = lines.brace(text)
        if at < 0:
            self._emit(text, place)
            return "", place
        before = text[:at].rstrip(lines.BLANKS)
        if before:
            self._emit(before, place)
        self._brace(text[at], place if place.fixed else _Place(place.file, place.line, place.column + at))
        text, place = self._behind(text, at + 1, place)
        if not rest:
            return text, place
        if text:
            self._deeper(text, place)
        return "", place

    def _behind(self, text: str, offset: int, place: _Place) -> tuple[str, _Place]:
        tail = text[offset:].lstrip(lines.BLANKS)
        column = place.column if place.fixed else place.column + len(text) - len(tail)
        return tail, _Place(place.file, place.line, column, place.fixed)

    def _replaced(self, text: str, place: _Place) -> tuple[str, _Place]:
        stripped, unbalanced = lines.strip_comment(text)
        if unbalanced:
            message = "the line has an odd number of double quotes after substitution"
            self._report(place, "quote-unmatched", message, FindingClass.UNMATCHED_QUOTE)
        return stripped, _Place(place.file, place.line, place.column, True)

    def _deeper(self, text: str, place: _Place) -> None:
        if self._depth >= DEEPEST_EXPANSION:
            raise _TooMuchError(f"definitions and loops are nested more than {DEEPEST_EXPANSION} levels deep")
        self._depth += 1
        self._logical_line(text, place)
        self._depth -= 1

    def _emit(self, text: str, place: _Place) -> None:
        words = split_words(text)
        if text.count('"') % 2 and not self._unbalanced:
            # An escaped quote balances the line but not its words.
            self._report(place, "quote-unmatched", "unmatched double quote", FindingClass.UNMATCHED_QUOTE, len(text))
        if not words:
            return
        if words[0] == "include_check" and self._inside_global_defs():
            self._checks = self._checks.changed(words[1:])
        self.statements.append(Statement(words, text, place.file, place.line, place.column, fixed=place.fixed))

    def _inside_global_defs(self) -> bool:
        """Whether the innermost open block is global_defs: elsewhere include_check is an unknown word."""
        closed = 0
        for statement in reversed(self.statements):
            if statement.brace == CLOSE:
                closed += 1
            elif statement.opens or statement.brace == OPEN:
                if not closed:
                    return statement.words[0] == "global_defs"
                closed -= 1
        return False

    def _brace(self, brace: str, place: _Place) -> None:
        if brace == OPEN and self._can_open():
            self.statements[-1].opens = True
            return
        kind = OPEN if brace == OPEN else CLOSE
        self.statements.append(
            Statement((kind,), kind, place.file, place.line, place.column, brace=kind, fixed=place.fixed)
        )

    # --- definitions ------------------------------------------------------------------------------------------------

    def _define(self, name: str, value: str) -> None:
        if value.endswith("\\"):
            first = value[:-1].rstrip(lines.BLANKS)
            self._open = (name, Definition([first] if first else [], multiline=True))
        else:
            self._definitions[name] = Definition([value])

    def _continue_definition(self, text: str) -> None:
        assert self._open is not None
        more = text.endswith("\\")
        text = text[:-1].rstrip(lines.BLANKS) if more else text
        if text:
            self._open[1].lines.append(text)
        if not more:
            self._end_definition()

    def _end_definition(self) -> None:
        if self._open is not None:
            name, value = self._open
            self._definitions[name] = value
            self._open = None

    def finish(self) -> None:
        """All files are read: a definition still open ends here."""
        self._end_definition()

    # --- substitution -----------------------------------------------------------------------------------------------

    def _substitute(self, text: str, place: _Place) -> tuple[str, list[str]]:
        """Replace references until none is left; also the further lines when the last one spans several."""
        offset = replacements = 0
        rest: list[str] = []
        # What is left of a line that grew too long stays as it is, also behind the braces it is split at.
        while not self._overflowed and (match := lines.REFERENCE.search(text, offset)) is not None:
            value, more = self._value(match[1] or match[3], match[2] or "", match.end() == len(text), place)
            if value is None:
                offset = match.start() + 1
                continue
            replacements += 1
            result = text[: match.start()] + value + text[match.end() :]
            if len(result) > LONGEST_RESULT or replacements > MOST_REPLACEMENTS:
                severity = Severity.WARNING
                message = f"the line grows beyond {LONGEST_RESULT} bytes - remaining references are left as they are"
                self._report(place, "substitution-long", message, FindingClass.NONE, severity=severity)
                self._overflowed = True
                break
            text, offset = result, match.start()
            if more:
                # Lines of the value come after what is left of this line; an outer value goes on after an inner one.
                rest = more + rest
        return text, rest

    def _value(self, name: str, words: str, at_end: bool, place: _Place) -> tuple[str | None, list[str]]:
        if name.startswith("_") and (value := self._predefined(name, words, place)) is not None:
            return value, []
        found = self._definitions.get(name)
        if found is None or words:
            return None, []
        if not found.multiline:
            return found.lines[0], []
        if not at_end:
            return None, []
        return (found.lines[0], found.lines[1:]) if found.lines else ("", [])

    def _predefined(self, name: str, words: str, place: _Place) -> str | None:
        """The value of a predefined name unless it was redefined; None when the words do not fit."""
        if name in self._definitions and not words:
            return None
        plain = not words
        if name == "_PWD" and plain:
            return self._files.directory(place.file)
        if name == "_INSTANCE" and plain:
            return self._options.config_id
        if name in ("_HASH", "_BANG") and plain:
            return "#" if name == "_HASH" else "!"
        if name == "_ENV":
            return self._environment(words, place)
        if name == "_RANDOM":
            return self._random(words, place)
        return None

    def _environment(self, words: str, place: _Place) -> str | None:
        if not words.strip(lines.BLANKS):
            self._report(place, "env-name-missing", "${_ENV} needs the name of a variable")
            return ""
        if words[0] not in lines.BLANKS:
            return None
        return self._options.variables.get(words.strip(lines.BLANKS), "")

    def _random(self, words: str, place: _Place) -> str | None:
        if words and (words[0] not in lines.BLANKS or words[-1] in lines.BLANKS):
            return None
        numbers = words.split()
        if len(numbers) > 2 or not all(
            number.isdecimal() and number.isascii() and len(number) < 11 for number in numbers
        ):
            return None
        low = int(numbers[0]) if numbers else 0
        high = int(numbers[1]) if len(numbers) > 1 else 32767
        if low > high:
            self._report(place, "random-range", f"${{_RANDOM {low} {high}}}: the minimum is above the maximum")
            high = low
        return str(self._options.random(low, high))

    # --- loops ------------------------------------------------------------------------------------------------------

    def _loop(self, text: str, place: _Place) -> None:
        head = lines.loop_head(text)
        if head is None:
            self._bad_loop(text, "has no closing parenthesis", place)
            return
        kind, inside, behind = head
        inside, _ = self._substitute(inside, place)
        if kind != "LST" and len(inside) > lines.LONGEST_LOOP_HEAD:
            self._bad_loop(text, f"has more than {lines.LONGEST_LOOP_HEAD} characters in the parentheses", place)
            return
        loop = lines.value_list(inside, behind) if kind == "LST" else lines.sequence(kind, inside, behind)
        if isinstance(loop, str):
            self._bad_loop(text, loop, place)
            return
        inner = self._behind(text, len(text) - len(behind), place)[1]
        for item in loop.rounds:
            self._made += 1
            if self._made > MOST_LINES_OF_ONE:
                raise _TooMuchError(f"the line expands to more than {MOST_LINES_OF_ONE} lines")
            for name, value in zip(loop.names, loop.values(item), strict=True):
                self._definitions[name] = Definition([value])
            if loop.text:
                self._deeper(loop.text, inner)

    def _bad_loop(self, text: str, problem: str, place: _Place) -> None:
        word = text.partition("(")[0].rstrip(lines.BLANKS)
        self._report(place, "loop-invalid", f"{word} {problem} - line ignored", length=len(text))

    # --- includes ---------------------------------------------------------------------------------------------------

    def _include(self, letter: str, pattern: str, place: _Place) -> None:
        checks = self._checks.with_letter(letter)
        found = matches(self._files, pattern, os.path.dirname(place.file))
        for problem in found.problems:
            violated = bool(problem.check) and problem.check in checks.names
            if problem.check == INCLUDE_CHECKS[2] and not violated:
                continue
            self.include_violated |= violated
            severity = Severity.ERROR if violated else Severity.WARNING
            self._report(place, "include-missing", problem.text, FindingClass.NONE, len(pattern), severity)
        for path in found.paths:
            if self._too_many(path, place, len(pattern)):
                continue
            depth, made, opened = self._depth, self._made, self._open
            self._read_file(path)
            self._depth, self._made = depth, made
            if opened is None and self._open is not None:
                self._end_definition()

    def _too_many(self, path: str, place: _Place, length: int) -> bool:
        """Whether one more file is one too many (told); keepalived would go on until something gives."""
        if path in self._stack:
            self._report(place, "include-loop", f"{path} includes itself - ignored", length=length)
        elif len(self._stack) >= DEEPEST_INCLUDE:
            message = f"{path} is nested more than {DEEPEST_INCLUDE} files deep - ignored"
            self._report(place, "include-deep", message, length=length)
        elif path in self.texts and self._read_again > MOST_READ_AGAIN:
            self._report(place, "include-endless", f"{path} is included again and again - ignored", length=length)
        else:
            return False
        return True
