"""What goes into the BFD core and what comes out of it: frozen data, one class a kind."""

from __future__ import annotations

from pykeepalived.bfd.sieve import Guests
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause, LogLine
from pykeepalived.runtime.messages import BfdEvent, ChildKind

# inputs


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram from one of the two listening sockets. `destination` and `ttl` as the kernel reported them."""

    data: bytes
    source: Ip
    source_port: int
    destination: Ip
    ttl: int
    multihop: bool


@dataclass(frozen=True, slots=True)
class TransmitterOpened:
    """The socket asked for by OpenTransmitter is there."""

    name: str


@dataclass(frozen=True, slots=True)
class TransmitterFailed:
    """The socket asked for by OpenTransmitter cannot be had now; `reason` is keepalived's text for it."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SendFailed:
    """A packet could not be sent; `reason` is the text of the error."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SendSucceeded:
    """Packets leave again after SendFailed."""

    name: str


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """A reload: these instances are the configuration from now on, in file order."""

    instances: tuple[BfdInstance, ...]


@dataclass(frozen=True, slots=True)
class SocketsDrained:
    """The answer to DrainSockets: nothing that came before this moment waits unheard."""


@dataclass(frozen=True, slots=True)
class RepeatStates:
    """A receiver of events was started anew and knows nothing: tell it the state of every session."""

    receiver: ChildKind


Input = (
    Heard
    | TransmitterOpened
    | TransmitterFailed
    | SendFailed
    | SendSucceeded
    | SocketsDrained
    | Reconfigure
    | RepeatStates
)

# effects; a LogLine is an effect too: write it to the log


@dataclass(frozen=True, slots=True)
class SendPacket:
    """Send `data` from the socket of this session to its neighbor, port 3784 (4784 if multihop)."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OpenTransmitter:
    """Open a sending socket for this instance, in place of an old one; answer with TransmitterOpened or -Failed."""

    instance: BfdInstance


@dataclass(frozen=True, slots=True)
class CloseTransmitter:
    """Close the sending socket of this session, if there is one."""

    name: str


@dataclass(frozen=True, slots=True)
class DrainSockets:
    """Sessions are about to be given up: hear all that waits in the listening sockets, then answer SocketsDrained."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Let only datagrams of these guests into the listening sockets; None = everything again."""

    guests: Guests | None


@dataclass(frozen=True, slots=True)
class Tell:
    """Give the event to these children, as far as they run."""

    event: BfdEvent
    receivers: tuple[ChildKind, ...]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A session went from one state to another: log messages.state_changed, once more urgent effects are performed.

    If it expired, `silence_us` is how long it had heard nothing and `overdue_us` by how much that was too long.
    """

    name: str
    old: State
    new: State
    cause: Cause
    at_ns: int
    local_diagnostic: int
    remote_diagnostic: int
    silence_us: int | None = None
    overdue_us: int = 0


Effect = SendPacket | OpenTransmitter | CloseTransmitter | DrainSockets | Admit | Tell | StateChanged | LogLine
