"""A flood makes the core ask for a guard, for its guests as they are, and take it away again."""

from __future__ import annotations

import pytest

from pykeepalived.bfd.effects import Admit, Reconfigure, SendPacket, SocketsDrained
from pykeepalived.bfd.flood import DISCARDS, DISCARDS_A_SESSION, GUARD_NS, WINDOW_NS
from pykeepalived.bfd.sieve import Guests
from pykeepalived.config.model.values import Ip
from tests.bfd.lan import SECOND, START, A, B, Node, instance, node, pair

C = Ip.parse("10.99.0.3")


def flood(item: Node, count: int, now: int) -> list[Admit]:
    for _ in range(count):
        item.speaker.hear(b"short", C, 1, A, 255, False, now)
    return admissions(item)


def admissions(item: Node) -> list[Admit]:
    return [effect for effect in item.speaker.drain() if isinstance(effect, Admit)]


def number(item: Node, name: str = "b1") -> int:
    return item.session(name).local_discriminator


def test_a_flood_is_told_once_and_guarded_for_ten_seconds() -> None:
    item = node(A, instance(), detail=0)
    item.perform(START)
    enough = DISCARDS + DISCARDS_A_SESSION
    assert flood(item, enough - 1, START) == []
    assert flood(item, 1, START) == [Admit(Guests((number(item),), (B,), 255))]
    assert flood(item, enough, START) == []
    end = START + GUARD_NS
    item.speaker.tick(end - 1)
    assert admissions(item) == []
    assert item.speaker.deadline() == end
    item.speaker.tick(end)
    assert admissions(item) == [Admit(None)]
    assert flood(item, enough, end) == [Admit(Guests((number(item),), (B,), 255))]


def test_faults_now_and_then_are_no_flood() -> None:
    item = node(A, instance())
    item.perform(START)
    for window in range(20):
        assert flood(item, DISCARDS, START + window * WINDOW_NS) == []


def test_many_sessions_that_were_lost_at_once_are_no_flood() -> None:
    """Their neighbors go on for a while with discriminators that are no longer known, every 10 ms say."""
    neighbors = [Ip(b"\x0a\x63" + (256 + each).to_bytes(2, "big")) for each in range(256)]
    item = node(A, *(instance(f"b{each}", address) for each, address in enumerate(neighbors)))
    item.perform(START)
    assert flood(item, 256 * 12, START) == []


def test_the_guard_knows_new_discriminators_before_they_are_sent() -> None:
    line, a, _ = pair(detail=0)
    line.run(SECOND)
    old = number(a)
    assert flood(a, 1000, line.now) == [Admit(Guests((old,), (B,), 255))]
    a.speaker.receive(Reconfigure((instance("b1"), instance("b2", C, ttl=200, max_hops=10))), line.now)
    assert admissions(a) == [Admit(Guests((old, number(a, "b2")), (B, C), 190))]
    expired = a.session().expire_at
    assert expired is not None
    a.speaker.tick(expired)
    a.speaker.drain()
    a.speaker.receive(SocketsDrained(), expired)
    effects = a.speaker.drain()
    assert number(a) != old
    assert effects[0] == Admit(Guests((number(a, "b2"), number(a)), (B, C), 190))
    assert any(isinstance(effect, SendPacket) for effect in effects)


@pytest.mark.parametrize("hops", [255, 200, 100])
def test_a_session_that_takes_any_ttl_lowers_the_bar_for_all(hops: int) -> None:
    item = node(A, instance("b1", B), instance("b2", C, ttl=100, max_hops=hops))
    item.perform(START)
    assert flood(item, 1000, START)[0].guests == Guests((number(item), number(item, "b2")), (B, C), 0)
