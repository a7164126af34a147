"""Findings: everything the configuration front has to say about a file, as data. Nothing here prints or exits.

The exit status of a config test is computed from the classes of the findings (keepalived(8), exit status).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

from pykeepalived.config.model.values import Span
from pykeepalived.light_dataclasses import dataclass


class Severity(StrEnum):
    """`ERROR` and `WARNING` as people read them; what a config test returns depends on the class only."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class FindingClass(IntEnum):
    """Upstream's error classes in ascending order; the highest one met decides the exit status of a config test."""

    NONE = 0
    """Our own warning or hint, or what upstream only logs: no effect on the exit status."""
    FILE_NOT_FOUND = 1
    BAD_INTERFACE = 2
    FATAL = 3
    MULTIPLE_FILES = 4
    UNKNOWN_KEYWORD = 5
    UNEXPECTED_OPEN = 6
    MISSING_OPEN = 7
    UNEXPECTED_CLOSE = 8
    MISSING_CLOSE = 9
    UNMATCHED_QUOTE = 10
    MISSING_PARAMETER = 11
    INVALID_NUMBER = 12
    GENERAL = 13
    WARNING = 14
    DEPRECATED = 15
    SECURITY = 16


EXIT_OK, EXIT_STOPPED, EXIT_FATAL, EXIT_ERRORS, EXIT_SECURITY = 0, 2, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a stable code, where, what is wrong, and how to mend it (`suggestion`, may be empty).

    `upstream` is the text keepalived prints for the same fault, without its "(Line N) " prefix, or "" when ours serves
    for both. `stop` marks the missing word that makes upstream end at once with status 2.
    """

    code: str
    message: str
    at: Span | None = None
    severity: Severity = Severity.ERROR
    kind: FindingClass = FindingClass.GENERAL
    suggestion: str = ""
    upstream: str = ""
    stop: bool = False


def exit_status(findings: Iterable[Finding]) -> int:
    """Status of a config test that met these findings (keepalived(8), exit status)."""
    highest = FindingClass.NONE
    for finding in findings:
        if finding.stop:
            return EXIT_STOPPED
        highest = max(highest, finding.kind)
    if highest == FindingClass.NONE:
        return EXIT_OK
    if highest <= FindingClass.FATAL:
        return EXIT_FATAL
    return EXIT_SECURITY if highest == FindingClass.SECURITY else EXIT_ERRORS
