"""Flight records: what random clusters live through comes about again from the text of their records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.config.model import Config
from pykeepalived.observe.codec import CodecError
from pykeepalived.observe.recorder import Entry, Ring, Shown
from pykeepalived.sim import machine
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.recording import Base, Recorder, decode, encode, replay
from pykeepalived.vrrp.router import Router
from tests.sim.lives import SECOND, life, play
from tests.vrrp.lan import address, config, instance, ip, view

SAMPLE = Path(__file__).resolve().parents[1] / "scenarios" / "takeover.record"


class Recorded(Router):
    """A Router that is recorded as the process does it."""

    made: list[Recorded] = []
    length = 1_000_000

    def __init__(
        self,
        config: Config,
        view: inputs.View,
        now: int,
        wall: Callable[[], int],
        *,
        adopt: bool = False,
        log_detail: int = 0,
    ) -> None:
        self.recorder = Recorder(config, view, now, wall(), adopt=adopt)
        self.recorder.ring = Ring(self.recorder.base.fold, self.length)
        self.now = now
        self.made.append(self)
        super().__init__(config, view, now, wall, adopt=adopt, log_detail=log_detail)

    def receive(self, message: inputs.Input, now: int) -> None:
        self.now = now
        self.recorder.message(message, now)
        super().receive(message, now)

    def hear(
        self,
        pool: effects.Pool,
        data: bytes,
        now: int,
        source: bytes = b"",
        destination: bytes = b"",
        hop_limit: int = -1,
        waited: int = 0,
    ) -> None:
        self.now = now
        self.recorder.ring.append((now, pool, data, source, destination, hop_limit, waited))
        super().hear(pool, data, now, source, destination, hop_limit, waited)

    def tick(self, now: int) -> None:
        self.now = now
        self.recorder.tick(now)
        super().tick(now)

    def drain(self) -> list[effects.Effect]:
        wanted = super().drain()
        for effect in wanted:
            if isinstance(effect, effects.NotifyInstance | effects.NotifyGroup):
                self.recorder.shown(effect, self.now)
        return wanted


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> type[Recorded]:
    monkeypatch.setattr(machine, "Router", Recorded)
    monkeypatch.setattr(Recorded, "made", [])
    return Recorded


@pytest.mark.parametrize("seed", range(60))
def test_whole_life_comes_about_again_at_the_same_moments(seed: int, recorded: type[Recorded]) -> None:
    play(life(seed))
    assert recorded.made
    for router in recorded.made:
        done = replay(*decode(router.recorder.text()))
        assert done.exact
        assert done.recorded == [moment for moment in done.replayed if isinstance(moment.what, Shown)]


@pytest.mark.parametrize("seed", range(60))
def test_last_part_of_a_life_comes_about_again(
    seed: int, recorded: type[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "length", 200)
    play(life(seed))
    for router in recorded.made:
        done = replay(*decode(router.recorder.text()))
        assert done.same, (done.missing, done.extra)


def lived(seed: int = 3) -> str:
    """The text of some record."""
    play(replace(life(seed), duration=25 * SECOND))
    return max((router.recorder.text() for router in Recorded.made), key=len)


def test_text_is_the_same_after_reading_and_writing(recorded: type[Recorded]) -> None:
    text = lived()
    base, entries = decode(text)
    assert encode(base, entries) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{}\n",
        '{"format":"pykeepalived record","version":2,"core":"vrrp"}\n',
        '{"format":"pykeepalived record","version":1,"core":"vrrp"}\n',
        '{"format":"pykeepalived record","version":1,"core":"vrrp","config":{"$":"os.system"},"view":1}\n',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decode(text)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_records_are_refused_or_read(data: st.DataObject) -> None:
    lines = SAMPLE.read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    at = data.draw(st.integers(0, len(line)))
    until = data.draw(st.integers(at, min(len(line), at + 30)))
    lines[number] = line[:at] + data.draw(st.text(max_size=8)) + line[until:]
    try:
        decode("\n".join(lines))
    except CodecError:
        pass


def test_strangers_are_forgotten_when_they_fall_silent() -> None:
    base = Base(config(instance()), view(address("192.0.2.1/24")), 0, 0)
    pool = effects.Pool(family=4, protocol=112, interface="eth0", group=ip("224.0.0.18"))
    for second in range(20):
        strangers = (
            ((second * SECOND, pool, bytes((0x45, *bytes(11), 10, 0, second, number, *bytes(12))), b"", b"", -1))
            for number in range(100)
        )
        base.fold(list(strangers))
    assert len(base.heard) == 500
    assert {entry[0] // SECOND for entry in base.before()} == {15, 16, 17, 18, 19}


def test_ring_keeps_between_one_and_two_lengths_and_gives_the_rest_away() -> None:
    given_away: list[Entry] = []
    ring = Ring(given_away.extend, 10)
    kept = []
    for number in range(95):
        ring.append((number,))
        ring.trim()
        kept.append(len(ring.entries()))
    assert (min(kept[10:]), max(kept)) == (10, 19)
    assert given_away + ring.entries() == [(number,) for number in range(95)]
