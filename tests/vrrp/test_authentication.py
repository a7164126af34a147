"""AH and auth_hmac on received adverts: sequence numbers, keys, windows, replays; and secrets that stay secret."""

from __future__ import annotations

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import AuthHmac, HmacKey, State, UnicastPeer
from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp.auth import HmacSigner
from tests.vrrp.adverts import AH, HMAC, KEY, PASS, PEER, TO_US, UNICAST, advert, hear, moved, node
from tests.vrrp.lan import SECOND, WALL_START, Lan, Node, address, config, instance, ip, view

# AH


@pytest.mark.keyword("vrrp_instance/authentication/auth_type")
def test_ah_sequence_is_shared_by_sending_and_receiving() -> None:
    """A new master goes on above its predecessor; a rejected advert does not move the counter."""
    lan = Lan()
    host = node(lan, priority=100, **AH)
    hear(host, advert(auth_type=2, ah=(b"secret12", 40)))
    bad = advert(auth_type=2, ah=(b"secret12", 90), interval_us=2_000_000)
    hear(host, bad)
    lan.run(4)
    assert host.is_master
    assert int.from_bytes(lan.wire[0].data[28:32], "big") == 41
    hear(host, advert(auth_type=2, ah=(b"secret12", 60), priority=50))
    assert "(VI_1) IPSEC-AH : Syncing seq_num - Increment seq" in host.log()
    assert int.from_bytes(lan.wire[-1].data[28:32], "big") == 62


def test_ah_sequence_that_has_run_out() -> None:
    from pykeepalived.vrrp.auth import AH_SEQUENCE_LIMIT, AhSequence

    sequence = AhSequence()
    assert sequence.advance() == 1
    sequence.value = AH_SEQUENCE_LIMIT
    assert sequence.advance() == AH_SEQUENCE_LIMIT + 1
    assert not sequence.cycle
    assert sequence.advance() == AH_SEQUENCE_LIMIT + 1
    assert sequence.cycle
    sequence.become_master()
    assert sequence.advance() == 1


# auth_hmac


def signed(
    wall: int, key: HmacKey = KEY, source: Ip = PEER, signer: HmacSigner | None = None, **values: object
) -> bytes:
    bare = advert(source=source, **values)  # type: ignore[arg-type]
    maker = signer or HmacSigner(AuthHmac(keys=(key,), active_key=key.id))
    trailer = maker.trailer(4, source, bare[20:], wall)
    return advert(source=source, trailer=trailer, **values)  # type: ignore[arg-type]


def hmac_node(lan: Lan, **changes: object) -> Node:
    values: dict[str, object] = {"keys": HMAC.keys, "active_key": 1, **changes}
    return node(lan, priority=100, auth_hmac=AuthHmac(**values))  # type: ignore[arg-type]


@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/active_key")
def test_hmac_accepts_every_key_it_has() -> None:
    lan = Lan()
    host = hmac_node(lan)
    hear(host, signed(WALL_START))
    hear(host, signed(WALL_START + SECOND, HMAC.keys[1]))
    assert host.snapshot().counters.advert_rcvd == 2


@pytest.mark.parametrize(
    ("data", "counter", "line"),
    [
        (advert(), "auth_ext_missing", "missing authentication trailer from 192.0.2.2"),
        (
            signed(WALL_START - 6 * SECOND),
            "auth_ext_stale",
            "stale authentication trailer from 192.0.2.2, clock skew -6 sec exceeds window 5 sec",
        ),
        (
            signed(WALL_START + 6 * SECOND),
            "auth_ext_stale",
            "stale authentication trailer from 192.0.2.2, clock skew 6 sec exceeds window 5 sec",
        ),
        (
            signed(WALL_START, HmacKey(id=9, secret=KEY.secret)),
            "auth_ext_unknown_key",
            "unknown authentication key id 9 from 192.0.2.2",
        ),
        (
            signed(WALL_START, HmacKey(id=1, secret=bytes(32))),
            "auth_ext_invalid_hmac",
            "invalid authentication HMAC from 192.0.2.2",
        ),
        (
            advert(trailer=b"\x02" + bytes(27)),
            "auth_ext_malformed",
            "malformed authentication trailer from 192.0.2.2",
        ),
        (
            advert(trailer=b"\x01\x01\x00\x01" + bytes(24)),
            "auth_ext_malformed",
            "malformed authentication trailer from 192.0.2.2",
        ),
    ],
)
@pytest.mark.keyword("vrrp_instance/auth_hmac/time_window")
def test_hmac_refuses(data: bytes, counter: str, line: str) -> None:
    lan = Lan()
    host = hmac_node(lan)
    before = host.snapshot().counters
    hear(host, data)
    hear(host, data)
    assert moved(host.snapshot().counters, before) == {counter: 2}
    assert host.log().count(f"(VI_1) {line}") == 1


@pytest.mark.parametrize("place", range(20, 68))
def test_hmac_covers_the_message(place: int) -> None:
    """Every byte of message and trailer, except the checksum (which the IPv4 checksum covers)."""
    lan = Lan()
    host = hmac_node(lan)
    data = bytearray(signed(WALL_START))
    assert len(data) == 68
    data[place] ^= 1
    hear(host, bytes(data))
    assert host.snapshot().counters.advert_rcvd == 0


@pytest.mark.keyword("vrrp_instance/auth_hmac/anti_replay")
def test_hmac_refuses_replays() -> None:
    lan = Lan()
    host = hmac_node(lan)
    first, second = signed(WALL_START), signed(WALL_START + SECOND // 2)
    hear(host, second)
    hear(host, first)
    hear(host, second)
    counters = host.snapshot().counters
    assert (counters.advert_rcvd, counters.auth_ext_replay) == (1, 2)
    hear(host, signed(WALL_START, source=ip("192.0.2.3")))
    assert host.snapshot().counters.advert_rcvd == 2, "each sender has its own record"


def test_hmac_monotonic_has_no_window() -> None:
    lan = Lan()
    host = hmac_node(lan, anti_replay="monotonic")
    hear(host, signed(WALL_START - 1000 * SECOND))
    lan.run(100)
    hear(host, signed(WALL_START - 2000 * SECOND))
    counters = host.snapshot().counters
    assert (counters.advert_rcvd, counters.auth_ext_replay) == (1, 1)


def test_hmac_time_forgets_old_records() -> None:
    """A sender whose clock was set back is heard again when its record has left the window."""
    lan = Lan()
    host = hmac_node(lan)
    hear(host, signed(WALL_START + 4 * SECOND))
    lan.run(8)
    hear(host, signed(lan.wall() - 4 * SECOND - SECOND // 2))
    assert (host.snapshot().counters.advert_rcvd, host.snapshot().counters.auth_ext_replay) == (1, 1)
    lan.run(2)
    hear(host, signed(lan.wall() - SECOND))
    assert (host.snapshot().counters.advert_rcvd, host.snapshot().counters.auth_ext_replay) == (2, 1)


def test_hmac_remembers_four_senders() -> None:
    lan = Lan()
    host = hmac_node(lan)
    packets = [signed(WALL_START, source=ip(f"192.0.2.{last}")) for last in range(2, 7)]
    for data in packets:
        hear(host, data)
    # the first sender has been forgotten, the last four have not
    for data in reversed(packets):
        hear(host, data)
    counters = host.snapshot().counters
    assert (counters.advert_rcvd, counters.auth_ext_replay) == (6, 4)


@pytest.mark.parametrize(
    ("mode", "accepted", "signs"), [("enforce", 0, True), ("permissive", 1, True), ("receive-only", 1, False)]
)
@pytest.mark.keyword("vrrp_instance/auth_hmac/mode")
def test_hmac_modes(mode: str, accepted: int, signs: bool) -> None:
    lan = Lan()
    host = hmac_node(lan, mode=mode)
    hear(host, advert())
    assert host.snapshot().counters.advert_rcvd == accepted
    hear(host, signed(WALL_START, HmacKey(id=1, secret=bytes(32))))
    assert host.snapshot().counters.auth_ext_invalid_hmac == 1, "a wrong signature is refused in every mode"
    lan.run(4)
    assert len(lan.wire[0].data) == (68 if signs else 40)


def test_hmac_unicast_knows_its_peers() -> None:
    lan = Lan()
    values = {**UNICAST, "auth_hmac": HMAC}
    host = node(lan, priority=100, **values)
    hear(host, signed(WALL_START, source=ip("192.0.2.9"), destination=TO_US))
    assert host.snapshot().counters.advert_rcvd == 0
    hear(host, signed(WALL_START, destination=TO_US))
    assert host.snapshot().counters.advert_rcvd == 1


def test_hmac_sequence_never_goes_back() -> None:
    signer = HmacSigner(HMAC)
    message = advert()[20:]

    def sequence(wall: int) -> int:
        return int.from_bytes(signer.trailer(4, PEER, message, wall)[4:12], "big")

    first = sequence(WALL_START)
    assert first == WALL_START // SECOND << 32
    assert sequence(WALL_START) == first + 1
    assert sequence(WALL_START - SECOND) == first + 2, "a clock that goes back a little"
    assert sequence(WALL_START + SECOND // 2) == first + (1 << 31)
    assert sequence(WALL_START - 100 * SECOND) == (WALL_START // SECOND - 100) << 32, "set back beyond the window"


def test_secrets_are_in_no_text() -> None:
    host = node(Lan(), priority=100, auth_hmac=HMAC)
    text = repr(host.config) + repr(host.history) + repr(host.snapshot())
    assert repr(KEY.secret) not in text
    host = node(Lan(), priority=100, **PASS)
    hear(host, advert(auth_type=1, auth_data=b"secret12"))
    assert "secret12" not in repr(host.config) + repr(host.history) + repr(host.snapshot())
    assert host.state() == State.BACKUP.value


def test_pools_are_per_protocol_and_group() -> None:
    lan = Lan()
    instances = (
        instance("V1", virtual_router_id=1),
        instance("V2", virtual_router_id=2),
        instance("V3", virtual_router_id=3, **AH),
        instance("V4", virtual_router_id=4, mcast_dst_ip=ip("224.0.0.99")),
        instance("V5", virtual_router_id=5, interface="eth1"),
        instance("V6", virtual_router_id=6, unicast=True, unicast_peers=(UnicastPeer(address=PEER),)),
    )
    from tests.vrrp.lan import interface

    machine = view(
        address("192.0.2.1/24"), address("198.51.100.1/24", "eth1"), interfaces=(interface(), interface("eth1", 3))
    )
    host = lan.node("A", config(*instances), machine)
    assert len(host.pools) == 5
    assert [(pool.protocol, pool.interface, str(pool.group), str(pool.source)) for pool in host.pools] == [
        (112, "eth0", "224.0.0.18", "None"),
        (51, "eth0", "224.0.0.18", "None"),
        (112, "eth0", "224.0.0.99", "None"),
        (112, "eth1", "224.0.0.18", "None"),
        (112, "eth0", "None", "192.0.2.1"),
    ]
    assert all(isinstance(effect, fx.OpenPool) for _, effect in host.effects(fx.OpenPool))
