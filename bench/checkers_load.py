"""What both parts of the checker benchmark share: targets, configurations, a daemon, counting the checks it makes."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import cpu_ns, tree

# an installed daemon has its byte code; a bench run must not measure the compiler
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PORT, WEB_PORT = 8080, 8081
_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


def listener(port: int = PORT, host: str = "0.0.0.0") -> int:
    """A process that accepts connections, and with WEB_PORT answers a request each; returns its pid."""
    server = socket.create_server((host, port), backlog=4096)
    pid = os.fork()
    if pid == 0:
        while True:
            if port == WEB_PORT:
                _answer(server)
            else:
                os.close(server._accept()[0])  # type: ignore[attr-defined]  # half the cost of accept()
    server.close()
    return pid


def _answer(server: socket.socket) -> None:
    client = server.accept()[0]
    try:
        client.recv(4096)
        client.send(_ANSWER)
    except OSError:
        pass
    client.close()


def tcp_check(delay: float, retry: int = 3) -> str:
    return f"TCP_CHECK {{\n connect_timeout 3\n retry {retry}\n delay_before_retry {delay}\n warmup {delay}\n }}"


def http_check(delay: float) -> str:
    return f"HTTP_GET {{\n url {{\n path /\n status_code 200\n }}\n connect_timeout 3\n warmup {delay}\n }}"


def configuration(
    servers: int,
    delay: float,
    check: Callable[[float], str] = tcp_check,
    port: int = PORT,
    weight: int = 1,
    own: str = "",
) -> str:
    """One virtual server; the first real server has this weight, `own` are lines for global_defs."""
    lines = [f"global_defs {{\n router_id bench\n {own}\n}}"]
    lines.append(f"virtual_server 10.99.0.1 80 {{\n delay_loop {delay}\n lvs_sched wrr\n lvs_method NAT\n protocol TCP")
    for number in range(servers):
        mine = weight if number == 0 else 1
        lines.append(f" real_server {address(number)} {port} {{\n weight {mine}\n {check(delay)}\n }}")
    return "\n".join([*lines, "}\n"])


class Daemon:
    """A daemon of either make with files of its own in `folder`."""

    def __init__(self, program: Sequence[str], folder: Path, text: str) -> None:
        self.folder = folder
        self.config = folder / "keepalived.conf"
        self.config.write_text(text)
        paths = itertools.chain.from_iterable((f"-{letter}", f"{folder}/{letter}.pid") for letter in "pcrb")
        words = [*program, "-n", "-l", "-f", str(self.config), *paths]
        self.log = folder / "log"
        self.begin = time.monotonic_ns()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def checkers(self) -> list[int]:
        """The checker process and its workers."""
        return tree(int((self.folder / "c.pid").read_text()))

    def stop(self) -> float:
        """Milliseconds from SIGTERM to the end."""
        begin = time.monotonic_ns()
        self.process.terminate()
        self.process.wait(60)
        return (time.monotonic_ns() - begin) / 1e6

    def await_many(self, count: Callable[[], int], enough: int, limit: float = 300) -> None:
        """Wait until there are so many; asks seldom, as counting costs. Raises TimeoutError, saying how far it got."""
        end = time.monotonic() + limit
        while (found := count()) < enough:
            status = self.process.poll()
            if status is not None or time.monotonic() > end:
                tail = self.log.read_text(errors="replace").splitlines()[-10:]
                state = "runs" if status is None else f"ended with {status}"
                raise TimeoutError(f"{found} of {enough}; {self.process.args!r} {state}: {tail}")
            time.sleep(0.1)


def until(condition: Callable[[], bool], limit: float = 60) -> int:
    """Wait without sleeping much; returns the moment."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)
    return time.monotonic_ns()


def connections(pid: int | str = "self") -> int:
    """Connections accepted so far in the network namespace of a process (PassiveOpens of TCP)."""
    with open(f"/proc/{pid}/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    return int(values[names.index("PassiveOpens")])


def rate(daemon: Daemon, seconds: float) -> tuple[float, float]:
    """Checks a second, and microseconds of CPU each takes, of a daemon that has come to rest."""
    pids = daemon.checkers()
    begin, spent = time.monotonic(), sum(map(cpu_ns, pids))
    accepted = connections(pids[0])
    time.sleep(seconds)
    spent, made = sum(map(cpu_ns, pids)) - spent, connections(pids[0]) - accepted
    return made / (time.monotonic() - begin), spent / max(made, 1) / 1000
