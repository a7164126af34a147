"""Flight records of BFD: what two speakers on a bad line live through comes about again."""

from __future__ import annotations

from random import Random

import pytest

from pykeepalived.bfd.effects import Effect, Input, Reconfigure, StateChanged
from pykeepalived.bfd.recording import Recorder, decode, encode, replay
from pykeepalived.bfd.speaker import Speaker
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.codec import CodecError
from pykeepalived.observe.recorder import Ring, Shown
from tests.bfd.lan import MS, SECOND, START, A, B, Line, Node, instance


class Recorded(Speaker):
    """A Speaker that is recorded as the process does it."""

    def __init__(self, instances: tuple[BfdInstance, ...], seed: int, length: int) -> None:
        self.now = START
        self.recorder = Recorder(instances, START, lambda: self.now, Random(seed))
        self.recorder.ring = Ring(self.recorder.base.fold, length)
        super().__init__(instances, START, self.recorder, 2)

    def receive(self, message: Input, now: int) -> None:
        self.now = now
        self.recorder.message(message, now)
        super().receive(message, now)

    def hear(
        self, data: bytes, source: Ip, source_port: int, destination: Ip, ttl: int, multihop: bool, now: int
    ) -> None:
        self.now = now
        self.recorder.ring.append((now, data, source, source_port, destination, ttl, multihop))
        super().hear(data, source, source_port, destination, ttl, multihop, now)

    def tick(self, now: int) -> None:
        self.now = now
        self.recorder.tick(now)
        super().tick(now)

    def drain(self) -> list[Effect]:
        wanted = super().drain()
        for effect in wanted:
            if isinstance(effect, StateChanged):
                self.recorder.shown(effect)
        return wanted


def lived(seed: int, length: int) -> list[Recorded]:
    """Two speakers on a line that is good, then loses everything for a while, in turns; one reload in between."""
    random = Random(seed)
    speakers = [
        Recorded((instance("b1", B),), seed, length),
        Recorded((instance("b1", A),), seed + 1000, length),
    ]
    nodes = [Node(address, speaker) for address, speaker in zip((A, B), speakers, strict=True)]
    line = Line(*nodes)
    for turn in range(6):
        line.fate = lambda *_: random.randrange(50_000, 20 * MS) if random.random() > 0.05 else None
        line.run(random.randrange(SECOND, 4 * SECOND))
        if turn == 2:
            speakers[0].receive(Reconfigure((instance("b1", B, multiplier=4),)), line.now)
            line.settle(nodes[0])
        line.fate = lambda *_: None
        line.run(random.randrange(50 * MS, SECOND))
    return speakers


@pytest.mark.parametrize("seed", range(25))
def test_whole_life_comes_about_again_at_the_same_moments(seed: int) -> None:
    for speaker in lived(seed, 1_000_000):
        done = replay(*decode(speaker.recorder.text()))
        assert done.exact
        assert len(done.recorded) > 6
        assert done.recorded == [moment for moment in done.replayed if isinstance(moment.what, Shown)]


@pytest.mark.parametrize("seed", range(25))
def test_last_part_of_a_life_comes_about_again(seed: int) -> None:
    for speaker in lived(seed, 150):
        done = replay(*decode(speaker.recorder.text()))
        assert not done.exact
        assert done.same, (done.missing, done.extra)


def test_of_datagrams_that_fall_out_of_the_ring_only_those_of_neighbors_are_kept() -> None:
    recorder = Recorder((instance("b1", B),), START, lambda: START, Random(1))
    strangers = [(START, bytes(24), Ip(bytes((10, 0, 0, number))), 49152, A, 255, False) for number in range(100)]
    recorder.base.fold([*strangers, (START, bytes(24), B, 49152, A, 255, False)])
    assert list(recorder.base.heard) == [(B, False)]
    recorder.base.fold([(START + SECOND, Reconfigure(()))])
    assert not recorder.base.heard


def test_text_is_the_same_after_reading_and_writing() -> None:
    text = lived(1, 150)[0].recorder.text()
    assert encode(*decode(text)) == text


@pytest.mark.parametrize("text", ["", "{}", '{"format":"pykeepalived record","version":1,"core":"bfd"}', "x"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decode(text)
