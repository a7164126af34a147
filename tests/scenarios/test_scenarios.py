"""Records of real and simulated lives: today's core lives through them as the core of their day did.

When a change of behaviour is wanted, REWRITE_SCENARIOS=1 writes the states of today into the files; read the difference
before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pykeepalived.observe.recorder import Entry, Shown
from pykeepalived.vrrp.recording import decode, encode, replay

HERE = Path(__file__).parent
RECORDS = sorted(HERE.glob("*.record"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_recorded_life_comes_about_again(path: Path) -> None:
    base, entries = decode(path.read_text())
    done = replay(base, entries)
    shown = [moment for moment in done.replayed if isinstance(moment.what, Shown)]
    assert shown, "nothing comes about in this record"
    if os.environ.get("REWRITE_SCENARIOS"):
        told: list[Entry] = [entry for entry in entries if len(entry) != 2 or not isinstance(entry[1], Shown)]
        told += [(base.at + moment.at, moment.what) for moment in shown]
        told.sort(key=lambda entry: entry[0])
        path.write_text(encode(base, told, secrets=True))
        return
    if done.exact:
        assert shown == done.recorded
    assert done.same, (done.missing, done.extra)


def test_there_are_records() -> None:
    assert len(RECORDS) >= 6


def test_another_life_is_noticed() -> None:
    base, entries = decode((HERE / "takeover.record").read_text())
    without = [entry for entry in entries if len(entry) != 1]
    assert not replay(base, without).same
