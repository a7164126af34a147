"""Delays at the start, and processes that stood still: what is heard before anything is decided."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.vrrp import State
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, address, config, instance, replace, view
from tests.vrrp.pairs import VIP, masters, pair, start

LOWER = "(VI_1) Received advert from 192.0.2.2 with lower priority 100, ours 150, forcing new election"

# start delays


@pytest.mark.keyword("global_defs/vrrp_startup_delay")
def test_startup_delay() -> None:
    """Nothing is sent or heard; timers run from the end of the delay."""
    from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults

    lan = Lan()
    defaults = GlobalDefs(vrrp_defaults=VrrpDefaults(startup_delay_us=7_500_000))
    peer = start(lan, "B", priority=50)
    lan.run(4)
    began = lan.now
    node = lan.node("A", config(instance(priority=150), globals=defaults), view(address("192.0.2.1/24")))
    assert "Delaying startup for 7.5 seconds" in node.log()
    lan.run(7.4)
    assert node.snapshot().counters.advert_rcvd == 0
    lan.run(0.2)
    assert "Delayed start completed" in node.log()
    lan.run(5)
    first = next(sent for sent in lan.wire if sent.node is node)
    assert first.at - began == 7_500_000_000 + 3_414_062_000
    assert not peer.is_master


@pytest.mark.keyword("global_defs/vrrp_delay_after_boot")
@pytest.mark.parametrize(("uptime", "expected"), [(4.0, 6.0), (20.0, 0.0)])
def test_delay_after_boot(uptime: float, expected: float) -> None:
    from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults

    lan = Lan()
    defaults = GlobalDefs(vrrp_defaults=VrrpDefaults(delay_after_boot_us=10_000_000))
    machine = view(address("192.0.2.1/24"), uptime_ns=round(uptime * SECOND))
    lan.node("A", config(instance(priority=255, state=State.MASTER), globals=defaults), machine)
    lan.run(8)
    assert lan.adverts()[0] == (expected, 255)


# a process that stood still


def test_frozen_backup_reads_before_it_decides() -> None:
    """Its timer ran out while it slept, but the master's adverts are waiting in the socket."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    b.frozen = True
    lan.run(6)
    lan.thaw(b)
    assert not b.is_master and a.is_master
    lan.run(2)
    assert [sent for sent in lan.wire if sent.node is b] == []


def test_late_tick_asks_for_another_round_of_reading() -> None:
    """Adverts that a first round of reading has left are heard before anything is decided."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    b.frozen = True
    lan.run(6)
    b.router.tick(lan.now)
    b.perform()
    assert not b.is_master
    assert b.router.deadline() is not None and b.router.deadline() <= lan.now  # type: ignore[operator]
    backlog, b.backlog = b.backlog, []
    for sent in backlog:
        b.hear(sent)
    b.router.tick(lan.now)
    b.perform()
    b.frozen = False
    assert not b.is_master
    assert a.is_master
    # without anything in the socket the second tick takes over
    b.frozen = True
    lan.kill(a)
    lan.run(6)
    b.router.tick(lan.now)
    assert not b.is_master
    b.router.tick(lan.now)
    assert b.is_master


def test_frozen_master_answers_once() -> None:
    """Several adverts of a usurper wait: one answer and one announcement for all of them."""
    lan = Lan()
    a, _b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    a.frozen = True
    lan.run(7)
    assert masters(lan) == ["A", "B"]
    a.frozen = False
    backlog, a.backlog = a.backlog, []
    assert len(backlog) >= 3
    sent_before = len(lan.wire)
    for sent in backlog:
        a.router.hear(a.pools[0], sent.data, lan.now)
    del a.history[:]
    a.perform()
    frames = a.effects(fx.SendFrames)
    assert len(frames[0][1].frames) == 5  # type: ignore[attr-defined]
    assert len(lan.wire) - sent_before == 1
    lan.deliver()
    assert masters(lan) == ["A"]


def test_late_master_answers_once_to_what_was_sent_before_its_answer() -> None:
    """However they are read: an advert that waited while the answer to another one left is counted and no more."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    a.frozen = True
    lan.run(7)
    waiting = len(a.backlog)
    assert masters(lan) == ["A", "B"] and waiting >= 3
    heard, sent_before = a.snapshot().counters.advert_rcvd, len(lan.wire)
    a.frozen, a.late = False, True
    backlog, a.backlog = a.backlog, []
    for sent in backlog:
        a.hear(sent)
    assert a.snapshot().counters.advert_rcvd == heard + waiting
    assert len(lan.wire) - sent_before == 1
    assert [line for line in a.log() if "with lower priority 100" in line] == [LOWER]
    # one that is sent later is news
    lan.run(0.2)
    a.hear(replace(backlog[-1], at=lan.now))
    assert len(lan.wire) - sent_before == 2
    assert [line for line in a.log() if "with lower priority 100" in line] == [LOWER] * 2
    lan.run(5)
    assert masters(lan) == ["A"] and not b.is_master


def test_in_the_midst_of_other_work_adverts_leave_and_silence_is_not_judged() -> None:
    """Whoever has not read his sockets does not know whether there was silence."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    a.frozen = b.frozen = True
    lan.run(9)
    before = len(lan.wire)
    b.router.receive(inputs.SendDue(), lan.now)
    b.perform()
    assert not b.is_master and len(lan.wire) == before
    a.router.receive(inputs.SendDue(), lan.now)
    a.perform()
    assert [sent.node for sent in lan.wire[before:]] == [a]
    a.router.receive(inputs.SendDue(), lan.now)
    a.perform()
    assert len(lan.wire) == before + 1, "the next one is due an interval later"
    b.router.tick(lan.now)
    b.router.tick(lan.now)
    b.perform()
    assert b.is_master, "what was put off is as due as before"


def test_answered_advert_means_something_else_after_a_change_of_priority() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    a.frozen = True
    lan.run(5)
    a.frozen = False
    advert = next(sent for sent in lan.wire[::-1] if sent.node is b)
    a.hear(replace(advert, at=lan.now))
    assert a.is_master and LOWER in a.log()
    (only,) = a.router._assembly.instances.values()
    only.contribute(("script", "x"), -100, only.cause, lan.now)
    a.hear(replace(advert, at=lan.now - 1))
    assert not a.is_master


@pytest.mark.keyword("vrrp_instance/timer_expired_backup")
def test_timer_expired_backup() -> None:
    """nopreempt with timer_expired_backup: a thawed MASTER does not steal the addresses back."""
    lan = Lan()
    a, _b = pair(lan, {"priority": 150, "nopreempt": True, "timer_expired_backup": 254}, {"priority": 100})
    lan.run(2)
    a.frozen = True
    lan.run(7)
    sent_before = len([sent for sent in lan.wire if sent.node is a])
    lan.thaw(a)
    lan.run(20)
    assert masters(lan) == ["B"]
    assert len([sent for sent in lan.wire if sent.node is a]) == sent_before, "not one advert"
    assert any(line.startswith("VRRP thread timer expired 6.") for line in a.log())
    assert VIP not in a.addresses


def test_timer_expired_backup_forgives_short_stalls() -> None:
    lan = Lan()
    a = start(lan, "A", priority=150, nopreempt=True, timer_expired_backup=254)
    lan.run(6)
    a.frozen = True
    lan.run(1.5)
    lan.thaw(a)
    assert a.is_master
