"""The order of notifications, on a virtual clock: one script of an object at a time, bounded waiting, stop."""

from __future__ import annotations

from pykeepalived.config.model.values import Account, Script
from pykeepalived.notify.queue import (
    FINAL_TIMEOUT_NS,
    PATIENCE_NS,
    BusSignal,
    EmitSignal,
    GaveUpWaiting,
    Mail,
    Notification,
    NotificationQueue,
    RunScript,
    ScriptCall,
    ScriptEnded,
    SendMail,
    SendTrap,
    Trap,
    WriteFifo,
)

S = 1_000_000_000


def call(name: str) -> ScriptCall:
    return ScriptCall(Script(words=(name,), account=Account(0, 0)))


def event(subject: str, *names: str, **more) -> Notification:
    return Notification(subject=subject, scripts=tuple(call(name) for name in names), **more)


def started(queue: NotificationQueue) -> dict[str, int]:
    return {effect.call.script.words[0]: effect.token for effect in queue.drain() if isinstance(effect, RunScript)}


def test_scripts_of_one_object_run_one_after_the_other():
    queue = NotificationQueue()
    queue.receive(event("a", "a1", "a2"), 0)
    queue.receive(event("a", "a3"), 0)
    first = started(queue)
    assert list(first) == ["a1"]
    queue.receive(ScriptEnded(first["a1"]), 1)
    second = started(queue)
    assert list(second) == ["a2"]
    queue.receive(ScriptEnded(second["a2"]), 2)
    third = started(queue)
    assert list(third) == ["a3"]
    assert not queue.idle
    queue.receive(ScriptEnded(third["a3"]), 3)
    assert queue.idle
    assert queue.deadline() is None


def test_objects_do_not_wait_for_each_other():
    queue = NotificationQueue()
    for name in "abc":
        queue.receive(event(name, name), 0)
    assert list(started(queue)) == ["a", "b", "c"]


def test_everything_else_goes_out_at_once_in_order_of_delivery():
    queue = NotificationQueue()
    signal, trap = BusSignal("a", "eth0", 1, 4, 2), Trap("instance", "a", 2)
    queue.receive(event("a", "slow"), 0)
    queue.receive(event("a", "next", fifo="line\n", mail=Mail("s", "b"), signal=signal, trap=trap), 0)
    effects = queue.drain()
    assert effects[1:] == [WriteFifo("line\n"), EmitSignal(signal), SendTrap(trap), SendMail(Mail("s", "b"))]
    assert isinstance(effects[0], RunScript)


def test_a_script_that_does_not_end_delays_its_successor_for_ten_seconds():
    queue = NotificationQueue()
    queue.receive(event("a", "hangs", "next", "last"), 5 * S)
    tokens = started(queue)
    assert queue.deadline() == 15 * S
    queue.tick(15 * S - 1)
    assert started(queue) == {}
    queue.tick(15 * S)
    effects = queue.drain()
    assert effects[0] == GaveUpWaiting(call("hangs"), call("next"))
    assert [effect.call for effect in effects if isinstance(effect, RunScript)] == [call("next")]
    queue.receive(ScriptEnded(tokens["hangs"]), 16 * S)
    assert started(queue) == {}, "the end of the abandoned script starts nothing"
    assert queue.deadline() == 25 * S


def test_patience_begins_when_the_predecessor_started():
    queue = NotificationQueue()
    queue.receive(event("a", "one"), 0)
    token = started(queue)["one"]
    queue.receive(event("a", "two", "three"), 4 * S)
    assert queue.deadline() == 4 * S + PATIENCE_NS
    queue.receive(ScriptEnded(token), 6 * S)
    assert list(started(queue)) == ["two"]
    assert queue.deadline() == 6 * S + PATIENCE_NS


def test_no_deadline_without_a_waiting_script():
    queue = NotificationQueue()
    queue.receive(event("a", "alone"), 0)
    assert queue.deadline() is None


def test_stop_limits_scripts_to_one_second():
    queue = NotificationQueue()
    queue.receive(event("a", "stop", "generic", final=True), 0)
    effects = queue.drain()
    assert effects == [RunScript(1, call("stop"), FINAL_TIMEOUT_NS)]
    assert FINAL_TIMEOUT_NS == S
    assert queue.deadline() == S + S // 2, "the second waits until the first has died of its timeout"
    queue.receive(ScriptEnded(1), S)
    assert queue.drain() == [RunScript(2, call("generic"), FINAL_TIMEOUT_NS)]


def test_stop_waits_one_second_for_all_that_came_before():
    queue = NotificationQueue()
    queue.receive(event("a", "hangs", "w1", "w2"), 0)
    queue.receive(event("a", "stop", "generic", final=True), 2 * S)
    assert list(started(queue)) == ["hangs"]
    assert queue.deadline() == 3 * S
    queue.tick(3 * S)
    effects = queue.drain()
    assert [(e.call.script.words[0], e.timeout_ns) for e in effects if isinstance(e, RunScript)] == [
        ("w1", None),
        ("w2", None),
    ]
    assert queue.deadline() == 4 * S
    queue.tick(4 * S)
    assert list(started(queue)) == ["stop"]


def test_a_mail_about_the_same_state_is_not_repeated():
    queue = NotificationQueue()
    master, backup = Mail("m", "", once=True), Mail("b", "", once=True)
    sent = []
    for subject, mail in (("a", master), ("a", master), ("b", master), ("a", backup), ("a", master)):
        queue.receive(Notification(subject=subject, mail=mail), 0)
        sent += [effect.mail for effect in queue.drain() if isinstance(effect, SendMail)]
    assert sent == [master, master, backup, master]
    for _ in range(2):
        queue.receive(Notification(subject="rs", mail=Mail("down", "")), 0)
    assert len(queue.drain()) == 2


def test_forgetting_what_waits():
    queue = NotificationQueue()
    queue.receive(event("a", "runs", "waits"), 0)
    token = started(queue)["runs"]
    queue.forget_waiting()
    assert not queue.idle
    queue.receive(ScriptEnded(token), 1)
    assert started(queue) == {}
    assert queue.idle
