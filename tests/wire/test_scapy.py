"""Scapy's independent opinion of what we send, and our opinion of what scapy builds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp import packet
from tests.vrrp.lan import Lan, config
from tests.wire.setups import machine, model


@pytest.fixture(scope="module")
def scapy() -> SimpleNamespace:
    """The layers, without scapy reading the host's routes and interfaces."""
    conf = pytest.importorskip("scapy.config").conf
    conf.route_autoload = conf.route6_autoload = False
    interfaces = pytest.importorskip("scapy.interfaces")
    interfaces.NetworkInterfaceDict.reload = lambda self: None
    from scapy.layers import inet, inet6, l2, vrrp

    return SimpleNamespace(inet=inet, inet6=inet6, l2=l2, vrrp=vrrp)


def first_master(name: str) -> tuple[fx.Flow, bytes, list[fx.Frame]]:
    lan = Lan()
    node = lan.node("A", config(model(name, "A")), machine(name, "A"))
    lan.run(4)
    ((_, adverts), *_) = node.effects(fx.SendAdverts)
    ((_, frames),) = node.effects(fx.SendFrames)
    flow, data = adverts.packets[0]  # type: ignore[attr-defined]
    return flow, data, frames.frames  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["v2-mcast", "v2-pass", "v2-unicast", "multi-vip-evip-route-rule"])
def test_version_2_adverts(scapy: SimpleNamespace, name: str) -> None:
    _, data, _ = first_master(name)
    seen = scapy.inet.IP(data)
    assert (seen.ttl, seen.tos, seen.proto, seen.id) == (255, 0xC0, 112, 1)
    advert = seen[scapy.vrrp.VRRP]
    assert (advert.version, advert.type, advert.vrid, advert.priority, advert.adv) == (2, 1, 51, 150, 1)
    assert next(iter(advert.addrlist)) == "192.0.2.100"
    rebuilt = advert.copy()
    del rebuilt.chksum
    assert bytes(rebuilt) == data[20:]


@pytest.mark.parametrize("name", ["v3-mcast-100ms", "v3-unicast"])
def test_version_3_adverts(scapy: SimpleNamespace, name: str) -> None:
    _, data, _ = first_master(name)
    seen = scapy.inet.IP(data)
    advert = seen[scapy.vrrp.VRRPv3]
    assert (advert.version, advert.vrid, advert.priority, advert.ipcount) == (3, 51, 150, 1)
    rebuilt = seen.copy()
    del rebuilt[scapy.vrrp.VRRPv3].chksum
    assert bytes(rebuilt)[20:] == data[20:]


def test_version_3_over_ipv6(scapy: SimpleNamespace) -> None:
    flow, data, _ = first_master("v3-ipv6-mcast")
    pseudo = packet.pseudo_header(flow.source, flow.destination, len(data))
    message = bytearray(data)
    packet.seal(message, pseudo)
    seen = scapy.inet6.IPv6(src=str(flow.source), dst=str(flow.destination), nh=112, hlim=255) / bytes(message)
    parsed = scapy.inet6.IPv6(bytes(seen))
    rebuilt = parsed.copy()
    assert scapy.vrrp.VRRPv3 in rebuilt
    del rebuilt[scapy.vrrp.VRRPv3].chksum
    assert bytes(rebuilt)[40:] == bytes(message)


def test_announcements(scapy: SimpleNamespace) -> None:
    _, _, frames = first_master("multi-vip-evip-route-rule")
    garp = scapy.l2.Ether(frames[0].data)
    assert garp.dst == "ff:ff:ff:ff:ff:ff"
    arp = garp[scapy.l2.ARP]
    assert (arp.op, arp.psrc, arp.pdst, arp.hwdst) == (1, "192.0.2.100", "192.0.2.100", "ff:ff:ff:ff:ff:ff")
    frame = next(item for item in frames if item.address.family == 6)
    na = scapy.l2.Ether(frame.data)
    advert = na[scapy.inet6.ICMPv6ND_NA]
    assert (advert.R, advert.S, advert.O, advert.tgt) == (0, 0, 1, "2001:db8:77::200")
    rebuilt = na.copy()
    del rebuilt[scapy.inet6.ICMPv6ND_NA].cksum
    assert bytes(rebuilt) == frame.data


def test_we_read_what_scapy_builds(scapy: SimpleNamespace) -> None:
    built = scapy.inet.IP(src="192.0.2.9", dst="224.0.0.18", ttl=255, proto=112) / scapy.vrrp.VRRPv3(
        vrid=7, priority=42, adv=250, addrlist=["192.0.2.50", "192.0.2.51"]
    )
    data = bytes(built)
    header = packet.decode_ipv4(data)
    advert = packet.decode(data[20:], 4)
    assert (header.source, header.ttl) == (Ip.parse("192.0.2.9"), 255)
    assert (advert.vrid, advert.priority, advert.interval_us) == (7, 42, 2_500_000)
    assert [str(item) for item in advert.address_list(4)] == ["192.0.2.50", "192.0.2.51"]
    assert packet.checksum_is_valid(data[20:], packet.pseudo_header(header.source, header.destination, 16))
