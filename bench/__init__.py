"""Figures beside Debian's keepalived, in the same run, pair by pair. `python -m bench` runs all subjects.

A run that is told to end by SIGTERM removes its namespaces and processes first.
"""

from __future__ import annotations

import signal
import sys


def _leave(signum: int, _frame: object) -> None:
    signal.signal(signum, signal.SIG_IGN)
    sys.exit(128 + signum)


signal.signal(signal.SIGTERM, _leave)
