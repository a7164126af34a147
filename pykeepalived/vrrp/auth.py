"""Authentication of adverts: passwords and AH of version 2 (RFC 2338 section 5.3.6), and the auth_hmac trailer.

Signing, verifying and the sequence numbers that stop replays. Which instance uses what is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthHmac, AuthType
from pykeepalived.runtime.contract import NANOSECONDS_PER_SECOND
from pykeepalived.vrrp.packet import (
    AH_LENGTH,
    AUTH_AH,
    AUTH_DATA_LENGTH,
    AUTH_NONE,
    AUTH_PASS,
    PROTOCOL_VRRP,
    TRAILER_LENGTH,
    VrrpPacketError,
)

AUTH_NUMBERS = {AuthType.NONE: AUTH_NONE, AuthType.PASS: AUTH_PASS, AuthType.AH: AUTH_AH}
"""The authentication type of a version 2 message (RFC 2338 section 5.3.6)."""
AH_SEQUENCE_LIMIT = 0xFFFFFFFD
AH_ICV_LENGTH = 12
TRAILER_TYPE_HMAC_SHA256 = 1
TRAILER_MAC_LENGTH = 16
REPLAY_SLOTS = 4
"""Senders remembered by a multicast instance."""

_AH = struct.Struct("!BBHII")
_TRAILER = struct.Struct("!BBHIHH")


def password_field(password: bytes) -> bytes:
    """The password as it stands in a message: eight bytes, cut or padded with zeros."""
    return password[:AUTH_DATA_LENGTH].ljust(AUTH_DATA_LENGTH, b"\0")


# AH


def ah_header(source: Ip, sequence: int) -> bytes:
    """An AH header with a zero ICV: next header VRRP, SPI = IPv4 source (keepalived's choice), RFC 2402 section 2."""
    return _AH.pack(PROTOCOL_VRRP, 4, 0, int.from_bytes(source, "big"), sequence) + bytes(AH_ICV_LENGTH)


def ah_icv(key: bytes, packet: bytes | bytearray, *, unicast: bool) -> bytes:
    """ICV of an IPv4 packet with AH: HMAC-MD5-96 (RFC 2403) over it with mutable fields zeroed.

    TOS, fragment field and header checksum count as zero; the TTL does so only for unicast, as keepalived computes it
    (RFC 2402 section 3.3.3.1.1 would always zero it).
    """
    body = bytearray(packet)
    body[1] = 0
    body[6:8] = b"\0\0"
    body[10:12] = b"\0\0"
    if unicast:
        body[8] = 0
    header = (body[0] & 0x0F) * 4
    body[header + 12 : header + AH_LENGTH] = bytes(AH_ICV_LENGTH)
    return hmac.digest(password_field(key), bytes(body), "md5")[:AH_ICV_LENGTH]


class AhSequence:
    """The AH sequence counter of an instance: one for sending and receiving, so that a new master goes on above the
    old one. `cycle` is set when it has run out; it starts again at the next mastership after that."""

    __slots__ = ("cycle", "value")

    def __init__(self) -> None:
        self.value = 0
        self.cycle = False

    def advance(self) -> int:
        """The number of the next advert to send."""
        if self.value > AH_SEQUENCE_LIMIT:
            self.cycle = True
        else:
            self.value += 1
        return self.value

    def become_master(self) -> None:
        if self.cycle:
            self.value = 0
            self.cycle = False


def verify_ah(key: bytes, packet: bytes, *, unicast: bool, last: int) -> int:
    """Check the AH header of an IPv4 packet and return its sequence number.

    Raises VrrpPacketError: next header (silent), ICV, SPI, then a sequence not above `last`.
    """
    header = (packet[0] & 0x0F) * 4
    next_header, _length, _reserved, spi, sequence = _AH.unpack_from(packet, header)
    if next_header != PROTOCOL_VRRP:
        raise VrrpPacketError("", "ah_next_header", "")
    received = int(sequence)
    icv = packet[header + 12 : header + AH_LENGTH]
    if not hmac.compare_digest(icv, ah_icv(key, packet, unicast=unicast)):
        text = "IPSEC-AH : invalid IPSEC HMAC-MD5 value. Due to fields mutation or bad password !"
        raise VrrpPacketError("auth_failure", "", text)
    source = int.from_bytes(packet[12:16], "big")
    if spi != source:
        raise VrrpPacketError("auth_failure", "", f"IPSEC-AH : invalid IPSEC SPI value. {spi} and expect {source}")
    if received <= last:
        text = f"IPSEC-AH : sequence number {received} already processed. Packet dropped. Local({last})"
        raise VrrpPacketError("auth_failure", "", text)
    return received


# auth_hmac


def serial_after(left: int, right: int) -> bool:
    """Whether `left` comes after `right` among 64-bit serial numbers (RFC 1982 section 3.2)."""
    return left != right and (left - right) & 0xFFFFFFFFFFFFFFFF < 1 << 63


def clock_sequence(wall_ns: int) -> int:
    """The sequence number of a moment: seconds, 1/65536 seconds, counter 0; 32, 16 and 16 bits."""
    seconds, nanoseconds = divmod(wall_ns, NANOSECONDS_PER_SECOND)
    return (seconds & 0xFFFFFFFF) << 32 | (nanoseconds * 65536 // NANOSECONDS_PER_SECOND) << 16


def signature(secret: bytes, *, family: int, source: Ip, message: bytes | bytearray, trailer: bytes) -> bytes:
    """First 16 bytes of HMAC-SHA256 over who sends, the message with checksum 0, and the trailer's first 12 bytes."""
    who = bytes((family, message[0] >> 4, message[1], 0)) + source.ljust(16, b"\0")
    text = who + bytes(message[:6]) + b"\0\0" + bytes(message[8:]) + trailer[:12] + bytes(TRAILER_MAC_LENGTH)
    return hmac.digest(secret, text, hashlib.sha256)[:TRAILER_MAC_LENGTH]


class HmacSigner:
    """Makes the trailers of one instance. The sequence follows the wall clock and never goes back, except when the
    clock was set back by more than the time window."""

    __slots__ = ("_key", "_last", "_window_s")

    def __init__(self, config: AuthHmac) -> None:
        self._key = next(key for key in config.keys if key.id == config.active_key)
        self._window_s = config.time_window_s if config.anti_replay == "time" else None
        self._last = 0

    def inherit(self, older: HmacSigner) -> None:
        """Go on behind the numbers of the signer replaced by a reload."""
        self._last = older._last

    def trailer(self, family: int, source: Ip, message: bytes | bytearray, wall_ns: int) -> bytes:
        """The trailer of the next advert; advances the sequence."""
        candidate = clock_sequence(wall_ns)
        following = (self._last + 1) & 0xFFFFFFFFFFFFFFFF
        ahead = (self._last >> 32) - (candidate >> 32)
        if self._last and not (self._window_s is not None and ahead > self._window_s):
            candidate = candidate if serial_after(candidate, following) else following
        self._last = candidate
        head = _TRAILER.pack(
            TRAILER_TYPE_HMAC_SHA256, self._key.id, 0, candidate >> 32, candidate >> 16 & 0xFFFF, candidate & 0xFFFF
        )
        return head + signature(self._key.secret, family=family, source=source, message=message, trailer=head)


class HmacVerifier:
    """Judges the trailers of one instance and remembers the last sequence of each sender."""

    __slots__ = ("_config", "_keys", "_peers", "_records", "_skew_warned")

    def __init__(self, config: AuthHmac, peers: Iterable[Ip] | None) -> None:
        """`peers` are the senders of a unicast instance, None for multicast."""
        self._config = config
        self._keys = {key.id: key.secret for key in config.keys}
        self._peers = frozenset(peers) if peers is not None else None
        self._records: dict[Ip, int] = {}
        self._skew_warned = False

    def inherit(self, older: HmacVerifier) -> None:
        """Keep the replay records over a reload."""
        self._records = older._records

    def missing(self, source: Ip) -> None:
        """An advert without trailer: raises VrrpPacketError in mode enforce."""
        if self._config.mode == "enforce":
            raise VrrpPacketError("auth_ext_missing", "auth_missing", f"missing authentication trailer from {source}")

    def verify(self, family: int, source: Ip, message: bytes, trailer: bytes, wall_ns: int) -> str:
        """Accept a trailer, or raise VrrpPacketError. Returns a warning about the sender's clock, or ""."""
        if self._peers is not None and source not in self._peers:
            raise VrrpPacketError("", "auth_peer", "")
        kind, key_id, reserved, seconds, fraction, counter = _TRAILER.unpack_from(trailer)
        if kind != TRAILER_TYPE_HMAC_SHA256 or reserved or len(trailer) != TRAILER_LENGTH:
            text = f"malformed authentication trailer from {source}"
            raise VrrpPacketError("auth_ext_malformed", "auth_malformed", text)
        skew = seconds - wall_ns // NANOSECONDS_PER_SECOND
        if self._config.anti_replay == "time" and abs(skew) > self._config.time_window_s:
            text = f"stale authentication trailer from {source}, clock skew {skew} sec"
            text += f" exceeds window {self._config.time_window_s} sec"
            raise VrrpPacketError("auth_ext_stale", "auth_stale", text)
        secret = self._keys.get(key_id)
        if secret is None:
            text = f"unknown authentication key id {key_id} from {source}"
            raise VrrpPacketError("auth_ext_unknown_key", "auth_unknown_key", text)
        expected = signature(secret, family=family, source=source, message=message, trailer=trailer)
        if not hmac.compare_digest(trailer[12:], expected):
            text = f"invalid authentication HMAC from {source}"
            raise VrrpPacketError("auth_ext_invalid_hmac", "auth_invalid_hmac", text)
        self._admit(source, seconds << 32 | fraction << 16 | counter, wall_ns)
        return self._judge_skew(source, skew)

    def _admit(self, source: Ip, sequence: int, wall_ns: int) -> None:
        """Refuse a sequence not above the sender's last one; in time mode records older than the window lapse."""
        last = self._records.pop(source, None)
        fresh = last is not None and (
            self._config.anti_replay != "time"
            or wall_ns // NANOSECONDS_PER_SECOND - (last >> 32) <= self._config.time_window_s
        )
        if last is not None and fresh and not serial_after(sequence, last):
            self._records[source] = last
            raise VrrpPacketError("auth_ext_replay", "auth_replay", f"replayed authentication trailer from {source}")
        self._records[source] = sequence
        if self._peers is None and len(self._records) > REPLAY_SLOTS:
            del self._records[next(iter(self._records))]

    def _judge_skew(self, source: Ip, skew: int) -> str:
        high = self._config.anti_replay == "time" and abs(skew) * 2 > self._config.time_window_s
        warn = high and not self._skew_warned
        self._skew_warned = high
        return f"authentication clock skew of {source} is {skew} sec" if warn else ""
