"""Signals that come before there are handlers for them: what stops or reloads the daemon waits, dumps are forgotten.

Imported before anything else is, so it imports nothing of ours. The handlers are installed elsewhere, by the parent and
by each child; they call `release` when they are there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
_WAITING = STOPPING | {signal.SIGHUP}
_FORGOTTEN = frozenset({signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMAX - 1, signal.SIGRTMIN + 2})


def hold() -> set[int]:
    """Let all of them wait, as long as nobody knows whether this becomes a daemon; returns the mask of before."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING | _FORGOTTEN)


def let_go(before: Iterable[int]) -> None:
    """It does not become one: undo `hold`. What has waited takes effect."""
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin() -> None:
    """In a process of the daemon: hold what stops or reloads it and nothing else, whatever the starter has blocked."""
    for signum in _FORGOTTEN:
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, _WAITING)


def stop_waits() -> bool:
    """Whether a signal that stops the daemon has come and waits."""
    return not STOPPING.isdisjoint(signal.sigpending())


def pass_on(pid: int) -> None:
    """Send what waits here to a process that takes this one's place."""
    for signum in _WAITING & signal.sigpending():
        os.kill(pid, signum)


def release() -> None:
    """There are handlers now: nothing waits any more."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
