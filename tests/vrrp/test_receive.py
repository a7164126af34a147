"""The checks of received adverts: each one alone, its counter, its line, and that they come in keepalived's order."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.globals import VrrpDefaults
from pykeepalived.config.model.vrrp import UnicastChecksum, UnicastPeer
from pykeepalived.vrrp import packet
from tests.vrrp.adverts import AH, GROUP, PASS, PEER, TO_US, UNICAST, advert, hear, moved, node
from tests.vrrp.lan import Lan, address, config, instance, ip, view, vip

# flaw, settings, counters, line


FLAWS: list[tuple[str, dict[str, object], bytes, dict[str, int], str]] = [
    (
        "too long",
        {},
        advert(padding=b"\0" * 4),
        {"packet_len_err": 1},
        "vrrp packet from 192.0.2.2 too long, length 44 and expect 40",
    ),
    (
        "too short",
        {},
        advert()[:-4],
        {"packet_len_err": 1},
        "vrrp packet from 192.0.2.2 too short, length 36 and expect 40",
    ),
    ("ttl", {}, advert(ttl=254), {"ip_ttl_err": 1}, "invalid TTL/HL from 192.0.2.2. Received 254 and expect 255"),
    (
        "version",
        {},
        advert(version=3, addresses=("192.0.2.100", "192.0.2.1", "192.0.2.2")),
        {"vers_err": 1},
        "wrong VRRP version from 192.0.2.2. Received 3 and expect 2",
    ),
    ("auth type", {}, advert(auth_type=3), {"invalid_authtype": 1}, "Invalid auth type from 192.0.2.2: 3"),
    (
        "auth mismatch",
        {},
        advert(auth_type=1, auth_data=b"secret12"),
        {"authtype_mismatch": 1},
        "received a 1 auth from 192.0.2.2, expecting 0!",
    ),
    ("no password", PASS, advert(), {"authtype_mismatch": 1}, "received a 0 auth from 192.0.2.2, expecting 1!"),
    (
        "password",
        PASS,
        advert(auth_type=1, auth_data=b"secret13"),
        {"auth_failure": 1},
        "received an invalid passwd from 192.0.2.2!",
    ),
    (
        "interval",
        {},
        advert(interval_us=2_000_000),
        {"advert_interval_err": 1},
        "advertisement interval mismatch with 192.0.2.2 mine=1 sec rcv'd=2 sec",
    ),
    (
        "type",
        {},
        advert(kind=2),
        {"invalid_type_rcvd": 1},
        "Invalid packet type from 192.0.2.2. 2 and expect 1",
    ),
    (
        "total length",
        {},
        advert(total_length=36),
        {"packet_len_err": 1},
        "ip_tot_len mismatch against received length from 192.0.2.2. 36 and received 40",
    ),
    ("checksum 2", {}, advert(flip=6), {"chk_err": 1}, "Invalid VRRPv2 checksum from 192.0.2.2"),
    ("checksum 3", {"version": 3}, advert(version=3, flip=6), {"chk_err": 1}, "Invalid VRRPv3 checksum from 192.0.2.2"),
    (
        "checksum as version 2",
        {"version": 3, "v3_checksum_as_v2": True},
        advert(version=3),
        {"chk_err": 1},
        "Invalid VRRPv3 checksum from 192.0.2.2",
    ),
    (
        "cast",
        {},
        advert(destination=TO_US),
        {"addr_list_err": 1},
        "Expected multicast packet but received unicast packet from 192.0.2.2",
    ),
    (
        "cast of a unicast instance",
        UNICAST,
        advert(),
        {"addr_list_err": 1},
        "Expected unicast packet but received multicast packet from 192.0.2.2",
    ),
    (
        "ttl range",
        {**UNICAST, "check_unicast_src": True},
        advert(destination=TO_US, ttl=99),
        {"advert_rcvd": 1, "ip_ttl_err": 1},
        "TTL/HL 99 from 192.0.2.2 not in range [100, 200]",
    ),
    (
        "no peer",
        {**UNICAST, "check_unicast_src": True},
        advert(destination=TO_US, source=ip("192.0.2.3"), ttl=150),
        {"advert_rcvd": 1},
        "unicast source address 192.0.2.3 not a unicast peer",
    ),
    (
        "AH unexpected",
        {},
        advert(auth_type=2, ah=(b"secret12", 1)),
        {"authtype_mismatch": 1},
        "Received AH header but auth type not AH from 192.0.2.2",
    ),
    ("no AH", AH, advert(), {"authtype_mismatch": 1}, "No AH header but auth type is AH from 192.0.2.2"),
    (
        "AH key",
        AH,
        advert(auth_type=2, ah=(b"secret13", 1)),
        {"auth_failure": 1},
        "IPSEC-AH : invalid IPSEC HMAC-MD5 value. Due to fields mutation or bad password !",
    ),
    (
        "AH SPI",
        AH,
        advert(auth_type=2, ah=(b"secret12", 1), spi=7),
        {"auth_failure": 1},
        f"IPSEC-AH : invalid IPSEC SPI value. 7 and expect {int.from_bytes(PEER, 'big')}",
    ),
    (
        "AH sequence",
        AH,
        advert(auth_type=2, ah=(b"secret12", 0)),
        {"auth_failure": 1},
        "IPSEC-AH : sequence number 0 already processed. Packet dropped. Local(0)",
    ),
]


@pytest.mark.parametrize(
    ("settings", "data", "counters", "line"), [flaw[1:] for flaw in FLAWS], ids=[f[0] for f in FLAWS]
)
@pytest.mark.keyword("vrrp_instance/check_unicast_src")
def test_flaw(settings: dict[str, object], data: bytes, counters: dict[str, int], line: str) -> None:
    """The advert changes a counter, is logged once, and moves no timer."""
    lan = Lan()
    host = node(lan, priority=100, **settings)
    before = host.snapshot()
    lan.run(1)
    hear(host, data)
    hear(host, data)
    after = host.snapshot()
    assert moved(after.counters, before.counters) == {name: 2 * count for name, count in counters.items()}
    limited = not line.startswith("IPSEC-AH")
    assert host.log().count(f"(VI_1) {line}") == (1 if limited else 2)
    assert after.timer_expires_ns == before.timer_expires_ns
    assert after.master_address is None


GOOD: list[tuple[str, dict[str, object], bytes]] = [
    ("version 2", {}, advert()),
    ("hardware padding", {}, advert(padding=b"\0" * 6)),
    ("password", PASS, advert(auth_type=1, auth_data=b"secret12")),
    ("AH", AH, advert(auth_type=2, ah=(b"secret12", 5))),
    ("AH unicast", {**AH, **UNICAST}, advert(auth_type=2, ah=(b"secret12", 5), destination=TO_US, unicast=True)),
    ("version 3", {"version": 3}, advert(version=3)),
    ("checksum as version 2", {"version": 3, "v3_checksum_as_v2": True}, advert(version=3, pseudo=b"")),
    ("unicast with any TTL", UNICAST, advert(destination=TO_US, ttl=1)),
    ("peer in its TTL range", {**UNICAST, "check_unicast_src": True}, advert(destination=TO_US, ttl=100)),
    (
        "old checksum",
        {**UNICAST, "version": 3, "unicast_checksum": UnicastChecksum.OLD},
        advert(version=3, destination=TO_US, pseudo=packet.pseudo_header(PEER, GROUP, 12)),
    ),
]


@pytest.mark.parametrize(("settings", "data"), [item[1:] for item in GOOD], ids=[item[0] for item in GOOD])
def test_good(settings: dict[str, object], data: bytes) -> None:
    lan = Lan()
    host = node(lan, priority=100, **settings)
    before = host.snapshot().counters
    lan.run(1)
    hear(host, data)
    after = host.snapshot()
    assert moved(after.counters, before) == {"advert_rcvd": 1}
    assert after.timer_expires_ns == lan.now + 3_609_375_000
    assert after.master_address == PEER


def test_checks_come_in_order() -> None:
    """An advert with every flaw at once is refused for the first; mending them one by one shows the next."""
    flaws: dict[str, object] = {
        "padding": b"\0" * 4,
        "ttl": 1,
        "version": 3,
        "auth_type": 9,
        "interval_us": 7_000_000,
        "kind": 5,
        "total_length": 39,
        "flip": 6,
        "destination": TO_US,
    }
    # version 3 has no authentication data: two more addresses give the same length
    expected = [
        "packet_len_err",
        "ip_ttl_err",
        "vers_err",
        "invalid_authtype",
        "advert_interval_err",
        "invalid_type_rcvd",
        "packet_len_err",
        "chk_err",
        "addr_list_err",
    ]
    seen = []
    for _ in range(len(flaws)):
        lan = Lan()
        host = node(lan, priority=100)
        values = dict(flaws)
        if "version" in values:
            values["addresses"] = ("192.0.2.100", "192.0.2.101", "192.0.2.102")
        before = host.snapshot().counters
        hear(host, advert(**values))  # type: ignore[arg-type]
        (counter,) = moved(host.snapshot().counters, before)
        seen.append(counter)
        del flaws[next(iter(flaws))]
    assert seen == expected


# accepted with a remark


@pytest.mark.keyword("vrrp_instance/skip_check_adv_addr")
def test_other_addresses_are_counted_and_accepted() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert(addresses=("192.0.2.99",)))
    hear(host, advert(addresses=("192.0.2.99",)))
    counters = host.snapshot().counters
    assert (counters.addr_list_err, counters.advert_rcvd) == (2, 2)
    line = "(VI_1) ip address associated with VRID 51 not present in advert from 192.0.2.2: 192.0.2.100"
    # once before and once after the sender became the master: a new master starts the limits anew
    assert host.log().count(line) == 2
    assert host.snapshot().master_address == PEER


def test_skip_check_of_a_known_master() -> None:
    lan = Lan()
    host = node(lan, priority=100, skip_check_adv_addr=True)
    for _ in range(3):
        hear(host, advert(addresses=("192.0.2.99",)))
    assert host.snapshot().counters.addr_list_err == 1


def test_other_number_of_addresses_is_counted_and_accepted() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert(addresses=("192.0.2.100", "192.0.2.101")))
    counters = host.snapshot().counters
    assert (counters.addr_list_err, counters.advert_rcvd) == (1, 1)
    assert "(VI_1) expected 1 VIPs but received 2" in host.log()


def test_version_3_interval_mismatch_is_accepted() -> None:
    lan = Lan()
    host = node(lan, priority=100, version=3)
    hear(host, advert(version=3, interval_us=250_000))
    line = "(VI_1) advertisement interval mismatch ours = 100 centi-sec rcv'd=25 centi-sec"
    assert line in host.log()
    assert host.snapshot().master_advert_int_us == 250_000


# old_unicast_checksum


@pytest.mark.keyword("vrrp_instance/old_unicast_checksum")
def test_old_checksum_is_detected_and_spoken() -> None:
    """After the first old advert our own take the old form too, so that the old peer understands us."""
    lan = Lan()
    settings = {**UNICAST, "version": 3, "priority": 100}
    host = node(lan, **settings)
    old = advert(version=3, destination=TO_US, pseudo=packet.pseudo_header(PEER, GROUP, 12))
    hear(host, old)
    assert host.snapshot().counters.advert_rcvd == 1
    assert "(VI_1) Setting unicast VRRPv3 checksum to old version" in host.log()
    lan.run(4)
    sent = lan.wire[-1]
    message = sent.data[20:]
    assert packet.checksum_is_valid(message, packet.pseudo_header(TO_US, GROUP, 12))
    assert not packet.checksum_is_valid(message, packet.pseudo_header(TO_US, PEER, 12))


def test_old_checksum_never() -> None:
    lan = Lan()
    host = node(lan, **UNICAST, version=3, unicast_checksum=UnicastChecksum.NEVER)
    hear(host, advert(version=3, destination=TO_US, pseudo=packet.pseudo_header(PEER, GROUP, 12)))
    assert host.snapshot().counters.chk_err == 1


# which instance


@pytest.mark.keyword("global_defs/log_unknown_vrids")
@pytest.mark.parametrize("told", [False, True])
def test_unknown_vrid(told: bool) -> None:
    lan = Lan()
    host = node(lan, VrrpDefaults(log_unknown_vrids=told))
    hear(host, advert(vrid=9))
    assert ("Unknown VRID(9) received on interface(eth0). ignoring..." in host.log()) is told
    assert host.snapshot().counters.advert_rcvd == 0
    assert host.snapshot().counters.vrid_err == 1


def test_same_vrid_with_different_peers() -> None:
    """Two unicast instances of one VRID on one address: the one that has the sender as peer hears it."""
    lan = Lan()
    first = instance("VI_1", **UNICAST)
    other = (UnicastPeer(address=ip("192.0.2.3")),)
    second = instance("VI_2", unicast=True, source_address=TO_US, unicast_peers=other)
    host = lan.node("A", config(first, second), view(address("192.0.2.1/24")))
    assert len(host.pools) == 1
    hear(host, advert(destination=TO_US, source=ip("192.0.2.3")))
    assert host.snapshot("VI_1").counters.advert_rcvd == 0
    assert host.snapshot("VI_2").counters.advert_rcvd == 1
    hear(host, advert(destination=TO_US, source=ip("192.0.2.4")))
    assert host.snapshot("VI_2").counters.advert_rcvd == 1


def test_fault_hears_nothing() -> None:
    lan = Lan()
    host = node(lan, config_fault="no reason")
    hear(host, advert())
    assert host.state() == "FAULT"
    assert host.snapshot().counters.advert_rcvd == 0


@pytest.mark.parametrize("data", [b"", b"\x45", b"\x45" * 20, b"\x45" + b"\0" * 26, b"\x4f" + b"\0" * 40])
def test_scraps_are_ignored(data: bytes) -> None:
    lan = Lan()
    host = node(lan)
    hear(host, data)
    assert host.state() == "BACKUP"


def test_ipv6_cast_must_fit() -> None:
    lan = Lan()
    values = {"family": 6, "version": 3, "mcast_dst_ip": ip("ff02::12"), "virtual_addresses": (vip("fe80::100"),)}
    host = node(lan, **values)
    message = bytes(
        packet.encode(version=3, vrid=51, priority=150, interval_us=1_000_000, addresses=[ip("fe80::100")], family=6)
    )
    host.router.hear(host.pools[0], message, lan.now, ip("fe80::b"), ip("fe80::a"), 255)
    assert host.snapshot().counters.advert_rcvd == 0
    host.router.hear(host.pools[0], message, lan.now, ip("fe80::b"), ip("ff02::12"), 255)
    assert host.snapshot().counters.advert_rcvd == 1
    host.router.hear(host.pools[0], message, lan.now, ip("fe80::c"), ip("ff02::12"), 64)
    assert host.snapshot().counters.ip_ttl_err == 1
    host.perform()
    assert "(VI_1) discarding unicast packet on multicast instance" in host.log()


# the repeat fast path


def test_repetition_is_heard_without_a_look() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    data = bytearray(advert())
    hear(host, bytes(data))
    (item,) = host.router._assembly.instances.values()
    # with the checks gone only the fast path is left
    del item.receiver
    for count in range(1, 6):
        lan.run(1)
        data[4:6] = count.to_bytes(2, "big")
        data[10:12] = (count * 7).to_bytes(2, "big")
        hear(host, bytes(data))
    assert item.counters.advert_rcvd == 6
    assert item.timer.when == lan.now + 3_609_375_000
    assert len(host.router._assembly.pools.states[host.pools[0]].repeats.known) == 1


@pytest.mark.parametrize("place", [8, *range(20, 40)])
def test_any_difference_is_looked_at(place: int) -> None:
    """TTL and every byte of the message belong to what must be the same."""
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert())
    before = host.snapshot()
    data = bytearray(advert())
    data[place] ^= 1
    lan.run(1)
    hear(host, bytes(data))
    assert host.snapshot().timer_expires_ns == before.timer_expires_ns


def test_another_sender_is_looked_at() -> None:
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert())
    hear(host, advert(source=ip("192.0.2.3")))
    assert host.snapshot().master_address == ip("192.0.2.3")
    assert "(VI_1) master changed from 192.0.2.2 to 192.0.2.3" in host.log()


def test_nothing_is_repeated_with_sequence_numbers() -> None:
    lan = Lan()
    host = node(lan, priority=100, **AH)
    data = advert(auth_type=2, ah=(b"secret12", 5))
    hear(host, data)
    hear(host, data)
    counters = host.snapshot().counters
    assert (counters.advert_rcvd, counters.auth_failure) == (1, 1)


def test_repetition_ends_with_the_state() -> None:
    """What kept a BACKUP quiet is looked at again after it became MASTER."""
    lan = Lan()
    host = node(lan, priority=100)
    hear(host, advert())
    lan.run(4)
    assert host.is_master
    hear(host, advert())
    assert not host.is_master
    assert "(VI_1) Master received advert from 192.0.2.2 with higher priority 150, ours 100" in host.log()
