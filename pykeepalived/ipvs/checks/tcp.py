"""TCP_CHECK: the server is up when it accepts a connection, and says what is expected if anything is. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import TcpCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.dialogue import Dialogue, readable, why
from pykeepalived.ipvs.checks.framework import CheckState, RetryingCheck


class TcpExchange(Dialogue):
    """Send one text, wait for another; any reply will do when none is named."""

    def __init__(self, send: bytes, expect: bytes) -> None:
        super().__init__()
        self._send = send
        self._expect = expect

    def opened(self) -> bytes:
        return self._send

    def received(self, data: bytes) -> bytes | Outcome:
        full = self.collect(data)
        if self._expect in self.buffer:
            return SUCCESS
        return full or b""

    def ended(self) -> Outcome:
        text = f"unexpected reply: {readable(self.buffer)}" if self.buffer else "connection closed by the server"
        return Outcome(False, Reason.CLOSED, text)

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        if reason == Reason.READ_TIMEOUT and self.buffer:
            return Outcome(False, reason, f"unexpected reply: {readable(self.buffer)}", error)
        return super().failed(reason, error, text)


class TcpState(RetryingCheck[TcpCheck]):
    """One TCP_CHECK. An attempt without words never changes, so it is made once."""

    __slots__ = ("_attempt",)

    def __init__(self, model: TcpCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self._attempt = Attempt(Transport.TCP, model.connection, timeout_us=model.connection.timeout_us)

    def attempt(self) -> Attempt:
        model = self.model
        if model.send or model.expect:
            exchange = TcpExchange(model.send, model.expect)
            return Attempt(Transport.TCP, model.connection, exchange, timeout_us=model.connection.timeout_us)
        return self._attempt

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, TcpState):
            return False
        one, two = self.model, old.model
        return (one.connection, one.send, one.expect) == (two.connection, two.send, two.expect)

    def skip_word(self) -> str:
        return "TCP"

    def success_lines(self) -> tuple[str, ...]:
        return (f"TCP connection to {self.real_name} success.",)

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        if outcome.reason == Reason.CONNECT_TIMEOUT:
            return (f"TCP connection to {self.real_name} timeout.",)
        if outcome.reason == Reason.UNREACHABLE:
            return ()
        return (f"TCP connection to {self.real_name} failed{self._why(outcome)}.",)

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        end = self.after_retries().removesuffix(".")
        return (f"TCP_CHECK on service {self.real_name} {end}{self._why(outcome)}.",)

    def _why(self, outcome: Outcome) -> str:
        """What was wrong with the reply; a connection that failed says nothing more, as in keepalived."""
        spoke = outcome.reason in (Reason.ANSWER, Reason.CLOSED, Reason.READ_TIMEOUT)
        return f": {why(outcome)}" if spoke else ""

    def mail_body(self, up: bool) -> str:
        return f"=> TCP CHECK {'succeed' if up else 'failed'} on service <="
