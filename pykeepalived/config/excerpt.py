"""Findings for people and programs: place, message, source line with a caret, suggestion; the same as data.

Words of keywords that carry secrets are masked in the source line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pykeepalived.config.findings import Finding
from pykeepalived.config.statement import WORD_OR_QUOTED

_SECRET_KEYWORDS = frozenset({"auth_pass", "key", "password"})
_LONGEST_SHOWN = 160


def visible(text: str) -> str:
    """The text with escapes in place of what a terminal would not show, or would obey."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def masked(line: str) -> str:
    """A source line in which the words of secret keywords are stars of the same length."""
    for keyword in _SECRET_KEYWORDS:
        match = re.search(rf'(?:^|[\s{{"]){keyword}(?=[\s"])', line)
        if match is None:
            continue
        return line[: match.end()] + WORD_OR_QUOTED.sub(lambda word: "*" * len(word[0]), line[match.end() :])
    return line


def excerpt(finding: Finding, lines: Mapping[str, list[str]]) -> list[str]:
    """The source line of a finding and a caret below it; nothing when the line is not known."""
    at = finding.at
    source = lines.get(at.file) if at is not None else None
    if at is None or source is None or not 1 <= at.line <= len(source):
        return []
    line = source[at.line - 1]
    if len(line) > _LONGEST_SHOWN:
        return []
    text = masked(line.rstrip("\r")).replace("\t", " ")
    start = max(at.column - 1, 0)
    if not text.isprintable():
        return []
    width = max(min(at.length, len(text) - start), 1)
    return [f"    {text}", "    " + " " * start + "^" + "~" * (width - 1)]


def report(findings: Iterable[Finding], texts: Mapping[str, str]) -> str:
    """All findings as text: `FILE:LINE:COLUMN: SEVERITY CODE MESSAGE`, the line, a caret, the suggestion."""
    lines = {file: text.split("\n") for file, text in texts.items()}
    shown: list[str] = []
    for finding in findings:
        place = f"{finding.at}: " if finding.at is not None and finding.at.file else ""
        shown.append(visible(f"{place}{finding.severity} {finding.code} {finding.message}"))
        shown += excerpt(finding, lines)
        if finding.suggestion:
            shown.append(visible(f"    = {finding.suggestion}"))
    return "".join(f"{line}\n" for line in shown)


def as_data(finding: Finding) -> dict[str, Any]:
    """A finding as JSON data."""
    at = finding.at
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "class": finding.kind.name.lower(),
        "message": finding.message,
        "suggestion": finding.suggestion,
        "file": at.file if at is not None else None,
        "line": at.line if at is not None else None,
        "column": at.column if at is not None else None,
        "length": at.length if at is not None else None,
    }
