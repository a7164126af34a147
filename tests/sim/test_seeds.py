"""Whole clusters under random faults: hundreds of runs, each repeatable from its seed; no invariant may break."""

from __future__ import annotations

from random import Random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND, Ip
from pykeepalived.config.model.vrrp import UnicastPeer, VrrpInstance, VrrpSyncGroup
from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.machine import Plug

NAMES = ("a", "b", "c")
SETTLE = 60 * SECOND
FAULTS_FROM, FAULTS_UNTIL = 10 * SECOND, 100 * SECOND


def vip(text: str, interface: str) -> IpAddress:
    return IpAddress(address=Ip.parse(text), prefix_length=24, interface=interface)


def instance(random: Random, node: int, number: int, kind: dict[str, object]) -> VrrpInstance:
    """One instance on its own interface; what must agree between nodes comes from `kind`."""
    interface = f"eth{number}"
    values: dict[str, object] = {
        "name": f"VI_{number}",
        "interface": interface,
        "virtual_router_id": 50 + number,
        "priority": kind["priorities"][node],  # type: ignore[index]
        "version": kind["version"],
        "advert_int_us": kind["advert_int_us"],
        "virtual_addresses": (vip(f"192.0.{2 + number}.100", interface), vip(f"192.0.{2 + number}.101", interface)),
        "nopreempt": kind["nopreempt"],
        "preempt_delay_us": kind["preempt_delay_us"],
    }
    if kind["unicast"]:
        values["unicast"] = True
        values["source_address"] = Ip.parse(f"192.0.{2 + number}.{node + 1}")
        values["unicast_peers"] = tuple(
            UnicastPeer(address=Ip.parse(f"192.0.{2 + number}.{other + 1}"))
            for other in range(kind["nodes"])  # type: ignore[call-overload]
            if other != node
        )
    return VrrpInstance(**values)  # type: ignore[arg-type]


def make(seed: int) -> tuple[Cluster, Random]:
    """A cluster chosen by the seed: 2 or 3 nodes, 1 or 2 instances, perhaps a sync group, a good or bad network."""
    random = Random(seed)
    nodes, count = random.choice((2, 3)), random.choice((1, 2))
    version = random.choice((2, 3))
    kind: dict[str, object] = {
        "nodes": nodes,
        "version": version,
        "advert_int_us": random.choice((1, 2)) * MICROSECONDS_PER_SECOND
        if version == 2
        else random.choice((100_000, 1_000_000)),
        "priorities": random.sample(range(1, 255), nodes),
        "unicast": random.random() < 0.3,
        "nopreempt": random.random() < 0.2,
        "preempt_delay_us": random.choice((0, 0, 5_000_000)),
    }
    loss = random.choice((0.0, 0.0, 0.05, 0.2))
    quality = Quality(loss=loss, duplicate=random.choice((0.0, 0.1)), jitter_ns=random.choice((0, 300_000, 30_000_000)))
    cluster = Cluster(Random(seed + 1), quality)
    grouped = count == 2 and random.random() < 0.5
    for node, name in enumerate(NAMES[:nodes]):
        config = Config(
            vrrp_instances=tuple(instance(random, node, number, kind) for number in range(count)),
            vrrp_sync_groups=(VrrpSyncGroup(name="G", members=("VI_0", "VI_1")),) if grouped else (),
            wants_vrrp=True,
        )
        plugs = [
            Plug(f"eth{n}", bytes((2, 0, 0, 0, n, node + 1)), (f"192.0.{2 + n}.{node + 1}/24",)) for n in range(count)
        ]
        cluster.add(name, config, plugs)
        cluster.at(random.randrange(5 * SECOND), lambda name=name: cluster.start(name))
    return cluster, random


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
