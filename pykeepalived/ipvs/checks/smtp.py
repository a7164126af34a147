"""SMTP_CHECK: greeting, HELO, QUIT (RFC 5321 section 4.1), one line at a time. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import SmtpCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion, skipped

_LIMIT = 1023


def reply_code(line: bytes) -> int:
    """The status of a reply line: three digits and a blank, or the end of the line; 0 for anything else.

    The carriage return is not an end, so "220" CR LF without text is no status, nor is the first of several lines.
    """
    if len(line) < 4 or not line[:3].isdigit() or line[3:4] not in (b" ", b"\n"):
        return 0
    return int(line[:3])


class SmtpExchange:
    """The dialogue; only the first line of each reply is looked at."""

    rearm = True

    def __init__(self, helo_name: str) -> None:
        self._helo = f"HELO {helo_name}\r\n".encode()
        self._buffer = b""
        self._stage = 0

    def opened(self) -> bytes:
        return b""

    def received(self, data: bytes) -> bytes | Outcome:
        self._buffer += data
        line, newline, _rest = self._buffer.partition(b"\n")
        if not newline:
            if len(self._buffer) > _LIMIT:
                return Outcome(False, Reason.READ_FAILED, "Read failure from server")
            return b""
        self._buffer = b""
        stage, self._stage = self._stage, self._stage + 1
        code = reply_code(line + newline)
        if stage == 0:
            return self._helo if code == 220 else Outcome(False, Reason.ANSWER, "Bad greeting banner from server")
        if stage == 1:
            return b"QUIT\r\n" if code == 250 else Outcome(False, Reason.ANSWER, "Bad HELO response from server")
        return SUCCESS

    def ended(self) -> Outcome:
        return Outcome(False, Reason.CLOSED, "Read failure from server")

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        words = {Reason.READ_TIMEOUT: "Read timeout from server", Reason.WRITE_FAILED: "Write failure to server"}
        return Outcome(False, reason, words.get(reason, "Read failure from server"), error)


class SmtpState(CheckState[SmtpCheck]):
    """One SMTP_CHECK. Every round does all its retries, also the first one."""

    __slots__ = ()

    def __init__(self, model: SmtpCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self.retry_it = 0

    def attempt(self) -> Attempt:
        connection = self.model.connection
        exchange = SmtpExchange(self.model.helo_name)
        return Attempt(Transport.TCP, connection, exchange, timeout_us=connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, SmtpState):
            return False
        return (self.model.helo_name, self.model.connection) == (old.model.helo_name, old.model.connection)

    def adopt(self, old: CheckState[Any]) -> None:
        super().adopt(old)
        self.retry_it = 0

    def decide_at_once(self, at_once: bool) -> None:
        self.retry_it = 0

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        self.due = now + self.delay_loop
        if outcome.ok:
            self.retry_it = 0
            if self.is_up and self.has_run:
                return None
            line = f"Remote SMTP server {self.real_name} succeed on service."
            return Conclusion((line,), True, "=> CHECK succeed on service <=")
        if outcome.reason == Reason.SKIPPED:
            return skipped(outcome, "SMTP_CHECK")
        self.failures += 1
        self.text = text = self._describe(outcome)
        if self.retry_it < self.model.retry:
            self.retry_it += 1
            self.due = now + self.delay_retry
            told = self.model.log_all_failures and (self.is_up or not self.has_run)
            return Conclusion((f"SMTP_CHECK {text}",)) if told else None
        self.retry_it = 0
        if not self.is_up and self.has_run:
            return None
        return Conclusion((f"SMTP_CHECK {text}",), False, f"=> CHECK failed on service : {text} <=")

    def _describe(self, outcome: Outcome) -> str:
        connection = self.model.connection
        place = f"[{connection.address}]:{connection.port}"
        match outcome.reason:
            case Reason.CONNECT_TIMEOUT:
                return f"Connection timeout to server {place}"
            case Reason.CONNECT_FAILED:
                return f"Could not connect to server {place}"
            case Reason.UNREACHABLE:
                return f"Network unreachable for server {connection.address} - real server {place}"
        return f"{outcome.text} {place}"
