"""The owner's side of SNMP: starts the helper, hands it traps, and states when it asks for them. Never waits.

A state is made and sent by a forked copy of the process, as dumps are: the process itself only forks.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import pickle
import signal
import socket
import struct
from collections.abc import Callable

from pykeepalived.config.model import Config
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.observe.snapshot import IpvsSnapshot, VrrpSnapshot
from pykeepalived.runtime.loop import Loop

State = Callable[[], tuple[Config, VrrpSnapshot | IpvsSnapshot]]
"""What the objects are made from; called in a forked copy of the process."""

MAX_CONTROL = 65536
"""Largest message between owner and helper in bytes."""
MAX_TRAPS_WAITING = 1000
"""Traps kept while there is no session with a master agent; older ones are dropped."""
VERSION_TEXT = "Keepalived v2.4.3"
"""What the version object says: the daemon we stand in for."""


class SnmpAgent:
    """SNMP for one process, and traps: the objects of the VRRP process or those of the checker.

    `state` is called in a forked copy and returns what the objects are made from. `on_weight` is called with the names
    of a virtual and a real server and a weight when a manager sets it.
    """

    on_weight: Callable[[str, str, int], object] | None = None

    def __init__(self, loop: Loop, log: Logger, state: State) -> None:
        self._loop = loop
        self._log = log
        self._state = state
        self._control: socket.socket | None = None
        self._data: socket.socket | None = None
        self._pid = 0
        self._sender = 0
        self._again = 0
        self._early: list[Trap] | None = []

    @property
    def running(self) -> bool:
        return self._control is not None

    def configure(self, config: Config, wanted: bool, agent_socket: str = "") -> None:
        """At start and after a reload: whether this process serves SNMP. `agent_socket` is the option -A."""
        early, self._early = self._early or (), None
        if not wanted:
            self.stop()
            return
        if self._control is None:
            self._fork(agent_socket or config.globals.snmp.socket)
        else:
            self._send(("stale",))
        for trap in early:
            self.emit(trap)

    def emit(self, trap: Trap) -> None:
        """Send the traps of an event, if traps are enabled. Those of the start wait for the first `configure`."""
        if self._early is not None:
            if len(self._early) < MAX_TRAPS_WAITING:
                self._early.append(trap)
            return
        self._send(("trap", trap.kind, trap.name, int(trap.state)))

    def stop(self) -> None:
        """Leave the master agent; the helper ends by itself."""
        for connection in (self._control, self._data):
            if connection is not None:
                self._loop.remove_reader(connection)
                connection.close()
        self._control = self._data = None
        self._again = 0

    def reap(self) -> None:
        """To be called on SIGCHLD."""
        for name in ("_pid", "_sender"):
            pid = getattr(self, name)
            if pid:
                with contextlib.suppress(ChildProcessError):
                    ended, _ = os.waitpid(pid, os.WNOHANG)
                    if not ended:
                        continue
                setattr(self, name, 0)
        if self._again and not self._sender:
            number, self._again = self._again, 0
            self._send_state(number)

    def _fork(self, word: str) -> None:
        control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        data, their_data = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            pid = os.fork()
        except OSError as error:
            self._log.write(LogLine(f"Failed fork of SNMP process: {error.strerror}", Priority.ERROR))
            for connection in (control, their_control, data, their_data):
                connection.close()
            return
        if pid == 0:
            try:
                # What only the helper needs is imported there: the tables of objects cost memory and time.
                from pykeepalived.notify import snmp_helper

                snmp_helper.serve(their_control, their_data, word, VERSION_TEXT)
            finally:
                os._exit(0)
        their_control.close()
        their_data.close()
        control.setblocking(False)
        self._pid, self._control, self._data = pid, control, data
        self._loop.add_reader(control, self._read)

    def _send(self, message: tuple[str | int, ...]) -> None:
        if self._control is None:
            return
        try:
            self._control.send(marshal.dumps(message))
        except BlockingIOError:
            self._log.write(LogLine("SNMP process does not read, dropping a message", Priority.WARNING))
        except OSError:
            pass  # the end of the connection is seen by _read

    def _read(self) -> None:
        while self._control is not None:
            try:
                data = self._control.recv(MAX_CONTROL)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._log.write(LogLine("SNMP process died - not using SNMP until a reload", Priority.ERROR))
                self.stop()
                return
            message = marshal.loads(data)
            if message[0] == "log":
                self._log.write(LogLine(message[1]))
            elif message[0] == "weight":
                if self.on_weight is not None:
                    self.on_weight(*message[1:])
            else:
                self._send_state(message[1])

    def about_to_show(self) -> None:
        """Called before the copy that sends the state is forked."""

    def _send_state(self, number: int) -> None:
        """Fork a copy that sends the present state under this number; one at a time, the last question is kept."""
        self.reap()
        if self._data is None:
            return
        if self._sender:
            self._again = number
            return
        self.about_to_show()
        try:
            pid = os.fork()
        except OSError:
            return
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                with contextlib.suppress(OSError):
                    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                state = pickle.dumps((number, self._state()), protocol=pickle.HIGHEST_PROTOCOL)
                self._data.sendall(struct.pack(">Q", len(state)) + state)
            finally:
                os._exit(0)
        self._sender = pid
