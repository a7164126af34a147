"""Trackers: what is watched, what its state means for the instances that watch it, and when scripts run.

A tracked object has a state; a Use says what that state does to one instance: a fault, or a share of its priority.
"""

from __future__ import annotations

from dataclasses import replace

from pykeepalived.config.model.values import Span, leading_number
from pykeepalived.config.model.vrrp import TrackFile, TrackProcess, VrrpScript
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import StartScript, StopScript
from pykeepalived.vrrp.inputs import ScriptFinished
from pykeepalived.vrrp.instance import FaultKey, Instance
from pykeepalived.vrrp.table import State
from pykeepalived.vrrp.timers import Timer

WEIGHT_FAULT = -254
"""Contribution of a tracked file that means FAULT."""


@dataclass(slots=True, eq=False)
class Use:
    """One instance watching one object; `weight` 0 = its bad state is a fault."""

    instance: Instance
    key: FaultKey
    weight: int = 0
    reverse: bool = False
    at: Span | None = None

    def tell_state(self, up: bool, cause: Cause, now: int) -> None:
        """The object is good or bad: fault, or priority by weight (reverse turns its sign)."""
        if self.weight == 0:
            if up is self.reverse:
                self.instance.add_fault(self.key, cause, now)
            else:
                self.instance.remove_fault(self.key, now)
            return
        amount = self.weight if up is (self.weight > 0) else 0
        self.instance.contribute(self.key, -amount if self.reverse else amount, cause, now)


class Tracked:
    """An object with two states; `up` None = not known yet."""

    KIND = ""

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.context = context
        self.up: bool | None = None
        self.uses: list[Use] = []

    def set_up(self, up: bool, now: int) -> None:
        """A new state, or the first one."""
        if up is self.up:
            return
        self.up = up
        self.tell(now)

    def tell(self, now: int) -> None:
        """Tell every user the present state."""
        if self.up is None:
            return
        for use in self.uses:
            use.tell_state(self.up, self.cause(now, use.at), now)

    def cause(self, now: int, at: Span | None) -> Cause:
        return Cause(f"{self.KIND}_{'up' if self.up else 'down'}", self.name, "", now, at)


class TrackedLink(Tracked):
    """An interface; its debounced state comes from machine.py."""

    KIND = "interface"


class TrackedBfd(Tracked):
    """A bfd_instance; down until heard of."""

    KIND = "bfd"

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        self.up = False

    def receive(self, up: bool, sent_ns: int, now: int) -> None:
        words = (self.name, "Up" if up else "Down", max(now - sent_ns, 0) // 1000)
        self.context.outbox.log(messages.BFD_EVENT % words, detail=messages.DETAIL)
        if up is self.up:
            return
        for use in self.uses:
            text = messages.BFD_STATE % (use.instance.name, self.name, words[1].upper())
            self.context.outbox.log(text, INSTANCE=use.instance.name)
        self.set_up(up, now)


class TrackedScript(Tracked):
    """A vrrp_script: when it runs, and how rise and fall count its results.

    `result` counts from 0 to rise+fall-1 and is good from `rise` on. Before the first result it stands one below, so
    that one success or one failure decides; with init_fail it begins at 0, failed, and needs `rise` successes.
    `ending` tells how the last run ended, "" before the first.
    """

    KIND = "script"

    def __init__(self, config: VrrpScript, context: Context) -> None:
        super().__init__(config.name, context)
        self.config = config
        self.running = False
        self.first = not config.init_fail
        self.result = config.rise - 1 if self.first else 0
        self.last_status = 0
        self.ending = ""
        self.last_start = 0
        self.last_end = 0
        self.init_state = "INIT"
        if config.init_fail:
            self.up = False
            self.init_state = "INIT/FAILED"
        self.timer = Timer(context.timers, self._due)

    @property
    def waits(self) -> bool:
        """Whether instances must wait for the first result."""
        return self.up is None

    def start(self, now: int) -> None:
        """The first run is at once."""
        self.timer.set(now)

    def stop(self) -> None:
        self.timer.cancel()
        if self.running:
            self.running = False
            self.context.outbox.later(StopScript(self.name))

    def inherit(self, older: TrackedScript) -> None:
        """After a reload: the last result counts, scaled to the new rise and fall. Nothing waits."""
        self.running, self.last_status = older.running, older.last_status
        self.last_start, self.last_end = older.last_start, older.last_end
        self.first, self.ending = older.first, older.ending
        if older.up is None:
            return
        self.up = older.up
        self.init_state = "INIT/RELOAD"
        if (self.config.rise, self.config.fall) == (older.config.rise, older.config.fall):
            self.result = older.result
        elif older.up:
            self.result = self.config.rise + self.config.fall - 1
        else:
            self.result = 0
        text = messages.SCRIPT_RELOAD_GOOD if self.up else messages.SCRIPT_RELOAD_BAD
        self.context.outbox.log(text % self.name, SCRIPT=self.name)

    def _due(self, now: int, due: int) -> None:
        interval_ns = self.config.interval_us * NANOSECONDS_PER_MICROSECOND
        following = due + interval_ns
        self.timer.set(following if following > now else now + interval_ns)
        if self.running:
            self.context.outbox.log(messages.SCRIPT_RUNNING % self.name, SCRIPT=self.name)
            return
        self.running = True
        self.last_start = now
        timeout_us = self.config.timeout_us or self.config.interval_us
        self.context.outbox.later(StartScript(self.name, self.config.script, timeout_us * NANOSECONDS_PER_MICROSECOND))

    def cause(self, now: int, at: Span | None) -> Cause:
        """With how the last run ended, where that was a failure."""
        cause = Tracked.cause(self, now, at)
        return cause if self.up else replace(cause, detail=self.ending)

    def finished(self, message: ScriptFinished, now: int) -> None:
        """Count a result."""
        self.running = False
        self.last_end = now
        success = not message.timed_out and not message.signal and message.status == 0
        if not message.timed_out and not message.signal and message.status != self.last_status:
            self.last_status = message.status
            self.context.outbox.log(messages.SCRIPT_STATUS % (self.name, message.status), SCRIPT=self.name)
        self.init_state = "unknown"
        self.ending = _ending(message)
        if success:
            self._succeeded(now)
        else:
            self._failed(message, now)
        self.first = False

    def _succeeded(self, now: int) -> None:
        rise, top = self.config.rise, self.config.rise + self.config.fall - 1
        if self.result < rise - 1:
            self.result += 1
            return
        if self.result == rise - 1:
            self.context.outbox.log(messages.SCRIPT_GOOD % self.name, SCRIPT=self.name)
            self.result = top
            self.set_up(True, now)
        self.result = top

    def _failed(self, message: ScriptFinished, now: int) -> None:
        rise = self.config.rise
        if self.result > rise:
            self.result -= 1
            return
        bad_now = self.result == rise or self.first or self.up is None
        self.result = 0
        if not bad_now:
            return
        if message.timed_out:
            text = messages.SCRIPT_TIMED_OUT % self.name
        elif message.signal:
            text = messages.SCRIPT_BAD_SIGNAL % (self.name, message.signal)
        else:
            text = messages.SCRIPT_BAD_STATUS % (self.name, message.status)
        self.context.outbox.log(text, SCRIPT=self.name)
        self.set_up(False, now)


def _ending(message: ScriptFinished) -> str:
    """How a run ended, in words."""
    if message.timed_out:
        return "timed out"
    return f"killed by signal {message.signal}" if message.signal else f"exit status {message.status}"


class TrackedFile:
    """A track_file: its number times a weight goes to the priority, or decides about a fault."""

    def __init__(self, config: TrackFile, context: Context) -> None:
        self.config = config
        self.name = config.name
        self.context = context
        self.value = 0
        self.known = False
        self.uses: list[Use] = []

    def receive(self, content: bytes | None, now: int) -> None:
        value = leading_number(content or b"")
        if not -(1 << 31) <= value < 1 << 31:
            text = messages.FILE_INVALID % (value, self.config.path)
            self.context.outbox.log(text, FILE=self.name)
            return
        if self.known and value == self.value:
            return
        self.value = value
        self.known = True
        self.tell(now)

    def tell(self, now: int) -> None:
        if not self.known:
            return
        for use in self.uses:
            self._tell_use(use, now)

    def _tell_use(self, use: Use, now: int) -> None:
        cause = Cause("file_value", self.name, str(self.value), now, use.at)
        amount = 0
        if use.weight == 0:
            fault = (self.value != 0) is not use.reverse
        else:
            amount = self.value * use.weight * (-1 if use.reverse else 1)
            fault = amount <= WEIGHT_FAULT
            amount = 0 if fault else min(amount, 253)
        name, is_fault = use.instance.name, use.key in use.instance.faults
        if fault != is_fault and use.instance.state is not State.INIT:
            text = messages.FILE_FAULT if fault else messages.FILE_LEAVES
            self.context.outbox.log(text % (name, self.name), detail=messages.DETAIL, INSTANCE=name)
        if fault:
            use.instance.add_fault(use.key, cause, now)
        use.instance.contribute(use.key, amount, cause, now)
        if not fault:
            use.instance.remove_fault(use.key, now)


class TrackedProcess(Tracked):
    """A vrrp_track_process: good while the number of matching processes is within its quorum.

    A change that comes with more processes waits for fork_delay, one with fewer for terminate_delay.
    """

    KIND = "process"

    def __init__(self, config: TrackProcess, context: Context) -> None:
        super().__init__(config.name, context)
        self.config = config
        self.count = 0
        self._timer = Timer(context.timers, self._settle)
        self.timer_is_fork = False

    @property
    def timer_expires(self) -> int | None:
        return self._timer.when

    def _within(self) -> bool:
        low, high = self.config.quorum, self.config.quorum_max
        return self.count >= low and (high is None or self.count <= high)

    def receive(self, count: int, now: int) -> None:
        more = count > self.count
        self.count = count
        if self.up is None:
            self.set_up(self._within(), now)
            return
        if self._within() is self.up:
            self._timer.cancel()
            return
        delay_us = self.config.fork_delay_us if more else self.config.terminate_delay_us
        if not delay_us:
            self._settle(now, now)
        elif self._timer.when is None:
            self.timer_is_fork = more
            self._timer.set(now + delay_us * NANOSECONDS_PER_MICROSECOND)

    def _settle(self, now: int, due: int) -> None:
        self._timer.cancel()
        if self._within() is self.up:
            return
        word = "gained" if self._within() else "lost"
        self.context.outbox.log(messages.QUORUM % (word, self.name), PROCESS=self.name)
        self.set_up(self._within(), now)

    def inherit(self, older: TrackedProcess) -> None:
        self.count = older.count
        self.up = self._within() if older.up is not None else None

    def stop(self) -> None:
        self._timer.cancel()
