"""The control packet codec: numbers on the wire, the order of the checks, and that no bytes break it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.bfd.packet import BfdPacketError, ControlPacket, Discard, decode, encode
from tests.bfd import pcap

GOOD = bytes.fromhex("20 c0 03 18 11223344 55667788 000186a0 0000c350 00000000".replace(" ", ""))


def test_fields_stand_where_the_rfc_puts_them() -> None:
    packet = ControlPacket(3, 0, 3, 0x11223344, 0x55667788, 100_000, 50_000)
    assert encode(packet) == GOOD
    assert decode(GOOD) == packet


@pytest.mark.parametrize(
    ("field", "byte"), [("poll", 0x20), ("final", 0x10), ("demand", 0x02)], ids=["poll", "final", "demand"]
)
def test_flags_stand_where_the_rfc_puts_them(field: str, byte: int) -> None:
    data = bytearray(GOOD)
    data[1] |= byte
    packet = decode(GOOD)._replace(**{field: True})
    assert encode(packet) == bytes(data)
    assert decode(bytes(data)) == packet


def test_control_plane_independence_and_echo_are_accepted_and_ignored() -> None:
    data = bytearray(GOOD)
    data[1] |= 0x08
    assert decode(bytes(data)) == decode(GOOD)
    data[20:24] = struct.pack("!I", 50_000)
    assert decode(bytes(data)).min_echo_rx_us == 50_000


@pytest.mark.parametrize("diagnostic", range(32))
def test_every_diagnostic_is_accepted(diagnostic: int) -> None:
    assert decode(bytes([0x20 | diagnostic]) + GOOD[1:]).diagnostic == diagnostic


def changed(**at: int) -> bytes:
    data = bytearray(GOOD)
    for place, value in at.items():
        data[int(place[1:])] = value
    return bytes(data)


FAULTS = [
    (GOOD + bytes(9), Discard.TRUNCATED, "recvmsg() message truncated"),
    (b"", Discard.TOO_SMALL, "Packet is too small: 0 bytes"),
    (GOOD[:23], Discard.TOO_SMALL, "Packet is too small: 23 bytes"),
    (
        changed(_3=25),
        Discard.SIZE_MISMATCH,
        "Packet size mismatch: length field: 25 bytes, buffer size: 24 bytes",
    ),
    (
        GOOD + bytes(4),
        Discard.SIZE_MISMATCH,
        "Packet size mismatch: length field: 24 bytes, buffer size: 28 bytes",
    ),
    (changed(_0=0x00), Discard.VERSION, "Packet is of unsupported version: 0"),
    (changed(_0=0x40), Discard.VERSION, "Packet is of unsupported version: 2"),
    (changed(_2=0), Discard.ZERO_MULTIPLIER, "Packet 'detection multiplier' field is zero"),
    (changed(_1=0xC1), Discard.MULTIPOINT, "Packet has 'multipoint' flag"),
    (
        GOOD[:4] + bytes(4) + GOOD[8:],
        Discard.ZERO_MY_DISCRIMINATOR,
        "Packet 'my discriminator' field is zero",
    ),
    (
        GOOD[:8] + bytes(4) + GOOD[12:],
        Discard.ZERO_YOUR_DISCRIMINATOR,
        "Packet 'your discriminator' field is zero and 'state' field is not Down or AdminDown",
    ),
    (changed(_1=0xF0), Discard.POLL_AND_FINAL, "Packet has both poll and final  flags set"),
]


@pytest.mark.parametrize(("data", "discard", "text"), FAULTS, ids=[str(fault[1]) for fault in FAULTS])
def test_each_fault_has_its_counter_and_its_words(data: bytes, discard: Discard, text: str) -> None:
    with pytest.raises(BfdPacketError) as caught:
        decode(data)
    assert (caught.value.discard, str(caught.value)) == (discard, text)


def test_faults_are_found_in_the_order_of_the_rules() -> None:
    worst = bytearray(24)
    worst[0], worst[1], worst[3] = 0x00, 0xF1, 25
    mend = [
        (Discard.SIZE_MISMATCH, 3, 24),
        (Discard.VERSION, 0, 0x20),
        (Discard.ZERO_MULTIPLIER, 2, 1),
        (Discard.MULTIPOINT, 1, 0xF0),
        (Discard.ZERO_MY_DISCRIMINATOR, 7, 1),
        (Discard.ZERO_YOUR_DISCRIMINATOR, 11, 1),
        (Discard.POLL_AND_FINAL, 1, 0xC0),
    ]
    for discard, place, value in mend:
        with pytest.raises(BfdPacketError) as caught:
            decode(bytes(worst))
        assert caught.value.discard is discard
        worst[place] = value
    decode(bytes(worst))


@pytest.mark.parametrize("state", [0, 1])
def test_down_and_admin_down_need_no_your_discriminator(state: int) -> None:
    assert decode(bytes([GOOD[0], state << 6]) + GOOD[2:8] + bytes(4) + GOOD[12:]).state == state


def test_a_longer_packet_that_says_so_is_accepted() -> None:
    assert decode(changed(_3=28) + bytes(4)) == decode(GOOD)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_one_error(data: bytes) -> None:
    try:
        packet = decode(data)
    except BfdPacketError:
        return
    assert 24 <= len(data) <= 32
    assert packet.multiplier and packet.my_discriminator


@given(st.binary(min_size=20, max_size=20), st.integers(0, 31), st.integers(0, 255))
def test_what_is_decoded_is_encoded_again(rest: bytes, diagnostic: int, flags: int) -> None:
    data = bytes([0x20 | diagnostic, flags, max(rest[0], 1), 24]) + rest
    try:
        packet = decode(data)
    except BfdPacketError:
        return
    if packet.authenticated or flags & 0x08:
        return
    assert encode(packet) == data


@pytest.mark.parametrize("name", sorted(path.name for path in pcap.FOLDER.glob("*.pcap")))
def test_recorded_packets_of_keepalived_survive_both_ways(name: str) -> None:
    ours = [item for item in pcap.read(name) if str(item.source) in ("10.99.0.1", "fd99::1")]
    assert ours
    for item in ours:
        assert encode(decode(item.payload)) == item.payload


def test_scapy_agrees() -> None:
    pytest.importorskip("scapy")
    from scapy.config import conf

    conf.route_autoload = conf.route6_autoload = False
    import scapy.interfaces

    scapy.interfaces.NetworkInterfaceDict.reload = lambda self: None
    from scapy.contrib.bfd import BFD

    packet = ControlPacket(2, 3, 7, 0xDEADBEEF, 0x01020304, 300_000, 12_500, poll=True, demand=True)
    seen = BFD(encode(packet))
    assert (seen.version, seen.diag, seen.sta, seen.detect_mult, seen.len) == (1, 3, 2, 7, 24)
    assert (seen.my_discriminator, seen.your_discriminator) == (0xDEADBEEF, 0x01020304)
    assert (seen.min_tx_interval, seen.min_rx_interval, seen.echo_rx_interval) == (300_000, 12_500, 0)
    assert bytes(BFD(bytes(seen))) == encode(packet)
    assert str(seen.flags) == "DP"
