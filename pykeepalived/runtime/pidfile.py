"""pid files: created, locked for as long as any process of the daemon holds them, written, removed.

The lock is an open-file-description lock (fcntl(2)): it is inherited by the children and goes with the last holder, so
what a crashed daemon left behind never hinders the next start.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct

_FLOCK = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_RETRIES = 5
_REPLACED = "pid file %s is being replaced all the time"


class AlreadyRunningError(Exception):
    """Another daemon holds the file; the text says why."""


class PidFile:
    """One locked pid file. The content is written by the process it is about; nobody ever reads an empty file."""

    def __init__(self, path: str) -> None:
        """Lock the file, or prepare one that takes its place when it is written. Raises AlreadyRunningError, also when
        neither can be done (as keepalived does)."""
        self.path = path
        self._fd = _open_locked(path)

    def fileno(self) -> int:
        """The locked descriptor, or -1 after remove or close."""
        return self._fd

    def write(self, pid: int) -> None:
        """Put `pid` into the file, making it anew if somebody removed it. Raises OSError or AlreadyRunningError."""
        text = b"%d\n" % pid
        for _ in range(_RETRIES):
            if self._fd < 0:
                self._fd = _open_locked(self.path)
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))
            if _is_same_file(self._fd, self.path) or self._appear():
                return
            self.close()
        raise AlreadyRunningError(_REPLACED % self.path)

    def _appear(self) -> bool:
        """Give a file without a name its own, which works once. False when there is another one of that name."""
        try:
            # given a directory, even one that does not matter, Python calls linkat(2), which can follow this link
            os.link(f"/proc/self/fd/{self._fd}", self.path, src_dir_fd=self._fd, follow_symlinks=True)
        except (FileExistsError, FileNotFoundError):
            return False
        return True

    def remove(self) -> None:
        """Unlink the file if it is still ours, and let go of it."""
        if self._fd >= 0:
            if _is_same_file(self._fd, self.path):
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            self.close()

    def abandon(self) -> None:
        """Let go of a file that turned out to be somebody's; one that is empty is removed."""
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
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            pid = int((file.read(32) or b"").split()[0])
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read().strip()
    except (OSError, ValueError, IndexError):
        return None
    return pid if name == b"keepalived" and pid not in (os.getpid(), os.getppid()) else None


def _open_locked(path: str) -> int:
    for _ in range(_RETRIES):
        try:
            fd, nameless = _open(path)
        except OSError as error:
            raise AlreadyRunningError(f"Unable to open pid file {path} - {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise AlreadyRunningError(f"Unable to open pid file {path} - not a regular file")
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK)
        except OSError:
            os.close(fd)
            raise AlreadyRunningError(f"Another process has pid file {path} locked") from None
        if nameless or _is_same_file(fd, path):
            os.fchmod(fd, 0o644)
            return fd
        os.close(fd)
    raise AlreadyRunningError(_REPLACED % path)


def _open(path: str) -> tuple[int, bool]:
    """The file, or a new one without a name, which is what the second value tells. Raises OSError."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, flags), False
    try:
        return os.open(os.path.dirname(path) or ".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o644), True
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
            raise
    return os.open(path, flags | os.O_CREAT, 0o644), False


def _is_same_file(fd: int, path: str) -> bool:
    try:
        found, ours = os.lstat(path), os.fstat(fd)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
