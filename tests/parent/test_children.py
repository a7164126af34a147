"""Life and death of children in virtual time: respawn delays, heartbeat, permanent errors, stop, hand-over."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.parent import children as children_module
from pykeepalived.parent.children import Children
from pykeepalived.parent.parts import part_for, wanted_children
from pykeepalived.runtime.channel import Channel, channel_pair
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.delta import ConfigDelta, DeltaReader
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import (
    Adopted,
    Answer,
    ChildKind,
    Leaving,
    PeerStarted,
    Ping,
    Pong,
    Query,
    Ready,
    ReloadFailed,
    ScriptHelper,
)
from pykeepalived.runtime.respawn import RespawnRule

S = 1_000_000_000
VRRP, CHECKER, BFD = ChildKind.VRRP, ChildKind.CHECKER, ChildKind.BFD


class Lines:
    def __init__(self, clock):
        self.clock = clock
        self.lines = []

    def emit(self, line):
        self.lines.append((self.clock.now() // S, line.text))
        return True

    def close(self):
        pass

    @property
    def texts(self):
        return [text for _, text in self.lines]


class FakeLauncher:
    def __init__(self, loop):
        self.loop = loop
        self.launched = []
        self.channels = {}
        self.configs = {}
        self.fail = 0
        self.helpers = []

    def launch(self, kind, config, generation, respawned):
        if self.fail:
            self.fail -= 1
            raise OSError(11, "Resource temporarily unavailable")
        ours, theirs = channel_pair()
        pid = 1000 + len(self.launched)
        self.launched.append((self.loop.now() // S, kind, generation, respawned))
        self.channels[kind] = Channel(theirs)
        self.configs[kind] = config
        return pid, ours

    def launch_helper(self, kind, config, connection):
        self.helpers.append((kind, config, connection))


class Events:
    def __init__(self):
        self.seen = []

    def on_settled(self):
        self.seen.append("settled")

    def on_permanent_error(self, status):
        self.seen.append(("permanent", status))

    def on_dead_for_good(self):
        self.seen.append("dead for good")

    def on_all_gone(self):
        self.seen.append("all gone")

    def on_reload_request(self):
        self.seen.append("reload request")

    def on_reload_failed(self, kind, reason):
        self.seen.append(("failed", kind, reason))


class World:
    def __init__(self, respawn=True):
        self.clock = VirtualClock(100 * S)
        self.loop = Loop(self.clock)
        self.lines = Lines(self.clock)
        self.launcher = FakeLauncher(self.loop)
        self.events = Events()
        self.children = Children(self.loop, Log([self.lines]), self.launcher, self.events, respawn)

    def run_for(self, nanoseconds):
        until = self.clock.now() + nanoseconds
        while self.clock.now() < until:
            self.loop.run_once(until)
        self.settle()

    def settle(self):
        for _ in range(20):
            self.loop.run_once(self.loop.now())

    def answer_pings(self, kind):
        channel = self.launcher.channels[kind]
        for message in channel.receive():
            if isinstance(message, Ping):
                channel.send(Pong(message.number))
        self.settle()

    def start(self, *kinds, config=None):
        self.children.adopt(config or Config(), kinds)
        for kind in kinds:
            self.launcher.channels[kind].send(Ready(kind))
        self.settle()

    def die(self, kind, status):
        self.children.ended(self.children.get(kind).pid, status)


@pytest.fixture
def world(monkeypatch):
    world = World()
    world.killed = []
    monkeypatch.setattr(children_module, "_kill", lambda pid, signum: world.killed.append((pid, signum)))
    yield world
    world.loop.close()


def exited(status):
    return status << 8


def test_respawn_rule():
    rule = RespawnRule()
    assert [rule.delay_s(0) for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert rule.delay_s(60 * S) is None
    assert [rule.delay_s(60 * S - 1) for _ in range(2)] == [0, 1]


def test_start_order_and_lines(world):
    world.start(VRRP, BFD, CHECKER)
    assert [kind for _, kind, _, _ in world.launcher.launched] == [CHECKER, VRRP, BFD]
    assert world.lines.texts == [
        "Starting Healthcheck child process, pid=1000",
        "Starting VRRP child process, pid=1001",
        "Starting BFD child process, pid=1002",
    ]
    assert world.events.seen == ["settled"]


def test_fast_deaths_are_held_back_longer_and_longer(world):
    world.start(VRRP)
    waited = []
    for _ in range(9):
        before = world.loop.now()
        world.die(VRRP, signal.SIGSEGV)
        while world.children.get(VRRP) is None:
            world.loop.run_once()
        waited.append((world.loop.now() - before) // S)
    assert waited == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    delays = [text for text in world.lines.texts if text.startswith("Restart of VRRP process delayed")]
    assert delays == [f"Restart of VRRP process delayed {delay} seconds to limit respawn rate" for delay in waited]
    assert all(respawned for _, _, _, respawned in world.launcher.launched[1:])


def test_a_long_life_forgives(world):
    world.start(CHECKER)
    world.die(CHECKER, exited(70))
    for _ in range(61):
        world.answer_pings(CHECKER)
        world.run_for(S)
    world.lines.lines.clear()
    world.die(CHECKER, signal.SIGKILL)
    assert world.lines.texts == [
        "pid 1001 exited due to signal 9 (Killed) - has rlimit_rttime been exceeded?",
        "Healthcheck child process(1001) died: Respawning",
        "Starting Healthcheck child process, pid=1002",
    ]


def test_a_child_that_leaves_by_itself_is_respawned(world):
    world.start(BFD)
    world.die(BFD, exited(0))
    assert world.lines.texts[1] == "BFD child process(1000) died: Respawning"
    assert world.children.get(BFD).pid == 1001


@pytest.mark.parametrize(("status", "word"), [(1, "FATAL"), (2, "CONFIG"), (4, "missing permission")])
def test_permanent_errors_end_the_daemon(world, status, word):
    world.start(VRRP)
    world.die(VRRP, exited(status))
    assert world.lines.texts[-1] == f"pid 1000 exited with permanent error {word}. Terminating"
    assert world.events.seen[-1] == ("permanent", status)
    assert len(world.launcher.launched) == 1


def test_without_respawn_a_death_ends_the_daemon(world, monkeypatch):
    world = World(respawn=False)
    world.start(VRRP)
    world.die(VRRP, exited(3))
    assert world.lines.texts[-2:] == ["pid 1000 exited with status 3", "VRRP child process(1000) died: Exiting"]
    assert world.events.seen[-1] == "dead for good"


def test_a_failing_fork_is_tried_again_later(world):
    world.launcher.fail = 2
    world.children.adopt(Config(), [VRRP])
    assert world.launcher.launched == []
    world.run_for(2 * S)
    assert [at for at, _, _, _ in world.launcher.launched] == [101]


def test_the_bfd_child_hears_of_new_readers(world):
    world.start(VRRP, BFD)
    world.die(VRRP, exited(70))
    messages = world.launcher.channels[BFD].receive()
    assert PeerStarted(VRRP) in messages


def test_a_hung_child_is_killed_and_the_others_are_not(world):
    world.start(VRRP, CHECKER)
    for _ in range(4):
        world.answer_pings(CHECKER)
        world.run_for(S)
    assert world.killed == []
    for _ in range(3):
        world.answer_pings(CHECKER)
        world.run_for(S)
    vrrp = world.children.get(VRRP).pid
    assert world.killed == [(vrrp, signal.SIGKILL)]
    assert f"VRRP child process({vrrp}) silent for 5 s: killing it" in world.lines.texts


def test_a_child_that_answers_lives(world):
    world.start(VRRP)
    for _ in range(100):
        world.answer_pings(VRRP)
        world.run_for(S)
    assert world.killed == []


def test_a_stall_of_the_whole_machine_kills_nobody(world):
    world.start(VRRP)
    world.run_for(2 * S)
    world.clock.advance(3600 * S)
    world.settle()
    world.answer_pings(VRRP)
    world.run_for(2 * S)
    assert world.killed == []


def test_stop_waits_then_forces(world):
    world.start(VRRP, CHECKER)
    pids = {child.kind: child.pid for child in world.children.running}
    world.children.stop(5 * S)
    assert world.killed == [(pids[VRRP], signal.SIGTERM), (pids[CHECKER], signal.SIGTERM)]
    world.die(CHECKER, exited(0))
    world.run_for(5 * S)
    assert world.killed[-1] == (pids[VRRP], signal.SIGKILL)
    assert world.lines.texts[-1] == "vrrp process failed to die - forcing termination"
    assert world.events.seen[-1] != "all gone"
    world.die(VRRP, signal.SIGKILL)
    assert world.events.seen[-1] == "all gone"
    assert len(world.launcher.launched) == 2


def test_stop_forgets_a_respawn_that_is_due_later(world):
    world.start(VRRP)
    world.die(VRRP, exited(70))
    world.die(VRRP, exited(70))
    world.children.stop(5 * S)
    world.settle()
    assert world.events.seen[-1] == "all gone"
    world.run_for(10 * S)
    assert len(world.launcher.launched) == 2


def test_real_processes_are_all_reaped_with_one_signal(world):
    world.start(VRRP, CHECKER, BFD)
    for child in world.children.running:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        child.pid = pid
    world.children.stop(5 * S)
    deadline = 1000
    while world.children.running and deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.01)
        world.children.reap()
        deadline -= 1
    assert world.events.seen[-1] == "all gone"


def adopt_delta(world, kind):
    deltas = [m for m in world.launcher.channels[kind].receive() if isinstance(m, ConfigDelta)]
    assert len(deltas) == 1
    reader = DeltaReader(world.launcher.configs[kind], deltas[0])
    while reader.step():
        pass
    world.launcher.configs[kind] = reader.result()
    return deltas[0]


def test_reload_hands_over_only_what_changed_and_settles_when_all_adopted(world):
    server = VirtualServer(address=Ip.parse("192.0.2.1"), port=80)
    world.start(VRRP, CHECKER, config=Config(virtual_servers=(server,)))
    world.events.seen.clear()
    other = VirtualServer(address=Ip.parse("192.0.2.2"), port=80)
    world.children.adopt(Config(virtual_servers=(server, other)), [VRRP, CHECKER])
    vrrp, checker = adopt_delta(world, VRRP), adopt_delta(world, CHECKER)
    assert (len(vrrp.parts), len(checker.parts)) == (0, 1)
    assert world.launcher.configs[VRRP].virtual_servers == ()
    assert world.launcher.configs[CHECKER].virtual_servers == (server, other)
    world.launcher.channels[VRRP].send(Adopted(VRRP, 2))
    world.settle()
    assert world.events.seen == []
    world.launcher.channels[CHECKER].send(Adopted(CHECKER, 2, ("one server added",)))
    world.settle()
    assert world.events.seen == ["settled"]
    assert world.children.get(CHECKER).summary == ("one server added",)


def test_a_child_that_dies_in_a_reload_comes_back_with_the_new_configuration(world):
    world.start(VRRP)
    new = Config(globals=GlobalDefs(router_id="new"))
    world.children.adopt(new, [VRRP])
    world.events.seen.clear()
    world.die(VRRP, exited(70))
    assert world.launcher.configs[VRRP].globals.router_id == "new"
    assert world.launcher.launched[-1][2] == 2
    world.launcher.channels[VRRP].send(Ready(VRRP))
    world.settle()
    assert world.events.seen == ["settled"]


def test_a_child_that_refuses_keeps_its_base_for_the_next_reload(world):
    world.start(VRRP)
    world.children.adopt(Config(globals=GlobalDefs(router_id="b")), [VRRP])
    adopt = world.launcher.channels[VRRP]
    assert isinstance(adopt.receive()[-1], ConfigDelta)
    adopt.send(ReloadFailed(VRRP, 2, "no"))
    world.settle()
    assert world.events.seen[-2:] == [("failed", VRRP, "no"), "settled"]
    world.children.adopt(Config(globals=GlobalDefs(router_id="c")), [VRRP])
    delta = adopt.receive()[-1]
    assert (delta.base, delta.generation) == (1, 3)


def test_a_configuration_that_cannot_be_sent_is_a_failed_reload_and_the_next_one_builds_on_the_old(world, monkeypatch):
    world.start(VRRP)
    first = Config(globals=replace(GlobalDefs(), router_id="first"))
    second = Config(globals=replace(GlobalDefs(), router_id="second"))
    with monkeypatch.context() as broken:
        broken.setattr(Channel, "send", _no_descriptor)
        world.children.adopt(first, [VRRP])
    assert world.events.seen[-1] == ("failed", VRRP, "it cannot be sent - [Errno 24] Too many open files")
    assert world.children.settled
    world.children.adopt(second, [VRRP])
    (delta,) = [each for each in world.launcher.channels[VRRP].receive() if isinstance(each, ConfigDelta)]
    assert (delta.base, delta.generation) == (1, 3)
    assert not world.children.settled


def _no_descriptor(_channel, _message):
    raise OSError(24, "Too many open files")


def test_two_reloads_in_flight_build_on_each_other(world):
    world.start(VRRP)
    for name in ("b", "c"):
        world.children.adopt(Config(globals=GlobalDefs(router_id=name)), [VRRP])
    deltas = [m for m in world.launcher.channels[VRRP].receive() if isinstance(m, ConfigDelta)]
    assert [(delta.base, delta.generation) for delta in deltas] == [(1, 2), (2, 3)]


def test_questions_are_answered_or_given_up_at_death(world):
    world.start(VRRP)
    answers = []
    world.children.ask(VRRP, ("snapshot",), answers.append)
    world.children.ask(VRRP, ("snapshot",), answers.append)
    world.children.ask(BFD, ("snapshot",), answers.append)
    assert answers == [None]
    channel = world.launcher.channels[VRRP]
    queries = [m for m in channel.receive() if isinstance(m, Query)]
    channel.send(Answer(queries[0].number, {"a": 1}))
    world.settle()
    world.die(VRRP, exited(70))
    assert answers == [None, {"a": 1}, None]


def test_parts_hold_what_a_child_looks_at():
    config = replace(
        Config(), virtual_servers=(VirtualServer(fwmark=1),), wants_vrrp=True, globals=GlobalDefs(router_id="x")
    )
    assert part_for(VRRP, config).virtual_servers == ()
    assert part_for(CHECKER, config).virtual_servers == config.virtual_servers
    assert part_for(BFD, config) == Config(globals=config.globals, wants_vrrp=True)


def test_which_children_are_wanted():
    config = replace(Config(), wants_vrrp=True, wants_bfd=True)
    everything = frozenset(ChildKind)
    assert wanted_children(config, everything, run_all=False) == (VRRP, BFD)
    assert wanted_children(config, everything - {BFD}, run_all=False) == (VRRP,)
    assert wanted_children(Config(), everything, run_all=True) == (CHECKER, VRRP, BFD)
    assert wanted_children(Config(), everything, run_all=False) == ()


def test_a_closed_channel_is_death_before_the_kernel_says_so(world):
    world.start(VRRP)
    world.launcher.channels[VRRP].close()
    world.settle()
    assert world.killed == [(1000, signal.SIGKILL)]
    assert world.children.get(VRRP).pid == 1001
    assert world.children.deaths[VRRP] == 1
    world.children.ended(1000, signal.SIGKILL)
    assert world.lines.texts[1:] == [
        "VRRP child process(1000) died: Respawning",
        "Restart of VRRP process delayed 0 seconds to limit respawn rate",
        "Starting VRRP child process, pid=1001",
        "pid 1000 exited due to signal 9 (Killed) - has rlimit_rttime been exceeded?",
    ]
    assert len(world.launcher.launched) == 2


def test_a_child_that_says_it_leaves_is_waited_for(world):
    world.start(VRRP)
    world.launcher.channels[VRRP].send(Leaving(2))
    world.launcher.channels[VRRP].close()
    world.settle()
    assert world.killed == []
    world.die(VRRP, exited(2))
    assert world.events.seen[-1] == ("permanent", 2)


def test_a_child_gets_its_script_helper_from_the_parent(world):
    world.start(VRRP)
    ours, theirs = socket.socketpair()
    world.launcher.channels[VRRP].send(ScriptHelper(theirs.detach()))
    world.settle()
    [(kind, config, connection)] = world.launcher.helpers
    assert kind is VRRP
    assert config == world.children.get(VRRP).config
    connection.send(b"hello")
    assert ours.recv(5) == b"hello"
    connection.close()
    ours.close()


def test_a_child_that_died_gets_no_helper(world):
    world.start(VRRP)
    ours, theirs = socket.socketpair()
    world.launcher.channels[VRRP].send(ScriptHelper(theirs.detach()))
    world.die(VRRP, exited(70))
    world.settle()
    assert world.launcher.helpers == []
    assert ours.recv(1) == b"", "the other end is closed"
    ours.close()
