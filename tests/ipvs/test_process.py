"""The whole daemon on a kernel without IPVS: servers are checked and people told; VRRP and the table are apart."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("pykeepalived")
NAMESPACE = f"pkip{os.getpid()}"
SERVER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(Path("/proc/net/ip_vs").exists(), reason="this kernel has IPVS: see tests/vm"),
]


@pytest.fixture
def namespace() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        yield NAMESPACE
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


@contextlib.contextmanager
def server(port: int) -> Iterator[None]:
    words = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", SERVER, str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


class Daemon:
    """Our daemon in the namespace. Its log goes to a file: a pipe that is not read fast enough loses lines."""

    def __init__(self, folder: Path, text: str) -> None:
        self.config = folder / "keepalived.conf"
        self.config.write_text(text)
        paths = [word for letter in "pcrb" for word in (f"-{letter}", str(folder / f"{letter}.pid"))]
        words = ["ip", "netns", "exec", NAMESPACE, str(PROGRAM), "-n", "-l", "-D", "-f", str(self.config), *paths]
        self._log = folder / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(words, stderr=log, stdout=subprocess.DEVNULL)

    @property
    def lines(self) -> list[str]:
        """Its log so far."""
        return self._log.read_text().splitlines()

    def wait(self, text: str) -> None:
        until(lambda: any(text in line for line in self.lines), f"a line with {text!r}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.mark.timeout(240)
@pytest.mark.keyword("virtual_server/real_server/notify_up")
@pytest.mark.keyword("virtual_server/real_server/notify_down")
@pytest.mark.keyword("virtual_server/real_server/MISC_CHECK/misc_path")
@pytest.mark.keyword("global_defs/lvs_notify_fifo")
def test_without_ip_vs_only_the_table_is_missing(namespace: str, tmp_path: Path) -> None:
    notes, fifo, script = tmp_path / "notes", tmp_path / "fifo", tmp_path / "note.sh"
    script.write_text(f'#!/bin/sh\necho "$@" >> {notes}\n')
    script.chmod(0o755)
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    text = f"""
global_defs {{
    script_user root
    lvs_notify_fifo {fifo}
}}
virtual_server 192.0.2.1 80 {{
    delay_loop 0.2
    warmup 0
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    real_server 127.0.0.1 8080 {{
        notify_up "{script} one up"
        notify_down "{script} one down"
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
    real_server 127.0.0.2 8080 {{
        MISC_CHECK {{
            misc_path "/bin/true"
            retry 0
        }}
    }}
    real_server 127.0.0.3 8080 {{
        PING_CHECK {{
            retry 0
        }}
    }}
}}
"""
    daemon = Daemon(tmp_path, text)
    try:
        daemon.wait("IPVS: Can't initialize ipvs: Protocol not available")
        daemon.wait("Removing service [127.0.0.1]:tcp:8080 from VS [192.0.2.1]:tcp:80")
        daemon.wait("by [/bin/true] succeeded.")
        daemon.wait("ICMP connection to [127.0.0.3]:tcp:8080 success.")
        with server(8080):
            daemon.wait("Adding service [127.0.0.1]:tcp:8080 to VS [192.0.2.1]:tcp:80")
        daemon.config.write_text(text.replace("127.0.0.2", "127.0.0.4"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait("service [127.0.0.2]:tcp:8080 no longer exist")
        until(lambda: notes.exists() and notes.read_text().startswith("one down\none up\n"), "scripts")
    finally:
        status = daemon.stop()
    assert status == 0
    told = os.read(reader, 65536).decode()
    os.close(reader)
    assert "RS [127.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 DOWN\nRS [127.0.0.1]:tcp:8080 [192.0.2.1]:tcp:80 UP\n" in told
    assert "\0" not in told
    assert sum("Can't initialize ipvs" in line for line in daemon.lines) == 1
    assert not [line for line in daemon.lines if "Internal error" in line]
