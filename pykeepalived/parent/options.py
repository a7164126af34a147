"""The options of the daemon as data. How they are written on a command line is cli/options.py."""

from __future__ import annotations

from pykeepalived.light_dataclasses import dataclass

DEFAULT_CONFIG_FILE = "/etc/keepalived/keepalived.conf"
FACILITY_DAEMON = 3


@dataclass(slots=True, kw_only=True)
class Options:
    """Every option of keepalived(8) after parsing; the words themselves are in `command_line`."""

    command_line: tuple[str, ...] = ()
    config_file: str = ""
    """"" = not given: DEFAULT_CONFIG_FILE."""
    run_vrrp: bool = True
    run_checker: bool = True
    run_bfd: bool = True
    run_all: bool = False
    log_console: bool = False
    log_detail: int = 0
    log_facility: int = FACILITY_DAEMON
    log_file: str | None = None
    """None = not given, "" = given without a name."""
    flush_log_file: bool = False
    """Without effect: every line is in the file at once anyway."""
    no_syslog: bool = False
    include_check: bool = False
    umask: int | None = None
    release_vips: bool = False
    dont_release_vrrp: bool = False
    dont_release_ipvs: bool = False
    dont_respawn: bool = False
    dont_fork: bool = False
    dump_conf: bool = False
    pid_file: str = ""
    vrrp_pid_file: str = ""
    checkers_pid_file: str = ""
    bfd_pid_file: str = ""
    address_monitoring: bool = False
    snmp: bool = False
    snmp_agent_socket: str = ""
    core_dump: bool = False
    core_dump_pattern: str | None = None
    namespace: str = ""
    config_id: str = ""
    config_test: bool = False
    config_test_file: str = ""
    config_fd: int | None = None
    """Without effect: keepalived gives it to the copy of itself that checks a file before a reload."""
    ignore_sigint: bool = False
