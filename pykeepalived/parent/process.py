"""The daemon as a process: identity lines, detaching from the terminal, core dumps, resource use. No policy."""

from __future__ import annotations

import contextlib
import os
import resource
import time

from pykeepalived.runtime import early_signals
from pykeepalived.runtime.log import Log

_CORE_PATTERN = "/proc/sys/kernel/core_pattern"
_WIDTH = 100
_HEADING = "Command line: "


def wrap_command_line(words: tuple[str, ...]) -> tuple[str, ...]:
    """The log lines that tell the command line: words in quotes, about 100 columns, continuations indented."""
    lines = []
    line = _HEADING
    for word in words:
        quoted = f"'{word}'"
        if len(line) + len(quoted) > _WIDTH and line.strip() != _HEADING.strip():
            lines.append(line.rstrip())
            line = " " * len(_HEADING)
        line += f"{quoted} "
    lines.append(line.rstrip())
    return tuple(lines)


def announce(log: Log, product: str, command_line: tuple[str, ...]) -> None:
    """The first lines of every log."""
    system = os.uname()
    log.info(f"Starting {product}")
    log.info(f"Running on {system.sysname} {system.release} {system.version}")
    for line in wrap_command_line(command_line):
        log.info(line)


def detach() -> bool:
    """Become a daemon: True in the daemon, False in the launcher, which has to exit with status 0."""
    launcher = os.getpid()
    pid = os.fork()
    if pid:
        early_signals.pass_on(pid)
        return False
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)
    while os.getppid() == launcher:
        time.sleep(0.001)
    return True


class CoreDumps:
    """-m and -M: allow core files, and optionally say where they go, for as long as the daemon runs."""

    def __init__(self, log: Log, allow: bool, pattern: str | None) -> None:
        self._log = log
        self._before: str | None = None
        if allow:
            try:
                resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            except (OSError, ValueError) as error:
                log.warning(f"Failed to set core file size - {error}")
        if pattern is not None:
            try:
                with open(_CORE_PATTERN, encoding="utf-8") as file:
                    self._before = file.read()
                self._write(pattern)
            except OSError as error:
                log.warning(f"Unable to set core_pattern - {error.strerror}")

    def restore(self) -> None:
        if self._before is not None:
            with contextlib.suppress(OSError):
                self._write(self._before)
            self._before = None

    def _write(self, pattern: str) -> None:
        with open(_CORE_PATTERN, "w", encoding="utf-8") as file:
            file.write(pattern)


def cpu_usage() -> str:
    """The line about used CPU time at the end of a detailed log."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        f"CPU usage (self/children) user: {own.ru_utime:.6f}/{children.ru_utime:.6f} "
        f"system: {own.ru_stime:.6f}/{children.ru_stime:.6f}"
    )
