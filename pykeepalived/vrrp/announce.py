"""Gratuitous ARP and unsolicited neighbour advertisements: the frames, and the pace at which they leave.

When an instance announces is instance.py; here are the bytes and the rate limits (vrrp_garp_interval, garp_group).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable

from pykeepalived.config.model.globals import Garp
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import GarpGroup
from pykeepalived.runtime.contract import NANOSECONDS_PER_SECOND
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.effects import Frame
from pykeepalived.vrrp.inputs import Interface
from pykeepalived.vrrp.machine import Machine
from pykeepalived.vrrp.outbox import Outbox
from pykeepalived.vrrp.packet import internet_checksum
from pykeepalived.vrrp.timers import Timer, Timers

ARPHRD_INFINIBAND = 32
ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
ARP_REQUEST = 1
ND_NEIGHBOR_ADVERT = 136
NA_ROUTER, NA_OVERRIDE = 0x80, 0x20
ICMPV6 = 58
ALL_NODES = Ip.parse("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")


def garp_frame(interface: Interface, address: Ip) -> bytes:
    """A gratuitous ARP request for `address` (RFC 5227 section 3 calls it an announcement); keepalived fills the
    target hardware address with the broadcast address."""
    size = len(interface.mac)
    head = struct.pack("!HHBBH", interface.hardware, 0x0800, size, 4, ARP_REQUEST)
    body = head + interface.mac + address + interface.broadcast[:size] + address
    return _link_header(interface, interface.broadcast, ETH_P_ARP) + body


def na_frame(interface: Interface, address: Ip) -> bytes:
    """An unsolicited neighbour advertisement (RFC 4861 sections 4.4 and 7.2.6) to all nodes, sent from the address
    itself: Override set, Router set if the interface forwards."""
    flags = NA_OVERRIDE | (NA_ROUTER if interface.forwarding else 0)
    # the option's length counts units of 8 bytes
    units = (2 + len(interface.mac) + 7) // 8
    option = struct.pack("!BB", 2, units) + interface.mac
    message = struct.pack("!BBHB3x", ND_NEIGHBOR_ADVERT, 0, 0, flags) + address + option.ljust(units * 8, b"\0")
    pseudo = address + ALL_NODES + struct.pack("!IxxxB", len(message), ICMPV6)
    checksum = internet_checksum(pseudo + message)
    message = message[:2] + struct.pack("!H", checksum) + message[4:]
    header = struct.pack("!IHBB", 0x60000000, len(message), ICMPV6, 255) + address + ALL_NODES
    destination = ALL_NODES_MAC if interface.hardware != ARPHRD_INFINIBAND else interface.broadcast
    return _link_header(interface, destination, ETH_P_IPV6) + header + message


def _link_header(interface: Interface, destination: bytes, protocol: int) -> bytes:
    """Ethernet: two addresses and a type. InfiniBand: destination, type and two reserved bytes (RFC 4391 section 6)."""
    if interface.hardware == ARPHRD_INFINIBAND:
        return destination + struct.pack("!HH", protocol, 0)
    return destination + interface.mac + struct.pack("!H", protocol)


class Announced:
    """An address as it is announced on an interface. `pending` counts its frames in a queue. What is not `is_set` is
    not announced: nobody would answer."""

    __slots__ = ("_facts", "_frame", "address", "interface", "pending")

    is_set = True

    def __init__(self, address: Ip, interface: str) -> None:
        self.address = address
        self.interface = interface
        self.pending = 0
        self._facts: Interface | None = None
        self._frame: Frame | None = None

    def frame(self, machine: Machine) -> Frame | None:
        """The frame, kept for as long as the interface stays as it is; None where none can be sent."""
        facts = machine.link(self.interface).facts
        if facts is not self._facts:
            self._facts = facts
            self._frame = self._make(facts)
        return self._frame

    def _make(self, facts: Interface | None) -> Frame | None:
        if facts is None or facts.noarp or not facts.mac:
            return None
        data = garp_frame(facts, self.address) if self.address.family == 4 else na_frame(facts, self.address)
        return Frame(interface=facts.name, index=facts.index, data=data, address=self.address)


class _Lane:
    """Frames of one kind on the interfaces that share a pace."""

    __slots__ = ("free_at", "interval_ns", "queue", "timer")

    def __init__(self, interval_ns: int, timer: Timer) -> None:
        self.interval_ns = interval_ns
        self.free_at = 0
        self.queue: deque[Announced] = deque()
        self.timer = timer


class Announcer:
    """Sends announcements, at once or at the configured pace."""

    def __init__(self, outbox: Outbox, timers: Timers, machine: Machine) -> None:
        self._outbox = outbox
        self._timers = timers
        self._machine = machine
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._groups: dict[str, tuple[str, GarpGroup]] = {}
        self._intervals_ns = (0, 0)
        self._paced = False

    def configure(self, garp_interval_us: int, gna_interval_us: int, groups: tuple[GarpGroup, ...]) -> None:
        """Take over intervals; what was queued is forgotten."""
        for lane in self._lanes.values():
            lane.timer.cancel()
            for announced in lane.queue:
                announced.pending = 0
        self._lanes = {}
        self._intervals_ns = (garp_interval_us * 1000, gna_interval_us * 1000)
        self._groups = {
            name: (f"group {number}", group) for number, group in enumerate(groups) for name in group.interfaces
        }
        self._paced = any(self._intervals_ns) or bool(groups)

    def send(self, announced: Announced, repeat: int, now: int) -> None:
        """Ask for one frame; `repeat` is how many the whole block asks for."""
        frame = announced.frame(self._machine) if announced.is_set else None
        if frame is None:
            return
        lane = self._lane(announced) if self._paced else None
        if lane is None:
            self._emit(frame)
        elif not lane.queue and now >= lane.free_at:
            lane.free_at = now + lane.interval_ns
            self._emit(frame)
        elif announced.pending == 0:
            announced.pending = 1
            lane.queue.append(announced)
            lane.timer.set(lane.free_at)
        elif announced.pending < repeat:
            announced.pending += 1

    def tell(self, name: str, items: Iterable[Announced]) -> None:
        """Log that a block of these begins, for those who want to see it."""
        if not self._outbox.detail:
            return
        for item in items:
            text = messages.QUEUEING_GARP if item.address.family == 4 else messages.QUEUEING_NA
            self._outbox.log(text % (name, item.interface, item.address), detail=messages.DETAIL, INSTANCE=name)

    def is_vmac(self, interface: str) -> bool:
        return self._machine.parent(self._machine.link(interface)) is not None

    def cancel(self, items: Iterable[Announced]) -> None:
        """Forget what is queued for these."""
        waiting = {id(item) for item in items if item.pending}
        if not waiting:
            return
        for lane in self._lanes.values():
            for announced in [item for item in lane.queue if id(item) in waiting]:
                announced.pending = 0
                lane.queue.remove(announced)

    def _emit(self, frame: Frame) -> None:
        self._outbox.frames.append(frame)
        if self._outbox.detail:
            text = messages.SENDING_GARP if frame.address.family == 4 else messages.SENDING_NA
            self._outbox.log(text % (frame.interface, frame.address), detail=messages.DETAIL)

    def _lane(self, announced: Announced) -> _Lane | None:
        """The queue of this address, None where nothing limits the pace. A VMAC shares that of its parent."""
        link = self._machine.link(announced.interface)
        base = self._machine.parent(link) or link
        kind = announced.address.family
        key = (base.name, kind)
        garp_ns, na_ns = self._intervals_ns
        if base.name in self._groups:
            name, group = self._groups[base.name]
            key = (name, kind)
            garp_ns = group.garp_interval_us * 1000 or garp_ns
            na_ns = group.gna_interval_us * 1000 or na_ns
        interval_ns = garp_ns if kind == 4 else na_ns
        if not interval_ns:
            return None
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(interval_ns, Timer(self._timers, lambda now, due: None))
            made = lane
            lane.timer.action = lambda now, due: self._next(made, now, due)
        return lane

    def _next(self, lane: _Lane, now: int, due: int) -> None:
        if not lane.queue:
            return
        announced = lane.queue.popleft()
        announced.pending -= 1
        if announced.pending:
            lane.queue.append(announced)
        frame = announced.frame(self._machine) if announced.is_set else None
        if frame is not None:
            self._emit(frame)
        lane.free_at = max(due, now - lane.interval_ns + 1) + lane.interval_ns
        if lane.queue:
            lane.timer.set(lane.free_at)


class Schedule:
    """When one MASTER announces its addresses: the block at once, the second one, refreshes, extra interfaces, and the
    answer to adverts of lower priority. One timer of each kind."""

    __slots__ = (
        "_announcer",
        "_answered",
        "_extra",
        "_garp",
        "_items",
        "_lower",
        "_lower_due",
        "_name",
        "_refresh",
        "_second",
        "_used",
    )

    def __init__(self, name: str, garp: Garp, announcer: Announcer, timers: Timers) -> None:
        self._name = name
        self._garp = garp
        self._announcer = announcer
        self._items: tuple[Announced, ...] = ()
        self._used = ""
        self._answered = -1
        self._lower_due = 0
        self._second = Timer(timers, lambda now, due: self.block(self._garp.master_repeat, now))
        self._refresh = Timer(timers, self._refreshed)
        self._extra = Timer(timers, self._extra_due)
        self._lower = Timer(timers, self._lower_again)

    def configure(self, name: str, garp: Garp, items: tuple[Announced, ...], used: str) -> None:
        """Take over settings and addresses (VIPs, then excluded ones); `used` is the interface of the adverts."""
        self._announcer.cancel(item for item in self._items if item not in items)
        self._name, self._garp, self._items, self._used = name, garp, items, used

    def start(self, now: int) -> None:
        """The instance has become MASTER and its addresses are in place."""
        garp = self._garp
        self.block(garp.master_repeat, now)
        delay = now + garp.master_delay_s * NANOSECONDS_PER_SECOND
        if garp.master_delay_s:
            self._second.set(delay)
        self._start_repeating(delay)

    def reloaded(self, now: int, added: bool) -> None:
        """A MASTER goes on with another configuration: announce what was added, keep the rest of the schedule."""
        garp = self._garp
        delay = now + garp.master_delay_s * NANOSECONDS_PER_SECOND
        if added:
            self.block(garp.master_repeat, now)
            if garp.master_delay_s:
                self._second.set(delay)
        self._start_repeating(delay)

    def _start_repeating(self, base: int) -> None:
        garp = self._garp
        for timer, seconds in ((self._refresh, garp.master_refresh_s), (self._extra, garp.extra_if_s)):
            if not seconds:
                timer.cancel()
            elif timer.when is None:
                timer.set(base + seconds * NANOSECONDS_PER_SECOND)

    def stop(self) -> None:
        """The instance is no longer MASTER: nothing more is sent, what is queued is forgotten."""
        for timer in (self._second, self._refresh, self._extra, self._lower):
            timer.cancel()
        self._announcer.cancel(self._items)

    def answer_lower_priority(self, now: int, came: int) -> None:
        """Somebody of lower priority announced itself as MASTER, by an advert that came at `came`: its neighbours must
        learn again where we are. An answer given since then has told them (that of another member of the group too)."""
        garp = self._garp
        if not garp.lower_prio_repeat or self._answered >= came:
            return
        self._answered = now
        self.block(garp.lower_prio_repeat, now)
        if garp.lower_prio_delay_s:
            self._lower_due = now + garp.lower_prio_delay_s * NANOSECONDS_PER_SECOND
            if self._lower.when is None:
                self._lower.set(self._lower_due)

    def block(self, repeat: int, now: int) -> None:
        """Every address, then every address again, `repeat` times."""
        self._announcer.tell(self._name, self._items)
        for _ in range(repeat):
            for item in self._items:
                self._announcer.send(item, repeat, now)

    def _lower_again(self, now: int, due: int) -> None:
        self.block(self._garp.lower_prio_repeat, now)
        if self._lower_due > due:
            self._lower.set(max(self._lower_due, now + 1))

    def _refreshed(self, now: int, due: int) -> None:
        self.block(self._garp.master_refresh_repeat, now)
        self._refresh.set(_next_turn(due, self._garp.master_refresh_s, now))

    def _extra_due(self, now: int, due: int) -> None:
        chosen: dict[str, Announced] = {}
        for item in self._items:
            if item.interface != self._used and (self._garp.extra_if_all or self._announcer.is_vmac(item.interface)):
                chosen.setdefault(item.interface, item)
        for item in chosen.values():
            self._announcer.send(item, 1, now)
        self._extra.set(_next_turn(due, self._garp.extra_if_s, now))


def _next_turn(due: int, seconds: int, now: int) -> int:
    """The next moment of a repetition without drift, but never one that has passed."""
    following = due + seconds * NANOSECONDS_PER_SECOND
    return following if following > now else now + seconds * NANOSECONDS_PER_SECOND
