"""The operator's socket: a unix stream socket on which one JSON object a line asks and one a line answers.

Request: {"command": "status", "arguments": [...]}. Answer: {"ok": true, "result": ...} or {"ok": false, "error": ...}.
What the commands mean is the parent's business; this module only carries them, bounded in size, number and time.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from pykeepalived.runtime.loop import Loop

MAX_REQUEST = 65_536
MAX_CLIENTS = 16
IDLE_NS = 30_000_000_000
BACKLOG = 16
ACCEPT_RETRY_NS = 100_000_000
"""Connections that cannot be taken, for want of descriptors, wait for so long."""

Reply = Callable[[dict[str, Any]], None]
"""To be called once with the whole answer."""

Handler = Callable[[str, tuple[str, ...], Reply], None]


def result(value: object) -> dict[str, Any]:
    """An answer that carries a result."""
    return {"ok": True, "result": value}


def failure(reason: str) -> dict[str, Any]:
    """An answer that tells why there is none."""
    return {"ok": False, "error": reason}


class ProtocolError(ValueError):
    """A request that is not one; the text says what is wrong with it."""


def read_request(line: bytes) -> tuple[str, tuple[str, ...]]:
    """The command and arguments of one request line. Raises ProtocolError and nothing else."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError("not a JSON object") from None
    if not isinstance(request, dict):
        raise ProtocolError("not a JSON object")
    command, arguments = request.get("command"), request.get("arguments", [])
    if not isinstance(command, str):
        raise ProtocolError("no command")
    if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
        raise ProtocolError("arguments are not a list of strings")
    return command, tuple(arguments)


class ControlServer:
    """Listens at `path` for root and for the user the daemon runs as; hands requests to `handler`.

    Raises OSError when the socket cannot be made.
    """

    def __init__(self, loop: Loop, path: str, handler: Handler) -> None:
        self._loop = loop
        self.path = path
        self._handler = handler
        self._clients: set[_Client] = set()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            self._socket.bind(path)
        except OSError:
            self._socket.close()
            raise
        finally:
            os.umask(mask)
        self._socket.listen(BACKLOG)
        self._pause = loop.idle_timer(self._listen)
        self._listen()

    def _listen(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # the connection stays in the queue: without a pause it would wake us again at once
            self._loop.remove_reader(self._socket)
            self._pause.move(self._loop.now() + ACCEPT_RETRY_NS)
            return
        connection.setblocking(False)
        _pid, uid, _gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid not in (0, os.geteuid()) or len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        client = _Client(self._loop, connection, self._handler, self._forget)
        self._clients.add(client)

    def _forget(self, client: _Client) -> None:
        self._clients.discard(client)

    def close(self) -> None:
        """Close everything and remove the socket file."""
        for client in list(self._clients):
            client.close()
        self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class _Client:
    """One connection: requests in, answers out in the same order, one at a time."""

    def __init__(
        self, loop: Loop, connection: socket.socket, handler: Handler, forget: Callable[[_Client], None]
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._handler = handler
        self._forget = forget
        self._input = bytearray()
        self._output = bytearray()
        self._working = False
        self._ending = False
        self._closed = False
        self._timer = loop.call_at(loop.now() + IDLE_NS, self.close)
        loop.add_reader(connection, self._read)

    def _read(self) -> None:
        try:
            data = self._connection.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._connection)
            self._ending = True
            self._close_if_done()
            return
        self._input += data
        self._timer.move(self._loop.now() + IDLE_NS)
        self._next()

    def _next(self) -> None:
        """Serve the first complete line, if none is being served."""
        if self._working or self._closed:
            return
        line, newline, rest = self._input.partition(b"\n")
        if not newline:
            if len(self._input) > MAX_REQUEST:
                self._refuse("request is too long")
            return
        self._input = rest
        try:
            command, arguments = read_request(bytes(line))
        except ProtocolError as error:
            self._refuse(str(error))
            return
        self._working = True
        self._timer.cancel()  # it limits the silence of the client, not the work on an answer
        self._loop.remove_reader(self._connection)
        try:
            self._handler(command, arguments, self._answer)
        except Exception as error:
            self._answer(failure(f"internal error: {type(error).__name__}: {error}"))

    def _refuse(self, reason: str) -> None:
        """Answer what is not the protocol, then hang up."""
        self._ending = True
        self._working = True
        self._loop.remove_reader(self._connection)
        self._answer(failure(reason))

    def _answer(self, body: dict[str, Any]) -> None:
        if self._closed or not self._working:
            return
        self._working = False
        self._timer.move(self._loop.now() + IDLE_NS)
        self._output += json.dumps(body, default=str).encode() + b"\n"
        self._write()
        if not self._closed and not self._ending:
            self._loop.add_reader(self._connection, self._read)
            self._loop.call_at(self._loop.now(), self._next)

    def _write(self) -> None:
        try:
            while self._output:
                sent = self._connection.send(self._output)
                del self._output[:sent]
        except BlockingIOError:
            self._loop.add_writer(self._connection, self._write)
            return
        except OSError:
            self.close()
            return
        self._loop.remove_writer(self._connection)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._ending and not self._working and not self._output:
            self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        self._forget(self)
