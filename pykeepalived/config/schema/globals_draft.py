"""Draft of global_defs and the root keywords of the parent: what was read, before defaults (rules/globals.py)."""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.globals import LvsSyncDaemon
from pykeepalived.config.model.values import Account, Ip, Span
from pykeepalived.config.schema.script_words import FifoDraft, ScriptWords
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(slots=True, eq=False, repr=False)
class ProcessDraft:
    """Scheduling words of one process; None = not given."""

    process_name: str | None = None
    priority: int = 0
    no_swap: bool = False
    rt_priority: int = 0
    rlimit_rttime_us: int = 10_000
    cpu_affinity: tuple[int, ...] = ()


@late_dataclass(slots=True, eq=False, repr=False)
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
