"""The notifier as children use it: real scripts in order, FIFO lines at once, mails, and a bounded stop."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pykeepalived.config.model.globals import GlobalDefs, Smtp
from pykeepalived.config.model.values import Account, Fifo, Ip, Script
from pykeepalived.config.model.vrrp import Notify, VrrpInstance, VrrpSyncGroup
from pykeepalived.notify.messages import group_event, instance_event
from pykeepalived.notify.notifier import Notifier

from .smtp_server import SmtpServer

ME = Account(os.geteuid(), os.getegid())


@pytest.fixture
def notifier(driver, log, runner):
    made = Notifier(driver.loop, log, runner, "vrrp")
    yield made
    made.close()


def script(tmp_path: Path, name: str, body: str, *words: str) -> Script:
    path = tmp_path / name
    path.write_text("#!/bin/sh\n" + body + "\n")
    path.chmod(0o755)
    return Script(words=(str(path), *words), account=ME, path=str(path))


def test_scripts_of_an_instance_never_overtake_each_other(driver, notifier, tmp_path):
    """A slow master script, then backup: upstream would finish backup first."""
    out = tmp_path / "out"
    notify = Notify(
        master=script(tmp_path, "m.sh", f"sleep 0.3; echo master >> {out}"),
        backup=script(tmp_path, "b.sh", f"echo backup >> {out}"),
        generic=script(tmp_path, "g.sh", f'echo "$@" >> {out}', "generic"),
    )
    instance = VrrpInstance(name="VI_1", virtual_router_id=51, notify=notify)
    other = VrrpInstance(name="VI_2", virtual_router_id=52, notify=Notify(generic=notify.generic))
    settings = GlobalDefs()
    notifier.configure(settings)
    notifier.send(instance_event(settings, instance, "MASTER", 160))
    notifier.send(instance_event(settings, instance, "BACKUP", 150))
    notifier.send(instance_event(settings, other, "FAULT", 100))
    driver.until(lambda: out.exists() and out.read_text().count("\n") == 5)
    lines = out.read_text().splitlines()
    assert lines[0] == "generic INSTANCE VI_2 FAULT 100", "another object does not wait"
    assert lines[1:] == [
        "master",
        "generic INSTANCE VI_1 MASTER 160",
        "backup",
        "generic INSTANCE VI_1 BACKUP 150",
    ]


def test_fifo_lines_do_not_wait_for_scripts(driver, notifier, tmp_path):
    path = tmp_path / "fifo"
    settings = GlobalDefs(vrrp_notify_fifo=Fifo(str(path), ME))
    notifier.configure(settings)
    slow = Notify(generic=Script(words=("/bin/sleep", "1000"), account=ME))
    instance = VrrpInstance(name="VI_1", virtual_router_id=51, notify=slow)
    group = VrrpSyncGroup(name="G1", members=("VI_1",))
    for told in (
        instance_event(settings, instance, "BACKUP", 150),
        instance_event(settings, instance, "BACKUP_PRIORITY", 160),
        instance_event(settings, instance, "MASTER", 160),
        group_event(settings, group, "MASTER"),
    ):
        notifier.send(told)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(fd, 4096).decode() == (
        'INSTANCE "VI_1" BACKUP 150\nINSTANCE "VI_1" BACKUP_PRIORITY 160\n'
        'INSTANCE "VI_1" MASTER 160\nGROUP "G1" MASTER 0\n'
    )
    os.close(fd)


def test_signals_and_traps_are_handed_on(notifier):
    signals, traps = [], []
    notifier.on_signal, notifier.on_trap = signals.append, traps.append
    settings = GlobalDefs()
    notifier.configure(settings)
    notifier.send(instance_event(settings, VrrpInstance(name="a", interface="e", virtual_router_id=7), "MASTER", 1))
    assert [(signal.interface, signal.virtual_router_id, signal.state) for signal in signals] == [("e", 7, 2)]
    assert [(trap.kind, trap.state) for trap in traps] == [("instance", 2)]


def test_stop_waits_for_its_scripts_but_not_for_ever(driver, notifier, tmp_path, monkeypatch):
    """With a limit of three seconds instead of one: a busy machine may need a second to start a script."""
    monkeypatch.setattr("pykeepalived.notify.queue.FINAL_TIMEOUT_NS", 3_000_000_000)
    monkeypatch.setattr("pykeepalived.notify.notifier.FINAL_GRACE_NS", 60_000_000_000)
    out = tmp_path / "out"
    notify = Notify(
        stop=script(tmp_path, "s.sh", f"echo stop >> {out}; sleep 1000"),
        generic=script(tmp_path, "g.sh", f'echo "$@" >> {out}'),
    )
    settings = GlobalDefs()
    notifier.configure(settings)
    begin = time.monotonic()
    notifier.send(instance_event(settings, VrrpInstance(name="VI_1", virtual_router_id=51, notify=notify), "STOP", 150))
    done: list[int] = []
    notifier.finish(lambda: done.append(1))
    driver.until(lambda: done)
    assert time.monotonic() - begin >= 3
    assert out.read_text() == "stop\nINSTANCE VI_1 STOP 150\n"


def test_stop_without_scripts_is_immediate(driver, notifier):
    notifier.configure(GlobalDefs())
    done: list[int] = []
    notifier.finish(lambda: done.append(1))
    assert done == [1]


def test_stop_ends_scripts_that_hang(driver, notifier, runner):
    settings = GlobalDefs()
    notifier.configure(settings)
    hangs = Notify(generic=Script(words=("/bin/sleep", "1000"), account=ME))
    instance = VrrpInstance(name="VI_1", virtual_router_id=51, notify=hangs)
    notifier.send(instance_event(settings, instance, "BACKUP", 150))
    notifier.send(instance_event(settings, instance, "MASTER", 150))
    done: list[int] = []
    notifier.finish(lambda: done.append(1))
    driver.until(lambda: done)
    assert runner.running == 0


def test_last_mails_are_delivered(driver, notifier):
    server = SmtpServer()
    settings = GlobalDefs(smtp=Smtp(server=Ip.parse("127.0.0.1"), port=server.port, recipients=("a@x",)))
    notifier.configure(settings)
    instance = VrrpInstance(name="VI_1", virtual_router_id=51, smtp_alert=True)
    notifier.send(instance_event(settings, instance, "STOP", 150))
    done: list[int] = []
    notifier.finish(lambda: done.append(1))
    driver.until(lambda: done and server.sessions)
    server.close()
    assert "=> VRRP Instance stopping <=" in server.sessions[0]


def test_dead_mail_server_does_not_hold_up_the_stop(driver, notifier):
    server = SmtpServer({"": None})
    settings = GlobalDefs(smtp=Smtp(server=Ip.parse("127.0.0.1"), port=server.port, recipients=("a@x",)))
    notifier.configure(settings)
    instance = VrrpInstance(name="VI_1", virtual_router_id=51, smtp_alert=True)
    notifier.send(instance_event(settings, instance, "STOP", 150))
    done: list[int] = []
    begin = time.monotonic()
    notifier.finish(lambda: done.append(1))
    driver.until(lambda: done)
    server.close()
    assert 1 <= time.monotonic() - begin < 20
