"""All BFD sessions of the daemon behind the core contract: demultiplexing, one heap of deadlines, reload, counters.

What a session does with a packet or a deadline is session.py. The hot path is `hear` with a packet identical to the
last one of an established session: two lookups and two assignments.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from typing import Protocol, assert_never

from pykeepalived.bfd import messages
from pykeepalived.bfd.effects import (
    Admit,
    CloseTransmitter,
    DrainSockets,
    Effect,
    Heard,
    Input,
    Reconfigure,
    RepeatStates,
    SendFailed,
    SendSucceeded,
    SocketsDrained,
    TransmitterFailed,
    TransmitterOpened,
)
from pykeepalived.bfd.flood import GUARD_NS, WINDOW_NS, Flood
from pykeepalived.bfd.packet import BfdPacketError, ControlPacket, Discard, decode
from pykeepalived.bfd.session import MOST_UNREAD, Session
from pykeepalived.bfd.sieve import Guests
from pykeepalived.bfd.table import State
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND, NANOSECONDS_PER_SECOND

ANY_HOPS = 255
"""max_hops with this value (or -1 in the file): the received TTL is not looked at."""

DISCARD_LINES_PER_SECOND = 100
"""Faulty packets logged in detail; a flood of them is counted, and summed up in the log."""


class RandomSource(Protocol):
    """Chance, injected: random.Random fits."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


class Speaker:
    """The BFD core. `log_detail` is the number of -D options, so that lines nobody sees are not made."""

    def __init__(self, instances: tuple[BfdInstance, ...], now: int, random: RandomSource, log_detail: int = 0) -> None:
        self.log_detail = log_detail
        self.sessions: dict[str, Session] = {}
        self.discards: dict[Discard, int] = dict.fromkeys(Discard, 0)
        self.random = random.random
        self._bits = random.getrandbits
        self._effects: list[Effect] = []
        self.emit = self._effects.append
        self._by_discriminator: dict[bytes, Session] = {}
        self._by_path: dict[tuple[Ip, bool], list[Session]] = {}
        self._heap: list[tuple[int, int, Session]] = []
        self._pushed = 0
        self._silent: list[Session] = []
        self._flood = Flood()
        self._guests_changed = False
        self._discard_window = 0
        self._discard_lines = 0
        self._reconfigure(instances, now)

    # the core contract

    def receive(self, message: Input, now: int) -> None:
        """Take an input. What concerns a session that is no longer configured is ignored."""
        match message:
            case Heard(data, source, source_port, destination, ttl, multihop):
                self.hear(data, source, source_port, destination, ttl, multihop, now)
            case Reconfigure(instances):
                self._reconfigure(instances, now)
            case RepeatStates(receiver):
                for session in self.sessions.values():
                    session.tell(now, (receiver,))
            case SocketsDrained():
                self._checked(now)
            case TransmitterOpened() | TransmitterFailed() | SendFailed() | SendSucceeded():
                concerned = self.sessions.get(message.name)
                if concerned is not None:
                    self._socket_news(concerned, message, now)
                    self._schedule(concerned)
            case _:
                assert_never(message)

    def tick(self, now: int) -> None:
        """Do everything that is due. Sessions about to be given up first have the sockets read (SocketsDrained)."""
        heap = self._heap
        while heap:
            when, number, session = heap[0]
            if when > now + session.early_ns:
                break
            if session.queued_number != number:
                heappop(heap)
                continue
            session.tick(now)
            due = session.deadline()
            if due is None or due <= now:
                heappop(heap)
                session.queued_at = session.queued_number = None
                if due is not None:
                    self._silent.append(session)
            elif due == when:
                # it is early, and nothing could be done
                break
            else:
                session.queued_at = due
                heapreplace(heap, (due, number, session))
        if self._silent:
            self.emit(DrainSockets())
        if self._flood.until is not None and self._flood.over(now):
            self.emit(Admit(None))

    def deadline(self) -> int | None:
        """When `tick` wants to be called; may be earlier than needed, never later."""
        earliest = self._heap[0][0] if self._heap else None
        until = self._flood.until
        return until if earliest is None or (until is not None and until < earliest) else earliest

    @property
    def settled(self) -> bool:
        """Whether packets that only say "still up" may wait until `tick`."""
        return all(session.settled for session in self.sessions.values())

    @property
    def patience_ns(self) -> int:
        """How long packets that only say "still up" may wait unread: well below every detection time, and so that no
        more than a few are waiting."""
        waits = (
            min(each.detect_ns // 3, MOST_UNREAD * each.remote_tx_us * NANOSECONDS_PER_MICROSECOND)
            for each in self.sessions.values()
            if each.state is State.UP
        )
        return min(waits, default=0) // (len(self.sessions) or 1)

    @property
    def apart_ns(self) -> int:
        """How soon two packets never follow each other: 0 if there are several neighbors."""
        if len(self.sessions) != 1:
            return 0
        return min(session.remote_tx_us for session in self.sessions.values()) * NANOSECONDS_PER_MICROSECOND // 2

    def drain(self) -> list[Effect]:
        """The effects decided since the last call, in order."""
        effects = self._effects[:]
        self._effects.clear()
        if self._guests_changed:
            self._guests_changed = False
            if self._flood.until is not None:
                # before anything is sent that could be answered
                effects.insert(0, Admit(self._guests()))
        return effects

    # receiving

    def hear(
        self, data: bytes, source: Ip, source_port: int, destination: Ip, ttl: int, multihop: bool, now: int
    ) -> None:
        """A datagram; the same as receive(Heard(...)) without the object."""
        session = self._by_discriminator.get(data[8:12])
        if (
            session is not None
            and data == session.repeat
            and source == session.config.neighbor
            and ttl == session.repeat_ttl
            and multihop == session.config.multihop
        ):
            session.counters.heard += 1
            session.last_seen = now
            session.expire_at = now + session.detect_ns
            return
        self._hear_closely(Heard(data, source, source_port, destination, ttl, multihop), now)

    def _hear_closely(self, heard: Heard, now: int) -> None:
        try:
            packet = decode(heard.data)
        except BfdPacketError as error:
            if not self._count(error.discard, now):
                return
            if error.discard is Discard.TRUNCATED:
                self._effects += messages.truncated(str(error))
            else:
                self._effects += messages.bogus(str(error), str(heard.source), heard.source_port)
            return
        session = self._find(packet, heard, now)
        if session is None or not self._accepts(session, packet, heard, now):
            return
        if session.state is State.ADMIN_DOWN:
            if session.wants_socket(now):
                session.request_socket(now, held=packet)
            else:
                self._refuse(session, Discard.ADMIN_DOWN, messages.ADMIN_DOWN, heard, now)
            return
        session.hear(packet, now)
        # from here on the same bytes change nothing but the time
        settled = session.state is State.UP and packet.state in (State.INIT, State.UP)
        if settled and not packet.poll and not packet.final and self.log_detail < messages.VERY_DETAILED:
            session.repeat, session.repeat_ttl = heard.data, heard.ttl
        else:
            session.repeat = None
        self._schedule(session)

    def _find(self, packet: ControlPacket, heard: Heard, now: int) -> Session | None:
        """The session of a packet (RFC 5880 6.8.6, RFC 5881 section 3, RFC 5883 section 4.1)."""
        if packet.your_discriminator:
            session = self._by_discriminator.get(heard.data[8:12])
            if session is not None and session.config.multihop == heard.multihop:
                if session.config.neighbor == heard.source:
                    return session
                reason = messages.not_the_neighbor(session.config.name)
                self._refuse(session, Discard.WRONG_SOURCE, reason, heard, now)
                return None
        else:
            for session in self._by_path.get((heard.source, heard.multihop), ()):
                if session.config.source in (None, heard.destination):
                    return session
        self._refuse(None, Discard.NO_SESSION, messages.no_session(packet.your_discriminator), heard, now)
        return None

    def _accepts(self, session: Session, packet: ControlPacket, heard: Heard, now: int) -> bool:
        config = session.config
        if config.max_hops != ANY_HOPS and heard.ttl + config.max_hops < config.ttl:
            session.counters.discarded += 1
            if self._count(Discard.TTL, now):
                least = config.ttl - config.max_hops
                self._effects += messages.ttl_too_low(config.neighbor.family, heard.ttl, least)
            return False
        if packet.authenticated:
            self._refuse(session, Discard.AUTHENTICATED, messages.AUTHENTICATED, heard, now)
            return False
        return True

    def _refuse(self, session: Session | None, discard: Discard, reason: str, heard: Heard, now: int) -> None:
        if session is not None:
            session.counters.discarded += 1
        if self._count(discard, now):
            self._effects += messages.discarding(str(heard.source), heard.source_port, reason)

    def _count(self, discard: Discard, now: int) -> bool:
        """Count a datagram that is not used; returns whether to log it."""
        self.discards[discard] += 1
        if self._flood.discard(now, len(self.sessions)):
            self._effects += messages.flooded(WINDOW_NS, GUARD_NS)
            self._guests_changed = True
        if self.log_detail < messages.DETAILED:
            return False
        if now - self._discard_window >= NANOSECONDS_PER_SECOND:
            if self._discard_lines > DISCARD_LINES_PER_SECOND:
                self._effects += messages.not_logged(self._discard_lines - DISCARD_LINES_PER_SECOND)
            self._discard_window, self._discard_lines = now, 0
        self._discard_lines += 1
        return self._discard_lines <= DISCARD_LINES_PER_SECOND

    def _guests(self) -> Guests:
        """Those who have business here."""
        configs = [session.config for session in self.sessions.values()]
        ttls = (0 if each.max_hops == ANY_HOPS else max(0, each.ttl - each.max_hops) for each in configs)
        known = tuple(int.from_bytes(key, "big") for key in self._by_discriminator)
        return Guests(known, tuple(each.neighbor for each in configs), min(ttls, default=0))

    def _checked(self, now: int) -> None:
        silent, self._silent = self._silent, []
        for session in silent:
            session.checked(now)
            self._schedule(session)

    # sockets

    def _socket_news(
        self,
        session: Session,
        message: TransmitterOpened | TransmitterFailed | SendFailed | SendSucceeded,
        now: int,
    ) -> None:
        match message:
            case TransmitterOpened():
                session.socket_opened(now)
            case TransmitterFailed(_, reason):
                if session.socket_failed(reason, now):
                    session.counters.discarded += 1
                    self.discards[Discard.ADMIN_DOWN] += 1
            case SendFailed(name, reason):
                session.counters.send_errors += 1
                if not session.send_error:
                    session.send_error = True
                    self._effects += messages.send_failed(name, reason)
            case SendSucceeded():
                session.send_error = False

    # sessions

    def new_discriminator(self, session: Session) -> int:
        """A random discriminator that no other session has, in place of the present one (RFC 5880 6.8.1)."""
        self._by_discriminator.pop(session.local_discriminator.to_bytes(4, "big"), None)
        while True:
            number = self._bits(32)
            key = number.to_bytes(4, "big")
            if number and key not in self._by_discriminator:
                self._by_discriminator[key] = session
                self._guests_changed = True
                return number

    def _reconfigure(self, instances: tuple[BfdInstance, ...], now: int) -> None:
        """Sessions of the same name and neighbor live on; others end in silence or begin (RFC 5880 6.8.1)."""
        before, self.sessions = self.sessions, {}
        for config in instances:
            session = before.pop(config.name, None)
            if session is not None and _path(session.config) != _path(config):
                self._forget(session)
                session = None
            if session is None:
                session = Session(config, self, now)
                session.request_socket(now)
            elif session.config != config:
                session.reconfigure(config, now)
            session.tell(now)
            self.sessions[config.name] = session
            self._schedule(session)
        for name, session in before.items():
            self._forget(session)
            self.emit(CloseTransmitter(name))
        self._by_path = {}
        for session in self.sessions.values():
            self._by_path.setdefault(_path(session.config), []).append(session)
        self._guests_changed = True

    def _forget(self, session: Session) -> None:
        self._by_discriminator.pop(session.local_discriminator.to_bytes(4, "big"), None)
        session.queued_at = session.queued_number = None
        if session in self._silent:
            self._silent.remove(session)

    def _schedule(self, session: Session) -> None:
        """Make sure that the heap wakes us no later than the session's next deadline."""
        due = session.deadline()
        if due is not None and (session.queued_at is None or due < session.queued_at):
            self._pushed += 1
            session.queued_at, session.queued_number = due, self._pushed
            heappush(self._heap, (due, self._pushed, session))


def _path(config: BfdInstance) -> tuple[Ip, bool]:
    return config.neighbor, config.multihop
