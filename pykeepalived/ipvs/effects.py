"""What the IPVS core hears and what it asks for: messages in, effects out, as frozen data.

A LogLine (observe/cause.py) is an effect too; effects are to be performed in the order in which they are drained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import RealServer, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome
from pykeepalived.ipvs.checks.framework import Conclusion
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink.services import Operation, OperationFailure, Table, Timeouts
from pykeepalived.observe.cause import LogLine

# messages


@dataclass(frozen=True, slots=True)
class Start:
    """Begin: build the topology of the configuration the core was made with and arm the checkers.

    `timeouts` are those of the kernel's table, None when there is none. `left` is the table that a predecessor left
    when it died, None at a first start. Check workers are wanted only where there is more than one processor.
    """

    timeouts: Timeouts | None = None
    left: Table | None = None
    processors: int = 1


@dataclass(frozen=True, slots=True)
class Reload:
    """Replace the configuration; what stayed keeps its state (keepalived.conf(5))."""

    config: Config
    timeouts: Timeouts | None = None
    processors: int = 1


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up what is in the kernel, unless `keep` (--dont-release-ipvs)."""

    keep: bool = False


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """The attempt that StartCheck asked for is over. `checker` is the one given there."""

    checker: Any
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CheckReported:
    """A check worker came to this conclusion; `figures` are those of the checker before it."""

    checker: Any
    conclusion: Conclusion
    figures: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class CheckFigures:
    """A check worker tells the figures of all its checkers, in the order of `checkers`."""

    checkers: Sequence[Any]
    figures: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Operated:
    """The kernel has done the operations of the last Operate, but for these."""

    failures: tuple[OperationFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class BfdChanged:
    """Session `name` is Up, or is not."""

    name: str
    up: bool
    delay_us: int = 0


@dataclass(frozen=True, slots=True)
class FileRead:
    """The track_file `name` holds this number (0 when it is missing or holds none)."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """An address appeared on or left an interface; `count` is on how many interfaces it stands now."""

    address: Ip
    count: int


@dataclass(frozen=True, slots=True)
class TableRead:
    """What the kernel's table holds, in answer to ReadTable; None when it could not be read."""

    table: Table | None


@dataclass(frozen=True, slots=True)
class SetWeight:
    """An operator or SNMP manager sets the weight of a real server, by the names used in logs."""

    virtual: str
    real: str
    weight: int


Message = (
    Start
    | Reload
    | Stop
    | CheckEnded
    | CheckReported
    | CheckFigures
    | Operated
    | BfdChanged
    | FileRead
    | AddressChanged
    | TableRead
    | SetWeight
)

# effects


@dataclass(frozen=True, slots=True)
class Operate:
    """Do these operations on the kernel, in order, and answer with Operated before anything else."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class StartCheck:
    """Make this attempt and answer with CheckEnded."""

    checker: Any
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StartWorkers:
    """Let a process for each of these shards run its checkers from their due times on."""

    shards: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class CorrectWorker:
    """The worker that runs this checker may assume a state that is not the checker's: tell it."""

    checker: Any


@dataclass(frozen=True, slots=True)
class CancelChecks:
    """Drop every attempt under way and end the workers; nothing of it is answered."""


@dataclass(frozen=True, slots=True)
class ReadTable:
    """Read the kernel's table and answer with TableRead."""


@dataclass(frozen=True, slots=True)
class SetMarks:
    """nftables_ipvs: put these elements into, and take those out of, the maps that give packets their marks."""

    add: tuple[MarkElement, ...] = ()
    remove: tuple[MarkElement, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkElement:
    """Packets of `protocol` (tcp, udp, sctp) to first..last and this port get `mark`."""

    protocol: str
    first: Ip
    last: Ip
    port: int
    mark: int


@dataclass(frozen=True, slots=True)
class DropMarks:
    """Delete the tables of nftables_ipvs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """A real server, or a virtual server (`real` None), went up or down: its script, the FIFO line, the trap, a mail.

    `body` is the text of a virtual server's mail; real servers' mails are MailReal. `final` = the daemon is stopping.
    `trap_only` = nobody but SNMP is told.
    """

    virtual: VirtualServer
    virtual_name: str
    real: RealServer | None = None
    real_name: str = ""
    up: bool
    body: str = ""
    final: bool = False
    trap_only: bool = False


@dataclass(frozen=True, slots=True)
class MailReal:
    """A mail about a checker of a real server; `up` is the server's state after the event."""

    virtual_name: str
    real_name: str
    up: bool
    body: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Everything is given up; nothing follows."""


Effect = (
    LogLine
    | Operate
    | StartCheck
    | StartWorkers
    | CorrectWorker
    | CancelChecks
    | ReadTable
    | SetMarks
    | DropMarks
    | Tell
    | MailReal
    | Stopped
)
