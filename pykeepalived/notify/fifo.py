"""Notify FIFOs: made, opened, written to and removed, and the script that reads one started and ended.

Nothing here ever waits: a full pipe loses the line (keepalived.conf(5), notify_fifo). What lines say is messages.py.

On reload keepalived removes and remakes its FIFOs, so that lines written meanwhile, and the lines of another process
that still has the old one open, are lost. Here a FIFO whose path and owner stay the same stays open, and so does its
script if it is still the same file and words: a reader that is ended may have taken half a line along.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import replace

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.values import Fifo
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.scripts import ScriptResult, ScriptRun, ScriptRunner
from pykeepalived.observe.cause import LogLine, Priority

SCRIPT_GRACE_NS = 1_000_000_000
"""From SIGTERM to SIGKILL for the script of a FIFO, at reload and stop."""


@dataclass(slots=True)
class _Open:
    """A FIFO of the configuration. `fd` -1 = it could not be opened; `created` = ours to remove."""

    fifo: Fifo
    fd: int = -1
    created: bool = False
    script: ScriptRun | None = None
    script_file: tuple[int, ...] = ()
    """What tells the file of the running script from another version of it."""
    dropped: int = 0


class NotifyFifos:
    """The FIFOs of one process: the global one and that of its kind ("vrrp" or "lvs", used in log lines).

    `runs_global_script`: where two processes share the global FIFO, only one may run the script that reads it.
    """

    def __init__(self, runner: ScriptRunner, log: Logger, kind: str, runs_global_script: bool = True) -> None:
        self._runner = runner
        self._log = log
        self._kind = kind
        self._runs_global_script = runs_global_script
        self._open: list[_Open] = []

    def configure(self, settings: GlobalDefs, runs_global_script: bool | None = None) -> None:
        """Open what the configuration names; at a reload also close what it no longer names."""
        if runs_global_script is not None:
            self._runs_global_script = runs_global_script
        wanted = self._wanted(settings)
        previous, self._open = self._open, []
        kept = {id(entry) for entry in previous for fifo in wanted if self._same(entry, fifo)}
        for entry in previous:
            if id(entry) not in kept:
                self._end_script(entry)
                self._close(entry)
        for fifo in wanted:
            found = next((old for old in previous if id(old) in kept and self._same(old, fifo)), None)
            if found is None:
                found = self._make(fifo)
            else:
                if fifo.script != found.fifo.script or _file_of(fifo) != found.script_file:
                    self._end_script(found)
                found.fifo = fifo
            self._open.append(found)
            if found.script is None:
                self._start_script(found)

    def write(self, line: str) -> None:
        """Write one line, newline included, to each FIFO with one system call; a full one loses it."""
        data = line.encode("utf-8", "surrogateescape")
        for entry in self._open:
            if entry.fd < 0:
                continue
            try:
                os.write(entry.fd, data)
            except OSError:
                if not entry.dropped:
                    self._warn(f"Notify fifo {entry.fifo.path} is full - dropping messages", entry)
                entry.dropped += 1
                continue
            if entry.dropped:
                self._warn(f"Notify fifo {entry.fifo.path} takes messages again, {entry.dropped} were dropped", entry)
                entry.dropped = 0

    def close(self) -> None:
        """At stop, after the last line: remove what we made, end the scripts."""
        for entry in self._open:
            self._end_script(entry)
            self._close(entry)
        self._open = []

    def _wanted(self, settings: GlobalDefs) -> list[Fifo]:
        shared = settings.notify_fifo
        own = settings.vrrp_notify_fifo if self._kind == "vrrp" else settings.lvs_notify_fifo
        if shared is not None and own is not None and shared.path == own.path:
            self._log.write(LogLine(f"notify FIFO {shared.path} has been specified more than once - ignoring"))
            own = None
        if shared is not None and not self._runs_global_script:
            shared = replace(shared, script=None)
        return [fifo for fifo in (shared, own) if fifo is not None]

    def _same(self, entry: _Open, fifo: Fifo) -> bool:
        """Whether an open FIFO serves the new configuration: same place, same owner, and still there."""
        if entry.fd < 0 or entry.fifo.path != fifo.path or entry.fifo.account != fifo.account:
            return False
        try:
            there, ours = os.lstat(fifo.path), os.fstat(entry.fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _make(self, fifo: Fifo) -> _Open:
        entry = _Open(fifo)
        try:
            os.mkfifo(fifo.path, 0o644)
            entry.created = True
        except FileExistsError:
            pass
        except OSError as error:
            self._warn(f"Unable to create {self._kind} notify fifo {fifo.path}: {error.strerror}", entry)
            return entry
        try:
            entry.fd = os.open(fifo.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            status = os.fstat(entry.fd)
        except OSError as error:
            self._warn(
                f"Unable to open {self._kind} notify fifo {fifo.path} - errno {error.errno} ({error.strerror})", entry
            )
            self._close(entry)
            return entry
        if not self._acceptable(entry, status):
            self._warn(f"{fifo.path} is not a fifo we own - not using", entry)
            self._close(entry)
            return entry
        account = fifo.account
        if entry.created and account is not None and (account.uid, account.gid) != (status.st_uid, status.st_gid):
            try:
                os.fchown(entry.fd, account.uid, account.gid)
            except OSError as error:
                self._warn(f"Unable to set owner of notify fifo {fifo.path}: {error.strerror}", entry)
        return entry

    def _acceptable(self, entry: _Open, status: os.stat_result) -> bool:
        if not stat.S_ISFIFO(status.st_mode):
            return False
        owners = {os.geteuid()}
        if entry.fifo.account is not None:
            owners.add(entry.fifo.account.uid)
        return status.st_uid in owners

    def _close(self, entry: _Open) -> None:
        """A FIFO of ours is unlinked first: a reader that sees the end and opens again must not find it."""
        if entry.created:
            with contextlib.suppress(OSError):
                os.unlink(entry.fifo.path)
            entry.created = False
        if entry.fd >= 0:
            os.close(entry.fd)
            entry.fd = -1

    def _start_script(self, entry: _Open) -> None:
        script = entry.fifo.script
        if script is None or entry.fd < 0:
            return
        entry.script_file = _file_of(entry.fifo)
        # A reader taken along by a killed helper is started again; one that ends by itself stays ended.
        entry.script = self._runner.start(
            script, (entry.fifo.path,), done=lambda result: self._ended(entry, result), repeatable=True
        )

    def _ended(self, entry: _Open, result: ScriptResult) -> None:
        entry.script = None
        if not result.failed_to_start:
            self._log.write(LogLine(f"{self._kind} notify fifo script terminated", fields={"FIFO": entry.fifo.path}))

    def _end_script(self, entry: _Open) -> None:
        if entry.script is not None:
            entry.script.done = None
            entry.script.terminate(SCRIPT_GRACE_NS)
            entry.script = None

    def _warn(self, text: str, entry: _Open) -> None:
        self._log.write(LogLine(text, Priority.WARNING, fields={"FIFO": entry.fifo.path}))


def _file_of(fifo: Fifo) -> tuple[int, ...]:
    """The identity of the file that a FIFO's script is, () without one."""
    if fifo.script is None:
        return ()
    try:
        found = os.stat(fifo.script.path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
