"""Running scripts from an event loop without ever waiting for one: start, timeout, termination, result.

The fork and the exec happen in a helper process (spawner.py); what is run, and in which order, is decided by others
(notify/queue.py, the track script and MISC_CHECK cores). Process rules: keepalived(8), keepalived.conf(5) SCRIPTS.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from pykeepalived.config.model.values import Script
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.notify import spawner
from pykeepalived.notify.contract import Logger
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop, Timer
from pykeepalived.runtime.scheduling import original_limits

NS = 1_000_000_000
KILL_AFTER_NS = 2 * NS
"""From SIGTERM to SIGKILL, and from that to the complaint that the script does not die."""
KILL_AGAIN_NS = 10 * NS
START_NS = 10 * NS
"""How much longer than its timeout a run may take that the helper has not begun: the helper is being forked."""
REPEAT_NS = NS
"""A run that its helper took with it a second time within this time is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptResult:
    """How a run ended. Exactly one of `status` (0..255), `signal` and `failed_to_start` (a reason) is set.

    `timed_out` may stand beside `status` or `signal`: we terminated the script because its time was up.
    """

    status: int | None = None
    signal: int | None = None
    timed_out: bool = False
    failed_to_start: str = ""
    pid: int = 0
    duration_ns: int = 0

    @property
    def success(self) -> bool:
        return self.status == 0 and not self.timed_out


Done = Callable[[ScriptResult], object]
ForkHelper = Callable[[socket.socket], int]
"""Has a helper forked that serves this end of a connection, and closes our copy of it. The result is the process id of
the helper, or 0 when somebody else forks it and collects it. Raises OSError."""


def _own_helper(connection: socket.socket) -> int:
    """Fork a helper of this process. Scripts get the limits the daemon was started with, before it raised its own."""
    return spawner.fork_helper(connection, original_limits())


class ScriptRun:
    """One run of a script, from ScriptRunner.start to its end. `pid` is 0 until the helper has forked it."""

    __slots__ = (
        "_request",
        "_runner",
        "_sent_again_ns",
        "_timer",
        "done",
        "name",
        "number",
        "pid",
        "repeatable",
        "script",
        "started_ns",
        "state",
        "timed_out",
        "timeout_ns",
    )

    def __init__(self, runner: ScriptRunner, number: int, script: Script, name: str, done: Done | None) -> None:
        self._runner = runner
        self._timer: Timer | None = None
        self._request: tuple[Any, ...] = ()
        self._sent_again_ns: int | None = None
        self.repeatable = False
        self.timeout_ns: int | None = None
        self.number = number
        self.script = script
        self.name = name
        self.done = done
        self.pid = 0
        self.started_ns = 0
        self.timed_out = False
        self.state = "running"
        """running, requested termination, forcing termination, or idle when it has ended; the words of dumps."""

    @property
    def running(self) -> bool:
        return self.state != "idle"

    def terminate(self, grace_ns: int = KILL_AFTER_NS) -> None:
        """SIGTERM to the process group now, SIGKILL after `grace_ns`. Harmless once it has ended."""
        if self.state == "running":
            self._runner._terminate(self, grace_ns)


class ScriptRunner:
    """Starts scripts and follows them. `prepare` when nothing is urgent; else the first start makes the helper.

    A helper that dies is replaced: what it had not begun, and what may be repeated, runs again in the new one.
    """

    def __init__(self, loop: Loop, log: Logger, fork_helper: ForkHelper | None = None) -> None:
        self._loop = loop
        self._log = log
        self._fork_helper = fork_helper or _own_helper
        self._runs: dict[int, ScriptRun] = {}
        self._number = 0
        self._connection: socket.socket | None = None
        self._helper_pid = 0
        self._unsent: deque[bytes] = deque()
        self._all_ended: Callable[[], object] | None = None

    @property
    def running(self) -> int:
        """How many scripts run at this moment."""
        return len(self._runs)

    def prepare(self) -> None:
        """Have the helper made if there is none: time that a later start then does not cost."""
        if self._connection is None:
            try:
                ours, theirs = spawner.connection_pair()
                self._helper_pid = self._fork_helper(theirs)
            except OSError as error:
                self._log.write(LogLine(f"Failed fork of script process: {error.strerror}", Priority.ERROR))
                return
            self._connection = ours
            self._loop.add_reader(ours, self._read)

    def start(
        self,
        script: Script,
        arguments: tuple[str, ...] = (),
        timeout_ns: int | None = None,
        done: Done | None = None,
        name: str = "",
        repeatable: bool = False,
    ) -> ScriptRun:
        """Run `script` with `arguments` behind its own words; returns at once.

        `done` is called once, never from within this call, when the script has ended and is reaped. `timeout_ns` after
        it began its process group gets SIGTERM, two seconds later SIGKILL. `name` is what log lines call it.
        `repeatable` says that running it again does no harm (a check, a reader): its end with a killed helper is then
        not its result.
        """
        self._number += 1
        run = ScriptRun(self, self._number, script, name or script.command_line, done)
        run.started_ns = self._loop.now()
        self._runs[run.number] = run
        self.prepare()
        account = script.account
        user = account.user if account.supplementary and account.user else None
        run.repeatable = repeatable
        run._request = (
            spawner.RUN,
            run.number,
            spawner.FILE_TEST if script.file_test else spawner.SHELL if script.shell else spawner.EXECUTE,
            script.path or script.words[0],
            script.words + arguments,
            (account.uid, account.gid, user),
        )
        run.timeout_ns = timeout_ns
        self._submit(run)
        return run

    def _submit(self, run: ScriptRun) -> None:
        self._send(run._request, run)
        if run.timeout_ns is not None and run.running:
            self._arm(run, run.timeout_ns + START_NS, lambda: self._time_out(run))

    def terminate_all(self, grace_ns: int = NS, done: Callable[[], object] | None = None) -> None:
        """SIGTERM to every running script, SIGKILL after `grace_ns`; `done` when the last has been reaped."""
        self._all_ended = done
        for run in list(self._runs.values()):
            run.terminate(grace_ns)
        self._check_all_ended()

    def reap(self) -> None:
        """To be called on SIGCHLD: collects the helper if it died (scripts are its children, not ours)."""
        if self._helper_pid:
            with contextlib.suppress(ChildProcessError):
                pid, _ = os.waitpid(self._helper_pid, os.WNOHANG)
                if not pid:
                    return
            self._helper_pid = 0

    def close(self) -> None:
        """Let go of the helper: it terminates what still runs and leaves. No `done` is called any more."""
        for run in self._runs.values():
            if run._timer is not None:
                run._timer.cancel()
        self._runs.clear()
        self._drop_connection()

    # to the helper

    def _send(self, request: tuple[Any, ...], run: ScriptRun | None = None) -> None:
        data = marshal.dumps(request)
        if self._connection is None or len(data) > spawner.MAX_MESSAGE // 2:
            if run is not None:
                reason = "no script process" if self._connection is None else os.strerror(errno.E2BIG)
                self._loop.call_at(self._loop.now(), lambda: self._end(run, ScriptResult(failed_to_start=reason)))
            return
        if not self._unsent:
            try:
                self._connection.send(data)
                return
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
            except OSError:
                return  # the end of the connection is seen by _read
        self._unsent.append(data)

    def _flush(self) -> None:
        while self._unsent and self._connection is not None:
            try:
                self._connection.send(self._unsent[0])
            except BlockingIOError:
                return
            except OSError:
                self._unsent.clear()
                break
            self._unsent.popleft()
        if self._connection is not None:
            self._loop.remove_writer(self._connection)

    # from the helper

    def _read(self) -> None:
        while self._connection is not None:
            try:
                data = self._connection.recv(spawner.MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._helper_died()
                return
            kind, number, *rest = marshal.loads(data)
            run = self._runs.get(number)
            if run is None:
                continue
            if kind == spawner.STARTED:
                self._started(run, rest[0])
            elif kind == spawner.FAILED:
                self._failed(run, rest[0], rest[1])
            else:
                self._ended(run, rest[0])

    def _helper_died(self) -> None:
        """Somebody killed the helper: its scripts got SIGTERM from the kernel. Go on with a new one."""
        self._log.write(LogLine("Script process died - restarting it", Priority.ERROR))
        self._drop_connection()
        now = self._loop.now()
        for run in list(self._runs.values()):
            again = run._sent_again_ns is None or now - run._sent_again_ns >= REPEAT_NS
            if again and run.state == "running" and (run.repeatable or not run.pid):
                run._sent_again_ns, run.pid = now, 0
                self.prepare()
                self._submit(run)
            else:
                text = f"Script {run.name} has ended with the script process, its result is not known"
                self._log.write(LogLine(text, Priority.WARNING, fields={"SCRIPT": run.name}))
                self._end(run, ScriptResult(failed_to_start="script process died", pid=run.pid))

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()
            self._connection = None
        self._unsent.clear()

    def _started(self, run: ScriptRun, pid: int) -> None:
        """Its time begins now."""
        run.pid = pid
        if run.timeout_ns is not None and run.state == "running":
            self._arm(run, run.timeout_ns, lambda: self._time_out(run))

    def _failed(self, run: ScriptRun, number: int, step: str) -> None:
        reason = os.strerror(number) if number else step
        if step == "exec":
            text = f"Error exec-ing command '{run.script.words[0]}', error {number}: {reason}"
        elif step == "account":
            account = run.script.account
            text = f"Couldn't set account {account.uid}:{account.gid} for script {run.name}: {reason}"
        else:
            text = f"Failed to start script {run.name}: {reason}"
        self._log.write(LogLine(text, Priority.WARNING, fields={"SCRIPT": run.name}))
        self._end(run, ScriptResult(failed_to_start=reason, pid=run.pid, duration_ns=self._age(run)))

    def _ended(self, run: ScriptRun, code: int) -> None:
        if run.script.shell and code in (126, 127):
            verb = "find" if code == 127 else "execute"
            self._log.write(LogLine(f"Couldn't {verb} command: {run.script.command_line}", fields={"SCRIPT": run.name}))
        status, signum = (code, None) if code >= 0 else (None, -code)
        result = ScriptResult(
            status=status, signal=signum, timed_out=run.timed_out, pid=run.pid, duration_ns=self._age(run)
        )
        self._end(run, result)

    def _age(self, run: ScriptRun) -> int:
        return self._loop.now() - run.started_ns

    def _end(self, run: ScriptRun, result: ScriptResult) -> None:
        if self._runs.pop(run.number, None) is None:
            return
        if run._timer is not None:
            run._timer.cancel()
        run.state = "idle"
        if run.done is not None:
            run.done(result)
        self._check_all_ended()

    def _check_all_ended(self) -> None:
        if not self._runs and self._all_ended is not None:
            done, self._all_ended = self._all_ended, None
            done()

    # termination

    def _time_out(self, run: ScriptRun) -> None:
        run.timed_out = True
        self._terminate(run, KILL_AFTER_NS)

    def _terminate(self, run: ScriptRun, grace_ns: int) -> None:
        run.state = "requested termination"
        self._send((spawner.KILL, run.number, int(signal.SIGTERM)))
        self._arm(run, grace_ns, lambda: self._kill(run))

    def _kill(self, run: ScriptRun) -> None:
        run.state = "forcing termination"
        self._send((spawner.KILL, run.number, int(signal.SIGKILL)))
        self._arm(run, KILL_AFTER_NS, lambda: self._kill_again(run))

    def _kill_again(self, run: ScriptRun) -> None:
        text = f"Script {run.name} child (PID {run.pid}) failed to terminate after kill"
        self._log.write(LogLine(text, Priority.WARNING, fields={"SCRIPT": run.name}))
        self._send((spawner.KILL, run.number, int(signal.SIGKILL)))
        self._arm(run, KILL_AGAIN_NS, lambda: self._kill_again(run))

    def _arm(self, run: ScriptRun, delay_ns: int, callback: Callable[[], object]) -> None:
        if run._timer is not None:
            run._timer.cancel()
        run._timer = self._loop.call_at(self._loop.now() + delay_ns, callback)
