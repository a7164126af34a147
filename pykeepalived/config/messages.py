"""Findings as keepalived words them: the lines of a config test and of the log."""

from __future__ import annotations

from collections.abc import Iterable

from pykeepalived.config.findings import Finding, FindingClass

_ALWAYS_SHOWN = frozenset({"file-missing", "file-unusable", "files-several", "include-missing"})
"""Findings without a class that a config test prints nevertheless."""

_WITHOUT_PLACE = frozenset(
    {
        "accept-strict",
        "address-device",
        "address-none",
        "address-vmac",
        "addresses-many",
        "authentication-ipv6",
        "authentication-password",
        "authentication-state",
        "authentication-version",
        "brace-missing-close",
        "down-timer-strict",
        "garp-strict",
        "group-single",
        "ha-suspend-fwmark",
        "higher-prio-strict",
        "hmac-authentication",
        "hmac-key",
        "hmac-mode",
        "hysteresis-high",
        "interface-missing",
        "interval-long",
        "interval-v2",
        "interval-v3",
        "ipvlan-address",
        "lower-prio-strict",
        "member-taken",
        "member-unknown",
        "method-missing",
        "misc-disabled",
        "multicast-impossible",
        "no-address-strict",
        "nopreempt-master",
        "nopreempt-owner",
        "ops-protocol",
        "owner-ignore",
        "persistence-port",
        "port-fwmark",
        "port-group",
        "port-mismatch",
        "preempt-delay-master",
        "preempt-delay-nopreempt",
        "preempt-delay-strict",
        "promote-secondaries",
        "protocol-fwmark",
        "protocol-missing",
        "quorum-high",
        "real-duplicate",
        "scheduler-missing",
        "script-check",
        "script-disabled",
        "script-security",
        "script-unused",
        "smtp-host",
        "sorry-inhibit",
        "strict-authentication",
        "strict-state",
        "strict-unicast",
        "strict-version",
        "strict-vmac",
        "timer-expired-backup",
        "track-own-interface",
        "track-twice",
        "unicast-no-peers",
        "vmac-ethernet",
        "vrid-duplicate",
        "vrid-missing",
        "weight-useless",
        "xmit-base",
        "xmit-base-strict",
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
    """What a config test prints, one line a finding, and the sum at the end where an interface is missing."""
    shown = [finding for finding in findings if shown_by_config_test(finding)]
    lines = [line(finding) for finding in shown]
    if any(_lacks_interface(finding) for finding in shown) and not any(finding.stop for finding in shown):
        lines.append("Non-existent interface specified in configuration")
    return lines


def _lacks_interface(finding: Finding) -> bool:
    """keepalived counts missing interfaces apart, but for those of link beats and delays."""
    return finding.code == "interface-default" or (
        finding.code == "interface-unknown" and finding.kind != FindingClass.FATAL
    )
