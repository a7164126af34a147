"""REDIS_CHECK: PING, or the role by ROLE, after AUTH if there is a password (redis.io, RESP). Pure."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.extra_checks import RedisCheck
from pykeepalived.ipvs.checks.attempt import SUCCESS, Attempt, Outcome, Transport
from pykeepalived.ipvs.checks.dialogue import Dialogue, DialogueCheck, readable, refused
from pykeepalived.ipvs.checks.framework import CheckState

_ROLES = {b"master": "primary", b"slave": "replica"}
_LINK = 3
"""Where the reply to ROLE of a replica has the state of its link to the primary."""


class _NotRedisError(ValueError):
    """Not the protocol of Redis."""


def command(*words: str) -> bytes:
    """A command as an array of strings."""
    encoded = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def reply(data: bytes) -> tuple[list[bytes], int] | None:
    """The first reply as a flat list of its values, and its length; None = there is more to come.

    An error is a list with one value that starts with `-`. Raises ValueError for anything else.
    """
    values: list[bytes] = []
    at, wanted = 0, 1
    while wanted:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        kind, text = data[at : at + 1], data[at + 1 : end]
        at = end + 2
        wanted -= 1
        if kind == b"*":
            wanted += max(_number(text), 0)
        elif kind == b"$":
            length = _number(text)
            if length >= 0:
                if len(data) < at + length + 2:
                    return None
                values.append(data[at : at + length])
                at += length + 2
        elif kind in (b"+", b":"):
            values.append(text)
        elif kind == b"-":
            values.append(kind + text)
        else:
            raise _NotRedisError
    return values, at


def _number(text: bytes) -> int:
    if not text.removeprefix(b"-").isdigit() or len(text) > 9:
        raise _NotRedisError
    return int(text)


class RedisExchange(Dialogue):
    """All commands at once, then one reply to each."""

    def __init__(self, role: str, password: str) -> None:
        super().__init__()
        self._role = role
        self._password = password
        self._greeted = not password

    def opened(self) -> bytes:
        login = command("AUTH", self._password) if self._password else b""
        return login + command("PING" if self._role == "any" else "ROLE")

    def received(self, data: bytes) -> bytes | Outcome:
        full = self.collect(data)
        try:
            while (found := reply(self.buffer)) is not None:
                values, length = found
                self.buffer = self.buffer[length:]
                if values and values[0].startswith(b"-"):
                    return refused(readable(values[0][1:]))
                if self._greeted:
                    return self._judge(values)
                self._greeted = True
        except ValueError:
            return refused("not a Redis server")
        return full or b""

    def _judge(self, values: list[bytes]) -> Outcome:
        if self._role == "any":
            return SUCCESS if values[:1] == [b"PONG"] else refused("unexpected reply to PING")
        role = _ROLES.get(values[0], readable(values[0])) if values else "unknown"
        if role != self._role:
            return refused(f"role is {role}")
        if role == "replica" and values[_LINK : _LINK + 1] != [b"connected"]:
            return refused(f"replica without its primary ({readable(b''.join(values[_LINK : _LINK + 1]))})")
        return SUCCESS


class RedisState(DialogueCheck[RedisCheck]):
    """One REDIS_CHECK."""

    __slots__ = ()
    keyword = "REDIS_CHECK"

    def attempt(self) -> Attempt:
        model = self.model
        exchange = RedisExchange(model.role, model.password)
        return Attempt(Transport.TCP, model.connection, exchange, timeout_us=model.connection.timeout_us)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, RedisState):
            return False
        return (self.model.connection, self.model.role) == (old.model.connection, old.model.role)
