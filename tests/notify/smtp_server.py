"""A strict SMTP server for tests: a thread that notes every line it gets and answers by a script."""

from __future__ import annotations

import socket
import threading

DEFAULT = {"": "220 test ready", "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye"}


class SmtpServer:
    """`replies` overrides the reply to a verb ("" = greeting, "." = end of data). None = never answer, "" = hang up."""

    def __init__(self, replies: dict[str, str | None] | None = None, family: int = socket.AF_INET) -> None:
        self.replies: dict[str, str | None] = {**DEFAULT, **(replies or {})}
        self.sessions: list[list[str]] = []
        self._lock = threading.Lock()
        self._socket = socket.socket(family)
        self._socket.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        self._socket.listen(50)
        self.port: int = self._socket.getsockname()[1]
        self.open = 0
        self.most_open = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        lines: list[str] = []
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            with connection:
                self._talk(connection, lines)
        except OSError:
            pass
        with self._lock:
            self.open -= 1
            self.sessions.append(lines)

    def _talk(self, connection: socket.socket, lines: list[str]) -> None:
        reader = connection.makefile("rb")
        if not self._reply(connection, ""):
            return
        data = False
        while line := reader.readline():
            assert line.endswith(b"\r\n"), line
            text = line[:-2].decode()
            lines.append(text)
            if data:
                if text == ".":
                    data = False
                    if not self._reply(connection, "."):
                        return
                continue
            verb = text.split(" ")[0]
            data = verb == "DATA" and (self.replies["DATA"] or "").startswith("354")
            if not self._reply(connection, verb):
                return

    def _reply(self, connection: socket.socket, verb: str) -> bool:
        reply = self.replies.get(verb, "250 ok")
        if reply is None:
            return True
        if reply == "":
            return False
        for part in reply.split("\n"):
            connection.sendall(part.encode() + b"\r\n")
        return True
