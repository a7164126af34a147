"""Notify FIFOs on a real file system: creation, ownership, lines, full pipes, scripts, reload, removal."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.values import Account, Fifo, Script
from pykeepalived.notify.fifo import NotifyFifos
from tests.parent.running import alive

ME = Account(os.geteuid(), os.getegid())


@pytest.fixture(autouse=True)
def default_umask():
    before = os.umask(0o177)
    yield
    os.umask(before)


@pytest.fixture
def fifos(runner, log):
    made = NotifyFifos(runner, log, "vrrp")
    yield made
    made.close()


def reader(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


@pytest.mark.keyword("global_defs/notify_fifo")
@pytest.mark.keyword("global_defs/vrrp_notify_fifo")
def test_created_written_removed(fifos, tmp_path):
    shared, own = tmp_path / "all", tmp_path / "vrrp"
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(shared), ME), vrrp_notify_fifo=Fifo(str(own), ME)))
    for path in (shared, own):
        assert stat.S_ISFIFO(path.stat().st_mode)
        assert path.stat().st_mode & 0o777 == 0o600
    fifos.write('INSTANCE "VI_1" MASTER 150\n')
    fifos.write('INSTANCE "VI_1" BACKUP 150\n')
    for path in (shared, own):
        fd = reader(path)
        assert os.read(fd, 4096) == b'INSTANCE "VI_1" MASTER 150\nINSTANCE "VI_1" BACKUP 150\n', "kept until read"
        os.close(fd)
    fifos.close()
    assert not shared.exists()
    assert not own.exists()


@pytest.mark.keyword("global_defs/lvs_notify_fifo")
def test_each_process_opens_its_own(runner, log, tmp_path):
    settings = GlobalDefs(
        vrrp_notify_fifo=Fifo(str(tmp_path / "vrrp"), ME), lvs_notify_fifo=Fifo(str(tmp_path / "lvs"), ME)
    )
    lvs = NotifyFifos(runner, log, "lvs")
    lvs.configure(settings)
    assert [path.name for path in tmp_path.iterdir()] == ["lvs"]
    lvs.close()


def test_umask_widens_the_mode(fifos, tmp_path):
    os.umask(0o022)
    fifos.configure(GlobalDefs(vrrp_notify_fifo=Fifo(str(tmp_path / "f"), ME)))
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_owner(fifos, tmp_path):
    fifos.configure(GlobalDefs(vrrp_notify_fifo=Fifo(str(tmp_path / "f"), Account(65534, 65533))))
    status = (tmp_path / "f").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


def test_existing_fifo_is_used_and_left(fifos, tmp_path):
    path = tmp_path / "f"
    os.mkfifo(path, 0o640)
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(path), ME)))
    fifos.write("one\n")
    fd = reader(path)
    assert os.read(fd, 100) == b"one\n"
    fifos.close()
    assert os.read(fd, 100) == b"", "end of file after the last writer"
    os.close(fd)
    assert path.exists()
    assert path.stat().st_mode & 0o777 == 0o600 & 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_fifo_of_somebody_else_is_not_used(fifos, log, tmp_path):
    path = tmp_path / "f"
    os.mkfifo(path)
    os.chown(path, 65534, 65534)
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(path), ME)))
    assert log.texts == [f"{path} is not a fifo we own - not using"]
    fifos.write("lost\n")
    assert path.exists()


def test_other_kinds_of_files_are_not_touched(fifos, log, tmp_path):
    path = tmp_path / "f"
    path.write_text("precious")
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(path), ME)))
    fifos.write("line\n")
    fifos.close()
    assert path.read_text() == "precious"
    assert log.texts == [f"{path} is not a fifo we own - not using"]


def test_symbolic_links_are_not_followed(fifos, log, tmp_path):
    os.mkfifo(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(tmp_path / "link"), ME)))
    assert len(log.texts) == 1
    assert log.texts[0].startswith(f"Unable to open vrrp notify fifo {tmp_path / 'link'} - errno 40")
    assert (tmp_path / "link").is_symlink()


def test_missing_directory(fifos, log, tmp_path):
    path = tmp_path / "no" / "f"
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(path), ME)))
    assert log.texts == [f"Unable to create vrrp notify fifo {path}: No such file or directory"]
    fifos.write("nothing happens\n")


def test_same_path_twice_is_one_fifo(fifos, log, tmp_path):
    path = str(tmp_path / "f")
    fifos.configure(GlobalDefs(notify_fifo=Fifo(path, ME), vrrp_notify_fifo=Fifo(path, ME)))
    fifos.write("x\n")
    fd = reader(Path(path))
    assert os.read(fd, 100) == b"x\n"
    os.close(fd)
    assert len(log.texts) == 1


def test_full_pipe_drops_whole_lines_and_says_so_once(fifos, log, tmp_path):
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(tmp_path / "f"), ME)))
    line = "x" * 99 + "\n"
    for _ in range(2000):
        fifos.write(line)
    assert log.texts == [f"Notify fifo {tmp_path / 'f'} is full - dropping messages"]
    fd = reader(tmp_path / "f")
    data = os.read(fd, 1 << 20)
    os.close(fd)
    assert set(data.decode().split("\n")) == {"x" * 99, ""}
    written = len(data) // 100
    fifos.write(line)
    assert log.texts[1] == f"Notify fifo {tmp_path / 'f'} takes messages again, {2000 - written} were dropped"


def script(tmp_path: Path, name: str, body: str) -> Script:
    path = tmp_path / name
    path.write_text("#!/bin/sh\n" + body + "\n")
    path.chmod(0o755)
    return Script(words=(str(path), "own"), account=ME, path=str(path))


@pytest.mark.keyword("global_defs/vrrp_notify_fifo_script")
def test_script_gets_the_path_last_and_reads(driver, fifos, tmp_path):
    out = tmp_path / "out"
    reading = script(tmp_path, "reader.sh", f'echo "$@" > {out}; read -r line < "$2"; echo "$line" >> {out}')
    fifo = str(tmp_path / "f")
    fifos.configure(GlobalDefs(vrrp_notify_fifo=Fifo(fifo, ME, reading)))
    fifos.write('INSTANCE "VI_1" MASTER 150\n')
    driver.until(lambda: out.exists() and out.read_text().count("\n") == 2)
    assert out.read_text() == f'own {fifo}\nINSTANCE "VI_1" MASTER 150\n'


def test_end_of_the_script_is_logged_and_it_stays_ended(driver, fifos, log, runner, tmp_path):
    count = tmp_path / "count"
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(tmp_path / "f"), ME, script(tmp_path, "s", f"echo >> {count}"))))
    driver.until(lambda: log.texts)
    assert log.texts == ["vrrp notify fifo script terminated"]
    driver.for_seconds(0.3)
    assert count.read_text() == "\n"
    assert runner.running == 0


def test_a_reader_killed_with_its_helper_is_started_again(driver, fifos, runner, log, tmp_path):
    out = tmp_path / "out"
    reading = script(tmp_path, "reader.sh", f'while read -r line; do echo "$line" >> {out}; done < "$2"')
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(tmp_path / "f"), ME, reading)))
    fifos.write("first\n")
    driver.until(lambda: out.exists() and "first" in out.read_text())
    helper, first = runner._helper_pid, next(iter(runner._runs.values())).pid
    os.kill(helper, signal.SIGKILL)
    os.waitpid(helper, 0)
    driver.until(lambda: "Script process died - restarting it" in log.texts)
    driver.until(lambda: not alive(first))  # or it takes some of the bytes
    fifos.write("second\n")
    driver.until(lambda: "second" in out.read_text())


def test_reload_keeps_the_fifo_and_the_script_until_it_changes(driver, fifos, log, tmp_path):
    out = tmp_path / "out"
    body = f"trap 'echo term >> {out}; exit' TERM; echo start >> {out}; while :; do sleep 0.05; done"
    settings = GlobalDefs(notify_fifo=Fifo(str(tmp_path / "f"), ME, script(tmp_path, "s", body)))
    fifos.configure(settings)
    inode = (tmp_path / "f").stat().st_ino
    fd = reader(tmp_path / "f")
    fifos.write("before\n")
    driver.until(lambda: out.exists() and out.read_text() == "start\n")
    fifos.configure(settings)
    fifos.write("after\n")
    driver.for_seconds(0.3)
    assert out.read_text() == "start\n"
    script(tmp_path, "s", body + " # another version")
    fifos.configure(settings)
    driver.until(lambda: sorted(out.read_text().split()) == ["start", "start", "term"])
    assert (tmp_path / "f").stat().st_ino == inode
    assert os.read(fd, 100) == b"before\nafter\n"
    os.close(fd)
    assert log.texts == []


def test_reload_closes_what_is_no_longer_configured(fifos, tmp_path):
    fifos.configure(GlobalDefs(notify_fifo=Fifo(str(tmp_path / "a"), ME)))
    fifos.configure(GlobalDefs(vrrp_notify_fifo=Fifo(str(tmp_path / "b"), ME)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


def test_fifo_removed_by_somebody_is_made_again_at_reload(fifos, tmp_path):
    settings = GlobalDefs(notify_fifo=Fifo(str(tmp_path / "a"), ME))
    fifos.configure(settings)
    (tmp_path / "a").unlink()
    fifos.configure(settings)
    fifos.write("x\n")
    fd = reader(tmp_path / "a")
    assert os.read(fd, 100) == b"x\n"
    os.close(fd)


def test_only_one_of_two_processes_runs_the_global_script(driver, runner, log, tmp_path):
    out = tmp_path / "out"
    settings = GlobalDefs(notify_fifo=Fifo(str(tmp_path / "f"), ME, script(tmp_path, "s", f"echo run >> {out}")))
    vrrp, lvs = NotifyFifos(runner, log, "vrrp"), NotifyFifos(runner, log, "lvs", runs_global_script=False)
    vrrp.configure(settings)
    lvs.configure(settings)
    driver.until(lambda: runner.running == 0)
    assert out.read_text() == "run\n"
    lvs.write("VS [10.99.0.1]:tcp:80 UP\n")
    vrrp.write('GROUP "G1" BACKUP 0\n')
    fd = reader(tmp_path / "f")
    assert os.read(fd, 100) == b'VS [10.99.0.1]:tcp:80 UP\nGROUP "G1" BACKUP 0\n'
    os.close(fd)
    lvs.close()
    assert (tmp_path / "f").exists()
    vrrp.close()
    assert not (tmp_path / "f").exists()
