"""One session against another, in virtual time: states, intervals, polls, detection, with exact numbers."""

from __future__ import annotations

import itertools

import pytest

from pykeepalived.bfd.packet import ControlPacket, encode
from pykeepalived.bfd.table import State
from tests.bfd.lan import MS, SECOND, START, US, A, B, Line, Node, instance, node, pair

DOWN = ControlPacket(State.DOWN, 0, 3, 0x11223344, 0, 1_000_000, 100_000)


class Peer:
    """A scripted neighbor of one node: what it says is said by hand."""

    def __init__(self, **changes: object) -> None:
        self.node = node(A, instance(**changes))
        self.line = Line(self.node)
        self.line.run(0)

    def say(self, packet: ControlPacket, after: int = 0, ttl: int = 255) -> list[ControlPacket]:
        """Let `after` pass, say it, and return what is answered at once."""
        self.line.run(after)
        before = len(self.node.sent)
        self.node.speaker.hear(encode(packet), B, 50_000, A, ttl, False, self.line.now)
        self.line.settle(self.node)
        return self.node.packets()[before:]

    def known(self, **changes: object) -> ControlPacket:
        """A packet of the neighbor that knows our discriminator: Up, 300 ms, unless changed."""
        mine = self.node.session().local_discriminator
        packet = ControlPacket(State.UP, 0, 3, 0x11223344, mine, 300_000, 100_000)
        return packet._replace(**changes)

    def up(self) -> None:
        self.say(DOWN)
        self.say(self.known(state=State.INIT, min_tx_us=1_000_000))
        self.say(self.known(final=True))
        assert self.node.session().state is State.UP


def gaps(item: Node, since: int) -> list[int]:
    times = [at for at, _, _ in item.sent if at >= since]
    return [later - sooner for sooner, later in itertools.pairwise(times)]


def test_three_way_handshake_takes_two_packets_and_changes_are_told_at_once() -> None:
    line, a, b = pair()
    line.run(SECOND)
    assert [(at - START, new) for at, _, new, _ in a.changes] == [(100 * US, State.INIT), (200 * US, State.UP)]
    assert [(at - START, new) for at, _, new, _ in b.changes] == [(100 * US, State.INIT), (200 * US, State.UP)]
    states = [
        (at - START, packet.state, packet.poll, packet.final)
        for (at, _, _), packet in zip(a.sent, a.packets(), strict=True)
    ]
    assert states[:4] == [
        (0, State.DOWN, False, False),
        (100 * US, State.INIT, False, False),
        (200 * US, State.UP, True, False),
        (300 * US, State.UP, False, True),
    ]
    assert a.told == [(START, "b1", False), (START + 200 * US, "b1", True)]


@pytest.mark.keyword("bfd_instance/min_tx")
def test_intervals_while_up_are_75_to_90_percent_of_the_agreed_one() -> None:
    line, a, _ = pair()
    line.run(60 * SECOND)
    seen = gaps(a, START + SECOND)
    assert len(seen) > 1300
    assert 37.5 * MS <= min(seen) < 38.5 * MS
    assert 44.7 * MS < max(seen) <= 45 * MS
    assert 41.5 * MS < sum(seen) / len(seen) < 42.5 * MS


@pytest.mark.keyword("bfd_instance/min_rx")
def test_the_slower_wish_of_both_sides_wins() -> None:
    line, a, b = pair(a={"min_rx_us": 30_000, "min_tx_us": 20_000}, b={"min_rx_us": 200_000, "min_tx_us": 70_000})
    line.run(2 * SECOND)
    assert a.session().tx_us == 200_000
    assert b.session().tx_us == 70_000
    assert a.session().detect_us == 3 * 70_000
    assert b.session().detect_us == 3 * 200_000


@pytest.mark.keyword("bfd_instance/multiplier")
def test_detection_counts_the_multiplier_of_the_sender() -> None:
    line, a, b = pair(a={"multiplier": 7}, b={"multiplier": 2})
    line.run(SECOND)
    assert (a.session().detect_us, b.session().detect_us) == (100_000, 350_000)


@pytest.mark.keyword("bfd_instance/idle_tx")
def test_packets_while_down_keep_to_idle_tx() -> None:
    a = node(A, instance(idle_tx_us=2_000_000))
    line = Line(a)
    line.run(60 * SECOND)
    assert a.sent[0][0] == START
    assert all(packet.min_tx_us == 2_000_000 and packet.state == State.DOWN for packet in a.packets())
    assert min(gaps(a, 0)) >= 1.5 * SECOND and max(gaps(a, 0)) <= 1.8 * SECOND


@pytest.mark.keyword("bfd_instance/passive")
def test_passive_says_nothing_before_it_was_spoken_to() -> None:
    line, a, b = pair(a={"passive": True}, b={"passive": True})
    line.run(10 * SECOND)
    assert a.sent == b.sent == []
    line, a, b = pair(a={"passive": True})
    line.run(SECOND)
    assert a.session().state is b.session().state is State.UP
    line.fate = lambda *_: None
    line.run(5 * SECOND)
    assert not a.packets(since=line.now - 4 * SECOND)
    assert b.packets(since=line.now - 4 * SECOND)


def test_a_cut_is_noticed_exactly_one_detection_time_after_the_last_packet() -> None:
    line, a, b = pair()
    line.run(SECOND)
    line.fate = lambda *_: None
    line.run(SECOND)
    last = max(at for at, _, _ in b.sent if at <= START + SECOND) + 100 * US
    at, old, new, fact = a.changes[-1]
    assert (at, old, new, fact) == (last + 150 * MS, State.UP, State.DOWN, "detection_time_expired")
    assert a.told[-1] == (at, "b1", False)
    assert "(b1) Expired after 150 ms (0 usec overdue)" in a.lines
    assert a.lines[-1].startswith("(b1) Entering Down state (Local diagnostic - Control Detection Time Expired, ")
    told = next(iter(a.packets(since=at)))
    assert (told.state, told.diagnostic, told.your_discriminator, told.min_tx_us) == (State.DOWN, 1, 0, 1_000_000)


def test_one_way_loss_is_signaled_to_the_side_that_still_hears() -> None:
    line, a, b = pair()
    line.run(SECOND)
    line.fate = lambda source, *_: None if source == B else 100 * US
    line.run(SECOND)
    assert a.changes[-1][3] == "detection_time_expired"
    assert b.changes[2][1:] == (State.UP, State.DOWN, "neighbor_down")
    assert b.changes[2][0] - a.changes[2][0] == 100 * US
    assert b.packets()[-1].state == State.INIT
    line.fate = lambda *_: 100 * US
    line.run(2 * SECOND)
    assert a.session().state is b.session().state is State.UP


def test_the_discriminator_changes_when_the_session_leaves_up_only() -> None:
    peer = Peer()
    first = peer.node.session().local_discriminator
    peer.up()
    assert peer.node.session().local_discriminator == first
    peer.say(peer.known(state=State.DOWN))
    second = peer.node.session().local_discriminator
    assert second not in (0, first)
    peer.say(DOWN)
    peer.line.run(10 * SECOND)
    assert peer.node.states()[-2:] == [State.INIT, State.DOWN]
    assert peer.node.session().local_discriminator == second


def test_every_packet_extends_the_detection_time_in_init() -> None:
    peer = Peer()
    fast = DOWN._replace(min_tx_us=100_000)
    peer.say(fast)
    for _ in range(50):
        peer.say(fast, after=290 * MS)
    assert peer.node.states() == [State.INIT]
    peer.line.run(300 * MS)
    assert peer.node.states() == [State.INIT, State.DOWN]


def test_a_poll_is_answered_at_once_without_touching_the_rhythm() -> None:
    peer = Peer()
    peer.up()
    peer.line.run(20 * MS)
    due = peer.node.session().send_at
    (answer,) = peer.say(peer.known(poll=True))
    assert (answer.final, answer.poll) == (True, False)
    assert peer.node.session().send_at == due


def test_our_poll_lasts_until_it_is_answered() -> None:
    peer = Peer()
    peer.say(DOWN)
    peer.say(peer.known(state=State.INIT))
    for _ in range(10):
        peer.say(peer.known(), after=50 * MS)
    polls = [packet.poll for packet in peer.node.packets() if packet.state == State.UP]
    assert len(polls) >= 5 and all(polls)
    peer.say(peer.known(final=True))
    peer.say(peer.known(), after=200 * MS)
    assert not peer.node.packets()[-1].poll
    assert peer.node.lines.count("(b1) Starting poll sequence") == 1


def test_a_poll_of_the_neighbor_replaces_ours() -> None:
    peer = Peer()
    peer.say(DOWN)
    (answer,) = peer.say(peer.known(poll=True, state=State.INIT))
    assert (answer.state, answer.final, answer.poll) == (State.UP, True, False)
    assert not peer.node.session().polling


def test_no_poll_when_nothing_changes_with_up() -> None:
    peer = Peer(min_tx_us=1_000_000, idle_tx_us=1_000_000)
    peer.say(DOWN)
    (answer,) = peer.say(peer.known(state=State.INIT))
    assert (answer.state, answer.poll) == (State.UP, False)


def test_intervals_change_while_up_with_poll_or_final_only() -> None:
    peer = Peer()
    peer.up()
    session = peer.node.session()
    assert (session.tx_us, session.detect_us) == (100_000, 900_000)
    peer.say(peer.known(min_rx_us=400_000, min_tx_us=500_000))
    assert (session.tx_us, session.detect_us) == (100_000, 900_000)
    peer.say(peer.known(min_rx_us=400_000, min_tx_us=500_000, poll=True))
    assert (session.tx_us, session.detect_us) == (400_000, 1_500_000)
    peer.say(peer.known(min_rx_us=400_000, min_tx_us=500_000, multiplier=5))
    assert session.detect_us == 2_500_000
    assert peer.node.lines[-1] == "     Detection time is 2500000 us (was 1500000 us)"


def test_a_neighbor_that_wants_no_packets_gets_none_but_answers() -> None:
    peer = Peer()
    peer.up()
    (answer,) = peer.say(peer.known(min_rx_us=0, poll=True))
    assert answer.final
    before = len(peer.node.sent)
    for _ in range(10):
        peer.say(peer.known(min_rx_us=0), after=200 * MS)
    assert len(peer.node.sent) == before
    peer.say(peer.known(poll=True))
    peer.say(peer.known(), after=200 * MS)
    assert len(peer.node.sent) > before + 1


def test_demand_of_the_neighbor_silences_us_until_it_ends() -> None:
    peer = Peer()
    peer.up()
    before = len(peer.node.sent)
    for _ in range(10):
        peer.say(peer.known(demand=True), after=200 * MS)
    assert len(peer.node.sent) - before <= 2
    (answer,) = peer.say(peer.known(demand=True, poll=True))
    assert answer.final
    before = len(peer.node.sent)
    peer.say(peer.known())
    peer.line.run(100 * MS)
    assert len(peer.node.sent) > before


def test_a_neighbor_taken_down_on_purpose_is_not_told_to_vrrp_or_checkers() -> None:
    peer = Peer()
    peer.up()
    told = list(peer.node.told)
    (down,) = peer.say(peer.known(state=State.ADMIN_DOWN, diagnostic=7))
    assert (down.state, down.diagnostic) == (State.DOWN, 3)
    assert peer.node.told == told
    assert peer.node.lines[-1] == (
        "(b1) Entering Down state (Local diagnostic - Neighbor Signaled Session Down, "
        "Remote diagnostic - Administratively Down)"
    )
    session = peer.node.session()
    peer.line.run(899 * MS)
    assert session.remote_discriminator == 0x11223344
    peer.line.run(1 * MS)
    assert (session.remote_discriminator, session.remote_state, session.remote_diagnostic) == (0, State.DOWN, 0)


def test_a_neighbor_that_goes_on_talking_is_not_forgotten() -> None:
    peer = Peer()
    peer.up()
    for _ in range(20):
        peer.say(peer.known(state=State.ADMIN_DOWN), after=300 * MS)
    assert peer.node.session().remote_discriminator == 0x11223344


def test_going_up_hastens_the_next_packet_and_going_down_slows_it() -> None:
    peer = Peer()
    peer.line.run(10 * MS)
    peer.say(DOWN)
    peer.say(peer.known(state=State.INIT))
    session = peer.node.session()
    assert session.send_at is not None and session.send_at - peer.line.now <= 90 * MS
    peer.say(peer.known(state=State.DOWN))
    assert session.send_at is not None and session.send_at - peer.line.now >= 750 * MS


def test_a_stall_does_not_make_the_rhythm_faster_than_allowed() -> None:
    line, a, _ = pair()
    line.run(SECOND)
    session = a.session()
    assert session.send_at is not None
    late = session.send_at + 30 * MS
    session.expire_at = late + SECOND
    a.speaker.tick(late)
    assert session.send_at == late + int(37.5 * MS)


def test_the_table_of_parameters_reads_as_keepalived_prints_it() -> None:
    peer = Peer()
    peer.say(DOWN._replace(min_tx_us=300_000))
    assert peer.node.lines == [
        "(b1) ---------------< Session parameters >--------------",
        "              min_tx  min_rx  tx_intv  mult  detect_time",
        "     local   1000000   50000  1000000     3       900000",
        "     remote   300000  100000   300000     3      3000000",
        "     Detection time is 900000 us (was 0 us)",
        "(b1) Entering Init state",
    ]


# the sending socket


def test_without_a_socket_the_session_is_held_down_and_tries_again_every_minute() -> None:
    a = node(A, instance())
    a.can_open = False
    line = Line(a)
    line.run(0)
    assert a.lines == [
        "(b1) bind() error (Cannot assign requested address)",
        "(b1) Unable to open output socket, disabling instance",
        "(b1) Entering AdminDown state",
    ]
    assert (a.session().state, a.sent) == (State.ADMIN_DOWN, [])
    line.run(60 * SECOND)
    assert a.opened == ["b1", "b1"]
    a.can_open = True
    line.run(59 * SECOND)
    assert a.sent == []
    line.run(SECOND)
    assert a.session().state is State.DOWN
    assert a.sent[0][0] == START + 120 * SECOND


def test_a_packet_makes_it_try_at_once_and_is_heard_after_that() -> None:
    peer = Peer()
    peer.node.session().socket_failed("bind() error (Cannot assign requested address)", peer.line.now)
    peer.line.settle(peer.node)
    peer.node.can_open = True
    assert [packet.state for packet in peer.say(DOWN, after=2 * SECOND)] == [State.DOWN, State.INIT]
    session = peer.node.session()
    assert session.detect_us == 3_000_000
    assert session.expire_at == peer.line.now + 3 * SECOND


def test_packets_do_not_make_it_try_more_than_once_a_second() -> None:
    peer = Peer()
    peer.node.can_open = False
    peer.node.session().socket_failed("bind() error (Cannot assign requested address)", peer.line.now)
    peer.line.settle(peer.node)
    opened = len(peer.node.opened)
    for _ in range(100):
        peer.say(DOWN, after=50 * MS)
    assert len(peer.node.opened) - opened == 5
    assert peer.node.session().state is State.ADMIN_DOWN
    assert peer.node.session().counters.discarded == 100
