"""What the blocks of our own checkers said (extra_checkers.py), and the model of each."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.extra_checks import GrpcCheck, MysqlCheck, PgsqlCheck, RedisCheck
from pykeepalived.config.model.ipvs import Checker, Connection
from pykeepalived.config.schema.checker_drafts import CheckerDraft, CheckerKind

REDIS = CheckerKind("REDIS_CHECK")
PGSQL = CheckerKind("PGSQL_CHECK")
MYSQL = CheckerKind("MYSQL_CHECK")
GRPC = CheckerKind("GRPC_CHECK")


class ExtraDraft(CheckerDraft):
    """`common` are the values every checker has."""

    def model(self, connection: Connection, common: dict[str, Any]) -> Checker:
        raise NotImplementedError


class RedisDraft(ExtraDraft):
    role = "any"
    password = ""

    def model(self, connection: Connection, common: dict[str, Any]) -> Checker:
        return RedisCheck(connection=connection, role=self.role, password=self.password, **common)


class PgsqlDraft(ExtraDraft):
    role = "any"
    user = ""
    database = ""

    def model(self, connection: Connection, common: dict[str, Any]) -> Checker:
        user, database = self.user or "keepalived", self.database or "postgres"
        return PgsqlCheck(connection=connection, role=self.role, user=user, database=database, **common)


class GrpcDraft(ExtraDraft):
    service = ""
    authority = ""
    tls = False

    def model(self, connection: Connection, common: dict[str, Any]) -> Checker:
        return GrpcCheck(connection=connection, service=self.service, authority=self.authority, tls=self.tls, **common)


class MysqlDraft(ExtraDraft):
    role = "any"
    user = ""
    password = ""

    def model(self, connection: Connection, common: dict[str, Any]) -> Checker:
        user = self.user or "keepalived"
        return MysqlCheck(connection=connection, role=self.role, user=user, password=self.password, **common)
