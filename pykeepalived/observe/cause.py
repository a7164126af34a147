"""Why something happened, and the line that tells it: data from which status, logs, metrics and notifications are made.

No text is ever read back: whoever wants to know a reason asks the Cause, not the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum

from pykeepalived.config.model.values import Span
from pykeepalived.light_dataclasses import dataclass


class Priority(IntEnum):
    """syslog(3) levels."""

    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class Cause:
    """The fact behind a transition or an operation.

    `fact` is a stable identifier (`advert_timeout`, `interface_down`, `script_failed`, `sigterm`, `reload` ...),
    `subject` the object it is about (interface, script, peer address), `since` monotonic nanoseconds when it began,
    `detail` a short text for people, `at` the configuration line that made the fact matter.
    """

    fact: str
    subject: str = ""
    detail: str = ""
    since: int = 0
    at: Span | None = None

    def __str__(self) -> str:
        text = f"{self.fact} {self.subject}".rstrip()
        if self.detail:
            text += f" ({self.detail})"
        return f"{text} [{self.at.file}:{self.at.line}]" if self.at else text


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line for the log: upstream's wording in `text`, structured journal fields beside it.

    `detail` is the number of -D options needed to see the line (0 = always). Fields are journal field names without
    the PYKEEPALIVED_ prefix, in upper case: INSTANCE, STATE, CAUSE, VRID, ...
    """

    text: str
    priority: Priority = Priority.INFO
    detail: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
