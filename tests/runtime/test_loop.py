"""The loop: order, lazy timers, descriptors, signals, lateness, errors."""

from __future__ import annotations

import os
import random
import signal
import socket
import time

import pytest

from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.loop import Loop

MS = 1_000_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def loop(clock: VirtualClock):
    loop = Loop(clock)
    yield loop
    loop.close()


def run_until_idle(loop: Loop, iterations: int = 10_000) -> None:
    for _ in range(iterations):
        if loop.deadline() is None:
            return
        loop.run_once()
    raise AssertionError("the loop never became idle")


def test_timers_fire_in_order_of_time_and_then_of_arming(loop, clock):
    fired = []
    start = loop.now()
    for name, delay in (("c", 30), ("a", 10), ("b", 10), ("d", 31)):
        loop.call_at(start + delay * MS, lambda name=name: fired.append((name, (loop.now() - start) // MS)))
    run_until_idle(loop)
    assert fired == [("a", 10), ("b", 10), ("c", 30), ("d", 31)]


def test_moving_to_later_pushes_nothing_and_fires_once_at_the_new_time(loop, clock):
    start = loop.now()
    fired = []
    timer = loop.call_at(start + 10 * MS, lambda: fired.append(loop.now() - start))
    for step in range(1, 101):
        timer.move(start + 10 * MS + step * MS)
    assert len(loop._heap) == 1
    run_until_idle(loop)
    assert fired == [110 * MS]


def test_moving_to_earlier_fires_at_the_earlier_time_only(loop):
    start = loop.now()
    fired = []
    timer = loop.call_at(start + 100 * MS, lambda: fired.append(loop.now() - start))
    timer.move(start + 5 * MS)
    run_until_idle(loop)
    assert fired == [5 * MS]


def test_a_cancelled_timer_stays_silent_and_can_be_armed_again(loop):
    start = loop.now()
    fired = []
    timer = loop.call_at(start + 10 * MS, lambda: fired.append(loop.now() - start))
    timer.cancel()
    assert timer.when is None
    loop.call_at(start + 20 * MS, lambda: timer.move(start + 40 * MS))
    run_until_idle(loop)
    assert fired == [40 * MS]


def test_a_timer_may_rearm_itself(loop):
    start = loop.now()
    fired = []

    def tick() -> None:
        fired.append((loop.now() - start) // MS)
        if len(fired) < 5:
            timer.move(start + (len(fired) + 1) * 10 * MS)

    timer = loop.call_at(start + 10 * MS, tick)
    run_until_idle(loop)
    assert fired == [10, 20, 30, 40, 50]


def test_random_moves_and_cancels_agree_with_a_plain_model(clock):
    rng = random.Random(7)
    for _ in range(50):
        loop = Loop(clock)
        fired = []
        check_against_model(loop, rng, fired)
        loop.close()


def check_against_model(loop, rng, fired):
    start = loop.now()
    wanted: dict[int, int | None] = {}
    timers = []
    for number in range(40):
        at = start + rng.randrange(1, 1000) * MS
        wanted[number] = at
        timers.append(loop.call_at(at, lambda number=number: fired.append((loop.now(), number))))
    for _ in range(400):
        number = rng.randrange(40)
        if rng.random() < 0.2:
            timers[number].cancel()
            wanted[number] = None
        else:
            wanted[number] = start + rng.randrange(1, 1000) * MS
            timers[number].move(wanted[number])
    run_until_idle(loop)
    assert sorted(fired) == sorted((at, number) for number, at in wanted.items() if at is not None)


def test_superseded_entries_do_not_pile_up(loop):
    timer = loop.call_at(loop.now() + 10**12, lambda: None)
    for step in range(20_000):
        timer.move(loop.now() + 10**12 - step - 1)
    assert len(loop._heap) < 1000


def test_readers_run_before_timers_that_are_due(loop, clock):
    order = []
    ours, theirs = socket.socketpair()
    loop.add_reader(ours, lambda: order.append(("read", ours.recv(10))))
    loop.call_at(loop.now() + 10 * MS, lambda: order.append("timer"))
    theirs.send(b"x")
    clock.advance(50 * MS)
    loop.run_once()
    assert order == [("read", b"x"), "timer"]
    loop.remove_reader(ours)
    ours.close()
    theirs.close()


def test_a_timer_armed_in_the_past_by_a_timer_waits_for_the_readers(loop):
    order = []
    ours, theirs = socket.socketpair()
    loop.add_reader(ours, lambda: order.append(ours.recv(10)))

    def first() -> None:
        order.append("first")
        theirs.send(b"x")
        loop.call_at(loop.now() - 1, lambda: order.append("second"))

    loop.call_at(loop.now(), first)
    loop.run_once()
    assert order == ["first"]
    loop.run_once()
    assert order == ["first", b"x", "second"]
    loop.remove_reader(ours)
    ours.close()
    theirs.close()


def test_reader_and_writer_of_one_descriptor(loop):
    ours, theirs = socket.socketpair()
    seen = []
    loop.add_writer(ours, lambda: (seen.append("w"), loop.remove_writer(ours)))
    loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    loop.run_once(loop.now())
    theirs.send(b"1")
    loop.run_once(loop.now())
    loop.remove_reader(ours)
    theirs.send(b"2")
    loop.run_once(loop.now())
    assert seen == ["w", b"1"]
    ours.close()
    theirs.close()


def test_a_failed_connect_wakes_the_writer(loop):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", port))
    woken = []
    loop.add_writer(client, lambda: woken.append(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
    loop.run_once(loop.now())
    assert woken == [111]
    loop.remove_writer(client)
    client.close()


def test_a_callback_may_remove_the_reader_that_is_next(loop):
    pairs = [socket.socketpair() for _ in range(2)]
    seen = []

    def read(number: int) -> None:
        seen.append(number)
        for ours, _ in pairs:
            loop.remove_reader(ours)

    for number, (ours, theirs) in enumerate(pairs):
        loop.add_reader(ours, lambda number=number: read(number))
        theirs.send(b"x")
    loop.run_once(loop.now())
    loop.run_once(loop.now())
    assert len(seen) == 1
    for pair in pairs:
        for sock in pair:
            sock.close()


def test_removing_a_closed_descriptor_is_harmless(loop):
    read_end, write_end = os.pipe()
    loop.add_reader(read_end, lambda: None)
    os.close(read_end)
    loop.remove_reader(read_end)
    os.close(write_end)


def test_lateness_of_the_earliest_timer_is_measured_and_told_once_a_turn(loop, clock):
    told = []
    loop.on_late(20 * MS, told.append)
    loop.call_at(loop.now() + 10 * MS, lambda: clock.advance(35 * MS))
    for delay in (60, 62, 64):
        loop.call_at(loop.now() + delay * MS, lambda: None)
    loop.run_once()
    assert told == []
    clock.advance(40 * MS)
    run_until_idle(loop)
    assert loop.lateness_ns == 25 * MS
    assert told == [25 * MS]


def test_errors_go_to_the_handler_and_the_loop_goes_on(loop):
    errors = []
    seen = []
    loop.on_error = errors.append

    def fail() -> None:
        raise ValueError("x")

    loop.call_at(loop.now() + 1, fail)
    loop.call_at(loop.now() + 2, lambda: seen.append(1))
    run_until_idle(loop)
    assert seen == [1]
    assert [type(error) for error in errors] == [ValueError]


def test_without_a_handler_errors_end_run(loop):
    def fail() -> None:
        raise ValueError("x")

    loop.call_at(loop.now() + 1, fail)
    with pytest.raises(ValueError, match="x"):
        loop.run()


def test_signals_come_between_callbacks_in_order():
    loop = Loop()
    seen = []
    before = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)
    try:
        loop.on_signal(signal.SIGUSR1, lambda: seen.append("usr1"))
        loop.on_signal(signal.SIGUSR2, lambda: (seen.append("usr2"), loop.stop()))

        def send() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGUSR2)
            seen.append("sent")

        loop.call_at(loop.now(), send)
        loop.run()
        assert seen == ["sent", "usr1", "usr2"]
    finally:
        loop.close()
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])


def test_a_signal_ends_a_long_sleep():
    loop = Loop()
    before = signal.getsignal(signal.SIGALRM)
    try:
        loop.on_signal(signal.SIGALRM, loop.stop)
        loop.call_at(loop.now() + 60 * 10**9, lambda: None)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        loop.run()
        assert time.monotonic() - start < 30
    finally:
        loop.close()
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("delay_ms", [0.3, 3, 150])
def test_the_real_clock_never_fires_early(delay_ms):
    loop = Loop()
    due = loop.now() + int(delay_ms * MS)
    fired = []
    loop.call_at(due, lambda: (fired.append(loop.now()), loop.stop()))
    loop.run()
    loop.close()
    assert fired[0] >= due


def test_virtual_time_does_not_pass_for_nothing(loop):
    with pytest.raises(RuntimeError):
        loop.run_once()


def test_closing_a_forked_loop_leaves_the_parents_working():
    loop = Loop()
    ours, theirs = socket.socketpair()
    seen = []
    loop.add_reader(ours, lambda: (seen.append(ours.recv(10)), loop.stop()))
    pid = os.fork()
    if pid == 0:
        loop.close()
        os._exit(0)
    os.waitpid(pid, 0)
    theirs.send(b"x")
    loop.run()
    assert seen == [b"x"]
    loop.close()
    ours.close()
    theirs.close()


def test_an_edge_is_told_once_for_each_arrival():
    loop = Loop(VirtualClock())
    seen = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_reader(ours, lambda: seen.append("in"), edge=True)
        for count in (1, 2):
            theirs.send(b"x")
            for _ in range(3):
                loop.run_once(loop.now())
            assert len(seen) == count, "though nobody reads it"
        loop.remove_reader(ours)
        loop.add_reader(ours, lambda: seen.append("level"))
        for _ in range(3):
            loop.run_once(loop.now())
        assert seen[2:] == ["level"] * 3
    loop.close()
