"""Names of the files in the run directory: pid files, reload file, control socket. Pure: nothing is opened here."""

from __future__ import annotations

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.runtime.messages import ChildKind

RUN = "/run"
RUN_DIRECTORY = "/run/keepalived"
SOCKET_STEM = "pykeepalived"

_STEMS = {ChildKind.VRRP: "vrrp", ChildKind.CHECKER: "checkers", ChildKind.BFD: "bfd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where this daemon keeps its run files. `needs_directory` tells that /run/keepalived must exist."""

    parent: str
    children: dict[ChildKind, str]
    reload_file: str
    control_socket: str
    sysctl_file: str
    link_file: str
    object_file: str
    iptables_file: str
    ping_file: str
    needs_directory: bool


def run_paths(
    *,
    instance: str = "",
    namespace: str = "",
    use_pid_dir: bool = False,
    parent: str = "",
    children: dict[ChildKind, str] | None = None,
    reload_file: str = "",
) -> RunPaths:
    """Paths by the rules of keepalived(8); `parent` and `children` are those given on the command line.

    The control socket stands in /run/keepalived, or beside a pid file of the command line, so that every daemon that
    can run has its own.
    """
    own_directory = bool(instance or namespace or use_pid_dir)
    directory = RUN_DIRECTORY if own_directory else RUN
    suffix = f"_{instance}" if instance else ""
    given = {kind: path for kind, path in (children or {}).items() if path}
    if reload_file == "default":
        reload_file = f"{directory}/keepalived{suffix}.reload"
    socket = control_socket(instance, parent)
    return RunPaths(
        parent=parent or f"{directory}/keepalived{suffix}.pid",
        children={kind: given.get(kind) or f"{directory}/{stem}{suffix}.pid" for kind, stem in _STEMS.items()},
        reload_file=reload_file,
        control_socket=socket,
        sysctl_file=f"{socket.removesuffix('.sock')}.sysctls",
        link_file=f"{socket.removesuffix('.sock')}.links",
        object_file=f"{socket.removesuffix('.sock')}.objects",
        iptables_file=f"{socket.removesuffix('.sock')}.iptables",
        ping_file=f"{socket.removesuffix('.sock')}.ping",
        needs_directory=own_directory,
    )


def control_socket(instance: str = "", pid_file: str = "") -> str:
    """Where the daemon of this instance, or with this pid file, listens for its operator."""
    if pid_file:
        return f"{pid_file.removesuffix('.pid')}.sock"
    return f"{RUN_DIRECTORY}/{SOCKET_STEM}{f'_{instance}' if instance else ''}.sock"
