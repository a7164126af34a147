"""Scenarios in words: how events are read."""

from __future__ import annotations

import pytest

from pykeepalived.sim.cluster import SECOND
from pykeepalived.sim.scenario import Action, ScenarioError, parse


@pytest.mark.parametrize(
    ("kind", "text", "action"),
    [
        ("kill", "a@10", Action("kill", "a", 10 * SECOND)),
        ("stall", "a@1.5+0.25", Action("stall", "a", 1_500_000_000, 250_000_000)),
        ("step-clock", "a@3-60", Action("step-clock", "a", 3 * SECOND, -60 * SECOND)),
        ("reload", "a@3=new.conf", Action("reload", "a", 3 * SECOND, 0, "new.conf")),
        ("delete-address", "a:eth0:2001:db8::1/64@9", Action("delete-address", "a:eth0:2001:db8::1/64", 9 * SECOND)),
    ],
)
def test_events_are_read(kind: str, text: str, action: Action) -> None:
    assert parse(kind, text) == action


@pytest.mark.parametrize(
    ("kind", "text"),
    [("kill", "a"), ("kill", "@3"), ("kill", "a@x"), ("stall", "a@3"), ("reload", "a@3"), ("kill", "a@3=file")],
)
def test_what_makes_no_sense_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ScenarioError):
        parse(kind, text)
