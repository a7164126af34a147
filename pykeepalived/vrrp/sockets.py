"""The raw sockets of VRRP: adverts in and out, announcements out. They carry bytes and know no protocol state.

One receive and one send socket a pool, shared as keepalived shares them, a second receive socket for adverts that may
wait (quiet.py), and one AF_PACKET socket for announcements.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import bpf
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.recorder import Ring
from pykeepalived.vrrp import sieve
from pykeepalived.vrrp.effects import Flow, Frame, Guests, Pool
from pykeepalived.vrrp.mmsg import SENDER, SO_TIMESTAMPNS
from pykeepalived.vrrp.quiet import LEAST_ROOM, SO_RCVBUFFORCE, QuietSocket

_IP_FREEBIND, _IP_MULTICAST_ALL = 15, 49
_IPV6_CHECKSUM, _IPV6_JOIN_GROUP, _IPV6_MULTICAST_ALL = 7, 20, 29
_IPV6_RECVPKTINFO, _IPV6_PKTINFO, _IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT, _IPV6_TCLASS, _IPV6_FREEBIND = (
    *(49, 50, 51),
    *(52, 67, 78),
)
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_DROP_MEMBERSHIP, _PACKET_MR_MULTICAST = 263, 1, 2, 0
_CHECKSUM_OFFSET = 6
_TRAFFIC_CLASS = 0xC0
_BURST = 8
"""From so many datagrams on sendmmsg is cheaper than calls of its own."""
MOST_READS = 64
"""Datagrams read in one turn: a flood of forged adverts cannot keep timers waiting for more than these."""
_READ_SIZE = 2048
_STAMP = struct.Struct("=qq")
_STAMP_SPACE = socket.CMSG_SPACE(_STAMP.size)
_ANCILLARY = _STAMP_SPACE + socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)
_SOCKADDR_LL = struct.Struct("=HHiHBB8s")
_SOCKADDR_IN = struct.Struct("=HH4s8x")
_SOCKADDR_IN6 = struct.Struct("=HHI16sI")

Hear = Callable[[Pool, bytes, int, bytes, bytes, int, int], None]
"""Router.hear: pool, data, now, source, destination, hop limit, how long it has waited."""


class HardwareGroups:
    """Multicast groups that the hardware of interfaces lets pass, for macvlans above them (packet(7),
    PACKET_MR_MULTICAST).

    One socket joins them all: the kernel waits some ten milliseconds whenever such a socket is closed.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def join(self, index: int, group: Ip) -> None:
        """To be left as often as it was joined. Raises OSError."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _membership(index, group))

    def leave(self, index: int, group: Ip) -> None:
        """An interface that is gone has left all its groups already."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(_SOL_PACKET, _PACKET_DROP_MEMBERSHIP, _membership(index, group))


def _membership(index: int, group: Ip) -> bytes:
    mac = b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:] if group.family == 4 else b"\x33\x33" + group[12:]
    return struct.pack("=iHH8s", index, _PACKET_MR_MULTICAST, len(mac), mac)


class PoolSockets:
    """The sockets of one pool. Raises OSError from the constructor; `index` is the interface's, 0 without one."""

    def __init__(self, pool: Pool, index: int, hardware: HardwareGroups, parent_index: int = 0) -> None:
        self.pool = pool
        self.index = index
        self.quiet: QuietSocket | None = None
        self._fingerprints: tuple[int, ...] = ()
        self._guests: Guests | None = None
        self._hardware = hardware
        self._parent_index = 0
        """Whose hardware was told of the group, 0 = nobody's."""
        self.receive = _raw(pool)
        try:
            self._set_up_receive(self.receive)
            self.receive.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if parent_index and pool.group is not None:
                hardware.join(parent_index, pool.group)
                self._parent_index = parent_index
            self.send = _raw(pool)
        except OSError:
            self.close()
            raise
        try:
            self._set_up_send()
        except OSError:
            self.close()
            raise
        self.flags = 0 if pool.unicast else socket.MSG_DONTROUTE
        _empty(self.receive)

    def _set_up_receive(self, sock: socket.socket) -> None:
        pool, index = self.pool, self.index
        if pool.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, pool.receive_buffer)
        else:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, LEAST_ROOM)
        self._bind_to_device(sock)
        address = pool.source if pool.group is None else pool.group
        assert address is not None
        if pool.family == 4:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            if pool.group is None:
                sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind((str(address), 0))
            if pool.group is not None:
                request = struct.pack("=4s4si", pool.group, b"\0\0\0\0", index)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            return
        level = socket.IPPROTO_IPV6
        sock.setsockopt(level, _IPV6_MULTICAST_ALL, 0)
        sock.setsockopt(level, _IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(level, _IPV6_RECVPKTINFO, 1)
        sock.setsockopt(level, _IPV6_CHECKSUM, _CHECKSUM_OFFSET)
        if pool.group is None:
            sock.setsockopt(level, _IPV6_FREEBIND, 1)
        sock.bind((str(address), 0, 0, self._scope(address)))
        if pool.group is not None:
            sock.setsockopt(level, _IPV6_JOIN_GROUP, struct.pack("=16sI", pool.group, index))

    def _set_up_send(self) -> None:
        sock, pool = self.send, self.pool
        bpf.attach(sock, bpf.DROP_ALL)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        self._bind_to_device(sock)
        if pool.family == 4:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS)
            if pool.group is not None:
                request = struct.pack("=4s4si", b"\0\0\0\0", b"\0\0\0\0", self.index)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            return
        level = socket.IPPROTO_IPV6
        sock.setsockopt(level, _IPV6_MULTICAST_ALL, 0)
        sock.setsockopt(level, _IPV6_CHECKSUM, _CHECKSUM_OFFSET)
        sock.setsockopt(level, _IPV6_TCLASS, _TRAFFIC_CLASS)
        if pool.group is not None:
            sock.setsockopt(level, socket.IPV6_MULTICAST_HOPS, 255)
            sock.setsockopt(level, socket.IPV6_MULTICAST_IF, self.index)
            sock.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 0)

    def _bind_to_device(self, sock: socket.socket) -> None:
        device = self.pool.interface or self.pool.vrf
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")

    def _scope(self, address: Ip) -> int:
        return self.index if address.is_link_local or address.is_multicast else 0

    def guard(self, guests: Guests | None) -> None:
        """Let the kernel drop what is not from such guests. Raises OSError."""
        self._guests = guests
        self._attach()

    def sort(self, fingerprints: tuple[int, ...], now: Callable[[], int]) -> None:
        """Let adverts with these fingerprints wait in the quiet socket, which is made when it is needed, and all others
        come in at once. For a moment both sockets take the same. Raises OSError; then nothing waits."""
        try:
            if fingerprints:
                quiet = self.quiet or self._make_quiet(now)
                quiet.sort(fingerprints)
                self._fingerprints = fingerprints
                self._attach()
                return
        except OSError:
            self._take_all()
            raise
        self._take_all()

    def _make_quiet(self, now: Callable[[], int]) -> QuietSocket:
        sock = _raw(self.pool)
        try:
            bpf.attach(sock, bpf.DROP_ALL)
            self._set_up_receive(sock)
            self.quiet = QuietSocket(sock, self.pool.family, now)
        except OSError:
            sock.close()
            raise
        return self.quiet

    def _take_all(self) -> None:
        self._fingerprints = ()
        self._attach()
        if self.quiet is not None:
            self.quiet.sort(())

    def _attach(self) -> None:
        bpf.attach(self.receive, tuple(sieve.urgent(self.pool.family, self._fingerprints, self._guests)))

    def close(self) -> None:
        self.receive.close()
        if self.quiet is not None:
            self.quiet.close()
        if hasattr(self, "send"):
            self.send.close()
        if self._parent_index and self.pool.group is not None:
            self._hardware.leave(self._parent_index, self.pool.group)
            self._parent_index = 0

    # destinations

    def raw_address(self, flow: Flow) -> bytes:
        """The destination as a struct sockaddr_in or sockaddr_in6."""
        if self.pool.family == 4:
            return _SOCKADDR_IN.pack(socket.AF_INET, 0, flow.destination)
        return _SOCKADDR_IN6.pack(socket.AF_INET6, 0, 0, flow.destination, self._scope(flow.destination))

    def address(self, flow: Flow) -> tuple[str, int] | tuple[str, int, int, int]:
        """The destination as Python wants it."""
        if self.pool.family == 4:
            return (str(flow.destination), 0)
        return (str(flow.destination), 0, 0, self._scope(flow.destination))

    def ancillary(self, flow: Flow) -> list[tuple[int, int, bytes]]:
        """IPv6: the source address, the outgoing interface where it matters, and the hop limit if one is wanted."""
        if self.pool.family == 4:
            return []
        index = self.index if not self.pool.unicast or flow.destination.is_link_local else 0
        items = [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, struct.pack("=16sI", flow.source, index))]
        if flow.hop_limit is not None:
            items.append((socket.IPPROTO_IPV6, _IPV6_HOPLIMIT, struct.pack("=i", flow.hop_limit)))
        return items


class _Way:
    """What sending along one flow needs, made once: in the forms of sendto, sendmsg and sendmmsg."""

    __slots__ = ("address", "ancillary", "control", "name", "sockets")

    def __init__(self, sockets: PoolSockets, flow: Flow) -> None:
        self.sockets = sockets
        self.address = sockets.address(flow)
        self.ancillary = sockets.ancillary(flow)
        self.name = sockets.raw_address(flow)
        self.control = b"".join(_control(*item) for item in self.ancillary)


class AdvertSockets:
    """All open pools. What arrives is noted in `ring` and goes to `hear`; `log` gets what could not be sent."""

    def __init__(self, now: Callable[[], int], hear: Hear, log: Callable[[LogLine], object], ring: Ring) -> None:
        self._now = now
        self._hear = hear
        self._ring = ring
        self._log = log
        self._open: dict[Pool, PoolSockets] = {}
        self._hardware = HardwareGroups()
        self._ways: dict[Flow, _Way] = {}
        self._sources: dict[str, bytes] = {}
        self._waiting = select.epoll()
        self._quiet: dict[int, PoolSockets] = {}

    def open(self, pool: Pool, index: int, parent_index: int = 0) -> PoolSockets:
        """Open a pool (again). Raises OSError."""
        self.close(pool)
        sockets = PoolSockets(pool, index, self._hardware, parent_index)
        self._open[pool] = sockets
        return sockets

    def close(self, pool: Pool) -> PoolSockets | None:
        """Close a pool and return what was closed, None if it was not open. Leave the loop first."""
        sockets = self._open.pop(pool, None)
        if sockets is not None:
            self._ways = {flow: way for flow, way in self._ways.items() if way.sockets is not sockets}
            if sockets.quiet is not None and self._quiet.pop(sockets.quiet.fileno(), None) is not None:
                self._waiting.unregister(sockets.quiet)
            sockets.close()
        return sockets

    def get(self, pool: Pool) -> PoolSockets | None:
        return self._open.get(pool)

    def pools(self) -> list[PoolSockets]:
        return list(self._open.values())

    # sending

    def send(self, packets: Sequence[tuple[Flow, bytes]]) -> None:
        """Send all packets, those of one pool in their order; failures are logged and forgotten."""
        if len(packets) < _BURST:
            for flow, data in packets:
                self._send_one(flow, data)
            return
        by_pool: dict[PoolSockets, list[tuple[Flow, bytes, _Way]]] = {}
        for flow, data in packets:
            way = self._ways.get(flow) or self._find_way(flow)
            if way is not None:
                by_pool.setdefault(way.sockets, []).append((flow, data, way))
        for sockets, parts in by_pool.items():
            datagrams = [(data, way.name, way.control) for _, data, way in parts]
            for place, error in SENDER.send(sockets.send.fileno(), datagrams, sockets.flags):
                self._tell(parts[place][0], parts[place][1], error)

    def _send_one(self, flow: Flow, data: bytes) -> None:
        way = self._ways.get(flow) or self._find_way(flow)
        if way is None:
            return
        sockets = way.sockets
        try:
            if way.ancillary:
                sockets.send.sendmsg((data,), way.ancillary, sockets.flags, way.address)
            else:
                sockets.send.sendto(data, sockets.flags, way.address)
        except OSError as error:
            if data:
                self._tell(flow, data, error.errno or 0)

    def rehearse(self, flow: Flow) -> None:
        """Do all that sending takes, but with a packet too short for the kernel to send: it looks up the route, then
        refuses (raw(7), EINVAL)."""
        self._send_one(flow, b"")

    def _find_way(self, flow: Flow) -> _Way | None:
        sockets = self._open.get(flow.pool)
        if sockets is None:
            return None
        way = self._ways[flow] = _Way(sockets, flow)
        return way

    def forget_flows(self) -> None:
        """Destinations are looked up anew from now on: flows that no longer exist must not be kept for ever."""
        self._ways.clear()

    def _tell(self, flow: Flow, data: bytes, error: int) -> None:
        if error in (errno.ENETUNREACH, errno.ENETDOWN, errno.ENXIO) and _priority(flow, data) == 0:
            return
        reason = os.strerror(error)
        text = f"({flow.instance}): send advert error {error} ({reason})"
        if flow.pool.unicast:
            text = f"({flow.instance}) Cant send advert to {flow.destination} ({reason})"
        self._log(LogLine(text, fields={"INSTANCE": flow.instance}))

    # receiving

    def read(self, sockets: PoolSockets) -> int:
        """Note and hand over what has arrived on a pool, at most MOST_READS datagrams; returns how many."""
        count = self._read4(sockets) if sockets.pool.family == 4 else self._read6(sockets)
        self._ring.trim()
        return count

    def _read4(self, sockets: PoolSockets) -> int:
        pool, receive, hear, now = sockets.pool, sockets.receive.recvmsg, self._hear, self._now
        note = self._ring.append
        for count in range(MOST_READS):
            try:
                data, ancillary, _flags, _address = receive(_READ_SIZE, _STAMP_SPACE)
            except OSError:
                return count
            moment = now()
            waited = _waited(ancillary[0][2]) if ancillary else 0
            note((moment, pool, data, b"", b"", -1, waited))
            hear(pool, data, moment, b"", b"", -1, waited)
        return MOST_READS

    def _read6(self, sockets: PoolSockets) -> int:
        pool, receive, note = sockets.pool, sockets.receive.recvmsg, self._ring.append
        for count in range(MOST_READS):
            try:
                data, ancillary, _flags, address = receive(_READ_SIZE, _ANCILLARY)
            except OSError:
                return count
            destination, hop_limit, waited = b"", -1, 0
            for _level, kind, value in ancillary:
                if kind == _IPV6_PKTINFO:
                    destination = value[:16]
                elif kind == _IPV6_HOPLIMIT:
                    hop_limit = value[0]
                elif kind == SO_TIMESTAMPNS:
                    waited = _waited(value)
            source = self._sources.get(address[0])
            if source is None:
                source = self._remember_source(address[0])
            moment = self._now()
            note((moment, pool, data, source, destination, hop_limit, waited))
            self._hear(pool, data, moment, source, destination, hop_limit, waited)
        return MOST_READS

    # adverts that may wait

    def sort(self, pool: Pool, fingerprints: tuple[int, ...]) -> None:
        """Let adverts with these fingerprints wait for `read_quiet`; what waits already is read first if there are
        none. Raises OSError if it cannot be done: then nothing waits."""
        sockets = self._open.get(pool)
        if sockets is None:
            return
        try:
            sockets.sort(fingerprints, self._now)
        finally:
            quiet = sockets.quiet
            if quiet is not None and quiet.fileno() not in self._quiet:
                self._waiting.register(quiet, select.EPOLLIN)
                self._quiet[quiet.fileno()] = sockets
        if not fingerprints:
            self.read_quiet()

    def read_quiet(self) -> None:
        """Note and hand over all that waits in the quiet sockets."""
        if not self._quiet:
            return
        for fd, _ in self._waiting.poll(0, len(self._quiet)):
            sockets = self._quiet[fd]
            assert sockets.quiet is not None
            sockets.quiet.read(partial(self._take, sockets.pool))
            self._ring.trim()

    def _take(self, pool: Pool, data: bytes, moment: int, source: bytes, destination: bytes, hop_limit: int) -> None:
        self._ring.append((moment, pool, data, source, destination, hop_limit, 0))
        self._hear(pool, data, moment, source, destination, hop_limit, 0)

    def _remember_source(self, text: str) -> bytes:
        if len(self._sources) >= 1024:
            self._sources.clear()
        source = self._sources[text] = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
        return source


class FrameSocket:
    """The AF_PACKET socket of all gratuitous ARPs and neighbour advertisements. Raises OSError when it is refused."""

    def __init__(self, log: Callable[[LogLine], object]) -> None:
        self._log = log
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        bpf.attach(self._socket, bpf.DROP_ALL)

    def send(self, frames: Sequence[Frame]) -> None:
        """Send in this order; failures are logged and forgotten."""
        ways: dict[int, bytes] = {}
        datagrams = []
        for frame in frames:
            way = ways.get(frame.index)
            if way is None:
                way = ways[frame.index] = _SOCKADDR_LL.pack(socket.AF_PACKET, 0, frame.index, 0, 0, 0, b"")
            datagrams.append((frame.data, way, b""))
        for place, error in SENDER.send(self._socket.fileno(), datagrams):
            frame = frames[place]
            kind = "gratuitous ARP" if frame.address.family == 4 else "unsolicited Neighbour Advert"
            reason = os.strerror(error)
            self._log(LogLine(f"Error {error} ({reason}) sending {kind} on {frame.interface} for {frame.address}"))

    def close(self) -> None:
        self._socket.close()


def _raw(pool: Pool) -> socket.socket:
    family = socket.AF_INET if pool.family == 4 else socket.AF_INET6
    return socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, pool.protocol)


def _waited(stamp: bytes) -> int:
    """Nanoseconds since a datagram came. A clock that has been set meanwhile makes it wrong, but not negative."""
    seconds, nanoseconds = _STAMP.unpack(stamp)
    waited: int = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
    return max(waited, 0)


def _empty(sock: socket.socket) -> None:
    """Throw away what came in before the socket was bound to its interface and group."""
    while True:
        try:
            sock.recv(_READ_SIZE)
        except OSError:
            return


def _control(level: int, kind: int, value: bytes) -> bytes:
    """One control message with its padding, as struct cmsghdr has it."""
    length = socket.CMSG_LEN(len(value))
    return (struct.pack("@Nii", length, level, kind) + value).ljust(socket.CMSG_SPACE(len(value)), b"\0")


def _priority(flow: Flow, data: bytes) -> int:
    """The priority in a packet of ours: behind the IPv4 header (and AH) or at the start of an IPv6 payload."""
    if flow.pool.family == 6:
        return data[2]
    return data[(46 if data[9] == 51 else 22)]
