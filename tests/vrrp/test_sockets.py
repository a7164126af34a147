"""The raw sockets: one advert and bursts of them, both families, multicast and unicast; frames; failures."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.recorder import Ring
from pykeepalived.vrrp import quiet, sieve
from pykeepalived.vrrp.effects import Flow, Frame, Guests, Pool
from pykeepalived.vrrp.mmsg import SLOTS, BatchSender
from pykeepalived.vrrp.quiet import LEAST_ROOM
from pykeepalived.vrrp.sockets import AdvertSockets, FrameSocket

ip = Ip.parse
GROUP4, GROUP6 = ip("224.0.0.18"), ip("ff02::12")


# sendmmsg


def test_batches_keep_their_order_and_name_what_failed() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        good = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(receiver.getsockname()[1]), b"\x7f\0\0\1")
        count = 2 * SLOTS + 3
        wrong = {0, SLOTS - 1, SLOTS, count - 1}
        datagrams = [(b"%d" % number, b"\xff" * 16 if number in wrong else good, b"") for number in range(count)]
        failed = BatchSender().send(sender.fileno(), datagrams)
        assert [place for place, _ in failed] == sorted(wrong)
        assert {error for _, error in failed} == {errno.EAFNOSUPPORT}
        received = [int(receiver.recv(16)) for _ in range(count - len(wrong))]
        assert received == [number for number in range(count) if number not in wrong]


def test_a_batch_does_not_remember_the_last_one() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        name = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(receiver.getsockname()[1]), b"\x7f\0\0\1")
        batch = BatchSender()
        assert batch.send(sender.fileno(), [(b"with\0zero", name, b"")] * 3) == []
        assert batch.send(sender.fileno(), [(b"", name, b"")]) == []
        assert [receiver.recv(16) for _ in range(4)] == [b"with\0zero"] * 3 + [b""]


# pools


@dataclass
class Heard:
    """What was handed to the core."""

    adverts: list[tuple[bytes, bytes, bytes, int]] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def hear(
        self, _pool: Pool, data: bytes, _now: int, source: bytes, destination: bytes, hop_limit: int, _: int
    ) -> None:
        self.adverts.append((data, source, destination, hop_limit))


@pytest.fixture
def cable() -> Iterator[dict[str, int]]:
    """Inside a new namespace: eth0 (192.0.2.1, fe80::1) cabled to eth1 (192.0.2.2, fe80::2). Indexes by name."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    libc = ctypes.CDLL(None)
    name = f"pknls{os.getpid()}"
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        assert libc.setns(inside, 0x40000000) == 0
        os.close(inside)
        lines = ["link add eth0 type veth peer name eth1", "link set eth0 up", "link set eth1 up", "link set lo up"]
        for number in (0, 1):
            lines.append(f"address add 192.0.2.{number + 1}/32 dev eth{number}")
            lines.append(f"address add fe80::{number + 1}/64 dev eth{number} nodad")
        lines += ["route add 192.0.2.2/32 dev eth0", "route add 192.0.2.1/32 dev eth1"]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
        for number in (0, 1):
            # both ends are in one namespace: let each take packets from the other's address
            subprocess.run(["sysctl", "-qw", f"net.ipv4.conf.eth{number}.accept_local=1"], check=True)
            subprocess.run(["sysctl", "-qw", f"net.ipv4.conf.eth{number}.rp_filter=0"], check=True)
            wait_for_carrier(f"eth{number}")
        yield {name: socket.if_nametoindex(name) for name in ("eth0", "eth1")}
    finally:
        assert libc.setns(home, 0x40000000) == 0
        os.close(home)
        subprocess.run(["ip", "netns", "del", name], check=True)


def wait_for_carrier(name: str) -> None:
    """Until then the kernel throws away what is sent."""
    running, request = 0x40, struct.pack("16sh14x", name.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(1000):
            if struct.unpack("16xh14x", fcntl.ioctl(sock, 0x8913, request))[0] & running:
                return
            time.sleep(0.01)
    raise AssertionError(f"{name} has no carrier")


def ipv4_packet(number: int) -> bytes:
    body = bytes((0x31, 51, number & 0xFF, 1, 0, 100, 0, 0)) + ip("192.0.2.100")
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0xC0, 32, number, 0, 255, 112, 0, ip("192.0.2.1"), GROUP4)
    return head + body


def read(sockets: AdvertSockets, pool: Pool, heard: Heard, count: int) -> None:
    opened = sockets.get(pool)
    assert opened is not None
    while len(heard.adverts) < count:
        assert select.select([opened.receive], [], [], 5)[0], f"{len(heard.adverts)} of {count}"
        sockets.read(opened)


@pytest.mark.netns
@pytest.mark.parametrize("count", [1, 7, 8, 200])
def test_ipv4_multicast_in_order_and_in_any_number(cable: dict[str, int], count: int) -> None:
    heard = Heard()
    sockets = AdvertSockets(lambda: 0, heard.hear, heard.lines.append, Ring(len))
    out = Pool(family=4, protocol=112, interface="eth0", group=GROUP4)
    back = Pool(family=4, protocol=112, interface="eth1", group=GROUP4, receive_buffer=1 << 20)
    sockets.open(out, cable["eth0"])
    sockets.open(back, cable["eth1"])
    flow = Flow(pool=out, instance="VI_1", source=ip("192.0.2.1"), destination=GROUP4, hop_limit=255)
    sockets.send([(flow, ipv4_packet(number)) for number in range(count)])
    read(sockets, back, heard, count)
    assert [data[22] for data, *_ in heard.adverts] == [number & 0xFF for number in range(count)]
    data = heard.adverts[0][0]
    assert (data[1], data[8], data[12:20]) == (0xC0, 255, ip("192.0.2.1") + GROUP4)
    assert heard.lines == []
    for pool in (out, back):
        sockets.close(pool)
    assert sockets.pools() == []


@pytest.mark.netns
@pytest.mark.parametrize("count", [1, 40])
def test_ipv6_multicast_has_source_hop_limit_and_checksum(cable: dict[str, int], count: int) -> None:
    heard = Heard()
    sockets = AdvertSockets(lambda: 0, heard.hear, heard.lines.append, Ring(len))
    out = Pool(family=6, protocol=112, interface="eth0", group=GROUP6)
    back = Pool(family=6, protocol=112, interface="eth1", group=GROUP6, receive_buffer=1 << 20)
    sockets.open(out, cable["eth0"])
    sockets.open(back, cable["eth1"])
    flow = Flow(pool=out, instance="VI_1", source=ip("fe80::1"), destination=GROUP6)
    body = bytes((0x31, 51, 100, 1, 0, 100, 0, 0)) + ip("fe80::100")
    sockets.send([(flow, body)] * count)
    read(sockets, back, heard, count)
    assert len(heard.adverts) == count
    data, source, destination, hop_limit = heard.adverts[0]
    assert (source, destination, hop_limit) == (ip("fe80::1"), GROUP6, 255)
    assert data[:6] == body[:6]
    assert data[6:8] != b"\0\0"
    assert heard.lines == []


# adverts that may wait


@dataclass
class Two:
    """A cabled pair of pools: what one sends the other hears."""

    sockets: AdvertSockets
    out: Pool
    back: Pool
    flow: Flow
    heard: list[tuple[int, bytes, bytes, bytes, int]]

    def send(self, *numbers: int) -> None:
        self.sockets.send([(self.flow, self.message(number)) for number in numbers])

    def message(self, number: int) -> bytes:
        if self.out.family == 4:
            return ipv4_packet(number)
        return bytes((0x31, 51, number, 1, 0, 100, 0, 0)) + ip("fe80::100")

    def is_woken(self, seconds: float) -> bool:
        opened = self.sockets.get(self.back)
        assert opened is not None
        return bool(select.select([opened.receive], [], [], seconds)[0])

    def read(self) -> None:
        opened = self.sockets.get(self.back)
        assert opened is not None
        self.sockets.read(opened)

    def wait_for_stamps(self, number: int) -> None:
        """The kernel begins to stamp what comes in a while after it was asked to; before, it stamps what is read."""
        for _ in range(200):
            self.send(number)
            time.sleep(0.02)
            begin = time.monotonic_ns()
            self.sockets.read_quiet()
            moment = self.heard[-1][0]
            self.heard.clear()
            if moment < begin:
                return
        raise AssertionError("no stamps")

    def fingerprint(self, number: int) -> int:
        """Of the advert as it came in just now."""
        self.heard.clear()
        self.send(number)
        assert self.is_woken(5)
        self.read()
        ((_, data, source, destination, hop_limit),) = self.heard
        self.heard.clear()
        return sieve.fingerprint((source, destination, hop_limit, data) if source else data[12:])


@pytest.fixture(params=[4, 6])
def two(cable: dict[str, int], request: pytest.FixtureRequest) -> Two:
    heard: list[tuple[int, bytes, bytes, bytes, int]] = []

    def hear(_pool: Pool, data: bytes, now: int, source: bytes, destination: bytes, hop_limit: int, _: int) -> None:
        heard.append((now, data, source, destination, hop_limit))

    sockets = AdvertSockets(time.monotonic_ns, hear, lambda line: None, Ring(len))
    family, group = request.param, GROUP4 if request.param == 4 else GROUP6
    out = Pool(family=family, protocol=112, interface="eth0", group=group)
    back = Pool(family=family, protocol=112, interface="eth1", group=group)
    sockets.open(out, cable["eth0"])
    sockets.open(back, cable["eth1"])
    source = ip("192.0.2.1") if family == 4 else ip("fe80::1")
    return Two(sockets, out, back, Flow(pool=out, instance="VI_1", source=source, destination=group), heard)


@pytest.mark.netns
def test_known_adverts_wake_nobody_and_come_with_their_moments(two: Two) -> None:
    one, seven = two.fingerprint(1), two.fingerprint(7)
    two.sockets.sort(two.back, (one, seven))
    two.wait_for_stamps(1)
    moments = []
    for number in (1, 7, 7, 1):
        moments.append(time.monotonic_ns())
        two.send(number)
    assert not two.is_woken(1)
    two.send(8)
    assert two.is_woken(5), "another priority"
    assert two.heard == []
    two.sockets.read_quiet()
    place = 22 if two.out.family == 4 else 2
    assert [data[place] for _, data, *_ in two.heard] == [1, 7, 7, 1]
    for (moment, *_), sent in zip(two.heard, moments, strict=True):
        assert -1_000_000 < moment - sent < 500_000_000, "when it came, not when it was read"
    waited = two.heard[0][1:]
    two.read()
    assert [data[place] for _, data, *_ in two.heard] == [1, 7, 7, 1, 8]
    assert waited[1:] == two.heard[-1][2:], "source, destination and hop limit like those of the other socket"
    two.sockets.read_quiet()
    assert len(two.heard) == 5


@pytest.mark.netns
def test_what_waits_is_heard_when_waiting_ends(two: Two) -> None:
    mark = two.fingerprint(1)
    two.sockets.sort(two.back, (mark,))
    two.send(1, 1)
    two.sockets.sort(two.back, ())
    assert len(two.heard) == 2
    two.send(1)
    assert two.is_woken(5)
    two.sockets.read_quiet()
    assert len(two.heard) == 2
    two.read()
    two.sockets.sort(two.back, (mark,))
    two.send(1)
    assert not two.is_woken(0.1)
    two.sockets.read_quiet()
    assert len(two.heard) == 4


@pytest.mark.netns
def test_guard_and_waiting_go_together(two: Two) -> None:
    two.sockets.sort(two.back, (two.fingerprint(1),))
    opened = two.sockets.get(two.back)
    assert opened is not None
    opened.guard(Guests(two.back.family, 112, vrids=(77,), versions=(3,), full_ttl=False))
    two.send(1, 2)
    assert not two.is_woken(0.1)
    two.sockets.read_quiet()
    assert len(two.heard) == 1
    opened.guard(None)
    two.send(1, 2)
    assert two.is_woken(5)


@pytest.mark.netns
def test_hundreds_wait_in_order(two: Two) -> None:
    numbers = range(1, 201)
    two.sockets.sort(two.back, tuple(two.fingerprint(number) for number in numbers))
    two.wait_for_stamps(1)
    for _ in range(4):
        two.send(*numbers)
    assert not two.is_woken(0.1)
    two.sockets.read_quiet()
    place = 22 if two.out.family == 4 else 2
    assert [data[place] for _, data, *_ in two.heard] == [*numbers] * 4
    moments = [moment for moment, *_ in two.heard]
    assert moments == sorted(moments)
    assert len(set(moments)) > 400


@pytest.mark.netns
def test_moments_are_not_believed_when_there_was_no_room(two: Two) -> None:
    two.sockets.sort(two.back, (two.fingerprint(1),))
    two.wait_for_stamps(1)
    sent = 0
    while not is_full(two.out.family):
        two.send(*[1] * 64)
        sent += 64
    two.send(*[1] * 64)
    time.sleep(0.05)
    begin = time.monotonic_ns()
    two.sockets.read_quiet()
    assert 64 < len(two.heard) < sent + 64
    assert all(moment >= begin for moment, *_ in two.heard), "the last ones may be among the lost"
    two.heard.clear()
    begin = time.monotonic_ns()
    two.send(1)
    time.sleep(0.05)
    two.sockets.read_quiet()
    assert two.heard[0][0] - begin < 40_000_000, "but now again"


def is_full(family: int) -> bool:
    """Whether a socket of this namespace holds about as much as it may."""
    with open("/proc/net/raw" if family == 4 else "/proc/net/raw6") as table:
        waiting = [int(line.split()[4].partition(":")[2], 16) for line in table.readlines()[1:]]
    return max(waiting) > 2 * LEAST_ROOM - 4096


@pytest.mark.netns
@pytest.mark.parametrize("step", [3600, -3600, 0.5, -0.5])
def test_moments_are_not_believed_when_the_clock_was_set(
    two: Two, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    two.sockets.sort(two.back, (two.fingerprint(1),))
    two.wait_for_stamps(1)
    two.send(1)
    time.sleep(0.05)
    wall = time.time_ns
    monkeypatch.setattr(quiet, "time", SimpleNamespace(time_ns=lambda: wall() + int(step * 1e9)))
    begin = time.monotonic_ns()
    two.sockets.read_quiet()
    assert [moment >= begin for moment, *_ in two.heard] == [True]


@pytest.mark.netns
def test_a_pool_that_is_closed_leaves_nothing_behind(two: Two) -> None:
    two.sockets.sort(two.back, (two.fingerprint(1),))
    two.send(1)
    two.sockets.close(two.back)
    two.sockets.read_quiet()
    assert two.heard == []
    two.sockets.sort(two.back, (1,))
    two.sockets.read_quiet()


@pytest.mark.netns
def test_own_adverts_are_not_heard(cable: dict[str, int]) -> None:
    heard = Heard()
    sockets = AdvertSockets(lambda: 0, heard.hear, heard.lines.append, Ring(len))
    pool = Pool(family=4, protocol=112, interface="eth0", group=GROUP4)
    opened = sockets.open(pool, cable["eth0"])
    flow = Flow(pool=pool, instance="VI_1", source=ip("192.0.2.1"), destination=GROUP4, hop_limit=255)
    sockets.send([(flow, ipv4_packet(1))] * 20)
    assert not select.select([opened.receive], [], [], 0.3)[0]


@pytest.mark.netns
def test_flood_is_read_in_portions(cable: dict[str, int]) -> None:
    heard = Heard()
    sockets = AdvertSockets(lambda: 0, heard.hear, heard.lines.append, Ring(len))
    out = Pool(family=4, protocol=112, interface="eth0", group=GROUP4)
    back = Pool(family=4, protocol=112, interface="eth1", group=GROUP4, receive_buffer=1 << 20)
    sockets.open(out, cable["eth0"])
    opened = sockets.open(back, cable["eth1"])
    flow = Flow(pool=out, instance="VI_1", source=ip("192.0.2.1"), destination=GROUP4, hop_limit=255)
    sockets.send([(flow, ipv4_packet(number)) for number in range(200)])
    assert select.select([opened.receive], [], [], 5)[0]
    sockets.read(opened)
    assert len(heard.adverts) == 64


@pytest.mark.netns
@pytest.mark.keyword("vrrp_instance/unicast_src_ip")
def test_unicast_binds_an_address_that_is_not_there_yet(cable: dict[str, int]) -> None:
    sockets = AdvertSockets(lambda: 0, Heard().hear, lambda line: None, Ring(len))
    pool = Pool(family=4, protocol=112, interface="", source=ip("203.0.113.9"))
    opened = sockets.open(pool, 0)
    assert opened.receive.getsockname()[0] == "203.0.113.9"
    missing = Pool(family=4, protocol=112, interface="eth7", group=GROUP4)
    with pytest.raises(OSError, match="No such device"):
        sockets.open(missing, 99)
    assert sockets.get(missing) is None


@pytest.mark.netns
def test_what_cannot_be_sent_is_logged_except_goodbyes(cable: dict[str, int]) -> None:
    heard = Heard()
    sockets = AdvertSockets(lambda: 0, heard.hear, heard.lines.append, Ring(len))
    pool = Pool(family=4, protocol=112, interface="eth0", group=GROUP4)
    sockets.open(pool, cable["eth0"])
    flow = Flow(pool=pool, instance="VI_1", source=ip("192.0.2.1"), destination=GROUP4, hop_limit=255)
    subprocess.run(["ip", "link", "set", "eth0", "down"], check=True)
    sockets.send([(flow, ipv4_packet(0))])
    assert heard.lines == []
    sockets.send([(flow, ipv4_packet(100))])
    assert heard.lines[0].text == "(VI_1): send advert error 101 (Network is unreachable)"
    sockets.send([(flow, ipv4_packet(100))] * 10)
    assert len(heard.lines) == 11


@pytest.mark.netns
def test_vmac_parent_passes_the_group(cable: dict[str, int]) -> None:
    sockets = AdvertSockets(lambda: 0, Heard().hear, lambda line: None, Ring(len))
    pool = Pool(family=4, protocol=112, interface="eth1", group=GROUP4, join_parent="eth0")
    sockets.open(pool, cable["eth1"], cable["eth0"])
    shown = ["ip", "maddress", "show", "dev", "eth0"]
    assert "01:00:5e:00:00:12" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    sockets.close(pool)
    assert "01:00:5e:00:00:12" not in subprocess.run(shown, capture_output=True, text=True, check=True).stdout


@pytest.mark.netns
def test_frames_leave_complete_and_in_order(cable: dict[str, int]) -> None:
    lines: list[LogLine] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as listener:
        listener.bind(("eth1", 0x0806))
        frames = FrameSocket(lines.append)
        data = [b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x08\x06" + bytes((number,)) * 28 for number in range(100)]
        frames.send([Frame(interface="eth0", index=cable["eth0"], data=each, address=ip("192.0.2.9")) for each in data])
        assert [listener.recv(64) for _ in data] == data
        frames.send([Frame(interface="eth9", index=99, data=data[0], address=ip("192.0.2.9"))])
        assert lines[0].text == "Error 6 (No such device or address) sending gratuitous ARP on eth9 for 192.0.2.9"
        frames.close()
