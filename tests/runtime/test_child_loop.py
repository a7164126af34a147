"""The service around a child's loop: messages, reload in slices, surviving errors, leaving."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import socket
import time
from dataclasses import replace

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, Scheduling
from pykeepalived.config.model.values import Span
from pykeepalived.config.model.vrrp import VrrpSyncGroup
from pykeepalived.runtime import child_loop
from pykeepalived.runtime.channel import Channel, channel_pair
from pykeepalived.runtime.child import ChildContext, DaemonOptions
from pykeepalived.runtime.child_loop import EXIT_INTERNAL, ChildService
from pykeepalived.runtime.clock import VirtualClock
from pykeepalived.runtime.delta import make_delta
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import (
    Adopted,
    Answer,
    ChildKind,
    Dump,
    PeerStarted,
    Ping,
    Pong,
    Query,
    Ready,
    ReloadFailed,
    ReloadRequest,
    WriteDump,
)


class Handler:
    def __init__(self):
        self.seen = []
        self.fail = None
        self.service = None

    def _note(self, *what):
        self.seen.append(what)
        if self.fail:
            raise self.fail

    def on_reload(self, config, generation):
        self._note("reload", config, generation)
        return ("done",)

    def on_stop(self):
        self._note("stop")
        self.service.finish(0)

    def on_dump(self, kind):
        self._note("dump", kind)

    def save_state(self, path):
        self._note("save", path)

    def on_query(self, words):
        self._note("query", words)
        return {"words": words}

    def on_peer_started(self, kind):
        self._note("peer", kind)


class Slow(Loop):
    """A loop whose clock also passes while work is done: a step for each reading."""

    def __init__(self, clock, step):
        super().__init__(clock)

        def now():
            clock.advance(step)
            return clock.now()

        self.now = now


class Lines:
    def __init__(self):
        self.texts = []

    def emit(self, line):
        self.texts.append(line.text)
        return True

    def close(self):
        pass


class World:
    def __init__(self, config=None, step=0, kind=ChildKind.VRRP, signal_fd=-1):
        self.clock = VirtualClock()
        self.loop = Slow(self.clock, step)
        ours, theirs = channel_pair()
        self.parent = Channel(ours)
        self.lines = Lines()
        self.handler = Handler()
        context = ChildContext(
            kind=kind,
            config=config or Config(),
            options=DaemonOptions(),
            channel=theirs,
            log=Log([self.lines]),
            generation=1,
            signal_fd=signal_fd,
        )
        self.service = ChildService(context, self.loop, self.handler)
        self.handler.service = self.service

    def send(self, *messages):
        for message in messages:
            self.parent.send(message)
        self.turn()

    def turn(self, times=5):
        for _ in range(times):
            self.loop.run_once(self.clock.now())


@pytest.fixture(autouse=True)
def no_process_wide_changes(monkeypatch):
    monkeypatch.setattr(ChildService, "_install_signals", lambda self: None)
    monkeypatch.setattr(child_loop.ChildScheduling, "apply_at_start", lambda self: None)
    yield
    gc.enable()


def test_every_message_reaches_its_place():
    world = World()
    world.service.ready()
    world.send(Ping(7), WriteDump(Dump.JSON), PeerStarted(ChildKind.CHECKER), Query(3, ("snapshot",)))
    assert world.handler.seen == [("dump", Dump.JSON), ("peer", ChildKind.CHECKER), ("query", ("snapshot",))]
    assert world.parent.receive() == [Ready(ChildKind.VRRP), Pong(7), Answer(3, {"words": ("snapshot",)})]


def config(count, tag):
    groups = tuple(VrrpSyncGroup(name=f"g{n}", members=(tag,), at=Span("f", n)) for n in range(count))
    return Config(globals=GlobalDefs(router_id=tag), vrrp_sync_groups=groups)


def test_a_reload_is_adopted_and_acknowledged():
    old, new = config(3, "a"), config(3, "b")
    world = World(old)
    world.send(make_delta(old, new, 1, 2))
    assert world.handler.seen == [("reload", new, 2)]
    assert world.parent.receive() == [Adopted(ChildKind.VRRP, 2, ("done",))]
    assert world.service.config == new
    assert world.service.generation == 2
    assert world.lines.texts == ["Reloading"]


@pytest.mark.keyword("global_defs/config_save_dir")
def test_the_state_is_saved_before_and_after_each_reload_by_the_directory_of_the_moment():
    plain = Config()
    first = Config(globals=GlobalDefs(config_save_dir="/saved"))
    second = Config(globals=GlobalDefs(config_save_dir="/saved", router_id="r"))
    world = World(plain, kind=ChildKind.CHECKER)
    for generation, (old, new) in enumerate(itertools.pairwise((plain, first, second, plain)), start=1):
        world.send(make_delta(old, new, generation, generation + 1))
    stem = f"/saved/keepalived_check.{os.getpid()}"
    assert [seen[:2] for seen in world.handler.seen] == [
        *(("reload", first), ("save", f"{stem}.1.post")),
        *(("save", f"{stem}.2.pre"), ("reload", second), ("save", f"{stem}.2.post")),
        *(("save", f"{stem}.3.pre"), ("reload", plain)),
    ]


def test_a_big_reload_leaves_room_for_timers_between_its_parts():
    old, new = config(200, "a"), config(200, "b")
    world = World(old, step=50_000)
    ticks = []

    def tick():
        ticks.append(world.clock.now())
        if not world.handler.seen:
            timer.move(world.clock.now() + 200_000)

    timer = world.loop.call_at(world.clock.now(), tick)
    world.send(make_delta(old, new, 1, 2))
    for _ in range(1000):
        if world.handler.seen:
            break
        world.loop.run_once()
    assert world.handler.seen[0][1] == new
    assert len(ticks) > 10
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(gaps) < 1_000_000


def test_reloads_that_follow_each_other_are_adopted_in_order():
    first, second, third = config(50, "a"), config(50, "b"), config(50, "c")
    world = World(first, step=20_000)
    world.send(make_delta(first, second, 1, 2), make_delta(second, third, 2, 3))
    world.turn(200)
    assert [what[2] for what in world.handler.seen] == [2, 3]
    assert world.service.config == third


def test_a_delta_that_does_not_fit_ends_the_child_for_a_fresh_start():
    old = config(1, "a")
    world = World(old)
    world.send(make_delta(old, config(1, "b"), 5, 6))
    assert world.service.run() == EXIT_INTERNAL


def test_a_failed_adoption_keeps_the_old_configuration():
    old, new = config(1, "a"), config(1, "b")
    world = World(old)
    world.handler.fail = ValueError("no way")
    world.send(make_delta(old, new, 1, 2))
    assert world.parent.receive() == [ReloadFailed(ChildKind.VRRP, 2, "ValueError: no way")]
    assert world.service.config is old
    world.handler.fail = None
    world.send(make_delta(old, new, 1, 3))
    assert world.parent.receive() == [Adopted(ChildKind.VRRP, 3, ("done",))]


@pytest.mark.parametrize("how", ["signal", "parent gone", "both"])
def test_leaving(how):
    world = World()
    if how != "parent gone":
        world.service.stop()
    if how != "signal":
        world.parent.close()
        world.turn()
    assert world.service.run() == 0
    assert world.handler.seen == [("stop",)]
    assert world.lines.texts == ["Stopped"]


def test_a_stop_that_fails_still_ends_the_child():
    world = World()
    world.handler.fail = ValueError("x")
    world.service.stop()
    assert world.service.run() == EXIT_INTERNAL


def test_an_internal_error_is_told_and_survived():
    world = World()
    recorded = []
    world.service.on_internal_error = lambda: recorded.append(1)

    def fail():
        raise KeyError("oops")

    world.loop.call_at(world.loop.now(), fail)
    world.turn()
    world.send(Ping(1))
    assert world.parent.receive() == [Pong(1)]
    assert len(world.lines.texts) == 1
    assert world.lines.texts[0].startswith("Internal error at test_child_loop.py:")
    assert world.lines.texts[0].endswith("KeyError: 'oops'")
    assert recorded == [1]


def test_an_error_over_one_message_does_not_cost_those_that_came_with_it():
    old, new = config(3, "a"), config(3, "b")
    world = World(old)
    world.handler.on_query = lambda words: {}["missing"]
    world.send(Query(3, ("snapshot",)), Ping(7), make_delta(old, new, 1, 2))
    assert world.parent.receive() == [Pong(7), Adopted(ChildKind.VRRP, 2, ("done",))]
    assert any("KeyError: 'missing'" in text for text in world.lines.texts)


def test_errors_without_end_lead_to_a_fresh_start():
    world = World()

    def fail():
        timer.move(world.clock.now() + 1_000_000)
        raise ValueError

    timer = world.loop.call_at(world.loop.now(), fail)
    assert world.service.run() == EXIT_INTERNAL
    assert sum(text.startswith("Internal error") for text in world.lines.texts) == 101


def test_occasional_errors_are_not_errors_without_end():
    world = World()
    count = [0]

    def fail():
        count[0] += 1
        if count[0] == 500:
            world.service.finish(9)
            return
        timer.move(world.clock.now() + 50_000_000)
        raise ValueError

    timer = world.loop.call_at(world.loop.now(), fail)
    assert world.service.run() == 9


def test_a_request_to_reload_goes_to_the_parent():
    world = World()
    world.service.request_reload()
    assert world.parent.receive() == [ReloadRequest()]


def test_the_garbage_collector_runs_on_our_clock_in_real_time_children_only():
    World(kind=ChildKind.CHECKER)
    assert gc.isenabled()
    world = World(kind=ChildKind.BFD)
    assert not gc.isenabled()
    assert world.loop.deadline() is not None


def test_lateness_beyond_the_configured_delay_is_told():
    world = World(replace(Config(), globals=GlobalDefs(min_auto_priority_delay_us=500_000)))
    world.service.ready()
    world.loop.call_at(world.clock.now() + 10, lambda: None)
    world.clock.advance(700_000_010)
    world.turn()
    assert world.lines.texts == ["A thread timer expired 0.700000 seconds ago"]


def test_the_virtual_clock_really_is_one():
    begun = time.monotonic()
    world = World()
    world.loop.call_at(world.clock.now() + 3600 * 10**9, lambda: world.service.finish(0))
    world.service.run()
    assert time.monotonic() - begun < 60


def adopted(world):
    """When the configuration was adopted, None if it was not."""
    return [what for what in world.handler.seen if what[0] == "reload"]


@pytest.mark.parametrize(
    "settings",
    [
        {"vrrp": Scheduling(priority=-5)},
        {"max_auto_priority": 10},
        {"min_auto_priority_delay_us": 5},
    ],
)
def test_a_reload_without_scheduling_settings_takes_them_back(monkeypatch, settings):
    taken_back = []
    monkeypatch.setattr(child_loop.ChildScheduling, "take_back", lambda self: taken_back.append(self))
    old = Config(globals=GlobalDefs(**settings))
    same = replace(old, globals=replace(old.globals, router_id="x"))
    world = World(old)
    first = world.service._scheduling
    world.send(make_delta(old, same, 1, 2))
    assert taken_back == []
    world.send(make_delta(same, Config(), 2, 3))
    assert taken_back == [first]
    assert world.service._scheduling is not first


def test_a_configuration_is_adopted_between_two_moments_that_count():
    world = World()
    ms = 1_000_000
    dues = [world.clock.now() + each * ms for each in (5, 8, 60)]
    world.service.next_due = lambda: next((due for due in dues if due >= world.clock.now()), None)
    world.send(make_delta(Config(), Config(globals=GlobalDefs(router_id="x")), 1, 2))
    begin = world.clock.now()
    assert not adopted(world)
    for _ in range(30):
        world.clock.advance(ms // 2)
        world.turn(1)
        if adopted(world):
            break
    assert 8 * ms <= world.clock.now() - begin <= 9 * ms


def test_without_a_pause_it_is_adopted_in_the_end():
    world = World()
    ms = 1_000_000
    world.service.next_due = lambda: world.clock.now() + ms
    world.send(make_delta(Config(), Config(globals=GlobalDefs(router_id="x")), 1, 2))
    for _ in range(190):
        world.clock.advance(ms)
        world.turn(1)
    assert not adopted(world)
    for _ in range(20):
        world.clock.advance(ms)
        world.turn(1)
    assert len(adopted(world)) == 1


def test_the_parents_sigterm_is_overheard_and_left_to_it():
    parents, wakeup = socket.socketpair()
    with parents, wakeup:
        parents.setblocking(False)
        world = World(signal_fd=os.dup(parents.fileno()))
        wakeup.send(bytes((signal.SIGHUP, signal.SIGCHLD)))
        world.turn()
        assert world.handler.seen == []
        wakeup.send(bytes((signal.SIGTERM,)))
        world.turn()
        assert world.handler.seen == [("stop",)]
        wakeup.send(bytes((signal.SIGTERM,)))
        world.turn()
        assert world.handler.seen == [("stop",)], "once"
        assert parents.recv(100) == bytes((signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM, signal.SIGTERM))


def test_signals_that_the_parent_has_read_meanwhile_are_no_error():
    parents, wakeup = socket.socketpair()
    with parents, wakeup:
        parents.setblocking(False)
        world = World(signal_fd=os.dup(parents.fileno()))
        wakeup.send(bytes((signal.SIGTERM,)))
        parents.recv(100)
        wakeup.send(bytes((signal.SIGHUP,)))
        world.turn()
        parents.recv(100)
        world.turn()
        assert world.handler.seen == []
