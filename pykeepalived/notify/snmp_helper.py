"""The SNMP helper: a process of its own that is an AgentX subagent, so that VRRP never waits for a master agent.

It holds a view of the objects, made from a state the owner sends; when a request finds it older than FRESH_S, a new
one is asked for and the request waits for it. What the objects are is mib_*.py; the owner's side is snmp.py.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import pickle
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.notify import agentx
from pykeepalived.notify.agentx import AgentXError, ErrorStatus, Oid, Pdu, PduType, Syntax, VarBind
from pykeepalived.notify.mib import Entry, MibView
from pykeepalived.notify.mib_checker import CHECK, checker_entries, checker_traps, weight_of
from pykeepalived.notify.mib_rfc import VRRP_MIB, VRRPV3_MIB, rfc2787_entries, rfc6527_entries
from pykeepalived.notify.mib_traps import trap_bindings
from pykeepalived.notify.mib_vrrp import GLOBAL, KEEPALIVED, VRRP, global_entries, vrrp_entries
from pykeepalived.notify.queue import Trap
from pykeepalived.notify.snmp import MAX_CONTROL, MAX_TRAPS_WAITING
from pykeepalived.observe.snapshot import IpvsSnapshot, VrrpSnapshot

DEFAULT_SOCKET = "/var/agentx/master"
FRESH_S = 1.0
PATIENCE_S = 0.7
"""How long a request waits for a new state; the master agent gives up after a second."""
RETRY_S = 15.0
CONNECT_TIMEOUT_S = 2.0


def agent_address(word: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """`unix:PATH`, a path, or `tcp:HOST:PORT`; "" = the usual socket. Raises ValueError."""
    if word.startswith("tcp:"):
        host, _, port = word[4:].rpartition(":")
        host = host.strip("[]") or "localhost"
        return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, int(port))
    return socket.AF_UNIX, word.removeprefix("unix:") or DEFAULT_SOCKET


def serve(control: socket.socket, data: socket.socket, word: str, version: str) -> None:
    """The life of the helper; returns when the owner is gone. To be called in a forked process."""
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    place = 3
    for keep in sorted((control.fileno(), data.fileno())):
        os.closerange(place, keep)
        place = keep + 1
    os.closerange(place, max(place, os.sysconf("SC_OPEN_MAX")))
    _Helper(control, data, word, version).run()


class _Helper:
    def __init__(self, control: socket.socket, data: socket.socket, word: str, version: str) -> None:
        self._control = control
        self._data = data
        self._word = word
        self._version = version
        self._incoming = b""
        self._agent: socket.socket | None = None
        self._session = 0
        self._packet = 0
        self._received = b""
        self._config = Config()
        self._snapshot: VrrpSnapshot | IpvsSnapshot = VrrpSnapshot()
        self._view = MibView(())
        self._made = 0.0
        self._asked = 0.0
        self._question = 0
        self._oldest = 0
        self._waiting: list[Pdu] = []
        self._traps: list[Trap] = []
        self._wanted: list[tuple[VarBind, VarBind]] = []
        self._retry_at = 0.0
        self._complained = False

    def run(self) -> None:
        self._ask()
        while True:
            poll = select.poll()
            for connection in (self._control, self._data, self._agent):
                if connection is not None:
                    poll.register(connection, select.POLLIN)
            ready = dict(poll.poll(self._timeout_ms()))
            if self._control.fileno() in ready and not self._read_control():
                break
            if self._data.fileno() in ready and not self._read_data():
                break
            if self._agent is not None and self._agent.fileno() in ready:
                self._read_agent()
            now = time.monotonic()
            if self._waiting and now >= self._asked + PATIENCE_S:
                self._answer_waiting()
            if self._agent is None and self._made and now >= self._retry_at:
                self._connect()
        self._leave()

    def _timeout_ms(self) -> int:
        ends = [self._asked + PATIENCE_S] if self._waiting else []
        if self._agent is None:
            ends.append(self._retry_at)
        return max(int((min(ends) - time.monotonic()) * 1000) + 1, 0) if ends else 60_000

    # the owner

    def _tell(self, *message: str | int) -> None:
        with contextlib.suppress(OSError):
            self._control.send(marshal.dumps(message))

    def _ask(self) -> None:
        """For a new state, unless one was asked for a moment ago."""
        if time.monotonic() >= self._asked + PATIENCE_S:
            self._asked = time.monotonic()
            self._question += 1
            self._tell("refresh", self._question)

    def _read_control(self) -> bool:
        try:
            data = self._control.recv(MAX_CONTROL)
        except OSError:
            return False
        if not data:
            return False
        message = marshal.loads(data)
        if message[0] == "trap":
            self._traps.append(Trap(*message[1:]))
            del self._traps[:-MAX_TRAPS_WAITING]
            self._send_traps()
        elif message[0] == "stale":
            self._made = min(self._made, time.monotonic() - 2 * FRESH_S)
            self._ask()
        return True

    def _read_data(self) -> bool:
        """States come as a length and a pickle, each from a forked copy of the owner."""
        try:
            chunk = self._data.recv(1 << 20)
        except OSError:
            return False
        if not chunk:
            return False
        self._incoming += chunk
        while len(self._incoming) >= 8:
            (length,) = struct.unpack_from(">Q", self._incoming)
            if len(self._incoming) < 8 + length:
                break
            trees = self._subtrees()
            before = self._snapshot
            number, state = pickle.loads(self._incoming[8 : 8 + length])
            self._incoming = self._incoming[8 + length :]
            if number < self._oldest:  # made before the last change of a weight
                continue
            self._config, self._snapshot = state
            self._keep_traffic(before)
            if self._session and trees != self._subtrees():
                self._send(agentx.close_pdu(self._session, self._next_packet()))
                self._lost("other objects after a reload")
                self._retry_at = 0.0
            self._view = MibView(self._entries())
            self._made = time.monotonic()
            self._answer_waiting()
        self._send_traps()
        return True

    def _keep_traffic(self, before: VrrpSnapshot | IpvsSnapshot) -> None:
        """The owner does not look at the traffic each time: what was seen last is shown until then."""
        now = self._snapshot
        if isinstance(now, IpvsSnapshot) and isinstance(before, IpvsSnapshot) and now.traffic is None:
            self._snapshot = replace(now, traffic=before.traffic)

    def _entries(self) -> list[Entry]:
        snmp = self._config.globals.snmp
        if isinstance(self._snapshot, IpvsSnapshot):
            return [*self._globals(), *checker_entries(self._config, self._snapshot)]
        entries: list[Entry] = []
        if snmp.vrrp:
            entries += vrrp_entries(self._config, self._snapshot, self._version)
        else:
            entries += global_entries(self._config, self._version)
        if snmp.rfcv2:
            entries += rfc2787_entries(self._config, self._snapshot)
        if snmp.rfcv3:
            entries += rfc6527_entries(self._config, self._snapshot)
        return entries

    def _globals(self) -> list[Entry]:
        """The checker serves the branch global only where no VRRP process does."""
        return [] if self._config.wants_vrrp else list(global_entries(self._config, self._version))

    # the master agent

    def _connect(self) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        try:
            family, address = agent_address(self._word)
            agent = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            agent.settimeout(CONNECT_TIMEOUT_S)
            agent.connect(address)
        except (OSError, ValueError) as error:
            if not self._complained:
                self._tell("log", f"Warning: Failed to connect to the agentx master agent ({self._word}): {error}")
            self._complained = True
            return
        self._complained = False
        self._agent, self._received, self._session = agent, b"", 0
        self._send(agentx.open_pdu(self._next_packet(), KEEPALIVED, "Keepalived"))

    def _next_packet(self) -> int:
        self._packet = (self._packet + 1) & 0xFFFFFFFF
        return self._packet

    def _send(self, data: bytes) -> None:
        if self._agent is None:
            return
        try:
            self._agent.sendall(data)
        except OSError as error:
            self._lost(error.strerror or str(error))

    def _lost(self, reason: str) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None
            self._tell("log", f"AgentX master disconnected us ({reason}), reconnecting in {RETRY_S:.0f}s")
        self._waiting.clear()
        self._retry_at = time.monotonic() + RETRY_S

    def _read_agent(self) -> None:
        assert self._agent is not None
        try:
            chunk = self._agent.recv(65536)
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        if not chunk:
            self._lost("connection closed")
            return
        self._received += chunk
        try:
            while self._agent is not None and len(self._received) >= agentx.HEADER_SIZE:
                size = agentx.HEADER_SIZE + agentx.payload_size(self._received[: agentx.HEADER_SIZE])
                if len(self._received) < size:
                    return
                pdu = agentx.decode(self._received[:size])
                self._received = self._received[size:]
                self._take(pdu)
        except AgentXError as error:
            self._lost(str(error))

    def _take(self, pdu: Pdu) -> None:
        match pdu.type:
            case PduType.RESPONSE:
                self._responded(pdu)
            case PduType.GET | PduType.GET_NEXT | PduType.GET_BULK:
                self._waiting.append(pdu)
                if time.monotonic() < self._made + FRESH_S:
                    self._answer_waiting()
                else:
                    self._ask()
            case PduType.TEST_SET:
                self._test(pdu)
            case PduType.COMMIT_SET:
                self._write(pdu, [new for new, _ in self._wanted])
            case PduType.UNDO_SET:
                self._write(pdu, [old for _, old in self._wanted])
            case PduType.CLEANUP_SET:
                self._wanted = []
            case PduType.CLOSE:
                self._lost("closed by the master")
            case _:
                self._send(agentx.response_pdu(pdu, (), ErrorStatus.PROCESSING_ERROR))

    def _test(self, pdu: Pdu) -> None:
        """Whether all of these can be set (RFC 2741 section 7.2.4): the first that cannot is named."""
        self._wanted = []
        for index, binding in enumerate(pdu.bindings, 1):
            error = self._objection(binding)
            if error:
                self._send(agentx.response_pdu(pdu, pdu.bindings, error, index))
                return
        self._wanted = [(binding, self._view.get(binding.name)) for binding in pdu.bindings]
        self._send(agentx.response_pdu(pdu))

    def _objection(self, binding: VarBind) -> ErrorStatus:
        if not isinstance(self._snapshot, IpvsSnapshot) or weight_of(self._config, binding.name) is None:
            return ErrorStatus.NOT_WRITABLE
        if binding.value.syntax != Syntax.INTEGER or not isinstance(binding.value.data, int):
            return ErrorStatus.WRONG_TYPE
        return ErrorStatus.WRONG_VALUE if binding.value.data < 0 else ErrorStatus.NO_ERROR

    def _write(self, pdu: Pdu, bindings: list[VarBind]) -> None:
        """Have the owner set these weights. What is shown is out of date then."""
        for binding in bindings:
            names = weight_of(self._config, binding.name)
            if names is not None and isinstance(binding.value.data, int):
                self._tell("weight", *names, binding.value.data)
        self._made = min(self._made, time.monotonic() - 2 * FRESH_S)
        self._asked = 0.0
        self._oldest = self._question + 1
        self._send(agentx.response_pdu(pdu))

    def _responded(self, pdu: Pdu) -> None:
        if pdu.error:
            self._tell("log", f"AgentX master refused a request with error {pdu.error}")
            if not self._session:
                self._lost("not accepted")
        elif not self._session:
            self._session = pdu.session
            self._tell("log", "NET-SNMP version AgentX subagent connected")
            for subtree in self._subtrees():
                self._send(agentx.register_pdu(self._session, self._next_packet(), subtree))
            self._send_traps()

    def _subtrees(self) -> list[Oid]:
        snmp = self._config.globals.snmp
        if isinstance(self._snapshot, IpvsSnapshot):
            return [CHECK] if self._config.wants_vrrp else [GLOBAL, CHECK]
        trees: list[Oid] = [GLOBAL]
        if snmp.vrrp:
            trees.append(VRRP)
        if snmp.rfcv2:
            trees.append(VRRP_MIB)
        if snmp.rfcv3:
            trees.append(VRRPV3_MIB)
        return trees

    def _answer_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for pdu in waiting:
            self._send(agentx.response_pdu(pdu, self._view.answer(pdu)))

    def _send_traps(self) -> None:
        if not self._session or self._agent is None:
            return
        traps, self._traps = self._traps, []
        for trap in traps:
            for bindings in self._bindings(trap):
                self._send(agentx.notify_pdu(self._session, self._next_packet(), bindings))

    def _bindings(self, trap: Trap) -> Iterator[list[VarBind]]:
        if isinstance(self._snapshot, IpvsSnapshot):
            return checker_traps(self._config, self._snapshot, trap)
        return trap_bindings(self._config, self._snapshot, trap)

    def _leave(self) -> None:
        if self._session:
            self._send(agentx.close_pdu(self._session, self._next_packet()))
