"""Sending adverts: templates made when something changes, patched when they leave.

Per advert only the IP identification and the sequence numbers of authentication change.
"""

from __future__ import annotations

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthType, UnicastChecksum, VrrpInstance
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.auth import AUTH_NUMBERS, AhSequence, HmacSigner, ah_header, ah_icv
from pykeepalived.vrrp.effects import Flow, Pool
from pykeepalived.vrrp.outbox import Outbox, Wall


class Advertiser:
    """The sending side of one instance.

    `identification` is the IPv4 header's: 1 for the first advert, one more for each (all unicast copies of an advert
    carry the same), never 0. Nothing is sent while source or pool are unknown.
    """

    __slots__ = (
        "_ah",
        "_config",
        "_farewell",
        "_flows",
        "_plain",
        "_templates",
        "_v4",
        "group4",
        "identification",
        "old_checksum",
        "pool",
        "signer",
        "source",
    )

    def __init__(self, config: VrrpInstance, ah: AhSequence, group4: Ip) -> None:
        """`group4` is vrrp_mcast_group4, the destination in the checksum of old unicast adverts."""
        self._config = config
        self._ah = ah
        self._v4 = config.family == 4
        hmac = config.auth_hmac
        self.signer = HmacSigner(hmac) if hmac is not None and hmac.mode != "receive-only" else None
        self._plain = self.signer is None and config.auth_type is not AuthType.AH
        self.group4 = group4
        self.identification = 0
        self.old_checksum = config.unicast_checksum is UnicastChecksum.OLD
        self.pool: Pool | None = None
        self.source: Ip | None = None
        self._flows: list[Flow] = []
        self._templates: list[tuple[Flow, bytearray]] = []
        self._farewell: list[tuple[Flow, bytearray]] = []

    @property
    def ready(self) -> bool:
        return bool(self._flows)

    def inherit(self, older: Advertiser) -> None:
        """Go on where the advertiser replaced by a reload stopped."""
        self.identification = older.identification
        if self.signer is not None and older.signer is not None:
            self.signer.inherit(older.signer)

    def aim(self, pool: Pool | None, source: Ip | None) -> None:
        """Set where adverts go; they cannot leave while one of the two is None."""
        if pool is self.pool and source == self.source:
            return
        config = self._config
        self.pool, self.source = pool, source
        if pool is None or source is None:
            self._flows = []
        elif config.unicast:
            limit = config.unicast_ttl if config.family == 6 else None
            self._flows = [
                Flow(pool=pool, instance=config.name, source=source, destination=peer.address, hop_limit=limit)
                for peer in config.unicast_peers
            ]
        else:
            self._flows = [Flow(pool=pool, instance=config.name, source=source, destination=config.mcast_dst_ip)]

    def build(self, priority: int) -> None:
        """Make the templates anew: the priority, the addresses, the source or the destinations have changed."""
        self._templates = [(flow, self._template(flow, priority)) for flow in self._flows]
        self._farewell = []

    def prepare_farewell(self) -> None:
        """Make the templates of priority 0 now: whoever has to go has no time."""
        if not self._farewell:
            self._farewell = [(flow, self._template(flow, 0)) for flow in self._flows]

    @property
    def flows(self) -> list[Flow]:
        """Where adverts go now."""
        return self._flows

    def _template(self, flow: Flow, priority: int) -> bytearray:
        config = self._config
        message = packet.encode(
            version=config.version,
            vrid=config.virtual_router_id,
            priority=priority,
            interval_us=config.advert_int_us,
            addresses=[address.address for address in config.virtual_addresses],
            family=config.family,
            auth_type=AUTH_NUMBERS[config.auth_type],
            auth_data=config.auth_pass if config.auth_type is AuthType.PASS else b"",
        )
        if not self._v4:
            return message
        pseudo = b""
        if config.version == 3 and not config.v3_checksum_as_v2:
            destination = self.group4 if config.unicast and self.old_checksum else flow.destination
            pseudo = packet.pseudo_header(flow.source, destination, len(message))
        packet.seal(message, pseudo)
        ah = config.auth_type is AuthType.AH
        body = ah_header(flow.source, 0) + message if ah else message
        ttl = config.unicast_ttl if config.unicast and config.unicast_ttl is not None else packet.VRRP_TTL
        trailer = packet.TRAILER_LENGTH if self.signer is not None else 0
        header = packet.ipv4_header(
            length=packet.IPV4_HEADER_LENGTH + len(body) + trailer,
            ttl=ttl,
            protocol=packet.PROTOCOL_AH if ah else packet.PROTOCOL_VRRP,
            source=flow.source,
            destination=flow.destination,
        )
        return header + body

    def send(self, outbox: Outbox, wall: Wall) -> None:
        """Put one advert (a copy for each destination) into the batch."""
        self._send(self._templates, outbox, wall)

    def send_farewell(self, outbox: Outbox, wall: Wall) -> None:
        """Put one advert of priority 0 into the batch."""
        self.prepare_farewell()
        self._send(self._farewell, outbox, wall)

    def _send(self, templates: list[tuple[Flow, bytearray]], outbox: Outbox, wall: Wall) -> None:
        if self._v4:
            number = (self.identification + 1) & 0xFFFF or 1
            self.identification = number
            high, low = number >> 8, number & 0xFF
            for _, template in templates:
                template[4] = high
                template[5] = low
        if self._plain:
            outbox.packets += [(flow, bytes(template)) for flow, template in templates]
        elif self.signer is not None:
            self._send_signed(self.signer, templates, outbox, wall)
        else:
            self._send_ah(templates, outbox)

    def _send_signed(
        self, signer: HmacSigner, templates: list[tuple[Flow, bytearray]], outbox: Outbox, wall: Wall
    ) -> None:
        if self.source is None or not templates:
            return
        start = packet.IPV4_HEADER_LENGTH if self._v4 else 0
        message = templates[0][1][start:]
        trailer = signer.trailer(self._config.family, self.source, message, wall())
        outbox.packets += [(flow, bytes(template) + trailer) for flow, template in templates]

    def _send_ah(self, templates: list[tuple[Flow, bytearray]], outbox: Outbox) -> None:
        sequence = self._ah.advance().to_bytes(4, "big")
        for flow, template in templates:
            template[28:32] = sequence
            icv = ah_icv(self._config.auth_pass, template, unicast=self._config.unicast)
            outbox.packets.append((flow, bytes(template[:32] + icv + template[44:])))
