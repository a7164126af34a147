"""Forking a process that goes on with what its parent has loaded: what is common to children and check workers.

Who is forked when, and what becomes of it, is the business of parent/launch.py and ipvs/workers.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable

from pykeepalived.runtime.child_loop import EXIT_INTERNAL
from pykeepalived.runtime.scheduling import stand_up


def fork(work: Callable[[], int]) -> int:
    """Run `work` in a new process that then exits with its result; return the pid. Raises OSError.

    Signals are blocked when `work` begins, and handlers are the parent's: it has to call `fresh_signals` itself.
    """
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            status = EXIT_INTERNAL
            try:
                stand_up()
                status = work()
            except BaseException:
                with contextlib.suppress(BaseException):
                    traceback.print_exc()
            finally:
                os._exit(status)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def fresh_signals() -> None:
    """Forget the parent's handlers; while signals are blocked none can reach the parent's wakeup descriptor."""
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            if callable(signal.getsignal(signum)):
                signal.signal(signum, signal.SIG_DFL)


def close_all_but(keep: set[int]) -> None:
    """Close every inherited descriptor that is not the child's business."""
    first = 3
    for fd in sorted(fd for fd in keep if fd >= first):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, _highest_descriptor() + 1)


def _highest_descriptor() -> int:
    try:
        return max(int(name) for name in os.listdir("/proc/self/fd"))
    except (OSError, ValueError):
        return int(os.sysconf("SC_OPEN_MAX"))
