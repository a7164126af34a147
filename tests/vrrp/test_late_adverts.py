"""When late adverts leave in the midst of other work, and how much of the time is left for that."""

from __future__ import annotations

from pykeepalived.vrrp.late_adverts import LATE_NS, LateAdverts
from tests.vrrp.lan import MS


class Clock:
    """A process whose adverts cost `cost`; `due` is when its core wants to be called."""

    def __init__(self, cost: int = MS) -> None:
        self.now = 1000 * MS
        self.due: int | None = self.now
        self.cost = cost
        self.sent: list[int] = []
        self.beats = 0
        self.late_adverts = LateAdverts(lambda: self.now, lambda: self.due, self.send, self.beat)

    def send(self, now: int) -> None:
        self.sent.append(now)
        self.now += self.cost

    def beat(self) -> None:
        self.beats += 1


def test_only_what_is_late_leaves_ahead() -> None:
    clock = Clock()
    begin = clock.now
    clock.now += LATE_NS
    assert not clock.late_adverts.is_late
    clock.late_adverts.let_leave()
    assert clock.sent == []
    clock.now += 1
    assert clock.late_adverts.is_late
    clock.late_adverts.let_leave()
    assert clock.sent == [begin + LATE_NS + 1]
    clock.due = None
    clock.now += 1000 * MS
    assert not clock.late_adverts.is_late
    clock.late_adverts.let_leave()
    assert len(clock.sent) == 1


def test_the_other_work_gets_half_of_the_time() -> None:
    """Adverts that take 50 ms each time, and work in pieces of one millisecond that never ends."""
    clock = Clock(cost=50 * MS)
    clock.now += 2 * LATE_NS
    begin, work = clock.now, 0
    while clock.now < begin + 2000 * MS:
        clock.late_adverts.let_leave()
        clock.now += MS
        work += 1
    assert len(clock.sent) == 20
    assert work == 1000


def test_the_parent_hears_of_late_work_twice_a_second() -> None:
    clock = Clock()
    clock.now += 2 * LATE_NS
    begin = clock.now
    while clock.now < begin + 3000 * MS:
        clock.late_adverts.let_leave()
        clock.now += MS
    assert 5 <= clock.beats <= 7
