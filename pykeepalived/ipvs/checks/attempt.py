"""One attempt of a health check as data: where to connect, what to say, and how it ended. No checker lives here.

The shell (ipvs/dial.py) opens the socket, carries bytes to and from the exchange, and reports the outcome.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

from pykeepalived.config.model.ipvs import Connection
from pykeepalived.config.model.values import Script
from pykeepalived.light_dataclasses import dataclass


class Transport(IntEnum):
    """How an attempt reaches the server. SCRIPT runs a command instead."""

    TCP = 0
    UDP = 1
    PING = 2
    SCRIPT = 3


class Reason(IntEnum):
    """How an attempt ended, as far as the transport knows; ANSWER = the exchange judged what it received."""

    SUCCESS = 0
    ANSWER = 1
    CONNECT_TIMEOUT = 2
    CONNECT_FAILED = 3
    """The connection was refused or broke while it was made."""
    UNREACHABLE = 4
    """connect(2) said at once that there is no way."""
    SKIPPED = 5
    """The attempt could not be made for a local reason: it says nothing about the server."""
    READ_TIMEOUT = 6
    READ_FAILED = 7
    WRITE_FAILED = 8
    TLS_FAILED = 9
    CLOSED = 10
    """The peer closed before the exchange was complete."""
    SCRIPT_ENDED = 11
    SCRIPT_SIGNALLED = 12
    SCRIPT_TIMED_OUT = 13
    CERTIFICATE = 14
    """The certificate of the server ends too soon."""


class Outcome(NamedTuple):
    """End of an attempt. `value` is an errno, an exit status, a signal or a wrong HTTP status; `text` says more for the
    log."""

    ok: bool
    reason: Reason
    text: str = ""
    value: int = 0


SUCCESS = Outcome(True, Reason.SUCCESS)


class Exchange(Protocol):
    """The dialogue of one attempt: bytes in, bytes out, until it returns an Outcome. Pure.

    `rearm` tells whether every reception starts the connect_timeout anew.
    """

    rearm: bool

    def opened(self) -> bytes:
        """The connection stands (with TLS: the handshake is done); what to send first, b"" = wait."""

    def received(self, data: bytes) -> bytes | Outcome:
        """Bytes or a datagram came; what to send now, or the end."""

    def ended(self) -> Outcome:
        """The peer closed its side."""

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        """Time ran out or the transport broke (`error` an errno, `text` its words) after the connection was made."""


HTTP2 = "h2"
"""The name of HTTP/2 over TLS (RFC 9113 section 3.2)."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A TLS client without verification. `name` is sent as SNI unless ""; `compliant` = send close_notify.

    `min_days`: the server certificate must be good for so many more days; None = it is not looked at.
    `alpn` is the only protocol offered (RFC 7301); "" = none is.
    """

    name: str = ""
    compliant: bool = False
    min_days: int | None = None
    alpn: str = ""


@dataclass(slots=True)
class Attempt:
    """What the shell needs to make one attempt. `exchange` None = the connection itself is the answer."""

    transport: Transport
    connection: Connection | None = None
    exchange: Exchange | None = None
    tls: Tls | None = None
    script: Script | None = None
    timeout_us: int = 5_000_000
    endpoint: object = None
    """Where the shell notes the socket address of an attempt that is made again and again."""
    keep: bool = False
    """Keep the socket for the next attempt of the same checker when this one succeeds."""
