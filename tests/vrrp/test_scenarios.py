"""Whole conversations between routers on one LAN, with exact times (RFC 9568 section 6; keepalived's timelines)."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import State
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import MS, SECOND, Lan, address, config, instance, interface, ip, view, vip
from tests.vrrp.pairs import VIP, masters, pair, start

# start: RFC 9568 section 6.4.1


@pytest.mark.parametrize(
    ("version", "interval_us", "priority", "expected_us"),
    [
        (2, 1_000_000, 100, 3_609_375),
        (2, 1_000_000, 150, 3_414_062),
        (2, 1_000_000, 254, 3_007_812),
        (3, 100_000, 100, 360_937),
        (3, 100_000, 150, 341_406),
        (3, 1_000_000, 100, 3_609_375),
        (2, 3_000_000, 100, 9_609_375),
        (3, 10_000, 1, 39_960),
    ],
)
@pytest.mark.keyword("vrrp_instance/priority")
@pytest.mark.keyword("vrrp_instance/advert_int")
def test_alone_at_start(version: int, interval_us: int, priority: int, expected_us: int) -> None:
    """The first advert leaves after the master down time, exactly; the next ones without drift."""
    lan = Lan()
    start(lan, "A", version=version, advert_int_us=interval_us, priority=priority)
    lan.run((expected_us + 10 * interval_us) / 1e6)
    moments = [sent.at - lan.start for sent in lan.wire]
    assert moments == [expected_us * 1000 + count * interval_us * 1000 for count in range(11)]


def test_state_master_does_not_hurry() -> None:
    lan = Lan()
    start(lan, "A", priority=150, state=State.MASTER)
    lan.run(3.4140)
    assert lan.wire == []
    lan.run(0.0001)
    assert [at for at, _ in lan.adverts()] == [3.414062]


@pytest.mark.keyword("vrrp_instance/state")
def test_owner_is_master_at_once() -> None:
    lan = Lan()
    node = start(lan, "A", priority=255, state=State.MASTER)
    assert lan.adverts() == [(0.0, 255)]
    assert node.notices() == ["INSTANCE VI_1 MASTER 255"]
    assert "(VI_1) Entering BACKUP STATE (init)" not in node.log()


def test_owner_with_state_backup_waits() -> None:
    lan = Lan()
    node = start(lan, "A", priority=255, state=State.BACKUP)
    lan.run(4)
    assert lan.adverts() == [(3.003906, 255)]
    assert node.notices() == ["INSTANCE VI_1 BACKUP 255", "INSTANCE VI_1 MASTER 255"]


def test_becoming_master_in_order() -> None:
    """Advert, then addresses, then announcements, then everybody is told."""
    lan = Lan()
    node = start(lan, "A", excluded_addresses=(vip("192.0.2.200"),))
    lan.run(4)
    kinds = [type(effect) for _, effect in node.history]
    assert kinds.index(fx.SendAdverts) < kinds.index(fx.ChangeNetwork) < kinds.index(fx.SendFrames)
    told = [at for at, effect in enumerate(node.history) if isinstance(effect[1], fx.NotifyInstance)]
    assert kinds.index(fx.SendFrames) < told[-1]
    assert [type(operation).__name__ for operation in node.operations()] == ["AddAddress", "AddAddress"]
    moments = {at for at, effect in node.history if isinstance(effect, fx.SendAdverts | fx.ChangeNetwork)}
    assert moments == {lan.start + 3_609_375_000}


def test_the_journal_learns_who_became_what_and_why() -> None:
    lan = Lan()
    node = start(lan, "A")
    lan.run(4)
    lines = [effect.line for _, effect in node.history if isinstance(effect, fx.WriteLog)]
    fields = next(line.fields for line in lines if line.text == "(VI_1) Entering MASTER STATE")
    cause = fields.pop("CAUSE")
    assert fields == {"INSTANCE": "VI_1", "VRID": "51", "STATE": "MASTER"}
    assert cause == str(node.snapshot().cause)


def test_adverts_of_many_takeovers_leave_before_anything_else() -> None:
    """One batch with the adverts of all, and only then the rest of the work."""
    lan = Lan()
    many = [
        instance(f"V{vrid}", virtual_router_id=vrid, virtual_addresses=(vip(f"10.0.0.{vrid}"),))
        for vrid in range(1, 101)
    ]
    node = lan.node("A", config(*many), view(address("192.0.2.1/24")))
    node.router.tick(lan.start + 3_609_375_000)
    (first,) = node.router.drain()
    assert isinstance(first, fx.SendAdverts)
    assert [flow.instance for flow, _ in first.packets] == [item.name for item in many]
    network, frames, *told = node.router.drain()
    assert isinstance(network, fx.ChangeNetwork) and len(network.operations) == 100
    assert isinstance(frames, fx.SendFrames) and len(frames.frames) == 500
    assert sum(isinstance(effect, fx.NotifyInstance) for effect in told) == 100
    assert node.router.drain() == []


# failover


def test_graceful_handover() -> None:
    """SIGTERM: one priority-0 advert, the peer follows after its skew time."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(5.2)
    moment = lan.now
    a.receive(inputs.Stop())
    a.alive = False
    lan.run(2)
    zero = [sent for sent in lan.wire if sent.priority == 0]
    assert [(sent.node.name, sent.at) for sent in zero] == [("A", moment)]
    first = next(sent for sent in lan.wire if sent.node is b)
    assert first.at - moment == 609_375_000
    assert VIP not in a.addresses
    assert VIP in b.addresses
    assert "(VI_1) Backup received priority 0 advertisement" in b.log()
    assert (b.snapshot().cause.fact, b.snapshot().cause.subject) == ("master_resigned", "192.0.2.1")


def test_stop_in_order() -> None:
    """Adverts of priority 0, then removals, then STOP is told; sockets are closed."""
    lan = Lan()
    a = start(lan, "A")
    lan.run(5)
    del a.history[:]
    a.receive(inputs.Stop())
    kinds = [type(effect).__name__ for _, effect in a.history if not isinstance(effect, fx.WriteLog)]
    assert kinds == ["SendAdverts", "ChangeNetwork", "ClosePool", "NotifyInstance"]
    assert a.notices() == ["INSTANCE VI_1 STOP 100"]
    assert a.pools == []
    assert "(VI_1) sent 0 priority" in a.log()
    counters = a.snapshot().counters
    assert (counters.pri_zero_sent, counters.advert_sent) == (1, 3)
    a.receive(inputs.Stop())
    lan.run(10)
    assert kinds == [type(effect).__name__ for _, effect in a.history if not isinstance(effect, fx.WriteLog)]


def test_stop_without_release() -> None:
    lan = Lan()
    a = start(lan, "A")
    lan.run(5)
    a.receive(inputs.Stop(release=False))
    assert VIP in a.addresses
    assert lan.wire[-1].priority == 100


def test_crash() -> None:
    """kill -9: the peer follows one master down time after the last advert."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(4)
    lan.kill(a)
    last = max(sent.at for sent in lan.wire if sent.node is a)
    lan.run(6)
    first = next(sent for sent in lan.wire if sent.node is b)
    assert first.at - last == 3_609_375_000
    assert masters(lan) == ["B"]
    cause = b.snapshot().cause
    assert (cause.fact, cause.subject, cause.since) == ("advert_timeout", "192.0.2.1", last)


def test_crash_version_3() -> None:
    lan = Lan()
    values = {"version": 3, "advert_int_us": 100_000}
    a, b = pair(lan, {"priority": 150, **values}, {"priority": 100, **values})
    lan.run(1)
    lan.kill(a)
    last = max(sent.at for sent in lan.wire if sent.node is a)
    lan.run(1)
    assert next(sent for sent in lan.wire if sent.node is b).at - last == 360_937_000


# preemption


def test_better_router_preempts() -> None:
    """It takes a full master down time, the old master gives up silently."""
    lan = Lan()
    b, a = pair(lan, {"priority": 100}, {"priority": 150})
    began = lan.now
    lan.run(5)
    first = next(sent for sent in lan.wire if sent.node is a)
    assert first.at - began == 3_414_062_000
    assert [sent for sent in lan.wire if sent.priority == 0] == []
    assert masters(lan) == ["B"]
    assert "(VI_1) Master received advert from 192.0.2.2 with higher priority 150, ours 100" in b.log()
    assert b.notices()[-1] == "INSTANCE VI_1 BACKUP 100"
    assert "(VI_1) received lower priority (100) advert from 192.0.2.1 - discarding" in a.log()
    assert b.snapshot().counters.release_master == 1


@pytest.mark.keyword("vrrp_instance/nopreempt")
def test_nopreempt() -> None:
    """Stays BACKUP until the peer goes, then follows after its own skew time."""
    lan = Lan()
    b, a = pair(lan, {"priority": 100}, {"priority": 150, "nopreempt": True})
    lan.run(30)
    assert masters(lan) == ["A"] and not a.is_master
    moment = lan.now
    b.receive(inputs.Stop())
    b.alive = False
    lan.run(1)
    assert next(sent for sent in lan.wire if sent.node is a).at - moment == 414_062_000


@pytest.mark.keyword("vrrp_instance/preempt_delay")
def test_preempt_delay() -> None:
    """Lower adverts are accepted until 4 s after the first one heard; then one master down time after the last."""
    lan = Lan()
    b, a = pair(lan, {"priority": 100}, {"priority": 150, "preempt_delay_us": 4_000_000}, 4.8)
    lan.run(14)
    heard = [sent.at for sent in lan.wire if sent.node is b and sent.at > lan.start + 4_800 * MS]
    accepted = [at for at in heard if at < heard[0] + 4 * SECOND]
    assert len(accepted) == 4
    assert next(sent for sent in lan.wire if sent.node is a).at == accepted[-1] + 3_414_062_000
    assert "(VI_1) start preempt delay (4.000000)" in a.log()


def test_preempt_delay_stops_for_a_better_router() -> None:
    lan = Lan()
    b, a = pair(lan, {"priority": 100}, {"priority": 150, "preempt_delay_us": 4_000_000})
    lan.run(2)
    c = start(lan, "C", 3, priority=200)
    lan.run(20)
    assert masters(lan) == ["C"]
    assert "(VI_1) stop preempt delay" in a.log()
    assert c.is_master and not b.is_master


def test_equal_priority_higher_address_wins() -> None:
    """Both MASTER after a partition: the lower address yields to the first advert of the higher one."""
    lan = Lan()
    a, b = pair(lan, {}, {}, 0)
    b.connected = False
    lan.run(5)
    assert masters(lan) == ["A", "B"]
    b.connected = True
    lan.run(2)
    assert masters(lan) == ["B"]
    text = "(VI_1) Master received advert from 192.0.2.2 with same priority 100 but higher IP address than ours"
    assert text in a.log()


def test_equal_priority_backup_does_not_take_over() -> None:
    lan = Lan()
    a, b = pair(lan, {}, {})
    lan.run(30)
    assert masters(lan) == ["A"]
    assert not b.is_master and a.is_master


def test_own_address_heard() -> None:
    lan = Lan()
    a = start(lan, "A")
    lan.run(4)
    b = start(lan, "B", 1)
    b.connected = False
    lan.run(4)
    b.connected = True
    lan.run(1.5)
    warning = "(VI_1) WARNING - equal priority advert received from remote host with our IP address."
    assert warning in a.log()
    assert a.is_master and b.is_master


# split brain


def test_split_brain_heals() -> None:
    """The better router answers at once, announces itself, and again 5 s later; the other yields."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100}, 0)
    b.connected = False
    lan.run(8.5)
    assert masters(lan) == ["A", "B"]
    b.connected = True
    frames_before = len(a.effects(fx.SendFrames))
    lan.run(0.9)
    foreign = next(sent for sent in lan.wire if sent.node is b)
    answer = next(sent for sent in lan.wire if sent.node is a and sent.at >= foreign.at)
    following = next(sent for sent in lan.wire if sent.node is a and sent.at > answer.at) if lan.run(1.1) is None else 0
    assert answer.at == foreign.at
    assert following.at == answer.at + SECOND  # type: ignore[union-attr]
    assert masters(lan) == ["A"]
    line = "(VI_1) Received advert from 192.0.2.2 with lower priority 100, ours 150, forcing new election"
    assert line in a.log()
    assert "INSTANCE VI_1 MASTER_RX_LOWER_PRI 150" in a.notices()
    lan.run(10)
    blocks = a.effects(fx.SendFrames)[frames_before:]
    assert [at - foreign.at for at, _ in blocks if at >= foreign.at] == [0, 5 * SECOND]


@pytest.mark.keyword("vrrp_instance/lower_prio_no_advert")
def test_lower_prio_no_advert() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150, "lower_prio_no_advert": True}, {"priority": 100}, 0)
    b.connected = False
    lan.run(8.5)
    b.connected = True
    lan.run(3)
    foreign = next(sent for sent in lan.wire if sent.node is b)
    own = [sent.at for sent in lan.wire if sent.node is a]
    assert all((at - own[0]) % SECOND == 0 for at in own), "its own rhythm is not disturbed"
    assert "(VI_1) Received advert from 192.0.2.2 with lower priority 100, ours 150" in a.log()
    assert masters(lan) == ["A"]
    assert foreign.at not in own


@pytest.mark.keyword("vrrp_instance/higher_prio_send_advert")
def test_higher_prio_send_advert() -> None:
    lan = Lan()
    b, a = pair(lan, {"priority": 100, "higher_prio_send_advert": True}, {"priority": 150})
    lan.run(3.5)
    taking = next(sent for sent in lan.wire if sent.node is a)
    answers = [sent for sent in lan.wire if sent.node is b and sent.at == taking.at]
    assert len(answers) == 1
    assert not b.is_master


@pytest.mark.keyword("vrrp_instance/garp_lower_prio_repeat")
@pytest.mark.keyword("vrrp_instance/garp_lower_prio_delay")
def test_garp_lower_prio_settings() -> None:
    from pykeepalived.config.model.globals import Garp

    lan = Lan()
    garp = Garp(lower_prio_repeat=2, lower_prio_delay_s=3)
    a, b = pair(lan, {"priority": 150, "garp": garp}, {"priority": 100}, 0)
    b.connected = False
    lan.run(10.5)
    b.connected = True
    lan.run(8)
    foreign = next(sent for sent in lan.wire if sent.node is b).at
    blocks = [(at - foreign, len(effect.frames)) for at, effect in a.effects(fx.SendFrames) if at >= foreign]  # type: ignore[attr-defined]
    assert blocks == [(0, 2), (3 * SECOND, 2)]


# version 3 learns the interval


def test_interval_of_the_master_is_learned() -> None:
    """RFC 9568 section 6.1: Active_Adver_Interval; three of the master's intervals and a skew of it."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150, "version": 3, "advert_int_us": 500_000}, {"priority": 100, "version": 3})
    lan.run(3)
    assert b.snapshot().master_advert_int_us == 500_000
    assert b.snapshot().master_down_us == 3 * 500_000 + 156 * 500_000 // 256
    assert "(VI_1) advertisement interval updated from 1000ms to 500ms by master" in b.log()
    lan.kill(a)
    last = max(sent.at for sent in lan.wire if sent.node is a)
    lan.run(3)
    first, second, *_ = [sent.at for sent in lan.wire if sent.node is b]
    assert first - last == (3 * 500_000 + 156 * 500_000 // 256) * 1000
    assert second - first == SECOND, "as MASTER it uses its own interval"
    assert b.snapshot().master_advert_int_us == 1_000_000


@pytest.mark.keyword("vrrp_instance/down_timer_adverts")
def test_down_timer_adverts() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100, "down_timer_adverts": 5})
    lan.run(4)
    lan.kill(a)
    last = max(sent.at for sent in lan.wire if sent.node is a)
    lan.run(8)
    assert next(sent for sent in lan.wire if sent.node is b).at - last == 5_609_375_000


def test_version_2_with_other_interval_is_not_heard() -> None:
    """Both become MASTER and stay so: keepalived drops the advert (RFC 3768 section 7.1)."""
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100, "advert_int_us": 2_000_000})
    lan.run(20)
    assert masters(lan) == ["A", "B"]
    assert a.snapshot().counters.advert_interval_err > 5
    assert b.snapshot().counters.advert_interval_err > 5


# rejected packets change no timer


@pytest.mark.parametrize("flaw", ["checksum", "ttl", "length", "version", "type"])
def test_forged_adverts_do_not_silence_a_master(flaw: str) -> None:
    """keepalived restarts a MASTER's timer for any packet of its VRID; a stream of bad ones would silence it."""
    lan = Lan()
    a = start(lan, "A", priority=150)
    lan.run(4)
    good = bytearray(lan.wire[-1].data)
    good[12:16] = Ip.parse("192.0.2.9")
    match flaw:
        case "checksum":
            good[26] ^= 1
        case "ttl":
            good[8] = 64
        case "length":
            good += b"\0\0\0\0"
        case "version":
            good[20] = 0x41
        case "type":
            good[20] = 0x22
    before = len(lan.wire)
    for _ in range(40):
        lan.run(0.1)
        a.router.hear(a.pools[0], bytes(good), lan.now)
        a.perform()
    assert len(lan.wire) - before == 4
    assert a.is_master


def test_rejected_adverts_do_not_keep_a_backup_quiet() -> None:
    lan = Lan()
    a, b = pair(lan, {"priority": 150}, {"priority": 100})
    lan.run(2)
    lan.kill(a)
    bad = bytearray(lan.wire[-1].data)
    bad[26] ^= 1
    last = lan.wire[-1].at
    for _ in range(50):
        lan.run(0.1)
        b.router.hear(b.pools[0], bytes(bad), lan.now)
        b.perform()
    assert next(sent for sent in lan.wire if sent.node is b).at == last + 3_609_375_000


def test_adopting_what_a_killed_predecessor_left() -> None:
    """A respawned child with all its addresses in place goes on at once."""
    lan = Lan()
    machine = view(address("192.0.2.1/24"), address("192.0.2.100/32"))
    node = lan.node("A", config(instance(priority=150)), machine, adopt=True)
    assert lan.adverts() == [(0.0, 150)]
    assert node.notices() == ["INSTANCE VI_1 MASTER 150"]
    assert node.snapshot().cause.fact == "adopted"
    assert node.snapshot().wantstate.name == "MASTER"


def test_leftovers_are_removed_at_a_fresh_start() -> None:
    lan = Lan()
    machine = view(address("192.0.2.1/24"), address("192.0.2.100/32"))
    node = lan.node("A", config(instance(priority=150)), machine)
    assert lan.adverts() == []
    (removal,) = node.operations()
    assert isinstance(removal, fx.RemoveAddress) and removal.leftover
    assert "(VI_1) removing VIPs." in node.log()


def test_adoption_needs_every_address() -> None:
    lan = Lan()
    machine = view(address("192.0.2.1/24"), address("192.0.2.100/32"))
    addresses = (vip("192.0.2.100"), vip("192.0.2.101"))
    node = lan.node("A", config(instance(virtual_addresses=addresses)), machine, adopt=True)
    assert lan.adverts() == []
    assert [type(item).__name__ for item in node.operations()] == ["RemoveAddress"]


def test_no_accept_drops_traffic_only_while_master() -> None:
    lan = Lan()
    a = start(lan, "A", accept=False, excluded_addresses=(vip("fe80::200"),))
    assert a.operations() == []
    lan.run(4)
    assert [type(item).__name__ for item in a.operations()] == [
        "DropTraffic",
        "DropTraffic",
        "AddAddress",
        "AddAddress",
    ]
    a.receive(inputs.Stop())
    assert [type(item).__name__ for item in a.operations()[4:]] == [
        "RemoveAddress",
        "RemoveAddress",
        "AllowTraffic",
        "AllowTraffic",
    ]


def test_interface_given_to_the_pool() -> None:
    lan = Lan()
    a = start(lan, "A")
    (pool,) = a.pools
    assert (pool.family, pool.protocol, pool.interface, pool.group) == (4, 112, "eth0", ip("224.0.0.18"))
    assert interface().name == pool.interface
