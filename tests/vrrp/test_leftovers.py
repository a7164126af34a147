"""Removals that the kernel refuses: tried again less and less often, but not what is wanted again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from pykeepalived.sim.cluster import SECOND, Cluster
from pykeepalived.vrrp import effects
from tests.sim.test_cluster import has_vip, pair


def watched(refused_for: float) -> tuple[Cluster, list[float]]:
    """a is master, loses its cable at 10 s, and its kernel refuses changes from then on; the moments of its attempts to
    remove the VIP."""
    cluster = pair()
    node = cluster.nodes["a"]
    attempts: list[float] = []
    told: Callable[[effects.Effect], None] = node.machine._did

    def did(effect: effects.Effect) -> None:
        if isinstance(effect, effects.ChangeNetwork):
            gone = [each for each in effect.operations if isinstance(each, effects.RemoveAddress)]
            attempts.extend(round(cluster.elapsed / SECOND, 3) for _ in gone)
        told(effect)

    node.machine._did = did
    cluster.at(10 * SECOND, lambda: attempts.clear())
    cluster.at(10 * SECOND, lambda: cluster.refuse("a", round(refused_for * SECOND)))
    cluster.at(10 * SECOND, lambda: cluster.set_carrier("a", "eth0", False))
    return cluster, attempts


def test_the_pauses_double_until_the_kernel_gives_in() -> None:
    cluster, attempts = watched(20)
    cluster.run(25 * SECOND)
    assert has_vip(cluster, "a")
    cluster.run(300 * SECOND)
    assert attempts == [10, 11, 13, 17, 25, 41]
    assert not has_vip(cluster, "a")
    assert cluster.violations == []


def test_the_pauses_are_a_minute_at_most() -> None:
    cluster, attempts = watched(1000)
    cluster.run(400 * SECOND)
    assert attempts[:7] == [10, 11, 13, 17, 25, 41, 73]
    assert [later - sooner for sooner, later in pairwise(attempts[6:])] == [60] * 5


def test_a_later_refusal_begins_with_a_short_pause() -> None:
    cluster, attempts = watched(5)
    cluster.at(30 * SECOND, lambda: cluster.set_carrier("a", "eth0", True))
    cluster.at(50 * SECOND, lambda: cluster.refuse("a", 2 * SECOND))
    cluster.at(50 * SECOND, lambda: cluster.set_carrier("a", "eth0", False))
    cluster.run(60 * SECOND)
    assert attempts == [10, 11, 13, 17, 50, 51, 53]


def test_what_is_wanted_again_is_left_alone() -> None:
    cluster, attempts = watched(1)
    cluster.at(10 * SECOND, lambda: cluster.kill("b"))
    cluster.at(10_100_000_000, lambda: cluster.set_carrier("a", "eth0", True))
    cluster.at(10_200_000_000, lambda: cluster.refuse("a", 20 * SECOND))
    cluster.run(60 * SECOND)
    assert cluster.changes[-1].at == 13_514_062_000
    assert cluster.nodes["a"].states == {"VI_1": "MASTER"}
    assert attempts == [10, 11, 13], "not at 17 s, while it waits to get the address"
    assert has_vip(cluster, "a")


def test_a_removal_of_ours_is_not_taken_for_a_theft() -> None:
    """After the refusal and the second attempt a deletion by somebody else is noticed as ever."""
    cluster, _ = watched(2)
    cluster.at(20 * SECOND, lambda: cluster.set_carrier("a", "eth0", True))
    cluster.run(40 * SECOND)
    assert has_vip(cluster, "a")
    cluster.remove_address("a", "eth0", "192.0.2.100", 24)
    assert cluster.changes[-1].state == "BACKUP"
    cluster.run(60 * SECOND)
    assert has_vip(cluster, "a")
