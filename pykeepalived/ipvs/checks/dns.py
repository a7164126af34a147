"""DNS_CHECK: one question over UDP (RFC 1035 section 4); any answer without an error code is success. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any

from pykeepalived.config.model.ipvs import DnsCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.checks.framework import CheckState, RetryingCheck

TYPES: Mapping[str, int] = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "RRSIG": 46,
    "DNSKEY": 48,
}
_HEADER = Struct("!HHHHHH")
_RECURSION_DESIRED = 0x0100
_CLASS_INTERNET = 1
RandomBelow = Callable[[int], int]


class DnsError(ValueError):
    """A name that has no wire form."""


def encode_name(name: str) -> bytes:
    """A domain name as labels (RFC 1035 section 3.1); raises DnsError for empty or long labels and names."""
    name = name.rstrip(".") if name != "." else ""
    if not name:
        return b"\0"
    wire = b""
    for label in name.encode("utf-8", "surrogateescape").split(b"."):
        if not 0 < len(label) < 64:
            raise DnsError(f"bad label in {name!r}")
        wire += bytes([len(label)]) + label
    if len(wire) > 254:
        raise DnsError(f"{name!r} is too long")
    return wire + b"\0"


def question(name: str, kind: str) -> bytes:
    """The question section for one name and type."""
    return encode_name(name) + TYPES[kind].to_bytes(2, "big") + _CLASS_INTERNET.to_bytes(2, "big")


class DnsExchange:
    """One query with a fresh number; replies to other queries are ignored while time is left."""

    rearm = False

    def __init__(self, number: int, asked: bytes) -> None:
        self._number = number
        self._question = asked

    def opened(self) -> bytes:
        return _HEADER.pack(self._number, _RECURSION_DESIRED, 1, 0, 0, 0) + self._question

    def received(self, data: bytes) -> bytes | Outcome:
        if len(data) < _HEADER.size:
            return b""
        number, flags = _HEADER.unpack_from(data)[:2]
        if number != self._number or not flags & 0x8000:
            return b""
        code = flags & 0xF
        if code:
            return Outcome(False, Reason.ANSWER, f"read error occurred. (rcode = {code})", code)
        return SUCCESS

    def ended(self) -> Outcome:
        return Outcome(False, Reason.CLOSED, "connection error.")

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        if reason == Reason.READ_TIMEOUT:
            return Outcome(False, reason, "read timeout from socket")
        if reason == Reason.WRITE_FAILED:
            return Outcome(False, reason, "failed to write socket.", error)
        return Outcome(False, reason, f"failed to read socket; errno {error} ({text})", error)


class DnsState(RetryingCheck[DnsCheck]):
    """One DNS_CHECK. Success says nothing."""

    __slots__ = ("_question", "_random")

    def __init__(
        self, model: DnsCheck, real: Any, real_name: str, virtual_name: str, random_below: RandomBelow
    ) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self._question = question(model.name, model.type)
        self._random = random_below

    def attempt(self) -> Attempt:
        exchange = DnsExchange(self._random(0x10000), self._question)
        connection = self.model.connection
        return Attempt(Transport.UDP, connection, exchange, timeout_us=connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, DnsState):
            return False
        one, two = self.model, old.model
        return (one.connection, one.type, one.name) == (two.connection, two.type, two.name)

    def skip_word(self) -> str:
        return f"DNS_CHECK ({self.real_name}) UDP"

    def success_lines(self) -> tuple[str, ...]:
        return ()

    def _line(self, outcome: Outcome) -> str:
        text = outcome.text
        if outcome.reason == Reason.UNREACHABLE:
            text = f"network unreachable for [{self.model.connection.address}]:{self.model.connection.port}"
        elif outcome.reason == Reason.CONNECT_FAILED:
            text = "connection failure."
        return f"DNS_CHECK ({self.real_name}) {text}"

    def attempt_lines(self, outcome: Outcome) -> tuple[str, ...]:
        if self.is_up and self.retry_it < self.model.retry:
            return (self._line(outcome),)
        return ()

    def failure_lines(self, outcome: Outcome) -> tuple[str, ...]:
        if not self.had_retries:
            return (self._line(outcome),)
        return (f"{self._line(outcome)} after {self.model.retry} retries",)

    def mail_body(self, up: bool) -> str:
        return f"=> DNS_CHECK: {'succeed' if up else 'failed'} on service <="
