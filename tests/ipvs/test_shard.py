"""Checkers shared out among processes: who gets which, and that the result is that of one process."""

from __future__ import annotations

import errno
import pickle
import random
from collections import Counter
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

import pytest

from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Connection,
    DnsCheck,
    HttpCheck,
    MiscCheck,
    PingCheck,
    RealServer,
    Url,
)
from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.ipvs import effects, shard
from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import Command
from tests.ipvs.harness import REFUSED, SECOND, Lab, config, real, tcp_check, virtual
from tests.ipvs.sharing import SharedLab

SERVERS = [f"10.10.0.{number}" for number in range(1, 41)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One checker is worth a process."""
    monkeypatch.setattr(shard, "CHECKERS_A_PROCESS", 1)


@pytest.mark.parametrize(
    ("checkers", "processors", "count"),
    [
        (0, 8, 1),
        (499, 8, 1),
        (999, 8, 1),
        (1000, 8, 2),
        (1499, 8, 2),
        (1500, 8, 3),
        (5000, 8, 8),
        (5000, 2, 2),
        (5000, 1, 1),
    ],
)
def test_a_process_for_every_500_checkers_and_at_most_one_a_processor(
    checkers: int, processors: int, count: int
) -> None:
    assert shard.processes(checkers, processors) == count


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16])
def test_shares_are_even_and_do_not_change(count: int) -> None:
    first = int(IPv4Address("192.0.2.0"))
    places = [IPv4Address(first + number).packed for number in range(4096)]
    shares = Counter(shard.share(place, 80, count) for place in places)
    assert set(shares) == set(range(count))
    assert max(shares.values()) <= 1.2 * 4096 / count
    # a fixed value: the share must not depend on the process that computes it
    assert [shard.share(place, 80, 4) for place in places[:8]] == FIRST_SHARES


FIRST_SHARES = [3, 2, 2, 3, 3, 0, 2, 0]


def test_a_real_server_is_in_one_shard_whatever_stands_around_it(few: None) -> None:
    wide = config(
        *(virtual(*(real(server) for server in SERVERS), address=f"10.99.0.{number}") for number in range(1, 4))
    )
    narrow = config(virtual(*(real(server) for server in SERVERS[10:30])))
    found = []
    for configuration in (wide, narrow):
        lab = SharedLab(configuration, 3).start()
        places: dict[bytes, set[int]] = {}
        for number, worker in enumerate(lab.workers):
            for check in worker.shard:
                places.setdefault(bytes(check.real.model.address), set()).add(number)
        assert all(len(numbers) == 1 for numbers in places.values())
        found.append(places)
    assert all(found[0].get(place) == numbers for place, numbers in found[1].items())


def test_every_checker_runs_in_one_process_and_scripts_and_events_with_the_owner(few: None) -> None:
    servers = [real(server) for server in SERVERS]
    misc = MiscCheck(
        script=Script(words=("/bin/true",), account=Account(0, 0), path="/bin/true"),
        delay_loop_us=1_000_000,
        warmup_us=0,
    )
    others = (misc, BfdCheck(name="peer"))
    servers += [real(f"10.20.0.{number}", checkers=others) for number in range(1, 21)]
    lab = SharedLab(config(virtual(*servers)), 4)
    lab.answer = lambda _begun: SUCCESS
    lab.start().run(1.5)
    assert len(lab.workers) == 3
    outgoing = [check for worker in lab.workers for check in worker.shard]
    assert {type(check.model).__name__ for check in outgoing} == {"TcpCheck"}
    assert len(set(map(id, outgoing))) == len(outgoing) < len(SERVERS)
    runs = Counter((type(check.model).__name__, check.real_name) for check in lab.checks)
    assert Counter(kind for kind, _ in runs) == {"TcpCheck": 40, "MiscCheck": 20}
    assert set(runs.values()) == {1}


def test_few_checkers_or_one_processor_make_no_worker() -> None:
    services = config(virtual(*(real(server) for server in SERVERS)))
    assert SharedLab(services, 8).start().workers == []
    many = config(virtual(*(real(f"10.{number >> 8}.0.{number & 255}") for number in range(1, 1200))))
    assert SharedLab(many, 1).start().workers == []
    assert [len(worker.shard) > 400 for worker in SharedLab(many, 2).start().workers] == [True]


def test_what_a_worker_says_can_be_sent(few: None) -> None:
    lab = SharedLab(config(virtual(*(real(server) for server in SERVERS)))).start()
    core = lab.workers[0].core
    core.tick(2 * SECOND)
    for begun in core.drain():
        assert isinstance(begun, effects.StartCheck)
        core.receive(effects.CheckEnded(begun.checker, REFUSED), 2 * SECOND)
    reports = core.drain()
    assert len(reports) == len(core.checks)
    assert pickle.loads(pickle.dumps(reports)) == reports
    assert core.drain() == []


def mixed(address: str, number: int) -> RealServer:
    """A server with a checker of some kind."""
    place = Connection(address=Ip.parse(address), port=80, timeout_us=1_000_000)
    words: dict[str, Any] = {"connection": place, "delay_loop_us": 1_000_000, "warmup_us": 0, "retry": number % 3}
    words["delay_before_retry_us"] = 300_000
    checkers: tuple[Any, ...] = (
        (tcp_check(address, retry=number % 3, delay_before_retry_us=300_000),),
        (HttpCheck(urls=(Url(path="/a"), Url(path="/b")), **words),),
        (PingCheck(**words), tcp_check(address)),
        (DnsCheck(**words),),
    )[number % 4]
    return real(address, checkers=checkers, weight=number % 5, inhibit_on_failure=number % 7 == 0)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("processors", [2, 4])
def test_the_outcome_is_that_of_one_process(few: None, seed: int, processors: int) -> None:
    dice = random.Random(seed)
    services = [mixed(server, dice.randrange(100)) for server in SERVERS[:12]]
    configurations = [
        config(
            virtual(*services[:8], quorum=3, hysteresis=1, address="10.99.0.1"),
            virtual(*services[4:], address="10.99.0.2"),
        ),
        config(
            virtual(*services[2:9], quorum=2, address="10.99.0.1"),
            virtual(*services[4:], address="10.99.0.2"),
        ),
    ]
    alone, shared = Lab(configurations[0]).start(), SharedLab(configurations[0], processors).start()
    assert len(shared.workers) == processors - 1
    for _ in range(12):
        up = {server for server in SERVERS[:12] if dice.random() < 0.6}
        seconds = dice.choice([0.3, 1, 2.5, 5])
        for lab in (alone, shared):
            lab.up = up
            lab.run(seconds)
        assert shared.kernel.table() == alone.kernel.table()
        shared.collect()
        for one, other in zip(alone.core.checks, shared.core.checks, strict=True):
            assert (one.is_up, *one.figures()) == (other.is_up, *other.figures())
        if dice.random() < 0.3:
            configuration = dice.choice(configurations)
            alone.reload(configuration)
            shared.reload(configuration)
    # the sum at which a quorum is crossed depends on the order of results within one moment
    lines = [sorted(line for line in lab.lines if "quorum" not in line) for lab in (alone, shared)]
    assert lines[0] == lines[1]
    assert sorted(shared.mails) == sorted(alone.mails)
    for server in {word.split()[1] for word in alone.told if word.startswith("RS")}:
        heard = [[word for word in lab.told if word.split()[1] == server] for lab in (alone, shared)]
        assert heard[0] == heard[1]


class Stubborn(FakeIpvs):
    """Refuses to take servers out, or to put them in, for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse: set[Command] = set()
        for command in (Command.NEW_DEST, Command.DEL_DEST):
            perform = self._do[command]
            self._do[command] = lambda operation, perform=perform: (  # type: ignore[misc]
                errno.ENOMEM if operation.command in self.refuse else perform(operation)
            )


@pytest.mark.parametrize("delay_ms", [0, 40])
def test_a_verdict_that_the_kernel_refuses_is_repeated(few: None, delay_ms: int) -> None:
    kernel = Stubborn()
    lab = SharedLab(config(virtual(*(real(server) for server in SERVERS[:8]))), 2, kernel)
    lab.delay_ns = delay_ms * 1_000_000
    lab.up = set(SERVERS)
    lab.start().run(3)
    lab.check_table()
    outgoing = {str(check.real.model.address) for check in lab.workers[0].shard}
    assert outgoing
    kernel.refuse = {Command.DEL_DEST}
    lab.up = set()
    lab.run(3)
    assert len(lab.weights()) == 8
    kernel.refuse = set()
    lab.run(2)
    assert lab.weights() == {}
    kernel.refuse = {Command.NEW_DEST}
    lab.up = set(SERVERS)
    lab.run(3)
    assert lab.weights() == {}
    kernel.refuse = set()
    lab.run(2)
    assert len(lab.weights()) == 8
    lab.check_table()


def test_ha_suspend_reaches_the_workers(few: None) -> None:
    address = "10.99.0.1"
    service = virtual(*(real(server) for server in SERVERS[:8]), ha_suspend=True, address=address)
    lab = SharedLab(config(service), 2)
    lab.up = set(SERVERS)
    lab.say(effects.AddressChanged(Ip.parse(address), 1)).start().run(2)
    assert len(lab.checks) == 2 * 8
    lab.say(effects.AddressChanged(Ip.parse(address), 0))
    lab.checks.clear()
    lab.run(5)
    assert lab.checks == []
    lab.say(effects.AddressChanged(Ip.parse(address), 1)).run(2)
    assert len(lab.checks) == 2 * 8


def test_a_reload_keeps_the_verdict_of_a_changed_checker_until_its_first_result(few: None) -> None:
    def build(retry: int) -> Any:
        return config(virtual(*(real(server, check={"retry": retry}) for server in SERVERS[:8])))

    lab = SharedLab(build(0), 2)
    lab.up = set(SERVERS[:4])
    lab.start().run(2)
    before = lab.weights()
    assert len(before) == 4
    lab.operations()
    lab.up = set(SERVERS[4:])
    lab.reload(build(1))
    assert lab.weights() == before
    assert lab.operations() == []
    lab.run(4)
    assert len(lab.weights()) == 4
    assert not before.keys() & lab.weights().keys()


def test_a_worker_that_died_leaves_verdicts_and_its_successor_goes_on(few: None) -> None:
    lab = SharedLab(config(virtual(*(real(server) for server in SERVERS[:8]))), 2)
    lab.up = set(SERVERS[:4])
    lab.start().run(2.5)
    before = lab.weights()
    worker = lab.workers[0]
    worker.alive = False
    lab.up = set(SERVERS)
    lab.run(3)
    mine = {check.real.name for check in worker.shard}
    down = {check.real.name for check in lab.core.checks if not check.is_up}
    assert down == {check.real.name for check in worker.shard if str(check.real.model.address) in SERVERS[4:8]}
    assert before.items() <= lab.weights().items()
    shard.spread_again(worker.shard, lab.now, random.Random(1).randrange)
    dues = [check.due for check in worker.shard]
    assert all(lab.now <= due < lab.now + SECOND for due in dues)
    assert len(set(dues)) == len(dues)
    lab._perform(effects.StartWorkers([worker.shard]))
    lab.run(1)
    assert len(lab.weights()) == 8
    assert {check.real.name for check in lab.workers[0].shard} == mine


def test_a_conclusion_of_a_skipped_attempt_says_nothing_about_the_server(few: None) -> None:
    lab = SharedLab(config(virtual(*(real(server) for server in SERVERS[:8]))), 2)
    lab.up = set(SERVERS)
    lab.start().run(2)
    lab.take_lines()
    lab.answer = lambda _begun: Outcome(False, Reason.SKIPPED, "", errno.EMFILE)
    lab.run(1)
    assert lab.take_lines() == ["TCP connect fail to create socket. Rescheduling."] * 8
    assert len(lab.weights()) == 8


@pytest.mark.parametrize("seed", range(10))
def test_no_check_is_forgotten_or_doubled_whatever_dies_or_is_reloaded(few: None, seed: int) -> None:
    """Every second each server is checked once; around a death or a reload within two seconds."""
    dice = random.Random(seed)

    def build() -> Any:
        return config(virtual(*(real(server, check={"retry": dice.randrange(2)}) for server in SERVERS[:12])))

    lab = SharedLab(build(), 2)
    starts: dict[str, list[int]] = {server: [] for server in SERVERS[:12]}

    def note(begun: effects.StartCheck) -> Outcome:
        starts[str(begun.checker.real.model.address)].append(lab.now)
        return SUCCESS

    lab.answer = note
    lab.start()
    events = [0]
    for _ in range(8):
        lab.run(dice.uniform(1.2, 4))
        events.append(lab.now)
        if dice.random() < 0.5:
            lab.reload(build())
            continue
        [worker] = lab.workers
        worker.alive = False
        lab.run(dice.uniform(0, 0.1))  # until its death is noticed
        shard.spread_again(worker.shard, lab.now, dice.randrange)
        lab._perform(effects.StartWorkers([worker.shard]))
    lab.run(5)
    for server, moments in starts.items():
        assert moments[0] <= 1.2 * SECOND
        assert lab.now - moments[-1] <= 1.01 * SECOND
        for one, other in pairwise(moments):
            if any(one < event <= other for event in events):
                assert other - one <= 2.2 * SECOND, server
            else:
                assert 0.99 * SECOND <= other - one <= 1.01 * SECOND, server
