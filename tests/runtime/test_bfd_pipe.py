"""Events on a pipe: records, a full pipe, a reader that came later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.runtime.bfd_pipe import (
    RECORD,
    BfdPipeError,
    BfdPipeReader,
    BfdPipeWriter,
    decode_events,
    encode_event,
)
from pykeepalived.runtime.messages import BfdEvent


class Loop:
    """Remembers who waits for events and who for room."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], object]] = {}
        self.writers: dict[int, Callable[[], object]] = {}

    def add_reader(self, fd: int, callback: Callable[[], object], /) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: int, /) -> None:
        del self.readers[fd]

    def add_writer(self, fd: int, callback: Callable[[], object], /) -> None:
        self.writers[fd] = callback

    def remove_writer(self, fd: int, /) -> None:
        del self.writers[fd]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=31)
EVENTS = st.builds(BfdEvent, NAMES, st.booleans(), st.integers(0, 2**63))


@given(st.lists(EVENTS, max_size=20))
def test_records_read_back(events: list[BfdEvent]) -> None:
    assert decode_events(b"".join(encode_event(event) for event in events)) == events


def test_a_name_that_is_not_text_survives() -> None:
    event = BfdEvent(os.fsdecode(b"b\xff1"), True, 7)
    assert decode_events(encode_event(event)) == [event]


@pytest.mark.parametrize("name", ["", "x" * 32, "a\0b"])
def test_names_that_no_instance_can_have_are_refused(name: str) -> None:
    with pytest.raises(BfdPipeError):
        encode_event(BfdEvent(name, True, 0))


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_the_one_error(data: bytes) -> None:
    try:
        events = decode_events(data)
    except BfdPipeError:
        return
    assert len(events) * RECORD.size == len(data)


def test_a_record_is_written_whole(pipe: tuple[int, int]) -> None:
    assert RECORD.size == 48
    assert RECORD.size <= os.fpathconf(pipe[1], "PC_PIPE_BUF")


def test_events_arrive_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = BfdPipeReader(pipe[0]), BfdPipeWriter(pipe[1], Loop())
    events = [BfdEvent("b1", True, 1), BfdEvent("b2", False, 2), BfdEvent("b1", False, 3)]
    for event in events:
        writer.send([event])
    assert reader.read() == events
    assert reader.read() == []
    assert not reader.closed


def test_a_full_pipe_keeps_the_latest_state_of_every_session(pipe: tuple[int, int]) -> None:
    loop = Loop()
    reader, writer = BfdPipeReader(pipe[0]), BfdPipeWriter(pipe[1], loop)
    for moment in range(5_000):
        writer.send([BfdEvent(f"b{moment % 10}", moment % 3 == 0, moment)])
    assert writer.waiting == 10
    assert writer.delayed > 3_000
    assert set(loop.writers) == {pipe[1]}
    seen: list[BfdEvent] = []
    while batch := reader.read():
        seen += batch
        if loop.writers:
            loop.writers[pipe[1]]()
    assert not loop.writers
    assert writer.waiting == 0
    latest = {event.name: event for event in seen}
    assert latest == {f"b{n}": BfdEvent(f"b{n}", (4990 + n) % 3 == 0, 4990 + n) for n in range(10)}
    assert [event.sent_ns for event in seen] == sorted(event.sent_ns for event in seen)


def test_a_broken_pipe_is_an_error_and_does_not_pile_up(pipe: tuple[int, int]) -> None:
    writer = BfdPipeWriter(pipe[1], Loop())
    os.close(pipe[0])
    for _ in range(3):
        with pytest.raises(BrokenPipeError):
            writer.send([BfdEvent("b1", True, 1)])
    assert writer.waiting == 0


def test_a_later_reader_passes_over_what_was_meant_for_its_predecessor(pipe: tuple[int, int]) -> None:
    writer = BfdPipeWriter(pipe[1], Loop())
    writer.send([BfdEvent("b1", True, 100), BfdEvent("b1", False, 200)])
    assert BfdPipeReader(pipe[0], since_ns=150).read() == [BfdEvent("b1", False, 200)]


def test_the_end_of_all_writers_is_noticed(pipe: tuple[int, int]) -> None:
    reader = BfdPipeReader(pipe[0])
    os.close(pipe[1])
    assert reader.read() == []
    assert reader.closed


def test_a_loop_reads_until_all_writers_are_gone(pipe: tuple[int, int]) -> None:
    loop = Loop()
    heard: list[BfdEvent] = []
    told: list[str] = []
    BfdPipeReader(pipe[0], since_ns=150).attach(loop, heard.extend, told.append)
    writer = BfdPipeWriter(pipe[1], Loop())
    writer.send([BfdEvent("b1", True, 100), BfdEvent("b1", False, 200)])
    loop.readers[pipe[0]]()
    os.write(pipe[1], bytes(RECORD.size))
    loop.readers[pipe[0]]()
    assert told == ["Event from the BFD process not understood: record without a name, or neither up nor down"]
    writer.send([BfdEvent("b2", True, 300)])
    loop.readers[pipe[0]]()
    assert heard == [BfdEvent("b1", False, 200), BfdEvent("b2", True, 300)]
    os.close(pipe[1])
    loop.readers[pipe[0]]()
    assert not loop.readers
    assert len(heard) == 2
