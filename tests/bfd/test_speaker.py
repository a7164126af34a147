"""All sessions together: whose packet it is, what a reload keeps, what a flood costs, and that nothing is lost."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.bfd.effects import (
    DrainSockets,
    Heard,
    Reconfigure,
    RepeatStates,
    SendFailed,
    SendPacket,
    SendSucceeded,
    SocketsDrained,
    Tell,
    TransmitterOpened,
)
from pykeepalived.bfd.packet import BfdPacketError, ControlPacket, decode, encode
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.table import State
from pykeepalived.config.model.values import Ip
from pykeepalived.runtime.messages import ChildKind
from tests.bfd.lan import MS, SECOND, START, US, A, B, Line, Node, instance, node, pair
from tests.config_lvs.loading import read

C = Ip.parse("10.99.0.3")
DOWN = ControlPacket(State.DOWN, 0, 3, 0x11223344, 0, 1_000_000, 100_000)


def hear(item: Node, packet: ControlPacket, source: Ip = B, destination: Ip = A, ttl: int = 255, **more: bool) -> None:
    item.speaker.receive(Heard(encode(packet), source, 50_000, destination, ttl, more.get("multihop", False)), START)
    item.perform(START)


def discards(item: Node) -> dict[str, int]:
    return {str(kind): count for kind, count in item.speaker.discards.items() if count}


# whose packet is it


def test_a_first_packet_is_known_by_its_neighbor() -> None:
    item = node(A, instance("b1", B), instance("b2", C))
    hear(item, DOWN, source=C)
    assert [item.session(name).state for name in ("b1", "b2")] == [State.DOWN, State.INIT]
    hear(item, DOWN, source=Ip.parse("10.99.0.4"))
    assert discards(item) == {"no_session": 1}


@pytest.mark.keyword("bfd_instance/neighbor_ip")
@pytest.mark.keyword("bfd_instance/neighbour_ip")
@pytest.mark.parametrize("word", ["neighbor_ip", "neighbour_ip"])
def test_the_neighbor_of_the_file(word: str) -> None:
    loaded = read(f"bfd_instance b1 {{\n {word} {B}\n}}\nbfd_instance b2 {{\n {word} {C}\n}}\n").config
    assert loaded is not None
    item = node(A, *loaded.bfd_instances)
    hear(item, DOWN, source=B)
    assert [item.session(name).state for name in ("b1", "b2")] == [State.INIT, State.DOWN]


@pytest.mark.keyword("bfd_instance/source_ip")
def test_a_first_packet_is_known_by_the_address_it_was_sent_to() -> None:
    item = node(A, instance("b1", B, source=C), instance("b2", B, source=A))
    hear(item, DOWN)
    assert [item.session(name).state for name in ("b1", "b2")] == [State.DOWN, State.INIT]


def test_without_a_source_address_the_first_in_the_file_wins() -> None:
    item = node(A, instance("b1", B), instance("b2", B, source=A))
    hear(item, DOWN)
    assert [item.session(name).state for name in ("b1", "b2")] == [State.INIT, State.DOWN]


@pytest.mark.keyword("bfd_instance/multihop")
def test_single_hop_and_multihop_do_not_mix() -> None:
    item = node(A, instance("b1", B), instance("m1", B, multihop=True))
    hear(item, DOWN, multihop=True)
    assert [item.session(name).state for name in ("b1", "m1")] == [State.DOWN, State.INIT]
    mine = item.session("b1").local_discriminator
    hear(item, DOWN._replace(your_discriminator=mine), multihop=True)
    assert discards(item) == {"no_session": 1}


def test_a_discriminator_is_good_from_its_neighbor_only() -> None:
    item = node(A, instance("b1", B), instance("b2", C))
    mine = item.session("b1").local_discriminator
    hear(item, DOWN._replace(your_discriminator=mine), source=C)
    assert item.session("b1").state is State.DOWN
    assert discards(item) == {"wrong_source": 1}
    assert item.session("b1").counters.discarded == 1


def test_an_unknown_discriminator_is_told_with_its_number() -> None:
    item = node(A, instance())
    hear(item, DOWN._replace(your_discriminator=0xDEADBEEF))
    assert item.lines[-1] == (
        "Discarding packet from [10.99.0.2]:50000 (session is not found - your discriminator field is 0xdeadbeef)"
    )


@pytest.mark.keyword("bfd_instance/ttl")
@pytest.mark.keyword("bfd_instance/hoplimit")
@pytest.mark.keyword("bfd_instance/max_hops")
@pytest.mark.parametrize(
    ("own", "hops", "lowest"), [(255, 0, 255), (255, 5, 250), (64, 0, 64), (255, 255, 1), (64, 64, 1), (200, 10, 190)]
)
def test_the_ttl_may_have_been_lowered_by_max_hops(own: int, hops: int, lowest: int) -> None:
    item = node(A, instance(ttl=own, max_hops=hops))
    if lowest > 1:
        hear(item, DOWN, ttl=lowest - 1)
        assert discards(item) == {"ttl": 1}
        assert item.lines[-1] == f"Packet ttl({lowest - 1}) < {lowest} - discarding"
    hear(item, DOWN, ttl=lowest)
    assert item.session().state is State.INIT


def test_the_ttl_is_called_hop_limit_for_ipv6() -> None:
    item = node(Ip.parse("fd99::1"), instance(neighbor=Ip.parse("fd99::2")))
    hear(item, DOWN, source=Ip.parse("fd99::2"), ttl=254)
    assert item.lines[-1] == "Packet hop_limit(254) < 255 - discarding"


def test_a_repeated_packet_is_not_believed_with_another_ttl_or_source() -> None:
    line, a, _b = pair(detail=1)
    line.run(SECOND)
    data = a.session().repeat
    assert data is not None
    expire = a.session().expire_at
    a.speaker.hear(data, B, 50_000, A, 254, False, line.now + 1)
    a.speaker.hear(data, C, 50_000, A, 255, False, line.now + 1)
    a.speaker.hear(data, B, 50_000, A, 255, True, line.now + 1)
    assert a.session().expire_at == expire
    assert discards(a) == {"ttl": 1, "wrong_source": 1, "no_session": 1}
    a.speaker.hear(data, B, 50_000, A, 255, False, line.now + 1)
    assert a.session().expire_at == line.now + 1 + 150 * MS


def test_the_short_way_and_the_long_way_agree() -> None:
    """With two -D every packet takes the long way: the same happens at the same times."""
    runs = []
    for detail in (0, 2):
        line, a, _b = pair(detail=detail)
        line.run(20 * SECOND)
        line.fate = lambda *_: None
        line.run(SECOND)
        line.fate = lambda *_: 100 * US
        line.run(20 * SECOND)
        runs.append(([(at, data) for at, _, data in a.sent], a.changes, a.told, a.session().counters))
    assert runs[0] == runs[1]


# giving up


def test_queued_packets_are_heard_before_a_session_is_given_up() -> None:
    line, a, _b = pair(detail=0)
    line.run(SECOND)
    data = a.session().repeat
    assert data is not None
    late = line.now + 10 * SECOND
    a.speaker.tick(late)
    effects = a.speaker.drain()
    assert effects == [DrainSockets()]
    a.speaker.hear(data, B, 50_000, A, 255, False, late)
    a.speaker.receive(SocketsDrained(), late)
    assert a.session().state is State.UP
    deadline = a.speaker.deadline()
    assert deadline is not None
    a.speaker.tick(late)
    assert [type(effect) for effect in a.speaker.drain()] == [SendPacket]


def test_the_sockets_are_read_before_the_last_moment() -> None:
    line, a, _ = pair(detail=0)
    line.run(SECOND)
    session = a.session()
    expire = session.expire_at
    assert expire is not None
    session.send_at = expire + SECOND
    a.speaker.tick(expire - 500 * US - 1)
    assert a.speaker.drain() == []
    a.speaker.tick(expire - 500 * US)
    assert a.speaker.drain() == [DrainSockets()]
    a.speaker.receive(SocketsDrained(), expire - 500 * US)
    assert a.speaker.deadline() == expire
    a.speaker.tick(expire - 1)
    assert session.state is State.UP
    a.speaker.tick(expire)
    assert session.state is State.DOWN


def test_a_stall_after_that_look_makes_it_look_again() -> None:
    line, a, _ = pair(detail=0)
    line.run(SECOND)
    session = a.session()
    data, expire = session.repeat, session.expire_at
    assert expire is not None and data is not None
    a.speaker.tick(expire - 500 * US)
    a.perform(expire - 500 * US)
    late = expire + 20 * MS
    a.speaker.tick(late)
    assert DrainSockets() in a.speaker.drain()
    a.speaker.hear(data, B, 50_000, A, 255, False, late)
    a.speaker.receive(SocketsDrained(), late)
    assert (session.state, session.expire_at) == (State.UP, late + 150 * MS)


def test_a_session_given_up_with_nothing_queued_goes_down() -> None:
    line, a, _b = pair(detail=0)
    line.run(SECOND)
    late = line.now + 10 * SECOND
    a.speaker.tick(late)
    a.perform(late)
    assert a.session().state is State.DOWN
    assert any("Expired after 10" in text for text in a.lines)


# reload


def test_an_unchanged_session_does_not_notice_a_reload() -> None:
    line, a, b = pair()
    line.run(SECOND)
    before = (a.session(), a.session().send_at, a.session().expire_at, len(a.sent), len(a.opened))
    a.speaker.receive(Reconfigure((instance(),)), line.now)
    line.settle(a)
    assert (a.session(), a.session().send_at, a.session().expire_at, len(a.sent), len(a.opened)) == before
    assert a.told[-1] == (line.now, "b1", True)
    line.run(10 * SECOND)
    assert a.states() == b.states() == [State.INIT, State.UP]


@pytest.mark.parametrize("change", [{"min_tx_us": 80_000}, {"min_rx_us": 80_000}])
def test_new_intervals_are_polled_for_and_hold_once_confirmed(change: dict[str, int]) -> None:
    line, a, b = pair()
    line.run(SECOND)
    a.speaker.receive(Reconfigure((instance(**change),)), line.now)
    assert (a.session().tx_us, a.session().detect_us) == (50_000, 150_000)
    line.settle(a)
    told = a.packets(since=line.now)[0]
    assert told.poll and (told.min_tx_us, told.min_rx_us) == (
        change.get("min_tx_us", 50_000),
        change.get("min_rx_us", 50_000),
    )
    line.run(200 * US)
    assert not a.session().polling
    assert a.session().tx_us == change.get("min_tx_us", 50_000)
    assert a.session().detect_us == 3 * change.get("min_rx_us", 50_000)
    assert b.session().detect_us == 3 * change.get("min_tx_us", 50_000)
    line.run(10 * SECOND)
    assert a.states() == b.states() == [State.INIT, State.UP]


def test_a_new_multiplier_is_told_at_once_without_a_poll() -> None:
    line, a, b = pair()
    line.run(SECOND)
    a.speaker.receive(Reconfigure((instance(multiplier=7),)), line.now)
    line.settle(a)
    told = a.packets(since=line.now)[0]
    assert (told.multiplier, told.poll) == (7, False)
    line.run(100 * US)
    assert b.session().detect_us == 350_000


def test_another_source_or_ttl_means_another_socket_and_the_same_session() -> None:
    line, a, _b = pair()
    line.run(SECOND)
    a.speaker.receive(Reconfigure((instance(source=A),)), line.now)
    line.settle(a)
    a.speaker.receive(Reconfigure((instance(source=A, max_hops=1, ttl=254),)), line.now)
    line.settle(a)
    assert a.opened == ["b1"] * 3
    assert a.session().state is State.UP


def test_a_session_that_is_gone_ends_in_silence() -> None:
    line, a, b = pair()
    line.run(SECOND)
    told, sent = list(a.told), len(a.sent)
    a.speaker.receive(Reconfigure(()), line.now)
    line.settle(a)
    line.run(SECOND)
    assert (a.told, len(a.sent), a.closed) == (told, sent, ["b1"])
    assert b.changes[-1][3] == "detection_time_expired"
    assert discards(a) == {"no_session": b.session().counters.sent - a_heard(b)}


def a_heard(item: Node) -> int:
    """How many packets of `item` were sent before the reload at one second."""
    return sum(1 for at, _, _ in item.sent if at < START + SECOND)


def test_another_neighbor_is_another_session() -> None:
    line, a, _b = pair()
    line.run(SECOND)
    old = a.session()
    a.speaker.receive(Reconfigure((instance(neighbor=C),)), line.now)
    line.settle(a)
    assert a.session() is not old
    assert a.told[-1] == (line.now, "b1", False)
    line.run(SECOND)
    assert a.session().state is State.DOWN


def test_a_renamed_session_comes_up_again() -> None:
    line, a, b = pair()
    line.run(SECOND)
    a.speaker.receive(Reconfigure((instance("b9"),)), line.now)
    line.settle(a)
    line.run(3 * SECOND)
    assert a.session("b9").state is b.session().state is State.UP


# events


@pytest.mark.keyword("bfd_instance/vrrp")
@pytest.mark.keyword("bfd_instance/checker")
@pytest.mark.parametrize(
    ("flags", "receivers"),
    [
        ({"to_checker": False}, (ChildKind.VRRP,)),
        ({"to_vrrp": False}, (ChildKind.CHECKER,)),
        ({}, (ChildKind.VRRP, ChildKind.CHECKER)),
    ],
)
def test_events_go_to_those_who_are_named(flags: dict[str, bool], receivers: tuple[ChildKind, ...]) -> None:
    speaker = Speaker((instance(**flags),), START, Random(1))
    tells = [effect for effect in speaker.drain() if isinstance(effect, Tell)]
    assert [(tell.event.name, tell.event.up, tell.event.sent_ns, tell.receivers) for tell in tells] == [
        ("b1", False, START, receivers)
    ]


def test_a_new_receiver_is_told_every_state() -> None:
    line, a, _b = pair()
    line.run(SECOND)
    a.speaker.receive(RepeatStates(ChildKind.VRRP), line.now)
    (tell,) = a.speaker.drain()
    assert isinstance(tell, Tell)
    assert (tell.event.name, tell.event.up, tell.receivers) == ("b1", True, (ChildKind.VRRP,))


# faults


def test_a_send_error_is_logged_once_and_changes_no_state() -> None:
    line, a, _b = pair()
    line.run(SECOND)
    for _ in range(3):
        a.speaker.receive(SendFailed("b1", "Network is unreachable"), line.now)
    a.perform(line.now)
    assert a.lines[-2:] == ["sendto() error (Network is unreachable)", "(b1) Error sending packet"]
    assert a.lines.count("(b1) Error sending packet") == 1
    assert (a.session().counters.send_errors, a.session().send_error, a.session().state) == (3, True, State.UP)
    a.speaker.receive(SendSucceeded("b1"), line.now)
    a.speaker.receive(SendFailed("b1", "Network is unreachable"), line.now)
    a.perform(line.now)
    assert a.lines.count("(b1) Error sending packet") == 2


def test_news_of_sockets_of_a_session_that_is_gone_are_ignored() -> None:
    item = node(A, instance())
    item.speaker.receive(TransmitterOpened("gone"), START)
    item.speaker.receive(SendFailed("gone", "x"), START)
    item.perform(START)
    assert "(gone)" not in "".join(item.lines)


def test_a_flood_of_faults_is_counted_in_full_and_logged_in_part() -> None:
    item = node(A, instance(), detail=1)
    item.perform(START)
    for _ in range(10_000):
        item.speaker.hear(b"short", C, 1, A, 255, False, START)
    item.perform(START)
    item.speaker.hear(b"short", C, 1, A, 255, False, START + SECOND)
    item.perform(START + SECOND)
    assert discards(item) == {"too_small": 10_001}
    assert len(item.lines) == 2 * 100 + 1 + 1 + 2
    assert "Discarding of 9900 more packets was not logged" in item.lines


def test_nothing_is_logged_of_faults_without_detail() -> None:
    item = node(A, instance(), detail=0)
    item.speaker.hear(b"short", C, 1, A, 255, False, START)
    item.perform(START)
    assert item.lines == []
    assert discards(item) == {"too_small": 1}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["raw", "packet", "known"]),
            st.binary(min_size=24, max_size=34),
            st.integers(0, 400),
            st.sampled_from([255, 254]),
        ),
        max_size=60,
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_any_datagram_is_heard_or_counted_once_and_no_deadline_lies_in_the_past(
    script: list[tuple[str, bytes, int, int]], seed: int
) -> None:
    item = node(A, instance(), seed=seed)
    line = Line(item)
    for kind, data, wait, ttl in script:
        line.run(wait * MS)
        session = item.session()
        if kind != "raw":
            data = bytes([0x20 | data[0] & 31]) + data[1:3] + bytes([24]) + data[4:24]
        if kind == "known":
            data = data[:8] + session.local_discriminator.to_bytes(4, "big") + data[12:]
        before = session.counters.heard + sum(item.speaker.discards.values())
        item.speaker.hear(data, B, 50_000, A, ttl, False, line.now)
        line.settle(item)
        assert session.counters.heard + sum(item.speaker.discards.values()) == before + 1
        deadline = item.speaker.deadline()
        assert deadline is not None
        for _, _, sent in item.sent[-1:]:
            try:
                decode(sent)
            except BfdPacketError as error:
                raise AssertionError(f"we sent {sent.hex()}") from error


# waking up seldom


def gaps(item: Node, name: str, since: int) -> list[int]:
    times = [at for at, who, _ in item.sent if who == name and at >= since]
    return [later - earlier for earlier, later in pairwise(times)]


def test_packets_of_many_sessions_leave_together_within_the_jitter() -> None:
    """The other side of each session answers as usual; one alone would wake up for each of its packets."""
    neighbors = [Ip(b"\x0a\x63\x01" + bytes([1 + number])) for number in range(64)]
    hub = node(A, *(instance(f"b{number}", address) for number, address in enumerate(neighbors)), detail=0)
    others = [node(address, instance(neighbor=A), detail=0, seed=7 + n) for n, address in enumerate(neighbors)]
    line = Line(hub, *others)
    line.run(2 * SECOND)
    hub.sent.clear()
    # from here on nothing else wakes the hub: what it hears waits, as in a quiet socket
    for session in hub.speaker.sessions.values():
        session.expire_at = None
        session.detect_ns = 3600 * SECOND
    line.nodes = {A: hub}
    line.run(SECOND)
    moments = {at for at, _, _ in hub.sent}
    assert len(hub.sent) > 64 * 22
    assert len(hub.sent) > 3 * len(moments)
    for number in range(64):
        seen = gaps(hub, f"b{number}", START)
        assert min(seen) >= 37.5 * MS
        assert max(seen) <= 45 * MS


def test_settled_is_who_needs_no_packet_before_its_own_next_one() -> None:
    line, a, b = pair(detail=0)
    assert not a.speaker.settled or a.session().state is State.DOWN
    line.run(SECOND)
    assert a.session().state is State.UP and a.speaker.settled
    line.fate = lambda *_: None
    line.run(SECOND)
    assert a.session().state is State.DOWN and a.speaker.settled
    hear(a, DOWN._replace(my_discriminator=b.session().local_discriminator))
    assert a.session().state is State.INIT and not a.speaker.settled


def test_a_neighbor_that_sends_much_more_often_than_we_do_is_not_left_waiting() -> None:
    line, a, b = pair(detail=0, a={"min_tx_us": 500_000}, b={"min_rx_us": 500_000})
    line.run(3 * SECOND)
    assert a.session().state is State.UP
    assert not a.speaker.settled
    assert b.speaker.settled


def test_how_long_packets_may_wait_and_how_far_apart_they_are() -> None:
    line, a, _ = pair()
    assert a.speaker.patience_ns == 0
    line.run(5 * SECOND)
    assert a.session().detect_ns == 150 * MS
    assert (a.speaker.patience_ns, a.speaker.apart_ns) == (50 * MS, 25 * MS)
    a.speaker.receive(Reconfigure((instance("b1"), instance("b2", C))), line.now)
    assert (a.speaker.patience_ns, a.speaker.apart_ns) == (25 * MS, 0)
    a.session().detect_ns = 255 * 50 * MS
    assert a.speaker.patience_ns == 50 * MS
