"""When checks run: in small batches, spread for ever as they were at first, none forgotten and none doubled."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from typing import Any

import pytest

from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason
from pykeepalived.ipvs.checks.tcp import TcpState
from pykeepalived.ipvs.timetable import BATCH, BATCH_NS, Timetable
from tests.ipvs.harness import REFUSED, SECOND, tcp_check

MILLISECOND = 1_000_000
DELAY = 2 * SECOND


def checker(number: int, due: int, **words: Any) -> TcpState:
    words = {"delay_loop_us": DELAY // 1000, "retry": 0, "delay_before_retry_us": DELAY // 4000, **words}
    state = TcpState(tcp_check(f"10.0.{number >> 8}.{number & 255}", **words), None, str(number), "")
    state.due = due
    return state


def spread(count: int, **words: Any) -> tuple[Timetable, list[TcpState]]:
    """Checkers that are due one after the other, evenly over one delay_loop from 0 on."""
    timetable = Timetable()
    checks = [checker(number, number * DELAY // count, **words) for number in range(count)]
    for check in checks:
        timetable.arm(check)
    return timetable, checks


class Machine:
    """Runs a timetable on a clock of its own: starting and ending an attempt take time of the one processor."""

    def __init__(self, timetable: Timetable, cost: int) -> None:
        self.timetable = timetable
        self.cost = cost
        self.now = 0
        self.ready: list[tuple[int, int, Any, Outcome]] = []
        self.begun: list[tuple[int, Any]] = []
        self.ended: list[tuple[int, Any]] = []
        self.idle = 0

    def answer(self, check: Any) -> tuple[int, Outcome]:
        """After how long the server answers, and what."""
        return 0, SUCCESS

    def run(self, end: int) -> None:
        """Until `end`: what servers said first, then what is due, as the loop does it; else sleep."""
        while self.now < end:
            while self.ready and self.ready[0][0] <= self.now:
                _, _, check, outcome = heapq.heappop(self.ready)
                self.now += self.cost
                self.timetable.end(check, outcome, self.now)
                self.ended.append((self.now, check))
            deadline = self.timetable.deadline()
            if deadline is not None and deadline <= self.now:
                for effect in self.timetable.begin(self.now):
                    self.now += self.cost
                    self.begun.append((self.now, effect.checker))
                    wait, outcome = self.answer(effect.checker)
                    heapq.heappush(self.ready, (self.now + wait, len(self.begun), effect.checker, outcome))
            else:
                moments = [moment for moment in (deadline, self.ready[0][0] if self.ready else None) if moment]
                wake = min(end, *moments, end)
                self.idle += wake - self.now
                self.now = wake

    def under_way(self) -> int:
        return len(self.ready)


def test_a_crowd_begins_in_small_batches_first_due_first() -> None:
    timetable, checks = spread(200)
    found = []
    while begun := timetable.begin(DELAY):
        assert len(begun) <= BATCH
        found += [effect.checker for effect in begun]
        deadline = timetable.deadline()
        assert deadline is None or deadline < DELAY
    assert found == checks


def test_a_check_is_not_late_because_others_began_with_it() -> None:
    """1,000 checks due at one moment: the answer to a check waits for one batch at most, not for all."""
    timetable = Timetable()
    for number in range(1000):
        timetable.arm(checker(number, 0))
    machine = Machine(timetable, 100_000)
    machine.run(SECOND)
    began = {id(check): moment for moment, check in machine.begun}
    assert len(began) == len(machine.ended) == 1000
    assert max(moment - began[id(check)] for moment, check in machine.ended) <= 2 * BATCH * 100_000


def phases(machine: Machine, checks: list[TcpState]) -> list[int]:
    """When in its delay_loop each check began last, nanoseconds."""
    last = {id(check): moment for moment, check in machine.begun}
    return [last[id(check)] % DELAY for check in checks]


def most_in(phases: list[int], span: int) -> int:
    """The most checks in any of the equal parts of a delay_loop."""
    return max(Counter(phase // span for phase in phases).values())


def test_after_a_stall_checks_are_spread_again_as_they_were() -> None:
    """The processor is away for a second: half of the checks pile up, are made up for, and drift apart again."""
    timetable, checks = spread(400)
    machine = Machine(timetable, 1000)
    machine.run(4 * DELAY)
    assert most_in(phases(machine, checks), DELAY // 20) <= 22
    machine.now += SECOND
    machine.run(machine.now + DELAY // 2)
    machine.run(machine.now + 3 * DELAY)
    assert most_in(phases(machine, checks), DELAY // 20) <= 24


def test_checks_that_begin_a_little_early_do_not_gather() -> None:
    """Those due within BATCH_NS begin together; what they are ahead is added to the pause."""
    timetable, checks = spread(2000)
    assert DELAY // 2000 < BATCH_NS
    first = [check.due for check in checks]
    Machine(timetable, 0).run(50 * DELAY + DELAY // 2)
    assert [check.due % DELAY for check in checks] == first


@pytest.mark.keyword("virtual_server/delay_loop")
@pytest.mark.parametrize(("late", "pause"), [(0, 2000), (300, 1700), (1000, 1000), (60_000, 1000)])
def test_a_pause_makes_up_for_a_late_start_with_half_of_itself_at_most(late: int, pause: int) -> None:
    timetable = Timetable()
    check = checker(1, 7 * SECOND)
    timetable.arm(check)
    now = 7 * SECOND + late * MILLISECOND
    assert len(timetable.begin(now)) == 1
    now += 50 * MILLISECOND  # what the server takes is not made up for
    timetable.end(check, SUCCESS, now)
    assert timetable.deadline() == now + pause * MILLISECOND


def test_a_processor_that_is_too_slow_is_used_to_the_full() -> None:
    """5,000 checks every 2 s on a processor that can do 1,250 a second: it never rests, and nobody is passed over."""
    timetable, _ = spread(5000)
    machine = Machine(timetable, 400_000)
    machine.run(40 * SECOND)
    assert machine.idle <= SECOND // 100
    runs = Counter(id(check) for _, check in machine.begun)
    assert max(runs.values()) - min(runs.values()) <= 1
    assert len(machine.begun) == pytest.approx(40 * 1250, rel=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_no_check_is_forgotten_or_doubled(seed: int) -> None:
    """Servers that answer at once, late, wrongly, or not at all; a processor that stalls; retries."""
    dice = random.Random(seed)
    timetable, checks = spread(150, retry=dice.randrange(3))
    machine = Machine(timetable, dice.choice([100, 10_000, 1_000_000]))
    habits = {id(check): dice.choice(["good", "slow", "hangs", "refuses", "any"]) for check in checks}
    limit = 5 * SECOND

    def answer(check: Any) -> tuple[int, Outcome]:
        habit = habits[id(check)]
        if habit == "any":
            habit = dice.choice(["good", "slow", "hangs", "refuses"])
        if habit == "hangs":
            return limit, Outcome(False, Reason.CONNECT_TIMEOUT)
        if habit == "refuses":
            return 0, REFUSED
        return (dice.randrange(SECOND) if habit == "slow" else dice.randrange(MILLISECOND)), SUCCESS

    machine.answer = answer  # type: ignore[method-assign]
    stalled = 0
    for _ in range(30):
        machine.run(machine.now + dice.randrange(4 * SECOND))
        if dice.random() < 0.5:
            stall = dice.randrange(3 * SECOND)
            machine.now += stall
            stalled = max(stalled, stall)
    busy = 2 * len(checks) * machine.cost + stalled
    begun: dict[int, list[int]] = {id(check): [] for check in checks}
    ended: dict[int, list[int]] = {id(check): [] for check in checks}
    for moment, check in machine.begun:
        begun[id(check)].append(moment)
    for moment, check in machine.ended:
        ended[id(check)].append(moment)
    for name, starts in begun.items():
        ends = ended[name]
        assert len(starts) - len(ends) in (0, 1)
        assert starts[0] <= DELAY + busy
        for start, end in zip(starts, ends, strict=False):
            assert start < end <= start + limit + busy
        for end, start in zip(ends, starts[1:], strict=False):
            assert DELAY // 8 - BATCH_NS <= start - end <= DELAY + BATCH_NS + busy
        assert machine.now - (starts[-1] if len(starts) > len(ends) else ends[-1]) <= max(limit, DELAY) + 2 * busy
