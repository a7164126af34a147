"""The sockets of the BFD process: those that listen, one a session that sends. Bytes in, bytes out; decides nothing.

Ports, TTL and addresses: RFC 5881 sections 4 and 5, RFC 5883 section 5.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from pykeepalived.bfd.sieve import Guests, Instruction, guard_program, pack, sort_program
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip

PORT, MULTIHOP_PORT = 3784, 4784

FIRST_SOURCE_PORT, LAST_SOURCE_PORT = 49152, 65535
_FEWEST_SOURCE_PORTS = 1024
_KERNEL_LAST_PORT = 60999
_PORT_RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"

RECEIVE_BUFFER_BYTES = 1 << 20
_SO_ATTACH_FILTER, _SO_DETACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 27, 33, 35
_SO_ATTACH_REUSEPORT_CBPF, _SO_MEMINFO = 51, 55
_IP_RECVTTL = 12
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
_IPV6_PKTINFO = 50
_IPV6_RECVHOPLIMIT = 51
_IPV6_HOPLIMIT = 52

_READ_SIZE = 64
"""More than a control packet may have, so that a longer one is seen to be longer."""
_ANCILLARY_SIZE = socket.CMSG_SPACE(16) + socket.CMSG_SPACE(4) + socket.CMSG_SPACE(20)
_INTEGER = struct.Struct("=i")
_TIMESPEC = struct.Struct("@ll")
_SOCK_FPROG = struct.Struct("@HP")
_MEMINFO = struct.Struct("=9I")
"""The last number are the drops (SK_MEMINFO_DROPS)."""
_V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_KNOWN_WAYS = 4096


class SocketError(Exception):
    """A socket cannot be had; the text is keepalived's."""


class Sink(Protocol):
    """Where datagrams go: Speaker.hear."""

    def __call__(
        self, data: bytes, source: Ip, source_port: int, destination: Ip, ttl: int, multihop: bool, now: int, /
    ) -> None: ...


class Receiver:
    """The listening sockets for one kind of session: `[::]`, which hears IPv4 too, or IPv4 alone without IPv6.

    Two on one port, where the kernel can sort: packets that only say "still up" go to the quiet one (sieve.py), which
    nobody has to wake up for. Otherwise there is no quiet one. Raises SocketError if the port is taken or cannot be had
    for another reason.
    """

    def __init__(self, multihop: bool) -> None:
        self.multihop = multihop
        self.errors = 0
        self._ways: dict[tuple[str, tuple[tuple[int, int, bytes], ...]], tuple[Ip, Ip, int]] = {}
        port = MULTIHOP_PORT if multihop else PORT
        try:
            self._socket, self._quiet = _pair(socket.AF_INET6, port)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                raise SocketError(_bind_text(error)) from error
            try:
                self._socket, self._quiet = _pair(socket.AF_INET, port)
            except OSError as second:
                raise SocketError(_bind_text(second)) from second

    def fileno(self) -> int:
        """The socket whose packets must be read at once."""
        return self._socket.fileno()

    def quiet_fileno(self) -> int:
        """The quiet socket, -1 if there is none."""
        return self._quiet.fileno() if self._quiet is not None else -1

    def close(self) -> None:
        for each in (self._socket, self._quiet):
            if each is not None:
                each.close()

    def read(self, hear: Sink, since: int, limit: int, stall: int = 0) -> bool:
        """Give at most `limit` waiting datagrams to `hear`, with the moments (monotonic ns) at which they came, in
        order, `stall` later but none before `since` or after now. Returns whether all that waited have been read."""
        return self._read(self._socket, hear, since, limit, stall)

    def read_quiet(self, hear: Sink, since: int, limit: int, stall: int = 0, apart: int = 0) -> bool:
        """The same for the quiet socket. What waits there came before what waits in the other, or does not depend on
        it, so it is to be read first. Nothing is expected to follow within `apart` ns of a datagram."""
        return self._quiet is None or self._read(self._quiet, hear, since, limit, stall, apart)

    def _read(
        self, listening: socket.socket, hear: Sink, since: int, limit: int, stall: int = 0, apart: int = 0
    ) -> bool:
        receive = listening.recvmsg
        ways = self._ways
        behind = time.time_ns() - time.monotonic_ns()
        for _ in range(limit):
            try:
                data, ancillary, _flags, address = receive(_READ_SIZE, _ANCILLARY_SIZE)
            except BlockingIOError:
                return True
            except OSError:
                # an error queued on the socket is reported once and is not a datagram
                self.errors += 1
                continue
            arrived = now = time.monotonic_ns()
            if ancillary and ancillary[0][1] == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary.pop(0)[2])
                # the wall clock may have been set meanwhile
                arrived = min(now, max(since, seconds * 1_000_000_000 + nanoseconds - behind + stall))
            since = arrived
            key = address[0], tuple(ancillary)
            source, destination, ttl = ways.get(key) or self._remember(key)
            hear(data, source, address[1], destination, ttl, self.multihop, arrived)
            if now - arrived < apart:
                return True
        return False

    def _remember(self, key: tuple[str, tuple[tuple[int, int, bytes], ...]]) -> tuple[Ip, Ip, int]:
        """Source, destination and TTL as the core wants them, kept for the next packet that comes the same way."""
        if len(self._ways) >= _KNOWN_WAYS:
            self._ways.clear()
        source = _unmapped(Ip.parse(key[0].partition("%")[0]))
        known = self._ways[key] = (source, *_path_of(key[1], source))
        return known

    def admit(self, guests: Guests | None) -> None:
        """Have the kernel drop what cannot be from these; None = let everything in. Raises OSError."""
        for each in (self._socket, self._quiet):
            if each is None:
                continue
            if guests is not None:
                _attach(each, _SO_ATTACH_FILTER, guard_program(guests))
            else:
                with contextlib.suppress(FileNotFoundError):
                    each.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def dropped(self) -> int:
        """Datagrams that the kernel did not keep: no room, or not admitted."""
        return sum(_drops(each) for each in (self._socket, self._quiet) if each is not None)


def _pair(family: int, port: int) -> tuple[socket.socket, socket.socket | None]:
    """The socket that listens and the quiet one beside it, if the kernel can sort between them."""
    alone = _listen(family, port)
    alone.close()
    made: list[socket.socket] = []
    try:
        # nobody else had the port: from now on two of ours share it
        made.append(_listen(family, port, shared=True))
        made.append(_listen(family, port, shared=True))
        _attach(made[0], _SO_ATTACH_REUSEPORT_CBPF, sort_program())
    except OSError:
        for each in made:
            each.close()
        return _listen(family, port), None
    return made[0], made[1]


def _attach(to: socket.socket, option: int, program: Sequence[Instruction]) -> None:
    code = ctypes.create_string_buffer(pack(program))
    to.setsockopt(socket.SOL_SOCKET, option, _SOCK_FPROG.pack(len(program), ctypes.addressof(code)))


def _drops(of: socket.socket) -> int:
    try:
        numbers = of.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(numbers)[-1]) if len(numbers) == _MEMINFO.size else 0


def _listen(family: int, port: int, shared: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        made.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        try:
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except OSError:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.bind(("", port))
    except BaseException:
        made.close()
        raise
    return made


def _path_of(ancillary: Iterable[tuple[int, int, bytes]], source: Ip) -> tuple[Ip, int]:
    """Destination address and TTL from the control messages; 0 for a TTL that the kernel did not tell."""
    ttl = 0
    destination = source
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IPV6:
            if kind == _IPV6_HOPLIMIT:
                ttl = _INTEGER.unpack(value)[0]
            elif kind == _IPV6_PKTINFO:
                destination = Ip(value[12:16]) if value[:12] == _V4_MAPPED else Ip(value[:16])
        elif level == socket.IPPROTO_IP:
            if kind == socket.IP_TTL:
                ttl = _INTEGER.unpack(value)[0]
            elif kind == _IP_PKTINFO:
                destination = Ip(value[8:12])
    return destination, ttl


def _unmapped(address: Ip) -> Ip:
    return Ip(address[12:]) if len(address) == 16 and address.startswith(_V4_MAPPED) else address


def _bind_text(error: OSError) -> str:
    return f"bind() error {error.errno} ({error.strerror})"


class Transmitter:
    """The sending socket of one session: the same source port for all its packets, unique on the system.

    `choose` gives a number below its argument, at random. Raises SocketError if the source address is not there or no
    port is free.
    """

    def __init__(self, instance: BfdInstance, choose: Callable[[int], int]) -> None:
        self.failed = False
        self._to = (str(instance.neighbor), MULTIHOP_PORT if instance.multihop else PORT)
        family = socket.AF_INET if instance.neighbor.family == 4 else socket.AF_INET6
        try:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as error:
            raise SocketError(f"socket() error ({error.strerror})") from error
        try:
            if family == socket.AF_INET:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, instance.ttl)
            else:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, instance.ttl)
            _bind_somewhere(made, str(instance.source) if instance.source else "", choose)
        except OSError as error:
            made.close()
            raise SocketError(f"bind() error ({error.strerror})") from error
        self._socket = made

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send one datagram. Raises OSError."""
        self._socket.sendto(data, self._to)


def source_port_range() -> tuple[int, int]:
    """The part of 49152..65535 that the host gives to applications; all of it if that part is small."""
    try:
        with open(_PORT_RANGE_FILE) as file:
            low, high = (int(word) for word in file.read().split())
    except (OSError, ValueError):
        return FIRST_SOURCE_PORT, _KERNEL_LAST_PORT
    low, high = max(low, FIRST_SOURCE_PORT), min(high, LAST_SOURCE_PORT)
    if high - low + 1 < _FEWEST_SOURCE_PORTS:
        return FIRST_SOURCE_PORT, LAST_SOURCE_PORT
    return low, high


def _candidates(choose: Callable[[int], int]) -> Iterator[int]:
    low, high = source_port_range()
    count = high - low + 1
    start = choose(count)
    for step in range(count):
        yield low + (start + step) % count


def _bind_somewhere(made: socket.socket, address: str, choose: Callable[[int], int]) -> None:
    for port in _candidates(choose):
        try:
            made.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
