"""PGSQL_CHECK: start-up and one query (PostgreSQL documentation, frontend/backend protocol 3.0). Pure."""

from __future__ import annotations

from struct import Struct
from typing import Any

from pykeepalived.config.model.extra_checks import PgsqlCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Transport
from pykeepalived.ipvs.checks.dialogue import Dialogue, DialogueCheck, readable, refused
from pykeepalived.ipvs.checks.framework import CheckState

_PROTOCOL = 196608
"""Version 3.0."""
_LENGTH = Struct("!I")
_HEAD = 5
_MESSAGE_MAX = 30000
"""No message of this dialogue is longer."""
_KINDS = frozenset(b"RSKZTDCENIv")
_ROW = b"\0\1\0\0\0\1"
"""One column of one byte."""
_QUERY = b"select pg_is_in_recovery()"


def startup(user: str, database: str) -> bytes:
    """The first message."""
    words = ("user", user, "database", database, "application_name", "keepalived")
    body = _LENGTH.pack(_PROTOCOL) + b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words) + b"\0"
    return _LENGTH.pack(len(body) + 4) + body


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Any later message."""
    return kind + _LENGTH.pack(len(body) + 4) + body


def error_text(body: bytes) -> str:
    """SQLSTATE and message of an ErrorResponse."""
    fields = {field[:1]: field[1:] for field in body.split(b"\0")}
    return readable(fields.get(b"M", b"error") + b" (" + fields.get(b"C", b"") + b")")


class PgsqlExchange(Dialogue):
    """Start-up, and the query when a role is wanted. A server that asks for a password is reachable, no more."""

    def __init__(self, role: str, user: str, database: str) -> None:
        super().__init__()
        self._role = role
        self._startup = startup(user, database)
        self._in_recovery: bool | None = None
        self._asked = False

    def opened(self) -> bytes:
        return self._startup

    def received(self, data: bytes) -> bytes | Outcome:
        full = self.collect(data)
        while len(self.buffer) >= _HEAD:
            kind, length = self.buffer[0], _LENGTH.unpack_from(self.buffer, 1)[0]
            if kind not in _KINDS or not 4 <= length <= _MESSAGE_MAX:
                return refused("not a PostgreSQL server")
            if len(self.buffer) < length + 1:
                break
            body, self.buffer = self.buffer[_HEAD : length + 1], self.buffer[length + 1 :]
            answer = self._take(kind, body)
            if answer:
                return answer
        return full or b""

    def _take(self, kind: int, body: bytes) -> bytes | Outcome:
        if kind == ord("E"):
            return refused(error_text(body))
        if kind == ord("R") and body != b"\0\0\0\0":
            return SUCCESS if self._role == "any" else refused("the server asks for a password")
        if kind == ord("D"):
            if body[:-1] != _ROW or body[-1:] not in (b"t", b"f"):
                return refused("unexpected answer to the query")
            self._in_recovery = body[-1:] == b"t"
        if kind != ord("Z"):
            return b""
        if self._role == "any":
            return SUCCESS
        if not self._asked:
            self._asked = True
            return message(b"Q", _QUERY + b"\0")
        if self._in_recovery is None:
            return refused("no answer to the query")
        role = "replica" if self._in_recovery else "primary"
        return SUCCESS if role == self._role else refused(f"role is {role}")


class PgsqlState(DialogueCheck[PgsqlCheck]):
    """One PGSQL_CHECK."""

    __slots__ = ()
    keyword = "PGSQL_CHECK"

    def attempt(self) -> Attempt:
        model = self.model
        exchange = PgsqlExchange(model.role, model.user, model.database)
        return Attempt(Transport.TCP, model.connection, exchange, timeout_us=model.connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, PgsqlState):
            return False
        return (self.model.connection, self.model.role) == (old.model.connection, old.model.role)
