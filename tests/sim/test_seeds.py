"""Random lives of whole clusters: none breaks an invariant, and each is repeatable from its seed."""

from __future__ import annotations

import os

import pytest

from pykeepalived.sim.picture import timeline
from pykeepalived.sim.scenario import read
from tests.sim.lives import life, play
from tests.sim.shrink import shrink

SEEDS = int(os.environ.get("SIM_SEEDS", "2000"))
BATCH = 50


def told(seed: int) -> str:
    """The minimal scenario that goes wrong as this seed does, and what goes wrong in it."""
    smallest = shrink(life(seed))
    failures = "\n".join(play(smallest).failures)
    return f"seed {seed} goes wrong; to keep it, save this in tests/scenarios:\n\n{smallest}\n{failures}"


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_invariant_breaks_and_order_returns(first: int) -> None:
    for seed in range(first, min(first + BATCH, SEEDS)):
        lived = play(life(seed))
        assert not lived.failures, told(seed)
        assert len(lived.verdicts) >= 1


def test_lives_are_of_all_kinds() -> None:
    """What the lives above are made of, so that a kind cannot get lost unnoticed."""
    lives = [life(seed) for seed in range(400)]
    kinds = {action.kind for each in lives for action in each.actions}
    assert kinds == {
        *("start", "stop", "kill", "kill-child", "heal", "heal-all", "reload", "stall", "step-clock", "refuse"),
        *("down", "up", "cut", "oneway", "delete-address", "fail-script", "pass-script", "bfd-down", "bfd-up"),
        *("server-down", "server-slow", "server-up", "clear-services", "expect-settled", "expect-fresh"),
    }
    texts = [text for each in lives for text in each.nodes.values()]
    for word in ("vrrp_sync_group", "use_vmac", "unicast_peer", "nopreempt", "track_bfd", "BFD_CHECK", "sorry_server"):
        assert sum(word in text for text in texts) > 20, word
    children = {
        action.what.partition(":")[2] for each in lives for action in each.actions if action.kind == "kill-child"
    }
    assert children == {"vrrp", "checker", "bfd"}


def test_the_same_seed_gives_the_same_run_also_from_its_file() -> None:
    first, second, third = life(7), life(7), read(str(life(7)))
    assert str(first) == str(second) == str(third)
    stories = [(timeline(each.cluster.moments), each.cluster.lan.sent) for each in map(play, (first, second, third))]
    assert stories[0] == stories[1] == stories[2]


def test_lives_contain_what_they_are_to_test() -> None:
    """BFD sessions come up and go down, quorums are lost, kernels refuse, nodes take over."""
    moments = [moment.what for seed in range(60) for moment in play(life(seed)).cluster.moments]
    for part in (
        "MASTER (advert_timeout",
        "BFD B254 down",
        "quorum of",
        "kernel refuses",
        "checker child killed",
        "reload",
    ):
        assert sum(part in what for what in moments) > 3, part
