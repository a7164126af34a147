"""The section "Global definitions", which begins the dump of every process, and the GARP delay groups behind it."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Garp, GlobalDefs, ReceiveBuffer, Scheduling
from pykeepalived.config.model.values import Account, Fifo
from pykeepalived.config.model.vrrp import GarpGroup
from pykeepalived.observe.dump.text import Moments, ids, micro, script_line, short, true_false, yes_no

_DEFAULT_UMASK = 0o177
_DEFAULT_BUS_NAME = "org.keepalived.Vrrp1"


def global_lines(config: Config, realtime_priority: int = 0, realtime_limit_us: int = 0) -> Iterator[str]:
    """One line a setting. `realtime_priority` is that of the dumping process at this moment, 0 = none."""
    settings = config.globals
    yield "------< Global definitions >------"
    yield from _identity(settings)
    yield from _mail(settings)
    yield from _handling(config)
    yield from _lvs(settings)
    yield from _fifos(settings)
    yield from _vrrp(settings)
    yield from _firewall(config)
    defaults = settings.vrrp_defaults
    yield f" VRRP check unicast_src = {true_false(defaults.check_unicast_src)}"
    yield f" VRRP skip check advert addresses = {true_false(defaults.skip_check_adv_addr)}"
    yield f" VRRP strict mode = {true_false(defaults.strict)}"
    auto = settings.max_auto_priority
    yield f" Max auto priority = {'Disabled' if auto == -1 else auto or 0}"
    yield f" Min auto priority delay = {settings.min_auto_priority_delay_us} usecs"
    for name, scheduling in (("VRRP", settings.vrrp), ("Checker", settings.checker), ("BFD", settings.bfd)):
        yield from _scheduling(name, scheduling)
    yield from _observers(settings)
    yield f" Script security {'enabled' if settings.enable_script_security else 'disabled'}"
    yield f" Default script uid:gid {ids(settings.script_user or Account(0, 0))}"
    yield from _buffers(settings)
    yield f" rs_init_notifies = {settings.rs_init_notifies:d}"
    yield f" no_checker_emails = {settings.no_checker_emails:d}"
    yield from _rx_buffers(defaults.rx_bufs_policy)
    yield f" rx_bufs_multiples = {defaults.rx_bufs_multiplier}"
    yield f" umask = 0{_DEFAULT_UMASK if settings.umask is None else settings.umask:o}"
    if defaults.log_unknown_vrids:
        yield " log_unknown_vrids"
    if defaults.vmac_prefix != "vrrp":
        yield f" VMAC prefix = {defaults.vmac_prefix}"
    if defaults.owner_ignore_adverts:
        yield " vrrp_owner_ignore_adverts"
    if defaults.vmac_addr_prefix != defaults.vmac_prefix:
        yield f" VMAC address prefix = {defaults.vmac_addr_prefix}"
    yield f" json_version {settings.json_version}"
    yield f" iproute usr directory {settings.iproute_usr_dir or '/etc/iproute2'}"
    yield f" iproute etc directory {settings.iproute_etc_dir or '/etc/iproute2'}"
    if realtime_priority:
        yield f" current realtime priority = {realtime_priority}"
        yield f" current realtime time limit = {realtime_limit_us}"


def _identity(settings: GlobalDefs) -> Iterator[str]:
    if settings.config_save_dir:
        yield f" Config save dir = {settings.config_save_dir}"
    yield f" Network namespace = {settings.net_namespace or '(default)'}"
    ipvs = settings.net_namespace_ipvs
    yield f" Network namespace ipvs = {'(main namespace)' if ipvs is None else ipvs or '(default)'}"
    yield f" {'Keep' if settings.use_symlink_paths else 'Replace'} symlinks in script paths"
    verb = "Set" if settings.set_supplementary_groups else "Don't set"
    yield f" {verb} supplementary groups for all scripts"
    if settings.instance:
        yield f" Instance name = {settings.instance}"
    for word, name, generic in (
        ("Parent", settings.process_name, ""),
        ("VRRP", settings.vrrp.process_name, "keepalived_vrrp"),
        ("LVS", settings.checker.process_name, "keepalived_lvs"),
        ("BFD", settings.bfd.process_name, "keepalived_bfd"),
    ):
        if settings.process_names:
            name = name or generic
        if name:
            yield f" {word} process name = {name}"
    yield f" Router ID = {settings.router_id}"


def _mail(settings: GlobalDefs) -> Iterator[str]:
    smtp = settings.smtp
    if smtp.server is not None:
        yield f" Smtp server = {smtp.server}"
        yield f" Smtp server port = {smtp.port}"
    if smtp.helo_name:
        yield f" Smtp HELO name = {smtp.helo_name}"
    if smtp.connect_timeout_s:
        yield f" Smtp server connection timeout = {smtp.connect_timeout_s}"
    if smtp.email_from:
        yield f" Email notification from = {smtp.email_from}"
        yield " Email notification to:"
        for recipient in smtp.recipients:
            yield f"   {recipient}"
    yield f" Default smtp_alert = {_tristate(settings.smtp_alert)}"
    yield f" Default smtp_alert_vrrp = {_tristate(settings.smtp_alert_vrrp)}"
    yield f" Default smtp_alert_checker = {_tristate(settings.smtp_alert_checker)}"


def _tristate(value: bool | None) -> str:
    return "unset" if value is None else "on" if value else "off"


def _handling(config: Config) -> Iterator[str]:
    settings = config.globals
    yield f" Checkers log all failures = {true_false(settings.checker_log_all_failures)}"
    if settings.reload_check_config:
        yield f" Test config before reload, log to {settings.reload_check_config}"
    else:
        yield " No test config before reload"
    if settings.reload_file:
        yield f" Reload_file = {settings.reload_file}"
    if settings.reload_time_file:
        yield f" Reload time file = {settings.reload_time_file}{' (repeat)' if settings.reload_repeat else ''}"
        yield " No reload scheduled"
    yield f" Dynamic interfaces = {true_false(settings.dynamic_interfaces)}"
    if settings.dynamic_interfaces:
        yield f" Allow interface changes = {true_false(settings.dynamic_interfaces_allow_if_changes)}"
    if settings.no_email_faults:
        yield " Send emails for fault transitions = off"
    for word, seconds in (
        ("TCP", settings.lvs_timeouts.tcp_s),
        ("TCP FIN", settings.lvs_timeouts.tcp_fin_s),
        ("UDP", settings.lvs_timeouts.udp_s),
    ):
        if seconds:
            yield f" LVS {word} timeout = {seconds}"
    if config.wants_vrrp:
        yield f" Default interface = {settings.default_interface}"


def _lvs(settings: GlobalDefs) -> Iterator[str]:
    defaults = settings.vrrp_defaults
    yield f" Disable local IGMP = {yes_no(defaults.disable_local_igmp)}"
    yield f" Use VRRPv2 checksum for VRRPv3 IPv4 = {yes_no(defaults.v3_checksum_as_v2)}"
    daemon = settings.lvs_sync_daemon
    if daemon is not None:
        if daemon.instance:
            yield f" LVS syncd vrrp instance = {daemon.instance}"
        yield f" LVS syncd interface = {daemon.interface}"
        yield f" LVS syncd syncid = {daemon.sync_id or 0}"
        if daemon.max_length:
            yield f" LVS syncd maxlen = {daemon.max_length}"
        if daemon.group is not None:
            yield f" LVS syncd mcast group = {daemon.group}"
        if daemon.port:
            yield f" LVS syncd mcast port = {daemon.port}"
        if daemon.ttl:
            yield f" LVS syncd mcast ttl = {daemon.ttl}"
    yield f" LVS flush = {true_false(settings.lvs_flush)}"
    on_stop = {"": "disabled", "all": "enabled"}.get(settings.lvs_flush_on_stop, settings.lvs_flush_on_stop)
    yield f" LVS flush on stop = {on_stop}"


def _fifos(settings: GlobalDefs) -> Iterator[str]:
    for name, fifo in (
        ("Global", settings.notify_fifo),
        ("VRRP", settings.vrrp_notify_fifo),
        ("LVS", settings.lvs_notify_fifo),
    ):
        if fifo is not None:
            yield from _fifo(name, fifo)


def _fifo(name: str, fifo: Fifo) -> Iterator[str]:
    owner = f", uid:gid {ids(fifo.account)}" if fifo.account is not None else ""
    yield f" {name} notify fifo = {fifo.path}{owner}"
    if fifo.script is not None:
        yield f" {name} notify fifo script = {script_line(fifo.script, fifo.path)}"


def _vrrp(settings: GlobalDefs) -> Iterator[str]:
    defaults = settings.vrrp_defaults
    yield f" FIFO write vrrp states on reload = {true_false(defaults.fifo_write_states_on_reload)}"
    yield f" VRRP notify priority changes = {true_false(defaults.notify_priority_changes)}"
    yield f" VRRP IPv4 mcast group = {defaults.mcast_group4}"
    yield f" VRRP IPv6 mcast group = {defaults.mcast_group6}"
    yield from garp_lines(defaults.garp, " ", " timer")
    yield f" Num adverts before down = {defaults.down_timer_adverts}"
    what = "i/f" if defaults.garp.extra_if_all else "VMAC"
    yield f" Gratuitous ARP for each secondary {what} = {defaults.garp.extra_if_s}s"
    yield f" Send advert after receive lower priority advert = {true_false(not defaults.lower_prio_no_advert)}"
    yield f" Send advert after receive higher priority advert = {true_false(defaults.higher_prio_send_advert)}"
    yield f" Gratuitous ARP interval = {micro(defaults.garp_interval_us)}"
    yield f" Gratuitous NA interval = {micro(defaults.gna_interval_us)}"
    yield f" VRRP default protocol version = {defaults.version}"


def garp_lines(garp: Garp, indent: str, timer: str = "") -> Iterator[str]:
    """The six numbers of gratuitous ARP, as global defaults and per instance."""
    yield f"{indent}Gratuitous ARP delay = {garp.master_delay_s}"
    yield f"{indent}Gratuitous ARP repeat = {garp.master_repeat}"
    yield f"{indent}Gratuitous ARP refresh{timer} = {garp.master_refresh_s}"
    yield f"{indent}Gratuitous ARP refresh repeat = {garp.master_refresh_repeat}"
    yield f"{indent}Gratuitous ARP lower priority delay = {garp.lower_prio_delay_s}"
    yield f"{indent}Gratuitous ARP lower priority repeat = {garp.lower_prio_repeat}"


def _firewall(config: Config) -> Iterator[str]:
    """The table has its default name where something needs one that is not configured."""
    firewall = config.globals.firewall
    table = firewall.nftables_table
    if not table and any(instance.vmac is not None or not instance.accept for instance in config.vrrp_instances):
        table = "keepalived"
    if table:
        yield f" nftables table name = {table}"
        yield f" nftables base chain priority = {firewall.nftables_priority}"
        word = "force" if firewall.nftables_ifindex else "don't force"
        yield f" nftables {word} use ifindex for link local IPv6"
    if firewall.nftables_ipvs_table:
        yield f" ipvs nftables table name = {firewall.nftables_ipvs_table}"
        yield f" ipvs nftables base chain priority = {firewall.nftables_ipvs_priority}"
        yield f" ipvs nftables start fwmark = {firewall.nftables_ipvs_start_fwmark}"
    yield f" nftables {'with' if firewall.nftables_counters else 'without'} counters"


def _scheduling(name: str, scheduling: Scheduling) -> Iterator[str]:
    yield f" {name} process priority = {scheduling.priority}"
    yield f" {name} don't swap = {true_false(scheduling.no_swap)}"
    yield f" {name} realtime priority = {scheduling.rt_priority}"
    if scheduling.cpu_affinity:
        yield f" {name} CPU Affinity = {' '.join(str(cpu) for cpu in scheduling.cpu_affinity)}"
    yield f" {name} realtime limit = {scheduling.rlimit_rttime_us}"


def _observers(settings: GlobalDefs) -> Iterator[str]:
    snmp = settings.snmp
    yield f" SNMP vrrp {'enabled' if snmp.vrrp else 'disabled'}"
    yield f" SNMP checker {'enabled' if snmp.checker else 'disabled'}"
    if snmp.rfcv2:
        yield " SNMP RFCv2 enabled"
    if snmp.rfcv3:
        yield " SNMP RFCv3 enabled"
    yield f" SNMP traps {'enabled' if snmp.traps else 'disabled'}"
    yield f" SNMP socket = {snmp.socket or 'default (unix:/var/agentx/master)'}"
    yield f" SNMP VS stats update interval = {micro(snmp.vs_stats_update_interval_us)}"
    yield f" SNMP RS stats update interval = {micro(snmp.rs_stats_update_interval_us)}"
    yield f" DBus {'enabled' if settings.enable_dbus else 'disabled'}"
    name = settings.dbus_service_name
    yield f" DBus service name = {'' if name == _DEFAULT_BUS_NAME else name}"
    yield f" DBus no interface name = {settings.dbus_no_interface_name}"


def _buffers(settings: GlobalDefs) -> Iterator[str]:
    buffers: tuple[tuple[str, ReceiveBuffer], ...] = (
        ("vrrp_netlink_cmd", settings.vrrp_netlink_cmd_rcv_bufs),
        ("vrrp_netlink_monitor", settings.vrrp_netlink_monitor_rcv_bufs),
        ("process_monitor", settings.process_monitor_rcv_bufs),
        ("lvs_netlink_cmd", settings.lvs_netlink_cmd_rcv_bufs),
        ("lvs_netlink_monitor", settings.lvs_netlink_monitor_rcv_bufs),
    )
    for name, buffer in buffers:
        yield f" {name}_rcv_bufs = {buffer.size}"
        yield f" {name}_rcv_bufs_force = {buffer.force:d}"


def _rx_buffers(policy: str) -> Iterator[str]:
    if policy.isdecimal():
        yield f" rx_bufs_size = {policy}"
    elif policy:
        yield f" rx_bufs_policy = {policy}"


def garp_group_lines(config: Config, moments: Moments) -> Iterator[str]:
    """The section "Gratuitous ARP delays"; nothing where none is configured. Group 0 is what the global words make."""
    common, groups = config.globals.vrrp_defaults, config.garp_groups
    if not groups and not common.garp_interval_us and not common.gna_interval_us:
        return
    yield "------< Gratuitous ARP delays >------"
    if common.garp_interval_us or common.gna_interval_us:
        grouped = {interface for group in groups for interface in group.interfaces}
        others = dict.fromkeys(instance.interface for instance in config.vrrp_instances)
        whole = GarpGroup(
            interfaces=tuple(interface for interface in others if interface not in grouped),
            garp_interval_us=common.garp_interval_us,
            gna_interval_us=common.gna_interval_us,
        )
        yield from _garp_group(0, whole, moments)
    for number, group in enumerate(groups, 1):
        yield from _garp_group(number, group, moments)


def _garp_group(number: int, group: GarpGroup, moments: Moments) -> Iterator[str]:
    yield f"------< GARP delay group {number} >------"
    for word, interval in (("GARP", group.garp_interval_us), ("GNA", group.gna_interval_us)):
        if interval:
            yield f" {word} interval = {short(interval)}"
            yield f" {word} next time {moments.without_year(0)}"
    if group.interfaces:
        yield " Interfaces"
        for interface in group.interfaces:
            yield f"  {interface}"
