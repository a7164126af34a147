"""Adverts one at a time: what each changes, what it leaves alone, and what the log says of it."""

from __future__ import annotations

from pykeepalived.config.model.vrrp import State
from pykeepalived.vrrp import effects as fx
from tests.vrrp.adverts import advert, hear, node
from tests.vrrp.lan import SECOND, Lan, Node, ip
from tests.vrrp.pairs import pair, start

US, THEM = ip("192.0.2.1"), ip("192.0.2.2")


def master(lan: Lan, **values: object) -> Node:
    """A node with 192.0.2.1 that has become MASTER."""
    host = node(lan, **values)
    lan.run(5)
    assert host.is_master
    return host


# as BACKUP


def test_a_discarded_advert_shows_who_is_master() -> None:
    """Lower adverts change no timer of a BACKUP that preempts, but status and log know whose they are."""
    lan = Lan()
    host = node(lan, priority=200)
    due = host.snapshot().timer_expires_ns
    lan.run(1)
    hear(host, advert(priority=100))
    seen = host.snapshot()
    assert (seen.master_address, seen.master_priority, seen.highest_other_priority) == (THEM, 100, 100)
    assert host.snapshot().timer_expires_ns == due
    assert "(VI_1) master set to 192.0.2.2" in host.log()


def test_priority_zero_as_backup_is_the_cause_of_the_takeover() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert(priority=150))
    lan.run(0.5)
    hear(host, advert(priority=0))
    lan.run(0.7)
    assert host.is_master
    assert (host.snapshot().cause.fact, host.snapshot().cause.subject) == ("master_resigned", "192.0.2.2")


def test_a_master_that_changes_its_mind_has_not_resigned() -> None:
    """An advert after the one with priority 0: what follows is silence, not resignation."""
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert(priority=0))
    lan.run(0.1)
    hear(host, advert(priority=150))
    lan.run(3.5)
    assert not host.is_master
    lan.run(0.2)
    assert host.is_master
    assert host.snapshot().cause.fact == "advert_timeout"


def test_the_interval_of_the_master_is_told_once() -> None:
    lan = Lan()
    host = node(lan, priority=100, version=3)
    for priority in (150, 151, 152):
        hear(host, advert(version=3, interval_us=500_000, priority=priority))
    assert host.snapshot().master_advert_int_us == 500_000
    updates = [line for line in host.log() if "advertisement interval updated" in line]
    assert updates == ["(VI_1) advertisement interval updated from 1000ms to 500ms by master"]


# as MASTER


def test_priority_zero_as_master_is_answered_and_no_more() -> None:
    """One advert at once (RFC 9568 section 6.4.3); no lower-priority business, no announcements."""
    lan = Lan()
    host = master(lan, priority=100)
    lan.run(10)
    before = len(host.history)
    hear(host, advert(priority=0))
    assert host.is_master
    new = [effect for _, effect in host.history[before:]]
    assert [type(effect) for effect in new if not isinstance(effect, fx.WriteLog)] == [fx.SendAdverts]
    assert [effect.line.text for effect in new if isinstance(effect, fx.WriteLog)] == [
        "(VI_1) Master received priority 0 message"
    ]


def test_the_last_bit_decides() -> None:
    """One priority more makes a MASTER leave; the same needs a higher address; one less is answered."""
    for priority, source, leaves in (
        (101, "192.0.2.2", True),
        (100, "192.0.2.2", True),
        (100, "192.0.2.0", False),
        (99, "192.0.2.2", False),
        (99, "192.0.2.255", False),
    ):
        lan = Lan()
        host = master(lan, priority=100)
        hear(host, advert(priority=priority, source=ip(source)))
        assert host.is_master is not leaves, (priority, source)
        assert host.snapshot().master_priority == (priority if leaves else 0)


def test_only_owners_complain_of_another_owner() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 255, "state": State.MASTER}, {"priority": 255, "state": State.MASTER}, 1)
    lan.run(2)
    assert b.is_master and not a.is_master
    complaint = "(VI_1) CONFIGURATION ERROR: local instance and 192.0.2.2 are both configured as address owner"
    assert a.log().count(f"{complaint}, please resolve") == 1
    lan = Lan()
    a, b = pair(lan, {"priority": 100, "state": State.MASTER}, {"priority": 150, "state": State.MASTER})
    lan.run(5)
    assert b.is_master and not a.is_master
    assert not [line for line in a.log() + b.log() if "CONFIGURATION ERROR" in line]


def test_an_owner_that_lowered_itself_is_an_owner_again_without_the_other() -> None:
    """As soon as the rogue is no owner any more, not only when the mastership comes back."""
    lan = Lan()
    ours = start(lan, "B", priority=255, state=State.MASTER)
    rogue = start(lan, "A", priority=255, state=State.MASTER, owner_ignore_adverts=True)
    lan.run(6)
    assert not ours.is_master
    assert ours.snapshot().effective_priority == 254
    lan.kill(rogue)
    ours.router.hear(ours.pools[0], advert(priority=200, source=US), lan.now)
    assert not ours.is_master
    assert ours.snapshot().effective_priority == 255


def test_takeover_after_exactly_the_skew_of_our_priority() -> None:
    """RFC 3768 section 6.1: 3 x interval + (256 - priority) / 256 s, to the nanosecond of a microsecond timer."""
    for priority in (1, 100, 254):
        lan = Lan()
        host = node(lan, priority=priority)
        hear(host, advert(priority=254, source=THEM))
        heard = lan.now
        lan.run(5)
        first = next(sent for sent in lan.wire if sent.node is host)
        assert first.at - heard == 3 * SECOND + (256 - priority) * 1_000_000 // 256 * 1000


def test_silence_counts_from_the_last_advert() -> None:
    """`why` tells since when the master is silent, and who it was."""
    lan = Lan()
    host = node(lan, priority=100)
    lan.run(1)
    hear(host, advert(priority=150))
    heard = lan.now
    lan.run(4)
    cause = host.snapshot().cause
    assert host.is_master
    assert (cause.fact, cause.subject, cause.since) == ("advert_timeout", "192.0.2.2", heard)


def test_the_preempt_delay_ends_to_the_nanosecond() -> None:
    """The last lower advert before its end keeps us BACKUP for a master down time more; one at its end does not."""
    for late, kept in ((-1, True), (0, False)):
        lan = Lan()
        host = node(lan, priority=200, preempt_delay_us=3_000_000)
        began = lan.now
        for at in (0, 1 * SECOND, 2 * SECOND, 3 * SECOND + late):
            lan.run_until(began + at)
            due = host.snapshot().timer_expires_ns
            hear(host, advert(priority=100))
        assert not host.is_master
        assert (host.snapshot().timer_expires_ns != due) is kept


def test_a_better_router_ends_the_preempt_delay_and_the_next_one_begins_anew() -> None:
    lan = Lan()
    host = node(lan, priority=200, preempt_delay_us=3_000_000)
    began = lan.now
    for at, priority in ((0, 100), (1, 250), (2, 100), (3, 100), (4, 100)):
        lan.run_until(began + at * SECOND)
        hear(host, advert(priority=priority))
    delays = [line for line in host.log() if "preempt delay" in line]
    assert delays == [
        "(VI_1) start preempt delay (3.000000)",
        "(VI_1) stop preempt delay",
        "(VI_1) start preempt delay (3.000000)",
    ]
    heard = lan.now
    lan.run(3.2)
    assert not host.is_master
    lan.run(0.1)
    first = next(sent for sent in lan.wire if sent.node is host)
    assert first.at - heard == 3 * SECOND + 56 * 1_000_000 // 256 * 1000
