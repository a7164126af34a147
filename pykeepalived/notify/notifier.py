"""Everything a child has to tell the world, behind one object: scripts in order, FIFOs, mail, D-Bus, SNMP traps.

Performs the effects of queue.py and decides nothing. The child builds its notifications with messages.py.
"""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.fifo import NotifyFifos
from pykeepalived.notify.mail import Mailer
from pykeepalived.notify.queue import (
    BusSignal,
    EmitSignal,
    GaveUpWaiting,
    Message,
    Notification,
    NotificationQueue,
    RunScript,
    ScriptEnded,
    SendMail,
    SendTrap,
    Trap,
    WriteFifo,
)
from pykeepalived.notify.scripts import ScriptRunner
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop, Timer

NS = 1_000_000_000
MAIL_GRACE_NS = NS
"""How long a stopping process waits for its last mails."""
SCRIPT_GRACE_NS = NS
"""How long it waits for scripts that were running when it began to stop, and from their SIGTERM to their SIGKILL."""
FINAL_GRACE_NS = 3 * NS
"""The same when there are scripts for the stop itself: they may have waited a second, and get one each."""


class Notifier:
    """`kind` is "vrrp" or "lvs". `on_signal` and `on_trap` take what goes to D-Bus and SNMP, when they are enabled.

    `runs_global_script` is false for the checker when a VRRP process shares the global FIFO: one reader is enough.
    """

    def __init__(
        self, loop: Loop, log: Logger, runner: ScriptRunner, kind: str, runs_global_script: bool = True
    ) -> None:
        self._loop = loop
        self._log = log
        self._runner = runner
        self._queue = NotificationQueue()
        self._fifos = NotifyFifos(runner, log, kind, runs_global_script)
        self._mailer: Mailer | None = None
        self._timer = loop.idle_timer(self._tick)
        self._when_done: Callable[[], object] | None = None
        self._limit: Timer | None = None
        self.on_signal: Callable[[BusSignal], object] | None = None
        self.on_trap: Callable[[Trap], object] | None = None

    def configure(self, settings: GlobalDefs, runs_global_script: bool | None = None) -> None:
        """Take over the settings of a start or a reload: FIFOs are opened and closed, their scripts restarted."""
        self._fifos.configure(settings, runs_global_script)
        if self._mailer is None:
            self._mailer = Mailer(self._loop, self._log, settings.smtp)
        else:
            self._mailer.configure(settings.smtp)

    def send(self, notification: Notification) -> None:
        """Tell it: FIFO line, mail, signal and trap at once, scripts when their predecessors have ended."""
        self._receive(notification)

    def finish(self, done: Callable[[], object]) -> None:
        """At stop, after the last notification: close everything and call `done` when scripts and mails have ended.

        The wait is bounded: by FINAL_GRACE_NS and SCRIPT_GRACE_NS for scripts, then MAIL_GRACE_NS for mails.
        """
        self._when_done = done
        grace = FINAL_GRACE_NS if self._queue.final else SCRIPT_GRACE_NS
        self._limit = self._loop.call_at(self._loop.now() + grace, self._cut_short)
        self._check_done()

    def close(self) -> None:
        """Let go of FIFOs and connections."""
        self._timer.cancel()
        self._fifos.close()
        if self._mailer is not None:
            self._mailer.close()

    def _receive(self, message: Message) -> None:
        self._queue.receive(message, self._loop.now())
        self._perform()

    def _tick(self) -> None:
        self._queue.tick(self._loop.now())
        self._perform()

    def _perform(self) -> None:
        for effect in self._queue.drain():
            match effect:
                case WriteFifo(line):
                    self._fifos.write(line)
                case RunScript():
                    self._run(effect)
                case SendMail(mail):
                    if self._mailer is not None:
                        self._mailer.send(mail)
                case EmitSignal(signal):
                    if self.on_signal is not None:
                        self.on_signal(signal)
                case SendTrap(trap):
                    if self.on_trap is not None:
                        self.on_trap(trap)
                case GaveUpWaiting(call, successor):
                    self._log.write(
                        LogLine(
                            f"Script {call.script.command_line} still runs, "
                            f"no longer delaying {successor.script.command_line}",
                            Priority.WARNING,
                        )
                    )
        deadline = self._queue.deadline()
        if deadline is None:
            self._timer.cancel()
        else:
            self._timer.move(deadline)
        self._check_done()

    def _run(self, effect: RunScript) -> None:
        token = effect.token
        self._runner.start(
            effect.call.script,
            effect.call.arguments,
            effect.timeout_ns,
            lambda _result: self._receive(ScriptEnded(token)),
        )

    def _cut_short(self) -> None:
        self._queue.forget_waiting()
        self._runner.terminate_all(SCRIPT_GRACE_NS)
        self._check_done()

    def _check_done(self) -> None:
        if self._when_done is None or not self._queue.idle:
            return
        done, self._when_done = self._when_done, None
        if self._limit is not None:
            self._limit.cancel()
        self._finish_mails(done)

    def _finish_mails(self, done: Callable[[], object]) -> None:
        called = False

        def finished() -> None:
            nonlocal called
            if not called:
                called = True
                limit.cancel()
                self.close()
                done()

        limit = self._loop.call_at(self._loop.now() + MAIL_GRACE_NS, finished)
        if self._mailer is None:
            finished()
        else:
            self._mailer.when_idle(finished)
