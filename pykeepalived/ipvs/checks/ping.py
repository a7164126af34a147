"""PING_CHECK: an ICMP or ICMPv6 echo request (RFC 792, RFC 4443 section 4) and its reply. Pure.

The socket is an unprivileged datagram ICMP socket: the kernel fills in identifier and checksum and hands over the
replies to this socket alone.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from pykeepalived.config.model.ipvs import PingCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion, RetryingCheck

PAYLOAD = (b"keepalived check - " * 7)[:128]
_HEADER = Struct("!BBHHH")
_ECHO_REQUEST = {4: 8, 6: 128}
_ECHO_REPLY = {4: 0, 6: 129}


class PingExchange:
    """One echo request; anything but its reply is ignored while time is left."""

    rearm = False

    def __init__(self, family: int, sequence: int) -> None:
        self._family = family
        self._sequence = sequence

    def opened(self) -> bytes:
        return _HEADER.pack(_ECHO_REQUEST[self._family], 0, 0, 0, self._sequence) + PAYLOAD

    def received(self, data: bytes) -> bytes | Outcome:
        if len(data) < _HEADER.size:
            return b""
        kind, _code, _checksum, _identifier, sequence = _HEADER.unpack_from(data)
        return SUCCESS if kind == _ECHO_REPLY[self._family] and sequence == self._sequence else b""

    def ended(self) -> Outcome:
        return Outcome(False, Reason.CLOSED)

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        return Outcome(False, reason, text, error)


class PingState(RetryingCheck[PingCheck]):
    """One PING_CHECK. The sequence starts at 1 with every new socket, which is kept while checks succeed."""

    __slots__ = ("sequence",)
    reported = (*RetryingCheck.reported, "sequence")

    def __init__(self, model: PingCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self.sequence = 0

    def attempt(self) -> Attempt:
        self.sequence = self.sequence % 0xFFFF + 1
        connection = self.model.connection
        exchange = PingExchange(connection.address.family, self.sequence)
        return Attempt(Transport.PING, connection, exchange, timeout_us=connection.timeout_us, keep=True)

    def same_as(self, old: CheckState[Any]) -> bool:
        return isinstance(old, PingState) and old.model.connection == self.model.connection

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        if not outcome.ok:
            self.sequence = 0
        return super().conclude(outcome, now)

    def skip_word(self) -> str:
        return "ICMP"

    def success_lines(self) -> tuple[str, ...]:
        return (f"ICMP connection to {self.real_name} success.",)

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        if outcome.reason == Reason.READ_TIMEOUT:
            return (f"ICMP connection to address {self.real_name} timeout.",)
        if outcome.reason == Reason.UNREACHABLE:
            return ("send ICMP packet fail",)
        return (f"ICMP connection to {self.real_name} of {self.virtual_name} failed.",)

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        of = f" of {self.virtual_name}" if self.model.retry and self.had_retries else ""
        return (f"ICMP CHECK on service {self.real_name}{of} {self.after_retries()}",)

    def mail_body(self, up: bool) -> str:
        return f"=> ICMP CHECK {'succeed' if up else 'failed'} on service <="
