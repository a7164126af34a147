"""Every process of a pair of directors killed at random moments, with the service in use: kills.py does it in guests.

PK_FAULT_ROUNDS sets the number of kills (12 unless given), PK_FAULT_GUESTS among how many guests they are shared out,
PK_FAULT_SEED which ones they are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.vm.kills import ADVERT_S, KINDS, SERVERS

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
ROUNDS = int(os.environ.get("PK_FAULT_ROUNDS", "12"))
GUESTS = int(os.environ.get("PK_FAULT_GUESTS", "1"))
SEED = int(os.environ.get("PK_FAULT_SEED", "1"))
LIMIT = 300 + 30 * ROUNDS // GUESTS
LATE = 2.0
"""Seconds that a log line may be read after what it tells, or before the other node follows, in a busy guest."""
PROGRAMS = ("linux.uml", "gcc", "insmod", "ipvsadm")

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(LIMIT + 60)]


@dataclass(frozen=True)
class Round:
    """One kill: of which node's process, when, when all was well again, the longest silence of the VIP meanwhile."""

    node: str
    kind: str
    killed: float
    whole: float
    silence: float


@dataclass(frozen=True)
class Guest:
    """What happened in a guest: the kills, when an instance entered another state, and each request with begin, end,
    who answered (or why not), whether."""

    rounds: list[Round]
    moves: list[float]
    requests: list[tuple[float, float, str, bool]]

    def lost(self, each: Round) -> list[tuple[float, float, str, bool]]:
        """The requests that this kill cost: those that began or went on between it and the end of its consequences."""
        return [one for one in self.requests if not one[3] and one[1] > each.killed and one[0] < each.whole]


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> list[Guest]:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    running = []
    for number in range(GUESTS):
        share = tmp_path_factory.mktemp("share")
        rounds = ROUNDS // GUESTS + (number < ROUNDS % GUESTS)
        run = f"{sys.executable} {HERE}/kills.py {SEED + number} {rounds}"
        script = f"PYTHONPATH={PROJECT} {run} 2>/mnt/share/errors >/mnt/share/seen.json"
        words = ["bash", str(HERE / "machine/vm.sh"), "-t", str(LIMIT), "-d", str(share), "--", "bash", "-c", script]
        running.append((share, subprocess.Popen(words, stdout=subprocess.PIPE, text=True)))
    outputs = [process.communicate()[0] for _, process in running]
    for output, (share, process) in zip(outputs, running, strict=True):
        assert process.returncode == 0, output + (share / "errors").read_text()
    return [guest(json.loads((share / "seen.json").read_text())) for share, _ in running]


def guest(seen: dict[str, Any]) -> Guest:
    requests = [tuple(words) for words in seen["requests"]]
    return Guest([Round(*words) for words in seen["rounds"]], seen["moves"], requests)


def test_all_was_well_after_each_kill_and_nothing_is_left_over(
    guests: list[Guest], record_property: Callable[[str, object], None]
) -> None:
    """What kills.py waits for after each kill, and what it asserts after the last one, has come about."""
    rounds = [each for one in guests for each in one.rounds]
    assert len(rounds) == ROUNDS
    assert len({each.kind for each in rounds}) >= min(len(KINDS), ROUNDS // 2)
    for name, some in sorted(_by_victim(rounds).items()):
        silence, whole = max(each.silence for each in some), max(each.whole - each.killed for each in some)
        lost = sum(len(one.lost(each)) for one in guests for each in one.rounds if each in some)
        text = f"{len(some)} times, silence {silence * 1000:.0f} ms, whole after {whole:.1f} s, requests lost {lost}"
        record_property(f"killed {name}", text)
        print(f"killed {name}: {text}")
    print(f"{sum(len(one.requests) for one in guests)} requests")


def _by_victim(rounds: list[Round]) -> dict[str, list[Round]]:
    found = defaultdict(list)
    for each in rounds:
        found[f"{each.node} {each.kind}"].append(each)
    return found


def test_requests_are_lost_only_when_the_vip_moves(guests: list[Guest]) -> None:
    """The other director does not know the connections. Nothing else that dies costs any."""
    for one in guests:
        lost = [request for request in one.requests if not request[3]]
        late = [
            (begin, end, why)
            for begin, end, why, _ in lost
            if not any(begin - LATE < moved < end + LATE for moved in one.moves)
        ]
        assert late == [], one.moves
        assert len(one.requests) - len(lost) > 10 * len(one.rounds)
        assert {answer for _, _, answer, good in one.requests if good} == set(SERVERS)


def test_whoever_is_not_the_masters_vrrp_process_is_not_missed(guests: list[Guest]) -> None:
    """The VIP does not rest for a master down time; in a busy guest it may, so the middle one of all counts."""
    silences = [
        each.silence for one in guests for each in one.rounds if each.node == "b" or each.kind not in ("parent", "vrrp")
    ]
    assert median(silences) < 3 * ADVERT_S
