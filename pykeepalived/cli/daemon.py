"""The daemon put together: the parent, the loader, the children's code, the control socket."""

from __future__ import annotations

import importlib
import os

from pykeepalived.cli.version import product
from pykeepalived.parent.daemon import Daemon
from pykeepalived.parent.launch import RunChild
from pykeepalived.parent.loading import make_loader
from pykeepalived.parent.options import Options
from pykeepalived.parent.paths import RunPaths
from pykeepalived.parent.start import Extension, Parts, start
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.messages import ChildKind

_MODULES = {
    ChildKind.VRRP: "pykeepalived.vrrp.process",
    ChildKind.CHECKER: "pykeepalived.ipvs.process",
    ChildKind.BFD: "pykeepalived.bfd.process",
}


def run_daemon(options: Options) -> int:
    """Run the daemon; return its exit status."""
    parts = Parts(
        product=product(),
        loader=make_loader,
        run_child=entry_point,
        extend=_control,
        clear_leftovers=_clear_leftovers,
    )
    return start(options, parts)


def _control(daemon: Daemon, paths: RunPaths) -> Extension:
    from pykeepalived.parent.control import ControlExtension

    return ControlExtension(daemon, paths)


def _clear_leftovers(kind: ChildKind, options: DaemonOptions, log: Log) -> None:
    files = {
        ChildKind.VRRP: (options.sysctl_file, options.link_file, options.object_file, options.iptables_file),
        ChildKind.CHECKER: (options.ping_file,),
    }
    if not any(os.path.exists(path) for path in files.get(kind, ())):
        return
    if kind is ChildKind.VRRP:
        from pykeepalived.vrrp.process import clear_leftovers

        clear_leftovers(options, log)
    else:
        from pykeepalived.ipvs.surroundings import PingPermission

        PingPermission(log.write, options.ping_file).give_back()


def entry_point(kind: ChildKind) -> RunChild:
    """Import the code of a child and return its entry point."""
    run: RunChild = importlib.import_module(_MODULES[kind]).run
    return run
