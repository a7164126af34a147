"""A flood of junk: when the guard is raised, and what the kernel's program lets through."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable

import pytest

from pykeepalived.config.model.vrrp import AuthType
from pykeepalived.netlink import bpf
from pykeepalived.observe.cause import LogLine
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import packet, sieve
from pykeepalived.vrrp.guard import GUARD_NS, REFUSALS, WINDOW_NS, guests_of
from pykeepalived.vrrp.router import Router
from tests.vrrp.lan import MS, SECOND, address, config, instance, ip, view, vip

GROUP = ip("224.0.0.18")


def advert(vrid: int = 51, count: int = 1, version: int = 3, ttl: int = 255, options: int = 0) -> bytearray:
    """A whole IPv4 packet with a right checksum."""
    addresses = [ip(f"192.0.2.{100 + number}") for number in range(count)]
    message = packet.encode(
        version=version, vrid=vrid, priority=150, interval_us=1_000_000, addresses=addresses, family=4
    )
    source = ip("192.0.2.1")
    packet.seal(message, packet.pseudo_header(source, GROUP, len(message)) if version == 3 else b"")
    length = 20 + options + len(message)
    header = packet.ipv4_header(length=length, ttl=ttl, protocol=112, source=source, destination=GROUP)
    header[0] += options // 4
    return header + b"\1" * options + message


def changed(data: bytearray, place: int, value: int = 1) -> bytearray:
    data[place] ^= value
    return data


@pytest.fixture
def passes() -> Callable[[fx.Guests, bytes], bool]:
    """Whether the kernel gives a datagram to a socket with the program of these guests."""

    def judge(guests: fx.Guests, data: bytes) -> bool:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            ours.setblocking(False)
            bpf.attach(ours, tuple(sieve.guarded(guests)))
            theirs.send(data)
            try:
                return ours.recv(4096) == data
            except BlockingIOError:
                return False

    return judge


def guests(**more: object) -> fx.Guests:
    values: dict[str, object] = {"family": 4, "protocol": 112, "vrids": (51, 52), "versions": (3,), "full_ttl": True}
    return fx.Guests(**{**values, **more})  # type: ignore[arg-type]


def test_only_what_somebody_might_listen_to_passes(passes: Callable[[fx.Guests, bytes], bool]) -> None:
    who = guests()
    assert passes(who, advert(51))
    assert passes(who, advert(52))
    assert not passes(who, advert(50))
    assert not passes(who, advert(53))
    assert not passes(who, advert(51, ttl=254))
    assert not passes(who, advert(51, version=2))
    assert not passes(who, changed(advert(51), 20, 2)), "not an advertisement"
    assert not passes(who, advert(51)[:27])
    assert passes(who, advert(77, options=4)), "IP options are left to the checks behind"
    assert passes(guests(full_ttl=False), advert(51, ttl=3))
    assert passes(guests(versions=(2, 3)), advert(51, version=2))
    assert not passes(guests(protocol=51), advert(51)), "too short for AH"


def test_every_vrid_can_be_let_in(passes: Callable[[fx.Guests, bytes], bool]) -> None:
    all_but_one = guests(vrids=tuple(vrid for vrid in range(1, 256) if vrid != 200))
    assert [vrid for vrid in range(256) if not passes(all_but_one, advert(vrid))] == [0, 200]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_checksums(passes: Callable[[fx.Guests, bytes], bool], version: int, count: int) -> None:
    who = guests(versions=(version,), lengths=(packet.message_length(version, count, 4),))
    good = advert(count=count, version=version)
    if version == 2:
        # authentication data, as encode appends it, is part of the sum
        assert len(good) == 20 + packet.message_length(2, count, 4)
    assert passes(who, good)
    for place in range(22, len(good)):
        assert not passes(who, changed(bytearray(good), place)), place
    assert passes(who, changed(advert(count=count + 1, version=version), 26)), "other lengths are left to the checks"


def test_words_of_ones_and_zeros_do_not_confuse_the_sum(passes: Callable[[fx.Guests, bytes], bool]) -> None:
    who = guests(lengths=(packet.message_length(3, 2, 4),))
    for first, second in itertools.product((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\0\0"), repeat=2):
        data = advert(count=2)
        data[28:36] = first + second
        message = data[20:]
        packet.seal(message, packet.pseudo_header(ip("192.0.2.1"), GROUP, len(message)))
        data[20:] = message
        assert passes(who, bytes(data))
        struct.pack_into("!H", data, 26, (int.from_bytes(data[26:28], "big") + 1) % 65536 or 1)
        assert not passes(who, bytes(data))


def test_a_program_too_long_leaves_the_sums_out() -> None:
    who = guests(lengths=tuple(8 + 4 * count for count in range(1, 256)))
    assert len(sieve.guarded(who)) < 100
    assert len(sieve.guarded(guests(lengths=(28,)))) > 60


def started(**more: object) -> tuple[Router, fx.Pool]:
    router = Router(config(instance(**{"version": 3, **more})), view(address("192.0.2.2/24")), SECOND, lambda: 0)
    (pool,) = [effect.pool for effect in router.drain() if isinstance(effect, fx.OpenPool)]
    return router, pool


def guards(router: Router) -> list[fx.Guests | None]:
    return [effect.guests for effect in router.drain() if isinstance(effect, fx.GuardPool)]


def test_a_flood_raises_the_guard_for_a_while() -> None:
    router, pool = started()
    junk = bytes(changed(advert(), 26))
    for number in range(REFUSALS - 1):
        router.hear(pool, junk, SECOND + number)
    assert guards(router) == []
    router.hear(pool, bytes(advert(77)), SECOND + 600)
    effects = router.drain()
    (raised,) = [effect.guests for effect in effects if isinstance(effect, fx.GuardPool)]
    assert raised == guests(vrids=(51,), lengths=(12,))
    told = [effect.line for effect in effects if isinstance(effect, fx.WriteLog)]
    text = "(eth0) 512 unusable packets in less than 100 ms: the kernel drops such packets while they come"
    assert [line.text for line in told if isinstance(line, LogLine) and "unusable" in line.text] == [text]
    for number in range(2 * REFUSALS):
        router.hear(pool, junk, SECOND + 700 + number)
    assert guards(router) == [], "it is up already"
    router.hear(pool, bytes(advert()), SECOND + GUARD_NS - MS)
    router.drain()
    (only,) = router._assembly.instances.values()
    assert only.counters.advert_rcvd == 1
    router.tick(SECOND + 600 + GUARD_NS)
    assert guards(router) == [None]


def test_a_trickle_raises_nothing() -> None:
    router, pool = started()
    junk = bytes(changed(advert(), 26))
    step = WINDOW_NS // (REFUSALS - 2)
    for number in range(3 * REFUSALS):
        router.hear(pool, junk, SECOND + number * step)
    assert guards(router) == []


@pytest.mark.parametrize(
    ("more", "lengths"),
    [
        ({}, (12,)),
        ({"version": 2}, (20,)),
        ({"version": 2, "auth_type": AuthType.PASS, "auth_pass": b"x"}, (20,)),
        ({"virtual_addresses": (vip("192.0.2.100"), vip("192.0.2.101"))}, (16,)),
        ({"v3_checksum_as_v2": True}, ()),
        ({"version": 2, "auth_type": AuthType.AH, "auth_pass": b"x"}, ()),
    ],
)
def test_sums_are_judged_only_where_the_message_says_all(more: dict[str, object], lengths: tuple[int, ...]) -> None:
    protocol = 51 if more.get("auth_type") is AuthType.AH else 112
    router, pool = started(**more)
    assert pool.protocol == protocol
    assert guests_of(pool, router._assembly.instances.values()).lengths == lengths
