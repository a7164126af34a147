"""global_defs, first half (identity, processes, mail, scripts, observation, files), and the parent's root keywords."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.schema import globals_handlers as handlers
from pykeepalived.config.schema.base import Block, Keyword, Reading, ValueBlock, table
from pykeepalived.config.schema.global_process import process_keywords
from pykeepalived.config.schema.global_vrrp import GLOBAL_CHECKER, GLOBAL_FIREWALL, GLOBAL_VRRP
from pykeepalived.config.schema.globals_draft import GlobalsDraft
from pykeepalived.config.schema.script_words import take_fifo, take_fifo_script, take_script
from pykeepalived.config.schema.types import Decimal, Flag, Integer, Switch, Word
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U32


def _begin(parent: Any, statement: Statement, reading: Reading) -> GlobalsDraft:
    draft = reading.draft.globals
    draft.at = draft.at or statement.span(0)
    return draft


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


_GLOBAL_IDENTITY = [
    Keyword(name="process_names", process="all", type=Flag(), target="process_names", default="names unchanged"),
    Keyword(
        name="process_name", process="parent", type=Word(longest=15, cut=True), target="process_name", since="~2.0.16"
    ),
    *process_keywords("vrrp"),
    *process_keywords("checker"),
    *process_keywords("bfd"),
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

_SNMP_INTERVAL = Decimal(1_000, 30_000_000)
_GLOBAL_OBSERVATION = [
    Keyword(
        name="snmp_socket",
        process="vrrp,checker",
        type=Word(missing="report", exact=True, empty=True),
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
        *GLOBAL_VRRP,
        *GLOBAL_FIREWALL,
        *GLOBAL_CHECKER,
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
