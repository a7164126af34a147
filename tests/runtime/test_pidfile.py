"""pid files: locks, content, replacement, links."""

from __future__ import annotations

import os
import stat

import pytest

from pykeepalived.runtime.pidfile import AlreadyRunningError, PidFile, running_pid


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "k.pid")


def test_content_mode_and_removal(path):
    before = os.umask(0o177)
    try:
        pid_file = PidFile(path)
    finally:
        os.umask(before)
    pid_file.write(1234)
    with open(path) as file:
        assert file.read() == "1234\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    pid_file.write(7)
    with open(path) as file:
        assert file.read() == "7\n"
    pid_file.remove()
    assert not os.path.exists(path)
    pid_file.remove()


def test_only_one_holder(path):
    first = PidFile(path)
    with pytest.raises(AlreadyRunningError, match=f"Another process has pid file {path} locked"):
        PidFile(path)
    first.close()
    PidFile(path).remove()


def test_stale_content_does_not_matter(path):
    with open(path, "w") as file:
        file.write("garbage, longer than a pid")
    pid_file = PidFile(path)
    pid_file.write(5)
    with open(path) as file:
        assert file.read() == "5\n"


def test_a_child_holds_the_lock_on(path):
    pid_file = PidFile(path)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    pid_file.close()
    with pytest.raises(AlreadyRunningError):
        PidFile(path)
    os.close(write_end)
    os.waitpid(child, 0)
    PidFile(path).close()


def test_links_are_not_followed(path, tmp_path):
    os.symlink(tmp_path / "target", path)
    with pytest.raises(AlreadyRunningError):
        PidFile(path)
    assert not (tmp_path / "target").exists()


def test_a_removed_file_is_made_anew_and_a_strangers_is_left(path):
    pid_file = PidFile(path)
    os.unlink(path)
    pid_file.write(9)
    with open(path) as file:
        assert file.read() == "9\n"
    os.unlink(path)
    with open(path, "w") as file:
        file.write("other")
    pid_file.remove()
    assert os.path.exists(path)


def test_abandoning_removes_only_what_was_just_made(path):
    PidFile(path).abandon()
    assert not os.path.exists(path)
    with open(path, "w") as file:
        file.write("55\n")
    PidFile(path).abandon()
    assert os.path.exists(path)


def test_an_unlocked_file_of_a_living_keepalived_counts(path, tmp_path):
    with open(path, "w") as file:
        file.write(f"{os.getpid()}\n")
    assert running_pid(path) is None
    child = os.fork()
    if child == 0:
        with open("/proc/self/comm", "w") as file:
            file.write("keepalived")
        os.kill(os.getpid(), 19)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        with open(path, "w") as file:
            file.write(f"{child}\n")
        assert running_pid(path) == child
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert running_pid(path) is None
    for text in ("", "x\n", "99999999999999999999\n", "-5\n"):
        with open(path, "w") as file:
            file.write(text)
        assert running_pid(path) is None
