"""The checkers that keepalived does not have, after completion (docs/checkers.md)."""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.ipvs import Checker, Connection
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(frozen=True, slots=True, kw_only=True)
class RoleCheck(Checker):
    """A database: `role` is the one it must have, primary or replica; any = it need only answer."""

    connection: Connection
    role: str = "any"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class RedisCheck(RoleCheck):
    """`password` "" = no authentication."""

    password: str = field(default="", repr=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class GrpcCheck(Checker):
    """`service` "" = the server as a whole; `authority` "" = address and port."""

    connection: Connection
    service: str = ""
    authority: str = ""
    tls: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class PgsqlCheck(RoleCheck):
    """The account must be let in without a password (`trust`)."""

    user: str = "keepalived"
    database: str = "postgres"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class MysqlCheck(RoleCheck):
    user: str = "keepalived"
    password: str = field(default="", repr=False)
