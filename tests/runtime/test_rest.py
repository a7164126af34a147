"""Naps of a real-time process under load."""

from __future__ import annotations

from pykeepalived.runtime.rest import BUSY_AT_MOST_NS, Rest

MS = 1_000_000


class Time:
    """A clock that goes on only when told, and by each nap."""

    def __init__(self) -> None:
        self.now = 1000 * MS
        self.naps: list[int] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(self.now)
        self.now += round(seconds * 1e9)

    def work(self, rest: Rest, spent: int, pause: int = 1000) -> None:
        self.now += pause
        begin = self.now
        self.now += spent
        rest.after(begin)


def test_naps_after_each_millisecond_of_work_without_a_pause() -> None:
    clock = Time()
    rest = Rest(lambda: clock.now, clock.sleep)
    rest.needed = True
    for _ in range(100):
        clock.work(rest, MS // 10)
    assert 8 <= len(clock.naps) <= 10
    gaps = [later - earlier for earlier, later in zip(clock.naps, clock.naps[1:], strict=False)]
    assert all(BUSY_AT_MOST_NS < gap < 2 * BUSY_AT_MOST_NS for gap in gaps)


def test_no_nap_where_work_leaves_time_to_sleep() -> None:
    clock = Time()
    rest = Rest(lambda: clock.now, clock.sleep)
    rest.needed = True
    for _ in range(100):
        clock.work(rest, MS // 2, pause=MS // 10)
    assert clock.naps == []


def test_no_nap_without_need() -> None:
    clock = Time()
    rest = Rest(lambda: clock.now, clock.sleep)
    for _ in range(100):
        clock.work(rest, MS)
    assert clock.naps == []
