"""Kernel parameters below /proc/sys: reading, writing, and giving back what was there before."""

from __future__ import annotations

import os
from collections.abc import Callable

ROOT = "/proc/sys/"
_LONGEST = 4096


def read_sysctl(path: str) -> str | None:
    """The value, or None when the kernel has no such parameter."""
    try:
        fd = os.open(ROOT + path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, _LONGEST).decode("utf-8", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(fd)


def write_sysctl(path: str, value: str) -> None:
    """Raises OSError."""
    fd = os.open(ROOT + path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


class SavedSysctls:
    """Changes parameters and remembers what they were, to restore them in reverse order.

    Several users may want the same value of one parameter; it is given back when the last of them has let go.
    """

    def __init__(
        self,
        read: Callable[[str], str | None] = read_sysctl,
        write: Callable[[str, str], None] = write_sysctl,
    ) -> None:
        self._read = read
        self._write = write
        self._before: dict[str, str] = {}
        self._users: dict[str, set[str]] = {}

    def want(self, path: str, value: str, user: str = "") -> bool:
        """Set the parameter; True when that changed it. A parameter that does not exist is passed over."""
        before = self._read(path)
        if before is None:
            return False
        self._users.setdefault(path, set()).add(user)
        if before == value:
            return False
        self._before.setdefault(path, before)
        try:
            self._write(path, value)
        except OSError:
            return False
        return True

    def release(self, path: str, user: str = "") -> None:
        """This user no longer needs the value."""
        users = self._users.get(path)
        if users is None:
            return
        users.discard(user)
        if not users:
            del self._users[path]
            self._restore(path)

    def release_user(self, user: str) -> None:
        """Everything this user wanted."""
        for path in [path for path, users in self._users.items() if user in users]:
            self.release(path, user)

    def users(self) -> set[str]:
        """Everyone who wants something."""
        return {user for users in self._users.values() for user in users}

    def restore_all(self) -> None:
        """Give everything back, latest change first."""
        self._users.clear()
        for path in reversed(list(self._before)):
            self._restore(path)

    def _restore(self, path: str) -> None:
        before = self._before.pop(path, None)
        if before is None:
            return
        try:
            self._write(path, before)
        except OSError:
            pass  # the interface is gone and took the parameter along
