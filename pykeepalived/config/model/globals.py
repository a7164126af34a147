"""The global_defs block and the root keywords that concern the daemon as a whole, after defaults were applied.

Times are integers of microseconds and end in `_us`, unless the name says seconds.
"""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.network import RTPROT_KEEPALIVED
from pykeepalived.config.model.values import Account, Fifo, Ip, Script, Span
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """How one child is scheduled: nice value, SCHED_RR priority (0 = none), CPU list, memory lock."""

    process_name: str = ""
    priority: int = 0
    no_swap: bool = False
    rt_priority: int = 0
    rlimit_rttime_us: int = 10_000
    cpu_affinity: tuple[int, ...] = ()


@late_dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveBuffer:
    """Size of a netlink receive buffer in bytes (0 = kernel default) and whether to override the system limit."""

    size: int = 0
    force: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The mail server and the sender's identity. `server` None means that no mail is ever sent; what nobody wrote is
    then "" or 0."""

    server: Ip | None = None
    port: int = 25
    helo_name: str = ""
    connect_timeout_s: int = 30
    email_from: str = ""
    recipients: tuple[str, ...] = ()


@late_dataclass(frozen=True, slots=True, kw_only=True)
class LvsSyncDaemon:
    """lvs_sync_daemon: the IPVS connection synchronisation threads. `instance` "" = run by the checker at start."""

    interface: str
    instance: str = ""
    sync_id: int | None = None
    max_length: int = 0
    port: int = 0
    ttl: int = 0
    group: Ip | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class LvsTimeouts:
    """lvs_timeouts in seconds; None leaves the kernel's value."""

    tcp_s: int | None = None
    tcp_fin_s: int | None = None
    udp_s: int | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Garp:
    """Gratuitous ARP and unsolicited NA: seconds between blocks, frames a block. Global, then per instance."""

    master_delay_s: int = 5
    master_repeat: int = 5
    master_refresh_s: int = 0
    master_refresh_repeat: int = 1
    lower_prio_delay_s: int = 5
    lower_prio_repeat: int = 5
    extra_if_s: int = 0
    extra_if_all: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """Which firewall drops traffic to VIPs that are not accepted: nftables (default) or iptables with ipsets.

    `nftables_table` / `iptables_chains` "" or () mean "not configured": nftables with table `keepalived` is then used
    when something needs a firewall. Chains are the one for input and, if there is any, the one for output; `ipsets` ()
    means a rule for each address.
    """

    nftables_table: str = ""
    nftables_priority: int = -1
    nftables_ifindex: bool = False
    nftables_counters: bool = False
    iptables_chains: tuple[str, ...] = ()
    ipsets: tuple[str, ...] | None = None
    nftables_ipvs_table: str = ""
    nftables_ipvs_priority: int = -1
    nftables_ipvs_start_fwmark: int = 1000


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Snmp:
    """AgentX: which MIBs are served. `socket` "" = the library's default."""

    socket: str = ""
    vrrp: bool = False
    rfcv2: bool = False
    rfcv3: bool = False
    checker: bool = False
    traps: bool = False
    vs_stats_update_interval_us: int = 5_000_000
    rs_stats_update_interval_us: int = 5_000_000


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VrrpDefaults:
    """Global VRRP settings: the values instances inherit, and those of the whole VRRP process."""

    version: int = 2
    strict: bool = False
    mcast_group4: Ip = Ip.parse("224.0.0.18")
    mcast_group6: Ip = Ip.parse("ff02::12")
    garp: Garp = Garp()
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
    """"" (kernel default), "MTU", "ADVERT", or the number of bytes in decimal."""
    rx_bufs_multiplier: int = 3
    vmac_prefix: str = "vrrp"
    vmac_addr_prefix: str = "vrrp"
    disable_local_igmp: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class GlobalDefs:
    """Everything of global_defs and of the root keywords of the parent (instance, net_namespace, ...)."""

    # identity and processes
    router_id: str = ""
    instance: str = ""
    net_namespace: str = ""
    net_namespace_ipvs: str | None = None
    """None = as net_namespace, "" = the default namespace (of pid 1), else a name below /run/netns."""
    namespace_with_ipsets: bool = False
    use_pid_dir: bool = False
    child_wait_time_s: int = 5
    process_names: bool = False
    process_name: str = ""
    vrrp: Scheduling = Scheduling()
    checker: Scheduling = Scheduling()
    bfd: Scheduling = Scheduling()
    max_auto_priority: int | None = None
    """None = not configured (a notice at start), -1 = silently off, 0 = off, else the highest SCHED_RR priority."""
    min_auto_priority_delay_us: int = 1_000_000
    umask: int | None = None
    # mail
    smtp: Smtp = Smtp(connect_timeout_s=0)
    smtp_alert: bool | None = None
    smtp_alert_vrrp: bool | None = None
    smtp_alert_checker: bool | None = None
    no_email_faults: bool = False
    no_checker_emails: bool = False
    # scripts
    script_user: Account | None = None
    enable_script_security: bool = False
    use_symlink_paths: bool = False
    set_supplementary_groups: bool = False
    startup_script: Script | None = None
    startup_script_timeout_s: int = 10
    shutdown_script: Script | None = None
    shutdown_script_timeout_s: int = 10
    notify_fifo: Fifo | None = None
    vrrp_notify_fifo: Fifo | None = None
    lvs_notify_fifo: Fifo | None = None
    # protocols
    vrrp_defaults: VrrpDefaults = VrrpDefaults()
    firewall: Firewall = Firewall()
    dynamic_interfaces: bool = False
    dynamic_interfaces_allow_if_changes: bool = False
    default_interface: str = "eth0"
    address_protocol: int = RTPROT_KEEPALIVED
    """The protocol number that addresses are marked with."""
    # IPVS and checkers
    lvs_sync_daemon: LvsSyncDaemon | None = None
    lvs_timeouts: LvsTimeouts = LvsTimeouts()
    lvs_flush: bool = False
    lvs_flush_on_stop: str = ""
    """"" (off), "all" or "VS" (services of this configuration only)."""
    rs_init_notifies: bool = False
    checker_log_all_failures: bool = False
    # netlink buffers
    vrrp_netlink_cmd_rcv_bufs: ReceiveBuffer = ReceiveBuffer()
    vrrp_netlink_monitor_rcv_bufs: ReceiveBuffer = ReceiveBuffer()
    lvs_netlink_cmd_rcv_bufs: ReceiveBuffer = ReceiveBuffer()
    lvs_netlink_monitor_rcv_bufs: ReceiveBuffer = ReceiveBuffer()
    process_monitor_rcv_bufs: ReceiveBuffer = ReceiveBuffer()
    # observation
    snmp: Snmp = Snmp()
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
    """"" = off, else the file that receives the messages of the check (/dev/null without a path)."""
    reload_time_file: str = ""
    reload_repeat: bool = False
    reload_file: str = ""
    """"" = off, "default" = keepalived.reload beside the pid file, else a path."""
    config_save_dir: str = ""
    tmp_config_directory: str = ""
    iproute_usr_dir: str = ""
    iproute_etc_dir: str = ""
    at: Span | None = field(default=None, compare=False)
