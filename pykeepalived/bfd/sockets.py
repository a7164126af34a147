"""The sockets of the BFD process: two that listen, one a session that sends. Bytes in, bytes out; decides nothing.

Ports, TTL and addresses: RFC 5881 sections 4 and 5, RFC 5883 section 5.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip

PORT, MULTIHOP_PORT = 3784, 4784

FIRST_SOURCE_PORT, LAST_SOURCE_PORT = 49152, 65535
_FEWEST_SOURCE_PORTS = 1024
_KERNEL_LAST_PORT = 60999
_PORT_RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"

RECEIVE_BUFFER_BYTES = 1 << 20
_SO_RCVBUFFORCE = 33
_IP_RECVTTL = 12
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
_IPV6_PKTINFO = 50
_IPV6_RECVHOPLIMIT = 51
_IPV6_HOPLIMIT = 52

_READ_SIZE = 64
"""More than a control packet may have, so that a longer one is seen to be longer."""
_ANCILLARY_SIZE = socket.CMSG_SPACE(4) + socket.CMSG_SPACE(20)
_INTEGER = struct.Struct("=i")
_V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_KNOWN_ADDRESSES = 4096


class SocketError(Exception):
    """A socket cannot be had; the text is keepalived's."""


class Sink(Protocol):
    """Where datagrams go: Speaker.hear."""

    def __call__(
        self, data: bytes, source: Ip, source_port: int, destination: Ip, ttl: int, multihop: bool, now: int, /
    ) -> None: ...


class Receiver:
    """A listening socket for one kind of session: `[::]`, which hears IPv4 too, or IPv4 alone on a kernel without IPv6.

    Raises SocketError if the port is taken or cannot be had for another reason.
    """

    def __init__(self, multihop: bool) -> None:
        self.multihop = multihop
        self.errors = 0
        self._addresses: dict[str, Ip] = {}
        port = MULTIHOP_PORT if multihop else PORT
        try:
            self._socket = _listen(socket.AF_INET6, port)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                raise SocketError(_bind_text(error)) from error
            try:
                self._socket = _listen(socket.AF_INET, port)
            except OSError as second:
                raise SocketError(_bind_text(second)) from second

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self, hear: Sink, now: Callable[[], int], limit: int) -> bool:
        """Give up to `limit` waiting datagrams to `hear`. Returns whether all that waited have been read."""
        receive = self._socket.recvmsg
        for _ in range(limit):
            try:
                data, ancillary, _flags, address = receive(_READ_SIZE, _ANCILLARY_SIZE)
            except BlockingIOError:
                return True
            except OSError:
                # an error queued on the socket is reported once and is not a datagram
                self.errors += 1
                continue
            source = self._addresses.get(address[0]) or self._remember(address[0])
            destination, ttl = _path_of(ancillary, source)
            hear(data, source, address[1], destination, ttl, self.multihop, now())
        return False

    def _remember(self, text: str) -> Ip:
        """The packed form of an address as the socket reports it, kept for the next time."""
        if len(self._addresses) >= _KNOWN_ADDRESSES:
            self._addresses.clear()
        address = Ip.parse(text.partition("%")[0])
        known = self._addresses[text] = _unmapped(address)
        return known


def _listen(family: int, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
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


def _path_of(ancillary: list[tuple[int, int, bytes]], source: Ip) -> tuple[Ip, int]:
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
