"""What the checkers that talk over one TCP connection share, beside keepalived's own: log lines and failures. Pure."""

from __future__ import annotations

from typing import ClassVar

from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.ipvs.checks.framework import ModelT, RetryingCheck

LIMIT = 65536
"""How many bytes of a server are looked at before it is given up."""
_SHOWN = 100


def refused(text: str) -> Outcome:
    """The server answered, but not what was wanted."""
    return Outcome(False, Reason.ANSWER, text)


def readable(data: bytes) -> str:
    """The beginning of what a server said, fit for one log line."""
    text = data[:_SHOWN].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text).strip()


class Dialogue:
    """The end of an exchange, however it comes. The whole of it must fit into connect_timeout.

    A verdict kept in `verdict` while the server is told goodbye stands, whatever happens to the goodbye.
    """

    rearm = False

    def __init__(self) -> None:
        self.verdict: Outcome | None = None
        self.buffer = b""

    def ended(self) -> Outcome:
        return self.verdict or Outcome(False, Reason.CLOSED, "connection closed by the server")

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        if self.verdict is not None:
            return self.verdict
        if reason == Reason.READ_TIMEOUT:
            return Outcome(False, reason, "no answer in time", error)
        return Outcome(False, reason, text or "connection broken", error)

    def collect(self, data: bytes) -> Outcome | None:
        """Add to the buffer; an outcome when the server says more than anyone would."""
        self.buffer += data
        return refused("too much data") if len(self.buffer) > LIMIT else None


class DialogueCheck(RetryingCheck[ModelT]):
    """Log lines and mails of these checkers: `keyword` is the name of the block."""

    __slots__ = ()
    keyword: ClassVar[str]

    def skip_word(self) -> str:
        return self.keyword

    def success_lines(self) -> tuple[str, ...]:
        return (f"{self.keyword} on service {self.real_name} succeed.",)

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        return (f"{self.keyword} on service {self.real_name}: {why(outcome)}.",)

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        end = self.after_retries().removesuffix(".")
        return (f"{self.keyword} on service {self.real_name} {end}: {why(outcome)}.",)

    def mail_body(self, up: bool) -> str:
        return f"=> {self.keyword} {'succeed' if up else 'failed'} on service <="


def why(outcome: Outcome) -> str:
    """An outcome in words, without a full stop."""
    match outcome.reason:
        case Reason.CONNECT_TIMEOUT:
            return "connection timeout"
        case Reason.TLS_FAILED:
            return f"TLS failed ({outcome.text})"
        case Reason.CONNECT_FAILED | Reason.UNREACHABLE:
            return outcome.text or "connection failed"
    return outcome.text.removesuffix(".")
