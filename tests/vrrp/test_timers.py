"""The heap of deadlines: moving a timer later costs nothing and loses nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.vrrp.timers import AHEAD_NS, REHEARSAL_NS, Timer, Timers


def test_moving_later_leaves_the_heap_alone() -> None:
    timers = Timers()
    fired: list[tuple[int, int]] = []
    timer = Timer(timers, lambda now, due: fired.append((now, due)))
    timer.set(10)
    for when in range(11, 1000):
        timer.when = when
    assert len(timers.heap) == 1
    assert timers.deadline() == 10, "early, never late"
    assert timers.exact_deadline() == 999
    timers.run(500)
    assert fired == []
    assert timers.deadline() == 999
    timers.run(1001)
    assert fired == [(1001, 999)]
    assert timers.deadline() is None
    assert timer.when is None


def test_earlier_cancelled_and_again() -> None:
    timers = Timers()
    fired: list[int] = []
    timer = Timer(timers, lambda now, due: fired.append(due))
    timer.set(100)
    timer.set(50)
    assert timers.deadline() == 50
    timers.run(60)
    timer.set(70)
    timer.cancel()
    assert timers.deadline() is None
    timers.run(200)
    assert fired == [50]
    timer.set(210)
    timers.run(300)
    assert fired == [50, 210]


def test_order_of_setting_decides_among_equals() -> None:
    timers = Timers()
    fired: list[str] = []
    made = {name: Timer(timers, lambda now, due, name=name: fired.append(name)) for name in "abc"}  # type: ignore[misc]
    for name in "cab":
        made[name].set(5)
    timers.run(5)
    assert "".join(fired) == "cab"


def test_a_timer_set_by_an_action_runs_if_it_is_due() -> None:
    timers = Timers()
    fired: list[int] = []
    second = Timer(timers, lambda now, due: fired.append(due))
    first = Timer(timers, lambda now, due: second.set(due + 1))
    first.set(5)
    timers.run(5)
    assert fired == []
    timers.run(6)
    assert fired == [6]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 4), st.integers(1, 50)),
            st.tuples(st.just("cancel"), st.integers(0, 4), st.just(0)),
            st.tuples(st.just("run"), st.just(0), st.integers(1, 20)),
        ),
        max_size=60,
    )
)
def test_like_a_plain_list(steps: list[tuple[str, int, int]]) -> None:
    """Against five variables: every timer fires once, at the first run at or after its moment, earliest first."""
    timers = Timers()
    fired: list[tuple[int, int]] = []
    made = [Timer(timers, lambda now, due, n=n: fired.append((due, n))) for n in range(5)]  # type: ignore[misc]
    plain: dict[int, int] = {}
    expected: list[tuple[int, int]] = []
    now = 0
    for what, number, value in steps:
        if what == "set":
            made[number].set(now + value)
            plain[number] = now + value
        elif what == "cancel":
            made[number].cancel()
            plain.pop(number, None)
        else:
            now += value
            due = sorted((when, n) for n, when in plain.items() if when <= now)
            expected += due
            for _, n in due:
                del plain[n]
            timers.run(now)
            deadline = timers.deadline()
            if plain:
                assert deadline is not None
                assert now < deadline <= min(plain.values())
            else:
                assert deadline is None
    assert sorted(fired) == sorted(expected)
    assert [due for due, _ in fired] == [due for due, _ in expected]
    assert timers.exact_deadline() == min(plain.values(), default=None)


def test_rehearses_a_little_ahead_of_a_moment_that_was_moved() -> None:
    timers = Timers()
    told: list[tuple[str, int]] = []
    timer = Timer(timers, lambda now, due: told.append(("run", now)), lambda now: told.append(("rehearse", now)))
    timer.set(10_000_000)
    timer.when = 50_000_000
    timers.run(10_000_000)
    assert timers.deadline() == 50_000_000 - REHEARSAL_NS
    timer.when = 90_000_000
    timers.run(49_500_000)
    assert told == [], "heard again meanwhile"
    assert timers.deadline() == 90_000_000 - REHEARSAL_NS
    timers.run(89_600_000)
    assert told == [("rehearse", 89_600_000)]
    assert timers.deadline() == 90_000_000
    timers.run(90_000_000)
    assert told == [("rehearse", 89_600_000), ("run", 90_000_000)]
    assert timers.deadline() is None


def test_no_rehearsal_for_what_is_late_or_was_not_asked_for() -> None:
    timers = Timers()
    told: list[str] = []
    timer = Timer(timers, lambda now, due: told.append(f"run {due}"), lambda now: told.append("rehearse"))
    timer.set(10_000_000)
    timers.run(10_000_000)
    timer.set(20_000_000, rehearsed=True)
    assert timers.deadline() == 20_000_000 - REHEARSAL_NS
    timers.run(25_000_000)
    assert told == ["run 10000000", "run 20000000"]
    timer.set(40_000_000, rehearsed=True)
    timers.run(39_500_000)
    assert told[2:] == ["rehearse"]
    timers.run(40_000_000)
    assert told[2:] == ["rehearse", "run 40000000"]


def test_one_turn_puts_back_all_that_would_come_up_for_nothing() -> None:
    timers = Timers()
    told: list[int] = []
    made = [Timer(timers, lambda now, due: told.append(due), lambda now: told.append(-now)) for _ in range(5)]
    for number, timer in enumerate(made):
        timer.set(100_000_000 + number * 1_000_000)
    for timer in made[:4]:
        timer.when = 400_000_000
    dead = Timer(timers, lambda now, due: None)
    dead.set(102_500_000)
    dead.set(101_500_000)
    timers.run(100_000_000)
    assert timers.deadline() == 101_500_000, "not behind one that stays"
    timers.run(101_500_000)
    assert timers.deadline() == 104_000_000, "the one that was not moved"
    assert len(timers.heap) == 5
    timers.run(104_000_000)
    assert told == [104_000_000]
    assert timers.deadline() == 400_000_000 - REHEARSAL_NS
    timers.run(400_000_000 - REHEARSAL_NS)
    assert told[1:] == [REHEARSAL_NS - 400_000_000] * 4
    timers.run(400_000_000)
    assert told[5:] == [400_000_000] * 4


def test_does_not_look_further_ahead_than_it_says() -> None:
    timers = Timers()
    first, near, far = (Timer(timers, lambda now, due: None) for _ in range(3))
    first.set(1)
    near.set(1 + AHEAD_NS)
    far.set(2 + AHEAD_NS)
    near.when = far.when = 10 * AHEAD_NS
    timers.run(1)
    assert timers.deadline() == 2 + AHEAD_NS


def test_what_presses_can_run_ahead_of_the_rest() -> None:
    timers = Timers()
    told: list[tuple[str, int]] = []
    made = {name: Timer(timers, lambda now, due, name=name: told.append((name, due))) for name in "abcdef"}  # type: ignore[misc]
    for when, name in enumerate("abcdef", 1):
        made[name].set(10 * when)
    for name in "bdef":
        made[name].pressing = True
    made["d"].when = 45
    made["e"].cancel()
    timers.run_pressing(50)
    assert told == [("b", 20), ("d", 45)], "what was moved at its own moment, what was cancelled not at all"
    assert timers.deadline() == 10, "the others are as due as before"
    made["a"].when = 70
    timers.run(60)
    assert told[2:] == [("c", 30), ("f", 60)]
    timers.run(70)
    assert told[4:] == [("a", 70)]


def test_what_presses_may_set_its_own_timer_and_that_of_another() -> None:
    timers = Timers()
    told: list[tuple[str, int]] = []
    other = Timer(timers, lambda now, due: told.append(("other", due)))

    def again(now: int, due: int) -> None:
        told.append(("again", due))
        again_timer.set(due + 10)
        other.set(5)

    again_timer = Timer(timers, again)
    again_timer.pressing = True
    again_timer.set(20)
    other.set(10)
    timers.run_pressing(35)
    assert told == [("again", 20), ("again", 30)]
    timers.run(35)
    assert told[2:] == [("other", 5)], "once"
    assert timers.deadline() == 40


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans()), max_size=30), st.integers(0, 100))
def test_running_ahead_loses_nothing(wanted: list[tuple[int, int, bool]], now: int) -> None:
    """Each runs once, whatever the order: pressing ones that are due in the first turn, others in the second."""
    timers = Timers()
    told: list[int] = []
    for number, (first, later, pressing) in enumerate(wanted):
        timer = Timer(timers, lambda _now, _due, number=number: told.append(number))  # type: ignore[misc]
        timer.set(first)
        timer.when = first + later
        timer.pressing = pressing
    timers.run_pressing(now)
    due = {number for number, (first, later, _) in enumerate(wanted) if first + later <= now}
    assert sorted(told) == sorted(number for number in due if wanted[number][2])
    timers.run(now)
    assert sorted(told) == sorted(due)
    timers.run(300)
    assert sorted(told) == list(range(len(wanted)))
