"""The order of notifications: per object one script at a time, in the order of the events. A core: nothing is run here.

A notification says what is to be told to whom: scripts, a FIFO line, a mail, a signal on the bus, a trap. FIFO line,
mail, signal and trap go out at once, in the order in which notifications come. Scripts of one object wait for each
other; scripts of different objects do not. keepalived starts them all at once, so that a slow "master" script could end
after the "backup" script that followed it.

A script that does not end must not silence its object for ever: after PATIENCE_NS its successor starts beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from pykeepalived.config.model.values import Script
from pykeepalived.light_dataclasses import dataclass

NS = 1_000_000_000
PATIENCE_NS = 10 * NS
"""How long a script waits for its predecessor of the same object."""
FINAL_PATIENCE_NS = NS
"""The same once the object has reported that it stops."""
DYING_NS = NS // 2
"""How long a script may take to die of SIGTERM before its successor starts."""
FINAL_TIMEOUT_NS = NS
"""How long a script of a stopping object may run (keepalived(8))."""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script with the arguments that follow its own words."""

    script: Script
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to the configured recipients; the sender's identity and the headers are added later.

    `once`: not sent if it equals the last mail about the same object.
    """

    subject: str
    body: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class BusSignal:
    """VrrpStatusChange of an instance on D-Bus: what its object path is made of, and the new state number."""

    name: str
    interface: str
    virtual_router_id: int
    family: int
    state: int


@dataclass(frozen=True, slots=True)
class Trap:
    """An SNMP trap: the kind (`instance`, `group`, `real_server`, `virtual_server`), the object's name, its state."""

    kind: str
    name: str
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One event of one object. `subject` names the object; notifications with equal subjects keep their order.

    `final` marks the last one of an object: its scripts get one second each, and what still runs or waits before them
    gets one second together.
    """

    subject: Hashable
    scripts: tuple[ScriptCall, ...] = ()
    fifo: str = ""
    mail: Mail | None = None
    signal: BusSignal | None = None
    trap: Trap | None = None
    final: bool = False


# effects


@dataclass(frozen=True, slots=True)
class RunScript:
    """Start the script; answer with ScriptEnded of the same token. `timeout_ns` None = it may run for ever."""

    token: int
    call: ScriptCall
    timeout_ns: int | None = None


@dataclass(frozen=True, slots=True)
class WriteFifo:
    """Write one line, with its newline, to every FIFO of this process."""

    line: str


@dataclass(frozen=True, slots=True)
class SendMail:
    mail: Mail


@dataclass(frozen=True, slots=True)
class EmitSignal:
    signal: BusSignal


@dataclass(frozen=True, slots=True)
class SendTrap:
    trap: Trap


@dataclass(frozen=True, slots=True)
class GaveUpWaiting:
    """A script still runs after its successor's patience; the successor starts beside it."""

    call: ScriptCall
    successor: ScriptCall


Effect = RunScript | WriteFifo | SendMail | EmitSignal | SendTrap | GaveUpWaiting


# messages


@dataclass(frozen=True, slots=True)
class ScriptEnded:
    token: int


Message = Notification | ScriptEnded


@dataclass(slots=True)
class _Waiting:
    call: ScriptCall
    timeout_ns: int | None
    patience_ns: int


@dataclass(slots=True)
class _Lane:
    """The scripts of one object: those that wait, the one started last, and until when the next one waits for it."""

    waiting: deque[_Waiting]
    running: int | None = None
    running_call: ScriptCall | None = None
    patience_ends: int | None = None
    final: bool = False


class NotificationQueue:
    """The core contract over Message and Effect; see runtime/contract.py. Needs no clock of its own."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, _Lane] = {}
        self._subjects: dict[int, Hashable] = {}
        self._mailed: dict[Hashable, Mail] = {}
        self._token = 0
        self._effects: list[Effect] = []

    def receive(self, message: Message, now: int) -> None:
        """Take a notification, or the news that a script has ended (or could not be started)."""
        if isinstance(message, ScriptEnded):
            self._ended(message.token, now)
        else:
            self._notify(message, now)

    def tick(self, now: int) -> None:
        for subject, lane in list(self._lanes.items()):
            if lane.patience_ends is not None and lane.patience_ends <= now:
                self._advance(subject, lane, now, impatient=True)

    def deadline(self) -> int | None:
        return min(
            (lane.patience_ends for lane in self._lanes.values() if lane.patience_ends is not None), default=None
        )

    def drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    @property
    def idle(self) -> bool:
        """True when no script waits or runs."""
        return not self._lanes

    @property
    def final(self) -> bool:
        """True while scripts of a stopping object wait or run."""
        return any(lane.final for lane in self._lanes.values())

    def forget_waiting(self) -> None:
        """Drop the scripts that have not started."""
        for lane in self._lanes.values():
            lane.waiting.clear()
            lane.patience_ends = None
        self._lanes = {subject: lane for subject, lane in self._lanes.items() if lane.running is not None}

    def _notify(self, notification: Notification, now: int) -> None:
        if notification.scripts:
            self._enqueue(notification, now)
        if notification.fifo:
            self._effects.append(WriteFifo(notification.fifo))
        if notification.signal is not None:
            self._effects.append(EmitSignal(notification.signal))
        if notification.trap is not None:
            self._effects.append(SendTrap(notification.trap))
        mail = notification.mail
        if mail is not None and not (mail.once and self._mailed.get(notification.subject) == mail):
            if mail.once:
                self._mailed[notification.subject] = mail
            self._effects.append(SendMail(mail))

    def _enqueue(self, notification: Notification, now: int) -> None:
        lane = self._lanes.get(notification.subject)
        if lane is None:
            lane = self._lanes[notification.subject] = _Lane(deque())
        timeout = FINAL_TIMEOUT_NS if notification.final else None
        if notification.final:
            lane.final = True
            self._hurry(lane, now)
        for number, call in enumerate(notification.scripts):
            patience = PATIENCE_NS
            if timeout is not None:
                # Behind a script of the same stop, which is limited itself, there is no need to give up.
                patience = timeout + DYING_NS if number else FINAL_PATIENCE_NS
            lane.waiting.append(_Waiting(call, timeout, patience))
        self._advance(notification.subject, lane, now)

    def _hurry(self, lane: _Lane, now: int) -> None:
        """The object stops: what waits before its last scripts may wait for the running one a second, then none."""
        for position, waiting in enumerate(lane.waiting):
            waiting.patience_ns = 0 if position else FINAL_PATIENCE_NS
        if lane.patience_ends is not None:
            lane.patience_ends = min(lane.patience_ends, now + FINAL_PATIENCE_NS)

    def _advance(self, subject: Hashable, lane: _Lane, now: int, impatient: bool = False) -> None:
        """Start what may start, and note until when the next one waits."""
        while lane.waiting and (lane.running is None or impatient):
            waiting = lane.waiting.popleft()
            if lane.running is not None and lane.running_call is not None:
                self._effects.append(GaveUpWaiting(lane.running_call, waiting.call))
                self._subjects.pop(lane.running, None)
            self._token += 1
            lane.running, lane.running_call = self._token, waiting.call
            self._subjects[self._token] = subject
            self._effects.append(RunScript(self._token, waiting.call, waiting.timeout_ns))
            impatient = bool(lane.waiting) and lane.waiting[0].patience_ns == 0
            lane.patience_ends = None
        if not lane.waiting:
            lane.patience_ends = None
        elif lane.patience_ends is None:
            lane.patience_ends = now + lane.waiting[0].patience_ns

    def _ended(self, token: int, now: int) -> None:
        subject = self._subjects.pop(token, None)
        lane = self._lanes.get(subject)
        if subject is None or lane is None or lane.running != token:
            return
        lane.running = lane.running_call = lane.patience_ends = None
        self._advance(subject, lane, now)
        if lane.running is None and not lane.waiting:
            del self._lanes[subject]
