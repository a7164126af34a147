"""What parent and children say to each other, and what the BFD child says to the others. Data only.

The transport (a socketpair carrying one pickled message a datagram, a pipe for BFD) is runtime/channel.py.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Any

from pykeepalived.light_dataclasses import dataclass


class ChildKind(StrEnum):
    """The three children; the value is the word used in log lines and file names."""

    VRRP = "vrrp"
    CHECKER = "checker"
    BFD = "bfd"


class Dump(StrEnum):
    """What a child writes on a signal: SIGUSR1, SIGUSR2, SIGRTMAX-1, SIGRTMIN+2."""

    DATA = "data"
    STATS = "stats"
    STATS_CLEAR = "stats_clear"
    JSON = "json"


# parent to child (besides runtime.delta.ConfigDelta: adopt a configuration, answer with Adopted or ReloadFailed;
# SIGTERM: leave cleanly)


@dataclass(frozen=True, slots=True)
class WriteDump:
    kind: Dump


@dataclass(frozen=True, slots=True)
class PeerStarted:
    """To the BFD child: a new VRRP or checker child runs; send it the state of every session."""

    kind: ChildKind


@dataclass(frozen=True, slots=True)
class Query:
    """An operator's question; answer with Answer of the same number."""

    number: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """Heartbeat; answer with Pong of the same number."""

    number: int


# child to parent


@dataclass(frozen=True, slots=True)
class Ready:
    """The child has started and taken over its configuration."""

    kind: ChildKind


@dataclass(frozen=True, slots=True)
class Adopted:
    """The configuration of this generation is in force; `summary` says what changed, line by line."""

    kind: ChildKind
    generation: int
    summary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadFailed:
    """The configuration of this generation could not be adopted; the one before is still in force."""

    kind: ChildKind
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pong:
    number: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """The last word of a child that ends by itself: a channel that closes without it was a killed child's."""

    status: int


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """A child was told to reload from outside (SIGHUP to it, D-Bus ReloadConfig): the parent does it for all."""


@dataclass(frozen=True, slots=True)
class ScriptHelper:
    """A child wants a process that runs its scripts: it may no longer gain the privileges that scripts need.

    `descriptor` is the helper's end of a connection and travels along: it is closed here when it has been sent, and is
    another number at the receiver, -1 where it did not arrive.
    """

    descriptor: int


@dataclass(frozen=True, slots=True)
class MessageLost:
    """What the receiving end makes of a message that there was no memory or no descriptor for."""


# BFD child to VRRP and checker children


@dataclass(frozen=True, slots=True)
class BfdEvent:
    """State of one session: `up` is false for Init, Down and AdminDown; `sent_ns` monotonic."""

    name: str
    up: bool
    sent_ns: int
