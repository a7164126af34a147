"""AgentX protocol data units as bytes and back (RFC 2741 sections 5 and 6). Pure: no socket, no MIB.

A decoder returns a PDU or raises AgentXError, whatever the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum

from pykeepalived.light_dataclasses import dataclass

Oid = tuple[int, ...]

HEADER_SIZE = 20
MAX_PAYLOAD = 1 << 20
VERSION = 1
NETWORK_BYTE_ORDER, NON_DEFAULT_CONTEXT = 0x10, 0x08
INTERNET: Oid = (1, 3, 6, 1)


class AgentXError(Exception):
    """The bytes are no AgentX PDU."""


class PduType(IntEnum):
    OPEN = 1
    CLOSE = 2
    REGISTER = 3
    UNREGISTER = 4
    GET = 5
    GET_NEXT = 6
    GET_BULK = 7
    TEST_SET = 8
    COMMIT_SET = 9
    UNDO_SET = 10
    CLEANUP_SET = 11
    NOTIFY = 12
    PING = 13
    RESPONSE = 18


class Syntax(IntEnum):
    """Types of values (RFC 2741 section 5.4)."""

    INTEGER = 2
    OCTETS = 4
    NULL = 5
    OID = 6
    IP_ADDRESS = 64
    COUNTER32 = 65
    GAUGE32 = 66
    TIME_TICKS = 67
    OPAQUE = 68
    COUNTER64 = 70
    NO_SUCH_OBJECT = 128
    NO_SUCH_INSTANCE = 129
    END_OF_MIB_VIEW = 130


class ErrorStatus(IntEnum):
    """What a response may say (RFC 2741 section 6.2.16, RFC 3416 section 3)."""

    NO_ERROR = 0
    GEN_ERR = 5
    NO_ACCESS = 6
    WRONG_TYPE = 7
    WRONG_VALUE = 10
    NO_CREATION = 11
    COMMIT_FAILED = 14
    NOT_WRITABLE = 17
    PROCESSING_ERROR = 268


_FIXED = {
    Syntax.INTEGER: "i",
    Syntax.COUNTER32: "I",
    Syntax.GAUGE32: "I",
    Syntax.TIME_TICKS: "I",
    Syntax.COUNTER64: "Q",
}
_TEXT = (Syntax.OCTETS, Syntax.IP_ADDRESS, Syntax.OPAQUE)
_WRAPS = {"i": 0xFFFFFFFF, "I": 0xFFFFFFFF, "Q": 0xFFFFFFFFFFFFFFFF}


@dataclass(frozen=True, slots=True)
class Value:
    """A typed value: `data` is an int, bytes, an Oid, or None for types without one."""

    syntax: Syntax
    data: int | bytes | Oid | None = None


@dataclass(frozen=True, slots=True)
class VarBind:
    name: Oid
    value: Value


@dataclass(frozen=True, slots=True)
class SearchRange:
    """From `start` (itself too with `include`) up to but without `end`; an empty end is no limit."""

    start: Oid
    include: bool
    end: Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Pdu:
    """A request or response. Which of the fields mean anything depends on the type."""

    type: PduType
    session: int = 0
    transaction: int = 0
    packet: int = 0
    ranges: tuple[SearchRange, ...] = ()
    bindings: tuple[VarBind, ...] = ()
    non_repeaters: int = 0
    max_repetitions: int = 0
    error: int = 0
    index: int = 0


# building, always in network byte order


def encode_oid(oid: Oid, include: bool = False) -> bytes:
    prefix = 0
    if len(oid) >= 5 and oid[:4] == INTERNET and 0 < oid[4] <= 255:
        prefix, oid = oid[4], oid[5:]
    return struct.pack(f">BBBx{len(oid)}I", len(oid), prefix, include, *oid)


def encode_octets(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def encode_binding(binding: VarBind) -> bytes:
    value = binding.value
    head = struct.pack(">Hxx", value.syntax) + encode_oid(binding.name)
    layout = _FIXED.get(value.syntax)
    if layout is not None and isinstance(value.data, int):
        number = value.data & _WRAPS[layout]
        return head + struct.pack(f">{layout.upper()}", number)
    if value.syntax in _TEXT and isinstance(value.data, bytes):
        return head + encode_octets(value.data)
    if value.syntax == Syntax.OID and isinstance(value.data, tuple):
        return head + encode_oid(value.data)
    return head


def encode(pdu: Pdu, payload: bytes) -> bytes:
    head = struct.pack(
        ">BBBxIIII", VERSION, pdu.type, NETWORK_BYTE_ORDER, pdu.session, pdu.transaction, pdu.packet, len(payload)
    )
    return head + payload


def open_pdu(packet: int, identity: Oid, description: str, timeout_s: int = 0) -> bytes:
    payload = struct.pack(">Bxxx", timeout_s) + encode_oid(identity) + encode_octets(description.encode())
    return encode(Pdu(type=PduType.OPEN, packet=packet), payload)


def register_pdu(session: int, packet: int, subtree: Oid, priority: int = 127) -> bytes:
    return encode(
        Pdu(type=PduType.REGISTER, session=session, packet=packet),
        struct.pack(">BBBx", 0, priority, 0) + encode_oid(subtree),
    )


def close_pdu(session: int, packet: int) -> bytes:
    """With the reason reasonShutdown."""
    return encode(Pdu(type=PduType.CLOSE, session=session, packet=packet), struct.pack(">Bxxx", 5))


def notify_pdu(session: int, packet: int, bindings: Iterable[VarBind]) -> bytes:
    payload = b"".join(encode_binding(binding) for binding in bindings)
    return encode(Pdu(type=PduType.NOTIFY, session=session, packet=packet), payload)


def response_pdu(request: Pdu, bindings: Iterable[VarBind] = (), error: int = 0, index: int = 0) -> bytes:
    """The answer to a request; the master agent fills in its own uptime."""
    payload = struct.pack(">IHH", 0, error, index) + b"".join(encode_binding(binding) for binding in bindings)
    answer = Pdu(type=PduType.RESPONSE, session=request.session, transaction=request.transaction, packet=request.packet)
    return encode(answer, payload)


# reading, in the byte order of the sender


class _Reader:
    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._place = 0
        self._order = order

    @property
    def left(self) -> int:
        return len(self._data) - self._place

    def numbers(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(self._order + layout)
        if size > self.left:
            raise AgentXError("truncated PDU")
        values: tuple[int, ...] = struct.unpack_from(self._order + layout, self._data, self._place)
        self._place += size
        return values

    def octets(self) -> bytes:
        (length,) = self.numbers("I")
        padded = length + (-length % 4)
        if padded > self.left:
            raise AgentXError("truncated string")
        data = self._data[self._place : self._place + length]
        self._place += padded
        return data

    def oid(self) -> tuple[Oid, bool]:
        count, prefix, include = self.numbers("BBBx")
        if count > 128:
            raise AgentXError("object identifier of more than 128 parts")
        parts = self.numbers(f"{count}I")
        return ((*INTERNET, prefix, *parts) if prefix else parts), bool(include)

    def ranges(self) -> tuple[SearchRange, ...]:
        found = []
        while self.left:
            start, include = self.oid()
            end, _ = self.oid()
            found.append(SearchRange(start, include, end))
        return tuple(found)

    def bindings(self) -> tuple[VarBind, ...]:
        found = []
        while self.left:
            (number,) = self.numbers("Hxx")
            name, _ = self.oid()
            found.append(VarBind(name, self._value(number)))
        return tuple(found)

    def _value(self, number: int) -> Value:
        try:
            syntax = Syntax(number)
        except ValueError:
            raise AgentXError(f"unknown type of value {number}") from None
        if syntax in _FIXED:
            return Value(syntax, self.numbers(_FIXED[syntax])[0])
        if syntax in _TEXT:
            return Value(syntax, self.octets())
        return Value(syntax, self.oid()[0]) if syntax == Syntax.OID else Value(syntax)


def payload_size(header: bytes) -> int:
    """How many bytes follow these first HEADER_SIZE ones. Raises AgentXError."""
    if len(header) < HEADER_SIZE or header[0] != VERSION:
        raise AgentXError("no AgentX header")
    order = ">" if header[2] & NETWORK_BYTE_ORDER else "<"
    size: int = struct.unpack_from(f"{order}I", header, 16)[0]
    if size > MAX_PAYLOAD or size % 4:
        raise AgentXError(f"impossible payload length {size}")
    return size


def decode(data: bytes) -> Pdu:
    """One whole PDU. Raises AgentXError."""
    if len(data) != HEADER_SIZE + payload_size(data[:HEADER_SIZE]):
        raise AgentXError("length does not fit")
    order = ">" if data[2] & NETWORK_BYTE_ORDER else "<"
    try:
        kind = PduType(data[1])
    except ValueError:
        raise AgentXError(f"unknown type {data[1]}") from None
    session, transaction, packet = struct.unpack_from(f"{order}III", data, 4)
    reader = _Reader(data[HEADER_SIZE:], order)
    if data[2] & NON_DEFAULT_CONTEXT:
        reader.octets()
    ranges: tuple[SearchRange, ...] = ()
    bindings: tuple[VarBind, ...] = ()
    repeaters, repetitions, error, index = 0, 0, 0, 0
    match kind:
        case PduType.GET | PduType.GET_NEXT:
            ranges = reader.ranges()
        case PduType.GET_BULK:
            repeaters, repetitions = reader.numbers("HH")
            ranges = reader.ranges()
        case PduType.TEST_SET | PduType.NOTIFY:
            bindings = reader.bindings()
        case PduType.RESPONSE:
            _, error, index = reader.numbers("IHH")
            bindings = reader.bindings()
        case _:
            pass
    return Pdu(
        type=kind,
        session=session,
        transaction=transaction,
        packet=packet,
        ranges=ranges,
        bindings=bindings,
        non_repeaters=repeaters,
        max_repetitions=repetitions,
        error=error,
        index=index,
    )
