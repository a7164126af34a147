"""What the kernel does with the programs: which socket a datagram reaches, what does not come in, and when it came."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pykeepalived.bfd import sockets
from pykeepalived.bfd.packet import ControlPacket, encode
from pykeepalived.bfd.sieve import MOST_SESSIONS, Guests, guard_program
from pykeepalived.bfd.sockets import Receiver, SocketError
from pykeepalived.bfd.table import State
from pykeepalived.config.model.values import Ip

HOME4, HOME6 = Ip.parse("127.0.0.1"), Ip.parse("::1")
UP = ControlPacket(State.UP, 0, 3, 7, 9, 50_000, 50_000)
FIRST = ControlPacket(State.DOWN, 0, 3, 7, 0, 1_000_000, 50_000)
LARGEST_PROGRAM = 4096


@dataclass
class Ear:
    """A receiver on some port and what it heard: quiet or not, data, source, destination, TTL, moment."""

    receiver: Receiver
    port: int
    heard: list[tuple[bool, bytes, Ip, Ip, int, int]] = field(default_factory=list)

    def send(self, *datagrams: bytes, ttl: int = 255, to: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            if family == socket.AF_INET:
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            else:
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            for data in datagrams:
                sender.sendto(data, (to, self.port))

    def read(self, since: int = 0, limit: int = 100) -> list[tuple[bool, bytes]]:
        """On loopback what was sent is there. Returns what came now."""
        before = len(self.heard)
        for quiet, read in ((True, self.receiver.read_quiet), (False, self.receiver.read)):
            read(
                lambda data, source, _port, destination, ttl, _multihop, at, quiet=quiet: self.heard.append(
                    (quiet, data, source, destination, ttl, at)
                ),
                since,
                limit,
            )
        return [(quiet, data) for quiet, data, *_ in self.heard[before:]]


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(sockets, "PORT", port)
    receiver = Receiver(multihop=False)
    yield Ear(receiver, port)
    receiver.close()


def test_only_what_says_still_up_is_quiet(ear: Ear) -> None:
    regular = [encode(UP), encode(UP._replace(diagnostic=3))]
    others = [
        encode(UP._replace(poll=True)),
        encode(UP._replace(final=True)),
        encode(UP._replace(demand=True)),
        encode(UP._replace(state=State.INIT)),
        encode(FIRST),
        encode(UP)[:-1],
        encode(UP) + b"\0",
        b"\x40" + encode(UP)[1:],
        b"",
    ]
    for to in ("127.0.0.1", "::1"):
        ear.send(*regular, *others, to=to)
        assert ear.read() == [(True, data) for data in regular] + [(False, data) for data in others]
    assert {each[2:5] for each in ear.heard} == {(HOME4, HOME4, 255), (HOME6, HOME6, 255)}


def test_only_the_first_socket_wakes(ear: Ear) -> None:
    ear.send(encode(UP))
    assert select.select([ear.receiver], [], [], 0) == ([], [], [])
    assert select.select([ear.receiver.quiet_fileno()], [], [], 0)[0]
    ear.send(encode(FIRST))
    assert select.select([ear.receiver], [], [], 0)[0]


def test_datagrams_come_with_the_moment_of_their_arrival(ear: Ear) -> None:
    begin = time.monotonic_ns()
    ear.send(encode(UP))
    sent = time.monotonic_ns()
    time.sleep(0.05)
    ear.read(since=begin)
    arrived = ear.heard[0][-1]
    # the offset of the wall clock is known to some microseconds
    assert begin - 1_000_000 <= arrived <= sent + 20_000_000 < time.monotonic_ns()


def test_no_datagram_came_before_the_last_look(ear: Ear) -> None:
    ear.send(encode(UP))
    time.sleep(0.01)
    since = time.monotonic_ns()
    ear.read(since=since)
    assert ear.heard[0][-1] == since


def test_a_stall_moves_the_moments_but_not_beyond_now(ear: Ear) -> None:
    def moments(stall: int) -> list[int]:
        ear.send(encode(UP))
        time.sleep(0.03)
        found: list[int] = []
        ear.receiver.read_quiet(lambda *heard: found.append(heard[-1]), 0, 9, stall)
        return found

    begin = time.monotonic_ns()
    (moved,) = moments(1_000_000_000)
    assert begin + 30_000_000 <= moved <= time.monotonic_ns()
    begin = time.monotonic_ns()
    (moved,) = moments(10_000_000)
    # the offset of the wall clock is known to some microseconds
    assert begin + 9_000_000 <= moved


def test_nothing_is_looked_for_behind_a_young_datagram(ear: Ear) -> None:
    """Who knows that two never follow each other so soon saves a system call."""
    ear.send(encode(UP), encode(UP))
    time.sleep(0.02)
    found: list[int] = []

    def read(apart: int) -> bool:
        return ear.receiver.read_quiet(lambda *heard: found.append(heard[-1]), 0, 9, 0, apart)

    assert read(10_000_000_000) and len(found) == 1
    assert read(10_000_000) and len(found) == 2
    ear.send(encode(UP), encode(UP))
    assert read(0) and len(found) == 4


def test_the_wall_clock_may_be_set_meanwhile(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    ear.send(encode(UP))
    begin = time.monotonic_ns()
    day = 86_400_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda real=time.time_ns: real() + day)
    ear.read(since=begin)
    assert ear.heard[0][-1] == begin
    ear.send(encode(UP))
    monkeypatch.setattr(time, "time_ns", lambda real=time.time_ns: real() - 2 * day)
    ear.read(since=begin)
    assert begin < ear.heard[1][-1] <= time.monotonic_ns()


def test_no_more_than_asked_for_is_read(ear: Ear) -> None:
    ear.send(*[encode(UP)] * 5)
    assert len(ear.read(limit=3)) == 3
    assert len(ear.read(limit=3)) == 2


def test_the_port_is_ours_alone(ear: Ear) -> None:
    with pytest.raises(SocketError, match="98"):
        Receiver(multihop=False)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("", ear.port))


def test_one_socket_does_where_the_kernel_cannot_sort(monkeypatch: pytest.MonkeyPatch, ear: Ear) -> None:
    ear.receiver.close()

    def refuse(*_: object) -> None:
        raise OSError(92, "Protocol not available")

    monkeypatch.setattr(sockets, "_attach", refuse)
    alone = Ear(Receiver(multihop=False), ear.port)
    assert alone.receiver.quiet_fileno() == -1
    alone.send(encode(UP), encode(FIRST))
    assert alone.read() == [(False, encode(UP)), (False, encode(FIRST))]
    alone.receiver.close()


# the guard

GUESTS = Guests((5, 9), (HOME4, HOME6), 250)


@pytest.mark.parametrize(
    ("data", "ttl", "comes"),
    [
        pytest.param(encode(UP), 255, True, id="ours"),
        pytest.param(encode(UP._replace(your_discriminator=5)), 250, True, id="ours, with the lowest TTL"),
        pytest.param(encode(UP), 249, False, id="TTL"),
        pytest.param(encode(UP._replace(your_discriminator=6)), 255, False, id="discriminator"),
        pytest.param(encode(FIRST), 255, True, id="first"),
        pytest.param(encode(FIRST._replace(state=State.ADMIN_DOWN)), 255, True, id="first, AdminDown"),
        pytest.param(encode(FIRST._replace(state=State.INIT)), 255, False, id="first, Init"),
        pytest.param(encode(UP._replace(my_discriminator=0)), 255, False, id="no discriminator of its own"),
        pytest.param(b"\x40" + encode(UP)[1:], 255, False, id="version"),
        pytest.param(encode(UP)[:23], 255, False, id="short"),
        pytest.param(encode(UP) + bytes(8), 255, True, id="32 bytes"),
        pytest.param(encode(UP) + bytes(9), 255, False, id="long"),
        pytest.param(b"", 255, False, id="empty"),
    ],
)
@pytest.mark.parametrize("to", ["127.0.0.1", "::1"])
def test_guests_come_in_and_others_are_counted(ear: Ear, to: str, data: bytes, ttl: int, comes: bool) -> None:
    ear.receiver.admit(GUESTS)
    ear.send(data, ttl=ttl, to=to)
    assert [each for _, each in ear.read()] == ([data] if comes else [])
    assert ear.receiver.dropped() == (not comes)


def test_strangers_without_a_discriminator_stay_outside(ear: Ear) -> None:
    ear.receiver.admit(Guests((9,), (Ip.parse("127.0.0.2"), Ip.parse("::2")), 0))
    ear.send(encode(FIRST))
    ear.send(encode(FIRST), to="::1")
    assert ear.read() == []
    assert ear.receiver.dropped() == 2


def test_everything_comes_in_again(ear: Ear) -> None:
    ear.receiver.admit(None)
    ear.receiver.admit(GUESTS)
    ear.receiver.admit(None)
    ear.send(b"x")
    assert ear.read() == [(False, b"x")]


def test_the_largest_program_fits_and_more_sessions_are_not_told_apart(ear: Ear) -> None:
    many = tuple(range(1, MOST_SESSIONS + 1))
    neighbors = tuple(Ip(b"\x0a\0" + number.to_bytes(2, "big")) for number in many)
    guests = Guests(many, neighbors, 255)
    assert len(guard_program(guests)) <= LARGEST_PROGRAM
    ear.receiver.admit(guests)
    ear.send(encode(UP._replace(your_discriminator=MOST_SESSIONS)), encode(UP._replace(your_discriminator=12345)))
    assert len(ear.read()) == 1
    ear.receiver.admit(Guests((*many, 12346), neighbors, 255))
    ear.send(encode(UP._replace(your_discriminator=12345)))
    assert len(ear.read()) == 1
