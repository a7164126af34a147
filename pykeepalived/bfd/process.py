"""The BFD child process: feeds the sockets and the clock to the core and performs what the core decides.

Protocol is in session.py and speaker.py, sockets in sockets.py, what every child does in runtime/child_loop.py.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from random import Random
from typing import Any, assert_never

from pykeepalived.bfd import messages
from pykeepalived.bfd.effects import (
    Admit,
    CloseTransmitter,
    DrainSockets,
    Effect,
    Input,
    OpenTransmitter,
    Reconfigure,
    RepeatStates,
    SendFailed,
    SendPacket,
    SendSucceeded,
    SocketsDrained,
    StateChanged,
    Tell,
    TransmitterFailed,
    TransmitterOpened,
)
from pykeepalived.bfd.recording import Recorder
from pykeepalived.bfd.session import OPEN_RETRY_NS
from pykeepalived.bfd.sieve import Guests
from pykeepalived.bfd.sockets import Receiver, SocketError, Transmitter
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.bfd.view import session_snapshots
from pykeepalived.config.model import Config
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.dump.bfd import bfd_data, bfd_lines
from pykeepalived.observe.dump_files import DumpWriter, data_path, dump_directory
from pykeepalived.observe.record_files import RecordWriter
from pykeepalived.observe.snapshot import BfdSnapshot, Taken
from pykeepalived.runtime.bfd_pipe import BfdPipeWriter
from pykeepalived.runtime.child import ChildContext
from pykeepalived.runtime.child_loop import EXIT_FATAL, ChildService
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import BfdEvent, ChildKind, Dump

READ_AT_ONCE = 64
"""Datagrams read before timers get their turn. With fewer sessions only as many as there are: the system call that
finds the socket empty costs more than coming back for a rare second datagram."""

QUIET_EVERY_NS = 1_000_000
"""The quiet sockets are read at most once in so long, when the process is awake to send."""

LATE_NS = 2_000_000
"""A process that is later than this was kept from the processor, as perhaps its neighbors were: for what waits then,
time has stood still for the rest of the delay."""

CALM_NS = 1_000_000_000
"""How long all sessions must be settled until nobody wakes up for the quiet sockets any more."""

READ_BEFORE_GIVING_UP = 1024
"""Datagrams read before a session is declared lost: more than all neighbors send during a stall that they survive."""


def run(context: ChildContext) -> int:
    """The BFD child: returns its exit status."""
    os.chdir("/")
    loop = Loop()
    try:
        return BfdProcess(context, loop).run()
    finally:
        loop.close()


class BfdProcess:
    """Sockets, timers and pipes around one Speaker. Implements runtime.child_loop.ChildHandler."""

    def __init__(self, context: ChildContext, loop: Loop) -> None:
        self._context = context
        self._log = context.log
        self._loop = loop
        self._random = Random(context.config.globals.random_seed)
        self._receivers: dict[bool, Receiver] = {}
        self._transmitters: dict[str, Transmitter] = {}
        self._dropped = 0
        self._pipes = {kind: BfdPipeWriter(fd, loop) for kind, fd in context.bfd_out.items()}
        self._lines: list[LogLine | StateChanged] = []
        self._timer = loop.idle_timer(self._tick)
        self._calm = loop.idle_timer(self._leave_quiet)
        self._watching_quiet = False
        self._quiet_every = QUIET_EVERY_NS
        self._apart = 0
        self._stall = 0
        self._retry = loop.idle_timer(self._open_missing)
        self._config = context.config
        self._generation = context.generation
        self._dumps = DumpWriter(context.log)
        self._service = ChildService(context, loop, self)
        began = self._quiet_read = self._since = self._due = loop.now()
        self._recorder = Recorder(context.config.bfd_instances, began, loop.now, self._random)
        self._records = RecordWriter(context.log, self._recorder.text, "bfd")
        self._service.on_internal_error = self._records.write_once
        loop.on_signal(signal.SIGCHLD, self._reap)
        self.speaker = Speaker(context.config.bfd_instances, began, self._recorder, context.log.detail)
        self._hear = self._recorder.listener(self.speaker.hear)

    def run(self) -> int:
        """Open the sockets and run until told to stop. Without any listening socket the exit status is 1."""
        self._open_missing()
        if self._config.bfd_instances and not self._receivers:
            return EXIT_FATAL
        if self._context.options.dump_config:
            for line in bfd_lines(self._config, self.snapshot(), state=False):
                self._log.info(line)
        self._perform()
        self._service.ready()
        return self._service.run()

    # hearing and doing

    def _read(self, receiver: Receiver) -> None:
        begin = self._loop.now()
        receiver.read_quiet(self._hear, self._quiet_read, READ_AT_ONCE, max(0, begin - self._due - LATE_NS))
        receiver.read(self._hear, begin - LATE_NS, min(READ_AT_ONCE, len(self.speaker.sessions) or 1))
        self._heard(begin)

    def _read_quiet(self, receiver: Receiver) -> None:
        begin = self._loop.now()
        receiver.read_quiet(self._hear, begin - LATE_NS, min(READ_AT_ONCE, len(self.speaker.sessions) or 1))
        self._heard(begin)

    def _heard(self, begin: int) -> None:
        self._quiet_read = begin
        self._perform()
        self._watch_quiet()
        self._service.rest.after(begin)

    def _watch_quiet(self) -> None:
        """Wake up for every packet as long as any may matter at once."""
        if not self._watching_quiet and not self.speaker.settled:
            self._begin_watching()

    def _begin_watching(self) -> None:
        self._watching_quiet = True
        for receiver in self._receivers.values():
            if receiver.quiet_fileno() >= 0:
                self._loop.add_reader(receiver.quiet_fileno(), partial(self._read_quiet, receiver))
        self._calm.move(self._loop.now() + CALM_NS)

    def _leave_quiet(self) -> None:
        """Packets that only say "still up" are read when one of ours is sent, once all sessions are settled."""
        if not self.speaker.settled:
            self._calm.move(self._loop.now() + CALM_NS)
            return
        self._watching_quiet = False
        self._apart = self.speaker.apart_ns
        self._quiet_every = max(QUIET_EVERY_NS, self.speaker.patience_ns)
        for receiver in self._receivers.values():
            self._loop.remove_reader(receiver.quiet_fileno())

    def _reap(self) -> None:
        self._dumps.reap()
        self._records.reap()

    def _receive(self, message: Input, now: int | None = None) -> None:
        now = self._loop.now() if now is None else now
        self._recorder.message(message, now)
        self.speaker.receive(message, now)

    def _tick(self) -> None:
        now = self._loop.now()
        self._since = self._quiet_read
        self._stall = max(0, now - self._due - LATE_NS)
        if not self._watching_quiet and now - self._quiet_read >= self._quiet_every:
            begin = self._quiet_read = now
            for receiver in self._receivers.values():
                if not receiver.read_quiet(self._hear, self._since, READ_AT_ONCE, self._stall, self._apart):
                    # more than there should be: do not wait for the next packet of ours
                    self._begin_watching()
            self._service.rest.after(begin)
            now = self._loop.now()
        self._recorder.tick(now)
        self.speaker.tick(now)
        self._perform()

    def _perform(self) -> None:
        speaker = self.speaker
        try:
            while effects := speaker.drain():
                for effect in effects:
                    try:
                        if isinstance(effect, SendPacket):
                            self._send(effect)
                        else:
                            self._do(effect)
                    except Exception as error:
                        # what one effect meets must not cost the others: tell, and go on
                        if self._loop.on_error is None:
                            raise
                        self._loop.on_error(error)
        finally:
            deadline = speaker.deadline()
            if deadline is not None:
                self._due = deadline
                self._timer.move(deadline)
            if self._lines:
                self._write_lines()

    def _write_lines(self) -> None:
        """Log once everybody who waits for the news has it."""
        waiting, self._lines = self._lines, []
        for item in waiting:
            for line in messages.state_changed(item) if isinstance(item, StateChanged) else (item,):
                self._log.write(line)

    def _do(self, effect: Effect) -> None:
        match effect:
            case LogLine() | StateChanged():
                if isinstance(effect, StateChanged):
                    self._recorder.shown(effect)
                    self._watch_quiet()
                self._lines.append(effect)
            case Tell(event, receivers):
                for kind in receivers:
                    self._tell(kind, event)
            case DrainSockets():
                self._drain_sockets()
            case Admit(guests):
                self._admit(guests)
            case OpenTransmitter(instance):
                self._open_transmitter(instance)
            case CloseTransmitter(name):
                self._close_transmitter(name)
            case SendPacket():
                self._send(effect)
            case _:
                assert_never(effect)

    def _send(self, packet: SendPacket) -> None:
        transmitter = self._transmitters.get(packet.name)
        if transmitter is None:
            return
        try:
            transmitter.send(packet.data)
        except OSError as error:
            transmitter.failed = True
            self._receive(SendFailed(packet.name, error.strerror or str(error)))
        else:
            if transmitter.failed:
                transmitter.failed = False
                self._receive(SendSucceeded(packet.name))

    def _tell(self, kind: ChildKind, event: BfdEvent) -> None:
        pipe = self._pipes.get(kind)
        if pipe is None:
            return
        try:
            pipe.send((event,))
        except OSError as error:
            self._log.error(f"({event.name}) {kind} pipe write() error {error.strerror}", detail=1)

    def _drain_sockets(self) -> None:
        try:
            for receiver in self._receivers.values():
                begin = self._loop.now()
                receiver.read_quiet(self._hear, self._since, READ_BEFORE_GIVING_UP, self._stall)
                receiver.read(self._hear, self._since, READ_BEFORE_GIVING_UP, self._stall)
                self._service.rest.after(begin)
        finally:
            self._receive(SocketsDrained())

    def _admit(self, guests: Guests | None) -> None:
        for receiver in self._receivers.values():
            try:
                receiver.admit(guests)
            except OSError as error:
                self._log.error(f"Unable to filter packets in the kernel - {error.strerror}")

    # sockets

    def _open_transmitter(self, instance: BfdInstance) -> None:
        self._close_transmitter(instance.name)
        try:
            self._transmitters[instance.name] = Transmitter(instance, self._random.randrange)
        except SocketError as error:
            self._receive(TransmitterFailed(instance.name, str(error)))
        else:
            self._receive(TransmitterOpened(instance.name))

    def _close_transmitter(self, name: str) -> None:
        transmitter = self._transmitters.pop(name, None)
        if transmitter is not None:
            transmitter.close()

    def _open_missing(self) -> None:
        """Have a listening socket for each kind of session there is, and none for others. Failures are tried again."""
        wanted = {instance.multihop for instance in self._config.bfd_instances}
        for multihop in [known for known in self._receivers if known not in wanted]:
            self._close_receiver(self._receivers.pop(multihop))
        for multihop in sorted(wanted - self._receivers.keys()):
            try:
                receiver = Receiver(multihop)
            except SocketError as error:
                self._log.error(str(error))
                self._log.error("Unable to open listening socket")
                self._retry.move(self._loop.now() + OPEN_RETRY_NS)
            else:
                self._receivers[multihop] = receiver
                self._loop.add_reader(receiver, partial(self._read, receiver))
                self._watching_quiet = False
        self._watch_quiet()

    def _close_receiver(self, receiver: Receiver) -> None:
        self._loop.remove_reader(receiver)
        self._loop.remove_reader(receiver.quiet_fileno())
        self._dropped += receiver.dropped()
        receiver.close()

    # what the parent and the operator want

    def on_reload(self, config: Config, generation: int) -> tuple[str, ...]:
        """Take over a configuration; sessions of the same name and neighbor stay as they are."""
        started = self._loop.now()
        before = {instance.name: instance for instance in self._config.bfd_instances}
        self._config, self._generation = config, generation
        self._open_missing()
        self._receive(Reconfigure(config.bfd_instances), started)
        self._perform()
        self._watch_quiet()
        self._log.info(f"Reload finished in {(self._loop.now() - started) // 1000} usec")
        return _changes(before, {instance.name: instance for instance in config.bfd_instances})

    def on_stop(self) -> None:
        """Leave without a word to the neighbors: they take over what depends on us when their detection time ends."""
        self._timer.cancel()
        self._retry.cancel()
        self._calm.cancel()
        for receiver in self._receivers.values():
            self._close_receiver(receiver)
        self._receivers.clear()
        for name in list(self._transmitters):
            self._close_transmitter(name)
        self._service.finish()

    def on_dump(self, kind: Dump) -> None:
        """Write keepalived_bfd.data; BFD has no other dump."""
        if kind is not Dump.DATA:
            return
        self._log.info(f"Printing BFD data for process({os.getpid()}) on signal")
        directory, complaint = dump_directory(os.environ)
        if complaint:
            self._log.warning(complaint)
        self.save_state(data_path(self._config.globals, "bfd", directory))

    def save_state(self, path: str) -> None:
        """Write the data dump to this file."""
        config = self._config
        self._dumps.write(path, lambda: bfd_data(config, self.snapshot()))

    def on_query(self, words: tuple[str, ...]) -> dict[str, Any]:
        """`snapshot`: the whole process as data. `record`: write the last inputs to a file."""
        if words[:1] == ("record",):
            return self._records.write(words[1:])
        return {"snapshot": self.snapshot()} if words == ("snapshot",) else {}

    def on_peer_started(self, kind: ChildKind) -> None:
        """A new VRRP or checker child knows nothing: tell it all states."""
        self._receive(RepeatStates(kind))
        self._perform()

    def snapshot(self) -> BfdSnapshot:
        """The process as it is now."""

        def fd_out(name: str) -> int:
            transmitter = self._transmitters.get(name)
            return -1 if transmitter is None else transmitter.fileno()

        def fd_in(multihop: bool) -> int:
            return self._receivers[multihop].fileno() if multihop in self._receivers else -1

        return BfdSnapshot(
            taken=Taken(self._loop.now(), time.time_ns()),
            pid=os.getpid(),
            generation=self._generation,
            fd_in=fd_in(False),
            multihop_fd_in=fd_in(True),
            sessions=session_snapshots(self.speaker, fd_out),
            log_dropped=self._log.dropped,
            process={
                **{f"bfd_discarded_{discard}_total": count for discard, count in self.speaker.discards.items()},
                "bfd_events_delayed_total": sum(pipe.delayed for pipe in self._pipes.values()),
                "bfd_dropped_by_kernel_total": self._dropped
                + sum(receiver.dropped() for receiver in self._receivers.values()),
                "bfd_socket_errors_total": sum(receiver.errors for receiver in self._receivers.values()),
                "loop_lateness_max_ns": self._loop.lateness_ns,
            },
        )


def _changes(before: dict[str, BfdInstance], after: dict[str, BfdInstance]) -> tuple[str, ...]:
    """What a reload did to the instances, a line each."""
    lines = [f"bfd_instance {name} removed" for name in before if name not in after]
    for name, instance in after.items():
        if name not in before:
            lines.append(f"bfd_instance {name} added")
        elif instance != before[name]:
            lines.append(f"bfd_instance {name} changed")
    return tuple(lines)
