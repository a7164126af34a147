"""The codec: every message there and back, every scrap refused with the one error."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.config.model.values import Ip
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.auth import clock_sequence, serial_after
from pykeepalived.vrrp.counters import Counters
from pykeepalived.vrrp.packet import VrrpPacketError

addresses4 = st.lists(st.binary(min_size=4, max_size=4).map(Ip), max_size=255)
addresses6 = st.lists(st.binary(min_size=16, max_size=16).map(Ip), max_size=89)


@given(
    vrid=st.integers(1, 255),
    priority=st.integers(0, 255),
    seconds=st.integers(1, 255),
    addresses=addresses4,
    auth=st.sampled_from([(0, b""), (1, b"secret12"), (1, b"abc"), (2, b"")]),
)
def test_version_2(vrid: int, priority: int, seconds: int, addresses: list[Ip], auth: tuple[int, bytes]) -> None:
    message = packet.encode(
        version=2,
        vrid=vrid,
        priority=priority,
        interval_us=seconds * 1_000_000,
        addresses=addresses,
        family=4,
        auth_type=auth[0],
        auth_data=auth[1],
    )
    packet.seal(message)
    advert = packet.decode(bytes(message), 4)
    assert (advert.version, advert.type, advert.vrid, advert.priority) == (2, 1, vrid, priority)
    assert advert.interval_us == seconds * 1_000_000
    assert (advert.auth_type, advert.auth_data) == (auth[0], auth[1].ljust(8, b"\0"))
    assert advert.address_list(4) == addresses
    assert packet.checksum_is_valid(bytes(message))
    assert advert.length == len(message) == packet.message_length(2, len(addresses), 4)


@given(
    vrid=st.integers(1, 255),
    priority=st.integers(0, 255),
    centiseconds=st.integers(1, 4095),
    addresses=addresses6,
)
def test_version_3_ipv6(vrid: int, priority: int, centiseconds: int, addresses: list[Ip]) -> None:
    message = packet.encode(
        version=3,
        vrid=vrid,
        priority=priority,
        interval_us=centiseconds * 10_000,
        addresses=addresses,
        family=6,
    )
    advert = packet.decode(bytes(message), 6)
    assert (advert.vrid, advert.priority, advert.interval_us) == (vrid, priority, centiseconds * 10_000)
    assert advert.address_list(6) == addresses
    assert advert.auth_data == b""


@settings(max_examples=500)
@given(data=st.binary(max_size=200), family=st.sampled_from([4, 6]))
def test_decode_raises_one_error(data: bytes, family: int) -> None:
    try:
        length, counter = packet.decode(data, family).length, "packet_len_err"
    except VrrpPacketError as error:
        length, counter = 0, error.counter
    assert length <= len(data)
    assert counter == "packet_len_err"


@settings(max_examples=500)
@given(data=st.binary(max_size=80))
def test_ipv4_header_raises_one_error(data: bytes) -> None:
    try:
        length, counter = packet.decode_ipv4(data).length, "packet_len_err"
        assert 20 <= length <= len(data)
    except VrrpPacketError as error:
        counter = error.counter
    assert counter == "packet_len_err"


@given(data=st.binary(max_size=300))
def test_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert packet.internet_checksum(data) == ~total & 0xFFFF


@given(data=st.binary(min_size=8, max_size=300).filter(lambda data: len(data) % 2 == 0))
def test_sealed_messages_are_valid(data: bytes) -> None:
    message = bytearray(data)
    packet.seal(message)
    assert packet.checksum_is_valid(bytes(message)) or not any(message)


@pytest.mark.parametrize(
    ("left", "right", "after"),
    [
        (1, 0, True),
        (0, 1, False),
        (5, 5, False),
        (0, (1 << 64) - 1, True),
        ((1 << 63) - 1, 0, True),
        ((1 << 63) + 1, 0, False),
    ],
)
def test_serial_numbers(left: int, right: int, after: bool) -> None:
    assert serial_after(left, right) is after


def test_clock_sequence() -> None:
    assert clock_sequence(1_700_000_000_500_000_000) == 1_700_000_000 << 32 | 32768 << 16
    assert clock_sequence(1_700_000_000_999_999_999) == 1_700_000_000 << 32 | 65535 << 16


def test_counters() -> None:
    counters = Counters()
    counters.add("chk_err")
    counters.add("chk_err")
    counters.add("")
    assert {name: value for name, value in counters.as_dict().items() if value} == {"chk_err": 2}
    counters.clear()
    assert not any(counters.as_dict().values())
