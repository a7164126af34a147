"""MYSQL_CHECK: handshake, one query, goodbye (MySQL and MariaDB documentation, client/server protocol 4.1). Pure."""

from __future__ import annotations

import hashlib
from struct import Struct
from typing import Any

from pykeepalived.config.model.extra_checks import MysqlCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Transport
from pykeepalived.ipvs.checks.dialogue import Dialogue, DialogueCheck, readable, refused
from pykeepalived.ipvs.checks.framework import CheckState

_NATIVE = b"mysql_native_password"
_PROTOCOL_41, _SECURE_CONNECTION, _PLUGIN_AUTH = 0x200, 0x8000, 0x80000
_CAPABILITIES = 1 | _PROTOCOL_41 | _SECURE_CONNECTION | _PLUGIN_AUTH
_PACKET_MAX = 1 << 20
_UTF8 = 33
_RESPONSE = Struct("<IIB23x")
_AFTER_SALT = Struct("<xHBHHB10x")
"""Behind the first part of the salt: filler, capabilities, character set, status, capabilities, salt length."""
_SALT = 20
_OK, _MORE, _SWITCH, _ERROR = 0x00, 0x01, 0xFE, 0xFF
_QUIT, _QUERY = b"\x01", b"\x03select @@global.read_only"
_STRANGE = "not a MySQL server"
_HEAD, _COUNT, _COLUMN, _COLUMNS_END, _ROW = "greeting", "count", "column", "end of columns", "row"
_LOGIN = "login"


def packet(number: int, body: bytes) -> bytes:
    """One packet of less than 16 MiB; `number` counts from the beginning of a command."""
    return len(body).to_bytes(3, "little") + bytes([number & 0xFF]) + body


def native_password(password: bytes, salt: bytes) -> bytes:
    """The answer of mysql_native_password: SHA1(password) xor SHA1(salt + SHA1(SHA1(password)))."""
    if not password:
        return b""
    once = hashlib.sha1(password, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    mask = hashlib.sha1(salt + twice, usedforsecurity=False).digest()
    return bytes(one ^ two for one, two in zip(once, mask, strict=True))


def greeting(body: bytes) -> bytes | None:
    """The salt of a greeting of protocol 10; None for anything else."""
    end = body.find(b"\0", 1)
    salt_at = end + 5
    rest_at = salt_at + 8
    if body[:1] != b"\x0a" or end < 0 or len(body) < rest_at + _AFTER_SALT.size:
        return None
    low = _AFTER_SALT.unpack_from(body, rest_at)[0]
    if not low & _PROTOCOL_41:
        return None
    second = rest_at + _AFTER_SALT.size
    return (body[salt_at:rest_at] + body[second : second + 12])[:_SALT]


class MysqlExchange(Dialogue):
    """Login always, so that the server does not count the check as a broken connection; COM_QUIT at the end."""

    def __init__(self, role: str, user: str, password: str) -> None:
        super().__init__()
        self._role = role
        self._user = user.encode("utf-8", "surrogateescape").replace(b"\0", b"")
        self._password = password.encode("utf-8", "surrogateescape")
        self._stage = _HEAD

    def opened(self) -> bytes:
        return b""

    def received(self, data: bytes) -> bytes | Outcome:
        if self.verdict is not None:
            return b""
        full = self.collect(data)
        while len(self.buffer) >= 4:
            length, number = int.from_bytes(self.buffer[:3], "little"), self.buffer[3]
            if length > _PACKET_MAX or not length:
                return refused(_STRANGE)
            if len(self.buffer) < length + 4:
                break
            body, self.buffer = self.buffer[4 : length + 4], self.buffer[length + 4 :]
            answer = self._take(body, number)
            if answer:
                return answer
        return full or b""

    def _take(self, body: bytes, number: int) -> bytes | Outcome:
        if body[0] == _ERROR:
            return refused(_error_text(body))
        match self._stage:
            case "greeting":
                return self._log_in(body, number)
            case "login":
                return self._logged_in(body, number)
            case "count":
                self._stage = _COLUMN
                return b"" if body == b"\x01" else self._finish(refused("unexpected answer to the query"))
            case "column":
                self._stage = _COLUMNS_END
                return b""
            case "end of columns":
                self._stage = _ROW
                return b""
        return self._finish(self._judge(body))

    def _log_in(self, body: bytes, number: int) -> bytes | Outcome:
        salt = greeting(body)
        if salt is None:
            return refused(_STRANGE)
        self._stage = _LOGIN
        proof = native_password(self._password, salt)
        head = _RESPONSE.pack(_CAPABILITIES, _PACKET_MAX, _UTF8)
        return packet(number + 1, head + self._user + b"\0" + bytes([len(proof)]) + proof + _NATIVE + b"\0")

    def _logged_in(self, body: bytes, number: int) -> bytes | Outcome:
        if body[0] == _OK:
            if self._role == "any":
                return self._finish(SUCCESS)
            self._stage = _COUNT
            return packet(0, _QUERY)
        if body[0] != _SWITCH:
            plugin = "more than a password" if body[0] == _MORE else "nothing known"
            return refused(f"the server asks for {plugin} to log in")
        name, _end, salt = body[1:].partition(b"\0")
        if self._password and name != _NATIVE:
            return refused(f"authentication by {readable(name)} is possible without a password only")
        if name != _NATIVE:  # the others say by one zero that there is no password
            return packet(number + 1, b"\0")
        return packet(number + 1, native_password(self._password, salt[:_SALT]))

    def _judge(self, row: bytes) -> Outcome:
        """`read_only` is a number, or a word in newer releases of MariaDB."""
        value = row[1:]
        if row[0] != len(value):
            return refused("unexpected answer to the query")
        role = "primary" if value.upper() in (b"0", b"OFF") else "replica"
        return SUCCESS if role == self._role else refused(f"role is {role}")

    def _finish(self, verdict: Outcome) -> bytes:
        """Say goodbye; the verdict is given when the server has closed."""
        self.verdict = verdict
        return packet(0, _QUIT)


def _error_text(body: bytes) -> str:
    """Number and message of an error packet."""
    number = int.from_bytes(body[1:3], "little")
    text = body[9:] if body[3:4] == b"#" else body[3:]
    return f"{readable(text)} ({number})"


class MysqlState(DialogueCheck[MysqlCheck]):
    """One MYSQL_CHECK."""

    __slots__ = ()
    keyword = "MYSQL_CHECK"

    def attempt(self) -> Attempt:
        model = self.model
        exchange = MysqlExchange(model.role, model.user, model.password)
        return Attempt(Transport.TCP, model.connection, exchange, timeout_us=model.connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, MysqlState):
            return False
        return (self.model.connection, self.model.role) == (old.model.connection, old.model.role)
