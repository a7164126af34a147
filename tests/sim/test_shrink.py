"""Shrinking: with a core broken on purpose, what random lives show is reduced to the few events that matter."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.ipvs.service import Director
from pykeepalived.sim.scenario import Scenario, read
from pykeepalived.vrrp.estate import Estate
from pykeepalived.vrrp.instance import Instance
from tests.sim import soak
from tests.sim.lives import life, play
from tests.sim.shrink import failure, shrink


def first_failing(part: str) -> Scenario:
    """The first life that goes wrong in this way."""
    return next(each for each in map(life, range(300)) if part in failure(each))


def faults(scenario: Scenario) -> list[str]:
    """The kinds of events that are no start, heal or expectation."""
    kinds = [action.kind for action in scenario.actions]
    return [kind for kind in kinds if kind not in ("start", "heal-all", "expect-settled", "expect-fresh")]


def test_addresses_that_stay_after_a_mastership(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Estate.give_up

    def keeping(self: Estate, *, release: bool = True) -> None:
        sound(self, release=False)

    with monkeypatch.context() as broken:
        broken.setattr(Estate, "give_up", keeping)
        found = first_failing("without being master")
        smallest = shrink(found)
        assert "without being master" in failure(smallest)
        assert len(smallest.actions) <= 3
        assert len(faults(smallest)) <= 1
        assert len(str(smallest).splitlines()) < 35 < len(str(found).splitlines())
        assert str(shrink(found)) == str(smallest), "the same life shrinks to the same scenario"
    assert play(smallest).failures == []
    assert play(read(str(smallest))).failures == []


def test_masters_that_do_not_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Instance, "become_backup", lambda *_, **__: None)
        smallest = shrink(first_failing("both been master"))
        assert len(smallest.nodes) == 2
        assert len(smallest.actions) <= 4
    assert play(smallest).failures == []


def test_a_quorum_without_hysteresis(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Director.update_quorum

    def careless(self: Director, virtual: Any, first: bool) -> Generator[Any, Any, None]:
        class Model:
            hysteresis = 0

            def __getattr__(self, name: str) -> Any:
                return getattr(model, name)

        model, virtual.model = virtual.model, Model()
        try:
            yield from sound(self, virtual, first)
        finally:
            virtual.model = model

    with monkeypatch.context() as broken:
        broken.setattr(Director, "update_quorum", careless)
        smallest = shrink(first_failing("the quorum of"))
        assert "should be" in play(smallest).failures[0]
        assert len(smallest.nodes) == 1
        assert len(smallest.actions) <= 3
    assert play(smallest).failures == []


def test_what_does_not_fail_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        shrink(life(0))


def test_the_soak_writes_what_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKERS", "1")
    assert soak.main(["2"], tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(Instance, "become_master", lambda *_, **__: None)  # nobody is ever master
    assert soak.main(["1"], tmp_path) == 1
    written = (tmp_path / "seed_0.scenario").read_text()
    assert "1 failed [0]" in (out := capsys.readouterr().out) and written in out
    assert "has heard no master for too long" in play(read(written)).failures[0]
