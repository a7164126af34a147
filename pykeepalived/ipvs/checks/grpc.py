"""GRPC_CHECK: one call of grpc.health.v1.Health/Check (gRPC health checking protocol, gRPC over HTTP/2). Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.extra_checks import GrpcCheck
from pykeepalived.ipvs.checks.attempt import HTTP2, SUCCESS, Attempt, Outcome, Tls, Transport
from pykeepalived.ipvs.checks.dialogue import LIMIT, Dialogue, DialogueCheck, readable, refused
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.checks.http import default_host
from pykeepalived.ipvs.checks.http2 import Http2Error, Http2Request

_PATH = "/grpc.health.v1.Health/Check"
_HEALTH = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = 1
_PREFIX = 5
"""Compressed or not, and the length of the message."""
_STATUS_FIELD = 0x08
_CODES = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def request_message(service: str) -> bytes:
    """A HealthCheckRequest with its prefix; "" asks for the server as a whole."""
    name = service.encode("utf-8", "surrogateescape")
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def health(body: bytes) -> int | None:
    """The status in a HealthCheckResponse with its prefix; None for anything else."""
    message = body[_PREFIX:]
    if len(body) < _PREFIX or body[0] or int.from_bytes(body[1:_PREFIX], "big") != len(message):
        return None
    if not message:
        return 0
    return message[1] if len(message) == 2 and message[0] == _STATUS_FIELD else None


class GrpcExchange(Dialogue):
    """One call; the server is up when it says SERVING."""

    def __init__(self, service: str, authority: str, tls: bool) -> None:
        super().__init__()
        headers = (
            (":method", "POST"),
            (":scheme", "https" if tls else "http"),
            (":path", _PATH),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "KeepAliveClient"),
        )
        encoded = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        self._http2 = Http2Request(encoded, request_message(service))

    def opened(self) -> bytes:
        return self._http2.opened()

    def received(self, data: bytes) -> bytes | Outcome:
        http2 = self._http2
        try:
            said = http2.received(data)
        except Http2Error as error:
            return refused(f"HTTP/2 {error}")
        self.buffer += http2.body()
        if http2.ended:
            return self._judge()
        return refused("too much data") if len(self.buffer) > LIMIT else said

    def _judge(self) -> Outcome:
        headers, trailers = self._http2.headers, self._http2.trailers
        if headers[b":status"] != b"200":
            return refused(f"HTTP status {readable(headers[b':status'])}")
        code = trailers.get(b"grpc-status", headers.get(b"grpc-status", b""))
        if code != b"0":
            number = int(code) if code.isdigit() and len(code) < 4 else len(_CODES)
            name = _CODES[number] if number < len(_CODES) else f"status {readable(code) or 'unknown'}"
            text = readable(trailers.get(b"grpc-message", headers.get(b"grpc-message", b"")))
            return refused(f"{name} ({text})" if text else name)
        status = health(self.buffer)
        if status == _SERVING:
            return SUCCESS
        if status is None:
            return refused("unexpected answer")
        return refused(_HEALTH[status] if status < len(_HEALTH) else f"health {status}")


class GrpcState(DialogueCheck[GrpcCheck]):
    """One GRPC_CHECK."""

    __slots__ = ()
    keyword = "GRPC_CHECK"

    def attempt(self) -> Attempt:
        model = self.model
        exchange = GrpcExchange(model.service, model.authority or default_host(model.connection), model.tls)
        tls = Tls(model.authority.partition(":")[0], alpn=HTTP2) if model.tls else None
        return Attempt(Transport.TCP, model.connection, exchange, tls, timeout_us=model.connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, GrpcState):
            return False
        one, two = self.model, old.model
        return (one.connection, one.service, one.tls) == (two.connection, two.service, two.tls)
