"""What a child process is given by the parent at fork: its configuration, command line options, and descriptors."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, Scheduling
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.runtime.messages import ChildKind

if TYPE_CHECKING:
    import socket

    from pykeepalived.runtime.log import Log


def scheduling_of(kind: ChildKind, settings: GlobalDefs) -> Scheduling:
    """What the configuration says about the process of this child: vrrp_priority, bfd_no_swap and their siblings."""
    return {ChildKind.VRRP: settings.vrrp, ChildKind.CHECKER: settings.checker, ChildKind.BFD: settings.bfd}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonOptions:
    """The command line options that children act on (keepalived(8)); everything else stays in the parent."""

    log_detail: int = 0
    log_console: bool = False
    no_syslog: bool = False
    log_facility: int = 3
    release_vips: bool = False
    dont_release_vrrp: bool = False
    dont_release_ipvs: bool = False
    dump_config: bool = False
    address_monitoring: bool = False
    snmp: bool = False
    snmp_agent_socket: str = ""
    ignore_sigint: bool = False
    config_id: str = ""
    config_file: str = ""
    pid_file: str = ""
    sysctl_file: str = ""
    """Where the VRRP child notes the kernel parameters it changes, for a successor; "" = nowhere."""
    link_file: str = ""
    """Likewise the links it makes."""
    object_file: str = ""
    """Likewise the addresses, routes and rules it adds."""
    iptables_file: str = ""
    """Likewise the rules it has iptables make."""
    ping_file: str = ""
    """Likewise the checker child, for the kernel parameter that PING_CHECK needs."""
    command_line: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class ChildContext:
    """Handed to `run(context) -> exit status` of vrrp.process, ipvs.process and bfd.process, after the fork.

    `channel` is the child's end of the socketpair to the parent. `bfd_in` is where a VRRP or checker child reads
    BfdEvents; `bfd_out` is where the BFD child writes them, by receiver. `respawned` tells that a predecessor died:
    what it left in the kernel is to be adopted or removed. `forked_ns` (monotonic) is when the child began: what was
    sent before that was meant for a predecessor. `signal_fd` shows the parent's signals as they come (Loop.signal_fd),
    -1 to whom they are no business.
    """

    kind: ChildKind
    config: Config
    options: DaemonOptions
    channel: socket.socket
    log: Log
    bfd_in: int | None = None
    bfd_out: dict[ChildKind, int] = field(default_factory=dict)
    respawned: bool = False
    generation: int = 0
    forked_ns: int = 0
    signal_fd: int = -1
