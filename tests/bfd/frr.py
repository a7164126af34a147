"""FRR on a host of the laboratory: zebra and bfdd with directories of their own, asked and told through vtysh."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pykeepalived.lab.net import Namespace

PROGRAMS = Path("/usr/lib/frr")
INSTALLED = (PROGRAMS / "bfdd").exists() and shutil.which("vtysh") is not None
_CHANGE = re.compile(r"state-change: \[.*\] (\w+) -> (\w+)")
_START_SECONDS = 10


def frr_config(
    neighbor: str = "10.99.0.1", own: str = "10.99.0.2", interval: float = 100, multihop: bool = False
) -> str:
    """A configuration of bfdd with one peer, x 3."""
    ending = "multihop" if multihop else ""
    where = "" if multihop else "interface eth0"
    return (
        f"log stdout debugging\ndebug bfd peer\nbfd\n peer {neighbor} {ending} local-address {own} {where}\n"
        f"  detect-multiplier 3\n  receive-interval {interval}\n  transmit-interval {interval}\n"
        "  no shutdown\n !\n!\n"
    )


def _has_control_socket() -> bool:
    """Whether bfdd has one, as before FRR 10; it would be made where only one bfdd at a time can."""
    return (
        "--bfdctl" in subprocess.run([PROGRAMS / "bfdd", "--help"], capture_output=True, text=True, check=False).stdout
    )


@dataclass
class Frr:
    """Both daemons. `changes` are the states that bfdd logged, with the monotonic ns of reading them."""

    host: Namespace
    directory: Path
    peer: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)
    changes: list[tuple[int, str]] = field(default_factory=list)
    _rest: bytes = b""

    @classmethod
    def start(cls, host: Namespace, config: str) -> Frr:
        """Start both in the namespace. FRR drops its privileges, so it gets a directory that is its own."""
        directory = Path(tempfile.mkdtemp(prefix="pykeepalived-frr-"))
        file = directory / "bfdd.conf"
        file.write_text(config)
        shutil.chown(directory, "frr", "frr")
        made = cls(host, directory, next(line.strip() for line in config.splitlines() if line.startswith(" peer")))
        try:
            made._spawn("zebra", "/dev/null")
            made._wait_for("zserv.api", "zebra.vty")
            made._spawn("bfdd", str(file), *(["--bfdctl", str(directory / "control")] if _has_control_socket() else []))
            made._wait_for("bfdd.vty")
        except BaseException:
            made.kill()
            raise
        return made

    def _spawn(self, name: str, config: str, *more: str) -> None:
        own = str(self.directory)
        words = [str(PROGRAMS / name), "-f", config, "-i", f"{own}/{name}.pid", "-z", f"{own}/zserv.api", "-P", "0"]
        words += ["--vty_socket", own, *more]
        output = subprocess.PIPE if name == "bfdd" else subprocess.DEVNULL
        self.processes.append(
            self.host.spawn(words, stdout=output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        )

    def _wait_for(self, *names: str) -> None:
        end = time.monotonic() + _START_SECONDS
        while not all((self.directory / name).exists() for name in names):
            if time.monotonic() > end:
                raise RuntimeError(f"FRR does not start: no {' or '.join(names)}")
            time.sleep(0.02)

    def fileno(self) -> int:
        output = self.processes[-1].stdout
        assert output is not None
        return output.fileno()

    def read(self) -> bool:
        data = os.read(self.fileno(), 65536)
        now = time.monotonic_ns()
        *whole, self._rest = (self._rest + data).split(b"\n")
        for raw in whole:
            text = raw.decode(errors="replace")
            self.lines.append((now, text))
            if found := _CHANGE.search(text):
                self.changes.append((now, found[2].capitalize()))
        return bool(data)

    def vtysh(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return self.host.run("vtysh", "--vty_socket", str(self.directory), *words)

    def configure(self, *commands: str) -> None:
        """Give commands in the context of the peer."""
        self.vtysh("configure terminal", "bfd", self.peer, *commands)

    def session(self) -> dict[str, Any]:
        """What FRR says of its only session."""
        text = self.vtysh("show bfd peers json")
        peers = json.loads(text[text.index("[") :])
        return dict(peers[0])

    def state(self) -> str:
        """Up, Down, Init or Shutdown."""
        return str(self.session()["status"]).capitalize()

    def kill(self) -> None:
        """The end of both, and of everything they left."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)
