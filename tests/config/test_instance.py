"""Keywords of vrrp_instance: values stored, defaults, what is refused and with which class."""

from __future__ import annotations

from typing import Any

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import Ipvlan, State, UnicastPeer, Vmac
from tests.config.support import VIP, codes, config, instance, instance_text, run, with_interfaces
from tests.config.test_globals import value_at


def case(keyword: str, lines: str, path: str, expected: Any, status: int = 0, before: str = "", vip: str = VIP) -> Any:
    mark = pytest.mark.keyword(f"vrrp_instance/{keyword}")
    return pytest.param(lines, path, expected, status, before, vip, id=f"{lines}-{path}", marks=mark)


def same(keyword: str, value: str, path: str, expected: Any, status: int = 0, before: str = "") -> Any:
    return case(keyword, f"{keyword} {value}".rstrip(), path, expected, status, before)


def globally(lines: str) -> str:
    return f"global_defs {{\n{lines}\n}}\n"


PEER = "unicast_src_ip 10.255.1.1\nunicast_peer {\n10.255.1.2\n}\n"
VIP6 = " virtual_ipaddress {\n fe80::5\n }\n"
CASES = [
    # identity
    same("state", "MASTER", "state", State.MASTER),
    same("state", "MASTER", "priority", 255),
    same("state", "BACKUP", "state", State.BACKUP),
    same("state", "FOO", "state", State.BACKUP, 5),
    case("state", "state MASTER\nstate BACKUP\npriority 9", "state", State.MASTER, 5),
    case("state", "priority 255", "state", State.MASTER),
    same("state", "", "state", None, 2),
    same("priority", "1", "priority", 1),
    same("priority", "0", "priority", 100, 5),
    same("priority", "256", "priority", 100, 5),
    case("priority", "", "priority", 100),
    same("virtual_router_id", "255", "virtual_router_id", 255),
    same("virtual_router_id", "256", "virtual_router_id", 51, 5),
    same("version", "3", "version", 3),
    same("version", "4", "version", 2, 5),
    case("version", "version 2\nversion 3", "version", 2, 5),
    case("version", "", "version", 3, before=globally("vrrp_version 3")),
    case("version", "", "version", 3, vip=VIP6),
    case("version", "version 2", "version", 2, vip=VIP6),
    same("advert_int", "2", "advert_int_us", 2_000_000),
    same("advert_int", "0.5", "advert_int_us", 1_000_000, 5),
    same("advert_int", "1.5", "advert_int_us", 2_000_000, 5),
    same("advert_int", "256", "advert_int_us", 1_000_000, 5),
    case("advert_int", "version 3\nadvert_int 0.015", "advert_int_us", 20_000, 5),
    case("advert_int", "version 3\nadvert_int 0.01", "advert_int_us", 10_000),
    case("advert_int", "version 3\nadvert_int 41", "advert_int_us", 40_950_000, 5),
    same("advert_int", "5x", "advert_int_us", 1_000_000, 5),
    same("strict_mode", "", "strict_mode", True),
    same("strict_mode", "off", "strict_mode", False, before=globally("vrrp_strict")),
    same("debug", "4", "debug", 4),
    same("debug", "5", "debug", 0, 5),
    case("interface", "interface eth1", "interface", "eth1"),
    case("interface", "interface lo", "interface", "eth0", 5),
    case("interface", "interface abcdefghijklmnopq", "interface", "eth0", 5),
    # packets
    same("mcast_src_ip", "10.255.1.9", "source_address", Ip.parse("10.255.1.9")),
    same("mcast_src_ip", "10.255.1.9/24", "source_address", Ip.parse("10.255.1.9")),
    same("mcast_src_ip", "x", "source_address", None, 5),
    same("unicast_src_ip", "10.255.1.9", "unicast", False, 5),
    case("unicast_src_ip", PEER + "mcast_src_ip 10.255.1.7", "source_address", Ip.parse("10.255.1.7")),
    case("unicast_src_ip", PEER + "mcast_src_ip ::1", "source_address", Ip.parse("10.255.1.1"), 5),
    same("mcast_dst_ip", "224.0.0.99", "mcast_dst_ip", Ip.parse("224.0.0.99")),
    same("mcast_dst_ip", "10.0.0.9", "mcast_dst_ip", Ip.parse("224.0.0.18"), 5),
    case("mcast_dst_ip", PEER + "mcast_dst_ip 224.0.0.99", "mcast_dst_ip", Ip.parse("224.0.0.18"), 5),
    case("mcast_dst_ip", "", "mcast_dst_ip", Ip.parse("224.1.1.1"), before=globally("vrrp_mcast_group4 224.1.1.1")),
    case("mcast_dst_ip", "mcast_dst_ip ff05::1", "mcast_dst_ip", Ip.parse("ff02::12"), 5, vip=VIP6),
    case("track_src_ip", "track_src_ip\nmcast_src_ip 10.255.1.1", "track_src_ip", True),
    case("track_src_ip", "track_src_ip", "track_src_ip", False),
    case("unicast_peer", PEER, "unicast", True),
    case("unicast_peer", PEER, "unicast_peers", (UnicastPeer(address=Ip.parse("10.255.1.2")),)),
    case(
        "unicast_peer",
        "unicast_peer {\n10.255.1.2 min_ttl 250 max_ttl 255\n}",
        "unicast_peers",
        (UnicastPeer(address=Ip.parse("10.255.1.2"), min_ttl=250, max_ttl=255),),
    ),
    case("unicast_peer", "unicast_peer {\n10.255.1.2 min_ttl 250\n}", "check_unicast_src", True),
    case("unicast_peer", PEER + "unicast_peer {\n::1\n10.255.1.2\n10.255.1.3\n}", "unicast_ttl", 255, 5),
    case("unicast_peer", "unicast_peer {\nx\n}", "unicast", False, 5),
    case("unicast_ttl", PEER + "unicast_ttl 9", "unicast_ttl", 9),
    case("unicast_ttl", PEER + "unicast_ttl 256", "unicast_ttl", 255, 5),
    case("unicast_ttl", "unicast_ttl 9", "unicast_ttl", 255, 5),
    case(
        "unicast_fault_no_peer", "unicast_src_ip 10.255.1.1\nunicast_fault_no_peer", "config_fault", "no unicast peers"
    ),
    case("check_unicast_src", PEER + "check_unicast_src", "check_unicast_src", True),
    case("check_unicast_src", "check_unicast_src", "check_unicast_src", True, 5),
    case("check_unicast_src", PEER, "check_unicast_src", True, before=globally("vrrp_check_unicast_src")),
    case("old_unicast_checksum", PEER + "old_unicast_checksum", "unicast_checksum", "old"),
    case("old_unicast_checksum", PEER + "old_unicast_checksum never", "unicast_checksum", "never"),
    case("old_unicast_checksum", PEER + "old_unicast_checksum x", "unicast_checksum", "auto", 5),
    same("v3_checksum_as_v2", "", "v3_checksum_as_v2", True),
    same("v3_checksum_as_v2", "no", "v3_checksum_as_v2", False, before=globally("v3_checksum_as_v2")),
    case("v3_checksum_as_v2", "", "v3_checksum_as_v2", True, before=globally("v3_checksum_as_v2")),
    same("kernel_rx_buf_size", "9000", "kernel_rx_buf_size", 9000),
    same("kernel_rx_buf_size", "", "kernel_rx_buf_size", 0, 5),
    same("kernel_rx_buf_size", "1 2", "kernel_rx_buf_size", 0, 5),
    # VMAC
    same("use_vmac", "", "vmac", Vmac()),
    same("use_vmac", "v1 netlink_notify_msg", "vmac", Vmac(name="v1", netlink_notify_msg=True)),
    same("use_vmac", "name v1 group 7", "vmac", Vmac(name="v1", group=7)),
    same("use_vmac", "02:00:00:00:00:07", "vmac", Vmac(mac=bytes.fromhex("020000000007"))),
    same("use_vmac", "02:00:00:00:00", "vmac", Vmac(mac=bytes.fromhex("020000000033"))),
    same("use_vmac", "03:00:00:00:00:07", "vmac", Vmac(), 5),
    same("use_vmac", "00:00:5e:00:01:07", "vmac", Vmac(), 5),
    same("use_vmac", "00:11", "vmac", Vmac(), 5),
    same("use_vmac", "eth1", "vmac", Vmac(), 5),
    same("use_vmac", "a b", "vmac.name", "a", 5),
    case("use_vmac", PEER + "use_vmac", "vmac.xmit_base", True, 5),
    case("use_vmac", PEER + "use_vmac\nvmac_xmit_base", "vmac.xmit_base", True),
    case("vmac_xmit_base", "use_vmac\nvmac_xmit_base", "vmac.xmit_base", True),
    case("vmac_xmit_base", "vmac_xmit_base", "vmac", None, 5),
    same("use_vmac_addr", "", "use_vmac_addr", True),
    case(
        "use_ipvlan",
        "use_ipvlan ipv 10.255.1.7/24 private group 3",
        "ipvlan",
        Ipvlan(name="ipv", address=Ip.parse("10.255.1.7"), prefix_length=24, mode_flag="private", group=3),
    ),
    case("use_ipvlan", "use_ipvlan", "config_fault", "ipvlan without address", 5),
    case("use_ipvlan", "use_ipvlan 10.255.1.7\nuse_ipvlan x", "ipvlan.name", "", 5),
    # election
    case("nopreempt", "nopreempt\npriority 9", "nopreempt", True),
    case("preempt", "nopreempt\npreempt", "nopreempt", False),
    same("preempt_delay", "0.25", "preempt_delay_us", 250_000),
    same("preempt_delay", "1001", "preempt_delay_us", 0, 5),
    same("down_timer_adverts", "7", "down_timer_adverts", 7),
    same("down_timer_adverts", "0", "down_timer_adverts", 3, 5),
    case("down_timer_adverts", "", "down_timer_adverts", 4, before=globally("vrrp_down_timer_adverts 4")),
    case("timer_expired_backup", "nopreempt\ntimer_expired_backup", "timer_expired_backup", 254),
    case("timer_expired_backup", "nopreempt\ntimer_expired_backup 7", "timer_expired_backup", 7),
    case("timer_expired_backup", "nopreempt\ntimer_expired_backup 255", "timer_expired_backup", None, 5),
    case("thread_timer_expired", "nopreempt\nthread_timer_expired 7", "timer_expired_backup", 7, 5),
    same("lower_prio_no_advert", "", "lower_prio_no_advert", True),
    case("lower_prio_no_advert", "", "lower_prio_no_advert", True, before=globally("vrrp_lower_prio_no_advert")),
    same("higher_prio_send_advert", "", "higher_prio_send_advert", True),
    case(
        "higher_prio_send_advert", "", "higher_prio_send_advert", True, before=globally("vrrp_higher_prio_send_advert")
    ),
    case("owner_ignore_adverts", "priority 255\nowner_ignore_adverts", "owner_ignore_adverts", True),
    case("owner_ignore_adverts", "priority 255\nowner_ignore_adverts no", "owner_ignore_adverts", False, 5),
    case("owner_ignore_adverts", "owner_ignore_adverts", "owner_ignore_adverts", False, 5),
    same("skip_check_adv_addr", "", "skip_check_adv_addr", True),
    same("skip_check_adv_addr", "no", "skip_check_adv_addr", False, before=globally("vrrp_skip_check_adv_addr")),
    same("skip_check_adv_addr", "foo", "skip_check_adv_addr", False, 5),
    case("accept", "no_accept\naccept", "accept", True),
    same("no_accept", "", "accept", False),
    # addresses
    same("no_virtual_ipaddress", "", "no_virtual_ipaddress", True),
    same("promote_secondaries", "", "promote_secondaries", True),
    case("promote_secondaries", "use_vmac\npromote_secondaries", "promote_secondaries", False, 5),
    # announcing
    same("garp_master_delay", "0", "garp.master_delay_s", 0),
    same("garp_master_delay", "4295", "garp.master_delay_s", 5, 5),
    same("garp_master_refresh", "60", "garp.master_refresh_s", 60),
    same("garp_master_refresh", "x", "garp.master_refresh_s", 0, 5),
    same("garp_master_repeat", "0", "garp.master_repeat", 1, 5),
    same("garp_master_repeat", "9", "garp.master_repeat", 9),
    same("garp_master_refresh_repeat", "3", "garp.master_refresh_repeat", 3),
    same("garp_lower_prio_delay", "3", "garp.lower_prio_delay_s", 3),
    same("garp_lower_prio_repeat", "3", "garp.lower_prio_repeat", 3),
    case("garp_master_repeat", "", "garp.master_repeat", 8, before=globally("vrrp_garp_master_repeat 8")),
    case("garp_lower_prio_repeat", "", "garp.lower_prio_repeat", 8, before=globally("vrrp_garp_master_repeat 8")),
    same("garp_extra_if", "60", "garp.extra_if_s", 0),
    case("garp_extra_if", "garp_extra_if", "garp.extra_if_s", 0, 5),
    same("vmac_garp_intvl", "60", "garp.extra_if_s", 0, 5),
    # tracking, telling
    same("dont_track_primary", "", "dont_track_primary", True),
    same("linkbeat_use_polling", "", "linkbeat_use_polling", True, 5),
    same("smtp_alert", "", "smtp_alert", True),
    case("smtp_alert", "", "smtp_alert", True, before=globally("smtp_alert\nsmtp_alert_checker no")),
    case("smtp_alert", "", "smtp_alert", False, before=globally("smtp_alert\nsmtp_alert_vrrp no")),
    same("smtp_alert", "maybe", "smtp_alert", False, 5),
    same("notify_priority_changes", "", "notify_priority_changes", True),
    case(
        "notify_priority_changes", "", "notify_priority_changes", True, before=globally("vrrp_notify_priority_changes")
    ),
]


@pytest.mark.parametrize(("lines", "path", "expected", "status", "before", "vip"), CASES)
def test_value_and_status(lines: str, path: str, expected: Any, status: int, before: str, vip: str) -> None:
    text = before + instance_text(lines, vip=vip)
    result = run(text)
    assert result.exit_status == status, result.findings
    if status != 2:
        assert result.config is not None
        assert value_at(result.config.vrrp_instances[0], path) == expected


@pytest.mark.parametrize(
    "keyword",
    [
        pytest.param(name, marks=pytest.mark.keyword(f"vrrp_instance/{name}"))
        for name in (
            "interface",
            "vrf",
            "virtual_router_id",
            "version",
            "priority",
            "advert_int",
            "mcast_src_ip",
            "unicast_src_ip",
            "mcast_dst_ip",
            "unicast_ttl",
            "preempt_delay",
            "garp_master_delay",
            "down_timer_adverts",
            "notify_master",
            "notify",
            "lvs_sync_daemon_interface",
        )
    ],
)
def test_missing_word_is_status_2(keyword: str) -> None:
    assert run(instance_text(keyword)).exit_status == 2


@pytest.mark.keyword("vrrp_instance/interface")
def test_unknown_interface_refuses_everything() -> None:
    result = run(instance_text("").replace("eth0", "eht0"))
    (finding,) = [finding for finding in result.findings if finding.code == "interface-unknown"]
    assert finding.message == "WARNING - interface eht0 for vrrp_instance A doesn't exist"
    assert finding.suggestion == "did you mean 'eth0'?"
    assert result.refused
    assert not result.usable
    assert result.exit_status == 5
    dynamic = run("global_defs {\n dynamic_interfaces\n}\n" + instance_text("").replace("eth0", "eth9"))
    assert dynamic.exit_status == 0
    assert dynamic.usable


@pytest.mark.keyword("vrrp_instance/vrf")
def test_vrf() -> None:
    lines = "vrf vrf1\nunicast_src_ip 10.1.1.1\nunicast_peer {\n10.1.1.2\n}"
    vip = " virtual_ipaddress {\n 10.0.0.1/24 dev eth0\n }\n"
    text = instance_text(lines, basis=" virtual_router_id 9\n", vip=vip)
    assert run(text).exit_status == 0
    assert config(text).vrrp_instances[0].vrf == "vrf1"
    assert codes(run(text.replace("vrf vrf1", "vrf eth1"))) == ["vrf-kind"]
    assert codes(run(instance_text("vrf vrf1"))) == ["vrf-interface"]
    assert codes(run(instance_text("vrf vrf1", basis=" virtual_router_id 9\n") + "")) == [
        "interface-missing",
    ]


@pytest.mark.keyword("vrrp_instance/native_ipv6")
def test_native_ipv6() -> None:
    found = instance("native_ipv6", vip=VIP6)
    assert (found.family, found.version, found.native_ipv6) == (6, 3, True)
    text = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n mcast_src_ip 10.255.1.1\n native_ipv6\n" + VIP
    assert "family-mixed" in codes(run(text + "}\n"))


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_addresses_take_the_interface_and_the_first_fixes_the_family() -> None:
    vip = " virtual_ipaddress {\n 10.0.0.1/24\n 10.0.0.2 dev eth1\n ::1\n 10.0.0.1\n }\n"
    result = run(instance_text("", vip=vip))
    assert codes(result) == ["family-mixed", "address-repeated"]
    found = instance("", vip=vip)
    assert [(str(a.address), a.prefix_length, a.interface) for a in found.virtual_addresses] == [
        ("10.0.0.1", 24, "eth0"),
        ("10.0.0.2", 32, "eth1"),
    ]
    assert found.family == 4


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress_excluded")
def test_excluded_addresses_mix_families() -> None:
    text = instance_text(" virtual_ipaddress_excluded {\n ::5\n 10.0.0.9\n ::5\n }")
    assert codes(run(text)) == ["address-repeated"]
    assert [str(a.address) for a in config(text).vrrp_instances[0].excluded_addresses] == ["::5", "10.0.0.9"]


@pytest.mark.keyword("vrrp_instance/virtual_routes")
@pytest.mark.keyword("vrrp_instance/virtual_rules")
def test_routes_and_rules() -> None:
    found = instance(
        " virtual_routes {\n 10.9.0.0/16 via 10.0.0.254 dev eth0\n }\n"
        " virtual_rules {\n from 10.9.0.0/16 table 7 preference 9\n }"
    )
    assert [str(route.destination) for route in found.virtual_routes] == ["10.9.0.0"]
    assert [(rule.table, rule.priority) for rule in found.virtual_rules] == [(7, 9)]


@pytest.mark.keyword("vrrp_instance/garp_extra_if")
def test_extra_interfaces_announce_only_when_there_are_some() -> None:
    vip = " virtual_ipaddress {\n 10.0.0.1/24 dev eth1\n }\n"
    assert instance("garp_extra_if all 60", vip=vip).garp.extra_if_s == 60
    assert instance("garp_extra_if all 60", vip=vip).garp.extra_if_all
    assert instance("garp_extra_if 60").garp.extra_if_s == 0
    assert instance("", vip=vip, before=globally("vrrp_garp_extra_if 9")).garp.extra_if_s == 9


@pytest.mark.keyword("vrrp_instance/lvs_sync_daemon_interface")
def test_lvs_sync_daemon_interface() -> None:
    text = instance_text("lvs_sync_daemon_interface eth1")
    assert codes(run(text)) == ["keyword-deprecated"]
    daemon = config(text).globals.lvs_sync_daemon
    assert daemon is not None
    assert (daemon.interface, daemon.instance, daemon.sync_id) == ("eth1", "A", 0)
    both = globally("lvs_sync_daemon eth0") + text
    assert codes(run(both)) == ["keyword-deprecated", "keyword-repeated"]


AUTH = "authentication {\n auth_type %s\n auth_pass %s\n}"


@pytest.mark.keyword("vrrp_instance/authentication")
@pytest.mark.keyword("vrrp_instance/authentication/auth_type")
@pytest.mark.keyword("vrrp_instance/authentication/auth_pass")
def test_authentication() -> None:
    found = instance(AUTH % ("PASS", "secret"))
    assert (found.auth_type, found.auth_pass) == ("PASS", b"secret")
    assert codes(run(instance_text(AUTH % ("PASS", "123456789")))) == ["password-long"]
    assert instance(AUTH % ("AH", "123456789")).auth_pass == b"12345678"
    assert codes(run(instance_text(AUTH % ("FOO", "x")))) == ["word-unknown"]
    assert run(instance_text("authentication {\n auth_pass\n}")).exit_status == 2
    assert run(instance_text("authentication {\n auth_type\n}")).exit_status == 2


KEY = "x" * 32


@pytest.mark.keyword("vrrp_instance/auth_hmac")
@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/active_key")
@pytest.mark.keyword("vrrp_instance/auth_hmac/time_window")
@pytest.mark.keyword("vrrp_instance/auth_hmac/anti_replay")
@pytest.mark.keyword("vrrp_instance/auth_hmac/mode")
def test_auth_hmac() -> None:
    lines = f"auth_hmac {{\n key 1 {KEY}\n key 2 hex:{'ab' * 32}\n key 3 file:/opt/key\n active_key 2\n"
    found = instance(lines + " time_window 9\n anti_replay monotonic\n mode permissive\n}").auth_hmac
    assert found is not None
    assert [(key.id, key.secret) for key in found.keys] == [(1, KEY.encode()), (2, b"\xab" * 32), (3, b"k" * 40)]
    assert (found.active_key, found.time_window_s, found.anti_replay, found.mode) == (2, 9, "monotonic", "permissive")
    default = instance(lines + "}").auth_hmac
    assert default is not None
    assert (default.time_window_s, default.anti_replay, default.mode) == (5, "time", "enforce")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("key 1 short", ["key-length"]),
        (f"key 0 {KEY}", ["number-range"]),
        (f"key 1 {KEY}\n key 1 {KEY}", ["key-repeated"]),
        ("key 1 hex:zz", ["key-hex"]),
        ("key 1 file:/none", ["key-file"]),
        ("key 1", ["word-absent"]),
        ("mode foo", ["word-unknown"]),
        ("time_window 301", ["number-range"]),
    ],
)
@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
def test_bad_hmac_keys(line: str, found: list[str]) -> None:
    good = "key 9 " + "y" * 32 + "\n active_key 9\n"
    assert codes(run(instance_text(f"auth_hmac {{\n {good} {line}\n}}"))) == found


@pytest.mark.keyword("vrrp_instance/auth_hmac/key")
def test_key_file_readable_by_others_is_status_6() -> None:
    result = run(instance_text("auth_hmac {\n key 1 file:/opt/shared-key\n active_key 1\n}"))
    assert result.exit_status == 6
    assert result.config is not None
    hmac = result.config.vrrp_instances[0].auth_hmac
    assert hmac is not None
    assert hmac.keys[0].secret == b"\xab" * 32
    assert "abab" not in repr(result)


@pytest.mark.parametrize(
    ("keyword", "target"),
    [
        pytest.param(keyword, target, marks=pytest.mark.keyword(f"vrrp_instance/{keyword}"))
        for keyword, target in (
            ("notify_backup", "backup"),
            ("notify_master", "master"),
            ("notify_fault", "fault"),
            ("notify_stop", "stop"),
            ("notify", "generic"),
            ("notify_master_rx_lower_pri", "master_rx_lower_pri"),
            ("notify_deleted", "deleted"),
        )
    ],
)
def test_notify_scripts(keyword: str, target: str) -> None:
    text = instance_text(f'{keyword} "/opt/good arg" nobody daemon')
    assert run(text).exit_status == 6
    script = getattr(config(text).vrrp_instances[0].notify, target)
    assert (script.words, script.account.uid, script.account.gid) == (("/opt/good", "arg"), 65534, 1)
    assert codes(run(instance_text(f"{keyword} /none\n{keyword} /other"))) == ["keyword-repeated"]
    missing = run(instance_text(f"{keyword} /none"))
    assert missing.exit_status == 0
    assert missing.config is not None
    assert getattr(missing.config.vrrp_instances[0].notify, target) is None
    assert run(instance_text(f"{keyword} /opt/good gone")).exit_status == 0


@pytest.mark.keyword("vrrp_instance/notify_deleted")
def test_notify_deleted_without_script() -> None:
    found = instance("notify_deleted").notify
    assert found.deleted_as_deleted
    assert found.deleted is None


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_vmac_name_of_another_instance() -> None:
    text = instance_text("use_vmac v1") + instance_text("use_vmac v1", name="B").replace("_id 51", "_id 52")
    assert codes(run(text)) == ["name-repeated"]


@pytest.mark.keyword("vrrp_instance/use_vmac")
def test_existing_macvlan_under_another_name_is_used() -> None:
    assert instance("virtual_router_id 52\nuse_vmac other").vmac == Vmac(name="mac0")
    assert instance("virtual_router_id 52\nuse_vmac").vmac == Vmac()
    assert instance("use_vmac other").vmac == Vmac(name="other")


@pytest.mark.keyword("vrrp_instance/virtual_ipaddress")
def test_vips_beyond_the_mtu_are_excluded() -> None:
    from pykeepalived.config.interfaces import Interface

    vips = " virtual_ipaddress {\n" + "".join(f" 10.0.0.{n}\n" for n in range(1, 21)) + " }\n"
    environment = with_interfaces(Interface(name="eth0", index=2, mtu=100))
    result = run(instance_text("", vip=vips), environment=environment)
    assert codes(result) == ["addresses-many"]
    assert result.config is not None
    found = result.config.vrrp_instances[0]
    assert (len(found.virtual_addresses), len(found.excluded_addresses)) == (12, 8)
