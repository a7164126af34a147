"""One BFD session: its variables, timers and procedures (RFC 5880 section 6.8). Time and chance come from outside.

Which packet belongs to which session, and the order of all deadlines, is speaker.py; which state follows which is
table.py. `_enter` is the only place that assigns `state`, and it does so from a row of that table.
"""

from __future__ import annotations

from typing import Protocol

from pykeepalived.bfd import messages
from pykeepalived.bfd.effects import Effect, OpenTransmitter, SendPacket, StateChanged, Tell
from pykeepalived.bfd.packet import ControlPacket, encode
from pykeepalived.bfd.table import HEARD, TABLE, Event, State, Transition
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND, NANOSECONDS_PER_SECOND
from pykeepalived.runtime.messages import BfdEvent, ChildKind

OPEN_RETRY_NS = 60 * NANOSECONDS_PER_SECOND
"""How long a session without a socket waits before it tries to open one again."""

OPEN_RETRY_ON_PACKET_NS = NANOSECONDS_PER_SECOND
"""The same when the neighbor sends packets meanwhile."""

CHECK_LEAD_NS = 500_000
"""The sockets are read this long before a session would be given up: in the last moment nothing else is left to do."""

CHECK_FRESH_NS = 2_000_000
"""A look into the sockets that is older tells nothing: the process may have been stalled since."""

# RFC 5880 6.8.7: a random reduction of at least 10 % (with a multiplier of 1) and at most 25 %. A packet is due after
# 80 to 90 % of the interval and leaves up to 5 % sooner if the process is awake anyway.
_SHORTEST, _EARLY, _SPREAD = 0.75, 0.05, 0.10

MOST_UNREAD = 2
"""Packets of a neighbor that may wait to be read until the next packet of ours is due."""


class Host(Protocol):
    """What a session needs of the speaker it belongs to."""

    log_detail: int

    def emit(self, effect: Effect, /) -> None: ...

    def new_discriminator(self, session: Session, /) -> int: ...

    def random(self) -> float: ...


@dataclass(slots=True)
class SessionCounters:
    """What has happened to a session since its creation."""

    sent: int = 0
    heard: int = 0
    discarded: int = 0
    send_errors: int = 0
    ups: int = 0
    downs: int = 0


class Session:
    """A session of one bfd_instance. Intervals in microseconds end in `_us`; times are monotonic nanoseconds.

    `tx_us` is the agreed interval of our packets, `remote_tx_us` the neighbor's, `detect_us` how long its silence is
    borne. `send_at`, `expire_at`, `reset_at` and `open_at` are the timers; None means not running. `expire_at` is when
    the session is given up; `reset_at` is when a session that is down forgets its neighbor's variables. `checked_at` is
    when the sockets were found empty, while `expire_at` was `checked_for`. `queued_at`, `queued_number` and `repeat`
    (the packet that needs no second look) belong to the speaker.
    """

    __slots__ = (
        "_frame",
        "_held",
        "_host",
        "_paced_us",
        "cause",
        "changed_at",
        "checked_at",
        "checked_for",
        "config",
        "counters",
        "detect_ns",
        "detect_us",
        "early_ns",
        "expire_at",
        "finaling",
        "last_seen",
        "local_diagnostic",
        "local_discriminator",
        "open_at",
        "polling",
        "queued_at",
        "queued_number",
        "ready",
        "remote_demand",
        "remote_diagnostic",
        "remote_discriminator",
        "remote_min_rx_us",
        "remote_min_tx_us",
        "remote_multiplier",
        "remote_state",
        "remote_tx_us",
        "repeat",
        "repeat_ttl",
        "reset_at",
        "send_at",
        "send_error",
        "state",
        "tx_us",
    )

    def __init__(self, config: BfdInstance, host: Host, now: int) -> None:
        self._host = host
        self._frame: SendPacket | None = None
        self._held: ControlPacket | None = None
        self._paced_us = 0
        self.early_ns = 0
        self.config = config
        self.counters = SessionCounters()
        self.state = State.DOWN
        self.cause = Cause("start", config.name, since=now, at=config.at)
        self.changed_at = now
        self.local_discriminator = 0
        self.local_discriminator = host.new_discriminator(self)
        self.local_diagnostic = 0
        self.remote_state = State.DOWN
        self.remote_discriminator = 0
        self.remote_diagnostic = 0
        self.remote_min_tx_us = 0
        self.remote_min_rx_us = 0
        self.remote_multiplier = 0
        self.remote_demand = False
        self.polling = False
        self.finaling = False
        self.tx_us = config.idle_tx_us
        self.remote_tx_us = 0
        self.detect_us = 0
        self.detect_ns = 0
        self.last_seen: int | None = None
        self.ready = False
        self.send_error = False
        self.send_at: int | None = None
        self.expire_at: int | None = None
        self.checked_for: int | None = None
        self.checked_at = 0
        self.reset_at: int | None = None
        self.open_at: int | None = None
        self.queued_at: int | None = None
        self.queued_number: int | None = None
        self.repeat: bytes | None = None
        self.repeat_ttl = 0

    # the contract, as far as a session has one of its own

    def deadline(self) -> int | None:
        """The earliest running timer."""
        earliest = self.send_at
        expiry = self.expire_at
        if expiry is not None:
            if expiry != self.checked_for:
                expiry -= CHECK_LEAD_NS
            if earliest is None or expiry < earliest:
                earliest = expiry
        if self.reset_at is not None and (earliest is None or self.reset_at < earliest):
            earliest = self.reset_at
        if self.open_at is not None and (earliest is None or self.open_at < earliest):
            earliest = self.open_at
        return earliest

    def tick(self, now: int) -> None:
        """Do what is due. The session is given up only if a fresh look into the sockets has found nothing."""
        if self.open_at is not None and now >= self.open_at:
            self.request_socket(now)
        if self.reset_at is not None and now >= self.reset_at:
            self._forget_neighbor(now)
        if self.expire_at is not None and now >= self.expire_at:
            if self.checked_for == self.expire_at and now - self.checked_at <= CHECK_FRESH_NS:
                self.expire(now)
            return
        if self.send_at is not None and now >= self.send_at - self.early_ns:
            # no drift, but never sooner after the last packet than the jitter allows
            due = self.send_at
            self._send()
            self._next_packet(min(due, now))
            self.send_at = max(self.send_at, now + int(self.tx_us * NANOSECONDS_PER_MICROSECOND * _SHORTEST))

    @property
    def settled(self) -> bool:
        """Whether packets that say "still up" may wait until the next packet of ours: they change nothing but
        `expire_at`."""
        if self.state is State.UP:
            often = self.tx_us <= MOST_UNREAD * self.remote_tx_us
            return self.repeat is not None and self.send_at is not None and often
        return self.state is not State.INIT

    def checked(self, now: int) -> None:
        """All that waited in the sockets has been heard."""
        if self.expire_at is not None and now >= self.expire_at:
            self.expire(now)
        else:
            self.checked_for, self.checked_at = self.expire_at, now

    # the sending socket

    def request_socket(self, now: int, held: ControlPacket | None = None) -> None:
        """Ask for the sending socket; a packet that came while there is none is heard after that."""
        self._held = held
        self.open_at = now + OPEN_RETRY_NS
        self._host.emit(OpenTransmitter(self.config))

    def socket_opened(self, now: int) -> None:
        self.ready = True
        self.open_at = None
        self.send_error = False
        if self.state is State.ADMIN_DOWN:
            self._follow(Event.SOCKET_READY, Cause("socket_opened", self.config.name, since=now), now)
        held, self._held = self._held, None
        if held is not None:
            self.hear(held, now)
        if self._may_send() and self.send_at is None:
            self._next_packet(now)
            self.send_at = now

    def socket_failed(self, reason: str, now: int) -> bool:
        """Go to AdminDown and try again later. Returns whether a packet was waiting, which is discarded."""
        first = self.state is not State.ADMIN_DOWN
        for line in messages.socket_failed(self.config.name, reason, messages.ALWAYS if first else messages.DETAILED):
            self._host.emit(line)
        self.ready = False
        self.open_at = now + OPEN_RETRY_NS
        if first:
            self._follow(Event.SOCKET_LOST, Cause("socket_failed", self.config.name, reason, now), now)
        held, self._held = self._held, None
        return held is not None

    def wants_socket(self, now: int) -> bool:
        """Whether a packet may make a session without a socket try to open one (at most once a second)."""
        return self.open_at is None or now >= self.open_at - OPEN_RETRY_NS + OPEN_RETRY_ON_PACKET_NS

    # receiving

    def hear(self, packet: ControlPacket, now: int) -> None:
        """A packet of the neighbor that passed every check (RFC 5880 6.8.6, from "set bfd.RemoteDiscr" on)."""
        self.counters.heard += 1
        self._frame = None
        before = (self.remote_min_rx_us, self.remote_min_tx_us, self.remote_multiplier, self.tx_us)
        self.remote_discriminator = packet.my_discriminator
        self.remote_state = State(packet.state)
        self.remote_diagnostic = packet.diagnostic
        self.remote_min_rx_us = packet.min_rx_us
        self.remote_min_tx_us = packet.min_tx_us
        self.remote_demand = packet.demand
        self.remote_multiplier = packet.multiplier
        if packet.final:
            self.polling = False
        row = TABLE.get((self.state, HEARD[packet.state]))
        if self.state is not State.UP or packet.poll or packet.final:
            self._negotiate(row.next if row else self.state)
        was = self.detect_us
        self._compute_detection()
        after = (self.remote_min_rx_us, self.remote_min_tx_us, self.remote_multiplier, self.tx_us)
        self._log_parameters(messages.DETAILED if after != before else messages.VERY_DETAILED)
        if was != self.detect_us:
            self._host.emit(messages.detection_time(self.config.name, self.detect_us, was))
        self.last_seen = now
        self.finaling = packet.poll
        if row is not None:
            self._enter(row, self._cause_of(packet, now), now)
        if self.state in (State.INIT, State.UP):
            self.expire_at = now + self.detect_ns
        else:
            self.reset_at = now + self.detect_ns
        self._pace(now)
        if self.finaling and self.ready:
            self._send()

    def expire(self, now: int) -> None:
        """The detection time has passed in silence (RFC 5880 6.8.4)."""
        self.expire_at = None
        self.remote_discriminator = 0
        since = self.changed_at if self.last_seen is None else self.last_seen
        silence_us = (now - since) // NANOSECONDS_PER_MICROSECOND
        cause = Cause(
            "detection_time_expired",
            str(self.config.neighbor),
            f"no packet for {silence_us // 1000} ms",
            since,
            self.config.at,
        )
        self._follow(Event.EXPIRED, cause, now, silence_us)

    def _cause_of(self, packet: ControlPacket, now: int) -> Cause:
        fact = f"neighbor_{State(packet.state).name.lower()}"
        return Cause(fact, str(self.config.neighbor), since=now, at=self.config.at)

    # timing

    def _negotiate(self, state: State) -> None:
        """Both intervals, as they are once this session is in `state` (RFC 5880 6.8.2, 6.8.7)."""
        wanted = self.config.min_tx_us if state is State.UP else self.config.idle_tx_us
        self.tx_us = max(wanted, self.remote_min_rx_us)
        self.remote_tx_us = max(self.config.min_rx_us, self.remote_min_tx_us)

    def _compute_detection(self) -> None:
        self.detect_us = self.remote_multiplier * self.remote_tx_us
        self.detect_ns = self.detect_us * NANOSECONDS_PER_MICROSECOND

    def _may_send(self) -> bool:
        """Whether periodic packets are allowed (RFC 5880 6.8.7)."""
        if not self.ready or self.state is State.ADMIN_DOWN:
            return False
        if self.remote_discriminator == 0:
            return not self.config.passive
        if self.remote_min_rx_us == 0:
            return False
        demanded = self.remote_demand and self.state is State.UP and self.remote_state is State.UP
        return not demanded or self.polling

    def _pace(self, now: int) -> None:
        """Start, stop or hasten the periodic packets, after anything that they depend on has changed."""
        if not self._may_send():
            self.send_at = None
        elif self.send_at is None:
            self._next_packet(now)
        elif self.tx_us < self._paced_us:
            later = self.send_at
            self._next_packet(now)
            self.send_at = min(self.send_at, later)

    def _next_packet(self, after: int) -> None:
        """The next packet follows one that left, or was due, at this moment."""
        interval = self.tx_us * NANOSECONDS_PER_MICROSECOND
        self.send_at = after + int(interval * (_SHORTEST + _EARLY + _SPREAD * self._host.random()))
        self.early_ns = int(interval * _EARLY)
        self._paced_us = self.tx_us

    def _forget_neighbor(self, now: int) -> None:
        """Down for a whole detection time without a packet: nothing is known of the neighbor any more."""
        self._frame = None
        self.reset_at = None
        self.remote_state = State.DOWN
        self.remote_discriminator = 0
        self.remote_diagnostic = 0
        self.remote_demand = False
        self.polling = False
        self.finaling = False
        self.tx_us = self.config.idle_tx_us
        self._pace(now)

    # transitions

    def _follow(self, event: Event, cause: Cause, now: int, silence_us: int | None = None) -> None:
        """Take the transition of an event, if the table has one."""
        row = TABLE.get((self.state, event))
        if row is not None:
            self._enter(row, cause, now, silence_us)
            self._pace(now)

    def _enter(self, row: Transition, cause: Cause, now: int, silence_us: int | None = None) -> None:
        old, new = self.state, row.next
        self.state = new
        self.local_diagnostic = row.diagnostic
        self.cause = cause
        self.changed_at = now
        self._frame = None
        self.repeat = None
        match new:
            case State.UP:
                self.reset_at = None
                self.counters.ups += 1
            case State.INIT:
                self.reset_at = None
            case State.DOWN:
                self._start_down(old, now)
            case State.ADMIN_DOWN:
                self.send_at = self.expire_at = self.reset_at = None
        if old is State.UP:
            self.counters.downs += 1
        # a neighbor that is taken down on purpose is no failure (RFC 5882 section 3.2)
        if new is State.UP or (old is State.UP and cause.fact != "neighbor_admin_down"):
            self.tell(now)
        overdue_us = max(0, (silence_us or 0) - self.detect_us)
        diagnostics = self.local_diagnostic, self.remote_diagnostic
        self._host.emit(StateChanged(self.config.name, old, new, cause, now, *diagnostics, silence_us, overdue_us))
        if new is State.UP and self.config.idle_tx_us != self.config.min_tx_us and not self.finaling:
            self.start_poll()
        if self._may_send():
            # RFC 5880 6.8.7: a packet out of turn tells the change at once
            self._send()
            self._next_packet(now)

    def _start_down(self, old: State, now: int) -> None:
        if old is State.UP:
            self.local_discriminator = self._host.new_discriminator(self)
        self.tx_us = max(self.config.idle_tx_us, self.remote_min_rx_us)
        self.expire_at = None
        self.reset_at = now + self.detect_ns if self.last_seen is not None else None

    def tell(self, now: int, receivers: tuple[ChildKind, ...] = (ChildKind.VRRP, ChildKind.CHECKER)) -> None:
        """Give the present state to those of the receivers that the configuration names."""
        wanted = {ChildKind.VRRP: self.config.to_vrrp, ChildKind.CHECKER: self.config.to_checker}
        chosen = tuple(kind for kind in receivers if wanted.get(kind))
        if chosen:
            self._host.emit(Tell(BfdEvent(self.config.name, self.state is State.UP, now), chosen))

    # sending

    def start_poll(self) -> None:
        """Ask the neighbor to confirm our parameters (RFC 5880 6.5)."""
        self.polling = True
        self._frame = None
        self._host.emit(messages.poll_started(self.config.name))

    def _send(self) -> None:
        """Send one packet, the answer to a poll if one is owed: that also carries what we would have polled for."""
        self.counters.sent += 1
        if self.finaling:
            self.finaling = self.polling = False
            self._frame = None
            self._host.emit(SendPacket(self.config.name, self._encode(final=True)))
            return
        if self._frame is None:
            self._frame = SendPacket(self.config.name, self._encode(final=False))
        self._host.emit(self._frame)

    def _encode(self, final: bool) -> bytes:
        config = self.config
        return encode(
            ControlPacket(
                self.state,
                self.local_diagnostic,
                config.multiplier,
                self.local_discriminator,
                self.remote_discriminator,
                config.min_tx_us if self.state is State.UP else config.idle_tx_us,
                config.min_rx_us,
                poll=self.polling and not final,
                final=final,
            )
        )

    # reload

    def reconfigure(self, config: BfdInstance, now: int) -> None:
        """Take over a changed configuration of the same neighbor without leaving the state."""
        old, self.config = self.config, config
        self._frame = None
        self.repeat = None
        if not self.ready or (old.source, old.ttl) != (config.source, config.ttl):
            self.request_socket(now)
        if self.state is not State.UP:
            self.tx_us = max(config.idle_tx_us, self.remote_min_rx_us)
        if (old.min_rx_us, old.min_tx_us) != (config.min_rx_us, config.min_tx_us) and self.remote_discriminator:
            self.start_poll()
        sent_fields = (config.min_rx_us, config.min_tx_us, config.idle_tx_us, config.multiplier)
        if sent_fields != (old.min_rx_us, old.min_tx_us, old.idle_tx_us, old.multiplier) and self._may_send():
            self._send()
        self._pace(now)

    def _log_parameters(self, detail: int) -> None:
        if detail > self._host.log_detail:
            return
        config = self.config
        min_tx = config.min_tx_us if self.state is State.UP else config.idle_tx_us
        local = (min_tx, config.min_rx_us, self.tx_us, config.multiplier, self.detect_us)
        remote = (
            self.remote_min_tx_us,
            self.remote_min_rx_us,
            self.remote_tx_us,
            self.remote_multiplier,
            config.multiplier * self.tx_us,
        )
        for line in messages.parameters(config.name, local, remote, detail):
            self._host.emit(line)
