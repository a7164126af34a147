"""Cross-field rules of VRRP: each has a case that shows its effect and the finding it makes (or that it is silent)."""

from __future__ import annotations

from typing import Any

import pytest

from pykeepalived.config.findings import Finding, FindingClass
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.model.values import Ip
from pykeepalived.config.rules.instance import INSTANCE_RULES
from tests.config.support import VIP, codes, config, counted, instance_text, noted, run, with_interfaces
from tests.config.test_globals import value_at

PEER = "unicast_src_ip 10.255.1.1\nunicast_peer {\n10.255.1.2\n}\n"
VIP6 = " virtual_ipaddress {\n fe80::5\n }\n"
AUTH = "authentication {\n auth_type %s\n auth_pass x\n}\n"
HMAC = f"auth_hmac {{\n key 1 {'k' * 32}\n active_key 1\n%s}}\n"
STRICT = "strict_mode\n"
SECURE = "global_defs {\n enable_script_security\n script_user root\n}\n"
OBJECTS = (
    SECURE + "vrrp_script S {\n script /opt/good\n}\ntrack_file F {\n file /run/f\n}\n"
    "vrrp_track_process P {\n process a\n}\nbfd_instance N {\n neighbor_ip 10.0.0.2\n}\n"
)
GROUP = "vrrp_sync_group G {\n group {\n A\n B\n }\n%s}\n"
B = instance_text("", name="B").replace("_id 51", "_id 52")
NO_VIP = ""

# rule, lines of the instance, codes of the findings that count, attribute and its value afterwards, more
CASES: list[tuple[str, str, list[str], str, Any, dict[str, Any]]] = [
    ("strict_mode_default", "", [], "strict_mode", True, {"before": "global_defs {\n vrrp_strict\n}\n"}),
    ("strict_ipv6_version", "version 2\n" + STRICT, ["strict-version"], "version", 3, {"vip": VIP6}),
    ("ipv6_version", "", [], "version", 3, {"vip": VIP6}),
    ("default_family", "no_virtual_ipaddress", [], "family", 4, {"vip": NO_VIP}),
    ("default_version", "", [], "version", 2, {}),
    ("default_ttl", "", [], "unicast_ttl", 255, {}),
    ("default_ttl", "", [], "unicast_ttl", None, {"vip": VIP6}),
    ("default_priority", "state MASTER", [], "priority", 255, {}),
    ("default_priority", "", [], "priority", 100, {}),
    ("default_state", "priority 255", [], "state", "MASTER", {}),
    ("default_state", "", [], "state", "BACKUP", {}),
    ("strict_state", STRICT + "state MASTER\npriority 9", ["strict-state"], "state", "BACKUP", {}),
    ("strict_state", STRICT + "state BACKUP\npriority 255", ["strict-state"], "state", "MASTER", {}),
    ("strict_authentication", STRICT + AUTH % "PASS", ["strict-authentication"], "auth_type", "NONE", {}),
    ("version_3_authentication", "version 3\n" + AUTH % "PASS", ["authentication-version"], "auth_pass", b"", {}),
    (
        "authentication_password",
        "authentication {\n auth_type PASS\n}",
        ["authentication-password"],
        "auth_type",
        "NONE",
        {},
    ),
    ("ah_ipv6", "version 2\n" + AUTH % "AH", ["authentication-ipv6"], "auth_type", "NONE", {"vip": VIP6}),
    ("ah_initial_master", "state MASTER\npriority 9\n" + AUTH % "AH", ["authentication-state"], "state", "BACKUP", {}),
    ("hmac_and_authentication", HMAC % "" + AUTH % "PASS", ["hmac-authentication"], "auth_type", "NONE", {}),
    ("hmac_active_key", HMAC % " active_key 2\n", ["hmac-key"], "auth_hmac", None, {}),
    ("hmac_strict", STRICT + HMAC % " mode permissive\n", ["hmac-mode"], "auth_hmac.mode", "enforce", {}),
    ("hmac_time_window", HMAC % "", [], "auth_hmac.time_window_s", 5, {}),
    ("hmac_time_window", "advert_int 9\n" + HMAC % "", [], "auth_hmac.time_window_s", 27, {}),
    ("hmac_time_window", "advert_int 200\n" + HMAC % "", [], "auth_hmac.time_window_s", 300, {}),
    ("unicast_without_peers", "unicast_src_ip 10.255.1.1", ["unicast-no-peers"], "unicast", False, {}),
    (
        "unicast_without_peers",
        "unicast_src_ip 10.255.1.1\nunicast_fault_no_peer",
        [],
        "config_fault",
        "no unicast peers",
        {},
    ),
    ("strict_vmac_address", STRICT + "use_vmac 02:00:00:00:00:01", ["strict-vmac"], "vmac.mac", None, {}),
    ("vmac_ethernet", "use_vmac\nnopreempt\nno_accept", ["vmac-ethernet"], "nopreempt", False, {"interface": "ppp0"}),
    (
        "vmac_ethernet",
        "use_vmac",
        ["vmac-ethernet"],
        "config_fault",
        "ppp0 is not an Ethernet interface",
        {"interface": "ppp0"},
    ),
    (
        "multicast_possible",
        "",
        ["multicast-impossible"],
        "config_fault",
        "tun0 cannot multicast",
        {"interface": "tun0"},
    ),
    ("multicast_possible", PEER, [], "config_fault", "", {"interface": "tun0"}),
    ("interface_arp", PEER, ["interface-arp"], "config_fault", "", {"interface": "tun0", "log_detail": 1}),
    (
        "first_address_link_local",
        STRICT,
        ["address-link-local"],
        "version",
        3,
        {"vip": " virtual_ipaddress {\n 2001:db8::1\n }\n"},
    ),
    ("vrf_use", "vrf vrf1", ["vrf-interface"], "vrf", "", {}),
    ("owner_nopreempt", "priority 255\nstate BACKUP\nnopreempt", ["nopreempt-owner"], "nopreempt", False, {}),
    ("master_nopreempt", "state MASTER\npriority 9\nnopreempt", ["nopreempt-master"], "nopreempt", False, {}),
    (
        "master_preempt_delay",
        "state MASTER\npriority 9\npreempt_delay 5",
        ["preempt-delay-master"],
        "preempt_delay_us",
        0,
        {},
    ),
    ("strict_preempt_delay", STRICT + "preempt_delay 5", ["preempt-delay-strict"], "preempt_delay_us", 0, {}),
    ("nopreempt_delay", "nopreempt\npreempt_delay 5", ["preempt-delay-nopreempt"], "preempt_delay_us", 0, {}),
    ("down_timer", STRICT + "down_timer_adverts 5", ["down-timer-strict"], "down_timer_adverts", 3, {}),
    ("timer_expired_backup", "timer_expired_backup", ["timer-expired-backup"], "timer_expired_backup", None, {}),
    ("default_accept", "", [], "accept", True, {}),
    ("default_accept", STRICT, [], "accept", False, {}),
    ("default_accept", STRICT + "priority 255", [], "accept", True, {}),
    ("strict_accept", STRICT + "accept", ["accept-strict"], "accept", False, {}),
    ("strict_accept", STRICT + "accept\nversion 3", [], "accept", True, {}),
    (
        "multicast_group",
        PEER + "mcast_dst_ip 224.0.0.9",
        ["mcast-dst-unicast"],
        "mcast_dst_ip",
        Ip.parse("224.0.0.18"),
        {},
    ),
    ("multicast_group", "", [], "mcast_dst_ip", Ip.parse("ff02::12"), {"vip": VIP6}),
    ("lower_prio_announcements", STRICT, [], "garp.lower_prio_repeat", 0, {}),
    ("lower_prio_announcements", STRICT + "garp_lower_prio_delay 4", ["garp-strict"], "garp.lower_prio_delay_s", 0, {}),
    ("lower_prio_announcements", STRICT + "garp_lower_prio_delay 0", [], "garp.lower_prio_delay_s", 0, {}),
    ("lower_prio_advert", STRICT, [], "lower_prio_no_advert", True, {}),
    ("lower_prio_advert", STRICT + "lower_prio_no_advert no", ["lower-prio-strict"], "lower_prio_no_advert", True, {}),
    (
        "higher_prio_advert",
        STRICT + "higher_prio_send_advert",
        ["higher-prio-strict"],
        "higher_prio_send_advert",
        False,
        {},
    ),
    ("owner_ignores_adverts", STRICT + "priority 255", [], "owner_ignore_adverts", True, {}),
    ("owner_ignores_adverts", "owner_ignore_adverts", ["owner-ignore"], "owner_ignore_adverts", False, {}),
    ("telling_defaults", "", [], "smtp_alert", False, {}),
    ("default_interval", "", [], "advert_int_us", 1_000_000, {}),
    ("interval_v2", "advert_int 0.4", ["interval-v2"], "advert_int_us", 1_000_000, {}),
    ("interval_v2", "advert_int 2.5", ["interval-v2"], "advert_int_us", 3_000_000, {}),
    ("interval_v3", "version 3\nadvert_int 40.96", ["interval-long"], "advert_int_us", 40_950_000, {}),
    ("interval_v3", "version 3\nadvert_int 40.957", ["interval-v3"], "advert_int_us", 40_950_000, {}),
    ("interval_v3", "version 3\nadvert_int 0.014", ["interval-v3"], "advert_int_us", 10_000, {}),
    ("source_tracking", "track_src_ip", [], "track_src_ip", False, {}),
    ("matching_vmac", "virtual_router_id 52\nuse_vmac x", [], "vmac.name", "mac0", {}),
    ("strict_xmit_base", STRICT + "use_vmac\nvmac_xmit_base", ["xmit-base-strict"], "vmac.xmit_base", False, {}),
    ("promote_secondaries", "use_vmac\npromote_secondaries", ["promote-secondaries"], "promote_secondaries", False, {}),
    ("ipvlan_address", "use_ipvlan", ["ipvlan-address"], "config_fault", "ipvlan without address", {}),
    ("own_interface", "track_interface {\neth0\neth1\n}", ["track-own-interface"], "track.interfaces.__len__", 1, {}),
    ("xmit_base_without_vmac", "vmac_xmit_base", ["xmit-base"], "vmac", None, {}),
    (
        "address_vmac",
        "use_vmac",
        ["address-vmac"],
        "accept",
        True,
        {"vip": " virtual_ipaddress {\n 10.0.0.1/24 use_vmac\n }\n"},
    ),
    (
        "address_vmac",
        "use_vmac_addr",
        ["address-vmac"],
        "accept",
        True,
        {"vip": " virtual_ipaddress {\n 10.0.0.1/24 dev eth1 use_vmac\n }\n"},
    ),
    ("extra_interfaces", "garp_extra_if 5", [], "garp.extra_if_s", 0, {}),
    ("strict_no_addresses", STRICT + "no_virtual_ipaddress", ["no-address-strict"], "no_virtual_ipaddress", False, {}),
    ("some_address", "", ["address-none"], "version", 2, {"vip": NO_VIP}),
    ("some_address", "version 3\nno_virtual_ipaddress", [], "version", 3, {"vip": NO_VIP}),
    (
        "weighted_interfaces",
        "priority 255\ntrack_interface {\neth1 weight 5\n}",
        ["weight-useless"],
        "track.interfaces",
        (),
        {},
    ),
    (
        "weighted_scripts_and_sessions",
        "priority 255\ntrack_script {\nS weight 5\n}\ntrack_bfd {\nN weight 5\n}",
        ["weight-useless", "weight-useless"],
        "track.scripts",
        (),
        {"before": OBJECTS},
    ),
    (
        "weighted_files",
        "priority 255\ntrack_file {\nF\n}",
        ["weight-useless"],
        "track.files.0.weight",
        0,
        {"before": OBJECTS},
    ),
    (
        "weighted_files",
        "priority 255\ntrack_file {\nF weight 5\n}",
        ["weight-useless"],
        "track.files",
        (),
        {"before": OBJECTS},
    ),
]
ELSEWHERE = {
    "strict_unicast",
    "unicast_source",
    "unicast_link_local",
    "too_many_addresses",
    "default_firewall",
    "debounce",
    "addresses_without_device",
    "owner_in_group",
    "interface_tracked_twice",
}
"""Rules with a test of their own below, or in test_instance.py (too_many_addresses)."""

PPP = Interface(name="ppp0", index=20, arp_type=512)


@pytest.mark.parametrize(
    ("rule", "lines", "found", "path", "expected", "more"), CASES, ids=lambda value: str(value)[:40]
)
def test_rule(rule: str, lines: str, found: list[str], path: str, expected: Any, more: dict[str, Any]) -> None:
    text = instance_text(lines, vip=more.get("vip", VIP)).replace("eth0", more.get("interface", "eth0"), 1)
    options = {key: value for key, value in more.items() if key == "log_detail"}
    result = run(more.get("before", "") + text, environment=with_interfaces(PPP), **options)
    assert codes(result) == found
    assert result.exit_status == (5 if found else 0)
    assert result.config is not None
    value: Any = result.config.vrrp_instances[0]
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else len(value) if part == "__len__" else value_at(value, part)
    assert value == expected


def test_every_rule_has_a_case() -> None:
    names = {rule.__name__ for rule in INSTANCE_RULES}
    assert names == {case[0] for case in CASES} | ELSEWHERE


def test_rules_run_in_order_once() -> None:
    names = [rule.__name__ for rule in INSTANCE_RULES]
    assert len(set(names)) == len(names)
    assert names.index("hmac_time_window") < names.index("default_interval")
    assert names.index("vmac_ethernet") < names.index("owner_nopreempt")


# --- rules that refuse ------------------------------------------------------------------------------------------------

BARE = " virtual_router_id 51\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (instance_text("", basis=" interface eth0\n"), "vrid-missing"),
        (instance_text("", basis=BARE), "interface-missing"),
        (instance_text(STRICT + PEER), "strict-unicast"),
        (instance_text("unicast_peer {\n10.1.1.1\n}", basis=BARE), "unicast-source"),
        (
            instance_text("unicast_src_ip fe80::1\nunicast_peer {\nfe80::2\n}", basis=BARE, vip=VIP6),
            "unicast-link-local",
        ),
        (instance_text("version 3", vip=NO_VIP), "address-none"),
        (instance_text(STRICT, vip=NO_VIP), "address-none"),
        (instance_text("") + instance_text("", name="B"), "vrid-duplicate"),
    ],
)
def test_refused(text: str, code: str) -> None:
    result = run(text)
    assert code in codes(result)
    assert result.refused
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.vrrp_instances == ()


def test_vmac_without_interface_is_cleared_with_unicast() -> None:
    lines = "use_vmac\nunicast_src_ip 10.1.1.1\nunicast_peer {\n10.1.1.2\n}"
    text = instance_text(lines, basis=BARE, vip=" virtual_ipaddress {\n 10.0.0.1/24 dev eth0\n }\n")
    assert codes(run(text)) == ["vmac-interface"]


@pytest.mark.parametrize(
    ("one", "two", "refused"),
    [
        ("", "interface eth1", False),
        ("", "version 3", True),
        ("", "mcast_dst_ip 224.0.0.9", False),
        ("", "interface mac0", True),
        ("", PEER, False),
        (PEER, PEER, True),
        (PEER, PEER.replace("1.2", "1.3"), False),
        (PEER, PEER.replace("src_ip 10.255.1.1", "src_ip 10.255.1.9"), False),
        (PEER, "interface eth1\n" + PEER, False),
    ],
)
def test_duplicate_vrids(one: str, two: str, refused: bool) -> None:
    result = run(instance_text(one) + instance_text(two, name="B"))
    assert result.refused is refused
    if refused:
        assert "both use VRID 51 with IPv4" in counted(result)[-1].message


@pytest.mark.keyword("global_defs/dynamic_interfaces")
def test_a_vrid_may_be_shared_on_a_macvlan_that_may_move() -> None:
    both = instance_text("") + instance_text("interface mac0", name="B")
    result = run("global_defs {\n dynamic_interfaces allow_if_changes\n}\n" + both)
    assert (result.refused, result.exit_status) == (False, 0)
    assert "vrid-shared" in noted(result)
    assert result.config is not None
    assert [each.config_fault for each in result.config.vrrp_instances] == ["", ""]
    assert run("global_defs {\n dynamic_interfaces\n}\n" + both).refused


@pytest.mark.parametrize(("group", "faults"), [("", ["", "shares a VMAC with A"]), ("A\nB", ["", ""])])
def test_addresses_on_the_vmac_of_another_instance(group: str, faults: list[str]) -> None:
    one = instance_text("use_vmac vmac7")
    two = instance_text("interface eth1", name="B", vip=" virtual_ipaddress {\n 10.9.9.9/24 dev vmac7\n }\n")
    groups = f"vrrp_sync_group G {{\n group {{\n{group}\n}}\n}}\n" if group else ""
    for text in (one + two, one + two.replace("51", "52")):
        result = run("global_defs {\n dynamic_interfaces\n}\n" + groups + text)
        assert result.config is not None
        found = [each.config_fault for each in result.config.vrrp_instances]
        assert found == (faults if text == one + two else ["", ""])
        assert ("vmac-shared" in noted(result)) == any(found)


def test_same_vrid_of_the_other_family_is_fine() -> None:
    assert run(instance_text("") + instance_text("", name="B", vip=VIP6)).exit_status == 0


# --- log only ---------------------------------------------------------------------------------------------------------


def test_default_firewall_is_noted_once() -> None:
    assert noted(run(instance_text("no_accept"))) == ["firewall-default"]
    basis = " interface eth0\n virtual_router_id %s\n"
    others = [
        instance_text(word, name=word, basis=basis % vrid) for word, vrid in (("no_accept", 52), ("use_vmac", 53))
    ]
    assert noted(run(instance_text("") + "".join(others))) == ["firewall-default"]
    assert noted(run("global_defs {\n nftables\n}\n" + instance_text("no_accept"))) == []


def test_debounce_is_limited() -> None:
    delays = "interface_up_down_delays {\n eth0 %s\n}\n"
    limit = 2 * 1_000_000 - 1_000_000 // 256
    text = delays % "5 5" + instance_text("")
    assert noted(run(text)) == ["delay-long"]
    assert [(d.down_us, d.up_us) for d in config(text).interface_delays] == [(limit, limit)]
    text = delays % "5 7" + instance_text("")
    assert [(d.down_us, d.up_us) for d in config(text).interface_delays] == [(limit, 7_000_000)]
    text = delays % "5 7" + instance_text("down_timer_adverts 1")
    assert [(d.down_us, d.up_us) for d in config(text).interface_delays] == [(0, 0)]
    unicast = instance_text(
        "down_timer_adverts 1\n" + PEER, basis=BARE, vip=" virtual_ipaddress {\n 10.0.0.1 dev eth0\n }\n"
    )
    assert run(delays % "5" + unicast).exit_status == 0


# --- addresses, groups ------------------------------------------------------------------------------------------------


def test_addresses_without_device_and_interface_are_removed() -> None:
    vip = " virtual_ipaddress {\n 10.0.0.1/24\n 10.0.0.2 dev eth0\n }\n"
    result = run(instance_text(PEER, basis=BARE, vip=vip))
    assert codes(result) == ["address-device"]
    assert result.config is not None
    assert [str(a.address) for a in result.config.vrrp_instances[0].virtual_addresses] == ["10.0.0.2"]


def test_weights_in_a_group() -> None:
    lines = "track_interface {\neth1 weight 5\n}\ntrack_script {\nS weight 5\n}\ntrack_process {\nP weight 5\n}"
    text = OBJECTS + GROUP % "" + instance_text(lines) + B
    result = run(text)
    assert codes(result) == ["weight-useless", "weight-useless"]
    assert result.config is not None
    track = result.config.vrrp_instances[0].track
    assert [(t.name, t.weight) for t in track.interfaces] == [("eth1", 0)]
    assert track.scripts == ()
    assert [(t.name, t.weight) for t in track.processes] == [("P", 5)]
    allowed = OBJECTS + GROUP % " sync_group_tracking_weight\n" + instance_text(lines) + B
    assert run(allowed).exit_status == 0
    assert config(allowed).vrrp_instances[0].track.scripts[0].weight == 5


def test_weights_of_a_group_with_an_owner() -> None:
    text = GROUP % " track_interface {\n eth1 weight 5\n }\n" + instance_text("priority 255") + B
    result = run(text)
    assert codes(result) == ["weight-useless"]
    assert result.config is not None
    assert result.config.vrrp_sync_groups[0].track.interfaces[0].weight == 0


def test_interface_tracked_by_instance_and_group() -> None:
    text = GROUP % " track_interface {\n eth1\n }\n" + instance_text("track_interface {\neth1\n}") + B
    assert codes(run(text)) == ["track-twice"]


def test_findings_of_rules_point_at_the_keyword() -> None:
    (finding,) = counted(run(instance_text("state MASTER\npriority 9\n  nopreempt")))
    assert isinstance(finding, Finding)
    assert finding.at is not None
    assert (finding.at.line, finding.at.column, finding.at.length) == (6, 3, 9)
    assert finding.message.startswith("(A) Warning - nopreempt will not work with initial state MASTER - clearing")


def test_warning_class_of_missing_addresses() -> None:
    (finding,) = counted(run(instance_text("", vip=NO_VIP)))
    assert finding.kind == FindingClass.WARNING
    assert finding.message == "(A) No VIP specified; at least one is sensible"


def test_mixed_groups_start_as_backup() -> None:
    text = GROUP % "" + instance_text("state MASTER\npriority 9") + B
    result = run(text)
    assert result.exit_status == 0
    assert noted(result) == ["group-states"]
    assert [instance.state for instance in config(text).vrrp_instances] == ["BACKUP", "BACKUP"]
    alone = config(instance_text("state MASTER\npriority 9") + B)
    assert [instance.state for instance in alone.vrrp_instances] == ["MASTER", "BACKUP"]


def test_findings_do_not_depend_on_building() -> None:
    """A config test finds the same without making the model of the instances."""
    text = (
        OBJECTS
        + "global_defs {\n lvs_sync_daemon eth0 gone\n}\ntrack_group T {\n group {\n gone\n }\n}\n"
        + GROUP % " notify /opt/plain\n"
        + instance_text("state MASTER\npriority 9\nnotify_master /opt/none\ntrack_file {\nF weight 300\n}")
        + B
    )
    whole, only = run(text), run(text, findings_only=True)
    assert {"group-states", "script-unused", "sync-daemon-instance", "script-check"} < set(noted(whole))
    assert (only.findings, only.exit_status, only.refused) == (whole.findings, whole.exit_status, whole.refused)
    assert [None if one.config is None else len(one.config.vrrp_instances) for one in (whole, only)] == [2, 0]


def test_sync_daemon_takes_the_vrid_of_its_instance() -> None:
    text = "global_defs {\n lvs_sync_daemon eth0 %s\n}\n" + instance_text("")
    daemon = config(text % "A").globals.lvs_sync_daemon
    assert daemon is not None
    assert daemon.sync_id == 51
    given = config(text % "inst A id 7").globals.lvs_sync_daemon
    assert given is not None
    assert given.sync_id == 7
    unknown = run(text % "gone")
    assert unknown.exit_status == 0
    assert noted(unknown) == ["sync-daemon-instance"]
    assert unknown.config is not None
    assert unknown.config.globals.lvs_sync_daemon is None


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("advert_int 250ms", "write 0.25 (the unit is always s)"),
        ("preempt_delay 2m", "write 120 (the unit is always s)"),
        ("garp_master_delay 5s", "write 5 (the unit is always s)"),
        ("state Master", "write MASTER or BACKUP"),
        ("strict_mode Yes", "did you mean 'yes'?"),
        ("track_script {\nchek\n}", "did you mean 'check'?"),
    ],
)
def test_suggestions(line: str, suggestion: str) -> None:
    before = SECURE + "vrrp_script check {\n script /opt/good\n}\n"
    assert suggestion in [finding.suggestion for finding in counted(run(before + instance_text(line)))]
