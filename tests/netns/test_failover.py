"""Two or three of our daemons on one segment: who is master, when, and who has the address."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from pykeepalived.lab.node import Node
from tests.netns.conftest import Forger, Lan, Recorder, advert, has, instance

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
VIP = "192.0.2.100"


def pair(lan: Lan, lines: str = "") -> tuple[Node, Node]:
    """a (150) is master and has the VIP, b (100) is backup."""
    a, b = lan.host(instance(150, lines)), lan.host(instance(100, lines))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    b.start()
    lan.wait(lambda: b.states.get("VI_1") == "BACKUP" and has(a, VIP))
    return a, b


@pytest.mark.keyword("vrrp_instance/priority")
@pytest.mark.keyword("vrrp_instance/advert_int")
def test_crash_is_noticed_after_the_down_time(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    assert not has(b, VIP)
    a.kill()
    last = recorder.of("192.0.2.1")[-1].at
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))
    first = recorder.of("192.0.2.2")[0]
    assert first.priority == 100
    # 3 x 0.2 s and a skew of 156/256 x 0.2 s (RFC 9568 section 6.1)
    assert 0.72 <= first.at - last < 2
    lan.wait(lambda: sum(address == VIP for _, address, _ in recorder.announced) >= 5)
    # a starts again: it finds its old address, takes it off, and preempts only after its own down time
    a.start()
    lan.wait(lambda: lan.is_master(a) and has(a, VIP) and not has(b, VIP))


@pytest.mark.keyword("vrrp_instance/state")
def test_orderly_stop_hands_over_within_the_skew_time(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    began = time.monotonic()
    assert a.stop() == 0
    zero = [each for each in recorder.of("192.0.2.1", began) if each.priority == 0]
    assert len(zero) == 1
    assert not has(a, VIP)
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))
    first = recorder.of("192.0.2.2")[0]
    # skew of 156/256 x 0.2 s
    assert 0.12 <= first.at - zero[0].at < 0.7


@pytest.mark.keyword("vrrp_instance/nopreempt")
def test_nopreempt_leaves_the_address_where_it_is(lan: Lan) -> None:
    a, b = lan.host(instance(150, "nopreempt")), lan.host(instance(100, "nopreempt"))
    b.start()
    lan.wait(lambda: lan.is_master(b))
    a.start()
    lan.wait(lambda: a.states.get("VI_1") == "BACKUP")
    lan.pause(2)
    assert not lan.is_master(a)
    assert has(b, VIP)
    assert not has(a, VIP)


def test_cable_pulled_and_plugged_in(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    a.namespace.carrier("eth0", False)
    lan.wait(lambda: a.states["VI_1"] == "FAULT" and lan.is_master(b) and has(b, VIP))
    assert not has(a, VIP)
    assert a.said("Netlink reports eth0 down")
    a.namespace.carrier("eth0", True)
    lan.wait(lambda: lan.is_master(a) and not lan.is_master(b))
    lan.wait(lambda: has(a, VIP) and not has(b, VIP))
    assert [each.priority for each in recorder.of("192.0.2.1")][-1] == 150


def test_partition_makes_two_masters_and_healing_leaves_the_better_one(lan: Lan) -> None:
    a, b = pair(lan)
    lan.net.partition("a")
    lan.wait(lambda: lan.is_master(a) and lan.is_master(b))
    lan.net.heal("a")
    lan.wait(lambda: not lan.is_master(b) and not has(b, VIP))
    assert lan.is_master(a)
    assert b.said("(VI_1) Master received advert from 192.0.2.1 with higher priority 150, ours 100")


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_address_deleted_behind_our_back_is_back_before_the_peer_takes_over(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    deleted = time.monotonic()
    a.namespace.ip("address", "del", f"{VIP}/32", "dev", "eth0")
    lan.wait(lambda: a.said(f"Netlink reflector reports IP {VIP} removed from eth0"))
    lan.wait(lambda: lan.is_master(a) and has(a, VIP))
    assert not any(each.priority for each in recorder.of("192.0.2.2"))
    mine = [each for each in recorder.of("192.0.2.1", deleted) if each.priority == 0]
    assert len(mine) == 1
    assert not lan.is_master(b)


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_address_marked_no_track_may_be_deleted(lan: Lan) -> None:
    a = lan.host(instance(150, vip=f"{VIP}/32 no_track"))
    a.start()
    lan.wait(lambda: has(a, VIP))
    a.namespace.ip("address", "del", f"{VIP}/32", "dev", "eth0")
    lan.pause(1)
    assert lan.is_master(a)
    assert not a.said("removed from eth0")


def test_child_killed_alone_is_replaced_and_keeps_the_address(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    before = a.pid_of("vrrp")
    killed = time.monotonic()
    os.kill(before, signal.SIGKILL)
    lan.wait(lambda: a.said("died: Respawning"))
    lan.wait(lambda: len(recorder.of("192.0.2.1", killed)) >= 5)
    assert a.pid_of("vrrp") != before
    assert has(a, VIP)
    assert not lan.is_master(b)
    assert recorder.of("192.0.2.2") == []


def test_parent_killed_alone_ends_everything_in_order(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    assert a.process is not None
    killed = time.monotonic()
    os.kill(int((a.directory / "parent.pid").read_text()), signal.SIGKILL)
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))
    lan.wait(lambda: not has(a, VIP))
    assert [each.priority for each in recorder.of("192.0.2.1", killed)][-1] == 0


@pytest.mark.parametrize("wrong", [0, 1], ids=["lower priority", "wrong checksum"])
@pytest.mark.keyword("vrrp_instance/lower_prio_no_advert")
def test_forged_adverts_do_not_delay_ours(lan: Lan, wrong: int) -> None:
    recorder = lan.recorder()
    a = lan.host(instance(150, "lower_prio_no_advert true"))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    lan.pause(1)
    start = time.monotonic()
    frame = advert("192.0.2.66", 51, 10, 20, [VIP], wrong)
    Forger(lan.net.lan).flood(frame, 0.01, 3)
    end = time.monotonic()
    lan.pause(0.1)
    assert lan.is_master(a)
    assert recorder.longest_gap("192.0.2.1", start, end) < 1
    assert len(recorder.of("192.0.2.66", start)) > 50


def test_forged_adverts_of_another_router_are_ignored(lan: Lan) -> None:
    a = lan.host(instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    Forger(lan.net.lan).flood(advert("192.0.2.66", 52, 255, 20, [VIP]), 0.02, 1)
    assert lan.is_master(a)
    assert has(a, VIP)


def freeze(node: Node, seconds: float, lan: Lan) -> None:
    """The machine stands still for a while, as a virtual one may."""
    assert node.process is not None
    os.killpg(node.process.pid, signal.SIGSTOP)
    lan.pause(seconds)
    os.killpg(node.process.pid, signal.SIGCONT)


SETTLED = 2.0
"""Seconds after which a backup lets the adverts of its master wait unread."""


@pytest.mark.parametrize("before", [0, SETTLED])
def test_frozen_backup_hears_what_waited_before_it_decides(lan: Lan, before: float) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    lan.pause(before)
    freeze(b, 2, lan)
    lan.pause(1)
    assert b.states["VI_1"] == "BACKUP"
    assert recorder.of("192.0.2.2") == []
    assert has(a, VIP)
    assert not has(b, VIP)


def sleeps(node: Node) -> int:
    """How often the VRRP child has gone to sleep."""
    status = Path(f"/proc/{node.pid_of('vrrp')}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_adverts_that_repeat_wake_no_backup_and_a_change_does(lan: Lan) -> None:
    recorder = lan.recorder()
    a, b = pair(lan)
    lan.pause(SETTLED)
    before, begin = sleeps(b), time.monotonic()
    lan.pause(6)
    heard = len(recorder.of("192.0.2.1", begin))
    # one for three adverts, another for the parent's question every second
    assert sleeps(b) - before < heard * 0.75
    assert recorder.of("192.0.2.2") == []
    a.kill()
    last = recorder.of("192.0.2.1")[-1].at
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))
    assert 0.72 <= recorder.of("192.0.2.2")[0].at - last < 2
    a.start()
    lan.wait(lambda: lan.is_master(a) and b.states["VI_1"] == "BACKUP")
    lan.pause(SETTLED)
    began = time.monotonic()
    assert a.stop() == 0
    lan.wait(lambda: lan.is_master(b))
    (zero,) = [each for each in recorder.of("192.0.2.1", began) if each.priority == 0]
    assert 0.12 <= recorder.of("192.0.2.2", began)[0].at - zero.at < 0.7


def test_frozen_master_takes_its_address_back_when_it_wakes(lan: Lan) -> None:
    a, b = pair(lan)
    freeze(a, 2, lan)
    lan.wait(lambda: b.states["VI_1"] == "BACKUP" and lan.is_master(a))
    assert b.said("(VI_1) Entering MASTER STATE")
    lan.wait(lambda: has(a, VIP) and not has(b, VIP))


@pytest.mark.keyword("vrrp_instance/timer_expired_backup")
def test_frozen_master_gives_up_when_it_is_told_to(lan: Lan) -> None:
    a, b = pair(lan, "nopreempt\n  timer_expired_backup")
    freeze(a, 2, lan)
    lan.wait(lambda: a.states["VI_1"] == "BACKUP" and not has(a, VIP))
    lan.pause(1)
    assert lan.is_master(b)
    assert has(b, VIP)


def test_three_routers_take_over_in_the_order_of_their_priority(lan: Lan) -> None:
    a, b, c = (lan.host(instance(priority)) for priority in (150, 120, 100))
    for node in (a, b, c):
        node.start()
    lan.wait(lambda: lan.is_master(a) and not lan.is_master(b) and not lan.is_master(c))
    a.kill()
    lan.wait(lambda: lan.is_master(b))
    b.kill()
    lan.wait(lambda: lan.is_master(c) and has(c, VIP))


@pytest.mark.keyword("vrrp_sync_group/group")
def test_sync_group_moves_as_one(lan: Lan) -> None:
    def config(priority: int) -> str:
        second = instance(priority, name="VI_2", vrid=52, vip="192.0.2.200/32")
        return f"vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n}}\n{instance(priority)}{second}"

    a, b = lan.host(config(150)), lan.host(config(100))
    a.start()
    b.start()
    lan.wait(lambda: lan.is_master(a) and lan.is_master(a, "VI_2"))
    a.namespace.carrier("eth0", False)
    lan.wait(lambda: lan.is_master(b) and lan.is_master(b, "VI_2"))
    lan.wait(lambda: has(b, VIP) and has(b, "192.0.2.200"))
    assert a.states == {"VI_1": "FAULT", "VI_2": "FAULT"}


def test_unicast_pair(lan: Lan) -> None:
    def lines(own: int, peer: int) -> str:
        return f"unicast_src_ip 192.0.2.{own}\n  unicast_peer {{\n    192.0.2.{peer}\n  }}"

    a, b = lan.host(instance(150, lines(1, 2))), lan.host(instance(100, lines(2, 1)))
    a.start()
    b.start()
    lan.wait(lambda: lan.is_master(a) and b.states.get("VI_1") == "BACKUP")
    lan.pause(1.5)
    assert not lan.is_master(b)
    a.kill()
    lan.wait(lambda: lan.is_master(b) and has(b, VIP))


def test_recorder_sees_adverts_at_their_interval(lan: Lan) -> None:
    recorder: Recorder = lan.recorder()
    a = lan.host(instance(150))
    a.start()
    lan.wait(lambda: len(recorder.of("192.0.2.1")) >= 20)
    times = [each.at for each in recorder.of("192.0.2.1")][1:20]
    assert (times[-1] - times[0]) / (len(times) - 1) == pytest.approx(0.2, abs=0.02)


@pytest.mark.keyword("global_defs/vrrp_rt_priority")
@pytest.mark.keyword("global_defs/vrrp_rlimit_rttime")
def test_flood_does_not_end_a_real_time_process(lan: Lan) -> None:
    a = lan.host("global_defs {\n  vrrp_rt_priority 20\n}\n" + instance(150))
    a.start()
    lan.wait(lambda: lan.is_master(a))
    before = a.pid_of("vrrp")
    Forger(lan.net.lan).flood(advert("192.0.2.66", 51, 10, 20, [VIP], 1), 0, 2)
    lan.pause(0.5)
    assert a.pid_of("vrrp") == before
    assert not a.said("died: Respawning")
    assert lan.is_master(a)
