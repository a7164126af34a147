"""Sending mails through the configured server without waiting for it: sockets and timeouts around smtp.py.

A mail that cannot be delivered is logged and lost, as in keepalived; there is no queue on disk. At most
MAX_CONNECTIONS deliveries run at a time, further mails wait in order.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable

from pykeepalived.config.model.globals import Smtp
from pykeepalived.notify.contract import Logger
from pykeepalived.notify.queue import Mail
from pykeepalived.notify.smtp import Exchange, Stage, compose
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop

NS = 1_000_000_000
MAX_CONNECTIONS = 8
MAX_WAITING = 1000
"""Mails beyond this many are dropped with a log line: the server is dead and memory is not endless."""


class Mailer:
    """Sends mails with the settings in force when `send` is called."""

    def __init__(self, loop: Loop, log: Logger, settings: Smtp) -> None:
        self._loop = loop
        self._log = log
        self._settings = settings
        self._waiting: deque[tuple[Smtp, str, Mail]] = deque()
        self._running: set[_Delivery] = set()
        self._when_idle: Callable[[], object] | None = None

    def configure(self, settings: Smtp) -> None:
        """New settings for the mails that follow."""
        self._settings = settings

    @property
    def pending(self) -> int:
        """Mails not yet delivered or lost."""
        return len(self._waiting) + len(self._running)

    def send(self, mail: Mail) -> None:
        """Deliver `mail` to all recipients; does nothing without a server or recipients."""
        if self._settings.server is None or not self._settings.recipients:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._log.write(LogLine(f"Too many mails waiting, dropping '{mail.subject}'", Priority.WARNING))
            return
        date = time.strftime("%a, %d %b %Y %H:%M:%S %z")
        self._waiting.append((self._settings, date, mail))
        self._start_waiting()

    def when_idle(self, callback: Callable[[], object]) -> None:
        """Call `callback` once when nothing is pending; at once if that is so now."""
        if self.pending:
            self._when_idle = callback
        else:
            callback()

    def close(self) -> None:
        """Cut off what is open."""
        self._waiting.clear()
        self._when_idle = None
        for delivery in list(self._running):
            delivery.close()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < MAX_CONNECTIONS:
            settings, date, mail = self._waiting.popleft()
            delivery = _Delivery(self._loop, self._log, settings, date, mail, self._ended)
            self._running.add(delivery)
            delivery.start()

    def _ended(self, delivery: _Delivery) -> None:
        self._running.discard(delivery)
        self._start_waiting()
        if not self.pending and self._when_idle is not None:
            callback, self._when_idle = self._when_idle, None
            callback()


class _Delivery:
    """One mail on one connection."""

    def __init__(
        self, loop: Loop, log: Logger, settings: Smtp, date: str, mail: Mail, ended: Callable[[_Delivery], object]
    ) -> None:
        host = socket.gethostname()
        sender = settings.email_from or f"root@{host}"
        message = compose(date, sender, mail.subject, settings.recipients, mail.body)
        self._loop = loop
        self._log = log
        self._settings = settings
        self._server = f"[{settings.server}]:{settings.port}"
        self._subject = mail.subject
        self._ended = ended
        self._exchange = Exchange(settings.helo_name or host, sender, settings.recipients, message)
        self._socket: socket.socket | None = None
        self._connected = False
        self._outgoing = b""
        self._timer = loop.idle_timer(self._time_out)
        self._told = False
        self._closed = False

    def start(self) -> None:
        """Begin to connect. Whatever goes wrong is told later, never from within this call."""
        server = self._settings.server
        assert server is not None
        try:
            family = socket.AF_INET if server.family == 4 else socket.AF_INET6
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            number = self._socket.connect_ex((str(server), self._settings.port))
        except OSError as error:
            number = error.errno or errno.EIO
        if number not in (0, errno.EINPROGRESS) or self._socket is None:
            self._loop.call_at(self._loop.now(), lambda: self._connect_failed(number))
            return
        self._rearm()
        self._loop.add_writer(self._socket, self._writable)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None
        self._ended(self)

    def _rearm(self) -> None:
        self._timer.move(self._loop.now() + self._settings.connect_timeout_s * NS)

    def _connect_failed(self, number: int) -> None:
        if self._closed:
            return
        self._complain(f"SMTP connection ERROR to {self._server}.", os.strerror(number))
        self.close()

    def _writable(self) -> None:
        if self._socket is None:
            return
        if not self._connected:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._connect_failed(number)
                return
            self._connected = True
            self._tell(f"Remote SMTP server {self._server} connected.")
            self._loop.remove_writer(self._socket)
            self._loop.add_reader(self._socket, self._readable)
            self._rearm()
            return
        self._flush()

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._exchange.stage != Stage.QUIT:
                self._complain(f"Remote SMTP server {self._server} has closed the connection.")
            self.close()
            return
        self._rearm()
        self._outgoing += self._exchange.feed(data)
        self._report()
        if self._exchange.finished:
            self.close()
        else:
            self._flush()

    def _report(self) -> None:
        if self._told:
            return
        error = self._exchange.error
        if error is not None:
            stage, code = error
            text = f"Error processing {stage.value} cmd on SMTP server {self._server}. SMTP status code = {code}"
            self._complain(text)
        elif self._exchange.delivered:
            self._tell("SMTP alert successfully sent.")
        self._told = error is not None or self._exchange.delivered

    def _flush(self) -> None:
        if self._socket is None:
            return
        if self._outgoing:
            with contextlib.suppress(BlockingIOError):
                try:
                    sent = self._socket.send(self._outgoing, socket.MSG_NOSIGNAL)
                except (BrokenPipeError, ConnectionResetError):
                    return  # the reader sees the end and tells it
                self._outgoing = self._outgoing[sent:]
        if self._outgoing:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)

    def _time_out(self) -> None:
        if not self._connected:
            self._complain(f"Timeout connecting SMTP server {self._server}.")
        elif self._outgoing:
            self._complain(f"Timeout sending data to remote SMTP server {self._server}.")
        else:
            self._complain(f"Timeout reading data to remote SMTP server {self._server}.")
        self.close()

    def _complain(self, text: str, reason: str = "") -> None:
        fields = {"MAIL": self._subject}
        if reason:
            fields["REASON"] = reason
        self._log.write(LogLine(text, Priority.WARNING, fields=fields))

    def _tell(self, text: str) -> None:
        self._log.write(LogLine(text, detail=1, fields={"MAIL": self._subject}))
