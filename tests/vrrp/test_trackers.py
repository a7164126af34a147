"""Trackers: weights, faults, rise and fall, delays, debouncing."""

from __future__ import annotations

import itertools

import pytest

from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.network import IpRoute, IpRule, NextHop
from pykeepalived.config.model.vrrp import (
    InterfaceDelays,
    State,
    Trackers,
    TrackGroup,
    UnicastPeer,
    Vmac,
    VrrpScript,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import MS, SECOND, Lan, Node, address, config, instance, interface, ip, view, vip
from tests.vrrp.tracked import ETH1, SCRIPT, faults, flag, priority, start, tracker

# weights


@pytest.mark.parametrize(
    ("weight", "reverse", "up", "down"),
    [(10, False, 110, 100), (-10, False, 100, 90), (10, True, 90, 100), (-10, True, 100, 110)],
)
@pytest.mark.keyword("vrrp_instance/track_interface")
def test_weights(weight: int, reverse: bool, up: int, down: int) -> None:
    lan = Lan()
    node = start(lan, Trackers(interfaces=(tracker("eth1", weight, reverse),)))
    assert priority(node) == up
    node.receive(flag(ETH1, False))
    assert priority(node) == down
    node.receive(flag(ETH1, True))
    assert priority(node) == up
    assert node.state() == "BACKUP"


@pytest.mark.parametrize("reverse", [False, True])
def test_weight_zero_is_a_fault(reverse: bool) -> None:
    lan = Lan()
    node = start(lan, Trackers(interfaces=(tracker("eth1", 0, reverse),)))
    assert node.state() == ("FAULT" if reverse else "BACKUP")
    node.receive(flag(ETH1, False))
    assert node.state() == ("BACKUP" if reverse else "FAULT")


@pytest.mark.parametrize(
    ("base", "weights", "expected"),
    [
        (100, (250, 250), 254),
        (100, (-250, -250), 1),
        (10, (-100, 120), 30),
        (200, (100, -50), 250),
        (200, (100, 10), 254),
    ],
)
def test_priority_is_clamped_once(base: int, weights: tuple[int, int], expected: int) -> None:
    """The sum is unlimited, only the effective priority stays within 1..254."""
    lan = Lan()
    items = (tracker("eth1", weights[0]), tracker("eth2", weights[1]))
    node = start(lan, Trackers(interfaces=items), priority=base)
    if weights[0] < 0:
        node.receive(flag(ETH1, False))
    if weights[1] < 0:
        node.receive(flag(interface("eth2", 4), False))
    assert priority(node) == expected
    assert node.snapshot().total_priority == base + sum(weights)


def test_change_of_priority_moves_the_timer_of_a_backup() -> None:
    """By the difference of the two master down times."""
    lan = Lan()
    node = start(lan, Trackers(interfaces=(tracker("eth1", -50),)))
    began = node.snapshot().timer_expires_ns
    assert began == lan.start + 3_609_375_000
    lan.run(1)
    node.receive(flag(ETH1, False))
    assert node.snapshot().timer_expires_ns == began + (804_687 - 609_375) * 1000
    assert "(VI_1) Changing effective priority from 100 to 50" in node.log()


def test_change_of_priority_of_a_master_is_in_the_next_advert() -> None:
    lan = Lan()
    node = start(lan, Trackers(interfaces=(tracker("eth1", -50),)))
    lan.run(4)
    count = len(lan.wire)
    node.receive(flag(ETH1, False))
    assert len(lan.wire) == count, "no advert out of turn"
    lan.run(1)
    assert lan.wire[-1].priority == 50


@pytest.mark.keyword("vrrp_instance/notify_priority_changes")
def test_priority_changes_are_notified() -> None:
    lan = Lan()
    node = start(lan, Trackers(interfaces=(tracker("eth1", -50),)), notify_priority_changes=True)
    node.receive(flag(ETH1, False))
    lan.run(5)
    node.receive(flag(ETH1, True))
    assert node.notices() == [
        "INSTANCE VI_1 BACKUP 100",
        "INSTANCE VI_1 BACKUP_PRIORITY 50",
        "INSTANCE VI_1 MASTER 50",
        "INSTANCE VI_1 MASTER_PRIORITY 100",
    ]


def test_owner_never_changes() -> None:
    lan = Lan()
    track = Trackers(interfaces=(tracker("eth1", -50),))
    node = start(lan, track, priority=255, state=State.MASTER)
    node.receive(flag(ETH1, False))
    assert priority(node) == 255
    assert node.is_master


# interfaces


@pytest.mark.keyword("vrrp_instance/interface")
def test_own_interface() -> None:
    """Down as MASTER: two adverts of priority 0, everything removed; up: BACKUP with the full timer."""
    lan = Lan()
    node = start(lan)
    lan.run(5)
    del node.history[:]
    count = len(lan.wire)
    node.receive(flag(interface(), False))
    assert [sent.priority for sent in lan.wire[count:]] == [0, 0]
    counters = node.snapshot().counters
    assert (counters.pri_zero_sent, counters.release_master) == (1, 1)
    assert node.addresses == set()
    assert [line for line in node.log() if "STATE" in line] == ["(VI_1) Entering FAULT STATE"]
    assert node.snapshot().fault_flags == ("i/f down",)
    lan.run(100)
    assert len(lan.wire) == count + 2
    node.receive(flag(interface(), True))
    assert node.snapshot().timer_expires_ns == lan.now + 3_609_375_000
    assert node.log()[-2:] == ["Netlink reports eth0 up", "(VI_1) Entering BACKUP STATE"]


@pytest.mark.keyword("vrrp_instance/dont_track_primary")
def test_dont_track_primary() -> None:
    lan = Lan()
    node = start(lan, dont_track_primary=True)
    lan.run(5)
    node.receive(flag(interface(), False))
    assert node.is_master
    node.receive(inputs.InterfaceRemoved("eth0"))
    assert node.state() == "FAULT", "without interface there are no sockets"


def test_interfaces_of_addresses_routes_and_rules_are_tracked() -> None:
    lan = Lan()
    values: dict[str, object] = {
        "virtual_addresses": (vip("192.0.2.100"), vip("198.51.100.1", "eth1", interface_given=True)),
    }
    node = start(lan, **values)
    node.receive(flag(ETH1, False))
    assert faults(node) == [("interface_down", "eth1")]
    lan = Lan()
    node = start(lan, virtual_routes=(IpRoute(family=4, destination=ip("203.0.113.0"), interface="eth1"),))
    node.receive(flag(ETH1, False))
    assert node.state() == "FAULT"
    lan = Lan()
    node = start(lan, virtual_rules=(IpRule(family=4, oif="eth1"), IpRule(family=4, iif="eth2")))
    node.receive(flag(interface("eth2", 4), False))
    assert faults(node) == [("interface_down", "eth2")]


@pytest.mark.keyword("vrrp_instance/virtual_routes")
def test_interfaces_of_nexthops_are_not_tracked() -> None:
    """A route over two interfaces is there to outlive the loss of one; a weight that is asked for counts."""
    lan = Lan()
    hops = (NextHop(interface="eth1"), NextHop(interface="eth2"))
    route = IpRoute(family=4, destination=ip("203.0.113.0"), prefix_length=24, nexthops=hops)
    node = start(lan, Trackers(interfaces=(tracker("eth1", -5),)), virtual_routes=(route,))
    node.receive(flag(ETH1, False))
    assert (node.state(), priority(node)) == ("BACKUP", 95)


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_no_track() -> None:
    lan = Lan()
    values: dict[str, object] = {
        "virtual_addresses": (vip("192.0.2.100"), vip("198.51.100.1", "eth1", no_track=True)),
        "virtual_routes": (IpRoute(family=4, interface="eth1", no_track=True),),
        "virtual_rules": (IpRule(family=4, iif="eth1", no_track=True),),
    }
    node = start(lan, **values)
    node.receive(flag(ETH1, False))
    assert node.state() == "BACKUP"


def test_base_of_a_vmac() -> None:
    lan = Lan()
    vmac = interface("vrrp.51", 7, "00005e000133", parent="eth0")
    machine = view(
        address("192.0.2.1/24"),
        interfaces=(interface(), vmac),
        attachments={("VI_1", "eth0", 4): "vrrp.51"},
    )
    node = lan.node("A", config(instance(vmac=Vmac())), machine)
    assert node.state() == "BACKUP"
    node.receive(flag(interface(), False))
    assert node.snapshot().fault_flags == ("base i/f down",)
    node.receive(flag(vmac, False))
    assert set(node.snapshot().fault_flags) == {"base i/f down", "i/f down"}
    node.receive(flag(interface(), True))
    assert node.state() == "FAULT"
    node.receive(flag(vmac, True))
    assert node.state() == "BACKUP"


@pytest.mark.keyword("track_group/group")
def test_track_group() -> None:
    lan = Lan()
    static = vip("203.0.113.1/24", "eth1", track_group="tg")
    more: dict[str, object] = {
        "static_addresses": (static,),
        "track_groups": (TrackGroup(name="tg", members=("VI_1",)),),
    }
    node = start(lan, more=more)
    node.receive(flag(ETH1, False))
    assert node.state() == "FAULT"


@pytest.mark.keyword("interface_up_down_delays")
def test_debounce() -> None:
    """Down counts after 1.5 s, up after 2 s, and a return within that time changes nothing."""
    lan = Lan()
    delays = (InterfaceDelays(interface="eth0", down_us=1_500_000, up_us=2_000_000),)
    node = start(lan, more={"interface_delays": delays})
    lan.run(5)
    node.receive(flag(interface(), False))
    lan.run(1.4)
    node.receive(flag(interface(), True))
    lan.run(10)
    assert node.is_master
    moment = lan.now
    node.receive(flag(interface(), False))
    lan.run(2)
    assert node.state() == "FAULT"
    assert node.snapshot().last_transition_ns == moment + 1_500 * MS
    node.receive(flag(interface(), True))
    moment = lan.now
    lan.run(3)
    assert node.snapshot().last_transition_ns == moment + 2_000 * MS


def test_debounce_is_limited() -> None:
    """A longer delay than peers would wait is cut to (down_timer_adverts - 1) * advert_int - advert_int/256."""
    lan = Lan()
    delays = (InterfaceDelays(interface="eth0", down_us=60_000_000, up_us=60_000_000),)
    node = start(lan, more={"interface_delays": delays})
    moment = lan.now
    node.receive(flag(interface(), False))
    lan.run(3)
    assert node.snapshot().last_transition_ns == moment + (2_000_000 - 3906) * 1000


def test_debounce_follows_a_faster_master() -> None:
    """A version 3 master with a shorter interval shortens the delays too."""
    lan = Lan()
    delays = (InterfaceDelays(interface="eth0", down_us=1_500_000, up_us=1_500_000),)
    node = start(lan, more={"interface_delays": delays}, version=3)
    peer = instance(version=3, advert_int_us=200_000, priority=200)
    lan.node("B", config(peer), view(address("192.0.2.2/24")))
    lan.run(2)
    assert node.snapshot().master_advert_int_us == 200_000
    moment = lan.now
    node.receive(flag(interface(), False))
    lan.run(2)
    assert node.snapshot().last_transition_ns == moment + (400_000 - 781) * 1000


def test_linkbeat() -> None:
    lan = Lan()
    node = start(lan, more={"linkbeat_use_polling": True})
    watch = node.effects(fx.WatchTrackers)[0][1]
    assert watch.polled_interfaces == ("eth0",)  # type: ignore[attr-defined]
    node.receive(inputs.LinkbeatChanged("eth0", False))
    assert node.state() == "FAULT"
    assert "Linkbeat reports eth0 down" in node.log()
    node.receive(inputs.LinkbeatChanged("eth0", True))
    assert node.state() == "BACKUP"


# scripts


def script_node(lan: Lan, weight: int = 0, reverse: bool = False, **values: object) -> Node:
    scripts = (VrrpScript(name="chk", script=SCRIPT, **values),)  # type: ignore[arg-type]
    return start(lan, Trackers(scripts=(tracker("chk", weight, reverse),)), {"vrrp_scripts": scripts})


def runs(node: Node) -> list[float]:
    return [(at - node.lan.start) / SECOND for at, _ in node.effects(fx.StartScript)]


@pytest.mark.keyword("vrrp_script/interval")
@pytest.mark.keyword("vrrp_script/timeout")
def test_script_rhythm() -> None:
    """At once, then every interval from start to start; a run that is not over is not doubled."""
    lan = Lan()
    node = script_node(lan, interval_us=2_500_000, timeout_us=700_000)
    assert node.state() == "FAULT"
    lan.run(0.1)
    node.receive(inputs.ScriptFinished("chk"))
    assert node.state() == "BACKUP"
    lan.run(2.5)
    assert runs(node) == [0.0, 2.5]
    first = node.effects(fx.StartScript)[0][1]
    assert (first.timeout_ns, first.script) == (700 * MS, SCRIPT)  # type: ignore[attr-defined]
    lan.run(3)
    assert runs(node) == [0.0, 2.5]
    assert "Track script chk is already running, expect idle - skipping run" in node.log()
    node.receive(inputs.ScriptFinished("chk"))
    lan.run(2.5)
    assert runs(node) == [0.0, 2.5, 7.5]


def test_timeout_defaults_to_the_interval() -> None:
    lan = Lan()
    node = script_node(lan, interval_us=3_000_000)
    lan.run(0)
    assert node.effects(fx.StartScript)[0][1].timeout_ns == 3 * SECOND  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "line", "ending"),
    [
        (inputs.ScriptFinished("chk", status=3), "VRRP_Script(chk) failed (exited with status 3)", "exit status 3"),
        (inputs.ScriptFinished("chk", signal=11), "VRRP_Script(chk) failed (due to signal 11)", "killed by signal 11"),
        (inputs.ScriptFinished("chk", timed_out=True), "VRRP_Script(chk) timed out", "timed out"),
    ],
)
def test_first_failure(message: inputs.ScriptFinished, line: str, ending: str) -> None:
    lan = Lan()
    node = script_node(lan, fall=3)
    lan.run(0)
    assert node.notices() == [], "waiting is silent"
    node.receive(message)
    assert node.state() == "FAULT"
    assert node.notices() == ["INSTANCE VI_1 FAULT 100"]
    assert line in node.log()
    cause = node.snapshot().cause
    assert (cause.fact, cause.detail, node.router.snapshot().scripts[0].ending) == ("script_down", ending, ending)
    if message.status:
        assert "Script `chk` now returning 3" in node.log()


def test_after_waiting_a_backup_is_told_as_one_that_has_recovered() -> None:
    """Not `(init)`; and a unicast instance says where it is, as after a fault."""
    lan = Lan()
    more: dict[str, object] = {"vrrp_scripts": (VrrpScript(name="chk", script=SCRIPT),)}
    peers = (UnicastPeer(address=ip("192.0.2.2")),)
    node = start(lan, Trackers(scripts=(tracker("chk"),)), more, unicast=True, unicast_peers=peers)
    lan.run(0)
    assert node.effects(fx.SendFrames) == []
    node.receive(inputs.ScriptFinished("chk"))
    assert [line for line in node.log() if "STATE" in line] == ["(VI_1) Entering BACKUP STATE"]
    ((_, frames),) = node.effects(fx.SendFrames)
    assert [str(frame.address) for frame in frames.frames] == ["192.0.2.1"]  # type: ignore[attr-defined]


class Reference:
    """The documented meaning, counted naively: the state follows the first result, then `rise` successes in a row
    make a bad script good and `fall` failures in a row make a good one bad."""

    def __init__(self, rise: int, fall: int) -> None:
        self.rise, self.fall = rise, fall
        self.up: bool | None = None
        self.row = 0

    def count(self, success: bool) -> None:
        if self.up is None:
            self.up = success
            self.row = 0
        elif success is self.up:
            self.row = 0
        else:
            self.row += 1
            if self.row == (self.rise if success else self.fall):
                self.up = success
                self.row = 0


@pytest.mark.parametrize(("rise", "fall"), list(itertools.product((1, 2, 3), (1, 2, 3))))
@pytest.mark.keyword("vrrp_script/rise")
@pytest.mark.keyword("vrrp_script/fall")
def test_every_sequence_of_results(rise: int, fall: int) -> None:
    """All sequences of seven results."""
    for results in itertools.product((True, False), repeat=7):
        lan = Lan()
        node = script_node(lan, rise=rise, fall=fall)
        reference = Reference(rise, fall)
        (tracked,) = node.router._assembly.tracking.scripts.values()
        for success in results:
            tracked.running = True
            node.router.receive(inputs.ScriptFinished("chk", status=0 if success else 1), lan.now)
            reference.count(success)
            assert tracked.up is reference.up, results
            assert (tracked.result >= rise) is reference.up, results
            assert 0 <= tracked.result <= rise + fall - 1
            expected = "BACKUP" if reference.up else "FAULT"
            assert node.state() == expected, results


@pytest.mark.parametrize(
    ("weight", "reverse", "good", "bad"),
    [(20, False, 120, 100), (-20, False, 100, 80), (20, True, 80, 100), (-20, True, 100, 120)],
)
@pytest.mark.keyword("vrrp_script/weight")
def test_script_weights(weight: int, reverse: bool, good: int, bad: int) -> None:
    """Before the first result there is no contribution, and nobody waits."""
    lan = Lan()
    node = script_node(lan, weight, reverse)
    assert node.state() == "BACKUP"
    assert priority(node) == 100
    lan.run(0)
    node.receive(inputs.ScriptFinished("chk"))
    assert priority(node) == good
    lan.run(1)
    node.receive(inputs.ScriptFinished("chk", status=1))
    assert priority(node) == bad


@pytest.mark.keyword("vrrp_script/init_fail")
def test_init_fail() -> None:
    """Starts as failed, and needs `rise` successes."""
    lan = Lan()
    node = script_node(lan, rise=2, init_fail=True)
    assert node.state() == "FAULT"
    assert node.notices() == ["INSTANCE VI_1 FAULT 100"]
    lan.run(0)
    node.receive(inputs.ScriptFinished("chk"))
    assert node.state() == "FAULT"
    lan.run(1)
    node.receive(inputs.ScriptFinished("chk"))
    assert node.state() == "BACKUP"


def test_script_that_is_not_ours() -> None:
    lan = Lan()
    node = script_node(lan)
    node.receive(inputs.ScriptFinished("other", status=1))
    assert node.state() == "FAULT"
    assert node.snapshot().scripts_init == 1


# bfd


@pytest.mark.keyword("vrrp_instance/track_bfd")
def test_bfd() -> None:
    lan = Lan()
    more: dict[str, object] = {"bfd_instances": (BfdInstance(name="b", neighbor=ip("192.0.2.2")),)}
    node = start(lan, Trackers(bfds=(tracker("b"),)), more)
    assert node.state() == "FAULT", "down until heard of"
    node.receive(inputs.BfdChanged("b", True, lan.now - 5000))
    assert node.state() == "BACKUP"
    assert "VRRP_Instance(VI_1) Tracked BFD instance b is UP" in node.log()
    assert "Received BFD event: instance b is in state Up (delivered in 5 usec)" in node.log()
    lan.run(5)
    node.receive(inputs.BfdChanged("b", False, lan.now))
    assert node.state() == "FAULT"
    assert node.snapshot().cause.fact == "bfd_down"


def test_killed_predecessor_had_good_trackers() -> None:
    """A respawned child goes on as MASTER without waiting for scripts and BFD; what they say then counts."""
    machine = view(address("192.0.2.1/24"), address("192.0.2.100/32"))
    more: dict[str, object] = {
        "bfd_instances": (BfdInstance(name="b", neighbor=ip("192.0.2.2")),),
        "vrrp_scripts": (VrrpScript(name="chk", script=SCRIPT),),
    }
    track = Trackers(scripts=(tracker("chk"),), bfds=(tracker("b"),))
    for bad in (inputs.ScriptFinished("chk", status=1), inputs.BfdChanged("b", False)):
        lan = Lan()
        node = lan.node("A", config(instance(track=track), **more), machine, adopt=True)
        assert node.is_master
        lan.run(0)
        node.receive(inputs.BfdChanged("b", True))
        assert node.is_master
        node.receive(bad)
        assert node.state() == "FAULT"


# source address


@pytest.mark.keyword("vrrp_instance/track_src_ip")
@pytest.mark.parametrize("tracked", [False, True])
def test_configured_source(tracked: bool) -> None:
    lan = Lan()
    node = start(lan, source_address=ip("192.0.2.7"), track_src_ip=tracked)
    assert node.state() == ("FAULT" if tracked else "BACKUP")
    node.receive(inputs.AddressAdded(address("192.0.2.7/24")))
    assert node.state() == "BACKUP"
    node.receive(inputs.AddressRemoved(address("192.0.2.7/24")))
    assert node.state() == ("FAULT" if tracked else "BACKUP")
