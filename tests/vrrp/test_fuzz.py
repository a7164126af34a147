"""Random lives: whatever happens, in whatever order, the laws of the core hold."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pykeepalived.config.model.globals import Garp, GlobalDefs, VrrpDefaults
from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import (
    State,
    Tracker,
    Trackers,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
)
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, interface, view, vip
from tests.vrrp.test_receive import advert, ip

SCRIPT = VrrpScript(name="s", script=Script(words=("/x",), account=Account(0, 0)), rise=2, fall=2)
ETH = {"eth0": interface(), "eth1": interface("eth1", 3)}


def some_instance(draw: st.DrawFn, number: int) -> VrrpInstance:
    device = draw(st.sampled_from(["eth0", "eth1"]))
    priority = draw(st.sampled_from([1, 100, 200, 255]))
    return instance(
        f"V{number}",
        virtual_router_id=number,
        interface=device,
        priority=priority,
        version=draw(st.sampled_from([2, 3])),
        state=draw(st.sampled_from(list(State))),
        nopreempt=priority != 255 and draw(st.booleans()),
        preempt_delay_us=draw(st.sampled_from([0, 2_000_000])),
        lower_prio_no_advert=draw(st.booleans()),
        accept=draw(st.booleans()),
        garp=draw(st.sampled_from([Garp(), Garp(master_refresh_s=1), Garp(master_repeat=1, master_delay_s=0)])),
        virtual_addresses=(vip(f"192.0.2.{100 + number}", device),),
        track=draw(
            st.sampled_from(
                [
                    Trackers(),
                    Trackers(scripts=(Tracker(name="s"),)),
                    Trackers(scripts=(Tracker(name="s", weight=-40),)),
                    Trackers(interfaces=(Tracker(name="eth1", weight=-30),)),
                ]
            )
        ),
    )


@st.composite
def configurations(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    instances = tuple(some_instance(draw, number) for number in range(1, draw(st.integers(1, 4)) + 1))
    names = tuple(item.name for item in instances)
    groups = (VrrpSyncGroup(name="G", members=names[:2]),) if len(names) > 1 and draw(st.booleans()) else ()
    defaults = VrrpDefaults(garp_interval_us=draw(st.sampled_from([0, 70_000])))
    return config(
        *instances, vrrp_sync_groups=groups, vrrp_scripts=(SCRIPT,), globals=GlobalDefs(vrrp_defaults=defaults)
    )


events = st.one_of(
    st.tuples(st.just("run"), st.floats(0.001, 5)),
    st.tuples(st.just("link"), st.sampled_from(list(ETH)), st.booleans()),
    st.tuples(st.just("gone"), st.sampled_from(list(ETH))),
    st.tuples(st.just("script"), st.integers(0, 1)),
    st.tuples(st.just("vip"), st.integers(1, 4)),
    st.tuples(st.just("source"), st.sampled_from(list(ETH)), st.booleans()),
    st.tuples(
        st.just("hear"), st.integers(1, 4), st.sampled_from([0, 1, 100, 200, 255]), st.booleans(), st.integers(2, 3)
    ),
    st.tuples(st.just("reload"), configurations()),
    st.tuples(st.just("resync")),
)


def machine() -> inputs.View:
    return view(address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"), interfaces=tuple(ETH.values()))


def present(node: Node) -> inputs.View:
    """Everything is there again, and what the node has put in place."""
    virtual = [address(f"{text}/32", name) for name, text in node.addresses]
    first = [address("192.0.2.1/24"), address("198.51.100.1/24", "eth1")]
    return view(*first, *virtual, interfaces=tuple(ETH.values()))


def apply(lan: Lan, node: Node, event: tuple[object, ...]) -> None:
    match event:
        case ("run", float(seconds)):
            lan.run(seconds)
        case ("link", str(name), bool(up)):
            node.receive(inputs.InterfaceChanged(interface(name, ETH[name].index, up=up)))
        case ("gone", str(name)):
            node.addresses = {place for place in node.addresses if place[0] != name}
            node.receive(inputs.InterfaceRemoved(name))
        case ("script", int(status)):
            node.receive(inputs.ScriptFinished("s", status=status))
        case ("vip", int(number)):
            for name in ETH:
                if (name, ip(f"192.0.2.{100 + number}")) in node.addresses:
                    node.addresses.discard((name, ip(f"192.0.2.{100 + number}")))
                    node.receive(inputs.AddressRemoved(address(f"192.0.2.{100 + number}/32", name)))
        case ("source", str(name), bool(there)):
            which = address("192.0.2.1/24") if name == "eth0" else address("198.51.100.1/24", "eth1")
            node.receive(inputs.AddressAdded(which) if there else inputs.AddressRemoved(which))
        case ("hear", int(number), int(priority), bool(high), int(version)):
            source = ip("198.51.100.200") if high else ip("1.0.0.1")
            data = advert(
                vrid=number, priority=priority, version=version, source=source, addresses=(f"192.0.2.{100 + number}",)
            )
            for pool in list(node.pools):
                node.router.hear(pool, data, lan.now)
            node.perform()
        case ("reload", settings_):
            node.receive(inputs.Reload(settings_, present(node)))  # type: ignore[arg-type]
        case ("resync",):
            node.receive(inputs.Resynced(present(node)))


def check(lan: Lan, node: Node) -> None:
    """The laws: no deadline in the past; addresses are in place exactly on a MASTER; a MASTER has a timer and a
    FAULT none; groups agree."""
    deadline = node.router.exact_deadline()
    assert deadline is None or deadline >= lan.now
    items = node.router._assembly.instances
    for item in node.router.snapshot().instances:
        live = items[item.name]
        master = item.state.name == "MASTER"
        assert set(item.addresses_set) <= {master}, item.name
        assert live.estate.holdings.taken is master
        assert (live.timer.when is not None) is (item.state.name in ("MASTER", "BACKUP"))
        assert item.cause is not None
        assert item.cause.fact
        if item.faults:
            assert item.state.name in ("FAULT", "INIT")
        if item.state.name in ("MASTER", "BACKUP"):
            assert not item.faults
        assert 1 <= item.effective_priority <= 255
        assert live.effective == (live.rogue.priority if live.config.is_owner else min(max(live.total, 1), 254))
        assert live.total == live.config.priority + sum(live.contributions.values())
    masters = {
        (placed.interface, placed.address)
        for item in items.values()
        if item.state.name == "MASTER"
        for placed in item.estate.holdings.all_addresses
    }
    assert masters <= node.addresses
    for group in node.router.snapshot().groups:
        if group.members_init:
            continue
        members = [item for item in node.router.snapshot().instances if item.group == group.name]
        states = {item.state.name for item in members}
        if "MASTER" in states:
            assert states == {"MASTER"}, group
        if any(item.faults for item in members):
            assert states <= {"FAULT", "INIT"}, group


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
@given(configuration=configurations(), life=st.lists(events, max_size=25))
def test_any_life(configuration, life) -> None:  # type: ignore[no-untyped-def]
    lan = Lan()
    node = lan.node("A", configuration, machine())
    check(lan, node)
    for event in life:
        apply(lan, node, event)
        check(lan, node)
    node.receive(inputs.Stop())
    assert node.pools == []
    placed = {
        (item.interface, item.address.address)
        for item in node.operations()
        if isinstance(item, fx.AddAddress | fx.RemoveAddress)
    }
    assert not placed & node.addresses


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=120), version=st.sampled_from([2, 3]), family=st.sampled_from([4, 6]))
def test_any_bytes(data: bytes, version: int, family: int) -> None:
    lan = Lan()
    values: dict[str, object] = {"version": version, "family": family}
    if family == 6:
        values |= {"mcast_dst_ip": ip("ff02::12"), "virtual_addresses": (vip("fe80::100"),)}
    node = lan.node("A", config(instance(**values)), view(address("192.0.2.1/24"), address("fe80::a/64")))
    for payload in (data, advert()[:20] + data, advert()[:26] + data):
        if family == 4:
            node.router.hear(node.pools[0], payload, lan.now)
        else:
            node.router.hear(node.pools[0], payload, lan.now, ip("fe80::b"), ip("ff02::12"), 255)
    node.perform()
    assert node.state() == "BACKUP"


@pytest.mark.parametrize("seed", range(60))
def test_clusters_converge(seed: int) -> None:
    """Three or four routers, partitions, crashes, stalls; after quiet time there is one MASTER in each segment, and
    only it has the address."""
    chance = random.Random(seed)
    lan = Lan()
    version = chance.choice([2, 3])
    nodes = []
    for number in range(1, chance.randint(3, 5)):
        priority = chance.choice([50, 100, 100, 150, 200])
        settings_ = config(
            instance(
                version=version,
                priority=priority,
                advert_int_us=1_000_000,
                nopreempt=chance.random() < 0.3,
                preempt_delay_us=chance.choice([0, 0, 3_000_000]),
                lower_prio_no_advert=chance.random() < 0.3,
            )
        )
        nodes.append(lan.node(f"N{number}", settings_, view(address(f"192.0.2.{number}/24"))))
    for _ in range(12):
        node = chance.choice(nodes)
        match chance.choice(["cut", "join", "freeze", "kill", "start", "run", "fault", "mend"]):
            case "cut":
                node.connected = False
            case "join":
                node.connected = True
            case "freeze" if node.alive:
                node.frozen = True
                lan.run(chance.uniform(0.5, 8))
                lan.thaw(node)
            case "kill":
                lan.kill(node)
            case "start" if not node.alive:
                node.alive = True
                node.pools.clear()
                node.view = view(
                    address(f"192.0.2.{node.name[1:]}/24"), *[address(f"{text}/32") for _, text in node.addresses]
                )
                node.start()
            case "fault" if node.alive:
                node.receive(inputs.InterfaceChanged(interface(up=False)))
            case "mend" if node.alive:
                node.receive(inputs.InterfaceChanged(interface()))
        lan.run(chance.uniform(0, 6))
    for node in nodes:
        node.connected = True
        if node.alive:
            node.receive(inputs.InterfaceChanged(interface()))
    alive = [node for node in nodes if node.alive]
    lan.run(60)
    masters = [node for node in alive if node.is_master]
    assert len(masters) == min(len(alive), 1)
    for node in alive:
        assert (("eth0", ip("192.0.2.100")) in node.addresses) is node.is_master
    before = len(lan.wire)
    lan.run(10)
    senders = {sent.node.name for sent in lan.wire[before:]}
    assert senders == {node.name for node in masters}
    assert len(lan.wire) - before == 10 * len(masters)
    assert lan.now > 60 * SECOND
