"""What the parts of notify/ need of others: somewhere to log. No implementation lives here."""

from __future__ import annotations

from typing import Protocol

from pykeepalived.observe.cause import LogLine


class Logger(Protocol):
    """The part of runtime.log.Log that is used here; never blocks."""

    def write(self, line: LogLine) -> None: ...
