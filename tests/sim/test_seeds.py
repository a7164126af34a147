"""Whole clusters under random faults: hundreds of runs, each repeatable from its seed; no invariant may break."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND, Account, Ip, Script
from pykeepalived.config.model.vrrp import Tracker, Trackers, UnicastPeer, Vmac, VrrpInstance, VrrpScript, VrrpSyncGroup
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.machine import Plug

NAMES = ("a", "b", "c")
SETTLE = 60 * SECOND
FAULTS_FROM, FAULTS_UNTIL = 10 * SECOND, 100 * SECOND


def prefix(family: int, number: int) -> str:
    """The subnet of the interface of this number, up to the host part."""
    return f"192.0.{2 + number}." if family == 4 else f"2001:db8:{number}::"


def vip(family: int, number: int, host: int) -> IpAddress:
    length = 24 if family == 4 else 64
    address = Ip.parse(f"{prefix(family, number)}{host}")
    return IpAddress(address=address, prefix_length=length, interface=f"eth{number}")


@dataclass(frozen=True)
class Kind:
    """What all nodes of a run have in common; chosen by the seed."""

    nodes: int
    count: int
    version: int
    family: int
    advert_int_us: int
    priorities: tuple[int, ...]
    unicast: bool
    nopreempt: bool
    preempt_delay_us: int
    grouped: bool
    vmac: bool
    script_weight: int | None
    quality: Quality

    @classmethod
    def choose(cls, random: Random) -> Kind:
        nodes, count, family = random.choice((2, 3)), random.choice((1, 2)), random.choice((4, 4, 6))
        version = 3 if family == 6 else random.choice((2, 3))
        second = MICROSECONDS_PER_SECOND
        return cls(
            nodes,
            count,
            version,
            family,
            random.choice((1, 2)) * second if version == 2 else random.choice((100_000, second)),
            tuple(random.sample(range(1, 255), nodes)),
            random.random() < 0.3,
            random.random() < 0.2,
            random.choice((0, 0, 5 * second)),
            count == 2 and random.random() < 0.5,
            random.random() < 0.3,
            random.choice((None, 0, -30, 40)),
            Quality(
                loss=random.choice((0.0, 0.0, 0.05, 0.2)),
                duplicate=random.choice((0.0, 0.1)),
                jitter_ns=random.choice((0, 300_000, 30_000_000)),
            ),
        )


def instance(kind: Kind, node: int, number: int) -> VrrpInstance:
    """One instance on its own interface."""
    own = Ip.parse(f"{prefix(kind.family, number)}{node + 1}")
    link_local = Ip.parse(f"fe80::{number + 1}:{node + 1}")
    peers = [other + 1 for other in range(kind.nodes) if other != node]
    weight = kind.script_weight
    return VrrpInstance(
        name=f"VI_{number}",
        interface=f"eth{number}",
        virtual_router_id=50 + number,
        family=kind.family,
        priority=kind.priorities[node],
        version=kind.version,
        advert_int_us=kind.advert_int_us,
        mcast_dst_ip=Ip.parse("224.0.0.18" if kind.family == 4 else "ff02::12"),
        virtual_addresses=tuple(vip(kind.family, number, host) for host in (100, 101)),
        nopreempt=kind.nopreempt,
        preempt_delay_us=kind.preempt_delay_us,
        vmac=Vmac() if kind.vmac and not kind.unicast else None,
        unicast=kind.unicast,
        source_address=own if kind.unicast else link_local if kind.family == 6 else None,
        unicast_peers=tuple(
            UnicastPeer(address=Ip.parse(f"{prefix(kind.family, number)}{peer}")) for peer in peers if kind.unicast
        ),
        track=Trackers(scripts=() if weight is None or kind.grouped else (Tracker(name="chk", weight=weight),)),
    )


def make(seed: int) -> tuple[Cluster, Random]:
    """A cluster chosen by the seed: 2 or 3 nodes, 1 or 2 instances, perhaps a sync group, a good or bad network."""
    random = Random(seed)
    kind = Kind.choose(random)
    cluster = Cluster(Random(seed + 1), kind.quality)
    script = Script(words=("/bin/true",), account=Account(0, 0), path="/bin/true")
    length = 24 if kind.family == 4 else 64
    for node, name in enumerate(NAMES[: kind.nodes]):
        config = Config(
            vrrp_instances=tuple(instance(kind, node, number) for number in range(kind.count)),
            vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("VI_0", "VI_1")),) if kind.grouped else (),
            vrrp_scripts=() if kind.script_weight is None else (VrrpScript(name="chk", script=script),),
            wants_vrrp=True,
        )
        plugs = [
            Plug(
                f"eth{number}",
                bytes((2, 0, 0, 0, number, node + 1)),
                (f"{prefix(kind.family, number)}{node + 1}/{length}", f"fe80::{number + 1}:{node + 1}/64"),
            )
            for number in range(kind.count)
        ]
        cluster.add(name, config, plugs)
        cluster.at(random.randrange(5 * SECOND), lambda name=name: cluster.start(name))
    return cluster, random


def delete_vip(cluster: Cluster, name: str, interface: str) -> None:
    """Somebody deletes a VIP by hand, if it is there."""
    number = int(interface.removeprefix("eth"))
    node = cluster.nodes[name]
    for address in node.config.vrrp_instances[number].virtual_addresses:
        if (interface, address.address) in node.machine.addresses():
            cluster.remove_address(name, interface, str(address.address), address.prefix_length)
            return


def disturb(cluster: Cluster, random: Random) -> None:
    """A handful of faults at random moments."""
    names = list(cluster.nodes)
    for _ in range(random.randrange(1, 12)):
        name = random.choice(names)
        other = random.choice([item for item in names if item != name])
        interface = random.choice(cluster.nodes[name].plugs).interface
        config = cluster.nodes[name].config
        pause, step = random.randrange(10 * SECOND), random.randrange(-3600, 3600) * SECOND
        cluster.at(
            random.randrange(FAULTS_FROM, FAULTS_UNTIL),
            random.choice(
                (
                    lambda name=name: cluster.kill(name),
                    lambda name=name: cluster.start(name),
                    lambda name=name: cluster.stop(name),
                    lambda name=name: cluster.kill_child(name),
                    lambda name=name: cluster.heal(name),
                    lambda name=name, pause=pause: cluster.stall(name, pause),
                    lambda name=name, step=step: cluster.step_clock(name, step),
                    lambda name=name, interface=interface: cluster.set_carrier(name, interface, False),
                    lambda name=name, interface=interface: cluster.set_carrier(name, interface, True),
                    lambda name=name, other=other: cluster.cut(name, other),
                    lambda name=name, other=other: cluster.cut(name, other, both=False),
                    lambda name=name: cluster.isolate(name),
                    lambda name=name, config=config: cluster.reload(name, config),
                    lambda name=name: cluster.set_script(name, "chk", 1),
                    lambda name=name: cluster.set_script(name, "chk", 0),
                    lambda name=name, interface=interface: delete_vip(cluster, name, interface),
                )
            ),
        )


def heal_all(cluster: Cluster) -> None:
    """Everything is well again, and the network loses nothing any more."""
    for segment in {plug.interface for node in cluster.nodes.values() for plug in node.plugs}:
        cluster.lan.quality[segment] = Quality()
    for name in cluster.nodes:
        cluster.heal(name)


def story(cluster: Cluster) -> str:
    return "\n".join(f"{item.at / SECOND:.4f} {item.node} {item.what}" for item in cluster.moments)


@pytest.mark.parametrize("seed", range(300))
def test_no_invariant_breaks_and_order_returns(seed: int) -> None:
    cluster, random = make(seed)
    disturb(cluster, random)
    cluster.at(FAULTS_UNTIL + 15 * SECOND, lambda: heal_all(cluster))
    cluster.run(FAULTS_UNTIL + 15 * SECOND + SETTLE)
    assert all(node.active for node in cluster.nodes.values())
    cluster.check_converged()
    assert not cluster.violations, f"{cluster.violations}\n{story(cluster)}"


def test_the_same_seed_gives_the_same_run() -> None:
    stories = []
    for _ in range(2):
        cluster, random = make(7)
        disturb(cluster, random)
        cluster.run(FAULTS_UNTIL)
        stories.append((story(cluster), cluster.lan.sent, cluster.lan.lost))
    assert stories[0] == stories[1]
