"""A forked child, before its own code has taken over."""

from __future__ import annotations

import os
import signal

import pytest

from pykeepalived.config.model import Config
from pykeepalived.parent.launch import ForkLauncher
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.log import Log
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
