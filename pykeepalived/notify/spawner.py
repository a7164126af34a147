"""The script helper: a small process that forks and executes scripts so that its owner never has to fork.

Forking a process of 60 MB and waiting for an exec stalls its event loop for milliseconds, and a process that has given
up its privileges for good cannot run what needs them. The helper is forked once, by the owner or by the owner's parent;
from then on the owner only writes a datagram a script. Which scripts run, for how long and what their end means is
scripts.py; nothing is decided here.

The owner's death ends the helper: it terminates the scripts that still run, and leaves.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import marshal
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pykeepalived.runtime.forking import fork

RUN, KILL = 0, 1
STARTED, FAILED, ENDED = 0, 1, 2
EXECUTE, SHELL, FILE_TEST = 0, 1, 2

MAX_MESSAGE = 262_144
"""Largest request in bytes: command words, arguments and names together."""

_REMOVED_VARIABLES = ("IFS", "LD_PRELOAD", "LD_LIBRARY_PATH")
_PR_SET_PDEATHSIG = 1
_ORPHAN_GRACE_S = 1.0

Limits = Mapping[int, tuple[int, int]]
"""Resource limits (RLIMIT_* to soft and hard value) that scripts get instead of the daemon's."""


def connection_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends between owner and helper: the owner's (non-blocking), the helper's. Raises OSError.

    The owner may write requests before there is a helper; the end of the last copy of the helper's end tells it that
    there will be none.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def fork_helper(connection: socket.socket, limits: Limits, prepare: Callable[[], object] = lambda: None) -> int:
    """Fork a helper that serves this end of a connection pair; returns its process id. Raises OSError.

    Closes our copy of `connection`, also on failure. `prepare` is called in the helper before it serves: its name and
    its capabilities. It keeps the right to gain privileges, which scripts may need, so it has to be forked by a process
    that has it.
    """

    def work() -> int:
        prepare()
        _Helper(connection, limits).serve()
        return 0

    try:
        return fork(work)
    finally:
        connection.close()


def shell_words(words: tuple[str, ...]) -> str:
    """A command line for sh(1) in which every word is quoted."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


class _Helper:
    """The serving loop: requests from the owner, deaths of scripts."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._by_pid: dict[int, int] = {}
        self._by_number: dict[int, int] = {}
        self._killed: set[int] = set()
        self._pid = os.getpid()
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._environment = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
        self._prctl: Any = ctypes.CDLL(None, use_errno=True).prctl

    def serve(self) -> None:
        gc.disable()
        self._close_inherited()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._take_signals(wake_write)
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            self._reap()
            if not self._read_request():
                break
        self._leave()

    def _close_inherited(self) -> None:
        """Keep nothing of the owner's but the connection: a copy of a raw socket would swallow packets."""
        number = self._connection.fileno()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        if number > 3:
            os.closerange(3, number)
        os.closerange(number + 1, max(number + 1, os.sysconf("SC_OPEN_MAX")))

    def _take_signals(self, wake: int) -> None:
        """The helper outlives signals meant for the whole group: the scripts of a stop still have to run.

        Handlers that do nothing are used instead of SIG_IGN because exec sets them back to the default.
        """
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, _noted)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        with contextlib.suppress(OSError):
            # A batch process does not push its owner off the processor when it is woken by a request.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        for limit, values in self._limits.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, values)

    def _read_request(self) -> bool:
        """Serve what is waiting; False when the owner is gone."""
        while True:
            try:
                data = self._connection.recv(MAX_MESSAGE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            request = marshal.loads(data)
            if request[0] == RUN:
                self._run(*request[1:])
            else:
                self._kill(request[1], request[2])

    def _run(
        self, number: int, kind: int, path: str, words: tuple[str, ...], account: tuple[int, int, str | None]
    ) -> None:
        # Until the new process has the default action, its SIGTERM waits: our handler would swallow it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        try:
            pid = os.fork()
            if pid == 0:
                self._become(number, kind, path, words, account)
        except OSError as error:
            self._say((FAILED, number, error.errno or 0, "fork"))
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._by_pid[pid] = number
        self._by_number[number] = pid
        self._say((STARTED, number, pid))

    def _become(
        self, number: int, kind: int, path: str, words: tuple[str, ...], account: tuple[int, int, str | None]
    ) -> NoReturn:
        """In the forked process: turn into the script."""
        step = "setpgid"
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
            step = "account"
            self._take_account(account)
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            self._prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != self._pid:
                os._exit(127)  # the helper was killed before we could ask to die with it
            step = "exec"
            if kind == FILE_TEST:
                self._test_file(path)
            elif kind == SHELL:
                os.execve("/bin/sh", ("sh", "-c", shell_words(words)), self._environment)
            else:
                os.execve(path, words, self._environment)
        except OSError as error:
            self._say((FAILED, number, error.errno or 0, step))
        except BaseException as error:
            self._say((FAILED, number, 0, f"{step}: {error!r}"))
        os._exit(127)

    def _take_account(self, account: tuple[int, int, str | None]) -> None:
        """Group first, then groups, then user. `user` is given when all groups of the user are wanted."""
        uid, gid, user = account
        if (uid, gid) == (self._uid, self._gid) and user is None:
            return
        if gid != self._gid:
            os.setresgid(gid, gid, gid)
        if user is not None:
            os.initgroups(user, gid)
        else:
            os.setgroups((gid,))
        if uid != self._uid:
            os.setresuid(uid, uid, uid)

    def _test_file(self, path: str) -> NoReturn:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            os._exit(1)
        os._exit(0)

    def _kill(self, number: int, signum: int) -> None:
        """Signal the process group of a script that has not been reaped."""
        pid = self._by_number.get(number)
        if pid is None:
            return
        self._killed.add(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signum)

    def _reap(self) -> None:
        """Report every script that has ended. The rest of a group that we terminated is killed with it."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            number = self._by_pid.pop(pid, None)
            if number in self._killed:
                self._killed.discard(number)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if number is not None:
                self._by_number.pop(number, None)
                self._say((ENDED, number, os.waitstatus_to_exitcode(status)))

    def _say(self, message: tuple[int | str, ...]) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(marshal.dumps(message))

    def _leave(self) -> None:
        """The owner is gone: end what still runs."""
        self._connection.close()
        for pid in self._by_pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGTERM)
        end = time.monotonic() + _ORPHAN_GRACE_S
        while self._by_pid and time.monotonic() < end:
            self._reap()
            time.sleep(0.02)
        for pid in self._by_pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _noted(_signum: int, _frame: object) -> None:
    """Only wakes the poll."""
