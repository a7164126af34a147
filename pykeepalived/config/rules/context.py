"""What the VRRP rules share: the reading, the globals in force, group membership, and how a rule speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.sync_group import SyncGroupDraft
from pykeepalived.config.schema.vrrp_draft import InstanceDraft
from pykeepalived.light_dataclasses import dataclass


class RefusedError(Exception):
    """The VRRP process rejects the whole configuration; the finding has been recorded."""


@dataclass(slots=True)
class RuleContext:
    """`groups` gives the sync group of an instance by name. `detailed` is option -D. `firewall_noted`: that the default
    firewall is used has been noted."""

    reading: Reading
    globals: GlobalDefs
    groups: dict[str, SyncGroupDraft] = field(default_factory=dict)
    detailed: bool = False
    firewall_noted: bool = False

    def interface(self, draft: InstanceDraft) -> Interface | None:
        """The configured interface, None without one or when it does not exist yet (dynamic_interfaces)."""
        return self.reading.environment.interfaces.get(draft.interface) if draft.interface else None

    def error(
        self,
        draft: InstanceDraft,
        code: str,
        text: str,
        keyword: str = "",
        *,
        kind: FindingClass = FindingClass.GENERAL,
        suggestion: str = "",
    ) -> None:
        """Record an error of an instance at one of its keywords; the text gets the instance's name in front."""
        severity = Severity.WARNING if kind == FindingClass.WARNING else Severity.ERROR
        self.reading.report(
            draft.where(keyword), code, f"({draft.name}) {text}", kind=kind, severity=severity, suggestion=suggestion
        )

    def note(self, draft: InstanceDraft, code: str, text: str, keyword: str = "") -> None:
        """Record what keepalived only logs."""
        self.reading.note(draft.where(keyword), code, f"({draft.name}) {text}")

    def refuse(self, draft: InstanceDraft, code: str, text: str, keyword: str = "") -> RefusedError:
        """Record an error that makes the VRRP process reject everything; the caller raises the result."""
        self.error(draft, code, text, keyword)
        return RefusedError(draft.name)


Rule = Callable[[InstanceDraft, RuleContext], None]
"""A cross-field rule of an instance: mends the draft in place and records what it found."""
