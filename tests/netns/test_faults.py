"""Faults on purpose, while a client uses the service. Afterwards: the service is as it should be, nothing is left over.

PK_FAULT_ROUNDS sets the number of kills (20 unless given), PK_FAULT_SEED which ones.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from pykeepalived.lab.net import ip_batch, network, run
from pykeepalived.lab.node import OURS, Node
from tests.netns.conftest import Lan, advert, advert_v2, has, instance
from tests.netns.faults import (
    VIP,
    Adverts,
    Client,
    Traces,
    descriptors,
    nothing_is_left,
    processes,
    received,
    service_returns,
    start_flood,
)
from tests.netns.test_metrics import metrics
from tests.observe.test_metrics import parse, value

ROUNDS = int(os.environ.get("PK_FAULT_ROUNDS", "20"))
SEED = int(os.environ.get("PK_FAULT_SEED", "1"))
SPARE = ["link add spare type veth peer name far", "link set spare up", "link del spare"]
ADVERT_S, DOWN_S = 0.2, 3 * 0.2 + 0.2 * 156 / 256
FLOOD_S = 4
RESPAWN_DELAY_S = 120
"""A process that dies again and again is started again only after a delay, which grows up to a minute."""
_counter = itertools.count()

pytestmark = [pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Pair:
    """a (150) is master, b (100) backup, a client pings the VIP; `before` is how the hosts were."""

    lan: Lan
    a: Node
    b: Node
    client: Client
    before: dict[str, Traces]

    def returns(self) -> None:
        service_returns(self.lan, self.client, self.a, [self.b])

    def stop(self) -> None:
        for node in (self.b, self.a):
            nothing_is_left(self.lan, node, self.before[node.name])


def config(priority: int, own: int, neighbor: int, lines: str = "") -> str:
    addresses = f"neighbor_ip 192.0.2.{neighbor}\n  source_ip 192.0.2.{own}"
    return f"bfd_instance peer {{\n  {addresses}\n  min_rx 100\n  min_tx 100\n}}\n{instance(priority, lines)}"


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The parameter, if there is one, goes into both instances."""
    lines = getattr(request, "param", "")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with network(f"pkfl{os.getpid() % 100000}x{next(_counter)}") as net:
        lan = Lan(net, tmp_path)
        try:
            a, b = lan.host(config(150, 1, 2, lines)), lan.host(config(100, 2, 1, lines))
            client = Client(lan, tmp_path / "pings")
            before = {node.name: Traces.of(node) for node in (a, b)}
            a.start()
            lan.wait(lambda: lan.is_master(a) and has(a, VIP))
            b.start()
            made = Pair(lan, a, b, client, before)
            lan.wait(lambda: b.states.get("VI_1") == "BACKUP")
            made.returns()
            yield made
        finally:
            lan.stack.close()
            for node in lan.nodes.values():
                node.kill()


def kill_one(pair: Pair, node: Node, kind: str) -> None:
    """SIGKILL of one process; systemd's part, starting a daemon whose parent died, is ours."""
    lan = pair.lan
    victim = int((node.directory / f"{kind}.pid").read_text())
    os.kill(victim, signal.SIGKILL)
    if kind == "parent":
        assert node.process is not None
        node.process.wait(20)
        lan.wait(lambda: not processes(node), 40)
        node.states.clear()
        node.start()
        return

    def replaced() -> bool:
        try:
            return node.pid_of(kind) != victim and node.pid_of(kind) in processes(node)
        except (OSError, ValueError):
            return False

    lan.wait(replaced, RESPAWN_DELAY_S)


@pytest.mark.timeout(120 + 20 * ROUNDS)
def test_processes_killed_at_random_moments(pair: Pair, record_property: pytest.RecordProperty) -> None:
    random = Random(SEED)
    silences: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        node, kind = random.choice((pair.a, pair.b)), random.choice(("parent", "vrrp", "bfd"))
        pair.lan.pause(random.random())
        since = time.monotonic()
        kill_one(pair, node, kind)
        pair.lan.wait(lambda: len(processes(pair.a)) == len(processes(pair.b)) == 3, RESPAWN_DELAY_S)
        pair.returns()
        silences.setdefault(f"{node.name} {kind}", []).append(pair.client.longest_silence(since, time.monotonic()))
    for name, values in sorted(silences.items()):
        text = f"{len(values)} times, longest silence {max(values) * 1000:.0f} ms"
        record_property(f"killed {name}", text)
        print(f"killed {name}: {text}")
    # whoever is not master, and whatever is not the VRRP process, is not missed
    for name, values in silences.items():
        if name.startswith("b ") or name == "a bfd":
            assert max(values) < 2, silences
    pair.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The directory of a's pid files, sockets and dumps is a file system of 256 KiB."""
    directory = tmp_path / "a"
    directory.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=256k", "pkfl", str(directory))
    try:
        yield directory
    finally:
        while run("umount", "-l", str(directory), check=False) == "" and directory.is_mount():
            pass


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_run_directory_fails(small_disk: Path, pair: Pair, how: str) -> None:
    a, lan = pair.a, pair.lan
    marks = len(a.lines)
    vrrp = a.pid_of("vrrp")
    if how == "full":
        fill(small_disk / "filler")
    else:
        # what is open for writing forbids to make it read-only in place: another one covers it
        run("mount", "-t", "tmpfs", "-o", "ro", "pkfl", str(small_disk))
    os.kill(vrrp, signal.SIGKILL)
    lan.wait(lambda: any("died: Respawning" in line for _, line in a.lines[marks:]))
    lan.wait(lambda: len(processes(a)) == 3 and vrrp not in processes(a))
    pair.returns()
    a.signal(signal.SIGUSR1)
    a.config.write_text(a.config.read_text().replace(f"{VIP}/32", f"{VIP}/32\n    192.0.2.101/32"))
    a.reload()
    lan.wait(lambda: has(a, "192.0.2.101"))
    pair.returns()
    if how == "full":
        (small_disk / "filler").unlink()
    else:
        run("umount", str(small_disk))
    assert a.stop(30) == 0
    lan.wait(lambda: not processes(a))
    assert pair.before["a"] == Traces.of(a)


def test_no_descriptors_left(pair: Pair) -> None:
    a, lan = pair.a, pair.lan
    pid = a.pid_of("vrrp")
    used, (_, hard) = descriptors(pid), resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # below what is open already: nothing new can be opened at all
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    a.namespace.carrier("eth0", False)
    lan.wait(lambda: lan.is_master(pair.b))
    a.namespace.carrier("eth0", True)
    plain = a.config.read_text()
    sixth = instance(150, "version 3\n  advert_int 0.2", "VI_6", 61, "fe80::61/64").replace(
        "priority", "native_ipv6\n  priority"
    )
    a.config.write_text(plain + sixth)
    a.reload()
    lan.wait(lambda: a.said("cant open VRRP sockets: Too many open files"))
    ip_batch(a.namespace.name, SPARE)
    assert a.pid_of("vrrp") == pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    ip_batch(a.namespace.name, SPARE)
    lan.wait(lambda: lan.is_master(a, "VI_6"))
    a.config.write_text(plain)
    a.reload()
    lan.wait(lambda: not has(a, "fe80::61"))
    pair.returns()
    assert a.pid_of("vrrp") == pid
    assert descriptors(pid) == used
    pair.stop()


def storm(path: Path, pairs: int) -> list[str]:
    """Words of a command that adds and removes other people's addresses `pairs` times."""
    lines = []
    for number in range(pairs):
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32"
        lines += [f"address add {address} dev other", f"address del {address} dev other"]
    path.write_text("\n".join(lines) + "\n")
    return ["ip", "-batch", str(path)]


@pytest.mark.parametrize("stopped", [False, True], ids=["awake", "asleep"])
def test_address_storm_of_others(pair: Pair, tmp_path: Path, stopped: bool) -> None:
    a, lan = pair.a, pair.lan
    ip_batch(a.namespace.name, ["link add other type veth peer name far", "link set other up"])
    adverts = Adverts(lan, pair.client.namespace, "192.0.2.1")
    pid, since = a.pid_of("vrrp"), time.monotonic()
    if stopped:
        # asleep, the process cannot read: the kernel's queue of events overflows
        os.kill(pid, signal.SIGSTOP)
    a.namespace.run(*storm(tmp_path / "storm", 6_000 if stopped else 20_000))
    # the last word on the VIP is lost in the storm too
    if stopped:
        a.namespace.ip("address", "del", f"{VIP}/32", "dev", "eth0")
        # a machine so busy that the sleep outlasted the heartbeat has a new child by now: as good
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    until = time.monotonic()
    print(f"the storm took {until - since:.1f} s, longest gap of adverts {max(adverts.gaps(since, until)):.3f} s")
    if stopped:
        lan.wait(lambda: a.said("Kernel netlink events were lost"))
    else:
        assert max(adverts.gaps(since, until)) < 3 * DOWN_S
    pair.returns()
    assert stopped or a.pid_of("vrrp") == pid
    ip_batch(a.namespace.name, ["link del other"])
    pair.stop()


def test_interface_flaps_twenty_times_a_second(pair: Pair) -> None:
    a, lan = pair.a, pair.lan
    pid = a.pid_of("vrrp")
    for number in range(100):
        a.namespace.carrier("eth0", number % 2 == 1)
        lan.pause(0.05)
    pair.returns()
    assert a.pid_of("vrrp") == pid
    used = descriptors(pid)
    a.namespace.carrier("eth0", False)
    lan.wait(lambda: lan.is_master(pair.b))
    a.namespace.carrier("eth0", True)
    pair.returns()
    assert descriptors(pid) == used
    pair.stop()


PASSWORD = "version 2\n  advert_int 1\n  authentication {\n    auth_type PASS\n    auth_pass right\n  }\n"


def hostile(random: Random, kind: str) -> list[bytes]:
    """Adverts of a neighbour who means harm."""
    source = "192.0.2.66"
    match kind:
        case "wrong password":
            return [advert_v2(source, 51, 255, 1, [VIP], f"wrong{number}".encode()) for number in range(64)]
        case "wrong checksum":
            return [advert(source, 51, 255, 20, [VIP], 1 + number) for number in range(64)]
        case _:
            vrids = [number for number in range(1, 256) if number != 51]
            return [advert(source, random.choice(vrids), 255, 20, [VIP]) for _ in range(64)]


@pytest.mark.parametrize(
    ("pair", "kind"), [("", "wrong checksum"), ("", "random VRIDs"), (PASSWORD, "wrong password")], indirect=["pair"]
)
def test_hostile_flood(pair: Pair, kind: str) -> None:
    lan = pair.lan
    adverts = Adverts(lan, pair.client.namespace, "192.0.2.1")
    since, before = time.monotonic(), received(pair.a)
    flood = start_flood(lan, hostile(Random(SEED), kind), FLOOD_S, pair.a)
    lan.wait(lambda: flood.poll() is not None, 60)
    until = time.monotonic()
    rate = (received(pair.a) - before) / FLOOD_S
    longest = max(adverts.gaps(since, until))
    print(f"{kind}: {rate:.0f} packets/s, longest gap of adverts {longest * 1000:.0f} ms")
    assert rate > 10_000
    # a silenced master would be silent for all of the flood; what is less may be the busy machine
    assert longest < FLOOD_S / 2
    if kind == "wrong password":
        samples = parse(metrics(pair.a).stdout)
        refused = value(samples, "authentication_failure_total", iname="VI_1", intf="eth0", vrid="51")
        print(f"{refused:.0f} of them judged")
        assert refused > 1000
    pair.returns()
    pair.stop()


def many(addresses: int) -> str:
    """The usual instance with thousands of addresses more, and time to remove them in the end."""
    lines = "".join(f"    10.{number >> 8}.{number & 255}.1/32\n" for number in range(addresses))
    return "child_wait_time 120\n" + instance(150).replace(
        "  }\n}", f"  }}\n  virtual_ipaddress_excluded {{\n{lines}  }}\n}}"
    )


def test_thousands_of_addresses_do_not_silence_the_master(lan: Lan) -> None:
    """The kernel needs seconds for them, and more the more it has."""
    recorder = lan.recorder()
    a = lan.host(many(8_000))
    before = Traces.of(a)
    a.start()
    lan.wait(lambda: bool(recorder.of("192.0.2.1")), 60)
    since = time.monotonic()
    lan.wait(lambda: has(a, "10.31.63.1"), 60)
    until = time.monotonic()
    gap = recorder.longest_gap("192.0.2.1", since, until)
    print(f"{until - since:.1f} s, longest gap of adverts {gap * 1000:.0f} ms")
    assert gap < max(DOWN_S, (until - since) / 2)
    assert not a.said("killing it")
    nothing_is_left(lan, a, before)


def test_clocks_that_start_elsewhere(lan: Lan) -> None:
    """A daemon in a time namespace of its own, beside one outside: what both go by is how time passes."""
    a, b = lan.host(instance(150)), lan.host(instance(100))
    words = ["unshare", "--time", "--monotonic", "500000", "--boottime", "500000", "--fork", "--kill-child"]
    a.program = (*words, *OURS)
    before = Traces.of(b)
    b.start()
    lan.wait(lambda: lan.is_master(b))
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP) and b.states["VI_1"] == "BACKUP")
    os.kill(a.pid_of("vrrp"), signal.SIGKILL)
    lan.wait(lambda: a.said("died: Respawning"))
    lan.wait(lambda: len(processes(a)) >= 3)
    lan.pause(2)
    assert b.states["VI_1"] == "BACKUP"
    assert has(a, VIP)
    os.kill(a.pid_of("parent"), signal.SIGTERM)
    lan.wait(lambda: not processes(a) and not has(a, VIP) and lan.is_master(b))
    nothing_is_left(lan, b, before)


def test_a_configuration_without_room_for_it_is_taken_by_a_new_process(lan: Lan) -> None:
    a = lan.host(instance(150))
    before = Traces.of(a)
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP))
    pid = a.pid_of("vrrp")
    size = resource.prlimit(pid, resource.RLIMIT_AS)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 20), size[1]))
    a.config.write_text(many(8_000))
    a.reload()
    lan.wait(lambda: a.said("No memory for the new configuration, starting again"))
    lan.wait(lambda: has(a, "10.31.63.1") and has(a, VIP) and lan.is_master(a), 60)
    assert a.pid_of("vrrp") != pid
    nothing_is_left(lan, a, before)
