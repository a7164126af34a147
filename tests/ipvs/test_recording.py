"""Flight records of the checkers: the histories of random configurations come about again."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import BfdCheck, FileCheck, MiscCheck, RealServer, SslContext
from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.recording import Recorder, decode, encode, replay
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.observe.codec import CodecError
from pykeepalived.observe.recorder import Shown
from tests.ipvs.harness import SECOND, Lab, config, real, tcp_check, virtual
from tests.ipvs.test_histories import SERVERS, random_config, steal


class RecordedLab(Lab):
    """A Lab that is recorded as the process does it."""

    def __init__(self, configuration: Config, seed: int, length: int, kernel: FakeIpvs | None = None) -> None:
        super().__init__(configuration, kernel)
        self.recorder = Recorder(configuration, self.now, random.Random(seed).randrange)
        self.recorder.ring.length = length
        self.length = length
        core = IpvsCore(configuration, self.recorder.random_below)
        receive, tick = core.receive, core.tick

        def heard(message: effects.Message, now: int) -> None:
            self.recorder.message(core, message, now)
            receive(message, now)
            if isinstance(message, effects.TableRead) and message.table is not None:
                self.recorder.looked(core, now)

        def ticked(now: int) -> None:
            self.recorder.tick(core, now)
            self.recorder.ring.length = length
            tick(now)

        core.receive, core.tick = heard, ticked  # type: ignore[method-assign]
        self.core = core

    def _perform(self, effect: Any) -> None:
        if isinstance(effect, effects.Tell):
            self.recorder.shown(effect, self.now)
        super()._perform(effect)


def many_kinds() -> Config:
    """A server of each kind of input: a connection, a script that sets weights, a file, a session."""
    script = Script(words=("/bin/check",), account=Account(0, 0), path="/bin/check")
    address = Ip.parse("10.10.0.11")
    misc = MiscCheck(script=script, dynamic=True, delay_loop_us=1_000_000, warmup_us=500_000, retry=1)
    return config(
        virtual(
            RealServer(address=address, port=80, weight=5, checkers=(tcp_check("10.10.0.11"), misc)),
            RealServer(address=Ip.parse("10.10.0.12"), port=80, checkers=(FileCheck(track_file="f", weight=0),)),
            RealServer(address=Ip.parse("10.10.0.13"), port=80, checkers=(BfdCheck(name="b1"),)),
            quorum=2,
        )
    )


def lived(seed: int, length: int) -> RecordedLab:
    """Servers fail and recover, entries are stolen, configurations reloaded; a third of the lives follow a death."""
    dice = random.Random(seed)
    wanted = random_config(dice)
    kernel = None
    if seed % 3 == 0:
        before = Lab(wanted)
        before.up = set(dice.sample(SERVERS, 3))
        kernel = before.start().run(3).kernel
    lab = RecordedLab(wanted, seed, length, kernel)
    lab.up = set(dice.sample(SERVERS, dice.randint(0, 5)))
    lab.start(respawned=kernel is not None)
    for _ in range(25):
        event = dice.random()
        if event < 0.7:
            lab.up ^= {dice.choice(SERVERS)}
        elif event < 0.85:
            lab.reload(random_config(dice))
        else:
            steal(dice, lab)
        lab.run(dice.choice([0.5, 1, 2.5, 6]))
    return lab


def scripted(seed: int, length: int) -> RecordedLab:
    """Scripts, files, sessions and the outcomes of connections in any order."""
    dice = random.Random(seed)
    lab = RecordedLab(many_kinds(), seed, length)

    def answer(effect: effects.StartCheck) -> Outcome:
        if effect.attempt.script is not None:
            return Outcome(False, *dice.choice([(Reason.SCRIPT_ENDED, "", code) for code in (0, 1, 2, 9, 200)]))
        return dice.choice([Outcome(True, Reason.SUCCESS), Outcome(False, Reason.CONNECT_FAILED, "refused", 111)])

    lab.answer = answer
    lab.say(effects.FileRead("f", 0)).start()
    for _ in range(60):
        lab.say(effects.FileRead("f", dice.choice([0, 1])))
        lab.say(effects.BfdChanged("b1", dice.random() < 0.5, 17))
        lab.run(dice.choice([0.2, 1.1, 3]))
    return lab


@pytest.mark.parametrize("life", [lived, scripted])
@pytest.mark.parametrize("seed", range(30))
def test_whole_life_comes_about_again_at_the_same_moments(life, seed: int) -> None:
    lab = life(seed, 1_000_000)
    done = replay(*decode(lab.recorder.text()))
    assert done.exact
    assert done.recorded == [moment for moment in done.replayed if isinstance(moment.what, Shown)]
    lines = [moment.what for moment in done.replayed if isinstance(moment.what, str)]
    assert lines == lab.lines


def test_these_lives_are_eventful() -> None:
    assert all(len(replay(*decode(scripted(seed, 10_000).recorder.text())).recorded) > 20 for seed in range(5))
    assert sum(len(replay(*decode(lived(seed, 10_000).recorder.text())).recorded) for seed in range(10)) > 100


@pytest.mark.parametrize("life", [lived, scripted])
@pytest.mark.parametrize("seed", range(30))
def test_last_part_of_a_life_comes_about_again_at_the_same_moments(life, seed: int) -> None:
    lab = life(seed, 20)
    base, entries = decode(lab.recorder.text())
    assert base.held is not None
    done = replay(base, entries)
    assert not done.exact
    assert done.recorded == [moment for moment in done.replayed if isinstance(moment.what, Shown)]


def test_reports_of_workers_come_about_again() -> None:
    """With 1,000 checkers and two processors half of them are another process' business."""
    servers = [real(f"10.10.{number // 250}.{number % 250 + 1}", check={"retry": 1}) for number in range(1000)]
    lab = RecordedLab(config(virtual(*servers)), 1, 1_000_000)
    lab.core.receive(effects.Start(lab.kernel.timeouts(), None, 2), 0)
    lab.settle()
    [workers] = [effect for effect in lab.other if isinstance(effect, effects.StartWorkers)]
    [shard] = workers.shards
    check = shard[7]
    check.delegated = True
    lab.now = SECOND
    for outcome in (Outcome(True, Reason.SUCCESS), Outcome(False, Reason.CONNECT_FAILED, "refused", 111)):
        twin = shard[7]
        twin.runs += 1
        conclusion = twin.conclude(outcome, lab.now)
        if conclusion is not None:
            lab.say(effects.CheckReported(check, conclusion, twin.figures()))
    lab.say(effects.CheckFigures(shard[:3], [each.figures() for each in shard[:3]]))
    servers[3] = real("10.10.9.9")
    lab.core.receive(effects.Reload(config(virtual(*servers)), lab.kernel.timeouts(), 2), 2 * SECOND)
    lab.settle()
    done = replay(*decode(lab.recorder.text()))
    assert done.same
    lines = [moment.what for moment in done.replayed if isinstance(moment.what, str)]
    assert lines == lab.lines


def test_memory_is_bounded_and_grows_with_the_number_of_checkers() -> None:
    lab = RecordedLab(config(virtual(real("10.10.0.11"))), 1, 10)
    lab.up = {"10.10.0.11"}
    lab.start().run(200)
    assert len(lab.recorder.ring.entries()) <= 2 * 10 + 4
    recorder = Recorder(Config(), 0, lambda _limit: 0)
    core = IpvsCore(Config(), recorder.random_below)
    core.checks = lab.core.checks * 2000
    for now in range(2049):
        recorder.tick(core, now)
    assert recorder.ring.length == 8000


def test_a_table_is_not_kept_only_what_it_lacks() -> None:
    lab = RecordedLab(config(virtual(real("10.10.0.11"), real("10.10.0.12"))), 1, 1000)
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(3)
    steal(random.Random(1), lab)
    lab.run(10)
    lines = [json.loads(line) for line in lab.recorder.text().splitlines()]
    missed = [line["gone"] for line in lines if "gone" in line]
    assert sum(map(len, missed)) == 1
    assert len(missed) >= 2


def test_text_is_the_same_after_reading_and_writing() -> None:
    for length in (20, 1_000_000):
        text = lived(3, length).recorder.text()
        assert encode(*decode(text)) == text


def test_passwords_are_left_out() -> None:
    recorder = Recorder(config(ssl=SslContext(password="xyzzy-secret")), 0, lambda _limit: 0)
    assert "xyzzy-secret" not in recorder.text()
    assert "xyzzy-secret" in recorder.text(secrets=True)


@pytest.mark.parametrize("text", ["", "{}", '{"format":"pykeepalived record","version":1,"core":"checker"}', "x"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decode(text)
