"""How many processes match each vrrp_track_process: the kernel's process connector and /proc. Shell.

The connector tells of every process of the machine; a socket filter passes on only fork, exec, exit and change of
name (connector documentation of the kernel, proc events). It exists in the initial network namespace only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable

from pykeepalived.config.model.globals import ReceiveBuffer
from pykeepalived.config.model.vrrp import TrackProcess
from pykeepalived.netlink import bpf
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop

_NETLINK_CONNECTOR = 11
_CN_IDX_PROC = _CN_VAL_PROC = 1
_LISTEN, _IGNORE = 1, 2
_SO_RCVBUFFORCE = 33
_FORK, _EXEC, _COMM, _EXIT = 0x1, 0x2, 0x200, 0x80000000

_NETLINK_HEADER, _CONNECTOR_HEADER = 16, 20
_EVENT = _NETLINK_HEADER + _CONNECTOR_HEADER
_EVENT_HEADER = struct.Struct("=IIQ")
_DETAILS = struct.Struct("=IIII")
_WANTED = [bpf.as_loaded(kind, 4) for kind in (_FORK, _EXEC, _COMM, _EXIT)]
_FILTER: tuple[bpf.Instruction, ...] = (
    (bpf.LOAD_WORD, 0, 0, _EVENT),
    *((bpf.JUMP_EQUAL, len(_WANTED) - place, 0, kind) for place, kind in enumerate(_WANTED)),
    (bpf.RETURN, 0, 0, 0),
    (bpf.RETURN, 0, 0, bpf.TAKE),
)
_CLONE_NEWNET = 0x40000000
_READS = 64
_PROC = "/proc"

Log = Callable[[LogLine], object]


def open_connector() -> socket.socket | None:
    """Subscribe to process events; None where the kernel has none.

    The kernel tells them in the initial network namespace only; from another one the socket is opened there.
    """
    return _open() or _elsewhere()


def _elsewhere() -> socket.socket | None:
    """The connector's socket from the network namespace of process 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        initial = os.open("/proc/1/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(own)
        return None
    try:
        if libc.setns(initial, _CLONE_NEWNET):
            return None
        try:
            return _open()
        finally:
            if libc.setns(own, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot return to the network namespace")
    finally:
        os.close(initial)
        os.close(own)


def _open() -> socket.socket | None:
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_CONNECTOR)
    except OSError:
        return None
    try:
        sock.bind((0, _CN_IDX_PROC))
        sock.setblocking(False)
        sock.send(_order(_LISTEN))
        # The kernel answers before it returns. A connector alone, without proc events, takes every order in silence.
        sock.recv(4096)
        bpf.attach(sock, _FILTER)
    except OSError:
        sock.close()
        return None
    return sock


def _order(word: int) -> bytes:
    body = struct.pack("=IIIIHHI", _CN_IDX_PROC, _CN_VAL_PROC, 0, 0, 4, 0, word)
    return struct.pack("=IHHII", 16 + len(body), 3, 0, 0, os.getpid()) + body


class ProcessWatcher:
    """Counts matching processes and tells every change of a count, and the first count of each at once."""

    def __init__(
        self,
        loop: Loop,
        log: Log,
        changed: Callable[[str, int], object],
        connector: Callable[[], socket.socket | None] = open_connector,
        proc: str = _PROC,
    ) -> None:
        self._loop = loop
        self._log = log
        self._changed = changed
        self._open = connector
        self._proc = proc
        self._socket: socket.socket | None = None
        self._wanted: tuple[TrackProcess, ...] = ()
        self._members: dict[str, set[int]] = {}
        self._told: dict[str, int] = {}

    def begin(self, processes: Iterable[TrackProcess], buffer: ReceiveBuffer | None = None) -> dict[str, int]:
        """Watch exactly these, and return their counts instead of telling them."""
        self._wanted = tuple(processes)
        if self._wanted:
            self._subscribe(buffer or ReceiveBuffer())
            self._scan()
            self._told = {name: len(members) for name, members in self._members.items()}
        return dict(self._told)

    def watch(self, processes: Iterable[TrackProcess], buffer: ReceiveBuffer | None = None) -> None:
        """Watch exactly these."""
        wanted = tuple(processes)
        if wanted == self._wanted:
            return
        known = {entry.name: entry for entry in self._wanted}
        self._wanted = wanted
        self._told = {
            entry.name: self._told[entry.name]
            for entry in wanted
            if known.get(entry.name) == entry and entry.name in self._told
        }
        if not wanted:
            self.close()
            return
        if self._socket is None:
            self._subscribe(buffer or ReceiveBuffer())
        self.rescan()

    def _subscribe(self, buffer: ReceiveBuffer) -> None:
        self._socket = self._open()
        if self._socket is None:
            text = "no kernel support for track_process (CONFIG_PROC_EVENTS)"
            self._log(LogLine(text, Priority.ERROR))
            return
        if buffer.size:
            option = _SO_RCVBUFFORCE if buffer.force else socket.SO_RCVBUF
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, buffer.size)
        self._loop.add_reader(self._socket, self._read)

    def rescan(self) -> None:
        """Read all of /proc again, and tell: for new entries, and when events were lost."""
        self._scan()
        self._tell()

    def _scan(self) -> None:
        self._members = {entry.name: set() for entry in self._wanted}
        for name in os.listdir(self._proc):
            if name.isdigit():
                self._judge(int(name))

    def _judge(self, pid: int) -> None:
        """Look at one process and note which entries it counts for."""
        for members in self._members.values():
            members.discard(pid)
        found = _look_up(self._proc, pid, any(_needs_words(entry) for entry in self._wanted))
        if found is None:
            return
        for entry in self._wanted:
            if matches(entry, *found):
                self._members[entry.name].add(pid)

    def _tell(self) -> None:
        for name, members in self._members.items():
            if self._told.get(name) != len(members):
                self._told[name] = len(members)
                self._changed(name, len(members))

    def _read(self) -> None:
        assert self._socket is not None
        for _ in range(_READS):
            try:
                data = self._socket.recv(4096)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    text = "Process events were lost - reading /proc again; process_monitor_rcv_bufs may help"
                    self._log(LogLine(text, Priority.WARNING))
                    self.rescan()
                    return
                raise
            self._hear(data)
        self._tell()

    def _hear(self, data: bytes) -> None:
        if len(data) < _EVENT + _EVENT_HEADER.size + 8:
            return
        kind = _EVENT_HEADER.unpack_from(data, _EVENT)[0]
        place = _EVENT + _EVENT_HEADER.size
        if kind == _FORK and len(data) >= place + _DETAILS.size:
            _, parent, child, group = _DETAILS.unpack_from(data, place)
            if child == group:
                self._forked(parent, child)
            return
        pid, group = struct.unpack_from("=II", data, place)
        if pid != group:
            return
        if kind == _EXIT:
            for members in self._members.values():
                members.discard(pid)
        elif kind in (_EXEC, _COMM):
            self._judge(pid)

    def _forked(self, parent: int, child: int) -> None:
        """A child is what its parent is, until it executes something else."""
        for members in self._members.values():
            if parent in members:
                members.add(child)

    def close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def matches(entry: TrackProcess, comm: str, words: tuple[str, ...]) -> bool:
    """Whether a process counts (keepalived.conf(5), vrrp_track_process).

    Its name (15 bytes) decides, with full_command or arguments what it was called by, exactly as it is written; then
    its arguments, where some are given.
    """
    if entry.full_command:
        if not words or words[0] != entry.process:
            return False
    elif comm != entry.process[:15]:
        return False
    return _parameters_match(entry, words[1:])


def _parameters_match(entry: TrackProcess, given: tuple[str, ...]) -> bool:
    if not entry.param_match and not entry.parameters:
        return True
    wanted = entry.parameters
    if entry.param_match in ("", "exact"):
        return given == wanted
    start = given[: len(wanted)]
    if entry.param_match == "partial" or not wanted:
        return start == wanted
    # initial: the last argument may be longer than the wanted one
    return len(start) == len(wanted) and start[:-1] == wanted[:-1] and start[-1].startswith(wanted[-1])


def _needs_words(entry: TrackProcess) -> bool:
    return entry.full_command or bool(entry.parameters) or bool(entry.param_match)


def _look_up(proc: str, pid: int, words: bool) -> tuple[str, tuple[str, ...]] | None:
    """Name and words of a process; None when it is gone or a zombie."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return None
    start, end = line.find(b"("), line.rfind(b")")
    if line[end + 2 : end + 3] == b"Z":
        return None
    comm = line[start + 1 : end].decode("utf-8", "surrogateescape")
    if not words:
        return comm, ()
    try:
        with open(f"{proc}/{pid}/cmdline", "rb") as file:
            raw = file.read()
    except OSError:
        return None
    return comm, tuple(os.fsdecode(word) for word in raw.split(b"\0")[:-1])
