"""The owner's side of the D-Bus service: feeds the helper process, hands on what callers ask for. Never waits.

Messages the helper does not take at once wait here, up to MAX_UNSENT of them; what comes then is dropped until it reads
again, and repaired by the next configure. Objects and signals are bus_objects.py, the connection is bus_helper.py.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.notify.bus_fork import MAX_MESSAGE, fork_helper
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.queue import BusSignal
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop

Request = Callable[[str, str], object]
"""Called with the method (PrintData, PrintStats, PrintStatsClear, ReloadConfig, SendGarp) and the instance's name."""

CHUNK = 500
"""Instances in one message."""
MAX_UNSENT = 10_000

_SAYS = {
    "PrintData": "Printing VRRP data on DBus request",
    "PrintStats": "Printing VRRP stats on DBus request",
    "PrintStatsClear": "Printing and clearing VRRP stats on DBus request",
    "ReloadConfig": "Reloading on DBus request",
}


class BusService:
    """D-Bus for one VRRP process. `configure` with enable_dbus starts the helper, `stop` ends it."""

    def __init__(self, loop: Loop, log: Logger, on_request: Request) -> None:
        self._loop = loop
        self._log = log
        self._on_request = on_request
        self._connection: socket.socket | None = None
        self._pid = 0
        self._unsent: deque[bytes] = deque()

    @property
    def running(self) -> bool:
        return self._connection is not None

    def configure(self, settings: GlobalDefs, instances: Iterable[BusSignal]) -> None:
        """At start and after a reload: which instances there are, with their present states."""
        if not settings.enable_dbus:
            self.stop()
            return
        if self._connection is None and not self._fork():
            return
        known = [
            (entry.name, entry.interface, entry.virtual_router_id, entry.family, int(entry.state))
            for entry in instances
        ]
        names = (settings.dbus_service_name, settings.net_namespace, settings.instance, settings.dbus_no_interface_name)
        self._send(("configure", *names))
        for start in range(0, len(known), CHUNK):
            self._send(("instances", known[start : start + CHUNK]))
        self._send(("ready",))

    def emit(self, change: BusSignal) -> None:
        """An instance changed its state: VrrpStatusChange."""
        self._send(("state", change.name, int(change.state)))

    def stop(self) -> None:
        """Say VrrpStopped and leave the bus; the helper ends by itself."""
        if self._connection is None:
            return
        self._close()
        self._log.write(LogLine("Released DBus"))

    def reap(self) -> None:
        """To be called on SIGCHLD."""
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                pid, _ = os.waitpid(self._pid, os.WNOHANG)
                if not pid:
                    return
            self._pid = 0

    def _fork(self) -> bool:
        try:
            self._pid, self._connection = fork_helper()
        except OSError as error:
            self._log.write(LogLine(f"Failed fork of DBus process: {error.strerror}", Priority.ERROR))
            return False
        self._loop.add_reader(self._connection, self._read)
        return True

    def _send(self, message: tuple[Any, ...]) -> None:
        if self._connection is None:
            return
        if len(self._unsent) >= MAX_UNSENT:
            return
        self._unsent.append(marshal.dumps(message))
        if len(self._unsent) == 1:
            self._flush()
        elif len(self._unsent) == MAX_UNSENT:
            self._log.write(LogLine("DBus process does not read, dropping messages", Priority.WARNING))

    def _flush(self) -> None:
        while self._unsent and self._connection is not None:
            try:
                self._connection.send(self._unsent[0])
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
                return
            except OSError:
                self._unsent.clear()  # the end of the connection is seen by _read
                break
            self._unsent.popleft()
        if self._connection is not None:
            self._loop.remove_writer(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()
            self._connection = None
        self._unsent.clear()

    def _read(self) -> None:
        while self._connection is not None:
            try:
                data = self._connection.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._log.write(LogLine("DBus process died - not using DBus until a reload", Priority.ERROR))
                self._close()
                return
            kind, *values = marshal.loads(data)
            if kind == "log":
                self._log.write(LogLine(values[0]))
            else:
                self._request(values[0], values[1])

    def _request(self, method: str, name: str) -> None:
        says = _SAYS.get(method) or f"Sending garps on {name} on DBus request"
        self._log.write(LogLine(says))
        self._on_request(method, name)

    def kill(self) -> None:
        """End a helper that does not leave by itself; for the very end of a stop."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0
