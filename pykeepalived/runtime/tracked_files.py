"""Tracked files: told when they change, written before they are first read (keepalived.conf(5), track_file).

What the content means is the business of the cores.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable

from pykeepalived.config.model.vrrp import TrackFile
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.inotify import DirectoryWatch
from pykeepalived.runtime.loop import Loop

_CONTENT = 127
"""Bytes of a tracked file that count (keepalived.conf(5))."""

Log = Callable[[LogLine], object]


class FileWatcher:
    """Tells the content of tracked files, at once and after every change."""

    def __init__(self, loop: Loop, log: Log, changed: Callable[[str, bytes | None], object], kind: str) -> None:
        """`changed(name, content)`: None for a file that is missing. `kind` is what log lines call these files."""
        self._loop = loop
        self._kind = kind
        self._log = log
        self._changed = changed
        self._watch: DirectoryWatch | None = None
        self._files: dict[str, TrackFile] = {}

    def watch(self, files: Iterable[TrackFile], *, tell_all: bool = False) -> None:
        """Watch exactly these; those that are new, or are at another path now, are told at once, or all."""
        before, self._files = self._files, {file.name: file for file in files}
        paths = {file.path for file in self._files.values()}
        for path in {file.path for file in before.values()} - paths:
            if self._watch is not None:
                self._watch.remove(path)
        if self._files and self._watch is None:
            self._begin()
        for file in self._files.values():
            known = before.get(file.name)
            new = known is None or known.path != file.path
            if new:
                self._add(file)
            if new or tell_all:
                self._changed(file.name, read_tracked(file.path))

    def _begin(self) -> None:
        try:
            self._watch = DirectoryWatch(self._loop, self._happened)
        except OSError as error:
            text = f"Unable to monitor any {self._kind} - errno {error.errno} ({error.strerror})"
            self._log(LogLine(text, Priority.ERROR))

    def _add(self, file: TrackFile) -> None:
        if self._watch is None:
            return
        try:
            self._watch.add(file.path)
        except OSError as error:
            text = f"Unable to monitor {self._kind} {file.path} - errno {error.errno} ({error.strerror})"
            self._log(LogLine(text, Priority.ERROR))

    def _happened(self, path: str) -> None:
        content = read_tracked(path)
        for file in self._files.values():
            if file.path == path:
                self._changed(file.name, content)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


def write_initial(file: TrackFile, log: Log) -> None:
    """init_file: create a tracked file that is missing, or, with overwrite, write it anyway (regular files only)."""
    if file.init_value is None:
        return
    try:
        present = os.stat(file.path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            return
    else:
        if not file.overwrite or not stat.S_ISREG(present.st_mode):
            return
    try:
        fd = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w", encoding="ascii") as out:
            out.write(f"{file.init_value}\n")
    except OSError as error:
        text = f"Unable to open track file {file.path} for init - errno {error.errno} ({error.strerror})"
        log(LogLine(text, Priority.ERROR))


def read_tracked(path: str) -> bytes | None:
    """The start of a file, None if it is missing. Never waits: a FIFO or device counts as empty."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, _CONTENT) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)
