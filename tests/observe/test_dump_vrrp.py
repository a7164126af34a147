"""Dumps of the VRRP process against files that keepalived 2.4.3 wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from pykeepalived.observe.dump.json import vrrp_json
from pykeepalived.observe.dump.vrrp import vrrp_data, vrrp_stats
from pykeepalived.observe.snapshot import VrrpSnapshot
from tests.config.support import instance_text, run

from .recorded import CONFIG, SNAPSHOT

DATA = Path(__file__).parent / "data"
OURS_NOT = {" libnftnl version 1.2.4"}
"""Lines about a library that keepalived is built with and we are not."""


def test_data_file_is_keepalived_s():
    recorded = [line for line in (DATA / "keepalived-2.4.3.data").read_text().splitlines() if line not in OURS_NOT]
    assert vrrp_data(CONFIG, SNAPSHOT, UTC).splitlines() == recorded


def test_stats_file_is_keepalived_s():
    assert vrrp_stats(SNAPSHOT) == (DATA / "keepalived-2.4.3.stats").read_text()


@pytest.mark.keyword("global_defs/json_version")
def test_json_file_is_keepalived_s():
    recorded = (DATA / "keepalived-2.4.3.json").read_text()
    assert vrrp_json(CONFIG, SNAPSHOT) == recorded
    first = replace(CONFIG, globals=replace(CONFIG.globals, json_version=1))
    assert json.loads(vrrp_json(first, SNAPSHOT)) == json.loads(recorded)["vrrp"]


def test_no_json_without_instances():
    assert vrrp_json(replace(CONFIG, vrrp_instances=()), SNAPSHOT) == ""


def dumped(text: str) -> list[str]:
    """The lines of a configuration whose processes have just started."""
    loaded = run(text).config
    assert loaded is not None
    return [line.strip() for line in vrrp_data(loaded, VrrpSnapshot()).splitlines()]


def test_lines_as_keepalived_2_2_7_printed_them_for_this_text():
    lines = dumped(
        "global_defs {\nprocess_name P\nvrrp_process_name V\nchecker_process_name C\nbfd_process_name B\n"
        "log_unknown_vrids\nreload_file /r\nvrrp_check_unicast_src\nnotification_email_from a@b\n}\n"
        + instance_text(
            " use_vmac\n unicast_peer {\n 10.255.1.9\n }\n virtual_routes {\n 10.79.0.0/24 dev eth0\n"
            " 10.78.0.0/24 nexthop via 10.255.1.7 weight 1 nexthop via 10.255.1.8\n }\n virtual_rules {\n"
            " from 0.0.0.0/0 iif eth0 table 5 preference 10\n to 10.1.0.0/16 table 5 preference 12\n }\n"
        )
        + "track_group t {\n group {\n A\n }\n}\n"
    )
    for line in (
        "Parent process name = P",
        "VRRP process name = V",
        "LVS process name = C",
        "BFD process name = B",
        "log_unknown_vrids",
        "Reload_file = /r",
        "Email notification from = a@b",
        "Check unicast src : no",
        "prepend 10.79.0.0/24 dev eth0 proto 18",
        "from 0.0.0.0/0 priority 10 tos 0x0 iif eth0 protocol 18 lookup 5",
        "from all to 10.1.0.0/16 priority 12 tos 0x0 protocol 18 lookup 5",
        "Static Track Group = t",
    ):
        assert line in lines, line
    assert [line for line in lines if "nexthop" in line] == [
        "prepend 10.78.0.0/24 proto 18 nexthop via inet 10.255.1.7 weight 1 nexthop via inet 10.255.1.8"
    ]
    assert not [line for line in lines if line.startswith("Smtp server")]


def test_lines_as_keepalived_2_3_4_printed_them_for_this_text():
    lines = dumped(
        "global_defs {\nprocess_names\nvrrp_process_name V\nconfig_save_dir /run/copies\nvmac_prefix vv\n"
        "vrrp_owner_ignore_adverts\n}\n" + instance_text(" version 3\n use_ipvlan iv 10.255.1.8 private\n")
    )
    for line in (
        "Config save dir = /run/copies",
        "VRRP process name = V",
        "LVS process name = keepalived_lvs",
        "BFD process name = keepalived_bfd",
        "VMAC prefix = vv",
        "vrrp_owner_ignore_adverts",
        "Flags:",
        "VRRPv3 uses VRRPv2 checksum = disabled",
        "Use IPVLAN, i/f iv, is_up = true, i/f address = 10.255.1.8, type private",
    ):
        assert line in lines, line
    assert not [line for line in lines if line.startswith("VMAC address prefix")]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", "Flags: none"),
        ("accept", "Flags: none"),
        ("nopreempt", "Flags:"),
        ("dont_track_primary", "Flags:"),
        ("mcast_src_ip 10.255.1.1", "Flags:"),
        ("skip_check_adv_addr", "Flags:"),
        ("promote_secondaries", "Flags:"),
    ],
)
def test_flags_are_none_only_without_words_that_keepalived_keeps_as_bits(words: str, shown: str):
    assert shown in dumped(instance_text(words))
