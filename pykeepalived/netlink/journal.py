"""A file of lines about what this process changes in the kernel, for the successor of one that was killed.

What the lines say is its users' business: sysctls.py, made_links.py, vrrp/held.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_NAMESPACE = "/proc/self/ns/net"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FEWEST_LINES = 256


class Journal:
    """It is valid in one network namespace until the machine boots again; without lines there is no file.

    One that cannot be written is done without: `error` then says why.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._lines = 0
        self.error = ""
        self._head = ""
        with self._excused(), open(_BOOT_ID, encoding="ascii") as file:
            self._head = f"{file.read().strip()} {os.stat(_NAMESPACE).st_ino}"

    def read(self) -> list[str]:
        """The lines of a predecessor."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                head, *lines = file.read().split("\n")
        except OSError:
            return []
        return lines if head and head == self._head else []

    def replace(self, lines: list[str]) -> None:
        """Begin anew with these lines."""
        self._lines = len(lines)
        if not lines:
            self.remove()
            return
        self._close()
        fresh = f"{self._path}.new"
        with self._excused():
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in (self._head, *lines))
            os.replace(fresh, self._path)

    def append(self, line: str) -> None:
        """Add a line; it is in the file when this returns."""
        text = f"{line}\n"
        self._lines += 1
        with self._excused():
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
                if not os.fstat(self._fd).st_size:
                    text = f"{self._head}\n{text}"
            os.write(self._fd, text.encode())

    def is_outgrown(self, living: int) -> bool:
        """Whether most lines tell of what is no more, `living` being those that do not: time to replace them."""
        return self._lines > max(_FEWEST_LINES, 4 * living)

    def remove(self) -> None:
        """There is nothing to be told any more."""
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextlib.contextmanager
    def _excused(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = f"{self._path}: {error.strerror}"
