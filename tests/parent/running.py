"""A fake daemon as a real process: start it, signal it, read its log and pid files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
"""Only keeps a broken test from hanging: a busy machine may take long over anything."""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; fails after a generous while."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"never happened: {what}")


class Running:
    """One daemon in `directory`; everything it is given and writes is there."""

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any],
        *words: str,
        environment: dict[str, str] | None = None,
        pid_files: bool = True,
    ):
        self.directory = directory
        self.log_path = directory / "log"
        self.write(config)
        self.command = [
            sys.executable,
            "-m",
            "tests.parent.fake_daemon",
            *("-n", "-l", "-G", "-f", str(directory / "config")),
            *words,
        ]
        if pid_files:
            for option, name in (("-p", "k"), ("-r", "v"), ("-c", "c"), ("-b", "b")):
                self.command += [option, self.pid_path(name)]
        self.environment = {**os.environ, **(environment or {})}
        self.process = self.launch(self.log_path)

    def launch(self, log_path: Path) -> subprocess.Popen[bytes]:
        with open(log_path, "ab") as log:
            return subprocess.Popen(
                self.command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment
            )

    def pid_path(self, name: str) -> str:
        return str(self.directory / f"{name}.pid")

    def pid(self, name: str) -> int:
        def read() -> int | None:
            try:
                return int(Path(self.pid_path(name)).read_text())
            except (OSError, ValueError):
                return None

        return wait_for(read, f"pid file {name}")

    def write(self, config: dict[str, Any]) -> None:
        path = self.directory / "config.new"
        path.write_text(json.dumps(config))
        path.rename(self.directory / "config")

    def lines(self) -> list[str]:
        """The log without times."""
        text = self.log_path.read_text(errors="replace")
        return [line.split(": ", 1)[1] if line[:3].isalpha() and ": " in line else line for line in text.splitlines()]

    def wait_line(self, part: str, count: int = 1) -> None:
        try:
            wait_for(lambda: sum(part in line for line in self.lines()) >= count, part)
        except AssertionError:
            raise AssertionError(f"no line {part!r} ({count}) in:\n" + "\n".join(self.lines())) from None

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def stop(self) -> int:
        """SIGTERM, and the exit status; fails with the log if there is none."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("does not stop:\n" + "\n".join(self.lines())) from None

    def end(self) -> None:
        """Whatever happened, nothing of it is left."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
