"""The BFD state machine: states, diagnostics, events, and the only table that may change a state (RFC 5880 6.8.6).

What goes with a transition (timers, packets, log lines) is in session.py. A pair that is not in the table changes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto

from pykeepalived.light_dataclasses import dataclass


class State(IntEnum):
    """Session states as numbered on the wire (RFC 5880 section 4.1)."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3

    @property
    def text(self) -> str:
        """The name in log lines and dumps."""
        return _STATE_TEXTS[self]


_STATE_TEXTS = {State.ADMIN_DOWN: "AdminDown", State.DOWN: "Down", State.INIT: "Init", State.UP: "Up"}


class Diagnostic(IntEnum):
    """Why the session last changed (RFC 5880 section 4.1). 9 to 31 are reserved and travel as plain numbers."""

    NONE = 0
    DETECTION_TIME_EXPIRED = 1
    ECHO_FAILED = 2
    NEIGHBOR_SIGNALED_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8


_DIAGNOSTIC_TEXTS = (
    "No Diagnostic",
    "Control Detection Time Expired",
    "Echo Function Failed",
    "Neighbor Signaled Session Down",
    "Forwarding Plane Reset",
    "Path Down",
    "Concatenated Path Down",
    "Administratively Down",
    "Reverse Concatenated Path Down",
)


def diagnostic_text(number: int) -> str:
    """The name of a diagnostic 0..31 in log lines and dumps."""
    return _DIAGNOSTIC_TEXTS[number] if number < len(_DIAGNOSTIC_TEXTS) else f"Unknown ({number})"


class Event(Enum):
    """What can move a session."""

    HEARD_ADMIN_DOWN = auto()
    HEARD_DOWN = auto()
    HEARD_INIT = auto()
    HEARD_UP = auto()
    EXPIRED = auto()
    """The detection time passed without an accepted packet."""
    SOCKET_LOST = auto()
    """There is no socket to send from."""
    SOCKET_READY = auto()


HEARD: Mapping[int, Event] = {
    State.ADMIN_DOWN: Event.HEARD_ADMIN_DOWN,
    State.DOWN: Event.HEARD_DOWN,
    State.INIT: Event.HEARD_INIT,
    State.UP: Event.HEARD_UP,
}


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an event leads, the diagnostic to report from then on, and where this is written."""

    next: State
    diagnostic: Diagnostic
    source: str


_FSM = "RFC 5880 6.2, 6.8.6"
_DETECTION = "RFC 5880 6.8.4"
_SOCKET = "RFC 5880 6.8.16: without a socket the session is held down locally"

_UP = Transition(State.UP, Diagnostic.NONE, _FSM)
_INIT = Transition(State.INIT, Diagnostic.NONE, _FSM)
_SIGNALED = Transition(State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_DOWN, _FSM)
_EXPIRED = Transition(State.DOWN, Diagnostic.DETECTION_TIME_EXPIRED, _DETECTION)
_HELD = Transition(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN, _SOCKET)
_RELEASED = Transition(State.DOWN, Diagnostic.NONE, _SOCKET)

TABLE: Mapping[tuple[State, Event], Transition] = {
    (State.DOWN, Event.HEARD_DOWN): _INIT,
    (State.DOWN, Event.HEARD_INIT): _UP,
    (State.INIT, Event.HEARD_ADMIN_DOWN): _SIGNALED,
    (State.INIT, Event.HEARD_INIT): _UP,
    (State.INIT, Event.HEARD_UP): _UP,
    (State.INIT, Event.EXPIRED): _EXPIRED,
    (State.UP, Event.HEARD_ADMIN_DOWN): _SIGNALED,
    (State.UP, Event.HEARD_DOWN): _SIGNALED,
    (State.UP, Event.EXPIRED): _EXPIRED,
    (State.DOWN, Event.SOCKET_LOST): _HELD,
    (State.INIT, Event.SOCKET_LOST): _HELD,
    (State.UP, Event.SOCKET_LOST): _HELD,
    (State.ADMIN_DOWN, Event.SOCKET_READY): _RELEASED,
}
