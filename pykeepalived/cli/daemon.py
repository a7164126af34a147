"""The daemon put together: the parent, the loader, the children's code, the control socket."""

from __future__ import annotations

import importlib

from pykeepalived.cli.version import product
from pykeepalived.parent.daemon import Daemon
from pykeepalived.parent.launch import RunChild
from pykeepalived.parent.loading import make_loader
from pykeepalived.parent.options import Options
from pykeepalived.parent.paths import RunPaths
from pykeepalived.parent.start import Extension, Parts, start
from pykeepalived.runtime.messages import ChildKind

_MODULES = {
    ChildKind.VRRP: "pykeepalived.vrrp.process",
    ChildKind.CHECKER: "pykeepalived.ipvs.process",
    ChildKind.BFD: "pykeepalived.bfd.process",
}


def run_daemon(options: Options) -> int:
    """Run the daemon; return its exit status."""
    return start(options, Parts(product=product(), loader=make_loader, run_child=entry_point, extend=_control))


def _control(daemon: Daemon, paths: RunPaths) -> Extension:
    from pykeepalived.parent.control import ControlExtension

    return ControlExtension(daemon, paths)


def entry_point(kind: ChildKind) -> RunChild:
    """Import the code of a child and return its entry point."""
    run: RunChild = importlib.import_module(_MODULES[kind]).run
    return run
