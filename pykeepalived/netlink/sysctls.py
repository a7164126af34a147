"""Kernel parameters below /proc/sys: reading, writing, and giving back what was there before.

What was there before also goes to a journal, so that it is given back after the process that changed it was killed.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pykeepalived.netlink.journal import Journal

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


class SysctlJournal:
    """A journal with a line for each parameter changed (its value before, the value set) and each given back."""

    def __init__(self, path: str) -> None:
        self._journal = Journal(path)

    @property
    def error(self) -> str:
        """Why it could not be written, or ""."""
        return self._journal.error

    def load(self) -> dict[str, tuple[str, str]]:
        """Path -> (value before, value set) of all that a predecessor changed and did not give back."""
        changed: dict[str, tuple[str, str]] = {}
        for line in self._journal.read():
            match line.split("\t"):
                case [path, before, value]:
                    changed[path] = (before, value)
                case [path]:
                    changed.pop(path, None)
        return changed

    def start(self, changed: dict[str, tuple[str, str]]) -> None:
        """Begin anew with what is changed now."""
        self._journal.replace([f"{path}\t{before}\t{value}" for path, (before, value) in changed.items()])

    def changed(self, path: str, before: str, value: str) -> None:
        """To be called before the parameter is written."""
        self._journal.append(f"{path}\t{before}\t{value}")

    def restored(self, path: str) -> None:
        """To be called after the parameter was given back."""
        self._journal.append(path)

    def remove(self) -> None:
        """Everything has been given back."""
        self._journal.remove()


class SavedSysctls:
    """Changes parameters and remembers what they were, to restore them in reverse order.

    Several users may want the same value of one parameter; it is given back when the last of them has let go. What a
    killed predecessor changed counts as changed by us, as long as it still has the value that one set.
    """

    def __init__(
        self,
        read: Callable[[str], str | None] = read_sysctl,
        write: Callable[[str, str], None] = write_sysctl,
        journal: SysctlJournal | None = None,
    ) -> None:
        self._read = read
        self._write = write
        self._journal = journal
        self._before: dict[str, str] = {}
        self._users: dict[str, set[str]] = {}
        if journal is not None:
            left = {path: entry for path, entry in journal.load().items() if read(path) == entry[1]}
            self._before = {path: before for path, (before, _) in left.items()}
            journal.start(left)

    @property
    def trouble(self) -> str:
        """Why a successor would not know of the changes; "" when it would."""
        return self._journal.error if self._journal is not None else ""

    def original(self, path: str) -> str | None:
        """The value without us; None when the kernel has no such parameter."""
        return self._before.get(path) or self._read(path)

    def want(self, path: str, value: str, user: str = "") -> bool:
        """Set the parameter; True when that changed it. A parameter that does not exist is passed over."""
        before = self._read(path)
        if before is None:
            return False
        self._users.setdefault(path, set()).add(user)
        if before == value:
            return False
        if path not in self._before:
            self._before[path] = before
            if self._journal is not None:
                self._journal.changed(path, before, value)
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

    def release_unused(self) -> None:
        """Give back what a predecessor changed and nobody wants now."""
        for path in [path for path in reversed(self._before) if path not in self._users]:
            self._restore(path)

    def users(self) -> set[str]:
        """Everyone who wants something."""
        return {user for users in self._users.values() for user in users}

    def restore_all(self) -> None:
        """Give everything back, latest change first."""
        self._users.clear()
        for path in reversed(list(self._before)):
            self._restore(path)
        if self._journal is not None:
            self._journal.remove()

    def _restore(self, path: str) -> None:
        before = self._before.pop(path, None)
        if before is None:
            return
        try:
            self._write(path, before)
        except OSError:
            pass  # the interface is gone and took the parameter along
        if self._journal is not None:
            self._journal.restored(path)
