"""The model: equality by the fields that count, hashes to match, secrets left out of representations."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from typing import Any

import pytest

import pykeepalived.config.model as model
from pykeepalived.config.model import Config, bfd, globals, ipvs, network, values, vrrp
from pykeepalived.config.model.ipvs import LvsMethod
from pykeepalived.config.model.values import Account, Script, Span
from tests.config.support import config, instance_text

PARTS = [
    kind
    for module in (model, bfd, globals, ipvs, network, values, vrrp)
    for kind in vars(module).values()
    if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
]
SCRIPT = Script(("/opt/good",), Account(0, 0), at=Span("a", 1))


@pytest.mark.parametrize("kind", PARTS)
def test_parts_are_frozen_slotted_values(kind: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(object.__new__(kind), dataclasses.fields(kind)[0].name, 1)
    assert "__dict__" not in dir(kind)


def test_values_are_equal_by_the_fields_that_count() -> None:
    moved = dataclasses.replace(SCRIPT, at=Span("b", 9))
    assert moved == SCRIPT
    assert hash(SCRIPT) == hash(moved)
    assert dataclasses.replace(SCRIPT, shell=True) != SCRIPT
    assert len({SCRIPT, moved, dataclasses.replace(SCRIPT, path="/x")}) == 2


def test_values_of_different_kinds_are_never_equal() -> None:
    method: Any = LvsMethod()
    assert method != SCRIPT
    assert method != "NAT"


def test_secrets_are_not_in_representations() -> None:
    loaded = config(instance_text(" authentication {\n  auth_type PASS\n  auth_pass geheim\n }"))
    assert loaded.vrrp_instances[0].auth_pass == b"geheim"
    assert "geheim" not in repr(loaded)
    assert "VrrpInstance(name='A'" in repr(loaded)


def test_a_model_survives_pickling() -> None:
    whole = Config(wants_vrrp=True)
    assert pickle.loads(pickle.dumps(whole)) == whole
