"""Every core keeps the one contract: the same four calls, the same words, nothing awaited."""

from __future__ import annotations

import inspect

import pytest

from pykeepalived.bfd.speaker import Speaker
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.shard import ShardCore
from pykeepalived.notify.queue import NotificationQueue
from pykeepalived.runtime.contract import Core
from pykeepalived.vrrp.router import Router

CALLS = [name for name in vars(Core) if not name.startswith("_")]


def test_the_contract_has_four_calls() -> None:
    assert CALLS == ["receive", "tick", "deadline", "drain"]


@pytest.mark.parametrize("core", [Router, IpvsCore, ShardCore, Speaker, NotificationQueue])
def test_a_core_can_be_driven_as_any_other(core: type) -> None:
    for name in CALLS:
        call = getattr(core, name)
        assert list(inspect.signature(call).parameters) == list(inspect.signature(getattr(Core, name)).parameters), name
        assert not inspect.iscoroutinefunction(call)
        result = inspect.signature(call).return_annotation
        expected = {"deadline": "int | None", "receive": "None", "tick": "None"}.get(name)
        assert result == expected if expected else result.startswith("list["), name
