"""pid files: created, locked for as long as any process of the daemon holds them, written, removed.

The lock is an open-file-description lock (fcntl(2)): it is inherited by the children and goes with the last holder, so
what a crashed daemon left behind never hinders the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

_FLOCK = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_RETRIES = 5


class AlreadyRunningError(Exception):
    """Another daemon holds the file; the text says why."""


class PidFile:
    """One locked pid file. The content is written by the process it is about."""

    def __init__(self, path: str) -> None:
        """Open and lock `path`. Raises AlreadyRunningError, also when it cannot be opened (as keepalived does)."""
        self.path = path
        self._fd = _open_locked(path)

    def fileno(self) -> int:
        """The locked descriptor, or -1 after remove or close."""
        return self._fd

    def write(self, pid: int) -> None:
        """Put `pid` into the file, making it anew if somebody removed it. Raises OSError or AlreadyRunningError."""
        if not _is_same_file(self._fd, self.path):
            self.close()
            self._fd = _open_locked(self.path)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % pid, 0)

    def remove(self) -> None:
        """Unlink the file if it is still ours, and let go of it."""
        if self._fd >= 0:
            if _is_same_file(self._fd, self.path):
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            self.close()

    def abandon(self) -> None:
        """Let go of a file that turned out to be somebody's; one that we have just created is removed."""
        if self._fd >= 0 and os.fstat(self._fd).st_size == 0:
            self.remove()
        self.close()

    def close(self) -> None:
        """Let go of the descriptor only: what a process does with the files of others."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def running_pid(path: str) -> int | None:
    """The pid in a file that no lock protects, if it is that of another living keepalived (an older version)."""
    try:
        with open(path, "rb") as file:
            pid = int(file.read(32).split()[0])
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read().strip()
    except (OSError, ValueError, IndexError):
        return None
    return pid if name == b"keepalived" and pid not in (os.getpid(), os.getppid()) else None


def _open_locked(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(_RETRIES):
        try:
            fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise AlreadyRunningError(f"Unable to open pid file {path} - {error.strerror}") from None
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK)
        except OSError:
            os.close(fd)
            raise AlreadyRunningError(f"Another process has pid file {path} locked") from None
        if _is_same_file(fd, path):
            os.fchmod(fd, 0o644)
            return fd
        os.close(fd)
    raise AlreadyRunningError(f"pid file {path} is being replaced all the time")


def _is_same_file(fd: int, path: str) -> bool:
    try:
        found, ours = os.lstat(path), os.fstat(fd)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
