"""Tracked files and processes: what is told at once, after changes, and after a reload."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pykeepalived.config.model.vrrp import TrackFile, TrackProcess
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime import tracked_files
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.tracked_files import FileWatcher, write_initial
from pykeepalived.vrrp import watchers
from pykeepalived.vrrp.processes import ProcessWatcher, matches, open_connector
from pykeepalived.vrrp.watchers import LinkbeatPoller


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def until(loop: Loop, condition: Callable[[], bool]) -> None:
    end = loop.now() + 20_000_000_000
    while not condition():
        loop.run_once(until=end)
        assert loop.now() < end, "nothing happened"


# files


@pytest.mark.keyword("track_file/file")
def test_content_is_told_at_once_and_after_every_change(loop: Loop, tmp_path: Path) -> None:
    told: list[tuple[str, bytes | None]] = []
    path, other = tmp_path / "value", tmp_path / "other"
    watcher = FileWatcher(loop, _no_log, lambda name, content: told.append((name, content)), "vrrp track file")
    watcher.watch([TrackFile(name="f", path=str(path))])
    assert told == [("f", None)]
    steps: list[tuple[Callable[[], object], bytes | None]] = [
        (lambda: path.write_bytes(b"5\n"), b"5\n"),
        (lambda: path.write_bytes(b"x" * 200), b"x" * 127),
        (path.unlink, None),
        (lambda: (other.write_bytes(b"7"), other.rename(path)), b"7"),
        (lambda: path.rename(other), None),
    ]
    for act, content in steps:
        told.clear()
        act()
        until(loop, lambda content=content: ("f", content) in told)  # type: ignore[misc]
    watcher.close()


def test_reload_tells_only_what_is_new(loop: Loop, tmp_path: Path) -> None:
    told: list[str] = []
    first, second = (TrackFile(name=name, path=str(tmp_path / name)) for name in "ab")
    watcher = FileWatcher(loop, _no_log, lambda name, _content: told.append(name), "vrrp track file")
    watcher.watch([first])
    watcher.watch([first, second])
    watcher.watch([second])
    assert told == ["a", "b"]
    watcher.close()


def test_directory_that_is_missing_is_logged(loop: Loop, tmp_path: Path) -> None:
    lines: list[LogLine] = []
    watcher = FileWatcher(loop, lines.append, lambda name, content: None, "vrrp track file")
    watcher.watch([TrackFile(name="f", path=str(tmp_path / "no" / "file"))])
    assert "Unable to monitor vrrp track file" in lines[0].text
    watcher.close()


def test_files_that_no_watch_is_left_for_are_read_once_and_it_is_told(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_words: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(tracked_files, "DirectoryWatch", no_more)
    lines: list[LogLine] = []
    told: list[bytes | None] = []
    (tmp_path / "f").write_bytes(b"3")
    watcher = FileWatcher(loop, lines.append, lambda _name, content: told.append(content), "vrrp track file")
    watcher.watch([TrackFile(name="f", path=str(tmp_path / "f"))])
    assert [line.text for line in lines] == ["Unable to monitor any vrrp track file - errno 24 (Too many open files)"]
    assert told == [b"3"]
    watcher.close()


def test_fifo_in_place_of_the_file_does_not_stall(loop: Loop, tmp_path: Path) -> None:
    told: list[bytes | None] = []
    os.mkfifo(tmp_path / "f")
    watcher = FileWatcher(loop, _no_log, lambda _name, content: told.append(content), "vrrp track file")
    watcher.watch([TrackFile(name="f", path=str(tmp_path / "f"))])
    assert told == [b""]
    watcher.close()


@pytest.mark.keyword("track_file/init_file")
@pytest.mark.parametrize(
    ("before", "value", "overwrite", "after"),
    [(None, 7, False, b"7\n"), (b"3", 7, False, b"3"), (b"3", 7, True, b"7\n"), (None, None, False, None)],
)
def test_init_file(
    tmp_path: Path, before: bytes | None, value: int | None, overwrite: bool, after: bytes | None
) -> None:
    path = tmp_path / "f"
    if before is not None:
        path.write_bytes(before)
    write_initial(TrackFile(name="f", path=str(path), init_value=value, overwrite=overwrite), _no_log)
    assert (path.read_bytes() if path.exists() else None) == after


def test_init_file_leaves_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    write_initial(TrackFile(name="f", path=str(tmp_path / "f"), init_value=1, overwrite=True), _no_log)
    assert stat.S_ISFIFO(os.stat(tmp_path / "f").st_mode)


def _no_log(line: LogLine) -> None:
    raise AssertionError(line.text)


# link beat


@pytest.mark.keyword("linkbeat_use_polling")
def test_loopback_is_polled_by_its_flags(loop: Loop) -> None:
    told: list[tuple[str, bool]] = []
    lines: list[LogLine] = []
    poller = LinkbeatPoller(loop, lines.append, lambda name, up: told.append((name, up)))
    poller.watch(["lo", "does-not-exist"])
    assert told[1] == ("does-not-exist", False)
    assert told[0][0] == "lo"
    poller.watch([])
    assert loop.deadline() is not None
    poller.close()


def test_without_a_socket_nothing_is_polled_and_it_is_told(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_words: object) -> None:
        raise OSError(24, "Too many open files")

    lines: list[LogLine] = []
    told: list[str] = []
    poller = LinkbeatPoller(loop, lines.append, lambda name, _up: told.append(name))
    with monkeypatch.context() as broken:
        broken.setattr(watchers.socket, "socket", no_more)
        poller.watch(["lo", "eth7"])
    assert [line.text for line in lines] == ["Unable to poll lo, eth7 for a link - errno 24 (Too many open files)"]
    assert told == []
    poller.watch(["lo"])
    assert told == ["lo"]
    poller.close()


# processes


def entry(process: str = "named", **words: object) -> TrackProcess:
    return TrackProcess(name="p", process=process, **words)  # type: ignore[arg-type]


PATH = "/usr/sbin/named"
TWO = ("-u", "bind")


def by_path(*parameters: str, **words: object) -> dict[str, object]:
    """What the configuration makes of a path, or a name, with parameters."""
    return {"process": PATH, "parameters": parameters, "full_command": True, **words}


@pytest.mark.keyword("vrrp_track_process/process")
@pytest.mark.keyword("vrrp_track_process/param_match")
@pytest.mark.keyword("vrrp_track_process/full_command")
@pytest.mark.parametrize(
    ("words", "comm", "command", "expected"),
    [
        # each row is what keepalived 2.2.7 makes of such a process
        ({}, "named", ("anything",), True),
        ({}, "named2", (), False),
        ({"process": PATH}, "named", (PATH,), False),
        (by_path(), "named", (PATH, *TWO), True),
        (by_path(process="named"), "named", (PATH, *TWO), False),
        (by_path(*TWO, process="named"), "named", (PATH, *TWO), False),
        (by_path(*TWO), "named", (PATH, *TWO), True),
        (by_path("-u"), "named", (PATH, *TWO), False),
        (by_path(*TWO), "named", (PATH, *TWO, "-4"), False),
        (by_path("-u", param_match="partial"), "named", (PATH, *TWO), True),
        (by_path("-", param_match="partial"), "named", (PATH, *TWO), False),
        (by_path(*TWO, param_match="partial"), "named", (PATH, *TWO), True),
        (by_path("-u", "bi", param_match="partial"), "named", (PATH, *TWO), False),
        (by_path("-u", param_match="initial"), "named", (PATH, *TWO), True),
        (by_path("-", param_match="initial"), "named", (PATH, *TWO), True),
        (by_path("-u", "bi", param_match="initial"), "named", (PATH, *TWO), True),
        (by_path("-v", "bi", param_match="initial"), "named", (PATH, *TWO), False),
        (by_path("-u", "bi", process="named", param_match="initial"), "named", (PATH, *TWO), False),
        (by_path(*TWO, "-", param_match="initial"), "named", (PATH, *TWO), False),
        (by_path(param_match="exact"), "named", (PATH,), True),
        (by_path(param_match="exact"), "named", (PATH, *TWO), False),
        (by_path(param_match="partial"), "named", (PATH, *TWO), True),
        (by_path(param_match="initial"), "named", (PATH, *TWO), True),
    ],
)
def test_matching(words: dict[str, object], comm: str, command: tuple[str, ...], expected: bool) -> None:
    assert matches(entry(**words), comm, command) is expected


def test_name_is_cut_at_15_bytes() -> None:
    assert matches(TrackProcess(name="p", process="a-very-long-process-name"), "a-very-long-pro", ())


def fake_process(proc: Path, pid: int, comm: str, state: str = "S") -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} ({comm}) {state} 1 1")
    (proc / str(pid) / "cmdline").write_bytes(comm.encode() + b"\0")


def event(kind: int, *numbers: int) -> bytes:
    return bytes(36) + struct.pack("=IIQ", kind, 0, 0) + struct.pack(f"={len(numbers)}I", *numbers)


def test_counts_follow_fork_exec_and_exit(loop: Loop, tmp_path: Path) -> None:
    import socket

    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    told: list[tuple[str, int]] = []
    fake_process(tmp_path, 10, "named")
    fake_process(tmp_path, 11, "named", "Z")
    fake_process(tmp_path, 12, "sh")
    watcher = ProcessWatcher(loop, _no_log, lambda name, count: told.append((name, count)), lambda: ours, str(tmp_path))
    watcher.watch([entry()])
    assert told == [("p", 1)]
    fake_process(tmp_path, 12, "named")
    steps = [
        (event(0x1, 10, 10, 20, 20), 2),
        (event(0x1, 20, 20, 21, 20), 2),
        (event(0x2, 12, 12), 3),
        (event(0x80000000, 20, 20, 0, 0), 2),
        (event(0x80000000, 10, 9, 0, 0), 2),
        (event(0x80000000, 10, 10, 0, 0), 1),
    ]
    for data, count in steps:
        kernels.send(data)
        loop.run_once(until=loop.now() + 1_000_000_000)
        assert told[-1] == ("p", count)
    assert [count for _, count in told] == [1, 2, 3, 2, 1]
    kernels.send(b"short")
    loop.run_once(until=loop.now() + 1_000_000_000)
    watcher.close()
    kernels.close()


def test_counts_without_a_connector_are_those_of_the_start(loop: Loop, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    log: list[LogLine] = []
    fake_process(tmp_path, 10, "named")
    watcher = ProcessWatcher(
        loop, log.append, lambda name, count: told.append((name, count)), lambda: None, str(tmp_path)
    )
    watcher.watch([entry()])
    assert told == [("p", 1)]
    assert [line.text for line in log] == ["no kernel support for track_process (CONFIG_PROC_EVENTS)"]
    watcher.close()


@pytest.mark.netns
def test_real_processes_are_counted(loop: Loop) -> None:
    probe = open_connector()
    if probe is None:
        pytest.skip("no process connector here")
    probe.close()
    told: list[int] = []
    watcher = ProcessWatcher(loop, _no_log, lambda _name, count: told.append(count))
    name = f"pknl-{os.getpid()}"
    watcher.watch([TrackProcess(name="p", process=name)])
    assert told == [0]
    script = f"import ctypes,time; ctypes.CDLL(None).prctl(15, b'{name}'); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", script])
    try:
        until(loop, lambda: told[-1] == 1)
    finally:
        child.kill()
        child.wait()
    until(loop, lambda: told[-1] == 0)
    watcher.close()
