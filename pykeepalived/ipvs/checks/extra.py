"""From the model of a checker that keepalived does not have to its state machine. Pure; imported with the first one."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.extra_checks import GrpcCheck, MysqlCheck, PgsqlCheck, RedisCheck
from pykeepalived.config.model.ipvs import Checker
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.checks.grpc import GrpcState
from pykeepalived.ipvs.checks.mysql import MysqlState
from pykeepalived.ipvs.checks.pgsql import PgsqlState
from pykeepalived.ipvs.checks.redis import RedisState


def make(model: Checker, real: Any, real_name: str, virtual_name: str) -> CheckState[Any]:
    """The state machine of one configured checker. Raises TypeError when there is none for its kind."""
    match model:
        case RedisCheck():
            return RedisState(model, real, real_name, virtual_name)
        case PgsqlCheck():
            return PgsqlState(model, real, real_name, virtual_name)
        case MysqlCheck():
            return MysqlState(model, real, real_name, virtual_name)
        case GrpcCheck():
            return GrpcState(model, real, real_name, virtual_name)
    raise TypeError(f"no checker of kind {type(model).__name__}")
