"""Forking the D-Bus helper. What it needs (asyncio, dbus-fast) is imported in the new process, never in its owner."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket

MAX_MESSAGE = 1 << 20


def fork_helper() -> tuple[int, socket.socket]:
    """Fork the helper; returns its process id and our end of the connection (non-blocking). Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_MESSAGE)
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        status = 1
        try:
            _isolate(theirs)
            from pykeepalived.notify.bus_helper import serve

            serve(theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    ours.setblocking(False)
    return pid, ours


def _isolate(connection: socket.socket) -> None:
    """Keep nothing of the owner's but the connection; its end is the only thing that ends us."""
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    keep = connection.fileno()
    if keep > 3:
        os.closerange(3, keep)
    os.closerange(keep + 1, max(keep + 1, os.sysconf("SC_OPEN_MAX")))
