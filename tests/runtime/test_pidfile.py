"""pid files: locks, content, replacement, links."""

from __future__ import annotations

import errno
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
    first.write(1)
    with pytest.raises(AlreadyRunningError, match=f"Another process has pid file {path} locked"):
        PidFile(path)
    first.close()
    PidFile(path).remove()


def test_of_two_at_the_same_moment_the_first_to_write_wins(path):
    first, second = PidFile(path), PidFile(path)
    first.write(1)
    with pytest.raises(AlreadyRunningError, match="locked"):
        second.write(2)
    with open(path) as file:
        assert file.read() == "1\n"


def test_the_file_appears_when_it_is_written(path):
    pid_file = PidFile(path)
    assert not os.path.exists(path)
    pid_file.write(1)
    assert os.path.exists(path)


def test_one_that_a_child_wrote_is_the_parents_too(path):
    """The lock is that of both; a second child goes on with the same file."""
    pid_file = PidFile(path)
    for pid in (11, 12):
        child = os.fork()
        if child == 0:
            pid_file.write(pid)
            os._exit(0)
        os.waitpid(child, 0)
        with open(path) as file:
            assert file.read() == f"{pid}\n"
        with pytest.raises(AlreadyRunningError):
            PidFile(path)
    pid_file.remove()
    assert not os.path.exists(path)


def test_nobody_ever_reads_an_empty_file(path):
    """A reader that looks all the time, and pids of all lengths written one after the other."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        bad = 0
        os.write(go, b"x")
        while True:
            try:
                with open(path) as file:
                    text = file.read()
            except FileNotFoundError:
                continue
            bad += not text.split("\n")[0].isdigit()
            if text == "0\n":
                os._exit(min(bad, 100))
    os.read(ready, 1)
    pid_file = PidFile(path)
    for pid in (*range(1, 3000), 0):
        pid_file.write(pid * 7919 % 4194304)
    assert os.waitpid(child, 0)[1] == 0


def test_where_files_need_names(path, monkeypatch):
    """A file system that has no files without names."""
    usual = os.open

    def refuse(name, flags, *mode, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return usual(name, flags, *mode, **more)

    monkeypatch.setattr(os, "open", refuse)
    pid_file = PidFile(path)
    pid_file.write(5)
    os.unlink(path)
    pid_file.write(6)
    with open(path) as file:
        assert file.read() == "6\n"


def test_written_again_after_it_was_given_up(path):
    """A child that is not wanted now may be after a reload."""
    pid_file = PidFile(path)
    pid_file.remove()
    pid_file.write(8)
    with open(path) as file:
        assert file.read() == "8\n"


def test_stale_content_does_not_matter(path):
    with open(path, "w") as file:
        file.write("garbage, longer than a pid")
    pid_file = PidFile(path)
    pid_file.write(5)
    with open(path) as file:
        assert file.read() == "5\n"


def test_a_child_holds_the_lock_on(path):
    pid_file = PidFile(path)
    pid_file.write(1)
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
    pid_file.write(8)
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


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_neither_waited_for_nor_used(path, make):
    """Opening a FIFO to read waits for a writer; what is read from a device means nothing."""
    make(path)
    assert running_pid(path) is None
    with pytest.raises(AlreadyRunningError, match=rf"Unable to open pid file {path} - "):
        PidFile(path)
    assert os.path.lexists(path)
