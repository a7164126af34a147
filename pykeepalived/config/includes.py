"""Which files an include line names: shell patterns with alternatives, the checks made on them, access to the disk.

Deciding what a line says and reading the text belongs to source.py.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Protocol

from pykeepalived.light_dataclasses import dataclass

INCLUDE_CHECKS = ("read", "match", "wildcard_match", "brace_match")
"""Names of the checks, as include_check spells them."""

_LETTERS = {
    "": (),
    "r": ("read",),
    "m": ("read", "match"),
    "w": ("read", "match", "wildcard_match"),
    "b": ("read", "brace_match"),
    "a": INCLUDE_CHECKS,
}


@dataclass(frozen=True, slots=True)
class IncludeChecks:
    """The checks in force: a violation of one ends the program with status 6."""

    names: frozenset[str] = frozenset()

    def with_letter(self, letter: str) -> IncludeChecks:
        """What holds for one include line with this letter."""
        return IncludeChecks(self.names | frozenset(_LETTERS[letter]))

    def changed(self, words: Sequence[str]) -> IncludeChecks:
        """What include_check with these words makes of them; unknown words change nothing."""
        if not words:
            return IncludeChecks(frozenset(INCLUDE_CHECKS))
        names = set(self.names)
        plain_seen = False
        for word in words:
            sign, name = (word[0], word[1:]) if word[:1] in ("+", "-") else ("", word)
            if name not in INCLUDE_CHECKS or (not sign and plain_seen):
                continue
            if not sign:
                names, plain_seen = {"read", name}, True
            elif sign == "+":
                names.add(name)
            else:
                names.discard(name)
        return IncludeChecks(frozenset(names))


NO_CHECKS = IncludeChecks()
ALL_CHECKS = IncludeChecks(frozenset(INCLUDE_CHECKS))


class ConfigFiles(Protocol):
    """The disk as configuration reading sees it."""

    def read(self, path: str) -> str | None:
        """The text of a file, one character a byte where it is not UTF-8; None when it cannot be read."""
        ...

    def find(self, pattern: str) -> list[str]:
        """Paths that match a shell pattern without alternatives, sorted."""
        ...

    def objection(self, path: str) -> str:
        """Why the path is no configuration file: keepalived's message, or ""."""
        ...

    def directory(self, path: str) -> str:
        """The absolute directory of a file."""
        ...


class DiskFiles:
    """The real disk."""

    def read(self, path: str) -> str | None:
        try:
            with open(path, "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except (OSError, ValueError):
            return None

    def find(self, pattern: str) -> list[str]:
        try:
            if not glob.has_magic(pattern):
                return [pattern] if os.path.lexists(pattern) else []
            return sorted(glob.glob(pattern))
        except (ValueError, re.error, RecursionError):
            return []

    def objection(self, path: str) -> str:
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "invalid name"
            return f"Unable to access configuration file '{path}' ({reason}) - skipping"
        if stat.S_ISDIR(mode):
            return f"Configuration file '{path}{'' if path.endswith('/') else '/'}' is a directory - skipping"
        if not stat.S_ISREG(mode) or mode & 0o111:
            return f"Configuration file '{path}' is not a regular non-executable file - skipping"
        return "" if os.access(path, os.R_OK) else f"Configuration file '{path}' cannot be read - skipping"

    def directory(self, path: str) -> str:
        return os.path.realpath(os.path.dirname(path) or ".")


class MemoryFiles:
    """Files made of data, for tests and for checks of text that is on no disk."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def read(self, path: str) -> str | None:
        return self._texts.get(path)

    def find(self, pattern: str) -> list[str]:
        import fnmatch

        if not glob.has_magic(pattern):
            return [pattern] if pattern in self._texts else []
        return sorted(path for path in self._texts if fnmatch.fnmatchcase(path, pattern))

    def objection(self, path: str) -> str:
        return "" if path in self._texts else f"Unable to access configuration file '{path}'"

    def directory(self, path: str) -> str:
        return os.path.dirname(path) or "/"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is missing or cannot be used, and the include check that this violates."""

    check: str
    text: str


@dataclass(frozen=True, slots=True)
class Matches:
    """What a pattern names."""

    paths: tuple[str, ...]
    problems: tuple[Problem, ...]


_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
MOST_ALTERNATIVES = 1000


def alternatives(pattern: str) -> list[str]:
    """Expand `{a,b}` as glob(3) does with GLOB_BRACE."""
    done: list[str] = []
    todo = [pattern]
    while todo and len(done) + len(todo) <= MOST_ALTERNATIVES:
        text = todo.pop(0)
        match = _ALTERNATIVES.search(text)
        if match is None:
            done.append(text)
        else:
            todo[:0] = [text[: match.start()] + word + text[match.end() :] for word in match[1].split(",")]
    return done


def matches(files: ConfigFiles, pattern: str, directory: str) -> Matches:
    """The usable files a pattern names, relative to `directory`, in keepalived's order, and all objections."""
    paths: list[str] = []
    problems: list[Problem] = []
    names = alternatives(pattern)
    for name in names:
        found = files.find(os.path.join(directory, name) if directory else name)
        if not found:
            problems.append(_nothing(name, several=len(names) > 1))
        for path in found:
            objection = files.objection(path)
            if objection:
                problems.append(Problem("read", objection))
            else:
                paths.append(path)
    return Matches(tuple(paths), tuple(problems))


def _nothing(name: str, *, several: bool) -> Problem:
    if several:
        return Problem("brace_match", f"include brace pattern {name} did not match any file")
    if glob.has_magic(name):
        return Problem("wildcard_match", f"No config files matched '{name}'.")
    return Problem("match", f"Config files missing '{name}'.")
