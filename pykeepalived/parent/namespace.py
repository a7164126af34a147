"""Entering a network namespace, and giving the daemon a run directory of its own there (keepalived.conf(5))."""

from __future__ import annotations

import contextlib
import ctypes
import os

from pykeepalived.parent.paths import RUN_DIRECTORY
from pykeepalived.runtime.log import Log

NAMESPACE_DIRECTORY = "/run/netns"

_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE, _MNT_DETACH = 0x1000, 0x4000, 0x80000, 2


class NamespaceError(Exception):
    """The namespace cannot be entered; the text is keepalived's log line."""


def enter(name: str) -> None:
    """Move this process, and so all its children, into the named network namespace. Raises NamespaceError."""
    path = f"{NAMESPACE_DIRECTORY}/{name}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise NamespaceError(f"Failed to open {path}") from None
    try:
        if _libc().setns(fd, _CLONE_NEWNET) != 0:
            raise NamespaceError(f"setns() failed with error {ctypes.get_errno()}")
    finally:
        os.close(fd)


def in_initial_network_namespace() -> bool:
    """Whether this process is in the network namespace of process 1; False where that cannot be seen."""
    try:
        return os.path.samefile("/proc/self/ns/net", "/proc/1/ns/net")
    except OSError:
        return False


class PrivateRunDirectory:
    """/run/keepalived/NAME mounted on /run/keepalived, for this process and its children only."""

    def __init__(self, name: str, log: Log) -> None:
        self._outside = f"{RUN_DIRECTORY}/{name}"
        self._mounted = False
        make_directory(RUN_DIRECTORY)
        make_directory(self._outside)
        libc = _libc()
        steps = (
            ("unshare mounts", lambda: libc.unshare(_CLONE_NEWNS)),
            ("make mounts slave", lambda: libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None)),
            ("mount run directory", lambda: self._bind(libc)),
        )
        for what, step in steps:
            if step() != 0:
                log.warning(f"Unable to {what} for namespace {name} - {os.strerror(ctypes.get_errno())}")
                return
        self._mounted = True

    def _bind(self, libc: ctypes.CDLL) -> int:
        result: int = libc.mount(self._outside.encode(), RUN_DIRECTORY.encode(), None, ctypes.c_ulong(_MS_BIND), None)
        return result

    def remove(self) -> None:
        """Undo the mount, and remove the directories that are empty."""
        if self._mounted:
            _libc().umount2(RUN_DIRECTORY.encode(), _MNT_DETACH)
            self._mounted = False
        remove_directory(self._outside)
        remove_directory(RUN_DIRECTORY)


def make_directory(path: str) -> None:
    """Create with mode 0755 whatever the umask; an existing one is left alone. Raises OSError."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, 0o755)


def remove_directory(path: str) -> None:
    """Remove if it is there and empty."""
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
