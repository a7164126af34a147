"""What becomes of signals that come before there are handlers for them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_nothing_else_of_ours_is_imported_before_the_first_statement() -> None:
    ours = "sorted(name for name in sys.modules if name.startswith('pykeepalived'))"
    done = run(f"import sys; import pykeepalived.cli.main; print({ours})")
    assert done.stdout.split("'")[1::2] == [
        "pykeepalived",
        "pykeepalived.cli",
        "pykeepalived.cli.main",
        "pykeepalived.runtime",
        "pykeepalived.runtime.early_signals",
        "pykeepalived.runtime.standard_files",
    ]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("-n -f /nonexistent", 6),
        ("-t -f /nonexistent", -signal.SIGTERM),
        ("-v", -signal.SIGTERM),
        ("--no-such-option", -signal.SIGTERM),
    ],
)
def test_only_what_may_become_a_daemon_lets_a_stop_wait(words: str, status: int) -> None:
    """The signal comes while the command line is read."""
    done = run(
        f"""
import os, signal, sys
from pykeepalived.cli import main, options
from pykeepalived.runtime import early_signals
def parse(words):
    os.kill(os.getpid(), signal.SIGTERM)
    return read(words)
read, options.parse = options.parse, parse
sys.argv = ["keepalived", *{words.split()!r}]
sys.exit(main.main())
"""
    )
    assert done.returncode == status, done.stderr


def test_a_stop_that_reaches_the_starter_is_for_the_daemon() -> None:
    done = run(
        """
import os, signal
from pykeepalived.parent.process import detach
from pykeepalived.runtime import early_signals
early_signals.begin()
out = os.dup(1)
os.kill(os.getpid(), signal.SIGTERM)
if detach():
    came = signal.sigtimedwait([signal.SIGTERM], 30)
    os.write(out, b"stop" if came else b"nothing")
"""
    )
    assert (done.stdout, done.returncode) == ("stop", 0), done.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_what_has_waited_is_heard_by_the_handlers(signum: signal.Signals) -> None:
    done = run(
        f"""
import os, signal
from pykeepalived.runtime import early_signals
from pykeepalived.runtime.loop import Loop
early_signals.hold()
for number in ({int(signum)}, signal.SIGUSR1):
    os.kill(os.getpid(), number)
early_signals.begin()
loop = Loop()
loop.on_signal({int(signum)}, lambda: (print("heard", early_signals.stop_waits()), loop.stop()))
early_signals.release()
loop.run()
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    )
    assert done.stdout == "heard False\nset()\n", done.stderr
    assert done.returncode == 0
