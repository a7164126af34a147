"""Address lines: what each word sets, and what each fault does (texts and effects measured with keepalived 2.2.7)."""

from __future__ import annotations

import pytest

from pykeepalived.config.load import LoadResult
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import errors, read
from tests.config_values.blocks import block, word


def address(line: str) -> LoadResult:
    return block("static_ipaddress", line)


def the_address(result: LoadResult) -> IpAddress:
    assert result.config is not None
    (found,) = result.config.static_addresses
    return found


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        pytest.param("10.0.0.5 dev eth1", "interface", "eth1", marks=word("ipaddress", "dev")),
        pytest.param("10.0.0.5/24 dev eth0", "prefix_length", 24, marks=word("ipaddress", "ADDRESS")),
        ("10.0.0.5 dev eth0", "prefix_length", 32),
        ("2001:db8::5 dev eth0", "prefix_length", 128),
        pytest.param("10.0.0.5 dev eth0 scope link", "scope", 253, marks=word("ipaddress", "scope")),
        ("10.0.0.5 dev eth0 scope 0x10", "scope", 16),
        ("2001:db8::5 dev eth0 scope global", "scope", 0),
        pytest.param("10.0.0.5/24 dev eth0 brd +", "broadcast", Ip.parse("10.0.0.255"), marks=word("ipaddress", "brd")),
        ("10.0.0.5/24 dev eth0 broadcast -", "broadcast", Ip.parse("10.0.0.0")),
        pytest.param(
            "10.0.0.5/24 dev eth0 broadcast 10.0.0.7",
            "broadcast",
            Ip.parse("10.0.0.7"),
            marks=word("ipaddress", "broadcast"),
        ),
        pytest.param("10.0.0.5 dev eth0 label eth0:1", "label", "eth0:1", marks=word("ipaddress", "label")),
        pytest.param("10.0.0.5 dev eth0 peer 10.0.0.6", "peer", Ip.parse("10.0.0.6"), marks=word("ipaddress", "peer")),
        pytest.param("10.0.0.5 dev eth0 home", "flags", 0x10, marks=word("ipaddress", "home")),
        pytest.param("10.0.0.5 dev eth0 mngtmpaddr", "flags", 0x100, marks=word("ipaddress", "mngtmpaddr")),
        pytest.param(
            "10.0.0.5 dev eth0 noprefixroute autojoin",
            "flags",
            0x600,
            marks=[word("ipaddress", "noprefixroute"), word("ipaddress", "autojoin")],
        ),
        pytest.param("2001:db8::5 dev eth0 -nodad", "dad", True, marks=word("ipaddress", "-nodad")),
        pytest.param("10.0.0.5 dev eth0 no_track", "no_track", True, marks=word("ipaddress", "no_track")),
        pytest.param(
            "2001:db8::5/64 dev eth0 preferred_lft 9", "preferred_lft", 9, marks=word("ipaddress", "preferred_lft")
        ),
        ("2001:db8::5 dev eth0", "preferred_lft", 0),
        ("2001:db8::5/64 dev eth0", "preferred_lft", None),
        ("2001:db8::5 dev eth0 preferred_lft forever", "preferred_lft", None),
        pytest.param("10.0.0.5 dev eth0 track_group tg", "track_group", "tg", marks=word("ipaddress", "track_group")),
    ],
)
def test_address_word(line: str, attribute: str, value: object) -> None:
    result = address(line)
    assert errors(result) == []
    assert getattr(the_address(result), attribute) == value


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("10.0.0.400", "VRRP parsed invalid IP 10.0.0.400. skipping IP..."),
        ("10.0.0.4 dev", "No dev parameter specified for 10.0.0.4"),
        ("10.0.0.6 dev eth0 dev eth1", "Cannot specify ipaddress device more than once for 10.0.0.6"),
        ("10.0.0.9/24 brd foo dev eth0", "VRRP is trying to assign invalid broadcast foo. skipping VIP..."),
        (
            "10.0.0.12 label abcdefghijklmnopq dev eth0",
            "Address label abcdefghijklmnopq is longer than maximum length 15 - removing address",
        ),
        ("10.0.0.20 dev eth0 scope", "No scope parameter specified for 10.0.0.20"),
        ("10.0.0.21 dev eth0 preferred_lft", "No preferred_lft parameter specified for 10.0.0.21"),
    ],
)
def test_address_dropped(line: str, text: str) -> None:
    result = address(line)
    assert text in [found.message for found in result.findings]
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.static_addresses == ()


@word("ipaddress", "OTHER")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("10.0.0.1/33 dev eth0", "Invalid address prefix len 33 for address 10.0.0.1/33 - using 32"),
        ("10.0.0.7 scope foo dev eth0", "Invalid scope 'foo' specified for 10.0.0.7 - ignoring"),
        ("10.0.0.8 scope 300 dev eth0", "Invalid scope '300' specified for 10.0.0.8 - ignoring"),
        ("fe80::5 scope link dev eth0", "Cannot specify scope for IPv6 addresses (fe80::5) - ignoring scope"),
        ("10.0.0.10/31 brd + dev eth0", "Address prefix length 31 too long for broadcast"),
        ("fe80::3 label abc dev eth0", "Cannot specify label for IPv6 addresses (fe80::3) - ignoring label"),
        ("10.0.0.14 peer fe80::1 dev eth0", "Peer address fe80::1 does not match address family"),
        ("10.0.0.15 peer x dev eth0", "Invalid peer address x"),
        (
            "10.0.0.15/24 peer 10.0.0.1 dev eth0",
            "Cannot specify address prefix when specifying peer address - ignoring",
        ),
        ("10.0.0.16 preferred_lft x dev eth0", "preferred_lft x is invalid"),
        ("10.0.0.17 track_group foo dev eth0", "track_group foo not found"),
        ("10.0.0.18 use_vmac dev eth0", "Unknown configuration entry 'use_vmac' for ip address - ignoring"),
    ],
)
def test_address_kept(line: str, text: str) -> None:
    result = address(line)
    assert [found.message for found in result.findings if found.kind] == [text]
    assert the_address(result).interface == "eth0"


@pytest.mark.keyword("static_ipaddress:use_vmac")
def test_use_vmac_is_for_virtual_addresses() -> None:
    words = "vrrp_instance w {\ninterface eth0\nuse_vmac\nvirtual_router_id 6\n"
    words += "virtual_ipaddress {\n10.0.0.8 dev eth1 use_vmac\n}\n}\n"
    result = read(words)
    assert result.config is not None
    assert result.config.vrrp_instances[0].virtual_addresses[0].use_vmac


def test_unknown_interface_refuses_the_file() -> None:
    result = address("10.0.0.5 dev nosuch")
    assert result.refused
    assert "interface-unknown" in errors(result)
