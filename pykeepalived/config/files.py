"""The file system as a configuration check sees it: a view answered by the shell, or by a dictionary in tests."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from pykeepalived.light_dataclasses import dataclass


class FileKind(StrEnum):
    """What a path names; OTHER covers devices, sockets and FIFOs."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FileStat:
    """What lstat(2) tells: `mode` holds the permission bits (0..0o7777), `target` the text of a symbolic link."""

    kind: FileKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""


class FileView(Protocol):
    """Questions about paths. All paths are absolute. `assumed`: nothing is known, every script is taken as fine."""

    assumed: bool

    def lstat(self, path: str) -> FileStat | int:
        """The entry itself, links not followed; an errno when it cannot be had."""
        ...

    def head(self, path: str, size: int) -> bytes | int:
        """The first `size` bytes of a file, links followed; an errno when it cannot be opened for reading."""
        ...

    def filesystem(self, path: str) -> tuple[int, bool] | int:
        """Magic number of the file system (statfs(2)) and whether it is mounted read-only, or an errno."""
        ...


class FileTable:
    """A file view made of data: path to entry, and content for `head`."""

    assumed = False

    def __init__(self, entries: Mapping[str, FileStat], contents: Mapping[str, bytes] | None = None) -> None:
        self._entries = {"/": FileStat(FileKind.DIRECTORY), **entries}
        self._contents = dict(contents or {})

    def lstat(self, path: str) -> FileStat | int:
        """The entry; links to directories on the way are followed, as lstat(2) does."""
        for _ in range(40):
            if path in self._entries:
                return self._entries[path]
            for length in (index for index, character in enumerate(path) if character == "/" and index):
                entry = self._entries.get(path[:length])
                if entry is not None and entry.kind is FileKind.LINK:
                    path = posixpath.normpath(
                        posixpath.join(posixpath.dirname(path[:length]), entry.target) + path[length:]
                    )
                    break
            else:
                return errno.ENOENT
        return errno.ELOOP

    def head(self, path: str, size: int) -> bytes | int:
        if path in self._contents:
            return self._contents[path][:size]
        return b"\x7fELF"[:size] if path in self._entries else errno.ENOENT

    def filesystem(self, path: str) -> tuple[int, bool] | int:
        return (0xEF53, False) if path in self._entries else errno.ENOENT
