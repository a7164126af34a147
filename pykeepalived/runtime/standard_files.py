"""Standard input, output and error where whoever started us has closed them. Shell.

Called before anything else opens a descriptor: ctypes alone may keep one for as long as the process lives. So this
imports nothing of ours.
"""

from __future__ import annotations

import os
import sys


def open_closed() -> None:
    """Put /dev/null in the place of what is closed, so that nothing of ours lands there, and all can be written to."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
