"""Flight records as files: written on an operator's request, and once by itself after an internal error.

The text is made and written by a forked copy of the process, as dumps are; what it says is the core's recording module.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.observe.dump_files import DumpWriter, Logger, dump_directory


class RecordWriter:
    """Writes the records of one process. `text(secrets)` makes one; `reap` is to be called on SIGCHLD."""

    def __init__(self, log: Logger, text: Callable[[bool], str], process: str) -> None:
        self._log = log
        self._text = text
        self._process = process
        self._writer = DumpWriter(log)
        self._written = False
        self.reap = self._writer.reap

    @property
    def busy(self) -> bool:
        return self._writer.busy

    def write(self, words: tuple[str, ...]) -> dict[str, Any]:
        """Answer to an operator: PATH, or PATH and "secrets". Returns after a fork; the file appears when complete."""
        if not words or not os.path.isabs(words[0]) or words[1:] not in ((), ("secrets",)):
            return {"error": "record needs an absolute path"}
        reason = _unwritable(words[0])
        if reason:
            return {"error": reason}
        secrets = "secrets" in words[1:]
        self._start(words[0], secrets)
        return {"path": words[0]}

    def write_once(self) -> None:
        """After an internal error: only the first one, so that a row of errors costs one file."""
        if self._written:
            return
        self._written = True
        directory, _ = dump_directory(os.environ)
        path = f"{directory}/keepalived_{self._process}.record"
        self._log.write(LogLine(f"Writing flight record {path}", Priority.ERROR))
        self._start(path, False)

    def _start(self, path: str, secrets: bool) -> None:
        def build() -> str:
            os.umask(0o177)
            return self._text(secrets)

        self._writer.write(path, build)


def _unwritable(path: str) -> str:
    """Why no record can be at `path`, as far as that is known without trying; "" if nothing is."""
    directory = os.path.dirname(path)
    try:
        if not os.path.isdir(directory):
            return f"{directory} is not a directory"
        there = os.stat(path)
    except ValueError:
        return f"{path} is no path"
    except OSError:
        return ""
    return "" if stat.S_ISREG(there.st_mode) else f"{path} is not a regular file"
