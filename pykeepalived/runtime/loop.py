"""The event loop of every process of the daemon: readable and writable descriptors, deadlines, signals.

One epoll, one heap of deadlines, no threads. It decides nothing and knows no protocol.

Order of one iteration: sleep until a descriptor is ready or the earliest deadline has come; call the readers and
writers that are ready; call the timers that are due, earliest first. So a packet that arrived before a deadline was
noticed is always seen before the deadline is acted upon. Signals are descriptors too: they are handled among the
readers, never in the middle of a callback. An urgent one that ends a sleep is handled before the sleep returns.

Timers are lazy. Moving one to a later time, which is what hearing an advert does, only stores a number: the heap
entry stays where it is, comes due early, and is then put back to where it belongs. Nothing is searched for or removed
from the heap. Cost: bench/loop.py.
"""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Protocol

from pykeepalived.runtime.clock import Clock, MonotonicClock

Callback = Callable[[], object]

_COMPACT_ABOVE = 256


class HasFileno(Protocol):
    def fileno(self) -> int: ...


Descriptor = int | HasFileno


class Timer:
    """A deadline and what to call then. Made by Loop.call_at; may be moved, cancelled, and moved again for ever.

    `when` is monotonic nanoseconds, or None while the timer is not armed (cancelled, or fired and not moved since).
    """

    __slots__ = ("_callback", "_loop", "_queued", "when")

    def __init__(self, loop: Loop, callback: Callback) -> None:
        self.when: int | None = None
        self._callback = callback
        self._loop = loop
        self._queued: int | None = None

    def move(self, when: int) -> None:
        """Fire at `when` instead (also arms an idle timer). A later time costs an assignment, an earlier one a push."""
        self.when = when
        queued = self._queued
        if queued is None or when < queued:
            self._loop._push(self, when)

    def cancel(self) -> None:
        """Do not fire. Harmless on an idle timer."""
        self.when = None


class Loop:
    """Runs callbacks until `stop`. Callbacks take no arguments; what they raise goes to `on_error`, or ends `run`.

    `lateness_ns` is the largest distance seen between the earliest deadline of a turn and its callback, since it was
    last set to 0.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or MonotonicClock()
        self.now: Callable[[], int] = self._clock.now
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._heap: list[tuple[int, int, Timer]] = []
        self._pushed = 0
        self._superseded = 0
        self._running = False
        self._edges: set[int] = set()
        self._signal_pipe: tuple[socket.socket, socket.socket] | None = None
        self._signal_callbacks: dict[int, Callback] = {}
        self._sleeping = False
        self.lateness_ns = 0
        self._late_threshold: int | None = None
        self._late_callback: Callable[[int], object] | None = None
        self.on_error: Callable[[Exception], object] | None = None

    # descriptors

    def add_reader(self, fd: Descriptor, callback: Callback, *, edge: bool = False) -> None:
        """Call `callback` whenever `fd` is readable, at its end, or in error. Replaces an earlier reader. With `edge`
        only when something has come in: for a descriptor that another process reads."""
        if edge:
            self._edges.add(_number(fd))
        self._register(_number(fd), self._readers, callback)

    def add_writer(self, fd: Descriptor, callback: Callback) -> None:
        """Call `callback` whenever `fd` is writable or in error. Replaces an earlier writer."""
        self._register(_number(fd), self._writers, callback)

    def remove_reader(self, fd: Descriptor) -> None:
        """Stop watching for input. To be called before `fd` is closed; harmless if there is no reader."""
        self._unregister(_number(fd), self._readers)

    def remove_writer(self, fd: Descriptor) -> None:
        """Stop watching for room. To be called before `fd` is closed; harmless if there is no writer."""
        self._unregister(_number(fd), self._writers)

    def _register(self, fd: int, table: dict[int, Callback], callback: Callback) -> None:
        known = fd in self._readers or fd in self._writers
        if fd not in table:
            table[fd] = callback
            try:
                (self._epoll.modify if known else self._epoll.register)(fd, self._mask(fd))
            except BaseException:
                del table[fd]
                raise
        table[fd] = callback

    def _unregister(self, fd: int, table: dict[int, Callback]) -> None:
        if table.pop(fd, None) is None:
            return
        if table is self._readers:
            self._edges.discard(fd)
        mask = self._mask(fd)
        try:
            if mask:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.unregister(fd)
        except (OSError, ValueError):
            pass  # closed already: the kernel has forgotten it

    def _mask(self, fd: int) -> int:
        edge = select.EPOLLET if fd in self._edges else 0
        return edge | (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)

    # timers

    def call_at(self, when: int, callback: Callback) -> Timer:
        """Call `callback` at `when` (monotonic nanoseconds), once. A time in the past means the next iteration."""
        timer = Timer(self, callback)
        timer.move(when)
        return timer

    def idle_timer(self, callback: Callback) -> Timer:
        """A timer that is not armed yet: arm it with `move`."""
        return Timer(self, callback)

    def deadline(self) -> int | None:
        """When the loop will wake at the latest; never later than the earliest armed timer."""
        return self._heap[0][0] if self._heap else None

    def on_late(self, threshold_ns: int, callback: Callable[[int], object] | None) -> None:
        """Call `callback(nanoseconds late)` when the earliest timer is found overdue by more than the threshold."""
        self._late_threshold = threshold_ns if callback else None
        self._late_callback = callback

    def _push(self, timer: Timer, when: int) -> None:
        if timer._queued is not None:
            self._superseded += 1
            if self._superseded > _COMPACT_ABOVE and self._superseded * 2 > len(self._heap):
                self._compact()
        timer._queued = when
        self._pushed += 1
        heappush(self._heap, (when, self._pushed, timer))

    def _compact(self) -> None:
        """Throw away entries that a later push has replaced."""
        self._heap = [entry for entry in self._heap if entry[2]._queued == entry[0]]
        heapify(self._heap)
        self._superseded = 0

    # signals

    def on_signal(self, signum: int, callback: Callback, *, urgent: bool = False) -> None:
        """Call `callback` for a signal, among the readers. Main thread only; the last callback given wins.

        `urgent` saves the way through the readers when the loop sleeps; the callback must not mind another call.
        """
        if self._signal_pipe is None:
            self._signal_pipe = socket.socketpair()
            for end in self._signal_pipe:
                end.setblocking(False)
            signal.set_wakeup_fd(self._signal_pipe[1].fileno(), warn_on_full_buffer=False)
            self.add_reader(self._signal_pipe[0], self._read_signals)
        self._signal_callbacks[signum] = callback
        signal.signal(signum, self._interrupted if urgent else _noted)
        signal.siginterrupt(signum, False)

    @property
    def signal_fd(self) -> int:
        """Where the numbers of signals come in, a byte each, before any code of ours runs; -1 without `on_signal`. For
        a child that wants to know at once: it may look at them (MSG_PEEK), reading them is the loop's business."""
        return self._signal_pipe[0].fileno() if self._signal_pipe is not None else -1

    def _interrupted(self, signum: int, _frame: object) -> None:
        """No callback runs while the loop sleeps: this one may at once."""
        if self._sleeping:
            self._sleeping = False
            self._call(self._signal_callbacks[signum])

    def _read_signals(self) -> None:
        assert self._signal_pipe is not None
        try:
            numbers = self._signal_pipe[0].recv(4096)
        except BlockingIOError:
            return
        for signum in dict.fromkeys(numbers):
            callback = self._signal_callbacks.get(signum)
            if callback is not None:
                self._call(callback)

    # running

    def run(self) -> None:
        """Run until `stop`. Raises what a callback raised, unless `on_error` is set."""
        self._running = True
        while self._running:
            self.run_once()

    def stop(self) -> None:
        """End `run` after the current iteration."""
        self._running = False

    def run_once(self, until: int | None = None) -> None:
        """One iteration; sleeps until something happens, but not beyond `until`."""
        deadline = self._heap[0][0] if self._heap else until
        if until is not None and deadline is not None and until < deadline:
            deadline = until
        self._sleeping = True
        events = self._clock.wait(self._epoll, deadline)
        self._sleeping = False
        for fd, mask in events:
            if mask != select.EPOLLOUT:
                callback = self._readers.get(fd)
                if callback is not None:
                    self._call(callback)
            if mask != select.EPOLLIN:
                callback = self._writers.get(fd)
                if callback is not None:
                    self._call(callback)
        if self._heap and self._heap[0][0] <= self.now():
            self._fire()

    def _fire(self) -> None:
        """Call what is due. What the callbacks arm waits for the next iteration, so that readers get a turn."""
        now = self.now()
        last = self._pushed
        measured = False
        while self._heap:
            heap = self._heap
            when, number, timer = heap[0]
            if when > now or number > last:
                return
            if timer._queued != when:
                heappop(heap)
                self._superseded -= 1
                continue
            due = timer.when
            if due is None:
                heappop(heap)
                timer._queued = None
                continue
            if due > now:
                timer._queued = due
                heapreplace(heap, (due, number, timer))
                continue
            heappop(heap)
            timer._queued = timer.when = None
            if not measured:
                measured = True
                if now - due > self.lateness_ns or self._late_threshold is not None:
                    self._measure(now - due)
            self._call(timer._callback)
            now = self.now()

    def _measure(self, late: int) -> None:
        """Note how late the earliest timer of this turn is; those behind it only wait for it."""
        if late > self.lateness_ns:
            self.lateness_ns = late
        if self._late_threshold is not None and late > self._late_threshold and self._late_callback is not None:
            self._late_callback(late)

    def _call(self, callback: Callback) -> None:
        if self.on_error is None:
            callback()
            return
        try:
            callback()
        except Exception as error:
            self.on_error(error)

    def close(self) -> None:
        """Give back the descriptors. In a forked child this leaves the parent's loop untouched."""
        if self._signal_pipe is not None:
            current = signal.set_wakeup_fd(-1)
            if current != self._signal_pipe[1].fileno():
                signal.set_wakeup_fd(current, warn_on_full_buffer=False)
            for end in self._signal_pipe:
                end.close()
            self._signal_pipe = None
        self._epoll.close()
        self._clock.close()


def _number(fd: Descriptor) -> int:
    return fd if isinstance(fd, int) else fd.fileno()


def _noted(_signum: int, _frame: object) -> None:
    """Python writes the number to the wakeup descriptor; there is nothing else to do."""
