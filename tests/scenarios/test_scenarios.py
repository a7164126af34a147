"""Records of real and simulated lives: today's core lives through them as the core of their day did. Scenarios that
once went wrong in the simulator go well.

When a change of behaviour is wanted, REWRITE_SCENARIOS=1 writes the states of today into the files; read the difference
before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.bfd import recording as bfd
from pykeepalived.cli import simulate
from pykeepalived.cli.replay import replay_text
from pykeepalived.ipvs import recording as checker
from pykeepalived.observe.recorder import Entry, Moment, Shown, read_lines
from pykeepalived.vrrp import recording as vrrp

HERE = Path(__file__).parent
RECORDS = sorted(HERE.glob("*.record"))
SCENARIOS = sorted(HERE.glob("*.scenario"))
CORES = {"vrrp": vrrp, "bfd": bfd, "checker": checker}


def rewritten(text: str, shown: list[Moment]) -> str:
    """The record with these states in place of its own."""
    core: Any = CORES[next(read_lines(text))["core"]]
    base, entries = core.decode(text)
    told: list[Entry] = [entry for entry in entries if len(entry) != 2 or not isinstance(entry[1], Shown)]
    told += [(base.at + moment.at, moment.what) for moment in shown]
    told.sort(key=lambda entry: entry[0])
    written: str = core.encode(base, told, True)
    return written


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_recorded_life_comes_about_again(path: Path) -> None:
    text = path.read_text()
    done = replay_text(text)
    shown = [moment for moment in done.replayed if isinstance(moment.what, Shown)]
    assert shown, "nothing comes about in this record"
    if os.environ.get("REWRITE_SCENARIOS") and not done.same:
        path.write_text(rewritten(text, shown))
        return
    if done.exact:
        assert shown == done.recorded
    assert done.same, (done.missing, done.extra)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_goes_well(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = simulate.main(["--scenario", str(path)])
    assert status == simulate.EXIT_OK, capsys.readouterr().out
    assert "holds: " in capsys.readouterr().out, "nothing is expected of this scenario"


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 3


def test_there_are_records() -> None:
    assert len(RECORDS) >= 10


def test_another_life_is_noticed() -> None:
    base, entries = vrrp.decode((HERE / "takeover.record").read_text())
    without = [entry for entry in entries if len(entry) != 1]
    assert not vrrp.replay(base, without).same
