"""Findings as keepalived words them: the lines of a config test and of the log."""

from __future__ import annotations

from collections.abc import Iterable

from pykeepalived.config.findings import Finding, FindingClass

_ALWAYS_SHOWN = frozenset({"file-missing", "file-unusable", "files-several", "include-missing"})
"""Findings without a class that a config test prints nevertheless."""

_WITHOUT_PLACE = frozenset(
    {
        "ha-suspend-fwmark",
        "hysteresis-high",
        "method-missing",
        "misc-disabled",
        "ops-protocol",
        "persistence-port",
        "port-fwmark",
        "port-group",
        "port-mismatch",
        "protocol-fwmark",
        "protocol-missing",
        "quorum-high",
        "real-duplicate",
        "scheduler-missing",
        "script-check",
        "smtp-host",
        "sorry-inhibit",
    }
)
"""What keepalived finds when everything is read: it no longer knows the line then."""


def shown_by_config_test(finding: Finding) -> bool:
    """keepalived's config test prints what counts, and everything about files."""
    return finding.stop or finding.kind != FindingClass.NONE or finding.code in _ALWAYS_SHOWN


def line(finding: Finding) -> str:
    """`(FILE: Line N) TEXT`, without the prefix when the finding has no place."""
    text = finding.upstream or finding.message
    if finding.at is None or not finding.at.file or finding.code in _WITHOUT_PLACE:
        return text
    return f"({finding.at.file}: Line {finding.at.line}) {text}"


def config_test_lines(findings: Iterable[Finding]) -> list[str]:
    """What a config test prints, one line a finding."""
    return [line(finding) for finding in findings if shown_by_config_test(finding)]
