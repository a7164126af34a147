"""Adverts as bytes, whatever is wrong with them, and a node that hears them."""

from __future__ import annotations

import struct

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthHmac, AuthType, HmacKey, UnicastPeer
from pykeepalived.vrrp import packet
from pykeepalived.vrrp.auth import ah_header, ah_icv
from tests.vrrp.lan import Lan, Node, address, config, instance, ip, view

PEER = ip("192.0.2.2")
GROUP = ip("224.0.0.18")
KEY = HmacKey(id=1, secret=bytes(range(32)))
HMAC = AuthHmac(keys=(KEY, HmacKey(id=2, secret=bytes(40))), active_key=1)


def node(lan: Lan, defaults: VrrpDefaults | None = None, **values: object) -> Node:
    settings: Config = config(instance(**values), globals=GlobalDefs(vrrp_defaults=defaults or VrrpDefaults()))
    return lan.node("A", settings, view(address("192.0.2.1/24"), address("fe80::a/64")))


def advert(
    *,
    version: int = 2,
    kind: int = 1,
    vrid: int = 51,
    priority: int = 150,
    addresses: tuple[str, ...] = ("192.0.2.100",),
    interval_us: int = 1_000_000,
    auth_type: int = 0,
    auth_data: bytes = b"",
    source: Ip = PEER,
    destination: Ip = GROUP,
    ttl: int = 255,
    pseudo: bytes | None = None,
    trailer: bytes = b"",
    padding: bytes = b"",
    total_length: int | None = None,
    flip: int | None = None,
    ah: tuple[bytes, int] | None = None,
    spi: int | None = None,
    next_header: int = 112,
    unicast: bool = False,
) -> bytes:
    """An IPv4 advert with any flaw."""
    message = packet.encode(
        version=version,
        vrid=vrid,
        priority=priority,
        interval_us=interval_us,
        addresses=[ip(text) for text in addresses],
        family=4,
        auth_type=auth_type,
        auth_data=auth_data,
    )
    message[0] = version << 4 | kind
    if pseudo is None:
        pseudo = packet.pseudo_header(source, destination, len(message)) if version == 3 else b""
    packet.seal(message, pseudo)
    if flip is not None:
        message[flip] ^= 0x40
    body = bytes(message)
    protocol = 112
    if ah is not None:
        protocol = 51
        header = bytearray(ah_header(source, ah[1]))
        header[0] = next_header
        if spi is not None:
            header[4:8] = struct.pack("!I", spi)
        body = bytes(header) + body
    length = 20 + len(body) + len(trailer)
    header = packet.ipv4_header(
        length=total_length if total_length is not None else length,
        ttl=ttl,
        protocol=protocol,
        source=source,
        destination=destination,
    )
    data = bytearray(header + body)
    if ah is not None:
        data[32:44] = ah_icv(ah[0], data, unicast=unicast)
    return bytes(data) + trailer + padding


def hear(host: Node, data: bytes) -> Node:
    host.router.hear(host.pools[0], data, host.lan.now)
    host.perform()
    return host


def moved(counters: object, before: object) -> dict[str, int]:
    """The counters that have changed."""
    names = counters.__dataclass_fields__  # type: ignore[attr-defined]
    return {
        name: getattr(counters, name) - getattr(before, name)
        for name in names
        if getattr(counters, name) != getattr(before, name)
    }


AH = {"auth_type": AuthType.AH, "auth_pass": b"secret12"}
PASS = {"auth_type": AuthType.PASS, "auth_pass": b"secret12"}
UNICAST = {
    "unicast": True,
    "source_address": ip("192.0.2.1"),
    "unicast_peers": (UnicastPeer(address=PEER, min_ttl=100, max_ttl=200),),
}


TO_US = ip("192.0.2.1")
