"""Completion of global_defs: defaults that come from the host, values that follow from others, the parent's scripts."""

from __future__ import annotations

from pykeepalived.config.model.globals import (
    Firewall,
    Garp,
    GlobalDefs,
    LvsTimeouts,
    ReceiveBuffer,
    Scheduling,
    Smtp,
    Snmp,
    VrrpDefaults,
)
from pykeepalived.config.model.network import RTPROT_KEEPALIVED
from pykeepalived.config.model.values import Fifo
from pykeepalived.config.rules.scripts import Scripts
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.globals_draft import GlobalsDraft, ProcessDraft
from pykeepalived.config.schema.globals_lvs import DEFAULT_IPSETS

DEFAULT_SMTP_TIMEOUT_S = 30


def complete_globals(reading: Reading) -> GlobalDefs:
    """The globals in force."""
    draft = reading.draft.globals
    scripts = Scripts(reading)
    startup = scripts.notify(draft.startup_script, "startup_script", strict=True)
    shutdown = scripts.notify(draft.shutdown_script, "shutdown_script", strict=True)
    scripts.security("start/shutdown scripts")
    fifo, vrrp_fifo, lvs_fifo = notify_fifos(reading)
    environment = reading.environment
    return GlobalDefs(
        router_id=draft.router_id if draft.router_id is not None else environment.canonical_name(),
        instance=draft.instance or "",
        net_namespace=draft.net_namespace or "",
        net_namespace_ipvs=draft.net_namespace_ipvs,
        namespace_with_ipsets=draft.namespace_with_ipsets,
        use_pid_dir=pid_directory(draft),
        child_wait_time_s=draft.child_wait_time_s,
        process_names=draft.process_names,
        process_name=draft.process_name or "",
        vrrp=_scheduling(draft.vrrp),
        checker=_scheduling(draft.checker),
        bfd=_scheduling(draft.bfd),
        max_auto_priority=draft.max_auto_priority,
        min_auto_priority_delay_us=draft.min_auto_priority_delay_us,
        umask=draft.umask,
        smtp=_smtp(reading),
        smtp_alert=draft.smtp_alert,
        smtp_alert_vrrp=draft.smtp_alert_vrrp,
        smtp_alert_checker=draft.smtp_alert_checker,
        no_email_faults=draft.no_email_faults,
        no_checker_emails=draft.no_checker_emails,
        script_user=draft.script_user,
        enable_script_security=draft.enable_script_security,
        use_symlink_paths=draft.use_symlink_paths,
        set_supplementary_groups=draft.set_supplementary_groups,
        startup_script=startup,
        startup_script_timeout_s=draft.startup_script_timeout_s,
        shutdown_script=shutdown,
        shutdown_script_timeout_s=draft.shutdown_script_timeout_s,
        notify_fifo=fifo,
        vrrp_notify_fifo=vrrp_fifo,
        lvs_notify_fifo=lvs_fifo,
        vrrp_defaults=_vrrp_defaults(draft),
        firewall=_firewall(reading),
        address_protocol=reading.iproute.address_protocol("keepalived")
        if _owns_addresses(reading)
        else RTPROT_KEEPALIVED,
        dynamic_interfaces=draft.dynamic_interfaces,
        dynamic_interfaces_allow_if_changes=draft.dynamic_interfaces_allow_if_changes,
        default_interface=draft.default_interface,
        lvs_sync_daemon=draft.lvs_sync_daemon,
        lvs_timeouts=LvsTimeouts(tcp_s=draft.lvs_tcp_s, tcp_fin_s=draft.lvs_tcp_fin_s, udp_s=draft.lvs_udp_s),
        lvs_flush=draft.lvs_flush,
        lvs_flush_on_stop=draft.lvs_flush_on_stop,
        rs_init_notifies=draft.rs_init_notifies,
        checker_log_all_failures=draft.checker_log_all_failures,
        vrrp_netlink_cmd_rcv_bufs=_buffer(draft, "vrrp_netlink_cmd"),
        vrrp_netlink_monitor_rcv_bufs=_buffer(draft, "vrrp_netlink_monitor"),
        lvs_netlink_cmd_rcv_bufs=_buffer(draft, "lvs_netlink_cmd"),
        lvs_netlink_monitor_rcv_bufs=_buffer(draft, "lvs_netlink_monitor"),
        process_monitor_rcv_bufs=_buffer(draft, "process_monitor"),
        snmp=_snmp(draft),
        enable_dbus=draft.enable_dbus,
        dbus_service_name=draft.dbus_service_name,
        dbus_no_interface_name=draft.dbus_no_interface_name,
        data_use_instance=draft.data_use_instance,
        json_version=draft.json_version,
        state_dump_file=draft.state_dump_file,
        stats_dump_file=draft.stats_dump_file,
        json_dump_file=draft.json_dump_file,
        random_seed=draft.random_seed,
        reload_check_config=draft.reload_check_config,
        reload_time_file=draft.reload_time_file,
        reload_repeat=draft.reload_repeat,
        reload_file=draft.reload_file,
        config_save_dir=draft.config_save_dir,
        tmp_config_directory=draft.tmp_config_directory or "",
        iproute_usr_dir=draft.iproute_usr_dir,
        iproute_etc_dir=draft.iproute_etc_dir,
        at=draft.at,
    )


def pid_directory(draft: GlobalsDraft) -> bool:
    """instance and net_namespace move the pid files into keepalived's own directory."""
    return draft.use_pid_dir or bool(draft.instance) or bool(draft.net_namespace)


def _owns_addresses(reading: Reading) -> bool:
    return bool(reading.draft.instances or reading.draft.static_addresses)


def _scheduling(draft: ProcessDraft) -> Scheduling:
    return Scheduling(
        process_name=draft.process_name or "",
        priority=draft.priority,
        no_swap=draft.no_swap,
        rt_priority=draft.rt_priority,
        rlimit_rttime_us=draft.rlimit_rttime_us,
        cpu_affinity=draft.cpu_affinity,
    )


def _smtp(reading: Reading) -> Smtp:
    """Defaults of mail need the host's full name, which is asked for only when there is a server."""
    draft = reading.draft.globals
    recipients = tuple(draft.recipients)
    if draft.smtp_server is None:
        return Smtp(
            helo_name=draft.smtp_helo_name or "",
            connect_timeout_s=draft.smtp_connect_timeout_s or 0,
            email_from=draft.email_from or "",
            recipients=recipients,
        )
    environment = reading.environment
    host = environment.canonical_name()
    users = [name for name in ("root",) if environment.uid == 0] or ["keepalived"]
    return Smtp(
        server=draft.smtp_server,
        port=draft.smtp_port,
        helo_name=draft.smtp_helo_name or host,
        connect_timeout_s=draft.smtp_connect_timeout_s or DEFAULT_SMTP_TIMEOUT_S,
        email_from=draft.email_from or f"{users[0]}@{host}",
        recipients=recipients,
    )


def notify_fifos(reading: Reading) -> tuple[Fifo | None, Fifo | None, Fifo | None]:
    """The three FIFOs; a specific one that equals the global one is dropped, as is a second reader of the same FIFO."""
    draft = reading.draft.globals
    scripts = Scripts(reading)
    general = scripts.fifo(draft.notify_fifo, "notify_fifo")
    vrrp = scripts.fifo(draft.vrrp_notify_fifo, "vrrp_notify_fifo")
    lvs = scripts.fifo(draft.lvs_notify_fifo, "lvs_notify_fifo")
    if general is not None:
        for name, fifo in (("vrrp_notify_fifo", vrrp), ("lvs_notify_fifo", lvs)):
            if fifo is not None and fifo.path == general.path:
                reading.note(fifo.at, "fifo-equal", f"notify FIFO {fifo.path} is used for both - ignoring {name}")
        vrrp = None if vrrp is not None and vrrp.path == general.path else vrrp
        lvs = None if lvs is not None and lvs.path == general.path else lvs
    if vrrp is not None and lvs is not None and vrrp.path == lvs.path and vrrp.script and lvs.script:
        reading.note(lvs.at, "fifo-equal", f"FIFO {lvs.path} has two scripts - ignoring lvs_notify_fifo_script")
        lvs = Fifo(path=lvs.path, account=lvs.account, at=lvs.at)
    return general, vrrp, lvs


def _vrrp_defaults(draft: GlobalsDraft) -> VrrpDefaults:
    delay, repeat = draft.garp_lower_prio_delay_s, draft.garp_lower_prio_repeat
    prefix = draft.vmac_prefix or "vrrp"
    return VrrpDefaults(
        version=draft.vrrp_version,
        strict=draft.vrrp_strict,
        mcast_group4=draft.mcast_group4,
        mcast_group6=draft.mcast_group6,
        garp=Garp(
            master_delay_s=draft.garp_master_delay_s,
            master_repeat=draft.garp_master_repeat,
            master_refresh_s=draft.garp_master_refresh_s,
            master_refresh_repeat=draft.garp_master_refresh_repeat,
            lower_prio_delay_s=draft.garp_master_delay_s if delay is None else delay,
            lower_prio_repeat=draft.garp_master_repeat if repeat is None else repeat,
            extra_if_s=draft.garp_extra_if_s,
            extra_if_all=draft.garp_extra_if_all,
        ),
        garp_interval_us=draft.garp_interval_us,
        gna_interval_us=draft.gna_interval_us,
        down_timer_adverts=draft.down_timer_adverts,
        lower_prio_no_advert=draft.lower_prio_no_advert,
        higher_prio_send_advert=draft.higher_prio_send_advert,
        check_unicast_src=draft.check_unicast_src,
        skip_check_adv_addr=draft.skip_check_adv_addr,
        owner_ignore_adverts=draft.owner_ignore_adverts,
        v3_checksum_as_v2=draft.v3_checksum_as_v2,
        notify_priority_changes=draft.notify_priority_changes,
        fifo_write_states_on_reload=draft.fifo_write_states_on_reload,
        log_unknown_vrids=draft.log_unknown_vrids,
        startup_delay_us=draft.startup_delay_us,
        delay_after_boot_us=draft.delay_after_boot_us,
        rx_bufs_policy=draft.rx_bufs_policy,
        rx_bufs_multiplier=draft.rx_bufs_multiplier,
        vmac_prefix=prefix,
        vmac_addr_prefix=draft.vmac_addr_prefix or prefix,
        disable_local_igmp=draft.disable_local_igmp,
    )


def _firewall(reading: Reading) -> Firewall:
    """nftables wins over iptables; ipsets need iptables, which uses them unless they are turned off."""
    draft = reading.draft.globals
    chains = draft.iptables_chains or ()
    ipsets = draft.ipsets
    if chains and draft.nftables_table:
        if reading.environment.iptables():
            reading.note(draft.at, "iptables-ignored", "vrrp_iptables beside nftables is ignored")
        chains = ()
    if ipsets and not draft.iptables_chains:
        reading.note(draft.at, "ipsets-alone", "vrrp_ipsets without vrrp_iptables is ignored")
        ipsets = None
    if chains and ipsets is None:
        ipsets = DEFAULT_IPSETS
    return Firewall(
        nftables_table=draft.nftables_table or "",
        nftables_priority=draft.nftables_priority,
        nftables_ifindex=draft.nftables_ifindex,
        nftables_counters=draft.nftables_counters,
        iptables_chains=chains,
        ipsets=ipsets,
        nftables_ipvs_table=draft.nftables_ipvs_table or "",
        nftables_ipvs_priority=draft.nftables_ipvs_priority,
        nftables_ipvs_start_fwmark=draft.nftables_ipvs_start_fwmark,
    )


def _buffer(draft: GlobalsDraft, name: str) -> ReceiveBuffer:
    return ReceiveBuffer(size=draft.receive_buffers.get(name, 0), force=draft.receive_buffers_forced.get(name, False))


def _snmp(draft: GlobalsDraft) -> Snmp:
    servers = draft.snmp_rs_interval_us
    return Snmp(
        socket=draft.snmp_socket or "",
        vrrp=draft.snmp_vrrp,
        rfcv2=draft.snmp_rfcv2,
        rfcv3=draft.snmp_rfcv3,
        checker=draft.snmp_checker,
        traps=draft.snmp_traps,
        vs_stats_update_interval_us=draft.snmp_vs_interval_us,
        rs_stats_update_interval_us=draft.snmp_vs_interval_us if servers is None else servers,
    )
