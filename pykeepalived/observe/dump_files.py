"""Where dump files go, and how they are written without stalling the process that is dumped.

Names and directories are those of keepalived(8) and keepalived.conf(5) (state_dump_file, data_use_instance, TMPDIR).
The text is made and written by a forked copy of the process: it sees one consistent state, and the process itself goes
on after the fork. What the text says is observe/dump/.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.observe.cause import LogLine, Priority

_SUFFIXES = {"parent": "_parent", "vrrp": "", "checker": "_check", "bfd": "_bfd"}
_SAVED = {"vrrp": "vrrp", "checker": "check", "bfd": "bfd"}
_DEFAULT_MODE = 0o666


class Logger(Protocol):
    """The part of runtime.log.Log that is used here."""

    def write(self, line: LogLine) -> None: ...


def dump_directory(environment: Mapping[str, str]) -> tuple[str, str]:
    """The directory of dump files, and a complaint about TMPDIR ("" = none). TMPDIR must be an absolute directory."""
    wanted = environment.get("TMPDIR", "")
    if not wanted:
        return "/tmp", ""
    if wanted.startswith("/") and os.path.isdir(wanted):
        return wanted.rstrip("/") or "/", ""
    return "/tmp", f"Environment TMPDIR={wanted} not a directory"


def data_path(settings: GlobalDefs, process: str, directory: str = "/tmp") -> str:
    """Path of the data dump of a process: "parent", "vrrp", "checker" or "bfd"."""
    path = _configured(settings.state_dump_file, "keepalived.data", directory)
    extra = _SUFFIXES[process]
    if settings.data_use_instance:
        names = [name for name in (settings.net_namespace, settings.instance) if name]
        if names:
            extra += "." + "_".join(names)
    return _before_last_dot(path, extra)


def reload_path(settings: GlobalDefs, process: str, moment: str) -> str:
    """Path of the state of a child saved at a reload, "" without config_save_dir; `moment` is like "1.pre".

    Each child writes its own: the name holds the id of the calling process.
    """
    if not settings.config_save_dir:
        return ""
    return os.path.join(settings.config_save_dir, f"keepalived_{_SAVED[process]}.{os.getpid()}.{moment}")


def stats_path(settings: GlobalDefs, directory: str = "/tmp") -> str:
    """Path of keepalived.stats."""
    return _configured(settings.stats_dump_file, "keepalived.stats", directory)


def json_path(settings: GlobalDefs, directory: str = "/tmp") -> str:
    """Path of keepalived.json."""
    return _configured(settings.json_dump_file, "keepalived.json", directory)


def _configured(word: str, name: str, directory: str) -> str:
    """A leading slash brings its own directory; a trailing one leaves the name as it is."""
    if word.endswith("/") or not word:
        word += name
    return word if word.startswith("/") else f"{directory.rstrip('/')}/{word}"


def _before_last_dot(path: str, extra: str) -> str:
    directory, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return f"{directory}{slash}{stem}{extra}{dot}{extension}" if dot else f"{path}{extra}"


def write_dump(path: str, text: str) -> None:
    """Write a whole file beside its place and rename it into it; mode 0666 less the umask. Raises OSError.

    Readers see the old file or the new one, never a part. A symbolic link at `path` is replaced, not followed; what is
    neither a file nor a link stays.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise OSError(f"{path} is not a regular file")
    temporary = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, _DEFAULT_MODE)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


class DumpWriter:
    """Writes dumps in forked copies of this process. Dumps to one path replace each other in the order of the calls."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._writers: dict[int, tuple[str, int]] = {}

    def write(self, path: str, build: Callable[[], str]) -> None:
        """Write what `build` makes of the present state to `path`; an empty text writes nothing.

        Returns after the fork: what changes later is not seen. A dump to the same path that is still being written is
        waited for by the new copy, not by us.
        """
        before = [end for other, end in self._writers.values() if other == path]
        try:
            ended, running = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            self._complain(path, error.strerror)
            return
        try:
            pid = os.fork()
        except OSError as error:
            self._complain(path, error.strerror)
            os.close(ended)
            os.close(running)
            return
        if pid == 0:
            self._write_and_leave(path, build, before)
        os.close(running)
        self._writers[pid] = (path, ended)

    def reap(self) -> None:
        """To be called on SIGCHLD: collects writers that have ended and reports failures."""
        for pid, (path, end) in list(self._writers.items()):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if not ended:
                continue
            del self._writers[pid]
            os.close(end)
            code = os.waitstatus_to_exitcode(status)
            if code:
                self._complain(path, os.strerror(code) if code > 0 else f"signal {-code}")

    @property
    def busy(self) -> bool:
        return bool(self._writers)

    def _complain(self, path: str, reason: str | None) -> None:
        self._log.write(LogLine(f"Can't write dump file {path}: {reason}", Priority.ERROR))

    def _write_and_leave(self, path: str, build: Callable[[], str], before: list[int]) -> NoReturn:
        """In the forked copy: signals of the original are none of ours. The exit status is an errno, 0 when there is
        nothing more to tell."""
        status = 0
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            text = build()
            for end in before:
                os.read(end, 1)  # returns at the end of that writer, which never writes
            if text:
                write_dump(path, text)
        except OSError as error:
            status = error.errno or errno.EIO
        except Exception as error:
            self._complain(path, f"internal error {type(error).__name__}: {error}")
        finally:
            os._exit(status)
