"""One daemon in one namespace: start, stop, kill, reload, and what it said.

Works for any program with keepalived's command line, so a laboratory can mix ours with the C daemon.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pykeepalived.lab.net import Namespace

OURS: tuple[str, ...] = (sys.executable, "-m", "pykeepalived")
_TRANSITION = re.compile(r"\((?P<name>[^)]+)\) Entering (?P<state>MASTER|BACKUP|FAULT) STATE")
_STAMP = re.compile(r"^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}: ")


@dataclass(slots=True)
class Node:
    """A daemon with its namespace, configuration file and working directory (pid and dump files go there)."""

    name: str
    namespace: Namespace
    config: Path
    directory: Path
    program: Sequence[str] = OURS
    options: Sequence[str] = ()
    notify_socket: str = ""
    """Where sd_notify(3) messages of the daemon go; "" = nowhere."""
    process: subprocess.Popen[bytes] | None = None
    lines: list[tuple[int, str]] = field(default_factory=list)
    """Everything it logged: monotonic ns of reading, text without the time stamp."""
    states: dict[str, str] = field(default_factory=dict)
    """Instance -> state, as logged."""
    _rest: bytes = b""

    def command(self) -> list[str]:
        pid = self.directory
        files = [
            "-p",
            f"{pid}/parent.pid",
            "-r",
            f"{pid}/vrrp.pid",
            "-c",
            f"{pid}/checkers.pid",
            "-b",
            f"{pid}/bfd.pid",
        ]
        return [*self.program, "-n", "-l", "-D", "-G", "-f", str(self.config), "-i", self.name, *files, *self.options]

    @property
    def control_socket(self) -> Path:
        """Where ours listens for its operator."""
        return self.directory / "parent.sock"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.states.clear()
        environment = {**os.environ, "TMPDIR": str(self.directory), "LC_ALL": "C"}
        environment.pop("NOTIFY_SOCKET", None)
        if self.notify_socket:
            environment["NOTIFY_SOCKET"] = self.notify_socket
        self.process = self.namespace.spawn(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )

    def fileno(self) -> int:
        if self.process is None or self.process.stderr is None:
            raise ValueError(f"{self.name} was never started")
        return self.process.stderr.fileno()

    def read(self) -> bool:
        """Take in what it logged since; False at the end of its life."""
        data = os.read(self.fileno(), 65536)
        now = time.monotonic_ns()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for raw in whole:
            text = _STAMP.sub("", raw.decode(errors="replace"))
            self.lines.append((now, text))
            if found := _TRANSITION.search(text):
                self.states[found["name"]] = found["state"]
        return bool(data)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the parent process."""
        if self.process is not None and self.alive:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL for parent and children at once: the machine is gone, and /run with it; its addresses stay."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            for file in self.directory.glob("*.pid"):
                file.unlink()
        self.states.clear()

    def stop(self, timeout: float = 10) -> int:
        """SIGTERM, wait for the end, and return the exit status; kills what does not end in time."""
        if self.process is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self.states.clear()
        return status

    def reload(self) -> None:
        self.signal(signal.SIGHUP)

    def pid_of(self, kind: str) -> int:
        """Process id of a child: vrrp, checkers or bfd; raises FileNotFoundError when it does not run."""
        return int((self.directory / f"{kind}.pid").read_text())

    def said(self, text: str) -> bool:
        return any(text in line for _, line in self.lines)


def watch(nodes: Sequence[Node], until: Callable[[], bool], timeout: float) -> bool:
    """Read all nodes' logs until the condition holds (True) or the time is over (False)."""
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for node in nodes:
            if node.process is not None and node.process.stderr is not None and not node.process.stderr.closed:
                selector.register(node.fileno(), selectors.EVENT_READ, node)
        while not until():
            left = end - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(min(left, 0.05)):
                if not key.data.read():
                    selector.unregister(key.fd)
    return True
