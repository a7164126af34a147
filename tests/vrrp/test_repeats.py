"""Adverts that only repeat: when they may wait unread, when they must be heard at once, and what tells them apart."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.netlink import bpf
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs, packet, sieve
from pykeepalived.vrrp.repeats import SETTLED_NS
from pykeepalived.vrrp.router import Router
from tests.vrrp.lan import MS, SECOND, address, config, instance, ip, view, vip

GROUP = ip("224.0.0.18")


def advert(vrid: int = 51, priority: int = 150, source: str = "192.0.2.1", options: int = 0) -> bytes:
    """A whole IPv4 packet of version 3 with a right checksum."""
    sender = ip(source)
    message = packet.encode(
        version=3, vrid=vrid, priority=priority, interval_us=1_000_000, addresses=[ip("192.0.2.100")], family=4
    )
    packet.seal(message, packet.pseudo_header(sender, GROUP, len(message)))
    length = 20 + options + len(message)
    header = packet.ipv4_header(length=length, ttl=255, protocol=112, source=sender, destination=GROUP)
    header[0] += options // 4
    return bytes(header + b"\1" * options + message)


# when


def wishes(router: Router) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    while effects := router.drain():
        found += [effect.fingerprints for effect in effects if isinstance(effect, fx.SortPool)]
    return found


def started(*instances: VrrpInstance) -> tuple[Router, fx.Pool]:
    router = Router(config(*instances), view(address("192.0.2.2/24")), SECOND, lambda: 0)
    (pool,) = [effect.pool for effect in router.drain() if isinstance(effect, fx.OpenPool)]
    return router, pool


def run(router: Router, until: int) -> None:
    """Tick whenever the router wants to."""
    while (due := router.deadline()) is not None and due <= until:
        router.tick(due)


def two() -> tuple[Router, fx.Pool]:
    return started(instance("VI_1", version=3), instance("VI_2", version=3, virtual_router_id=52))


def marks(*adverts: bytes) -> tuple[int, ...]:
    return tuple(sieve.fingerprint(data[12:]) for data in adverts)


def test_what_has_been_the_same_for_a_second_may_wait() -> None:
    router, pool = two()
    begin = 2 * SECOND
    router.hear(pool, advert(51), begin)
    router.hear(pool, advert(52), begin + 300 * MS)
    for number in range(1, 10):
        router.hear(pool, advert(51), begin + number * 100 * MS)
    run(router, begin + 300 * MS + SETTLED_NS - 1)
    assert wishes(router) == []
    run(router, begin + 300 * MS + SETTLED_NS)
    assert wishes(router) == [marks(advert(51), advert(52))]
    router.hear(pool, advert(51), begin + 1500 * MS)
    run(router, begin + 2500 * MS)
    assert wishes(router) == [], "told once"


def test_a_farewell_is_the_end_of_waiting_for_all_until_the_rest_has_settled() -> None:
    router, pool = two()
    begin = 2 * SECOND
    router.hear(pool, advert(51), begin)
    router.hear(pool, advert(52), begin)
    run(router, begin + SETTLED_NS)
    assert wishes(router) == [marks(advert(51), advert(52))]
    router.hear(pool, advert(51, priority=0), begin + 1500 * MS)
    assert wishes(router) == [()]
    router.hear(pool, advert(52), begin + 2400 * MS)
    run(router, begin + 2500 * MS)
    assert wishes(router) == [marks(advert(52))]


def test_a_changed_priority_of_ours_ends_waiting() -> None:
    router, pool = started(instance(version=3))
    router.hear(pool, advert(), 2 * SECOND)
    run(router, 3 * SECOND)
    assert wishes(router) == [marks(advert())]
    (only,) = router._assembly.instances.values()
    only.contribute(("script", "x"), 100, only.cause, 3 * SECOND)
    router.receive(inputs.ClearCounters(), 3 * SECOND)
    assert wishes(router) == [()]
    router.hear(pool, advert(), 3500 * MS)
    run(router, 5 * SECOND)
    assert wishes(router) == [], "a lower priority than ours is not accepted"


def test_taking_over_ends_waiting() -> None:
    router, pool = started(instance(version=3))
    router.hear(pool, advert(), 2 * SECOND)
    run(router, 3 * SECOND)
    assert wishes(router) == [marks(advert())]
    due = router.exact_deadline()
    assert due is not None
    run(router, due)
    assert wishes(router) == [()]
    run(router, due + 2 * SECOND)
    assert wishes(router) == []


def test_what_waited_restarts_the_timer_from_the_moment_at_which_it_came() -> None:
    router, pool = started(instance(version=3))
    (only,) = router._assembly.instances.values()
    router.hear(pool, advert(), 2 * SECOND)
    run(router, 3 * SECOND)
    run(router, 3 * SECOND + 1)
    for number in range(3, 6):
        # read at the last moment
        router.hear(pool, advert(), number * SECOND)
    run(router, 5 * SECOND + 610 * MS)
    assert only.timer.when == 5 * SECOND + only.down_ns
    assert only.last_heard == 5 * SECOND
    assert only.counters.advert_rcvd == 4


def test_closed_sockets_begin_anew() -> None:
    router, pool = started(instance(version=3))
    router.hear(pool, advert(), 2 * SECOND)
    run(router, 3 * SECOND)
    assert wishes(router) == [marks(advert())]
    router.receive(inputs.InterfaceRemoved("eth0"), 3 * SECOND)
    assert wishes(router) == []
    run(router, 10 * SECOND)
    assert wishes(router) == []


# what


def passes(program: list[sieve.Instruction], data: bytes) -> bool:
    """Whether the kernel gives a datagram to a socket with this program."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        bpf.attach(ours, tuple(program))
        theirs.send(data)
        try:
            return ours.recv(4096) == data
        except BlockingIOError:
            return False


@pytest.mark.parametrize("count", [1, 2, 8, 9, 100, 255])
def test_each_advert_goes_to_exactly_one_socket(count: int) -> None:
    known = marks(*(advert(vrid) for vrid in range(1, count + 1)))
    waiting, urgent = sieve.waiting(4, known), sieve.urgent(4, known, None)
    for vrid in {1, 2, count // 2 or 1, count, min(count + 1, 255)}:
        for data in (
            advert(vrid),
            advert(vrid, priority=0),
            advert(vrid, priority=151),
            advert(vrid, source="192.0.2.9"),
        ):
            may_wait = vrid <= count and data == advert(vrid)
            assert passes(waiting, data) is may_wait
            assert passes(urgent, data) is not may_wait


@pytest.mark.parametrize("data", [advert(options=4), advert()[:27], advert()[:20], b"\x45" * 20])
def test_what_is_not_plain_never_waits(data: bytes) -> None:
    known = marks(advert())
    assert not passes(sieve.waiting(4, known), data)
    assert passes(sieve.urgent(4, known, None), data)


def test_the_guard_stays_up_for_what_does_not_wait() -> None:
    guests = fx.Guests(family=4, protocol=112, vrids=(51,), versions=(3,), full_ttl=True, lengths=(12,))
    known = marks(advert())
    urgent = sieve.urgent(4, known, guests)
    wrong = bytearray(advert(priority=0))
    wrong[-1] ^= 1
    assert [passes(urgent, bytes(data)) for data in (advert(), advert(priority=0), wrong, advert(52))] == [
        *(False, True, False, False)
    ]
    many = tuple(range(sieve.MOST_FINGERPRINTS))
    lengths = tuple(8 + 4 * count for count in range(1, 256))
    crowd = fx.Guests(family=4, protocol=112, vrids=tuple(range(1, 256)), versions=(3,), full_ttl=True, lengths=lengths)
    assert len(sieve.urgent(4, many, crowd)) <= sieve.LONGEST_PROGRAM
    assert len(sieve.urgent(4, (*many, 9999), crowd)) == len(sieve.urgent(4, many, crowd)), "the rest is heard at once"


@given(st.integers(1, 255), st.integers(1, 255), st.ip_addresses(v=4), st.integers(1, 40_950_000))
def test_no_other_priority_has_the_same_fingerprint(vrid: int, priority: int, sender: object, interval_us: int) -> None:
    source = ip(str(sender))
    seen: dict[int, int] = {}
    for each in {0, priority, 255, max(priority - 1, 0), min(priority + 1, 255), priority ^ 1}:
        message = packet.encode(
            version=3, vrid=vrid, priority=each, interval_us=interval_us, addresses=[ip("192.0.2.100")], family=4
        )
        packet.seal(message, packet.pseudo_header(source, GROUP, len(message)))
        mark = sieve.fingerprint(bytes(source + GROUP + message))
        assert seen.setdefault(mark, each) == each


def test_ipv6_fingerprints_tell_senders_and_priorities_apart() -> None:
    def mark(source: str, priority: int) -> int:
        message = packet.encode(
            version=3, vrid=51, priority=priority, interval_us=1_000_000, addresses=[vip("fe80::100").address], family=6
        )
        return sieve.fingerprint((ip(source), ip("ff02::12"), 255, bytes(message)))

    assert len({mark(source, priority) for source in ("fe80::1", "fe80::2") for priority in (0, 100, 101)}) == 6
