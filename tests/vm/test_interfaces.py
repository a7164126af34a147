"""Instances on a VLAN, in a VRF, with ipvlan and on dummy interfaces, against Debian's keepalived, in one guest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vm.guest import seen_in_guest

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What interfaces.py saw in the guest."""
    needs = ("linux.uml", "gcc", "insmod", "keepalived")
    return seen_in_guest("interfaces.py", tmp_path_factory.mktemp("share"), needs)


@pytest.mark.keyword("vrrp_instance/vrf")
@pytest.mark.keyword("vrrp_instance/use_ipvlan")
def test_election_and_handover_on_every_kind(seen: dict[str, Any]) -> None:
    assert [seen[step] for step in ("b alone", "a preempts", "b again")] == [True] * 3, seen
    assert seen["status"] == 0


def test_addresses_stand_where_they_should(seen: dict[str, Any]) -> None:
    assert seen["addresses a"] == {
        "198.18.10.100/24": "eth0.10",
        "198.18.10.101/24": "vrrp.12",
        "198.18.1.100/24": "eth1",
        "198.18.1.101/24": "vrrp.14",
        "198.18.1.102/24": "eth1",
        "198.18.2.100/24": "eth2",
        "198.18.3.100/32": "dummy0",
        "198.18.4.101/32": "dummy0",
    }
    assert seen["addresses b"] == {}


def test_links_made(seen: dict[str, Any]) -> None:
    links = seen["links"]
    assert links["vrrp.12"] == {"kind": "macvlan", "parent": "eth0.10", "master": None, "mac": "00:00:5e:00:01:0c"}
    assert links["vrrp.14"] == {"kind": "macvlan", "parent": "eth1", "master": "red", "mac": "00:00:5e:00:01:0e"}
    assert links["vrrp.16"] == {"kind": "ipvlan", "parent": "eth2", "master": None, "mac": "02:00:00:00:02:01"}


def test_alone_in_a_vrf_and_on_a_dummy(seen: dict[str, Any]) -> None:
    """Unicast sockets bound to the VRF; a dummy interface needs multicast switched on."""
    assert seen["alone"], seen
    assert seen["mute"] == "FAULT"
    assert any("interface dummy1 does not support multicast" in line for line in seen["log a"])


def test_stop_leaves_nothing_behind(seen: dict[str, Any]) -> None:
    assert seen["left addresses"] == {}
    assert seen["left links"] == ["dummy0", "dummy1", "eth0", "eth0.10", "eth1", "eth2", "eth3", "lo", "red"]
