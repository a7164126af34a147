"""Watching a file that may come, go and be replaced: inotify(7) on its directory. Says only that something happened."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable

from pykeepalived.runtime.loop import Loop

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _OVERFLOW = 0x8, 0x40, 0x80, 0x100, 0x200, 0x4000
_EVENT = struct.Struct("iIII")


class DirectoryWatch:
    """One inotify descriptor for any number of files. `callback(path)` is called after `path` may have changed:
    written and closed, created, deleted, moved in or out. Raises OSError where the kernel has no more of them."""

    def __init__(self, loop: Loop, callback: Callable[[str], object]) -> None:
        self._loop = loop
        self._callback = callback
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _error()
        self._directories: dict[int, str] = {}
        self._files: dict[str, int] = {}
        loop.add_reader(self._fd, self._read)

    def add(self, path: str) -> None:
        """Watch a file (absolute path; it need not exist, its directory must). Raises OSError."""
        directory = os.path.dirname(path) or "/"
        mask = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(directory), mask)
        if number < 0:
            raise _error(directory)
        self._directories[number] = directory
        self._files[path] = number

    def remove(self, path: str) -> None:
        """Stop watching; harmless if it was not watched."""
        number = self._files.pop(path, None)
        if number is not None and number not in self._files.values():
            self._libc.inotify_rm_watch(self._fd, number)
            self._directories.pop(number, None)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        changed: dict[str, None] = {}
        offset = 0
        while offset + _EVENT.size <= len(data):
            number, mask, _cookie, length = _EVENT.unpack_from(data, offset)
            name = data[offset + _EVENT.size : offset + _EVENT.size + length].rstrip(b"\0")
            offset += _EVENT.size + length
            if mask & _OVERFLOW:
                changed.update(dict.fromkeys(self._files))
            elif number in self._directories:
                changed[os.path.join(self._directories[number], os.fsdecode(name))] = None
        for path in changed:
            if path in self._files:
                self._callback(path)


def _error(path: str = "") -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), path or None)
