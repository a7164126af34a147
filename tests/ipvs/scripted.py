"""The real servers of the recordings, in memory: what each says to a checker, and when. No I/O, no clock of their own.

They answer as tests/vm/tools/backend.py does. A connection is a list of replies, each some nanoseconds after the one
before; None is the end of the connection.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Reason, Transport

MILLISECOND = 1_000_000
NEVER = 3600_000 * MILLISECOND
REFUSED = Outcome(False, Reason.CONNECT_FAILED, os.strerror(errno.ECONNREFUSED), errno.ECONNREFUSED)

Replies = list[tuple[int, bytes | None]]


@dataclass
class Service:
    """One open port of a server; `options` are those of the step that opened it."""

    server: str
    options: dict[str, Any]
    requests: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def greet(self) -> Replies:
        if self.options["kind"] == "smtp":
            return [(0, self._line("banner", f"220 {self.server} ESMTP"))]
        return []

    def hear(self, data: bytes) -> Replies:
        return {"http": self._http, "https": self._http, "smtp": self._smtp, "udp": self._udp, "dns": self._dns}[
            self.options["kind"]
        ](data)

    def _line(self, key: str, default: str) -> bytes:
        return f"{self.options.get(key, default)}\r\n".encode()

    def _http(self, data: bytes) -> Replies:
        self.requests.append(data.decode("latin1"))
        page = self.options.get("paths", {}).get(data.split(b" ")[1].decode(), self.options)
        body = page.get("body", f"hello {self.server}\n").encode()
        if size := page.get("size"):
            body = (body * (size // len(body) + 1))[:size]
        status = f"HTTP/1.0 {page.get('status', 200)} {page.get('reason', 'X')}"
        head = page.get("raw_header", f"{status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n")
        head = head.replace("{PAD}", "y" * 5000).encode()
        parts = [head + body]
        if "split" in page:
            cuts = page.get("at", [])
            parts = [head, *(body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True))]
        first = NEVER if page.get("hang") else int(page.get("delay", 0) * 1000) * MILLISECOND
        pause = int(page.get("split", 0) * 1000) * MILLISECOND
        replies: Replies = [(pause if number else first, part) for number, part in enumerate(parts) if part]
        return [*replies, (NEVER if page.get("keep_open") else 0, None)]

    def _smtp(self, data: bytes) -> Replies:
        self.requests.append(data.decode("latin1"))
        if data.upper().startswith(b"QUIT"):
            return [(0, self._line("quit", "221 bye")), (0, None)]
        return [(0, self._line("helo", "250 hello"))]

    def _udp(self, data: bytes) -> Replies:
        self.requests.append(data.hex())
        reply = self.options.get("reply")
        return [] if reply is None else [(0, bytes.fromhex(reply))]

    def _dns(self, data: bytes) -> Replies:
        self.requests.append(data.hex())
        if self.options.get("wrong_id"):
            data = bytes([data[0] ^ 1]) + data[1:]
        return [(0, data[:2] + struct.pack(">H", 0x8180 | self.options.get("rcode", 0)) + data[4:])]


class World:
    """Servers rs1..rs4 with their open ports, tracked files and the files of scripts."""

    def __init__(self) -> None:
        self.services: dict[tuple[str, str, int], Service] = {}
        self.down: set[str] = set()
        self.files: dict[str, str] = {}

    def do(self, step: dict[str, Any]) -> list[Any] | None:
        """A `backend` step; what it reads of a server, if it does."""
        key = step["rs"], step.get("l4", "tcp"), step["port"]
        match step["op"]:
            case "open":
                self.services[key] = Service(step["rs"], dict(step))
            case "close":
                self.services.pop(key, None)
            case "set":
                self.services[key].options.update(step)
            case "requests":
                found, self.services[key].requests = self.services[key].requests, []
                return found
            case "sni":
                return self.services[key].names
        return None

    def find(self, attempt: Attempt) -> tuple[str, Service | None]:
        """The server an attempt goes to ("" = nobody has the address) and its service there."""
        assert attempt.connection is not None
        address, port = str(attempt.connection.address), attempt.connection.port
        server = f"rs{address[-1]}"
        if address not in (f"10.10.0.1{address[-1]}", f"fd00:10::1{address[-1]}") or server in self.down:
            return "", None
        l4 = "tcp" if attempt.transport is Transport.TCP else "udp"
        return server, self.services.get((server, l4, port))

    def status(self, script: str, words: Iterable[str]) -> int:
        """What misc.sh exits with: the number in the file of its argument."""
        assert script == "/tmp/lab/misc.sh", script
        return int(self.files.get(next(iter(words), ""), "0"))


class Call:
    """One attempt as the dialler makes it. `later(delay, function)` lets time pass; `end(outcome)` is called once."""

    def __init__(self, world: World, attempt: Attempt, later: Any, end: Any) -> None:
        self._attempt = attempt
        self._later = later
        self._finish = end
        self._over = False
        self._limit = 0
        self._server, self._service = world.find(attempt)
        self.start()

    def start(self) -> None:
        attempt, exchange = self._attempt, self._attempt.exchange
        if not self._server:
            self._arm(connected=exchange is not None and attempt.transport is not Transport.TCP)
            return
        if attempt.transport is Transport.PING:
            assert exchange is not None
            request = exchange.opened()
            outcome = exchange.received(bytes([0 if request[0] == 8 else 129]) + request[1:])
            assert isinstance(outcome, Outcome)
            self._end(outcome)
        elif self._service is None:
            refused = REFUSED
            if attempt.transport is Transport.UDP and exchange is not None:
                refused = exchange.failed(Reason.READ_FAILED, REFUSED.value, REFUSED.text)
            self._end(refused)
        elif exchange is None:
            self._end(SUCCESS)
        else:
            if attempt.tls is not None:
                self._service.names.append(attempt.tls.name)
            self._arm(connected=True)
            self._play(self._service.greet())
            self._say(exchange.opened())

    def _say(self, data: bytes) -> None:
        if data and self._service is not None:
            self._play(self._service.hear(data))

    def _play(self, replies: Replies) -> None:
        delay = 0
        for pause, data in replies:
            delay += pause
            for chunk in _segments(data):
                self._later(delay, lambda chunk=chunk: self._hear(chunk))

    def _hear(self, data: bytes | None) -> None:
        exchange = self._attempt.exchange
        assert exchange is not None
        if self._over:
            return
        if data is None:
            self._end(exchange.ended())
            return
        if exchange.rearm:
            self._arm(connected=True)
        answer = exchange.received(data)
        if isinstance(answer, Outcome):
            self._end(answer)
        else:
            self._say(answer)

    def _arm(self, connected: bool) -> None:
        self._limit += 1
        mine = self._limit

        def expire() -> None:
            exchange = self._attempt.exchange
            if self._over or self._limit != mine:
                return
            if connected and exchange is not None:
                text = os.strerror(errno.ETIMEDOUT)
                self._end(exchange.failed(Reason.READ_TIMEOUT, errno.ETIMEDOUT, text))
            else:
                self._end(Outcome(False, Reason.CONNECT_TIMEOUT))

        self._later(self._attempt.timeout_us * 1000, expire)

    def _end(self, outcome: Outcome) -> None:
        if not self._over:
            self._over = True
            self._finish(outcome)


def _segments(data: bytes | None) -> list[bytes | None]:
    if data is None:
        return [None]
    return [data[place : place + 65536] for place in range(0, len(data), 65536)]
