"""The checks a received advert must pass before an instance listens to it, in keepalived's order.

An advert that fails is refused with VrrpPacketError and must change no timer. What a good advert means is instance.py.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthType, UnicastChecksum, VrrpInstance
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.auth import AUTH_NUMBERS, AhSequence, HmacVerifier, password_field, verify_ah
from pykeepalived.vrrp.counters import Counters
from pykeepalived.vrrp.packet import Advert, VrrpPacketError

Report = Callable[[str, str], None]
"""Called with (kind, text) for what is worth a line without refusing the advert; limits itself to one line a kind."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """One received datagram: the raw bytes and what came with them. IPv4: `data` begins with the IP header.

    `offset` is where the VRRP message begins, `total_length` the IPv4 header's length field (-1 for IPv6).
    """

    data: bytes
    source: Ip
    destination: Ip
    ttl: int
    offset: int
    protocol: int
    total_length: int = -1


@dataclass(frozen=True, slots=True)
class Heard:
    """An advert that passed. `repeatable`: its byte-identical repetition needs no check (no sequence number in it,
    nothing wrong with it)."""

    advert: Advert
    source: Ip
    destination: Ip
    ttl: int
    ah_sequence: int = 0
    repeatable: bool = True


def open_datagram(data: bytes, source: bytes, destination: bytes, ttl: int) -> Datagram:
    """Find the VRRP message in what a raw socket gave. Raises VrrpPacketError if it is too short for one."""
    if source:
        if len(data) < packet.HEADER_LENGTH:
            text = f"IPv6 VRRP packet too short - {len(data)} bytes"
            raise VrrpPacketError("packet_len_err", "too_short", text)
        return Datagram(data, Ip(source), Ip(destination), ttl, 0, packet.PROTOCOL_VRRP)
    header = packet.decode_ipv4(data)
    offset = header.length + (packet.AH_LENGTH if header.protocol == packet.PROTOCOL_AH else 0)
    if len(data) < offset + packet.HEADER_LENGTH:
        raise VrrpPacketError("packet_len_err", "too_short", f"IPv4 VRRP packet too short - {len(data)} bytes")
    return Datagram(data, header.source, header.destination, header.ttl, offset, header.protocol, header.total_length)


def _length_fits(expected: int, received: int) -> bool:
    """Equal, or padded as by Ethernet hardware that hands its padding on."""
    if received == expected:
        return True
    return received > expected and expected < packet.MINIMUM_ETHERNET_PAYLOAD and (received - expected) % 4 == 2


class Receiver:
    """The checks of one instance. Made anew when its configuration changes."""

    __slots__ = (
        "_auth_number",
        "_config",
        "_counters",
        "_own_addresses",
        "_password",
        "_peers",
        "ah",
        "multicast_group",
        "old_checksum",
        "verifier",
    )

    def __init__(self, config: VrrpInstance, counters: Counters, ah: AhSequence, group4: Ip) -> None:
        """`group4` is vrrp_mcast_group4, which old versions put into the checksum of unicast adverts."""
        self._config = config
        self._counters = counters
        self.ah = ah
        self.multicast_group = group4
        self.old_checksum = config.unicast_checksum is UnicastChecksum.OLD
        self._auth_number = AUTH_NUMBERS[config.auth_type]
        self._password = password_field(config.auth_pass)
        self._own_addresses = frozenset(address.address for address in config.virtual_addresses)
        self._peers = {peer.address: peer for peer in config.unicast_peers}
        peers = self._peers if config.unicast else None
        self.verifier = HmacVerifier(config.auth_hmac, peers) if config.auth_hmac is not None else None

    def check(
        self,
        datagram: Datagram,
        *,
        wall: Callable[[], int],
        ignore_as_owner: bool,
        compare_addresses: Callable[[Ip], bool],
        report: Report,
    ) -> Heard:
        """Judge one datagram. `ignore_as_owner`: owner_ignore_adverts is set and the effective priority is 255.
        `compare_addresses(sender)` tells whether the address list is worth comparing. Raises VrrpPacketError."""
        config = self._config
        source = datagram.source
        self._check_ah_presence(datagram)
        advert, trailer = self._check_length(datagram)
        if not config.unicast and datagram.ttl != packet.VRRP_TTL:
            text = f"invalid TTL/HL from {source}. Received {datagram.ttl} and expect {packet.VRRP_TTL}"
            raise VrrpPacketError("ip_ttl_err", "ttl", text)
        if advert.version != config.version:
            text = f"wrong VRRP version from {source}. Received {advert.version} and expect {config.version}"
            raise VrrpPacketError("vers_err", "version", text)
        message = datagram.data[datagram.offset : datagram.offset + advert.length]
        if self.verifier is not None:
            self._check_trailer(self.verifier, datagram, message, trailer, wall, report)
        ah_sequence = self._check_legacy_auth(datagram, advert)
        self._check_fields(datagram, advert, report)
        if config.family == 4:
            self._check_checksum(datagram, advert, message, report)
        self._check_cast(datagram)
        if ignore_as_owner:
            text = f"Dropping packet(s) from {source} since we are address owner"
            raise VrrpPacketError("", "owner", text)
        self._counters.advert_rcvd += 1
        clean = self._compare_addresses(advert, source, compare_addresses(source), report)
        if config.unicast and config.check_unicast_src:
            self._check_unicast_source(datagram)
        if advert.priority == 0:
            self._counters.pri_zero_rcvd += 1
        if ah_sequence:
            self.ah.value = ah_sequence
        repeatable = clean and self.verifier is None and config.auth_type is not AuthType.AH
        return Heard(advert, source, datagram.destination, datagram.ttl, ah_sequence, repeatable)

    def _check_ah_presence(self, datagram: Datagram) -> None:
        if self._config.family == 6:
            return
        present = datagram.protocol == packet.PROTOCOL_AH
        wanted = self._config.auth_type is AuthType.AH
        if present and not wanted:
            text = f"Received AH header but auth type not AH from {datagram.source}"
            raise VrrpPacketError("authtype_mismatch", "ah_presence", text)
        if wanted and not present:
            text = f"No AH header but auth type is AH from {datagram.source}"
            raise VrrpPacketError("authtype_mismatch", "ah_presence", text)

    def _check_length(self, datagram: Datagram) -> tuple[Advert, bytes]:
        data, offset, family = datagram.data, datagram.offset, self._config.family
        version = data[offset] >> 4
        expected = offset + packet.message_length(version, data[offset + 3], family)
        received = len(data)
        with_trailer = self.verifier is not None and received == expected + packet.TRAILER_LENGTH
        if not with_trailer and not _length_fits(expected, received):
            what = "long" if received > expected else "short"
            text = f"vrrp packet from {datagram.source} too {what}, length {received} and expect {expected}"
            raise VrrpPacketError("packet_len_err", "length", text)
        advert = packet.decode(data[offset:], family)
        return advert, data[expected:] if with_trailer else b""

    def _check_trailer(
        self,
        verifier: HmacVerifier,
        datagram: Datagram,
        message: bytes,
        trailer: bytes,
        wall: Callable[[], int],
        report: Report,
    ) -> None:
        if not trailer:
            verifier.missing(datagram.source)
            return
        warning = verifier.verify(self._config.family, datagram.source, message, trailer, wall())
        if warning:
            report(f"auth_skew {datagram.source}", warning)

    def _check_legacy_auth(self, datagram: Datagram, advert: Advert) -> int:
        """Authentication of version 2; returns the AH sequence number, 0 without AH."""
        config, source = self._config, datagram.source
        if config.version != 2:
            return 0
        if advert.auth_type not in (packet.AUTH_NONE, packet.AUTH_PASS, packet.AUTH_AH):
            text = f"Invalid auth type from {source}: {advert.auth_type}"
            raise VrrpPacketError("invalid_authtype", "auth_type", text)
        if advert.auth_type != self._auth_number:
            text = f"received a {advert.auth_type} auth from {source}, expecting {self._auth_number}!"
            raise VrrpPacketError("authtype_mismatch", "auth_mismatch", text)
        if config.auth_type is AuthType.PASS and not hmac.compare_digest(advert.auth_data, self._password):
            raise VrrpPacketError("auth_failure", "password", f"received an invalid passwd from {source}!")
        if config.auth_type is AuthType.AH:
            return verify_ah(config.auth_pass, datagram.data, unicast=config.unicast, last=self.ah.value)
        return 0

    def _check_fields(self, datagram: Datagram, advert: Advert, report: Report) -> None:
        config, source = self._config, datagram.source
        if config.version == 2 and advert.interval_us != config.advert_int_us:
            text = f"advertisement interval mismatch with {source}"
            text += f" mine={config.advert_int_us // 1_000_000} sec rcv'd={advert.interval_us // 1_000_000} sec"
            raise VrrpPacketError("advert_interval_err", "interval", text)
        if advert.type != packet.TYPE_ADVERTISEMENT:
            text = f"Invalid packet type from {source}. {advert.type} and expect {packet.TYPE_ADVERTISEMENT}"
            raise VrrpPacketError("invalid_type_rcvd", "type", text)
        received = len(datagram.data)
        if datagram.total_length >= 0 and not _length_fits(datagram.total_length, received):
            text = f"ip_tot_len mismatch against received length from {source}."
            text += f" {datagram.total_length} and received {received}"
            raise VrrpPacketError("packet_len_err", "total_length", text)
        if config.version == 3 and advert.interval_us != config.advert_int_us:
            text = f"advertisement interval mismatch ours = {config.advert_int_us // 10_000} centi-sec"
            report("interval", f"{text} rcv'd={advert.interval_us // 10_000} centi-sec")

    def _check_checksum(self, datagram: Datagram, advert: Advert, message: bytes, report: Report) -> None:
        config, source, length = self._config, datagram.source, advert.length
        if config.version == 2:
            if packet.checksum_is_valid(message):
                return
            raise VrrpPacketError("chk_err", "checksum", f"Invalid VRRPv2 checksum from {source}")
        destination = datagram.destination
        if config.v3_checksum_as_v2:
            pseudo = b""
        elif config.unicast and self.old_checksum:
            pseudo = packet.pseudo_header(source, self.multicast_group, length)
        else:
            pseudo = packet.pseudo_header(source, destination, length)
        if packet.checksum_is_valid(message, pseudo):
            return
        may_detect = config.unicast and not config.v3_checksum_as_v2 and not self.old_checksum
        if may_detect and config.unicast_checksum is UnicastChecksum.AUTO:
            pseudo = packet.pseudo_header(source, self.multicast_group, length)
            if packet.checksum_is_valid(message, pseudo):
                self.old_checksum = True
                report("old_checksum", "Setting unicast VRRPv3 checksum to old version")
                return
        raise VrrpPacketError("chk_err", "checksum", f"Invalid VRRPv3 checksum from {source}")

    def _check_cast(self, datagram: Datagram) -> None:
        unicast = not datagram.destination.is_multicast
        if unicast == self._config.unicast:
            return
        wanted, got = ("un", "mult") if self._config.unicast else ("mult", "un")
        text = f"Expected {wanted}icast packet but received {got}icast packet from {datagram.source}"
        raise VrrpPacketError("addr_list_err", "cast", text)

    def _compare_addresses(self, advert: Advert, source: Ip, wanted: bool, report: Report) -> bool:
        """Count and report an address list that is not ours; the advert is accepted all the same."""
        own = len(self._config.virtual_addresses)
        if advert.count != own:
            self._counters.addr_list_err += 1
            report("address_count", f"expected {own} VIPs but received {advert.count}")
            return False
        if not wanted:
            return True
        missing = self._own_addresses.difference(advert.address_list(self._config.family))
        if not missing:
            return True
        self._counters.addr_list_err += 1
        first = next(item.address for item in self._config.virtual_addresses if item.address in missing)
        text = f"ip address associated with VRID {advert.vrid} not present in advert from {source}: {first}"
        report("address_list", text)
        return False

    def _check_unicast_source(self, datagram: Datagram) -> None:
        peer = self._peers.get(datagram.source)
        if peer is None:
            text = f"unicast source address {datagram.source} not a unicast peer"
            raise VrrpPacketError("", "unicast_source", text)
        low = max(peer.min_ttl, 0)
        high = peer.max_ttl if peer.max_ttl >= 0 else 255
        if not low <= datagram.ttl <= high:
            text = f"TTL/HL {datagram.ttl} from {datagram.source} not in range [{low}, {high}]"
            raise VrrpPacketError("ip_ttl_err", "ttl_range", text)
