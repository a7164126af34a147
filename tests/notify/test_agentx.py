"""AgentX on the wire: bytes by the letter of RFC 2741, both byte orders, every value, and whatever else may come."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.notify import agentx
from pykeepalived.notify.agentx import AgentXError, Pdu, PduType, SearchRange, Syntax, Value, VarBind


def test_open_byte_by_byte():
    data = agentx.open_pdu(7, (1, 3, 6, 1, 4, 1, 9586), "ab")
    assert data.hex(" ") == (
        "01 01 10 00 00 00 00 00 00 00 00 00 00 00 00 07 00 00 00 18 "  # header: version 1, Open, network order
        "00 00 00 00 "  # timeout
        "02 04 00 00 00 00 00 01 00 00 25 72 "  # 1.3.6.1 prefix 4, two parts: 1, 9586
        "00 00 00 02 61 62 00 00"  # "ab", padded
    )


def test_register_and_close():
    register = agentx.register_pdu(5, 8, (1, 3, 6, 1, 2, 1, 68))
    assert register[20:].hex(" ") == "00 7f 00 00 02 02 00 00 00 00 00 01 00 00 00 44"
    assert agentx.decode(agentx.close_pdu(5, 9)).type == PduType.CLOSE
    assert agentx.close_pdu(5, 9)[20:] == b"\x05\0\0\0"


def test_identifiers_without_the_internet_prefix():
    assert agentx.encode_oid((1, 3, 6, 1, 4)).hex(" ") == "00 04 00 00"
    assert agentx.encode_oid((1, 3, 6, 1, 300)).hex(" ").startswith("05 00 00 00")
    assert agentx.encode_oid(()) == bytes(4)
    assert agentx.encode_oid((2, 0), include=True).hex(" ") == "02 00 01 00 00 00 00 02 00 00 00 00"


VALUES = [
    Value(Syntax.INTEGER, -5),
    Value(Syntax.OCTETS, b"odd"),
    Value(Syntax.OCTETS, b""),
    Value(Syntax.NULL),
    Value(Syntax.OID, (1, 3, 6, 1, 2, 1, 68)),
    Value(Syntax.IP_ADDRESS, b"\x0a\x00\x00\x01"),
    Value(Syntax.COUNTER32, 0xFFFFFFFF),
    Value(Syntax.GAUGE32, 7),
    Value(Syntax.TIME_TICKS, 100),
    Value(Syntax.OPAQUE, b"1234"),
    Value(Syntax.COUNTER64, 2**64 - 1),
    Value(Syntax.NO_SUCH_OBJECT),
    Value(Syntax.NO_SUCH_INSTANCE),
    Value(Syntax.END_OF_MIB_VIEW),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.syntax.name)
def test_values_survive(value):
    request = Pdu(type=PduType.GET, session=3, transaction=4, packet=5)
    binding = VarBind((1, 3, 6, 1, 4, 1, 9586, 1), value)
    answer = agentx.decode(agentx.response_pdu(request, [binding], 17, 1))
    assert (answer.session, answer.transaction, answer.packet) == (3, 4, 5)
    assert (answer.type, answer.error, answer.index, answer.bindings) == (PduType.RESPONSE, 17, 1, (binding,))


def test_little_endian_requests():
    start = struct.pack("<BBBx2I", 2, 4, 1, 1, 9586)
    end = struct.pack("<BBBx1I", 1, 4, 0, 2)
    payload = struct.pack("<HH", 1, 20) + (start + end) * 2
    data = struct.pack("<BBBxIIII", 1, 7, 0, 11, 12, 13, len(payload)) + payload
    pdu = agentx.decode(data)
    assert (pdu.type, pdu.session, pdu.non_repeaters, pdu.max_repetitions) == (PduType.GET_BULK, 11, 1, 20)
    assert pdu.ranges == (SearchRange((1, 3, 6, 1, 4, 1, 9586), True, (1, 3, 6, 1, 4, 2)),) * 2


def test_context_is_skipped():
    payload = agentx.encode_octets(b"ctx") + agentx.encode_oid((1, 3, 6, 1, 4, 1)) + agentx.encode_oid(())
    data = struct.pack(">BBBxIIII", 1, PduType.GET, 0x18, 0, 0, 0, len(payload)) + payload
    assert agentx.decode(data).ranges == (SearchRange((1, 3, 6, 1, 4, 1), False, ()),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(20),
        agentx.close_pdu(1, 1)[:-1],
        agentx.close_pdu(1, 1) + b"x",
        struct.pack(">BBBxIIII", 1, 99, 16, 0, 0, 0, 0),
        struct.pack(">BBBxIIII", 1, 5, 16, 0, 0, 0, 4) + b"\xff\0\0\0",
        struct.pack(">BBBxIIII", 1, 5, 16, 0, 0, 0, 0xFFFFFFFC),
        struct.pack(">BBBxIIII", 1, 8, 16, 0, 0, 0, 8) + struct.pack(">Hxx4x", 12345),
    ],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(AgentXError):
        agentx.decode(data)


@given(st.integers(0, 20), st.integers(0, 255), st.binary(max_size=80))
def test_only_agentx_errors_leave_the_decoder(kind, flags, payload):
    payload += bytes(-len(payload) % 4)
    order = ">" if flags & 0x10 else "<"
    data = struct.pack(f"{order}BBBxIIII", 1, kind, flags, 1, 2, 3, len(payload)) + payload
    try:
        pdu = agentx.decode(data)
    except AgentXError:
        return
    assert isinstance(pdu, Pdu)
