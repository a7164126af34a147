"""Sync groups: what one member does, all do (keepalived.conf(5), vrrp_sync_group)."""

from __future__ import annotations

from collections import Counter

import pytest

from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import State, Tracker, Trackers, VrrpScript, VrrpSyncGroup
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, interface, view, vip

SCRIPT = Script(words=("/bin/check",), account=Account(0, 0))
ETH0, ETH1 = interface(), interface("eth1", 3)


def down(which: inputs.Interface) -> inputs.InterfaceChanged:
    return inputs.InterfaceChanged(inputs.Interface(name=which.name, index=which.index, mac=which.mac, up=False))


def members(priority: int, **more: object) -> tuple[object, ...]:
    return (
        instance("VI_1", priority=priority, **more),
        instance(
            "VI_2",
            priority=priority,
            virtual_router_id=52,
            interface="eth1",
            virtual_addresses=(vip("198.51.100.100", "eth1"),),
            **more,
        ),
    )


def start(lan: Lan, name: str, priority: int, group: dict[str, object] | None = None, **more: object) -> Node:
    last = {"A": 1, "B": 2}[name]
    settings = config(
        *members(priority, **{key: value for key, value in more.items() if key != "vrrp_scripts"}),  # type: ignore[arg-type]
        vrrp_sync_groups=(VrrpSyncGroup(name="G1", members=("VI_1", "VI_2"), **(group or {})),),  # type: ignore[arg-type]
        vrrp_scripts=more.get("vrrp_scripts", ()),
    )
    machine = view(address(f"192.0.2.{last}/24"), address(f"198.51.100.{last}/24", "eth1"), interfaces=(ETH0, ETH1))
    return lan.node(name, settings, machine)


def states(node: Node) -> tuple[str, str, str]:
    snapshot = node.router.snapshot()
    one, two = snapshot.instances
    return one.state.name, two.state.name, snapshot.groups[0].state.name


def wire(lan: Lan, node: Node, since: int = 0) -> list[tuple[float, str, int]]:
    return [
        ((sent.at - since) / SECOND, sent.flow.instance, sent.priority)
        for sent in lan.wire
        if sent.node is node and sent.at >= since
    ]


@pytest.mark.keyword("vrrp_sync_group/group")
def test_takeover_together() -> None:
    """The first whose timer runs out waits, the second takes the whole group."""
    lan = Lan()
    node = start(lan, "A", 150)
    lan.run(3.5)
    assert wire(lan, node) == [
        (1003.414062, "VI_2", 150),
        (1003.414062, "VI_1", 150),
    ]
    assert states(node) == ("MASTER", "MASTER", "MASTER")
    assert node.notices() == [
        "GROUP G1 BACKUP",
        "INSTANCE VI_1 BACKUP 150",
        "INSTANCE VI_2 BACKUP 150",
        "INSTANCE VI_2 MASTER 150",
        "INSTANCE VI_1 MASTER 150",
        "GROUP G1 MASTER",
    ]
    assert "VRRP_Group(G1) Syncing instances to MASTER state" in node.log()


def test_one_member_alone_does_not_take_over() -> None:
    """The peer is still heard on one of the two links."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(6)
    assert states(a)[2] == "MASTER"

    def only_eth0(pool: fx.Pool) -> bool:
        return pool.interface == "eth0"

    b.pools = [pool for pool in b.pools if only_eth0(pool)]
    lan.run(10)
    assert states(b) == ("BACKUP", "BACKUP", "BACKUP")
    assert b.snapshot("VI_2").wantstate.name == "MASTER"
    assert b.snapshot("VI_1").wantstate.name == "BACKUP"


def test_fault_of_one_is_the_fault_of_all() -> None:
    """Two adverts of priority 0 where the fault is (the wire of a broken link carries none), one for the others."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(5)
    del a.history[:]
    moment = lan.now
    a.receive(down(ETH1))
    assert states(a) == ("FAULT", "FAULT", "FAULT")
    assert wire(lan, a, moment) == [(0.0, "VI_2", 0), (0.0, "VI_2", 0), (0.0, "VI_1", 0)]
    assert a.notices() == ["INSTANCE VI_2 FAULT 150", "INSTANCE VI_1 FAULT 150", "GROUP G1 FAULT"]
    assert a.log()[:1] == ["Netlink reports eth1 down"]
    assert "VRRP_Group(G1) Syncing instances to FAULT state" in a.log()
    assert a.addresses == set()
    lan.run(5)
    assert states(b) == ("MASTER", "MASTER", "MASTER")
    del a.history[:]
    moment = lan.now
    a.receive(inputs.InterfaceChanged(ETH1))
    assert states(a) == ("BACKUP", "BACKUP", "BACKUP")
    assert a.notices() == ["INSTANCE VI_2 BACKUP 150", "INSTANCE VI_1 BACKUP 150", "GROUP G1 BACKUP"]
    assert {item.timer_expires_ns for item in a.router.snapshot().instances} == {moment + 3_414_062_000}
    lan.run(5)
    assert states(a) == ("MASTER", "MASTER", "MASTER")
    assert states(b) == ("BACKUP", "BACKUP", "BACKUP")


def test_group_moves_when_the_failed_link_expires() -> None:
    """Priority 0 on the healthy link at once, but the peer's group waits for the silent link."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(6.0)
    last = max(sent.at for sent in lan.wire if sent.flow.instance == "VI_2")
    # the broken link carries nothing
    b.pools = [pool for pool in b.pools if pool.interface == "eth0"]
    a.receive(down(ETH1))
    lan.run(5)
    first = min(sent.at for sent in lan.wire if sent.node is b)
    assert first - last == 3_609_375_000


def test_last_fault_counts() -> None:
    lan = Lan()
    a = start(lan, "A", 150)
    lan.run(5)
    a.receive(down(ETH1))
    a.receive(down(ETH0))
    del a.history[:]
    a.receive(inputs.InterfaceChanged(ETH1))
    assert states(a) == ("FAULT", "FAULT", "FAULT")
    assert a.notices() == []
    snapshot = a.router.snapshot()
    assert snapshot.groups[0].members_fault == 1
    a.receive(inputs.InterfaceChanged(ETH0))
    assert states(a) == ("BACKUP", "BACKUP", "BACKUP")


def test_better_router_on_one_link_takes_both() -> None:
    """The others leave MASTER without priority 0."""
    lan = Lan()
    b = start(lan, "B", 100)
    lan.run(5)
    a = start(lan, "A", 150)
    lan.run(5)
    assert states(a)[2] == "MASTER"
    assert states(b) == ("BACKUP", "BACKUP", "BACKUP")
    assert [entry for entry in wire(lan, b) if entry[2] == 0] == []
    assert "VRRP_Group(G1) Syncing instances to BACKUP state" in b.log()
    assert b.notices()[-3:] == ["INSTANCE VI_2 BACKUP 100", "INSTANCE VI_1 BACKUP 100", "GROUP G1 BACKUP"]


def test_all_owners_begin_as_master() -> None:
    lan = Lan()
    node = start(lan, "A", 255, state=State.MASTER)
    assert states(node) == ("MASTER", "MASTER", "MASTER")
    assert node.notices() == ["INSTANCE VI_1 MASTER 255", "INSTANCE VI_2 MASTER 255", "GROUP G1 MASTER"]


def test_owners_come_back_as_master() -> None:
    lan = Lan()
    node = start(lan, "A", 255, state=State.MASTER)
    node.receive(down(ETH1))
    assert states(node) == ("FAULT", "FAULT", "FAULT")
    node.receive(inputs.InterfaceChanged(ETH1))
    assert states(node) == ("MASTER", "MASTER", "MASTER")


def test_state_master_takes_as_long_as_any() -> None:
    lan = Lan()
    node = start(lan, "A", 150, state=State.MASTER)
    lan.run(5)
    assert wire(lan, node)[0] == (1003.414062, "VI_2", 150)


def test_group_begins_in_fault() -> None:
    lan = Lan()
    settings = config(
        *members(150),  # type: ignore[arg-type]
        vrrp_sync_groups=(VrrpSyncGroup(name="G1", members=("VI_1", "VI_2")),),
    )
    machine = view(address("192.0.2.1/24"), interfaces=(ETH0,))
    node = lan.node("A", settings, machine)
    assert states(node) == ("FAULT", "FAULT", "FAULT")
    assert node.notices() == ["GROUP G1 FAULT", "INSTANCE VI_1 FAULT 150", "INSTANCE VI_2 FAULT 150"]
    assert "(VI_2): entering FAULT state (interface eth1 down)" in node.log()
    entered = [line for line in node.log() if "Entering FAULT" in line]
    assert entered == ["(VI_1) Entering FAULT STATE (init)", "(VI_2) Entering FAULT STATE (init)"]


@pytest.mark.keyword("vrrp_sync_group/track_script")
def test_group_script_holds_all_members() -> None:
    """All wait for its first result in silence; then it is a fault of each."""
    lan = Lan()
    scripts = (VrrpScript(name="chk", script=SCRIPT),)
    track = Trackers(scripts=(Tracker(name="chk"),))
    node = start(lan, "A", 150, {"track": track}, vrrp_scripts=scripts)
    lan.run(10)
    assert states(node) == ("FAULT", "FAULT", "INIT")
    assert node.notices() == []
    node.receive(inputs.ScriptFinished("chk"))
    assert states(node) == ("BACKUP", "BACKUP", "BACKUP")
    lan.run(3.5)
    assert states(node) == ("MASTER", "MASTER", "MASTER")
    lan.run(1)
    node.receive(inputs.ScriptFinished("chk", status=1))
    assert states(node) == ("FAULT", "FAULT", "FAULT")
    assert node.router.snapshot().groups[0].members_fault == 2


def test_address_deleted_restarts_the_group() -> None:
    """All members give up with priority 0 and come back after their skew time, before a peer does."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(5)
    moment = lan.now
    a.receive(inputs.AddressRemoved(address("192.0.2.100/32")))
    assert states(a) == ("BACKUP", "BACKUP", "BACKUP")
    assert wire(lan, a, moment) == [(0.0, "VI_1", 0), (0.0, "VI_2", 0)]
    lan.run(1)
    assert states(a) == ("MASTER", "MASTER", "MASTER")
    assert states(b) == ("BACKUP", "BACKUP", "BACKUP")
    assert wire(lan, a, moment)[2][0] == 0.414062


def test_lower_priority_advert_announces_all_members() -> None:
    lan = Lan()
    a = start(lan, "A", 150)
    lan.run(5)
    del a.history[:]
    stranger = start(lan, "B", 100)
    stranger.connected = False
    lan.run(4)
    stranger.connected = True
    stranger.pools = []
    lan.run(1)
    block = next(effect for _, effect in a.effects(fx.SendFrames) if len(effect.frames) >= 10)  # type: ignore[attr-defined]
    assert {str(frame.address) for frame in block.frames} == {"192.0.2.100", "198.51.100.100"}  # type: ignore[attr-defined]


def test_a_late_group_announces_itself_once_for_all_that_waited() -> None:
    """An advert for each member waits: each is answered, and each address announced once and not once for each."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(5)
    a.frozen = True
    lan.run(5)
    assert states(b) == ("MASTER", "MASTER", "MASTER")
    a.frozen, a.late = False, True
    del a.history[:]
    before = len(lan.wire)
    backlog, a.backlog = a.backlog, []
    for sent in backlog:
        a.hear(sent)
    assert sorted(sent.flow.instance for sent in lan.wire[before:]) == ["VI_1", "VI_2"]
    frames = [frame for _, effect in a.effects(fx.SendFrames) for frame in effect.frames]  # type: ignore[attr-defined]
    assert Counter(str(frame.address) for frame in frames) == {"192.0.2.100": 5, "198.51.100.100": 5}


def test_priority_of_stop() -> None:
    lan = Lan()
    a = start(lan, "A", 150)
    lan.run(5)
    del a.history[:]
    a.receive(inputs.Stop())
    assert a.notices() == ["INSTANCE VI_1 STOP 150", "INSTANCE VI_2 STOP 150", "GROUP G1 STOP"]
    assert [priority for _, _, priority in wire(lan, a, lan.now)] == [0, 0]


def test_three_members_on_two_links() -> None:
    """Unequal timers: the group goes when the slowest of them has run out."""
    lan = Lan()
    settings = config(
        instance("V1", virtual_router_id=1, priority=200),
        instance("V2", virtual_router_id=2, priority=100),
        instance("V3", virtual_router_id=3, priority=150),
        vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("V1", "V2", "V3")),),
    )
    node = lan.node("A", settings, view(address("192.0.2.1/24")))
    lan.run(8)
    first = lan.wire[0]
    assert (first.flow.instance, first.at - lan.start) == ("V2", 3_609_375_000)
    assert [sent.flow.instance for sent in lan.wire[:3]] == ["V2", "V1", "V3"]
    assert {item.state.name for item in node.router.snapshot().instances} == {"MASTER"}


def test_a_member_that_hears_its_master_again_wants_nothing() -> None:
    """Its master was silent for a while: that must not count when, later, the master of another member is."""
    lan = Lan()
    a, b = start(lan, "A", 150), start(lan, "B", 100)
    lan.run(6)
    both, quiet = list(b.pools), [pool for pool in b.pools if pool.interface == "eth0"]
    b.pools = quiet
    lan.run(5)
    assert b.snapshot("VI_2").wantstate.name == "MASTER"
    b.pools = both
    lan.run(2)
    assert b.snapshot("VI_2").wantstate.name == "BACKUP"
    b.pools = [pool for pool in both if pool.interface == "eth1"]
    lan.run(10)
    assert b.snapshot("VI_1").wantstate.name == "MASTER"
    assert states(a)[2] == "MASTER"
    assert states(b) == ("BACKUP", "BACKUP", "BACKUP")


def test_a_group_of_one_follows_its_member() -> None:
    lan = Lan()
    alone = (VrrpSyncGroup(name="G1", members=("VI_1",)),)
    a = lan.node("A", config(instance(priority=100), vrrp_sync_groups=alone), view(address("192.0.2.1/24")))
    lan.run(5)
    assert a.router.snapshot().groups[0].state.name == "MASTER"
    lan.node("B", config(instance(priority=150)), view(address("192.0.2.2/24")))
    lan.run(5)
    assert a.state() == "BACKUP"
    assert a.router.snapshot().groups[0].state.name == "BACKUP"
    assert a.notices()[-2:] == ["INSTANCE VI_1 BACKUP 100", "GROUP G1 BACKUP"]


def test_a_respawned_group_goes_on_as_master() -> None:
    """Its state is MASTER too: it is not told anew when a member hears of a worse router, and it falls as one."""
    lan = Lan()
    left = (address("192.0.2.100/32"), address("198.51.100.100/32", "eth1"))
    own = (address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"))
    groups = (VrrpSyncGroup(name="G1", members=("VI_1", "VI_2")),)
    machine = view(*own, *left, interfaces=(ETH0, ETH1))
    a = lan.node("A", config(*members(150), vrrp_sync_groups=groups), machine, adopt=True)  # type: ignore[arg-type]
    assert states(a) == ("MASTER", "MASTER", "MASTER")
    assert a.router.snapshot().groups[0].cause.fact == "adopted"
    assert a.notices() == ["INSTANCE VI_1 MASTER 150", "INSTANCE VI_2 MASTER 150", "GROUP G1 MASTER"]
    a.receive(down(ETH0))
    assert states(a) == ("FAULT", "FAULT", "FAULT")
