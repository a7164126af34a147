"""global_defs and the root keywords of the parent: what is read, before defaults and completion (rules/globals.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model.globals import LvsSyncDaemon
from pykeepalived.config.model.values import Account, Ip, Span
from pykeepalived.config.schema import globals_handlers as handlers
from pykeepalived.config.schema.base import Block, Keyword, Reading, ValueBlock, table
from pykeepalived.config.schema.script_words import FifoDraft, ScriptWords, take_fifo, take_fifo_script, take_script
from pykeepalived.config.schema.types import Address, Choice, Decimal, Flag, Integer, Switch, Word, seconds
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import I32_MAX, I32_MIN, U31, U32

DEPRECATED = FindingClass.DEPRECATED


@dataclass(slots=True)
class ProcessDraft:
    """Scheduling words of one process; None = not given."""

    process_name: str | None = None
    priority: int = 0
    no_swap: bool = False
    rt_priority: int = 0
    rlimit_rttime_us: int = 10_000
    cpu_affinity: tuple[int, ...] = ()


@dataclass(slots=True)
class GlobalsDraft:
    """What global_defs said; None = nothing. Times as in the model, snmp intervals and delays in microseconds."""

    at: Span | None = None
    # root keywords
    instance: str | None = None
    net_namespace: str | None = None
    net_namespace_ipvs: str | None = None
    namespace_with_ipsets: bool = False
    use_pid_dir: bool = False
    child_wait_time_s: int = 5
    # identity, processes
    process_names: bool = False
    process_name: str | None = None
    vrrp: ProcessDraft = field(default_factory=ProcessDraft)
    checker: ProcessDraft = field(default_factory=ProcessDraft)
    bfd: ProcessDraft = field(default_factory=ProcessDraft)
    router_id: str | None = None
    max_auto_priority: int | None = None
    min_auto_priority_delay_us: int = 1_000_000
    umask: int | None = None
    # mail
    email_from: str | None = None
    smtp_server: Ip | None = None
    smtp_port: int = 25
    smtp_helo_name: str | None = None
    smtp_connect_timeout_s: int | None = None
    recipients: list[str] = field(default_factory=list)
    smtp_alert: bool | None = None
    smtp_alert_vrrp: bool | None = None
    smtp_alert_checker: bool | None = None
    no_email_faults: bool = False
    no_checker_emails: bool = False
    # scripts
    script_user: Account | None = None
    script_user_failed: bool = False
    enable_script_security: bool = False
    use_symlink_paths: bool = False
    set_supplementary_groups: bool = False
    startup_script: ScriptWords | None = None
    startup_script_timeout_s: int = 10
    shutdown_script: ScriptWords | None = None
    shutdown_script_timeout_s: int = 10
    notify_fifo: FifoDraft = field(default_factory=FifoDraft)
    vrrp_notify_fifo: FifoDraft = field(default_factory=FifoDraft)
    lvs_notify_fifo: FifoDraft = field(default_factory=FifoDraft)
    # VRRP
    vrrp_version: int = 2
    vrrp_strict: bool = False
    mcast_group4: Ip = field(default_factory=lambda: Ip.parse("224.0.0.18"))
    mcast_group6: Ip = field(default_factory=lambda: Ip.parse("ff02::12"))
    garp_master_delay_s: int = 5
    garp_master_repeat: int = 5
    garp_master_refresh_s: int = 0
    garp_master_refresh_repeat: int = 1
    garp_lower_prio_delay_s: int | None = None
    garp_lower_prio_repeat: int | None = None
    garp_extra_if_s: int = 0
    garp_extra_if_all: bool = False
    garp_interval_us: int = 0
    gna_interval_us: int = 0
    down_timer_adverts: int = 3
    lower_prio_no_advert: bool = False
    higher_prio_send_advert: bool = False
    check_unicast_src: bool = False
    skip_check_adv_addr: bool = False
    owner_ignore_adverts: bool = False
    v3_checksum_as_v2: bool = False
    notify_priority_changes: bool = False
    fifo_write_states_on_reload: bool = False
    log_unknown_vrids: bool = False
    startup_delay_us: int = 0
    delay_after_boot_us: int = 0
    rx_bufs_policy: str = ""
    rx_bufs_multiplier: int = 3
    vmac_prefix: str | None = None
    vmac_addr_prefix: str | None = None
    disable_local_igmp: bool = False
    dynamic_interfaces: bool = False
    dynamic_interfaces_allow_if_changes: bool = False
    default_interface: str = "eth0"
    # firewall
    iptables_chains: tuple[str, ...] | None = None
    ipsets: tuple[str, ...] | None = None
    nftables_table: str | None = None
    nftables_priority: int = -1
    nftables_ifindex: bool = False
    nftables_counters: bool = False
    nftables_ipvs_table: str | None = None
    nftables_ipvs_priority: int = -1
    nftables_ipvs_start_fwmark: int = 1000
    # IPVS, checkers
    lvs_sync_daemon: LvsSyncDaemon | None = None
    lvs_tcp_s: int | None = None
    lvs_tcp_fin_s: int | None = None
    lvs_udp_s: int | None = None
    lvs_flush: bool = False
    lvs_flush_on_stop: str = ""
    rs_init_notifies: bool = False
    checker_log_all_failures: bool = False
    receive_buffers: dict[str, int] = field(default_factory=dict)
    receive_buffers_forced: dict[str, bool] = field(default_factory=dict)
    # observation
    snmp_socket: str | None = None
    snmp_traps: bool = False
    snmp_vrrp: bool = False
    snmp_rfcv2: bool = False
    snmp_rfcv3: bool = False
    snmp_checker: bool = False
    snmp_vs_interval_us: int = 5_000_000
    snmp_rs_interval_us: int | None = None
    enable_dbus: bool = False
    dbus_service_name: str = "org.keepalived.Vrrp1"
    dbus_no_interface_name: str = "none"
    data_use_instance: bool = False
    json_version: int = 1
    state_dump_file: str = ""
    stats_dump_file: str = ""
    json_dump_file: str = ""
    # configuration handling
    random_seed: int | None = None
    reload_check_config: str = ""
    reload_time_file: str = ""
    reload_repeat: bool = False
    reload_file: str = ""
    config_save_dir: str = ""
    tmp_config_directory: str | None = None
    iproute_usr_dir: str = ""
    iproute_etc_dir: str = ""


def _begin(parent: Any, statement: Statement, reading: Reading) -> GlobalsDraft:
    draft = reading.draft.globals
    draft.at = draft.at or statement.span(0)
    return draft


def _process_keywords(prefix: str) -> list[Keyword]:
    """The scheduling keywords of one process."""
    old = "lvs" if prefix == "checker" else ""
    name = Word(longest=15, cut=True)
    keywords = [
        Keyword(name=f"{prefix}_process_name", process=prefix, type=name, take=handlers.process_name(prefix)),
        Keyword(
            name=f"{prefix}_priority",
            process=prefix,
            values="-20..19 (nice value)",
            default="0",
            type=handlers.NICE,
            take=handlers.process_field(prefix, "priority", handlers.NICE),
        ),
        Keyword(
            name=f"{prefix}_no_swap",
            process=prefix,
            type=Flag(),
            default="off",
            take=handlers.process_field(prefix, "no_swap", Flag()),
        ),
        Keyword(
            name=f"{prefix}_rt_priority",
            process=prefix,
            type=handlers.REAL_TIME,
            default="0 (not real time)",
            values="SCHED_RR 1..99",
            take=handlers.real_time(prefix),
        ),
        Keyword(
            name=f"{prefix}_cpu_affinity",
            process=prefix,
            type=Word("U..."),
            default="all CPUs",
            values="0..online CPUs-1",
            since="~2.0.17",
            take=handlers.cpu_affinity(prefix),
        ),
        Keyword(
            name=f"{prefix}_rlimit_rttime",
            process=prefix,
            type=handlers.RTTIME,
            default="10000",
            values="1..4294967295 microseconds, 1 becomes 2",
            take=handlers.rttime(prefix),
        ),
        Keyword(
            name=f"{prefix}_rlimit_rtime",
            process=prefix,
            type=handlers.RTTIME,
            default="10000",
            deprecated=f"use {prefix}_rlimit_rttime",
            take=handlers.rttime(prefix, old=True),
        ),
    ]
    if old:
        keywords.append(
            Keyword(
                name=f"{old}_process_name",
                process=prefix,
                type=name,
                since="~2.2.0",
                deprecated=f"use {prefix}_process_name",
                take=handlers.process_name(prefix, old=True),
            )
        )
    return keywords


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


def _dump_keywords() -> list[Keyword]:
    one_path = Word("PATH", missing="report", exact=True)
    return [
        Keyword(
            name=f"{kind}_dump_file",
            process="all",
            type=one_path,
            target=f"{kind}_dump_file",
            default="in the temporary directory",
        )
        for kind in ("state", "stats", "json")
    ]


def _timer(name: str, low: float, high: float, target: str, **more: Any) -> Keyword:
    return Keyword(name=name, process="vrrp", type=seconds(low, high), target=target, **more)


def _vrrp(name: str, argument: Any, target: str, **more: Any) -> Keyword:
    return Keyword(name=name, process="vrrp", type=argument, target=target, **more)


_REPEAT = Integer(1, U32, notation="U32", zero=1)
_GLOBAL_IDENTITY = [
    Keyword(name="process_names", process="all", type=Flag(), target="process_names", default="names unchanged"),
    Keyword(
        name="process_name", process="parent", type=Word(longest=15, cut=True), target="process_name", since="~2.0.16"
    ),
    *_process_keywords("vrrp"),
    *_process_keywords("checker"),
    *_process_keywords("bfd"),
    Keyword(
        name="use_symlink_paths", process="all", type=Switch(), target="use_symlink_paths", default="no", since="2.3.0"
    ),
    Keyword(
        name="set_supplementary_groups",
        process="all",
        type=Switch(),
        target="set_supplementary_groups",
        default="no",
        since="2.4.0",
    ),
    Keyword(
        name="router_id",
        process="all",
        type=Word(missing="report"),
        target="router_id",
        default="local host name",
        since="~1.1.8",
        note="names the host in mail subjects and SNMP",
    ),
    Keyword(
        name="max_auto_priority",
        process="all",
        type=Integer(-1, 99, notation="I?", absent=99),
        target="max_auto_priority",
        default="0 (no automatic raising)",
        since="~2.1.0",
        note="-1 only silences the notice at start",
    ),
    Keyword(
        name="min_auto_priority_delay",
        process="all",
        type=Integer(1, 10_000_000, unit="us", missing="report"),
        target="min_auto_priority_delay_us",
        default="1000000",
        since="~2.1.0",
    ),
    Keyword(
        name="umask",
        process="all",
        type=Word("U|BITS"),
        take=handlers.umask,
        default="0177",
        values="0..0777 in C notation, or IRUSR..IXOTH, IRWXU, IRWXG, IRWXO joined with |",
    ),
    Keyword(
        name="random_seed",
        process="all",
        type=Integer(0, U32, notation="U32", strict=True),
        target="random_seed",
        default="time of day",
    ),
]

_GLOBAL_MAIL = [
    Keyword(
        name="notification_email_from",
        process="all",
        type=Word(missing="ignore"),
        take=handlers.email_from,
        default="user@host (only with smtp_server)",
    ),
    Keyword(
        name="smtp_server",
        process="all",
        type=Word("IP|DOMAIN PORT?"),
        take=handlers.smtp_server,
        default="none (no mail)",
        values="port 1..65535",
        since="~1.1.2",
    ),
    Keyword(
        name="smtp_helo_name",
        process="all",
        type=Word(missing="ignore"),
        target="smtp_helo_name",
        default="local host name",
        since="~2.0.11",
    ),
    Keyword(
        name="smtp_connect_timeout",
        process="all",
        type=Integer(1, 4294, unit="s", zero=1),
        target="smtp_connect_timeout_s",
        default="30",
    ),
    Keyword(
        name="notification_email",
        process="all",
        since="~1.2.20",
        default="none",
        block=ValueBlock(entry=handlers.recipient, notation="STR", empty_is_error=True),
    ),
    Keyword(name="smtp_alert", process="all", type=Switch(), target="smtp_alert", default="unset"),
    Keyword(
        name="smtp_alert_vrrp",
        process="vrrp",
        type=Switch(),
        target="smtp_alert_vrrp",
        default="unset",
        inherits="smtp_alert",
    ),
    Keyword(
        name="smtp_alert_checker",
        process="checker",
        type=Switch(),
        target="smtp_alert_checker",
        default="unset",
        inherits="smtp_alert",
    ),
    Keyword(name="no_email_faults", process="vrrp", type=Flag(), target="no_email_faults", default="off"),
    Keyword(
        name="no_checker_emails",
        process="checker",
        type=Switch(),
        target="no_checker_emails",
        default="no",
        since="~2.0.0",
    ),
]

_SCRIPT_TIMEOUT = Integer(1, 1000, unit="s", missing="report")
_GLOBAL_SCRIPTS = [
    Keyword(
        name="startup_script",
        process="parent",
        type=Word("QSTR USER? GROUP?"),
        take=take_script("startup_script", missing="report"),
        default="none",
        inherits="script_user",
    ),
    Keyword(
        name="startup_script_timeout",
        process="parent",
        type=_SCRIPT_TIMEOUT,
        target="startup_script_timeout_s",
        default="10",
    ),
    Keyword(
        name="shutdown_script",
        process="parent",
        type=Word("QSTR USER? GROUP?"),
        take=take_script("shutdown_script", missing="report"),
        default="none",
        inherits="script_user",
    ),
    Keyword(
        name="shutdown_script_timeout",
        process="parent",
        type=_SCRIPT_TIMEOUT,
        target="shutdown_script_timeout_s",
        default="10",
    ),
    *(
        keyword
        for prefix, process in (("", "all"), ("vrrp_", "vrrp"), ("lvs_", "checker"))
        for keyword in (
            Keyword(
                name=f"{prefix}notify_fifo",
                process=process,
                type=Word("PATH USER? GROUP?"),
                take=take_fifo(f"{prefix}notify_fifo"),
                default="none",
                inherits="script_user",
            ),
            Keyword(
                name=f"{prefix}notify_fifo_script",
                process=process,
                type=Word("QSTR USER? GROUP?"),
                take=take_fifo_script(f"{prefix}notify_fifo"),
                default="none",
                inherits="script_user",
            ),
        )
    ),
    Keyword(
        name="script_user",
        process="all",
        type=Word("USER GROUP?"),
        take=handlers.script_user,
        default="keepalived_script if that user exists, else the daemon's user",
    ),
    Keyword(
        name="enable_script_security",
        process="all",
        type=Flag(),
        target="enable_script_security",
        default="off",
        since="~1.3.0",
    ),
]

_GLOBAL_VRRP = [
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

_GLOBAL_FIREWALL = [
    Keyword(
        name="vrrp_iptables",
        process="vrrp",
        type=Word("[CHAIN_IN [CHAIN_OUT]]", missing="ignore"),
        take=handlers.iptables,
        default="INPUT OUTPUT when given without names",
        values="chain names of 1..27 characters",
        since="~1.2.20",
    ),
    Keyword(
        name="vrrp_ipsets",
        process="vrrp",
        type=Word("[ADDR [ADDR6 [IFACE6 [IGMP [MLD [ND]]]]]]", missing="ignore"),
        take=handlers.ipsets,
        default="keepalived, keepalived6, keepalived_if6, keepalived_igmp, keepalived_mld, keepalived_nd",
        values="names of 1..30 characters, all different",
    ),
    _vrrp(
        "nftables",
        Word("TABLE?", absent="keepalived", longest=254),
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
        type=Word("TABLE?", absent="keepalived_ipvs", longest=254),
        take=handlers.nftables_ipvs,
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

_GLOBAL_CHECKER = [
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
        take=handlers.lvs_timeouts,
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
        take=handlers.lvs_sync_daemon,
        default="none",
        values="id 0..255, maxlen 1..65507, port 1..65535, ttl 1..255, group multicast",
        since="~1.2.20",
    ),
    Keyword(name="rs_init_notifies", process="checker", type=Switch(), target="rs_init_notifies", default="no"),
    *_buffer_keywords("lvs_netlink_cmd", "checker"),
    *_buffer_keywords("lvs_netlink_monitor", "checker"),
]

_SNMP_INTERVAL = Decimal(1_000, 30_000_000)
_GLOBAL_OBSERVATION = [
    Keyword(
        name="snmp_socket",
        process="vrrp,checker",
        type=Word(missing="report", exact=True),
        target="snmp_socket",
        default="unix:/var/agentx/master",
        once=True,
    ),
    Keyword(name="enable_traps", process="vrrp,checker", type=Flag(), target="snmp_traps", default="off"),
    Keyword(name="enable_snmp_vrrp", process="vrrp", type=Flag(), target="snmp_vrrp", default="off"),
    Keyword(
        name="enable_snmp_keepalived",
        process="vrrp",
        type=Flag(),
        target="snmp_vrrp",
        default="off",
        note="old name of enable_snmp_vrrp",
    ),
    Keyword(name="enable_snmp_rfc", process="vrrp", type=Flag(), take=handlers.snmp_rfc, default="off"),
    Keyword(name="enable_snmp_rfcv2", process="vrrp", type=Flag(), target="snmp_rfcv2", default="off"),
    Keyword(name="enable_snmp_rfcv3", process="vrrp", type=Flag(), target="snmp_rfcv3", default="off"),
    Keyword(name="enable_snmp_checker", process="checker", type=Flag(), target="snmp_checker", default="off"),
    Keyword(
        name="snmp_vs_stats_update_interval",
        process="checker",
        type=_SNMP_INTERVAL,
        target="snmp_vs_interval_us",
        default="5",
        since="2.3.0",
    ),
    Keyword(
        name="snmp_rs_stats_update_interval",
        process="checker",
        type=_SNMP_INTERVAL,
        target="snmp_rs_interval_us",
        default="snmp_vs_stats_update_interval",
        inherits="snmp_vs_stats_update_interval",
        since="2.3.0",
    ),
    Keyword(name="enable_dbus", process="vrrp", type=Flag(), target="enable_dbus", default="off"),
    Keyword(
        name="dbus_service_name",
        process="vrrp",
        type=Word(missing="report"),
        target="dbus_service_name",
        default="org.keepalived.Vrrp1",
    ),
    Keyword(
        name="dbus_no_interface_name",
        process="vrrp",
        type=Word(missing="report"),
        target="dbus_no_interface_name",
        default="none",
        since="2.3.0",
    ),
    Keyword(
        name="data_use_instance",
        process="all",
        type=Switch(),
        target="data_use_instance",
        default="no",
        since="~2.2.3",
    ),
    Keyword(
        name="json_version",
        process="vrrp",
        type=Integer(1, 2, missing="report"),
        target="json_version",
        default="1",
        since="2.2.8",
    ),
    *_dump_keywords(),
]

_ONE_PATH = Word("PATH", missing="report", exact=True)
_GLOBAL_FILES = [
    Keyword(
        name="reload_check_config",
        process="parent",
        type=Word("PATH?", absent="/dev/null"),
        target="reload_check_config",
        default="off",
        since="~2.2.0",
    ),
    Keyword(
        name="reload_time_file",
        process="parent",
        type=_ONE_PATH,
        take=handlers.reload_time_file,
        values="absolute path",
    ),
    Keyword(name="reload_repeat", process="parent", type=Flag(), target="reload_repeat", default="off"),
    Keyword(
        name="reload_file",
        process="parent",
        type=Word("PATH?", absent="default"),
        target="reload_file",
        default="off; without a path keepalived.reload beside the pid file",
        since="~2.2.0",
    ),
    Keyword(
        name="include_check",
        process="parent",
        type=Word("[read|match|wildcard_match|brace_match] | [+|-]NAME...", missing="ignore"),
        take=handlers.include_check,
        default="nothing checked",
        since="~2.2.0",
    ),
    Keyword(
        name="config_save_dir",
        process="all",
        type=Word("PATH"),
        take=handlers.config_save_dir,
        default="off",
        since="~2.2.3",
    ),
    Keyword(
        name="tmp_config_directory",
        process="parent",
        type=Word("PATH", missing="report"),
        target="tmp_config_directory",
        default="memory file",
        once=True,
    ),
    Keyword(
        name="iproute_usr_dir",
        process="vrrp",
        type=_ONE_PATH,
        target="iproute_usr_dir",
        default="/usr/share/iproute2",
        since="~2.3.4",
    ),
    Keyword(
        name="iproute_etc_dir",
        process="vrrp",
        type=_ONE_PATH,
        target="iproute_etc_dir",
        default="/etc/iproute2",
        since="~2.3.4",
    ),
]

GLOBAL_DEFS = table(
    [
        *_GLOBAL_IDENTITY,
        *_GLOBAL_MAIL,
        *_GLOBAL_SCRIPTS,
        *_GLOBAL_VRRP,
        *_GLOBAL_FIREWALL,
        *_GLOBAL_CHECKER,
        *_GLOBAL_OBSERVATION,
        *_GLOBAL_FILES,
    ]
)

KEYWORDS = (
    Keyword(
        name="linkbeat_use_polling",
        process="vrrp",
        type=Flag(),
        take=handlers.linkbeat_use_polling,
        default="off",
    ),
    Keyword(
        name="net_namespace",
        process="all",
        type=Word(missing="report"),
        take=handlers.root_word("net_namespace"),
        since="~1.2.24",
    ),
    Keyword(
        name="net_namespace_ipvs",
        process="checker",
        type=Word("STR?", absent=""),
        take=handlers.root_word("net_namespace_ipvs", absent=""),
        default="(same as net_namespace)",
        since="~2.1.0",
    ),
    Keyword(
        name="namespace_with_ipsets",
        process="vrrp",
        type=Flag(),
        take=handlers.root_flag("namespace_with_ipsets"),
        default="off",
        since="~1.3.0",
    ),
    Keyword(
        name="use_pid_dir",
        process="parent",
        type=Flag(),
        take=handlers.root_flag("use_pid_dir"),
        default="off (on with instance or net_namespace)",
        since="~1.2.24",
    ),
    Keyword(
        name="instance",
        process="all",
        type=Word(missing="report"),
        take=handlers.root_word("instance"),
    ),
    Keyword(
        name="child_wait_time",
        process="parent",
        type=Integer(0, U32, notation="U32", unit="s", strict=True),
        take=handlers.child_wait_time,
        default="5",
    ),
    Keyword(name="global_defs", process="parent", block=Block(GLOBAL_DEFS, _begin), since="~1.2.10"),
)

PARENT_KEYWORDS = frozenset(
    {
        "net_namespace",
        "net_namespace_ipvs",
        "namespace_with_ipsets",
        "use_pid_dir",
        "instance",
        "child_wait_time",
        "global_defs",
    }
)
"""Root keywords that are read before all others, wherever they stand."""
