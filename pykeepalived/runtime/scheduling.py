"""Priority, real-time class, CPU list, memory lock and process name of a child. A refusal is logged, never fatal."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Callable, Iterator, Mapping

from pykeepalived.config.model.globals import Scheduling
from pykeepalived.runtime.log import Log

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_TIMERSLACK, _PR_SET_CHILD_SUBREAPER = 1, 15, 29, 36
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_COMM_MAX = 15
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")
"""struct sched_attr: size, policy, flags (1 = reset on fork), nice, priority, runtime, deadline, period."""

TURN_NS = 100_000
"""The shortest turn that the kernel grants."""

LEAST_RTTIME_US = 500_000
"""A lower limit would kill a process in the middle of a takeover of hundreds of instances: this program works longer
between two sleeps than one in C, for which limits are usually chosen."""

_WAY = 10
"""Nice values: a tenth of the weight. Where sessions or services are scheduled as groups, it counts within ours alone.
"""

_FIRST = -20
"""The nice value than which there is no better one."""

_libc: ctypes.CDLL | None = None
_given_way: int | None = None
_started_with: dict[int, tuple[int, int]] = {}


def _c_library() -> ctypes.CDLL:
    global _libc
    if _libc is None:
        _libc = ctypes.CDLL(None, use_errno=True)
    return _libc


def _prctl(option: int, value: int | bytes) -> None:
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    if _c_library().prctl(option, argument, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def set_process_name(name: str) -> None:
    """The name in ps -o comm and /proc/PID/comm; the kernel keeps 15 bytes."""
    with contextlib.suppress(OSError):
        _prctl(_PR_SET_NAME, name.encode()[:_COMM_MAX])


def set_parent_death_signal(signum: int) -> None:
    """Get `signum` when the parent process dies. The caller must then check that it has not died before."""
    _prctl(_PR_SET_PDEATHSIG, signum)


def set_child_subreaper() -> None:
    """Orphans of our children (scripts of a dead child) become our children, so that they can be reaped."""
    with contextlib.suppress(OSError):
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def exact_timers() -> None:
    """Lower the timer slack from 50 microseconds to the least, so that sleeps end on time."""
    with contextlib.suppress(OSError):
        _prctl(_PR_SET_TIMERSLACK, 1)


def short_turns(nice: int) -> None:
    """Ask the normal scheduler for short turns on the processor: who wakes up for one waits less for busy others.

    Costs nothing and needs no privilege. Linux 6.12 or newer (sched_setattr(2), sched_runtime of SCHED_OTHER); on other
    kernels and machines nothing happens. Children (scripts) do not inherit it.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is not None:
        attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_OTHER, 1, nice, 0, TURN_NS, 0, 0)
        _c_library().syscall(number, 0, ctypes.c_char_p(attributes), 0)


def give_way() -> None:
    """Lower the priority for long work: it must not hold up the processes of the daemon that have to be on time.

    Only where this process may `stand_up` again (CAP_SYS_NICE, RLIMIT_NICE). Children of `forking.fork` begin standing.
    """
    global _given_way
    if _given_way is not None:
        return
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    if usual == _FIRST:
        return  # whether there is a way back cannot be tried
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, usual - 1)
        os.setpriority(os.PRIO_PROCESS, 0, usual + _WAY)
        _given_way = usual


def stand_up() -> None:
    """Back to the priority before `give_way`."""
    global _given_way
    if _given_way is not None:
        os.setpriority(os.PRIO_PROCESS, 0, _given_way)
        _given_way = None


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """Both, around the body."""
    give_way()
    try:
        yield
    finally:
        stand_up()


class ChildScheduling:
    """Applies the scheduling settings of one child, and takes them back while it does long work or runs a script.

    `name` is the word used in log lines (`vrrp`, `checker`, `bfd`). `max_auto` and `min_delay_us` are
    max_auto_priority and min_auto_priority_delay of keepalived.conf(5).
    """

    def __init__(self, name: str, settings: Scheduling, log: Log, max_auto: int | None, min_delay_us: int) -> None:
        self._name = name
        self._settings = settings
        self._log = log
        self._max_auto = max_auto or 0
        self.min_auto_delay_ns = min_delay_us * 1000
        self._real_time = 0
        self._undo: list[Callable[[], object]] = []

    def apply_at_start(self) -> None:
        """What may be in force while the child starts: nice value, CPUs, memory lock."""
        settings = self._settings
        exact_timers()
        if settings.priority and not settings.rt_priority:
            nice = os.getpriority(os.PRIO_PROCESS, 0)
            self._undo.append(lambda: os.setpriority(os.PRIO_PROCESS, 0, nice))
            self._attempt(
                f"Unable to set priority {settings.priority}",
                lambda: os.setpriority(os.PRIO_PROCESS, 0, settings.priority),
            )
        if self._name != "checker" and not settings.rt_priority:
            short_turns(os.getpriority(os.PRIO_PROCESS, 0))
        if settings.cpu_affinity:
            processors = os.sched_getaffinity(0)
            self._undo.append(lambda: os.sched_setaffinity(0, processors))
            self._attempt("Unable to set CPU affinity", lambda: os.sched_setaffinity(0, settings.cpu_affinity))
        if settings.no_swap:
            self._undo.append(_unlock_memory)
            self._attempt("Unable to lock process in memory", _lock_memory)

    def apply_real_time(self) -> None:
        """SCHED_RR with a limit on CPU time without a pause: the soft limit (half) warns, the hard one kills.

        To be called when the child is ready: building its state takes longer than the limit allows.
        """
        settings = self._settings
        if settings.rt_priority:
            self._set_real_time(settings.rt_priority)
            self._limit()

    def take_back(self) -> None:
        """Undo what is in force: a reload brings other settings."""
        if self._real_time:
            self._undo.append(lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)))
            self._real_time = 0
        while self._undo:
            self._attempt("Unable to undo scheduling settings", self._undo.pop())

    def raise_priority(self, late_ns: int) -> None:
        """A timer was found overdue: log it, and take the next real-time priority if max_auto_priority allows."""
        self._log.info(
            f"A thread timer expired {late_ns // 1_000_000_000}.{late_ns // 1000 % 1_000_000:06d} seconds ago"
        )
        if self._real_time < self._max_auto:
            self._log.info(f"Set realtime priority {self._real_time + 1}")
            self._set_real_time(self._real_time + 1)

    @contextlib.contextmanager
    def normal(self) -> Iterator[None]:
        """Run the body with the normal class; a reload takes longer than RLIMIT_RTTIME allows."""
        if not self._real_time:
            yield
            return
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        try:
            yield
        finally:
            self._set_real_time(self._real_time)

    def _limit(self) -> None:
        hard = max(self._settings.rlimit_rttime_us, LEAST_RTTIME_US)
        self._attempt(
            "Unable to set rlimit_rttime",
            lambda: resource.setrlimit(resource.RLIMIT_RTTIME, (hard // 2, hard)),
        )

    def _set_real_time(self, priority: int) -> None:
        def change() -> None:
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
            self._real_time = priority

        self._attempt(f"Unable to set realtime priority {priority}", change)

    def _attempt(self, failure: str, change: Callable[[], object]) -> None:
        try:
            change()
        except (OSError, ValueError) as error:
            self._log.warning(f"{self._name}: {failure} - {getattr(error, 'strerror', None) or error}")


def _lock_memory() -> None:
    if _c_library().mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _unlock_memory() -> None:
    _c_library().munlockall()


def remember_limits() -> None:
    """Note the resource limits the daemon was started with, before it changes its own. For the whole process tree."""
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
        _started_with[what] = resource.getrlimit(what)


def original_limits() -> Mapping[int, tuple[int, int]]:
    """The limits that scripts get back: those noted by `remember_limits`."""
    return _started_with


def raise_open_files_limit(least: int, log: Log) -> None:
    """Allow at least `least` open descriptors (RLIMIT_NOFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= least:
        return
    if hard != resource.RLIM_INFINITY and hard < least:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (least, least))
            return
        except (OSError, ValueError):
            log.warning(f"Unable to allow {least} open files, {hard} must do")
            least = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
