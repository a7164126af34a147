"""Two routers in every mode the protocol has: they agree on one master, hand over, and refuse strangers."""

from __future__ import annotations

import itertools

import pytest

from pykeepalived.config.model.vrrp import AuthHmac, AuthType, HmacKey, UnicastChecksum, UnicastPeer, Vmac
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import SECOND, Lan, Node, address, config, instance, interface, ip, view, vip

HMAC = AuthHmac(keys=(HmacKey(id=7, secret=b"k" * 32),), active_key=7, time_window_s=15)
IPV6: dict[str, object] = {
    "family": 6,
    "version": 3,
    "mcast_dst_ip": ip("ff02::12"),
    "virtual_addresses": (vip("fe80::100"), vip("2001:db8:77::100/64")),
}
UNICAST: dict[str, object] = {"unicast": True}

MODES: dict[str, dict[str, object]] = {
    "version 2": {},
    "PASS": {"auth_type": AuthType.PASS, "auth_pass": b"secret12"},
    "AH": {"auth_type": AuthType.AH, "auth_pass": b"secret12"},
    "version 3": {"version": 3, "advert_int_us": 10_000},
    "auth_hmac": {"auth_hmac": HMAC},
    "auth_hmac version 3": {"version": 3, "auth_hmac": HMAC},
    "checksum as version 2": {"version": 3, "v3_checksum_as_v2": True},
    "IPv6": IPV6,
    "IPv6 version 2": {**IPV6, "version": 2},
    "IPv6 auth_hmac": {**IPV6, "auth_hmac": HMAC},
    "unicast": UNICAST,
    "unicast version 3": {**UNICAST, "version": 3},
    "unicast old checksum": {**UNICAST, "version": 3, "unicast_checksum": UnicastChecksum.OLD},
    "unicast AH": {**UNICAST, "auth_type": AuthType.AH, "auth_pass": b"secret12"},
    "unicast auth_hmac": {**UNICAST, "auth_hmac": HMAC},
    "unicast IPv6": {**IPV6, **UNICAST, "check_unicast_src": True},
    "unicast TTL": {**UNICAST, "unicast_ttl": 7, "check_unicast_src": True},
    "VMAC": {"vmac": Vmac()},
    "another group": {"mcast_dst_ip": ip("224.0.0.99")},
}


def start(lan: Lan, name: str, mode: dict[str, object], **more: object) -> Node:
    last = {"A": 1, "B": 2}[name]
    values = {"priority": 150 if name == "A" else 100, **mode, **more}
    interfaces = [interface(mac=f"02000000000{name.lower()}")]
    attachments = {}
    if values.get("unicast"):
        six = values.get("family") == 6
        own, peer = (f"2001:db8:77::{n}" if six else f"192.0.2.{n}" for n in (last, 3 - last))
        values["source_address"] = ip(own)
        limits = (5, 9) if "unicast_ttl" in values else (-1, -1)
        values["unicast_peers"] = (UnicastPeer(address=ip(peer), min_ttl=limits[0], max_ttl=limits[1]),)
    if "vmac" in values:
        interfaces.append(interface("vrrp.51", 7, "00005e000133", parent="eth0"))
        attachments[("VI_1", "eth0", 4)] = "vrrp.51"
    machine = view(
        address(f"192.0.2.{last}/24"),
        address(f"fe80::{last}/64"),
        address(f"2001:db8:77::{last}/64"),
        interfaces=tuple(interfaces),
        attachments=attachments,
    )
    return lan.node(name, config(instance(**values)), machine)


def states(*nodes: Node) -> list[str]:
    return [node.state() for node in nodes]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.keyword("vrrp_instance/unicast_ttl")
@pytest.mark.keyword("vrrp_instance/mcast_dst_ip")
@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_agree_and_hand_over(mode: dict[str, object]) -> None:
    lan = Lan()
    b = start(lan, "B", mode)
    lan.run(5)
    assert states(b) == ["MASTER"]
    a = start(lan, "A", mode)
    lan.run(5)
    assert states(a, b) == ["MASTER", "BACKUP"], "the better one preempts"
    assert a.addresses and not b.addresses
    counters = b.snapshot().counters
    a.receive(inputs.Stop())
    a.alive = False
    lan.run(1)
    assert states(b) == ["MASTER"], "within the skew time"
    assert b.snapshot().counters.pri_zero_rcvd == 1
    refused = [word for word in counters.__dataclass_fields__ if word.startswith(("auth", "invalid")) or "err" in word]
    assert not any(getattr(b.snapshot().counters, word) for word in refused)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_crash(mode: dict[str, object]) -> None:
    lan = Lan()
    a, b = start(lan, "A", mode), start(lan, "B", mode)
    lan.run(6)
    assert states(a, b) == ["MASTER", "BACKUP"]
    lan.kill(a)
    last = max(sent.at for sent in lan.wire)
    lan.run(5)
    first = min(sent.at for sent in lan.wire if sent.node is b)
    interval = b.config.vrrp_instances[0].advert_int_us
    skew = 156 * (1_000_000 if b.config.vrrp_instances[0].version == 2 else interval) // 256
    assert first - last == (3 * interval + skew) * 1000


@pytest.mark.parametrize(
    ("mode", "other"),
    [
        ("PASS", {"auth_pass": b"other"}),
        ("AH", {"auth_pass": b"other"}),
        ("auth_hmac", {"auth_hmac": AuthHmac(keys=(HmacKey(id=7, secret=b"x" * 32),), active_key=7)}),
        ("auth_hmac", {"auth_hmac": None}),
        ("version 2", {"version": 3}),
        ("version 3", {"v3_checksum_as_v2": True}),
        ("version 2", {"auth_type": AuthType.PASS, "auth_pass": b"secret12"}),
    ],
)
def test_strangers_are_not_heard(mode: str, other: dict[str, object]) -> None:
    """Both are MASTER: neither listens to the other, and neither is kept from sending."""
    lan = Lan()
    a = start(lan, "A", MODES[mode])
    b = start(lan, "B", MODES[mode], **other)
    lan.run(10)
    assert states(a, b) == ["MASTER", "MASTER"]
    interval = a.config.vrrp_instances[0].advert_int_us * 1000
    for node in (a, b):
        moments = [sent.at for sent in lan.wire if sent.node is node]
        gaps = {later - earlier for earlier, later in itertools.pairwise(moments)}
        assert gaps == {interval}


def test_unicast_to_several_peers() -> None:
    """One copy for each peer in the order of the file; all carry the same identification, one advert is counted."""
    lan = Lan()
    peers = tuple(UnicastPeer(address=ip(f"192.0.2.{last}")) for last in (4, 2, 3))
    values: dict[str, object] = {
        "version": 3,
        "unicast": True,
        "unicast_peers": peers,
        "auth_hmac": HMAC,
        "v3_checksum_as_v2": True,
    }
    node = lan.node("A", config(instance(**values)), view(address("192.0.2.1/24")))
    lan.run(4.7)
    assert [str(sent.flow.destination) for sent in lan.wire] == ["192.0.2.4", "192.0.2.2", "192.0.2.3"] * 2
    assert [sent.data[4:6].hex() for sent in lan.wire] == ["0001"] * 3 + ["0002"] * 3
    assert len({sent.data[-28:] for sent in lan.wire}) == 2, "one signature serves all peers"
    assert len({sent.data[26:28] for sent in lan.wire}) == 1, "without pseudo header the checksum is the same"
    assert node.snapshot().counters.advert_sent == 2


def test_unicast_without_interface() -> None:
    lan = Lan()
    values: dict[str, object] = {
        "interface": "",
        "vrf": "red",
        "unicast": True,
        "source_address": ip("192.0.2.1"),
        "unicast_peers": (UnicastPeer(address=ip("192.0.2.2")),),
    }
    node = lan.node("A", config(instance(**values)), view(address("192.0.2.1/24")))
    (pool,) = node.pools
    assert (pool.interface, pool.vrf, pool.source) == ("", "red", ip("192.0.2.1"))
    lan.run(4)
    assert node.is_master
    assert lan.wire[0].at == lan.start + 3_609_375_000
    assert lan.since() * SECOND > 0


@pytest.mark.keyword("vrrp_instance/kernel_rx_buf_size")
@pytest.mark.keyword("global_defs/vrrp_rx_bufs_policy")
@pytest.mark.parametrize(
    ("policy", "own", "expected"),
    [("", 0, 0), ("MTU", 0, 9000), ("ADVERT", 0, 240), ("5000", 0, 10000), ("MTU", 700, 1400)],
)
def test_receive_buffers_add_up(policy: str, own: int, expected: int) -> None:
    from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults

    lan = Lan()
    globals_ = GlobalDefs(vrrp_defaults=VrrpDefaults(rx_bufs_policy=policy))
    items = [instance(f"V{vrid}", virtual_router_id=vrid, kernel_rx_buf_size=own) for vrid in (1, 2)]
    node = lan.node("A", config(*items, globals=globals_), view(address("192.0.2.1/24")))
    (pool,) = node.pools
    assert pool.receive_buffer == expected
