"""Where log lines go: the journal, syslog, the console, a file. None of them can stall the process.

Lines are data (observe.cause.LogLine); this module only turns them into bytes. A sink that cannot take a line at once
loses it; the number of lost lines is told with the first line that gets through again.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import struct
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Protocol

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import LogLine, Priority

JOURNAL_SOCKET = "/run/systemd/journal/socket"
SYSLOG_SOCKET = "/dev/log"

FACILITY_DAEMON = 3

IDENT_PARENT, IDENT_VRRP, IDENT_CHECKER, IDENT_BFD = (
    "Keepalived",
    "Keepalived_vrrp",
    "Keepalived_healthcheckers",
    "Keepalived_bfd",
)

_MAX_DATAGRAM = 60_000
_CONSOLE_CHUNK = 4096


def ident_for(base: str, namespace: str = "", instance: str = "") -> str:
    """The syslog identifier of a process: its base name, then the network namespace, then the instance."""
    return "_".join(part for part in (base, namespace, instance) if part)


def log_file_name(path: str, child: str = "", namespace: str = "", instance: str = "") -> str:
    """Name of a process' own log file: `_vrrp`, `_NS`, `_INST` go before the last dot of the base name."""
    directory, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    parts = "".join(f"_{part}" for part in (child, namespace, instance) if part)
    return f"{directory}{slash}{stem}{parts}{dot}{extension}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What the command line says about logging (keepalived(8): -D -l -n -S -g -G).

    `file` is the log file of the parent with no instance yet, or "". `console` holds only in the foreground.
    """

    detail: int = 0
    console: bool = False
    syslog: bool = True
    facility: int = FACILITY_DAEMON
    file: str = ""
    foreground: bool = False


class Sink(Protocol):
    def emit(self, line: LogLine) -> bool:
        """Write the line; False when it could not be written now and is lost."""

    def close(self) -> None: ...


class JournalSink:
    """journald's native protocol: one datagram a line, with structured fields (systemd-journald, native protocol)."""

    def __init__(self, ident: str, facility: int, path: str = JOURNAL_SOCKET) -> None:
        self._socket = _datagram_socket()
        self._path = path
        self._tail = b"SYSLOG_IDENTIFIER=%b\nSYSLOG_FACILITY=%d\nSYSLOG_PID=%d\n" % (
            ident.encode(),
            facility,
            os.getpid(),
        )

    def emit(self, line: LogLine) -> bool:
        parts = [_journal_field("MESSAGE", line.text), b"PRIORITY=%d\n" % line.priority, self._tail]
        parts += [_journal_field(f"PYKEEPALIVED_{name}", value) for name, value in line.fields.items()]
        return _send(self._socket, b"".join(parts), self._path)

    def close(self) -> None:
        self._socket.close()


class SyslogSink:
    """The datagram socket of a syslog daemon, in the classic format (RFC 3164 as syslog(3) writes it, with LOG_PID)."""

    def __init__(self, ident: str, facility: int, path: str = SYSLOG_SOCKET) -> None:
        self._socket = _datagram_socket()
        self._path = path
        self._facility = facility << 3
        self._tag = f"{ident}[{os.getpid()}]"

    def emit(self, line: LogLine) -> bool:
        stamp = time.strftime("%b %e %H:%M:%S")
        text = f"<{self._facility | line.priority}>{stamp} {self._tag}: {line.text}"
        return _send(self._socket, text.encode(errors="replace"), self._path)

    def close(self) -> None:
        self._socket.close()


class ConsoleSink:
    """Standard error, a line each with the local time. Never waits for a slow reader of a pipe or terminal."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._poll: select.poll | None = None
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self._poll = select.poll()
                self._poll.register(fd, select.POLLOUT)

    def emit(self, line: LogLine) -> bool:
        data = f"{time.strftime('%c')}: {line.text}\n".encode(errors="replace")
        try:
            for start in range(0, len(data), _CONSOLE_CHUNK):
                # A pipe with POLLOUT takes PIPE_BUF bytes without blocking; O_NONBLOCK would change it for others too.
                if self._poll is not None and not self._poll.poll(0):
                    return False
                os.write(self._fd, data[start : start + _CONSOLE_CHUNK])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Standard error is not ours to close."""


class FileSink:
    """A log file: appended to, mode 0600, the local time with nanoseconds before each line.

    A FIFO or socket that somebody has put in its place is never waited for. Raises OSError.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)

    def emit(self, line: LogLine) -> bool:
        now = time.time_ns()
        local = time.localtime(now // 1_000_000_000)
        stamp = f"{time.strftime('%a %b %e %H:%M:%S', local)}.{now % 1_000_000_000:09d} {local.tm_year}"
        try:
            os.write(self._fd, f"{stamp}: {line.text}\n".encode(errors="replace"))
        except OSError:
            return False
        return True

    def close(self) -> None:
        os.close(self._fd)


class Log:
    """The log of one process. `detail` is how many -D were given; lines that need more are not written."""

    def __init__(self, sinks: Sequence[Sink] = (), detail: int = 0) -> None:
        self._sinks = tuple(sinks)
        self.detail = detail
        self.dropped = 0
        self._untold = 0

    def write(self, line: LogLine) -> None:
        if line.detail > self.detail:
            return
        if self._untold and self._emit(
            LogLine(f"{self._untold} log lines were lost: the log did not take them", Priority.WARNING)
        ):
            self._untold = 0
        if not self._emit(line):
            self.dropped += 1
            self._untold += 1

    def _emit(self, line: LogLine) -> bool:
        taken = True
        for sink in self._sinks:
            taken &= sink.emit(line)
        return taken

    def debug(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.DEBUG, detail, fields))

    def info(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.INFO, detail, fields))

    def notice(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.NOTICE, detail, fields))

    def warning(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.WARNING, detail, fields))

    def error(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.ERROR, detail, fields))

    def alert(self, text: str, detail: int = 0, **fields: str) -> None:
        self.write(LogLine(text, Priority.ALERT, detail, fields))

    def internal_error(self, error: Exception, who: str = "", detail: int = 1) -> None:
        """Tell of an error that nobody foresaw, `who` met it (with a blank before it), and where; the whole way to it
        with `detail` -D options."""
        place = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" at {os.path.basename(place[0].filename)}:{place[0].lineno}" if place else ""
        self.error(f"Internal error{who}{where}: {type(error).__name__}: {error}")
        for line in traceback.format_exception(error):
            self.info(line.rstrip("\n"), detail)

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
        self._sinks = ()


def open_log(
    options: LogOptions,
    ident: str = IDENT_PARENT,
    file: str = "",
    sockets: Mapping[str, str] | None = None,
) -> Log:
    """Open the sinks that the options ask for, with the identifier and pid of the calling process.

    `file` overrides options.file. `sockets` replaces the paths of `journal` and `syslog`. In the foreground, where
    syslog is wanted but nothing listens (a container), lines go to standard error rather than nowhere.
    """
    journal = (sockets or {}).get("journal", JOURNAL_SOCKET)
    syslog = (sockets or {}).get("syslog", SYSLOG_SOCKET)
    sinks: list[Sink] = []
    console = options.console and options.foreground
    if options.syslog:
        if _is_socket(journal):
            sinks.append(JournalSink(ident, options.facility, journal))
        elif _is_socket(syslog):
            sinks.append(SyslogSink(ident, options.facility, syslog))
        elif options.foreground and not options.file:
            console = True
    if console:
        sinks.append(ConsoleSink())
    log = Log(sinks, options.detail)
    path = file or options.file
    if path:
        try:
            log = Log([*sinks, FileSink(path)], options.detail)
        except OSError as error:
            log.error(f"Unable to open log file {path} - {error.strerror}")
    return log


def _datagram_socket() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
    return sock


def _send(sock: socket.socket, data: bytes, path: str) -> bool:
    try:
        sock.sendto(data[:_MAX_DATAGRAM], path)
    except OSError:
        return False
    return True


def _journal_field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")
    if len(data) > _MAX_DATAGRAM // 2:
        data = data[: _MAX_DATAGRAM // 2]
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    return b"%b\n%b%b\n" % (name.encode(), struct.pack("<Q", len(data)), data)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
