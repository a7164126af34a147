"""Check workers as real processes: reports, death, hang, exhaustion, hanging servers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import effects, shard, workers
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.tls import TlsFactory
from pykeepalived.ipvs.worker import fork_check_worker
from pykeepalived.ipvs.workers import Workers
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from tests.ipvs.harness import config, real, tcp_check, virtual

LIMIT_S = 60
CLONE_NEWNET = 0x40000000


class Lines:
    """A sink that keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def emit(self, line: LogLine) -> bool:
        self.lines.append(line.text)
        return True

    def close(self) -> None:
        """Nothing is open."""


class Owner:
    """The checker process without its kernel: all its network checkers run in workers of their own."""

    def __init__(self, configuration: Config, processors: int = 2) -> None:
        self.sink = Lines()
        self.lines = self.sink.lines
        self.loop = Loop()
        self.kernel = FakeIpvs()
        self.configuration = configuration
        self.core = IpvsCore(configuration, random.Random(1).randrange)
        log = Log((self.sink,), 1)
        self.workers = Workers(self.loop, log, self._fork, self._feed, random.Random(2).randrange)
        self.loop.on_signal(signal.SIGCHLD, self.workers.reap)
        self.core.receive(effects.Start(None, None, processors), self.loop.now())
        self.settle()

    def _fork(self, sock: socket.socket, part: Sequence[Any]) -> int:
        return fork_check_worker(sock, part, self.configuration, TlsFactory(None), 0, random.seed)

    def _feed(self, messages: Sequence[effects.Message]) -> None:
        for message in messages:
            self.core.receive(message, self.loop.now())
        self.settle()

    def settle(self) -> None:
        while wanted := self.core.drain():
            for effect in wanted:
                match effect:
                    case LogLine():
                        self.sink.emit(effect)
                    case effects.Operate(operations):
                        done = effects.Operated(tuple(self.kernel.perform(operations)))
                        self.core.receive(done, self.loop.now())
                    case effects.StartWorkers(shards):
                        self.workers.start(shards)
                    case effects.CorrectWorker(checker):
                        self.workers.correct(checker)

    @property
    def pid(self) -> int:
        return self.workers.snapshots()[0].pid

    def mine(self) -> list[Any]:
        """The checkers of the workers."""
        return [check for check in self.core.checks if check.delegated]

    def present(self) -> set[str]:
        found = next(iter(self.kernel.destinations.values()))
        return {str(Ip(key.address)) for key in found}

    def run_until(self, condition: Callable[[], bool], what: str = "") -> None:
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end, (what, self.lines[-20:])
            self.loop.run_once(self.loop.now() + 20_000_000)

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.loop.run_once(self.loop.now() + 20_000_000)

    def runs(self) -> int:
        """Attempts made by the workers so far."""
        self.workers.collect()
        return sum(check.runs for check in self.mine())

    def close(self) -> None:
        self.workers.stop()
        end = time.monotonic() + LIMIT_S
        while self.workers._children and time.monotonic() < end:
            self.workers.reap()
            time.sleep(0.01)
        self.loop.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second server is a worker's, whatever port it got."""
    monkeypatch.setattr(shard, "CHECKERS_A_PROCESS", 1)
    monkeypatch.setattr(shard, "share", lambda address, _port, count: address[-1] % count)


@contextlib.contextmanager
def owner(service: VirtualServer, processors: int = 2) -> Iterator[Owner]:
    made = Owner(config(service), processors)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def listening(*addresses: str) -> Iterator[int]:
    """Servers at one port of these addresses."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.create_server((addresses[0], 0), backlog=1024))
        port = int(first.getsockname()[1])
        for address in addresses[1:]:
            stack.enter_context(socket.create_server((address, port), backlog=1024))
        yield port


def pool(port: int, count: int = 8, delay_ms: int = 50) -> VirtualServer:
    words = {"delay_loop_us": delay_ms * 1000}
    return virtual(*(real(f"127.9.0.{number}", port, check=words) for number in range(1, count + 1)))


ADDRESSES = [f"127.9.0.{number}" for number in range(1, 9)]


def test_verdicts_of_a_worker_reach_the_table() -> None:
    with listening(*ADDRESSES[:4]) as port, owner(pool(port)) as one:
        delegated = {check.real_name for check in one.mine()}
        assert one.workers.snapshots()[0].checkers == len(delegated) == 4
        dead = {f"[{address}]:tcp:{port}" for address in ADDRESSES[4:]} & delegated
        one.run_until(lambda: sum(line.startswith("Removing service") for line in one.lines) == len(dead), "dead")
        assert one.present() == set(ADDRESSES) - {name[1:].split("]")[0] for name in dead}
        back = min(dead)[1:].split("]")[0]
        with socket.create_server((back, port)):
            one.run_until(lambda: back in one.present(), "back")
        one.run_until(lambda: back not in one.present(), "gone again")


def test_the_figures_of_a_worker_can_be_asked_for() -> None:
    with listening(*ADDRESSES[:4]) as port, owner(pool(port)) as one:
        one.run_until(lambda: one.runs() > 20 * len(one.mine()))
        for check in one.mine():
            dead = str(check.real.model.address) in ADDRESSES[4:]
            assert check.runs > 10 and check.has_run
            assert (check.failures > 0) == dead
            assert check.started > 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_worker_is_replaced_at_once_and_its_servers_keep_their_verdicts(how: signal.Signals) -> None:
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        one.run_until(lambda: one.runs() > 2 * len(one.mine()))
        before, runs = one.pid, one.runs()
        one.lines.clear()
        os.kill(before, how)
        one.run_until(lambda: one.pid not in (0, before))
        assert one.present() == set(ADDRESSES)
        assert f"Check worker process({before}) died: Respawning" in one.lines
        one.run_until(lambda: one.runs() > runs + 3 * len(one.mine()), "checked again")
        assert one.present() == set(ADDRESSES)
        assert not [line for line in one.lines if "service" in line]
        assert f"pid {before} exited due to signal {how.value} ({signal.strsignal(how)})" in one.lines
        assert one.workers.snapshots()[0].restarts == one.workers.restarts == 1
        assert not os.path.exists(f"/proc/{before}")


def test_a_worker_that_dies_young_again_and_again_is_started_with_growing_delays() -> None:
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        for delay in (0, 1):
            one.run_until(lambda: one.pid != 0)
            os.kill(one.pid, signal.SIGKILL)
            said = f"Restart of check worker process delayed {delay} seconds to limit respawn rate"
            one.run_until(lambda said=said: said in one.lines)  # type: ignore[misc]
        assert one.pid == 0
        one.run_until(lambda: one.pid != 0)


def test_a_hung_worker_is_found_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "HEARTBEAT_NS", 100_000_000)
    monkeypatch.setattr(workers, "COLLECT_LIMIT_MS", 50)
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        one.run_until(lambda: one.runs() > 2 * len(one.mine()))
        before, runs = one.pid, one.runs()
        os.kill(before, signal.SIGSTOP)
        begin = one.loop.now()
        assert one.runs() == runs
        assert one.loop.now() - begin >= 50_000_000
        one.run_until(lambda: one.pid not in (0, before))
        assert f"Check worker process({before}) silent for 10 s: killing it" in one.lines
        one.run_until(lambda: one.runs() > runs + 3 * len(one.mine()), "checked again")
        assert one.present() == set(ADDRESSES)


def test_workers_end_with_their_owner() -> None:
    read, write = os.pipe()
    with listening(*ADDRESSES) as port:
        middle = os.fork()
        if middle == 0:
            try:
                made = Owner(config(pool(port)), 4)
                os.write(write, " ".join(str(one.pid) for one in made.workers.snapshots()).encode())
                made.run(LIMIT_S)
            finally:
                os._exit(1)
        pids = [int(word) for word in os.read(read, 100).split()]
        assert len(pids) == 3
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)
        end = time.monotonic() + LIMIT_S
        while any(os.path.exists(f"/proc/{pid}") and not _zombie(pid) for pid in pids):
            assert time.monotonic() < end
            time.sleep(0.02)
    os.close(read)
    os.close(write)


def _zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_holds_only_its_own_descriptors_and_hears_no_signal() -> None:
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        one.run_until(lambda: one.runs() > 0)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(one.pid, signum)
        before, runs = one.pid, one.runs()
        one.run_until(lambda: one.runs() > runs + 3 * len(one.mine()))
        assert one.pid == before
        kinds = [os.readlink(f"/proc/{before}/fd/{fd}") for fd in os.listdir(f"/proc/{before}/fd") if int(fd) > 2]
        others = [kind for kind in kinds if "eventpoll" not in kind]
        assert len(others) <= 1 + len(one.mine())
        with open(f"/proc/{before}/status", encoding="ascii") as file:
            assert "NoNewPrivs:\t1\n" in file.read()


def test_without_descriptors_a_worker_says_so_and_goes_on_when_there_are_some() -> None:
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        one.run_until(lambda: one.runs() > 2 * len(one.mine()))
        soft, hard = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
        one.lines.clear()
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (5, hard))
        text = "TCP connect fail to create socket. Rescheduling."
        one.run_until(lambda: one.lines.count(text) >= 3 * len(one.mine()))
        assert set(one.lines) == {text}
        assert one.present() == set(ADDRESSES)
        runs, before = one.runs(), one.pid
        assert runs > 0
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
        one.run(0.3)
        one.lines.clear()
        one.run_until(lambda: one.runs() > runs + 4 * len(one.mine()))
        assert (one.lines, one.pid) == ([], before)


def test_servers_that_hang_cost_the_others_nothing() -> None:
    """A full backlog: connections to it neither come about nor fail until their time is up."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(listening(*ADDRESSES[:4]))
        for address in ADDRESSES[4:]:
            sock = stack.enter_context(socket.socket())
            sock.bind((address, port))
            sock.listen(0)
            for _ in range(2):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((address, port))
        checks = [tcp_check(address, port, delay_loop_us=50_000) for address in ADDRESSES for _ in range(10)]
        service = virtual(*(real(f"10.9.0.{n + 1}", port, checkers=(check,)) for n, check in enumerate(checks)))
        one = stack.enter_context(owner(service))
        good = [check for check in one.mine() if str(check.model.connection.address) in ADDRESSES[:4]]
        slow = [check for check in one.mine() if check not in good]
        assert len(good) > 10 and len(slow) > 10
        one.run(3)
        begin = one.loop.now()
        one.workers.collect()
        before = {id(check): check.runs for check in one.mine()}
        one.run(3)
        one.workers.collect()
        ideal = (one.loop.now() - begin) / (50_000_000)
        shares = [(check.runs - before[id(check)]) / ideal for check in good]
        assert min(shares) > 0.5, shares
        assert max(shares) <= 1.1
        assert all(check.runs - before[id(check)] <= 5 for check in slow)
        assert all(check.failures == 0 for check in good)
        assert not any(check.is_up for check in slow)


@pytest.mark.parametrize("place", [(Owner, "_fork"), (workers, "channel_pair")])
def test_no_worker_can_be_forked(monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str]) -> None:
    refusals = [OSError(11, "Resource temporarily unavailable")]
    work = getattr(*place)

    def refuse_once(*words: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return work(*words)

    monkeypatch.setattr(*place, refuse_once)
    with listening(*ADDRESSES) as port, owner(pool(port)) as one:
        assert one.pid == 0
        assert "Check worker process: fork error(Resource temporarily unavailable)" in one.lines
        one.run_until(lambda: one.runs() > 0)
        assert one.pid != 0
        assert one.present() == set(ADDRESSES)


def alone_with_a_server(port: int) -> None:
    """In a worker before it begins: a network namespace of its own, with a server that is never asked to accept."""
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0
    assert os.system("ip link set lo up") == 0
    alone_with_a_server.kept = socket.create_server(("0.0.0.0", port), backlog=4096)  # type: ignore[attr-defined]


class SecludedOwner(Owner):
    """Its workers live each in a network namespace of their own."""

    def _fork(self, sock: socket.socket, part: Sequence[Any]) -> int:
        port = part[0].model.connection.port
        return fork_check_worker(sock, part, self.configuration, TlsFactory(None), 0, lambda: alone_with_a_server(port))


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_without_local_ports_a_worker_says_so_and_goes_on_when_there_are_some() -> None:
    """EADDRNOTAVAIL: two ports a destination, and closed connections keep them for a minute."""
    one = SecludedOwner(config(pool(8080)))
    try:
        one.run_until(lambda: one.runs() > 2 * len(one.mine()))
        before = one.pid

        def ports(first: int, last: int) -> None:
            settings = ("net.ipv4.tcp_tw_reuse=0", f"net.ipv4.ip_local_port_range={first} {last}")
            words = ["nsenter", "-t", str(before), "-n", "sysctl", "-qw", *settings]
            subprocess.run(words, check=True)

        ports(40000, 40001)
        text = "TCP socket bind failed. Rescheduling."
        one.run_until(lambda: one.lines.count(text) >= 3 * len(one.mine()))
        assert one.present() == set(ADDRESSES)
        assert {check.is_up for check in one.mine()} == {True}
        ports(50000, 60000)
        one.run(0.3)
        one.lines.clear()
        runs = one.runs()
        one.run_until(lambda: one.runs() > runs + 4 * len(one.mine()))
        assert (one.lines, one.pid) == ([], before)
    finally:
        one.close()


class BrokenOwner(Owner):
    """The first checker of each worker cannot be started."""

    def _fork(self, sock: socket.socket, part: Sequence[Any]) -> int:
        part[0]._attempt.timeout_us = None
        return super()._fork(sock, part)


def test_an_internal_error_in_a_worker_is_told_and_every_check_goes_on() -> None:
    with listening(*ADDRESSES) as port:
        one = BrokenOwner(config(pool(port)))
        try:
            one.run_until(lambda: sum("Internal error in check worker at dial.py" in line for line in one.lines) > 2)
            one.run_until(lambda: one.runs() > 0 and min(check.runs for check in one.mine()) > 3)
            assert one.present() == set(ADDRESSES)
            assert one.workers.restarts == 0
        finally:
            one.close()
