"""A forked child, before its own code has taken over."""

from __future__ import annotations

import os
import select
import signal
import socket

import pytest

from pykeepalived.config.model import Config
from pykeepalived.parent.launch import ForkLauncher
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import ChildKind


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMAX - 1])
def test_a_signal_that_comes_before_the_handlers_ends_no_child(signum):
    def child(_context):
        os.kill(os.getpid(), signum)
        return 7

    former = signal.signal(signum, lambda number, frame: None)  # the parent has handlers of its own
    try:
        launcher = ForkLauncher(
            runs={ChildKind.BFD: child},
            options=DaemonOptions(),
            open_log=lambda kind: Log(),
            pid_files={},
        )
        pid, sock = launcher.launch(ChildKind.BFD, Config(), 1, False)
        with sock:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    finally:
        signal.signal(signum, former)


def test_the_vrrp_child_sees_the_parents_signals_while_the_parent_is_busy():
    """The number of a signal comes in before the parent has run any code of its own."""

    def child(context):
        if context.signal_fd < 0:
            return 1
        with socket.socket(fileno=context.signal_fd) as signals:
            return 7 if select.select([signals], [], [], 20)[0] and signal.SIGTERM in signals.recv(9) else 2

    before = signal.getsignal(signal.SIGTERM)
    loop = Loop()
    try:
        assert loop.signal_fd == -1
        loop.on_signal(signal.SIGTERM, lambda: None)
        launcher = ForkLauncher(
            runs={ChildKind.VRRP: child, ChildKind.CHECKER: child},
            options=DaemonOptions(),
            open_log=lambda kind: Log(),
            pid_files={},
            signal_fd=lambda: loop.signal_fd,
        )
        ends = []
        for kind in (ChildKind.VRRP, ChildKind.CHECKER):
            pid, sock = launcher.launch(kind, Config(), 1, False)
            with sock:
                os.kill(os.getpid(), signal.SIGTERM)
                ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert ends == [7, 1], "it is no business of the others"
    finally:
        loop.close()
        signal.signal(signal.SIGTERM, before)
