"""Messages between parent and child: order, size, a slow reader, the end, descriptors."""

from __future__ import annotations

import os
import resource

import pytest

from pykeepalived.runtime.channel import INLINE_MAX, Channel, channel_pair
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import MessageLost, Ping, Query


def pair() -> tuple[Channel, Channel]:
    left, right = channel_pair()
    return Channel(left), Channel(right)


def test_messages_arrive_whole_and_in_order():
    left, right = pair()
    sent = [Ping(1), Query(2, ("a", "b")), Ping(3)]
    for message in sent:
        left.send(message)
    assert right.receive() == sent
    assert right.receive() == []
    assert not right.closed


def test_big_messages_travel_in_a_memory_file_between_small_ones():
    left, right = pair()
    big = "x" * (INLINE_MAX * 100)
    descriptors = len(os.listdir("/proc/self/fd"))
    for message in (Ping(1), Query(2, (big,)), Ping(3)):
        left.send(message)
    assert right.receive() == [Ping(1), Query(2, (big,)), Ping(3)]
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_slow_reader_gets_everything_later():
    left, right = pair()
    loop = Loop(VirtualClock())
    received = []
    left.attach(loop, lambda messages: None, lambda: None)
    for number in range(3000):
        left.send(Query(number, ("y" * 1000,)))
    assert left._pending
    right.attach(loop, received.extend, lambda: None)
    while len(received) < 3000:
        loop.run_once(loop.now())
    assert [message.number for message in received] == list(range(3000))
    assert not left._pending


def test_the_end_is_told_after_the_last_message():
    left, right = pair()
    loop = Loop(VirtualClock())
    seen = []
    right.attach(loop, seen.extend, lambda: seen.append("closed"))
    left.send(Ping(1))
    left.close()
    loop.run_once(loop.now())
    assert seen == [Ping(1), "closed"]
    right.send(Ping(2))
    right.close()


def test_sending_to_a_dead_process_is_quiet_and_leaks_nothing():
    left, right = pair()
    right.close()
    descriptors = len(os.listdir("/proc/self/fd"))
    left.send(Query(1, ("x" * (INLINE_MAX * 2),)))
    left.send(Ping(2))
    assert left.closed
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.fixture
def no_more_descriptors():
    """A function after which this process can open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def use_up() -> None:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))

    yield use_up
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_long_message_that_no_descriptor_is_left_for_is_told_as_lost(no_more_descriptors):
    left, right = pair()
    left.send(Query(1, ("x" * (INLINE_MAX * 2),)))
    left.send(Ping(2))
    no_more_descriptors()
    assert right.receive() == [MessageLost(), Ping(2)]


def test_a_long_message_that_cannot_be_sent_is_told_and_the_channel_goes_on(no_more_descriptors):
    left, right = pair()
    no_more_descriptors()
    with pytest.raises(OSError, match="Too many open files"):
        left.send(Query(1, ("x" * (INLINE_MAX * 2),)))
    left.send(Ping(2))
    assert right.receive() == [Ping(2)]
