"""Further ways of speaking VRRP: a pair of one of ours and one of the C daemon, or of two of ours where the C daemon of
the distribution does not know the word. A shorter conversation than test_mixed_pair's: election, peace, handover."""

from __future__ import annotations

import pytest

from pykeepalived.lab.node import OURS
from tests.interop.conftest import MakePair, Pair
from tests.interop.test_mixed_pair import IP6, V2, V3, VIP4, VIP6, Mode, holds, only_master

pytestmark = [pytest.mark.netns, pytest.mark.interop, pytest.mark.timeout(180)]

Programs = tuple[tuple[str, ...], tuple[str, ...]]
PEERS = ("192.0.2.1", "192.0.2.2")
SIGNED = """auth_hmac {
    key 1 hex 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
    active_key 1
    anti_replay %s
  }"""


def word(path: str) -> pytest.MarkDecorator:
    return pytest.mark.keyword(f"vrrp_instance/{path}")


MODES = [
    pytest.param(Mode("v3-ipv6-vmac", f"{V3}\n  use_vmac", IP6), marks=word("use_vmac"), id="v3-ipv6-vmac"),
    pytest.param(
        Mode("v3-xmit-base", f"{V3}\n  use_vmac\n  vmac_xmit_base"), marks=word("vmac_xmit_base"), id="xmit-base"
    ),
    pytest.param(
        Mode("v3-ipv6-xmit-base", f"{V3}\n  use_vmac\n  vmac_xmit_base", IP6),
        marks=word("vmac_xmit_base"),
        id="ipv6-xmit-base",
    ),
    pytest.param(Mode("group", f"{V3}\n  mcast_dst_ip 224.0.0.77"), marks=word("mcast_dst_ip"), id="mcast-dst-ip"),
    pytest.param(Mode("strict", f"{V3}\n  strict_mode on"), marks=word("strict_mode"), id="strict"),
    pytest.param(Mode("strict-v2", f"{V2}\n  strict_mode on"), marks=word("strict_mode"), id="strict-v2"),
    pytest.param(
        Mode("old-sum", f"{V3}\n  old_unicast_checksum", unicast=PEERS),
        marks=word("old_unicast_checksum"),
        id="old-unicast-checksum",
    ),
    pytest.param(
        Mode("ttl", f"{V3}\n  unicast_ttl 20\n  check_unicast_src", unicast=PEERS),
        marks=[word("unicast_ttl"), word("check_unicast_src")],
        id="unicast-ttl",
    ),
    pytest.param(
        Mode("down", f"{V3}\n  down_timer_adverts 5"), marks=word("down_timer_adverts"), id="down-timer-adverts"
    ),
]
OWN_MODES = [
    pytest.param(Mode("sum", f"{V3}\n  v3_checksum_as_v2"), marks=word("v3_checksum_as_v2"), id="v3-checksum-as-v2"),
    pytest.param(Mode("hmac", f"{V3}\n  {SIGNED % 'monotonic'}"), marks=word("auth_hmac"), id="hmac-monotonic"),
    pytest.param(Mode("hmac", f"{V3}\n  {SIGNED % 'time'}"), marks=word("auth_hmac"), id="hmac-time"),
    pytest.param(Mode("hmac", f"{V3}\n  {SIGNED % 'time'}", IP6), marks=word("auth_hmac"), id="hmac-ipv6"),
]


def converse(pair: Pair, vip: str) -> None:
    """Election, peace, orderly handover: the VIP is where the master is, and nothing is left."""
    a, b = pair.a, pair.b
    a.start()
    b.start()
    assert pair.wait(lambda: only_master(pair, a, vip)), f"a was not elected\n{pair.log()}"
    assert pair.wait(lambda: b.states.get("VI_1") == "BACKUP"), pair.log()
    pair.pause(1.2)
    assert only_master(pair, a, vip), f"the election did not last\n{pair.log()}"
    assert a.stop() == 0
    assert pair.wait(lambda: only_master(pair, b, vip)), f"no orderly handover\n{pair.log()}"
    assert b.said("Backup received priority 0 advertisement"), pair.log()
    assert b.stop() == 0
    assert not holds(a, vip)
    assert not holds(b, vip)


@pytest.mark.parametrize("mode", MODES)
def test_with_the_c_daemon(mode: Mode, make_pair: MakePair, programs: Programs) -> None:
    converse(make_pair(mode.config("a", 150), mode.config("b", 100), *programs), mode.vip)


@pytest.mark.parametrize("mode", OWN_MODES)
def test_among_ours(mode: Mode, make_pair: MakePair) -> None:
    converse(make_pair(mode.config("a", 150), mode.config("b", 100), OURS, OURS), mode.vip)


@word("old_unicast_checksum")
def test_old_unicast_checksum_is_detected(make_pair: MakePair, programs: Programs) -> None:
    """The master speaks the old way, the backup was told nothing: it finds out, and its own adverts are understood."""
    old = Mode("old", f"{V3}\n  old_unicast_checksum", unicast=PEERS)
    new = Mode("new", V3, unicast=PEERS)
    pair = make_pair(old.config("a", 150), new.config("b", 100), *programs)
    converse(pair, VIP4)
    if programs[1] == OURS:
        assert pair.b.said("Setting unicast VRRPv3 checksum to old version"), pair.log()


@word("unicast_peer")
def test_ttl_out_of_range_is_not_heard(make_pair: MakePair, programs: Programs) -> None:
    """b wants to hear a with a TTL of at least 100 and is deaf to 20: both become master."""
    near = Mode("near", f"{V3}\n  unicast_ttl 20\n  check_unicast_src", unicast=PEERS)
    far = near.config("b", 100).replace("192.0.2.1\n", "192.0.2.1 min_ttl 100 max_ttl 255\n")
    pair = make_pair(near.config("a", 150), far, *programs)
    pair.a.start()
    assert pair.wait(lambda: pair.masters() == ["a"]), pair.log()
    pair.b.start()
    assert pair.wait(lambda: pair.masters() == ["a", "b"]), pair.log()
    assert pair.b.said("TTL"), pair.log()


@pytest.mark.keyword("vrrp_sync_group/group")
def test_sync_group_of_both_families_and_a_vmac(make_pair: MakePair, programs: Programs) -> None:
    def config(host: str, priority: int) -> str:
        four = Mode("v4", V3).config(host, priority)
        six = Mode("v6", V3, IP6).config(host, priority).replace("VI_1", "VI_6")
        mac = Mode("mac", f"{V3}\n  use_vmac", ("192.0.2.101/32",)).config(host, priority).replace("VI_1", "VI_M")
        mac = mac.replace("virtual_router_id 51", "virtual_router_id 53")
        return f"vrrp_sync_group G {{\n  group {{\n    VI_1\n    VI_6\n    VI_M\n  }}\n}}\n{four}{six}{mac}"

    pair = make_pair(config("a", 150), config("b", 100), *programs)
    names = ("VI_1", "VI_6", "VI_M")
    pair.a.start()
    pair.b.start()

    def all_on(name: str) -> bool:
        there, here = (pair.a, pair.b) if name == "b" else (pair.b, pair.a)
        return all(here.states.get(each) == "MASTER" for each in names) and "MASTER" not in there.states.values()

    assert pair.wait(lambda: all_on("a") and len(pair.b.states) == 3), pair.log()
    pair.a.namespace.carrier("eth0", False)
    assert pair.wait(lambda: all_on("b") and set(pair.a.states.values()) == {"FAULT"}), pair.log()
    pair.a.namespace.carrier("eth0", True)
    assert pair.wait(lambda: all_on("a")), pair.log()
    assert pair.a.stop() == 0
    assert pair.wait(lambda: all_on("b")), pair.log()
    assert all(holds(pair.b, address) for address in (VIP4, VIP6, "192.0.2.101"))
