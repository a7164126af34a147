"""Every keyword of global_defs and of the parent: value stored, default, what is refused and with which class."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from pykeepalived.config.model.globals import GlobalDefs, LvsSyncDaemon
from pykeepalived.config.model.values import Account, Ip
from tests.config.support import config, instance_text, noted, run


def case(keyword: str, lines: str, path: str, expected: Any, status: int = 0) -> Any:
    return pytest.param(
        lines, path, expected, status, id=lines or keyword, marks=pytest.mark.keyword(f"global_defs/{keyword}")
    )


def same(keyword: str, value: str, path: str, expected: Any, status: int = 0) -> Any:
    return case(keyword, f"{keyword} {value}".rstrip(), path, expected, status)


def value_at(root: Any, path: str) -> Any:
    return reduce(getattr, path.split("."), root)


PROCESSES = [
    entry
    for prefix, path in (("vrrp", "vrrp"), ("checker", "checker"), ("bfd", "bfd"))
    for entry in (
        same(f"{prefix}_process_name", "abc", f"{path}.process_name", "abc"),
        same(f"{prefix}_process_name", "abcdefghijklmnopqrst", f"{path}.process_name", "abcdefghijklmno", 5),
        same(f"{prefix}_process_name", "", f"{path}.process_name", "", 2),
        same(f"{prefix}_priority", "-20", f"{path}.priority", -20),
        same(f"{prefix}_priority", "20", f"{path}.priority", 0, 5),
        same(f"{prefix}_priority", "", f"{path}.priority", 0, 5),
        same(f"{prefix}_no_swap", "", f"{path}.no_swap", True),
        same(f"{prefix}_rt_priority", "50", f"{path}.rt_priority", 50),
        same(f"{prefix}_rt_priority", "200", f"{path}.rt_priority", 99, 5),
        same(f"{prefix}_rt_priority", "0", f"{path}.rt_priority", 1, 5),
        same(f"{prefix}_rt_priority", "x", f"{path}.rt_priority", 0, 5),
        same(f"{prefix}_cpu_affinity", "3 1", f"{path}.cpu_affinity", (1, 3)),
        same(f"{prefix}_cpu_affinity", "1 4", f"{path}.cpu_affinity", (), 5),
        same(f"{prefix}_rlimit_rttime", "500", f"{path}.rlimit_rttime_us", 500),
        same(f"{prefix}_rlimit_rttime", "1", f"{path}.rlimit_rttime_us", 2),
        same(f"{prefix}_rlimit_rttime", "x", f"{path}.rlimit_rttime_us", 0, 5),
        same(f"{prefix}_rlimit_rtime", "500", f"{path}.rlimit_rttime_us", 500),
    )
]


BUFFERS = [
    entry
    for name in (
        "vrrp_netlink_cmd_rcv_bufs",
        "vrrp_netlink_monitor_rcv_bufs",
        "lvs_netlink_cmd_rcv_bufs",
        "lvs_netlink_monitor_rcv_bufs",
        "process_monitor_rcv_bufs",
    )
    for entry in (
        same(name, "70000", f"{name}.size", 70000),
        same(name, "0", f"{name}.size", 0),
        same(name, "x", f"{name}.size", 0, 5),
        same(name, "", f"{name}.size", 0, 5),
        same(f"{name}_force", "", f"{name}.force", True),
        same(f"{name}_force", "maybe", f"{name}.force", False, 5),
    )
]


SWITCHES = [
    entry
    for keyword, path in (
        ("use_symlink_paths", "use_symlink_paths"),
        ("set_supplementary_groups", "set_supplementary_groups"),
        ("smtp_alert", "smtp_alert"),
        ("smtp_alert_vrrp", "smtp_alert_vrrp"),
        ("smtp_alert_checker", "smtp_alert_checker"),
        ("checker_log_all_failures", "checker_log_all_failures"),
        ("no_checker_emails", "no_checker_emails"),
        ("rs_init_notifies", "rs_init_notifies"),
        ("vrrp_lower_prio_no_advert", "vrrp_defaults.lower_prio_no_advert"),
        ("vrrp_higher_prio_send_advert", "vrrp_defaults.higher_prio_send_advert"),
        ("vrrp_skip_check_adv_addr", "vrrp_defaults.skip_check_adv_addr"),
        ("vrrp_strict", "vrrp_defaults.strict"),
        ("vrrp_notify_priority_changes", "vrrp_defaults.notify_priority_changes"),
        ("vrrp_owner_ignore_adverts", "vrrp_defaults.owner_ignore_adverts"),
        ("data_use_instance", "data_use_instance"),
    )
    for entry in (
        same(keyword, "", path, True),
        same(keyword, "yes", path, True),
        same(keyword, "off", path, False),
        case(keyword, f"{keyword} on\n{keyword} Off", path, True, 5),
    )
]


FLAGS = [
    same(keyword, "off", path, True)
    for keyword, path in (
        ("process_names", "process_names"),
        ("no_email_faults", "no_email_faults"),
        ("disable_local_igmp", "vrrp_defaults.disable_local_igmp"),
        ("v3_checksum_as_v2", "vrrp_defaults.v3_checksum_as_v2"),
        ("lvs_flush", "lvs_flush"),
        ("vrrp_check_unicast_src", "vrrp_defaults.check_unicast_src"),
        ("fifo_write_vrrp_states_on_reload", "vrrp_defaults.fifo_write_states_on_reload"),
        ("nftables_ifindex", "firewall.nftables_ifindex"),
        ("nftables_counters", "firewall.nftables_counters"),
        ("enable_traps", "snmp.traps"),
        ("enable_snmp_vrrp", "snmp.vrrp"),
        ("enable_snmp_keepalived", "snmp.vrrp"),
        ("enable_snmp_rfc", "snmp.rfcv2"),
        ("enable_snmp_rfc", "snmp.rfcv3"),
        ("enable_snmp_rfcv2", "snmp.rfcv2"),
        ("enable_snmp_rfcv3", "snmp.rfcv3"),
        ("enable_snmp_checker", "snmp.checker"),
        ("enable_dbus", "enable_dbus"),
        ("enable_script_security", "enable_script_security"),
        ("log_unknown_vrids", "vrrp_defaults.log_unknown_vrids"),
        ("reload_repeat", "reload_repeat"),
    )
]


MAIL = "smtp_server 192.0.2.1\n"
VALUES = [
    same("process_name", "abc", "process_name", "abc"),
    same("lvs_process_name", "abc", "checker.process_name", "abc"),
    same("router_id", "R1", "router_id", "R1"),
    same("router_id", "", "router_id", "lb1.example.net", 5),
    case("router_id", "lvs_flush", "router_id", "lb1.example.net"),
    case("notification_email_from", MAIL + "notification_email_from a@b", "smtp.email_from", "a@b"),
    case("notification_email_from", MAIL + "notification_email_from a b", "smtp.email_from", "a", 5),
    case(
        "notification_email_from",
        MAIL + 'notification_email_from "A, B <a@b>"',
        "smtp.email_from",
        '"A, B" <a@b>',
    ),
    case("notification_email_from", MAIL, "smtp.email_from", "root@lb1.example.net"),
    same("smtp_server", "192.0.2.1", "smtp.server", Ip.parse("192.0.2.1")),
    same("smtp_server", "192.0.2.1", "smtp.port", 25),
    same("smtp_server", "2001:db8::1 587", "smtp.port", 587),
    same("smtp_server", "mail.example.net", "smtp.server", Ip.parse("192.0.2.25")),
    same("smtp_server", "nowhere.example.net", "smtp.server", None, 5),
    same("smtp_server", "192.0.2.1 0", "smtp.server", None, 5),
    case("smtp_helo_name", MAIL + "smtp_helo_name h", "smtp.helo_name", "h"),
    case("smtp_helo_name", MAIL, "smtp.helo_name", "lb1.example.net"),
    case("smtp_connect_timeout", MAIL + "smtp_connect_timeout 9", "smtp.connect_timeout_s", 9),
    case("smtp_connect_timeout", MAIL + "smtp_connect_timeout 0", "smtp.connect_timeout_s", 1, 5),
    case("smtp_connect_timeout", MAIL, "smtp.connect_timeout_s", 30),
    case("notification_email", "notification_email {\na b\n}", "smtp.recipients", ("a", "b")),
    same("startup_script_timeout", "1000", "startup_script_timeout_s", 1000),
    same("startup_script_timeout", "1001", "startup_script_timeout_s", 10, 5),
    same("shutdown_script_timeout", "7", "shutdown_script_timeout_s", 7),
    same("shutdown_script_timeout", "", "shutdown_script_timeout_s", 10, 5),
    same("max_auto_priority", "", "max_auto_priority", 99),
    same("max_auto_priority", "-1", "max_auto_priority", -1),
    same("max_auto_priority", "100", "max_auto_priority", None, 5),
    same("min_auto_priority_delay", "5", "min_auto_priority_delay_us", 5),
    same("min_auto_priority_delay", "0", "min_auto_priority_delay_us", 1_000_000, 5),
    same("dynamic_interfaces", "", "dynamic_interfaces", True),
    same("dynamic_interfaces", "allow_if_changes", "dynamic_interfaces_allow_if_changes", True),
    same("dynamic_interfaces", "foo", "dynamic_interfaces", True, 5),
    same("default_interface", "eth1", "default_interface", "eth1"),
    case("default_interface", "", "default_interface", "eth0"),
    same("lvs_timeouts", "tcp 10 tcpfin 20 udp 30", "lvs_timeouts.tcp_fin_s", 20),
    same("lvs_timeouts", "udp 2678400", "lvs_timeouts.udp_s", 2678400),
    same("lvs_timeouts", "udp 2678401 tcp 5", "lvs_timeouts.udp_s", None, 5),
    same("lvs_timeouts", "tcp", "lvs_timeouts.tcp_s", None, 5),
    same("lvs_timeouts", "foo 5 tcp 7", "lvs_timeouts.tcp_s", 7, 5),
    same("lvs_flush_on_stop", "", "lvs_flush_on_stop", "all"),
    same("lvs_flush_on_stop", "VS", "lvs_flush_on_stop", "VS"),
    same("lvs_flush_on_stop", "RS", "lvs_flush_on_stop", "", 5),
    same("lvs_flush_onstop", "VS", "lvs_flush_on_stop", "VS"),
    same(
        "lvs_sync_daemon",
        "eth0 inst V id 7 maxlen 1400 port 8848 ttl 9 group 224.0.0.81",
        "lvs_sync_daemon",
        LvsSyncDaemon(
            interface="eth0",
            instance="V",
            sync_id=7,
            max_length=1400,
            port=8848,
            ttl=9,
            group=Ip.parse("224.0.0.81"),
        ),
    ),
    same("lvs_sync_daemon", "eth0 V", "lvs_sync_daemon.instance", "V"),
    same("lvs_sync_daemon", "eth0 V 5", "lvs_sync_daemon.sync_id", 5, 5),
    same("lvs_sync_daemon", "eth0 id 256", "lvs_sync_daemon.sync_id", None, 5),
    case("lvs_sync_daemon", "lvs_sync_daemon eth0\nlvs_sync_daemon eth1", "lvs_sync_daemon.interface", "eth0", 5),
    same("vrrp_mcast_group4", "224.0.0.77", "vrrp_defaults.mcast_group4", Ip.parse("224.0.0.77")),
    same("vrrp_mcast_group4", "10.0.0.1", "vrrp_defaults.mcast_group4", Ip.parse("224.0.0.18"), 5),
    same("vrrp_mcast_group4", "ff02::1", "vrrp_defaults.mcast_group4", Ip.parse("224.0.0.18"), 5),
    same("vrrp_mcast_group6", "ff02::77", "vrrp_defaults.mcast_group6", Ip.parse("ff02::77")),
    same("vrrp_mcast_group6", "ff05::77", "vrrp_defaults.mcast_group6", Ip.parse("ff05::77"), 5),
    same("vrrp_garp_master_delay", "4294", "vrrp_defaults.garp.master_delay_s", 4294),
    same("vrrp_garp_master_delay", "4295", "vrrp_defaults.garp.master_delay_s", 5, 5),
    same("vrrp_garp_master_repeat", "0", "vrrp_defaults.garp.master_repeat", 1, 5),
    same("vrrp_garp_master_repeat", "9", "vrrp_defaults.garp.master_repeat", 9),
    same("vrrp_garp_master_refresh", "60", "vrrp_defaults.garp.master_refresh_s", 60),
    same("vrrp_garp_master_refresh", "x", "vrrp_defaults.garp.master_refresh_s", 0, 5),
    same("vrrp_garp_master_refresh_repeat", "0", "vrrp_defaults.garp.master_refresh_repeat", 1, 5),
    case("vrrp_garp_lower_prio_delay", "vrrp_garp_master_delay 8", "vrrp_defaults.garp.lower_prio_delay_s", 8),
    same("vrrp_garp_lower_prio_delay", "3", "vrrp_defaults.garp.lower_prio_delay_s", 3),
    case("vrrp_garp_lower_prio_repeat", "vrrp_garp_master_repeat 8", "vrrp_defaults.garp.lower_prio_repeat", 8),
    same("vrrp_garp_lower_prio_repeat", "0", "vrrp_defaults.garp.lower_prio_repeat", 0),
    same("vrrp_down_timer_adverts", "100", "vrrp_defaults.down_timer_adverts", 100),
    same("vrrp_down_timer_adverts", "101", "vrrp_defaults.down_timer_adverts", 3, 5),
    same("vrrp_garp_interval", "0.0015", "vrrp_defaults.garp_interval_us", 1500),
    same("vrrp_garp_interval", "0", "vrrp_defaults.garp_interval_us", 0, 5),
    same("vrrp_gna_interval", "4294.967295", "vrrp_defaults.gna_interval_us", 4294967295),
    same("vrrp_min_garp", "", "vrrp_defaults.garp.master_repeat", 1),
    same("vrrp_min_garp", "", "vrrp_defaults.garp.master_delay_s", 0),
    case("vrrp_min_garp", "vrrp_garp_master_repeat 7\nvrrp_min_garp", "vrrp_defaults.garp.master_repeat", 7),
    case("vrrp_min_garp", "vrrp_min_garp\nvrrp_garp_master_delay 4", "vrrp_defaults.garp.master_delay_s", 4),
    same("vrrp_min_garp", "no", "vrrp_defaults.garp.master_repeat", 5),
    same("vrrp_garp_extra_if", "all 60", "vrrp_defaults.garp.extra_if_s", 60),
    same("vrrp_garp_extra_if", "all", "vrrp_defaults.garp.extra_if_all", True, 5),
    same("vrrp_garp_extra_if", "0", "vrrp_defaults.garp.extra_if_s", 0, 5),
    same("vrrp_vmac_garp_intvl", "60", "vrrp_defaults.garp.extra_if_s", 60, 5),
    same("vrrp_version", "3", "vrrp_defaults.version", 3),
    same("vrrp_version", "4", "vrrp_defaults.version", 2, 5),
    same("vrrp_version", "", "vrrp_defaults.version", 2, 2),
    same("vrrp_iptables", "IN OUT", "firewall.nftables_table", "keepalived", 5),
    same("vrrp_ipsets", "", "firewall.ipsets", (), 5),
    same("nftables", "", "firewall.nftables_table", "keepalived"),
    same("nftables", "tab", "firewall.nftables_table", "tab"),
    case("nftables", "nftables a\nnftables b", "firewall.nftables_table", "a", 5),
    same("nftables_priority", "-5", "firewall.nftables_priority", -5),
    same("nftables_priority", "2147483648", "firewall.nftables_priority", -1, 5),
    same("nftables_ipvs", "", "firewall.nftables_ipvs_table", "keepalived_ipvs"),
    same("nftables_ipvs_priority", "7", "firewall.nftables_ipvs_priority", 7),
    same("nftables_ipvs_start_fwmark", "7", "firewall.nftables_ipvs_start_fwmark", 7),
    case(
        "nftables_ipvs_start_fwmark",
        "nftables_ipvs_start_fwmark 7\nnftables_ipvs",
        "firewall.nftables_ipvs_start_fwmark",
        1000,
    ),
    same("snmp_socket", "tcp:1", "snmp.socket", "tcp:1"),
    same("snmp_socket", "a b", "snmp.socket", "", 5),
    same("snmp_vs_stats_update_interval", "0.5", "snmp.vs_stats_update_interval_us", 500_000),
    same("snmp_vs_stats_update_interval", "31", "snmp.vs_stats_update_interval_us", 5_000_000, 5),
    case(
        "snmp_rs_stats_update_interval",
        "snmp_vs_stats_update_interval 2",
        "snmp.rs_stats_update_interval_us",
        2_000_000,
    ),
    same("snmp_rs_stats_update_interval", "3", "snmp.rs_stats_update_interval_us", 3_000_000),
    same("dbus_service_name", "a.b", "dbus_service_name", "a.b"),
    same("dbus_service_name", "", "dbus_service_name", "org.keepalived.Vrrp1", 5),
    same("dbus_no_interface_name", "nix", "dbus_no_interface_name", "nix"),
    same("script_user", "nobody", "script_user", Account(65534, 65534, False, "nobody")),
    same("script_user", "nobody daemon", "script_user", Account(65534, 1, False, "nobody")),
    same("script_user", "nobody :daemon", "script_user", Account(65534, 1, True, "nobody")),
    same("script_user", "gone", "script_user", None, 5),
    same("script_user", "0", "script_user", None, 5),
    same("vrrp_rx_bufs_policy", "mtu", "vrrp_defaults.rx_bufs_policy", "MTU"),
    same("vrrp_rx_bufs_policy", "ADVERT", "vrrp_defaults.rx_bufs_policy", "ADVERT"),
    same("vrrp_rx_bufs_policy", "MTU ADVERT", "vrrp_defaults.rx_bufs_policy", "MTU", 5),
    same("vrrp_rx_bufs_policy", "4096", "vrrp_defaults.rx_bufs_policy", "4096"),
    same("vrrp_rx_bufs_policy", "4096 MTU", "vrrp_defaults.rx_bufs_policy", "4096", 5),
    same("vrrp_rx_bufs_policy", "foo", "vrrp_defaults.rx_bufs_policy", "", 5),
    same("vrrp_rx_bufs_multiplier", "7", "vrrp_defaults.rx_bufs_multiplier", 7),
    same("vrrp_rx_bufs_multiplier", "7 8", "vrrp_defaults.rx_bufs_multiplier", 3, 5),
    same("vrrp_startup_delay", "1.5", "vrrp_defaults.startup_delay_us", 1_500_000),
    case(
        "vrrp_startup_delay", "vrrp_startup_delay 5\nvrrp_startup_delay 3", "vrrp_defaults.startup_delay_us", 5_000_000
    ),
    same("vrrp_delay_after_boot", "9", "vrrp_defaults.delay_after_boot_us", 9_000_000),
    same("vmac_prefix", "vip", "vrrp_defaults.vmac_prefix", "vip"),
    case("vmac_prefix", "vmac_prefix a\nvmac_prefix b", "vrrp_defaults.vmac_prefix", "a", 5),
    case("vmac_addr_prefix", "vmac_prefix a", "vrrp_defaults.vmac_addr_prefix", "a"),
    same("vmac_addr_prefix", "adr", "vrrp_defaults.vmac_addr_prefix", "adr"),
    same("umask", "022", "umask", 0o22),
    same("umask", "0x12", "umask", 0x12),
    same("umask", "9", "umask", 9),
    same("umask", "IRWXO|IWGRP", "umask", 0o027),
    same("umask", "IRWXO|", "umask", None, 5),
    same("umask", "01000", "umask", None, 5),
    same("random_seed", "5", "random_seed", 5),
    same("random_seed", "-5", "random_seed", None, 5),
    same("reload_check_config", "", "reload_check_config", "/dev/null"),
    same("reload_check_config", "/tmp/log", "reload_check_config", "/tmp/log"),
    same("reload_time_file", "/etc/time", "reload_time_file", "/etc/time"),
    same("reload_time_file", "time", "reload_time_file", "", 5),
    same("reload_file", "", "reload_file", "default"),
    same("reload_file", "/run/x", "reload_file", "/run/x"),
    same("include_check", "+match -read", "router_id", "lb1.example.net"),
    same("include_check", "readable", "router_id", "lb1.example.net", 5),
    same("include_check", "read match", "router_id", "lb1.example.net", 5),
    same("config_save_dir", "/etc/keepalived", "config_save_dir", "/etc/keepalived"),
    same("config_save_dir", "/opt/good", "config_save_dir", "", 5),
    same("tmp_config_directory", "/tmp", "tmp_config_directory", "/tmp"),
    case("tmp_config_directory", "tmp_config_directory /a\ntmp_config_directory /b", "tmp_config_directory", "/a", 5),
    same("json_version", "2", "json_version", 2),
    same("json_version", "3", "json_version", 1, 5),
    same("iproute_usr_dir", "/a", "iproute_usr_dir", "/a"),
    same("iproute_etc_dir", "/a b", "iproute_etc_dir", "", 5),
    same("state_dump_file", "/tmp/s", "state_dump_file", "/tmp/s"),
    same("stats_dump_file", "/tmp/", "stats_dump_file", "/tmp/"),
    same("json_dump_file", "", "json_dump_file", "", 5),
    same("json_dump_file", "/tmp/j", "json_dump_file", "/tmp/j"),
]


@pytest.mark.parametrize(("lines", "path", "expected", "status"), [*VALUES, *FLAGS, *SWITCHES, *PROCESSES, *BUFFERS])
def test_value_and_status(lines: str, path: str, expected: Any, status: int) -> None:
    text = f"global_defs {{\n{lines}\n}}\n" + (instance_text("", name="V") if " V" in lines else "")
    result = run(text)
    assert result.exit_status == status, result.findings
    if status != 2:
        assert result.config is not None
        assert value_at(result.config.globals, path) == expected


@pytest.mark.keyword("global_defs")
def test_defaults_are_those_of_the_model() -> None:
    assert config("").globals == GlobalDefs(router_id="lb1.example.net")


@pytest.mark.parametrize(
    "keyword",
    [
        pytest.param(name, marks=pytest.mark.keyword(f"global_defs/{name}"))
        for name in (
            "vrrp_garp_interval",
            "vrrp_process_name",
            "smtp_server",
            "vrrp_mcast_group4",
            "config_save_dir",
            "umask",
            "vmac_prefix",
            "nftables_priority",
            "vrrp_startup_delay",
        )
    ],
)
def test_missing_word_is_status_2(keyword: str) -> None:
    assert run(f"global_defs {{\n{keyword}\n}}\n").exit_status == 2


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(text, marks=pytest.mark.keyword(f"global_defs/{keyword}"))
        for keyword, text in (
            ("vrrp_rlimit_rtime", "vrrp_rlimit_rtime 5"),
            ("checker_rlimit_rtime", "checker_rlimit_rtime 5"),
            ("lvs_process_name", "lvs_process_name a"),
        )
    ],
)
def test_old_names_are_only_mentioned_in_the_log(lines: str) -> None:
    assert noted(run(f"global_defs {{\n{lines}\n}}\n")) == ["keyword-deprecated"]


# --- root keywords ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "expected", "status"),
    [
        pytest.param(text, path, expected, status, id=text, marks=pytest.mark.keyword(text.split()[0]))
        for text, path, expected, status in (
            ("instance abc", "instance", "abc", 0),
            ("instance abc", "use_pid_dir", True, 0),
            ("instance abc\ninstance def", "instance", "abc", 5),
            ("instance", "instance", "", 5),
            ("use_pid_dir", "use_pid_dir", True, 0),
            ("namespace_with_ipsets", "namespace_with_ipsets", True, 0),
            ("net_namespace_ipvs", "net_namespace_ipvs", "", 0),
            ("net_namespace_ipvs x", "net_namespace_ipvs", "x", 0),
            ("net_namespace_ipvs x\nnet_namespace_ipvs y", "net_namespace_ipvs", "x", 5),
            ("net_namespace", "net_namespace", "", 5),
            ("child_wait_time 9", "child_wait_time_s", 9, 0),
            ("child_wait_time x", "child_wait_time_s", 5, 5),
        )
    ],
)
def test_root_keywords(text: str, path: str, expected: Any, status: int) -> None:
    result = run(text + "\n")
    assert result.exit_status == status
    assert result.config is not None
    assert value_at(result.config.globals, path) == expected


@pytest.mark.keyword("net_namespace")
def test_net_namespace_replaces_the_interfaces() -> None:
    import dataclasses

    from tests.config.support import ENVIRONMENT, INTERFACES

    environment = dataclasses.replace(
        ENVIRONMENT,
        interfaces={},
        namespace_interfaces=lambda name: INTERFACES if name == "blue" else None,
    )
    assert run("net_namespace blue\n" + instance_text(""), environment=environment).exit_status == 0
    assert run(instance_text(""), environment=environment).exit_status == 5
    assert run(instance_text(""), environment=environment, net_namespace="blue").exit_status == 0


@pytest.mark.keyword("linkbeat_use_polling")
def test_linkbeat_use_polling() -> None:
    assert config("linkbeat_use_polling\n").linkbeat_use_polling
    assert not config("").linkbeat_use_polling
