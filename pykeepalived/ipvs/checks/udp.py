"""UDP_CHECK: send a datagram, and judge the reply or its absence. Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import UdpCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion, RetryingCheck

DEFAULT_PAYLOAD = (b"keepalived check - " * 2)[:32]
_MISMATCH = "reply data mismatch"


class UdpExchange:
    """One datagram out; silence is success unless a reply is required."""

    rearm = False

    def __init__(self, model: UdpCheck) -> None:
        self._model = model

    def opened(self) -> bytes:
        return DEFAULT_PAYLOAD if self._model.payload is None else self._model.payload

    def received(self, data: bytes) -> bytes | Outcome:
        return SUCCESS if matches(self._model, data) else Outcome(False, Reason.ANSWER, _MISMATCH)

    def ended(self) -> Outcome:
        return Outcome(False, Reason.CLOSED)

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        if reason == Reason.READ_TIMEOUT and not self._model.require_reply:
            return SUCCESS
        return Outcome(False, reason, text, error)


def matches(model: UdpCheck, data: bytes) -> bool:
    """Whether a reply is the required one. The length limits count only when reply data is given."""
    if not model.require_reply or model.reply is None:
        return True
    if not model.min_reply_length <= len(data) <= model.max_reply_length:
        return False
    mask = model.reply_mask or b"\xff" * len(model.reply)
    return all((got ^ want) & bits == 0 for got, want, bits in zip(data, model.reply, mask, strict=False))


class UdpState(RetryingCheck[UdpCheck]):
    """One UDP_CHECK."""

    __slots__ = ("_attempt",)

    def __init__(self, model: UdpCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        exchange = UdpExchange(model)
        self._attempt = Attempt(Transport.UDP, model.connection, exchange, timeout_us=model.connection.timeout_us)

    def attempt(self) -> Attempt:
        return self._attempt

    def same_as(self, old: CheckState[Any]) -> bool:
        return isinstance(old, UdpState) and old.model.connection == self.model.connection

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        if outcome.reason == Reason.SKIPPED:  # a socket that cannot be bound counts as a failure here
            outcome = Outcome(False, Reason.CONNECT_FAILED, outcome.text, outcome.value)
        return super().conclude(outcome, now)

    def success_lines(self) -> tuple[str, ...]:
        return (f"UDP connection to {self.real_name} success.",)

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        if outcome.text == _MISMATCH:
            return (f"UDP check to {self.real_name} reply data mismatch.",)
        if outcome.reason == Reason.UNREACHABLE:
            return (f"UDP connect error {outcome.value} - {outcome.text}",)
        return (f"UDP connection to {self.real_name} failed.",)

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        return (f"UDP_CHECK on service {self.real_name} {self.after_retries()}",)

    def mail_body(self, up: bool) -> str:
        return f"=> UDP CHECK {'succeed' if up else 'failed'} on service <="
