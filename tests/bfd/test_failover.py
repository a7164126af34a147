"""VRRP fails over in the time that BFD needs, where its own timer would need seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bfd.neighbors import Line, line, ours, state

pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

ROUNDS = 5
ADVERT_TIMER = 3.0
REAL_TIME = "global_defs {\n vrrp_rt_priority 50\n bfd_rt_priority 50\n}\n"


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as made:
        yield made


def instance(text: str) -> str:
    return f"vrrp_instance V {{\n interface eth0\n virtual_router_id 51\n {text}\n}}\n"


def takeover(lan: Line) -> float:
    """Cut the line; seconds until the backup says it is master."""
    master, backup = lan.nodes["a"], lan.nodes["b"]
    assert lan.wait(lambda: master.states.get("V") == "MASTER" and backup.states.get("V") == "FAULT", 40), lan.log()
    lan.pause(1)
    before, begin = len(backup.lines), time.monotonic_ns()
    lan.cut()
    assert lan.wait(lambda: backup.states.get("V") == "MASTER"), lan.log()
    at = next(at for at, text in backup.lines[before:] if "(V) Entering MASTER STATE" in text)
    lan.heal()
    return (at - begin) / 1e9


def test_an_owner_that_waits_for_the_loss_of_the_session_takes_over_at_once(lan: Line) -> None:
    """The best of some rounds, because other processes may keep ours from the processor; all are far from seconds."""
    master = ours("10.99.0.2", "10.99.0.1", interval=10) + instance("priority 150")
    tracking = "state MASTER\n priority 255\n track_bfd {\n  b1 weight 0 reverse\n }"
    backup = ours("10.99.0.1", "10.99.0.2", interval=10) + instance(tracking)
    lan.daemon("b", REAL_TIME + backup)
    lan.daemon("a", REAL_TIME + master)
    assert lan.wait(lambda: state(lan.nodes["a"]) == state(lan.nodes["b"]) == "Up"), lan.log()
    times = [takeover(lan) for _ in range(ROUNDS)]
    assert min(times) < 0.060, times
    assert max(times) < ADVERT_TIMER / 2, times
