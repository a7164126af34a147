"""Adverts are byte for byte what keepalived 2.4.3 sent in the recordings, and what it sent is accepted."""

from __future__ import annotations

import pytest

from pykeepalived.vrrp import effects as fx
from pykeepalived.vrrp.auth import AhSequence
from pykeepalived.vrrp.router import Router
from tests.vrrp.lan import SECOND, config
from tests.wire.recording import Frame, read
from tests.wire.setups import COMMON, machine, model

NAMES = sorted(COMMON)


def sent_by(name: str, host: str) -> list[Frame]:
    """Adverts of a host, known by the source address (a VMAC is the same on both)."""
    last = {"A": b"\x01", "B": b"\x02"}[host]
    local = {"A": b"\x0a", "B": b"\x0b"}[host]
    found = []
    for frame in read(name):
        if frame.is_vrrp:
            source = frame.data[26:30] if frame.ethertype == 0x0800 else frame.data[22:38]
            if source[-1:] == last or source[-1:] == local:
                found.append(frame)
    return found


def wall_of(frame: Frame, family: int) -> int:
    """A wall clock time that gives the sequence number in a trailer."""
    trailer = frame.payload[-28:]
    seconds, fraction = int.from_bytes(trailer[4:8], "big"), int.from_bytes(trailer[8:10], "big")
    return seconds * SECOND + -(-fraction * SECOND // 65536)


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def started(name: str, host: str, **more: object) -> tuple[Router, Clock]:
    clock = Clock()
    router = Router(config(model(name, host, **more)), machine(name, host), SECOND, clock)
    return router, clock


def become_master(router: Router) -> None:
    while (deadline := router.exact_deadline()) is not None:
        router.tick(deadline)
        if router.snapshot().instances[0].state.name == "MASTER":
            return


@pytest.mark.parametrize("host", ["A", "B"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.keyword("vrrp_instance/virtual_router_id")
@pytest.mark.keyword("vrrp_instance/version")
@pytest.mark.keyword("vrrp_instance/authentication/auth_type")
@pytest.mark.keyword("vrrp_instance/authentication/auth_pass")
@pytest.mark.keyword("vrrp_instance/auth_hmac")
@pytest.mark.keyword("vrrp_instance/v3_checksum_as_v2")
@pytest.mark.keyword("vrrp_instance/old_unicast_checksum")
@pytest.mark.keyword("vrrp_instance/unicast_peer")
def test_every_advert_of_the_recording_is_ours(name: str, host: str) -> None:
    router, clock = started(name, host)
    router.drain()
    instance = next(iter(router._assembly.instances.values()))
    advertiser = instance.advertiser
    frames = sent_by(name, host)
    assert frames
    for frame in frames:
        payload = frame.payload
        v4 = frame.ethertype == 0x0800
        clock.now = wall_of(frame, 4 if v4 else 6)
        if v4:
            advertiser.identification = int.from_bytes(payload[4:6], "big") - 1
        if instance.uses_ah:
            instance.ah.value = int.from_bytes(payload[28:32], "big") - 1
        start = (44 if instance.uses_ah else 20) if v4 else 40
        if payload[start + 2] == 0:
            advertiser.send_farewell(router._outbox, clock)
        else:
            advertiser.send(router._outbox, clock)
        (sent,) = [effect for effect in router.drain() if isinstance(effect, fx.SendAdverts)]
        ((flow, data),) = sent.packets
        if v4:
            assert data == payload[:10] + b"\0\0" + payload[12:], "IPv4 packet from its header on"
            assert flow.destination == payload[16:20]
        else:
            # the kernel fills the checksum of IPv6 messages
            assert data == payload[40:46] + b"\0\0" + payload[48:], "IPv6 payload"
            assert flow.destination == payload[24:40]
            assert flow.source == payload[8:24]


@pytest.mark.parametrize(
    ("name", "host"),
    # B of v3-unicast-old-checksum does not adapt what it sends, so A refused it; ours adapts (tests/vrrp)
    [(name, host) for name in NAMES for host in "AB" if (name, host) != ("v3-unicast-old-checksum", "A")],
)
def test_every_advert_of_the_recording_is_accepted(name: str, host: str) -> None:
    """The other host's adverts, heard by a BACKUP of lower priority."""
    peer = "B" if host == "A" else "A"
    router, clock = started(name, host, priority=1)
    pools = [effect.pool for effect in router.drain() if isinstance(effect, fx.OpenPool)]
    assert len(pools) == 1
    frames = sent_by(name, peer)
    sequence = 0
    heard = zeros = 0
    for frame in frames:
        payload = frame.payload
        start = 40 if frame.ethertype == 0x86DD else 44 if name.startswith("v2-ah") else 20
        zeros += payload[start + 2] == 0
        clock.now = frame.at
        if name.startswith("v2-ah"):
            number = int.from_bytes(payload[28:32], "big")
            if number <= sequence:
                router._assembly.instances["VI_1"].ah = AhSequence()
                router._assembly.instances["VI_1"].receiver.ah = AhSequence()
            sequence = number
        if frame.ethertype == 0x0800:
            router.hear(pools[0], payload, 2 * SECOND + heard)
        else:
            router.hear(pools[0], payload[40:], 2 * SECOND + heard, payload[8:24], payload[24:40], payload[7])
        heard += 1
    (item,) = router.snapshot().instances
    counters = item.counters
    assert counters.advert_rcvd == heard > 0
    assert counters.pri_zero_rcvd == zeros == (2 if peer == "A" else 0)
    assert counters.addr_list_err == 0
    assert sum(getattr(counters, word) for word in counters.__dataclass_fields__ if word.endswith("err")) == 0
    assert item.master_address == frames[0].payload[12:16] or item.master_address == frames[0].payload[8:24]


def test_first_advert_of_v2_mcast() -> None:
    """The bytes keepalived's users know, written out."""
    router, _ = started("v2-mcast", "A")
    become_master(router)
    (sent,) = [effect for effect in router.drain() if isinstance(effect, fx.SendAdverts)]
    assert sent.packets[0][1].hex() == (
        "45c0002800010000ff700000c0000201e00000122133960100018665c00002640000000000000000"
    )
