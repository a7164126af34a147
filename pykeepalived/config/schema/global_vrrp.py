"""global_defs, second half: VRRP defaults, firewall, IPVS and checkers. The rest and the root keywords: globals.py."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema import globals_handlers as handlers
from pykeepalived.config.schema import globals_lvs
from pykeepalived.config.schema.base import Keyword
from pykeepalived.config.schema.types import Address, Choice, Flag, Integer, Switch, Word, seconds
from pykeepalived.config.values import I32_MAX, I32_MIN, U31, U32

DEPRECATED = FindingClass.DEPRECATED


def _buffer_keywords(name: str, process: str) -> list[Keyword]:
    return [
        Keyword(
            name=f"{name}_rcv_bufs",
            process=process,
            type=Integer(0, U32, notation="U32", unit="bytes", strict=True, missing="report"),
            default="0 (kernel default)",
            take=handlers.receive_buffer(name),
        ),
        Keyword(
            name=f"{name}_rcv_bufs_force",
            process=process,
            type=Switch(),
            default="no",
            take=handlers.receive_buffer_force(name),
        ),
    ]


def _timer(name: str, low: float, high: float, target: str, **more: Any) -> Keyword:
    return Keyword(name=name, process="vrrp", type=seconds(low, high), target=target, **more)


def _vrrp(name: str, argument: Any, target: str, **more: Any) -> Keyword:
    return Keyword(name=name, process="vrrp", type=argument, target=target, **more)


_REPEAT = Integer(1, U32, notation="U32", zero=1)
GLOBAL_VRRP = [
    Keyword(
        name="dynamic_interfaces",
        process="vrrp",
        type=Word("allow_if_changes?"),
        take=handlers.dynamic_interfaces,
        default="off",
        since="~2.0.8",
    ),
    _vrrp("default_interface", Word("IFNAME", missing="report"), "default_interface", default="eth0", since="~1.2.24"),
    _vrrp("disable_local_igmp", Flag(), "disable_local_igmp", default="off", since="~2.2.0"),
    _vrrp("v3_checksum_as_v2", Flag(), "v3_checksum_as_v2", default="off", since="2.2.8"),
    Keyword(
        name="vrrp_mcast_group4",
        process="vrrp",
        type=Address(4),
        take=handlers.mcast_group(4),
        default="224.0.0.18",
        values="multicast",
        since="~1.2.10",
    ),
    Keyword(
        name="vrrp_mcast_group6",
        process="vrrp",
        type=Address(6),
        take=handlers.mcast_group(6),
        default="ff02::12",
        values="multicast",
        since="~1.2.10",
    ),
    _vrrp("vrrp_garp_master_delay", Integer(0, 4294, unit="s"), "garp_master_delay_s", default="5"),
    _vrrp("vrrp_garp_master_repeat", _REPEAT, "garp_master_repeat", default="5"),
    _vrrp(
        "vrrp_garp_master_refresh",
        Integer(0, U32, notation="U32", unit="s", fallback=0),
        "garp_master_refresh_s",
        default="0",
        since="~1.2.23",
    ),
    _vrrp("vrrp_garp_master_refresh_repeat", _REPEAT, "garp_master_refresh_repeat", default="1"),
    _vrrp(
        "vrrp_garp_lower_prio_delay",
        Integer(0, 4294, unit="s"),
        "garp_lower_prio_delay_s",
        default="vrrp_garp_master_delay",
        inherits="vrrp_garp_master_delay",
        since="~2.0.7",
    ),
    _vrrp(
        "vrrp_garp_lower_prio_repeat",
        Integer(0, U31),
        "garp_lower_prio_repeat",
        default="vrrp_garp_master_repeat",
        inherits="vrrp_garp_master_repeat",
    ),
    _vrrp("vrrp_down_timer_adverts", Integer(1, 100), "down_timer_adverts", default="3"),
    _timer("vrrp_garp_interval", 0.000001, 4294.967295, "garp_interval_us", default="0"),
    _timer("vrrp_gna_interval", 0.000001, 4294.967295, "gna_interval_us", default="0"),
    Keyword(
        name="vrrp_min_garp",
        process="vrrp",
        type=Switch(),
        take=handlers.min_garp,
        default="off",
        since="~2.0.12",
    ),
    Keyword(
        name="vrrp_garp_extra_if",
        process="vrrp",
        type=Word("[all] U"),
        take=handlers.garp_extra_if(1),
        default="0 (off)",
        values="1..86400 s",
    ),
    Keyword(
        name="vrrp_vmac_garp_intvl",
        process="vrrp",
        type=Word("[all] U"),
        take=handlers.garp_extra_if(1),
        default="0 (off)",
        values="1..86400 s",
        deprecated="use vrrp_garp_extra_if",
        deprecated_status=DEPRECATED,
    ),
    _vrrp("vrrp_lower_prio_no_advert", Switch(), "lower_prio_no_advert", default="no"),
    _vrrp("vrrp_higher_prio_send_advert", Switch(), "higher_prio_send_advert", default="no", since="~1.3.6"),
    _vrrp("vrrp_version", Integer(2, 3), "vrrp_version", default="2", since="~2.0.7"),
    _vrrp("vrrp_check_unicast_src", Flag(), "check_unicast_src", default="off"),
    _vrrp("vrrp_skip_check_adv_addr", Switch(), "skip_check_adv_addr", default="no"),
    _vrrp("vrrp_strict", Switch(), "vrrp_strict", default="no", since="~1.2.20"),
    _vrrp("vrrp_notify_priority_changes", Switch(), "notify_priority_changes", default="no"),
    _vrrp("fifo_write_vrrp_states_on_reload", Flag(), "fifo_write_states_on_reload", default="off", since="~2.2.7"),
    Keyword(
        name="vrrp_rx_bufs_policy",
        process="vrrp",
        type=Word("MTU|ADVERT|U32..."),
        take=handlers.rx_bufs_policy,
        default="system default",
        values="MTU, ADVERT (in any case) or bytes",
        since="~2.0.5",
    ),
    _vrrp(
        "vrrp_rx_bufs_multiplier",
        Integer(1, U32, notation="U32", strict=True, missing="report"),
        "rx_bufs_multiplier",
        default="3",
        take=handlers.rx_bufs_multiplier,
    ),
    Keyword(
        name="vrrp_startup_delay",
        process="vrrp",
        type=seconds(0.001, 4294.967295),
        take=handlers.startup_delay,
        default="0",
        since="~2.0.14",
    ),
    _timer("vrrp_delay_after_boot", 0.001, 4294.967295, "delay_after_boot_us", default="0", since="2.4.0"),
    _vrrp("log_unknown_vrids", Flag(), "log_unknown_vrids", default="off", since="~2.0.16"),
    _vrrp("vrrp_owner_ignore_adverts", Switch(), "owner_ignore_adverts", default="no", since="2.3.3"),
    _vrrp("vmac_prefix", Word(), "vmac_prefix", default="vrrp", once=True),
    _vrrp("vmac_addr_prefix", Word(), "vmac_addr_prefix", default="vmac_prefix", inherits="vmac_prefix", once=True),
    *_buffer_keywords("vrrp_netlink_cmd", "vrrp"),
    *_buffer_keywords("vrrp_netlink_monitor", "vrrp"),
    *_buffer_keywords("process_monitor", "vrrp"),
]

GLOBAL_FIREWALL = [
    Keyword(
        name="vrrp_iptables",
        process="vrrp",
        type=Word("[CHAIN_IN [CHAIN_OUT]]", missing="ignore"),
        take=globals_lvs.iptables,
        default="INPUT OUTPUT when given without names",
        values="chain names of 1..27 characters",
        since="~1.2.20",
    ),
    Keyword(
        name="vrrp_ipsets",
        process="vrrp",
        type=Word("[ADDR [ADDR6 [IFACE6 [IGMP [MLD [ND]]]]]]", missing="ignore"),
        take=globals_lvs.ipsets,
        default="keepalived, keepalived6, keepalived_if6, keepalived_igmp, keepalived_mld, keepalived_nd",
        values="names of 1..30 characters, all different",
    ),
    _vrrp(
        "nftables",
        globals_lvs.VRRP_TABLE,
        "nftables_table",
        default="keepalived",
        values="1..254 characters",
        once=True,
    ),
    _vrrp(
        "nftables_priority",
        Integer(I32_MIN, I32_MAX, notation="I32", strict=True),
        "nftables_priority",
        default="-1",
    ),
    _vrrp("nftables_ifindex", Flag(), "nftables_ifindex", default="off"),
    Keyword(
        name="nftables_ipvs",
        process="checker",
        type=globals_lvs.IPVS_TABLE,
        take=globals_lvs.nftables_ipvs,
        default="keepalived_ipvs",
        values="1..254 characters",
        since="~2.2.2",
    ),
    Keyword(
        name="nftables_ipvs_priority",
        process="checker",
        type=Integer(I32_MIN, I32_MAX, notation="I32", strict=True),
        target="nftables_ipvs_priority",
        default="-1",
    ),
    Keyword(
        name="nftables_ipvs_start_fwmark",
        process="checker",
        type=Integer(1, U32, notation="U32", strict=True),
        target="nftables_ipvs_start_fwmark",
        default="1000",
    ),
    Keyword(
        name="nftables_counters",
        process="vrrp,checker",
        type=Flag(),
        target="nftables_counters",
        default="off",
    ),
]

GLOBAL_CHECKER = [
    Keyword(
        name="checker_log_all_failures",
        process="checker",
        type=Switch(),
        target="checker_log_all_failures",
        default="no",
        since="~2.0.11",
    ),
    Keyword(
        name="lvs_timeouts",
        process="checker",
        type=Word("[tcp U] [tcpfin U] [udp U]"),
        take=globals_lvs.lvs_timeouts,
        default="kernel values",
        values="each 0..2678400 seconds",
        since="~2.0.7",
    ),
    Keyword(name="lvs_flush", process="checker", type=Flag(), target="lvs_flush", default="off", since="~1.2.23"),
    Keyword(
        name="lvs_flush_on_stop",
        process="checker",
        type=Choice({"VS": "VS"}, absent="all", missing="ignore"),
        target="lvs_flush_on_stop",
        default="off",
        values="none = full flush; VS = remove services only",
        since="~2.0.15",
    ),
    Keyword(
        name="lvs_flush_onstop",
        process="checker",
        type=Choice({"VS": "VS"}, absent="all", missing="ignore"),
        target="lvs_flush_on_stop",
        default="off",
        since="~2.0.15",
        note="old spelling of lvs_flush_on_stop",
    ),
    Keyword(
        name="lvs_sync_daemon",
        process="vrrp",
        type=Word("IFNAME [[inst] INSTANCE] [id U] [maxlen U] [port U] [ttl U] [group IP]"),
        take=globals_lvs.lvs_sync_daemon,
        default="none",
        values="id 0..255, maxlen 1..65507, port 1..65535, ttl 1..255, group multicast",
        since="~1.2.20",
    ),
    Keyword(name="rs_init_notifies", process="checker", type=Switch(), target="rs_init_notifies", default="no"),
    *_buffer_keywords("lvs_netlink_cmd", "checker"),
    *_buffer_keywords("lvs_netlink_monitor", "checker"),
]
