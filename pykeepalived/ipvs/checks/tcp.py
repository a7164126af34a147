"""TCP_CHECK: the server is up when it accepts a connection. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import TcpCheck
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, RetryingCheck


class TcpState(RetryingCheck[TcpCheck]):
    """One TCP_CHECK. Its attempt never changes, so it is made once."""

    __slots__ = ("_attempt",)

    def __init__(self, model: TcpCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self._attempt = Attempt(Transport.TCP, model.connection, timeout_us=model.connection.timeout_us)

    def attempt(self) -> Attempt:
        return self._attempt

    def same_as(self, old: CheckState[Any]) -> bool:
        return isinstance(old, TcpState) and old.model.connection == self.model.connection

    def skip_word(self) -> str:
        return "TCP"

    def success_lines(self) -> tuple[str, ...]:
        return (f"TCP connection to {self.real_name} success.",)

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        word = "timeout" if outcome.reason == Reason.CONNECT_TIMEOUT else "failed"
        return (f"TCP connection to {self.real_name} {word}.",)

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        return (f"TCP_CHECK on service {self.real_name} {self.after_retries()}",)

    def mail_body(self, up: bool) -> str:
        return f"=> TCP CHECK {'succeed' if up else 'failed'} on service <="
