"""Making the attempts of checkers: sockets, TLS, time limits. One non-blocking dialler on the loop; judges nothing.

Connections wait in an epoll of their own, one-shot, so that a check costs no registration in the loop; time limits
of equal length wait in one queue with one timer.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pykeepalived.config.model.ipvs import Connection
from pykeepalived.ipvs.checks import certificate
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Exchange, Outcome, Reason, Transport
from pykeepalived.ipvs.tls import TlsClient, TlsError, TlsFactory
from pykeepalived.runtime.loop import Loop, Timer

Socket = socket.SocketType
"""The plain type below socket.socket: a check needs nothing more, and it is made and closed faster."""
_SO_MARK = 36
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_CONNECTING = select.EPOLLOUT | select.EPOLLONESHOT
_READING = select.EPOLLIN
_WRITING = select.EPOLLIN | select.EPOLLOUT
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_READ_SIZE = 65536
_READS = 16
"""So often a server is read at a time: one that never stops sending must not keep the others waiting."""
_EVENTS = 512

_SERVER_UNREACHABLE = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ECONNREFUSED,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
    }
)
"""What connect(2) may say about the server; any other error is a local one."""


class _LocalError(Exception):
    """The socket cannot be prepared as configured; the text is keepalived's line."""


Done = Callable[[Any, Outcome], object]


class _Call:
    """One attempt under way."""

    __slots__ = (
        "attempt",
        "checker",
        "connected",
        "deadline",
        "exchange",
        "outgoing",
        "sock",
        "timeout_ns",
        "tls",
        "writing",
    )

    def __init__(self, checker: Any, attempt: Attempt, sock: Socket) -> None:
        self.checker = checker
        self.attempt = attempt
        self.exchange: Exchange | None = attempt.exchange
        self.sock: Socket | None = sock
        self.timeout_ns = attempt.timeout_us * 1000
        self.deadline = 0
        self.connected = False
        self.writing = False
        self.outgoing = b""
        self.tls: TlsClient | None = None


class _Queue:
    """Calls with the same time limit, in the order in which they run out."""

    __slots__ = ("calls", "timer")

    def __init__(self, timer: Timer) -> None:
        self.calls: deque[tuple[int, _Call]] = deque()
        self.timer = timer


class Dialler:
    """`done(checker, outcome)` is called for every attempt that is not dropped, also from within `start`.

    `settle()` is called after a batch of outcomes that came from the loop.
    """

    def __init__(self, loop: Loop, done: Done, settle: Callable[[], object], tls: TlsFactory) -> None:
        self._loop = loop
        self._done = done
        self._settle = settle
        self._tls = tls
        self._epoll = select.epoll()
        self._calls: dict[int, _Call] = {}
        self._queues: dict[int, _Queue] = {}
        self._kept: dict[int, Socket] = {}
        loop.add_reader(self._epoll, self._ready)

    @property
    def open(self) -> int:
        """Attempts under way."""
        return len(self._calls)

    def drop_all(self) -> None:
        """Close everything; nothing of it is answered."""
        for call in self._calls.values():
            if call.sock is not None:
                call.sock.close()
                call.sock = None
        self._calls.clear()
        for sock in self._kept.values():
            sock.close()
        self._kept.clear()
        for queue in self._queues.values():
            queue.calls.clear()
            queue.timer.cancel()

    def close(self) -> None:
        self.drop_all()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    # beginning

    def start(self, checker: Any, attempt: Attempt) -> None:
        """Begin an attempt over TCP, UDP or ICMP."""
        connection = attempt.connection
        assert connection is not None
        sock = self._kept.pop(id(checker), None) if attempt.keep else None
        try:
            if sock is None:
                sock = _open(attempt.transport, connection)
        except _LocalError as error:
            self._done(checker, Outcome(False, Reason.SKIPPED, str(error)))
            return
        except OSError as error:
            self._done(checker, Outcome(False, Reason.SKIPPED, "", error.errno or 0))
            return
        if attempt.endpoint is None:
            attempt.endpoint = _endpoint(connection)
        call = _Call(checker, attempt, sock)
        fd = sock.fileno()
        code = sock.connect_ex(attempt.endpoint)  # type: ignore[arg-type]
        if code not in (0, errno.EINPROGRESS):
            self._refuse(call, code)
            return
        self._epoll.register(fd, _READING if code == 0 else _CONNECTING)
        self._calls[fd] = call
        self._arm(call)
        if code == 0:
            self._connected(call)

    def _refuse(self, call: _Call, code: int) -> None:
        text = os.strerror(code)
        if code not in _SERVER_UNREACHABLE:
            self._end(call, Outcome(False, Reason.SKIPPED, text, code))
        elif code == errno.ECONNREFUSED:
            self._end(call, Outcome(False, Reason.CONNECT_FAILED, text, code))
        else:
            self._end(call, Outcome(False, Reason.UNREACHABLE, text, code))

    # time limits

    def _arm(self, call: _Call) -> None:
        """Give the call its whole time from now."""
        timeout = call.timeout_ns
        queue = self._queues.get(timeout)
        if queue is None:
            queue = self._queues[timeout] = _Queue(self._loop.idle_timer(lambda: self._expire(timeout)))
        call.deadline = deadline = self._loop.now() + timeout
        if not queue.calls:
            queue.timer.move(deadline)
        queue.calls.append((deadline, call))

    def _expire(self, timeout: int) -> None:
        """End what is overdue; but first hear what came in time and was not noticed, as after a stall."""
        self._hear_all()
        queue = self._queues[timeout]
        calls = queue.calls
        now = self._loop.now()
        while calls:
            deadline, call = calls[0]
            if call.sock is None or call.deadline != deadline:
                calls.popleft()
            elif deadline <= now:
                calls.popleft()
                self._guarded(call, self._time_out)
            else:
                queue.timer.move(deadline)
                break
        self._settle()

    def _time_out(self, call: _Call) -> None:
        if not call.connected or call.exchange is None:
            self._end(call, Outcome(False, Reason.CONNECT_TIMEOUT))
        elif call.outgoing:
            self._end(call, call.exchange.failed(Reason.WRITE_FAILED, errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        else:
            self._end(call, call.exchange.failed(Reason.READ_TIMEOUT, errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    # events

    def _ready(self) -> None:
        self._hear_all()
        self._settle()

    def _hear_all(self) -> None:
        """Take what waits at every call: the kernel names them by turns, so each is named in so many portions."""
        for _ in range(len(self._calls) // _EVENTS + 1):
            events = self._epoll.poll(0, _EVENTS)
            self._take(events)
            if len(events) < _EVENTS:
                return

    def _take(self, events: list[tuple[int, int]]) -> None:
        calls = self._calls
        for fd, mask in events:
            call = calls.get(fd)
            if call is None or call.sock is None:
                continue
            if not call.connected and call.tls is None:
                self._guarded(call, self._answered)
                continue
            if mask & select.EPOLLOUT:
                self._flush(call)
            if mask & ~select.EPOLLOUT and call.sock is not None:
                self._guarded(call, self._read)
        self._settle()

    def _answered(self, call: _Call) -> None:
        """The server has taken the connection, or not."""
        assert call.sock is not None
        code = call.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._refuse_late(call, code)
        elif call.exchange is None:
            self._end(call, SUCCESS)
        else:
            self._epoll.modify(call.sock.fileno(), _READING)
            self._connected(call)

    def _guarded(self, call: _Call, step: Callable[[_Call], object]) -> None:
        """What one server has us stumble over must not cost the others their events: end this attempt as no verdict."""
        try:
            step(call)
        except Exception as error:
            self._end(call, Outcome(False, Reason.SKIPPED, f"internal error {type(error).__name__}: {error}"))
            if self._loop.on_error is None:
                raise
            self._loop.on_error(error)

    def _refuse_late(self, call: _Call, code: int) -> None:
        reason = Reason.CONNECT_TIMEOUT if code == errno.ETIMEDOUT else Reason.CONNECT_FAILED
        self._end(call, Outcome(False, reason, os.strerror(code), code))

    def _connected(self, call: _Call) -> None:
        wish = call.attempt.tls
        if call.exchange is None:
            self._end(call, SUCCESS)
            return
        if wish is not None and call.tls is None:
            try:
                call.tls = self._tls.client(wish)
                self._shake(call)
            except TlsError as error:
                self._end(call, Outcome(False, Reason.TLS_FAILED, str(error)))
            return
        call.connected = True
        if call.exchange.rearm:
            self._arm(call)
        self._say(call, call.exchange.opened())

    def _shake(self, call: _Call) -> None:
        """Go on with the TLS handshake as far as the bytes at hand allow."""
        assert call.tls is not None
        finished = call.tls.shake()
        self._send(call, call.tls.outgoing())
        if finished and call.sock is not None:
            self._look_at_certificate(call, call.tls)
        if finished and call.sock is not None:
            self._connected(call)
            if call.sock is not None:
                self._hear_plain(call, *call.tls.decrypt())

    def _look_at_certificate(self, call: _Call, tls: TlsClient) -> None:
        """End the call when the server's certificate is not good for as long as is wanted."""
        wish = call.attempt.tls
        if wish is not None and wish.min_days is not None:
            fault = certificate.judge(tls.certificate(), wish.min_days, time.time())
            if fault is not None:
                self._end(call, fault)

    def _read(self, call: _Call) -> None:
        for _ in range(_READS):
            if call.sock is None:
                return
            try:
                data = call.sock.recv(_READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                self._broken(call, Reason.READ_FAILED, error)
                return
            if not data and call.attempt.transport is Transport.TCP:
                self._peer_closed(call)
                return
            try:
                if call.tls is None:
                    self._hear(call, data)
                else:
                    call.tls.feed(data)
                    if call.connected:
                        self._hear_plain(call, *call.tls.decrypt())
                    else:
                        self._shake(call)
            except TlsError as error:
                self._tls_broken(call, error)
                return
            if len(data) < _READ_SIZE and call.attempt.transport is Transport.TCP:
                return

    def _tls_broken(self, call: _Call, error: TlsError) -> None:
        if call.connected and call.exchange is not None:
            self._end(call, call.exchange.failed(Reason.READ_FAILED, errno.EPROTO, str(error)))
        else:
            self._end(call, Outcome(False, Reason.TLS_FAILED, str(error)))

    def _peer_closed(self, call: _Call) -> None:
        if call.connected and call.exchange is not None:
            self._end(call, call.exchange.ended())
        else:
            self._end(call, Outcome(False, Reason.TLS_FAILED, "connection closed"))

    def _hear_plain(self, call: _Call, data: bytes, closed: bool) -> None:
        """Decrypted bytes, and whether they were the last."""
        if data:
            self._hear(call, data)
        if closed:
            self._peer_closed(call)

    def _hear(self, call: _Call, data: bytes) -> None:
        exchange = call.exchange
        assert exchange is not None
        if exchange.rearm:
            self._arm(call)
        answer = exchange.received(data)
        if isinstance(answer, Outcome):
            self._end(call, answer)
        elif answer:
            self._say(call, answer)

    # sending

    def _say(self, call: _Call, data: bytes) -> None:
        if call.tls is not None and data:
            try:
                data = call.tls.encrypt(data)
            except TlsError as error:
                self._tls_broken(call, error)
                return
        self._send(call, data)

    def _send(self, call: _Call, data: bytes) -> None:
        if not data or call.sock is None:
            return
        if call.outgoing:
            call.outgoing += data
            return
        call.outgoing = data
        self._flush(call)

    def _flush(self, call: _Call) -> None:
        sock = call.sock
        if sock is None or not call.outgoing:
            return
        try:
            sent = sock.send(call.outgoing, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(call, Reason.WRITE_FAILED, error)
            return
        call.outgoing = call.outgoing[sent:]
        if bool(call.outgoing) != call.writing:
            call.writing = not call.writing
            self._epoll.modify(sock.fileno(), _WRITING if call.writing else _READING)

    def _broken(self, call: _Call, reason: Reason, error: OSError) -> None:
        code = error.errno or errno.EIO
        if call.exchange is None or not call.connected:
            self._end(call, Outcome(False, Reason.CONNECT_FAILED, os.strerror(code), code))
        else:
            self._end(call, call.exchange.failed(reason, code, os.strerror(code)))

    # the end

    def _end(self, call: _Call, outcome: Outcome) -> None:
        sock = call.sock
        if sock is None:
            return
        call.sock = None
        self._calls.pop(sock.fileno(), None)
        if call.tls is not None and call.connected and call.attempt.tls is not None and call.attempt.tls.compliant:
            self._say_goodbye(call.tls, sock)
        if call.attempt.keep and outcome.ok:
            self._epoll.unregister(sock.fileno())
            self._kept[id(call.checker)] = sock
        else:
            sock.close()
        self._done(call.checker, outcome)

    def _say_goodbye(self, tls: TlsClient, sock: Socket) -> None:
        try:
            sock.send(tls.goodbye(), socket.MSG_NOSIGNAL)
        except (OSError, TlsError):
            pass


def _open(transport: Transport, connection: Connection) -> Socket:
    """A socket ready to connect. Raises OSError without a socket, _LocalError when an option is refused."""
    family = _FAMILIES[connection.address.family]
    if transport is Transport.TCP:
        sock = Socket(family, _STREAM)
    elif transport is Transport.UDP:
        sock = Socket(family, _DATAGRAM)
    else:
        protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        sock = Socket(family, _DATAGRAM, protocol)
    if connection.fwmark or connection.bind_interface or connection.bind_address is not None:
        try:
            _prepare(sock, connection)
        except _LocalError:
            sock.close()
            raise
    return sock


def _prepare(sock: Socket, connection: Connection) -> None:
    if connection.fwmark:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, struct.pack("=I", connection.fwmark))
        except OSError as error:
            raise _LocalError(f"Error setting fwmark {connection.fwmark} to socket: {error.strerror}") from error
    if connection.bind_interface:
        name = connection.bind_interface
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
        except OSError as error:
            raise _LocalError(f"Checker can't bind to device {name}: {error.strerror}") from error
    if connection.bind_address is not None:
        if connection.bind_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.type == socket.SOCK_STREAM:  # a fixed port must be free again for the next check
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        try:
            sock.bind((str(connection.bind_address), connection.bind_port))
        except OSError as error:
            raise _LocalError(f"Checker bind failed: {error.strerror}") from error


def _endpoint(connection: Connection) -> tuple[str, int] | tuple[str, int, int, int]:
    address = connection.address
    if address.family == 6 and address.is_link_local:
        try:
            scope = socket.if_nametoindex(connection.bind_interface)
        except OSError:
            scope = 0
        return (str(address), connection.port, 0, scope)
    return (str(address), connection.port)
