"""The kernel's IPVS table over generic netlink: operations in batches, dumps, timeouts. Decides nothing.

Every shape of message is encoded once, with the classes of ipvs_layouts.py; after that its bytes are copied and
patched. Requests go many to a datagram, and the kernel has answered each of them when `send` returns.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pykeepalived.netlink import ipvs_layouts as layouts
from pykeepalived.netlink.attributes import NLM_F_DUMP, NLM_F_REQUEST, family_number
from pykeepalived.netlink.services import (
    FORWARD_TUNNEL,
    DestinationKey,
    DestinationSettings,
    Operation,
    OperationFailure,
    ServiceKey,
    ServiceSettings,
    ServiceStatistics,
    Statistics,
    SyncDaemon,
    Table,
    Timeouts,
)

_NETLINK_GENERIC = 16
_SOL_NETLINK, _NETLINK_CAP_ACK = 270, 10
_SO_RCVBUFFORCE = 33
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_CONTROL_FAMILY, _GET_FAMILY = 16, 3
_GET_SERVICE, _GET_DEST, _GET_CONFIG, _GET_INFO = 4, 8, 13, 15
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BATCH = 100
_RECEIVE_SIZE = 1 << 18
_CLONE_NEWNET = 0x40000000


class IpvsUnavailableError(OSError):
    """The kernel has no IPVS, or its namespace cannot be entered."""


class IpvsKernel:
    """One netlink socket to the IPVS table of one network namespace; to be opened after the fork."""

    def __init__(self, family_id: int, sock: socket.socket) -> None:
        self._family = family_id
        self._socket = sock
        self._port = sock.getsockname()[0]
        self._sequence = 1

    @classmethod
    def open(cls, namespace: str | None = None) -> IpvsKernel:
        """Connect to the table of the namespace below /run/netns ("" = that of process 1, None = the current one).

        Raises IpvsUnavailableError, also when the kernel does not know the family because ip_vs is not loaded.
        """
        with inside(namespace):
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
        try:
            sock.bind((0, 0))
            try:
                sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 << 20)
            except PermissionError:
                pass
            sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            kernel = cls(0, sock)
            kernel._family = kernel._resolve("IPVS")
        except OSError as error:
            sock.close()
            text = "Protocol not available" if error.errno == errno.ENOENT else error.strerror
            raise IpvsUnavailableError(error.errno, text) from error
        return kernel

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def set_receive_buffer(self, size: int, force: bool) -> None:
        """lvs_netlink_cmd_rcv_bufs and its _force form, in bytes."""
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE if force else socket.SO_RCVBUF, size)

    def perform(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        """Do them in order; one that is refused does not stop the others. Returns the refusals."""
        failures: list[OperationFailure] = []
        for start in range(0, len(operations), _BATCH):
            part = operations[start : start + _BATCH]
            base = self._sequence
            messages = []
            for number, operation in enumerate(part):
                message = _encode(operation, self._family)
                struct.pack_into("=II", message, 8, (base + number) & 0x7FFFFFFF, self._port)
                messages.append(message)
            self._sequence = (base + len(part)) & 0x7FFFFFFF
            self._socket.send(b"".join(messages))
            failures += [
                OperationFailure(start + number, error)
                for number, error in self._acknowledgements(base, len(part))
                if error
            ]
        return failures

    def _acknowledgements(self, base: int, count: int) -> Iterator[tuple[int, int]]:
        """The numbers (from 0) of the messages sent from the sequence `base` on, and what became of each. Answers to
        earlier questions, which somebody did not wait for, are passed over."""
        missing = count
        while missing > 0:
            data = self._socket.recv(_RECEIVE_SIZE)
            offset = 0
            while offset + 16 <= len(data):
                length, kind, _flags, sequence, _port = _HEADER.unpack_from(data, offset)
                number = (sequence - base) & 0x7FFFFFFF
                if kind == _NLMSG_ERROR and number < count:
                    yield number, -struct.unpack_from("=i", data, offset + 16)[0]
                    missing -= 1
                offset += (length + 3) & ~3

    def table(self) -> Table:
        """Every service of the namespace and its destinations; as the kernel lists them."""
        services: dict[ServiceKey, ServiceSettings] = {}
        destinations: dict[ServiceKey, dict[DestinationKey, DestinationSettings]] = {}
        for body in self._dump(_plain(_GET_SERVICE, self._family)):
            for kind, value in _attributes(body, 4):
                if kind == 1:
                    key, settings = _decode_service(value)
                    services[key] = settings
        for key in services:
            destinations[key] = self.destinations(key)
        return Table(services, destinations)

    def destinations(self, service: ServiceKey) -> dict[DestinationKey, DestinationSettings]:
        """The destinations of one service, as the kernel lists them; none when there is no such service."""
        found: dict[DestinationKey, DestinationSettings] = {}
        for body in self._dump(_encode_service_query(service, self._family)):
            for kind, value in _attributes(body, 4):
                if kind == 2:
                    destination, values = _decode_destination(value, service.family)
                    found[destination] = values
        return found

    def statistics(self) -> dict[ServiceKey, ServiceStatistics]:
        """What every service of the namespace and its destinations carry."""
        totals: dict[ServiceKey, Statistics] = {}
        for body in self._dump(_plain(_GET_SERVICE, self._family)):
            for kind, value in _attributes(body, 4):
                if kind == 1:
                    totals[_decode_service(value)[0]] = _decode_statistics(value)
        found: dict[ServiceKey, ServiceStatistics] = {}
        for service, total in totals.items():
            destinations: dict[DestinationKey, Statistics] = {}
            for body in self._dump(_encode_service_query(service, self._family)):
                for kind, value in _attributes(body, 4):
                    if kind == 2:
                        destinations[_decode_destination(value, service.family)[0]] = _decode_statistics(value, True)
            found[service] = ServiceStatistics(total, destinations)
        return found

    def timeouts(self) -> Timeouts:
        """The connection timeouts in force."""
        reply = self._request(_plain(_GET_CONFIG, self._family))
        values = dict(_attributes(reply, 4))
        numbers = [int.from_bytes(values.get(kind, b"\0\0\0\0")[:4], "little") for kind in (4, 5, 6)]
        return Timeouts(*numbers)

    def version(self) -> str:
        """The version of the kernel's IPVS, as "1.2.1"."""
        values = dict(_attributes(self._request(_plain(_GET_INFO, self._family)), 4))
        number = int.from_bytes(values.get(1, b"\0\0\0\0")[:4], "little")
        return f"{number >> 16 & 0xFF}.{number >> 8 & 0xFF}.{number & 0xFF}"

    def _resolve(self, name: str) -> int:
        reply = self._request(_family_query(name))
        for kind, value in _attributes(reply, 4):
            if kind == 1:
                return int(struct.unpack_from("=H", value)[0])
        raise FileNotFoundError(errno.ENOENT, "no such generic netlink family")

    def _request(self, message: bytearray) -> bytes:
        """The answer to one request (acknowledgements asked for or not); raises OSError with the kernel's errno."""
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        struct.pack_into("=HHI", message, 4, *struct.unpack_from("=H", message, 4), NLM_F_REQUEST, self._sequence)
        self._socket.send(message)
        while True:
            data = self._socket.recv(_RECEIVE_SIZE)
            length, kind, _flags, sequence, _port = _HEADER.unpack_from(data, 0)
            if sequence == self._sequence:
                break
        if kind == _NLMSG_ERROR:
            code = -struct.unpack_from("=i", data, 16)[0]
            raise OSError(code, os.strerror(code))
        return data[16:length]

    def _dump(self, message: bytearray) -> Iterator[bytes]:
        asked = self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        kind = struct.unpack_from("=H", message, 4)[0]
        struct.pack_into("=HHI", message, 4, kind, NLM_F_REQUEST | NLM_F_DUMP, asked)
        self._socket.send(message)
        while True:
            data = self._socket.recv(_RECEIVE_SIZE)
            offset = 0
            while offset + 16 <= len(data):
                length, kind, _flags, sequence, _port = _HEADER.unpack_from(data, offset)
                body = data[offset + 16 : offset + length]
                offset += (length + 3) & ~3
                if sequence != asked:
                    continue
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    raise OSError(code, os.strerror(code))
                yield body


@contextmanager
def inside(namespace: str | None) -> Iterator[None]:
    """The calling thread in another network namespace, for the time of opening a socket."""
    if namespace is None:
        yield
        return
    path = f"/run/netns/{namespace}" if namespace else "/proc/1/ns/net"
    try:
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(own)
            raise
    except OSError as error:
        text = f"Failed to open namespace fds for {namespace or 'default'}, errno {error.errno} ({error.strerror})"
        raise IpvsUnavailableError(error.errno, text) from error
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(there)
        os.close(own)


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise IpvsUnavailableError(code, os.strerror(code))


# ------------------------------------------------------------------ reading


def _attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _decode_service(data: bytes) -> tuple[ServiceKey, ServiceSettings]:
    values = dict(_attributes(data))
    family = 6 if struct.unpack_from("=H", values[1])[0] == socket.AF_INET6 else 4
    if 5 in values:
        key = ServiceKey.of_fwmark(family, struct.unpack_from("=I", values[5])[0])
    else:
        protocol = struct.unpack_from("=H", values[2])[0]
        port = struct.unpack_from("!H", values[4])[0]
        key = ServiceKey(family, protocol, values[3][: 4 if family == 4 else 16], port)
    settings = ServiceSettings(
        values.get(6, b"").split(b"\0")[0].decode("ascii", "replace"),
        struct.unpack_from("=I", values[7])[0] & 0x3D,
        struct.unpack_from("=I", values[8])[0],
        struct.unpack_from("!I" if family == 4 else "=I", values[9])[0],
        values.get(11, b"").split(b"\0")[0].decode("ascii", "replace"),
    )
    return key, settings


def _decode_destination(data: bytes, family: int) -> tuple[DestinationKey, DestinationSettings]:
    values = dict(_attributes(data))
    if 11 in values:
        family = 6 if struct.unpack_from("=H", values[11])[0] == socket.AF_INET6 else 4
    key = DestinationKey(values[1][: 4 if family == 4 else 16], struct.unpack_from("!H", values[2])[0])
    number = {kind: int.from_bytes(values[kind][:4], "little") for kind in (3, 4, 5, 6) if kind in values}
    settings = DestinationSettings(
        number.get(4, 0),
        number.get(3, 0) & 7,
        number.get(5, 0),
        number.get(6, 0),
        values[13][0] if 13 in values else 0,
        struct.unpack_from("!H", values[14])[0] if 14 in values else 0,
        struct.unpack_from("=H", values[15])[0] if 15 in values else 0,
    )
    return key, settings


def _decode_statistics(data: bytes, destination: bool = False) -> Statistics:
    """The 64-bit counters of a service or destination; kernels older than 4.1 have none: zeros."""
    values = dict(_attributes(data))
    counters = dict(_attributes(values.get(12, b"")))
    numbers = [int.from_bytes(counters.get(kind, b"")[:8], sys.byteorder) for kind in range(1, 11)]
    if destination:
        numbers += [int.from_bytes(values.get(kind, b"")[:4], sys.byteorder) for kind in (7, 8, 9)]
    return Statistics(*numbers)


# ------------------------------------------------------------------ writing


def _plain(command: int, family_id: int) -> bytearray:
    return _compose(command, family_id, [])


def _compose(command: int, family_id: int, attributes: list[tuple[str, Any]]) -> bytearray:
    return layouts.encode(layouts.ipvsmsg, family_id, command, attributes)


def _family_query(name: str) -> bytearray:
    """CTRL_CMD_GETFAMILY by name."""
    return layouts.encode(layouts.ctrlmsg, _CONTROL_FAMILY, _GET_FAMILY, [("CTRL_ATTR_FAMILY_NAME", name)])


class _Template:
    """The bytes of one shape of message and where each attribute's payload stands in it."""

    __slots__ = ("data", "destination", "service")

    def __init__(self, data: bytearray) -> None:
        self.data = data
        outer = _offsets(data, 20, len(data))
        self.service = _offsets(data, *outer[1]) if 1 in outer else {}
        self.destination = _offsets(data, *outer[2]) if 2 in outer else {}


def _offsets(data: bytearray, position: int, end: int) -> dict[int, tuple[int, int]]:
    """Attribute type -> (start, end) of its payload, one level deep."""
    found: dict[int, tuple[int, int]] = {}
    while position + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        found[kind & 0x3FFF] = (position + 4, position + length)
        position += (length + 3) & ~3
    return found


@lru_cache(maxsize=256)
def _template(
    command: int,
    family_id: int,
    family: int,
    marked: bool,
    words: tuple[str, str] | None,
    target: tuple[int, bool] | None,
) -> _Template:
    """`words` are scheduler and engine of a service operation, `target` family and tunnel of a destination's."""
    service: list[tuple[str, Any]] = [("IPVS_SVC_ATTR_AF", family_number(family))]
    if marked:
        service.append(("IPVS_SVC_ATTR_FWMARK", 0))
    else:
        service += [("IPVS_SVC_ATTR_PROTOCOL", 0), ("IPVS_SVC_ATTR_ADDR", bytes(16)), ("IPVS_SVC_ATTR_PORT", 0)]
    if words is not None:
        service.append(("IPVS_SVC_ATTR_SCHED_NAME", words[0]))
        if words[1]:
            service.append(("IPVS_SVC_ATTR_PE_NAME", words[1]))
        service.append(("IPVS_SVC_ATTR_FLAGS", {"flags": 0, "mask": 0xFFFFFFFF}))
        service += [("IPVS_SVC_ATTR_TIMEOUT", 0), ("IPVS_SVC_ATTR_NETMASK", 0)]
    attributes: list[tuple[str, Any]] = [("IPVS_CMD_ATTR_SERVICE", {"attrs": service})]
    if target is not None:
        destination: list[tuple[str, Any]] = [
            ("IPVS_DEST_ATTR_ADDR_FAMILY", family_number(target[0])),
            ("IPVS_DEST_ATTR_ADDR", bytes(16)),
            ("IPVS_DEST_ATTR_PORT", 0),
            ("IPVS_DEST_ATTR_FWD_METHOD", 0),
            ("IPVS_DEST_ATTR_WEIGHT", 0),
        ]
        if target[1]:
            destination += [("IPVS_DEST_ATTR_TUN_TYPE", 0), ("IPVS_DEST_ATTR_TUN_PORT", 0)]
            destination.append(("IPVS_DEST_ATTR_TUN_FLAGS", 0))
        destination += [("IPVS_DEST_ATTR_U_THRESH", 0), ("IPVS_DEST_ATTR_L_THRESH", 0)]
        attributes.append(("IPVS_CMD_ATTR_DEST", {"attrs": destination}))
    return _Template(_compose(command, family_id, attributes))


def _encode(operation: Operation, family_id: int) -> bytearray:
    command, service, settings, destination, values, daemon, timeouts = operation
    if service is not None:
        words = (settings.scheduler, settings.engine) if settings is not None else None
        target = None
        if destination is not None:
            tunnel = values is not None and values.forwarding == FORWARD_TUNNEL
            target = (4 if len(destination.address) == 4 else 6, tunnel)
        template = _template(command, family_id, service.family, not service.address, words, target)
        data = template.data[:]
        _fill_service(data, template.service, service, settings)
        if destination is not None:
            _fill_destination(data, template.destination, destination, values)
        return data
    if daemon is not None:
        return _compose(command, family_id, [("IPVS_CMD_ATTR_DAEMON", {"attrs": _daemon_attributes(daemon)})])
    if timeouts is not None:
        names = ("IPVS_CMD_ATTR_TIMEOUT_TCP", "IPVS_CMD_ATTR_TIMEOUT_TCP_FIN", "IPVS_CMD_ATTR_TIMEOUT_UDP")
        return _compose(command, family_id, list(zip(names, timeouts, strict=True)))
    return _plain(command, family_id)


def _daemon_attributes(daemon: SyncDaemon) -> list[tuple[str, Any]]:
    """State, interface, id, length, port, TTL, group; what is not set is the kernel's choice."""
    group = "MCAST_GROUP6" if len(daemon.group) == 16 else "MCAST_GROUP"
    words = (
        ("STATE", daemon.state),
        ("MCAST_IFN", daemon.interface or None),
        ("SYNC_ID", daemon.sync_id),
        ("SYNC_MAXLEN", daemon.max_length or None),
        ("MCAST_PORT", daemon.port or None),
        ("MCAST_TTL", daemon.ttl or None),
        (group, daemon.group or None),
    )
    return [(f"IPVS_DAEMON_ATTR_{name}", value) for name, value in words if value is not None]


def _fill_service(
    data: bytearray, at: dict[int, tuple[int, int]], service: ServiceKey, settings: ServiceSettings | None
) -> None:
    if service.address:
        struct.pack_into("=H", data, at[2][0], service.protocol)
        start = at[3][0]
        data[start : start + len(service.address)] = service.address
        struct.pack_into("!H", data, at[4][0], service.port)
    else:
        struct.pack_into("=I", data, at[5][0], service.fwmark)
    if settings is not None:
        struct.pack_into("=I", data, at[7][0], settings.flags)
        struct.pack_into("=I", data, at[8][0], settings.timeout)
        struct.pack_into("!I" if service.family == 4 else "=I", data, at[9][0], settings.netmask)


def _fill_destination(
    data: bytearray, at: dict[int, tuple[int, int]], key: DestinationKey, values: DestinationSettings | None
) -> None:
    start = at[1][0]
    data[start : start + len(key.address)] = key.address
    struct.pack_into("!H", data, at[2][0], key.port)
    if values is None:
        return
    struct.pack_into("=I", data, at[3][0], values.forwarding)
    struct.pack_into("=I", data, at[4][0], values.weight)
    struct.pack_into("=I", data, at[5][0], values.upper)
    struct.pack_into("=I", data, at[6][0], values.lower)
    if 13 in at:
        data[at[13][0]] = values.tunnel
        struct.pack_into("!H", data, at[14][0], values.tunnel_port)
        struct.pack_into("=H", data, at[15][0], values.tunnel_flags)


def _encode_service_query(key: ServiceKey, family_id: int) -> bytearray:
    template = _template(_GET_DEST, family_id, key.family, not key.address, None, None)
    data = template.data[:]
    _fill_service(data, template.service, key, None)
    return data
