"""Loading the kernel's IPVS before the children start: they have given up the right to (keepalived(8), ip_vs).

What is done with IPVS, and without it, is the children's business.
"""

from __future__ import annotations

import os
import select

from pykeepalived.config.model import Config

LOADED = "/proc/net/ip_vs"
"""There as soon as the kernel has IPVS, built in or as a module."""
PROGRAM = "/proc/sys/kernel/modprobe"
"""Names the program the kernel itself loads modules with."""
PATIENCE_S = 5.0


class IpvsModule:
    """One attempt to load ip_vs beside other work: `begin`, then `wait`. A kernel without it is no error here."""

    def __init__(self) -> None:
        self._pid = 0

    def begin(self, config: Config, checks: bool) -> None:
        """Start loading if this configuration needs it and it is not there. `checks`: the checker will run."""
        daemon = config.globals.lvs_sync_daemon
        if os.path.exists(LOADED) or not (checks or (daemon is not None and daemon.instance)):
            return
        try:
            with open(PROGRAM, encoding="utf-8") as file:
                program = file.read().strip()
            null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
            self._pid = os.posix_spawn(program, [program, "-q", "ip_vs"], os.environ, file_actions=null, setsigmask=())
        except (OSError, ValueError):
            return

    def wait(self) -> None:
        """Until it has ended, at most five seconds. What takes longer is collected with other dead processes."""
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if select.select([fd], [], [], PATIENCE_S)[0]:
                os.waitpid(pid, 0)
        except ChildProcessError:
            pass
        finally:
            os.close(fd)
