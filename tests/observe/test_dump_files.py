"""Dump files: names, directories, atomic replacement, links, and the forked writer."""

from __future__ import annotations

import os
import signal
import stat
import time

import pytest

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.observe.dump_files import (
    DumpWriter,
    data_path,
    dump_directory,
    json_path,
    stats_path,
    write_dump,
)


class MemoryLog:
    def __init__(self):
        self.texts = []

    def write(self, line):
        self.texts.append(line.text)


@pytest.mark.parametrize(
    ("process", "name"),
    [
        ("parent", "keepalived_parent.data"),
        ("vrrp", "keepalived.data"),
        ("checker", "keepalived_check.data"),
        ("bfd", "keepalived_bfd.data"),
    ],
)
def test_default_names(process, name):
    assert data_path(GlobalDefs(), process) == f"/tmp/{name}"
    assert data_path(GlobalDefs(), process, "/run/x") == f"/run/x/{name}"


def test_other_default_names():
    assert stats_path(GlobalDefs()) == "/tmp/keepalived.stats"
    assert json_path(GlobalDefs(), "/var/tmp") == "/var/tmp/keepalived.json"


@pytest.mark.keyword("global_defs/state_dump_file")
@pytest.mark.parametrize(
    ("word", "vrrp", "checker"),
    [
        ("/var/x.dump", "/var/x.dump", "/var/x_check.dump"),
        ("/var/dir/", "/var/dir/keepalived.data", "/var/dir/keepalived_check.data"),
        ("name.txt", "/tmp/name.txt", "/tmp/name_check.txt"),
        ("sub/", "/tmp/sub/keepalived.data", "/tmp/sub/keepalived_check.data"),
        ("/v.1/plain", "/v.1/plain", "/v.1/plain_check"),
    ],
)
def test_configured_names(word, vrrp, checker):
    settings = GlobalDefs(state_dump_file=word)
    assert data_path(settings, "vrrp") == vrrp
    assert data_path(settings, "checker") == checker


@pytest.mark.keyword("global_defs/data_use_instance")
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"instance": "I", "net_namespace": "N"}, "keepalived_check.N_I.data"),
        ({"instance": "I"}, "keepalived_check.I.data"),
        ({"net_namespace": "N"}, "keepalived_check.N.data"),
        ({}, "keepalived_check.data"),
    ],
)
def test_instance_in_the_name(words, name):
    assert data_path(GlobalDefs(data_use_instance=True, **words), "checker") == f"/tmp/{name}"


def test_directory(tmp_path):
    assert dump_directory({}) == ("/tmp", "")
    assert dump_directory({"TMPDIR": str(tmp_path)}) == (str(tmp_path), "")
    for bad in ("relative", str(tmp_path / "absent"), __file__):
        assert dump_directory({"TMPDIR": bad}) == ("/tmp", f"Environment TMPDIR={bad} not a directory")


@pytest.fixture
def default_umask():
    before = os.umask(0o177)
    yield
    os.umask(before)


def test_mode_content_and_no_leftovers(tmp_path, default_umask):
    path = tmp_path / "d"
    path.write_text("old and much longer")
    write_dump(str(path), "new\n")
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["d"]


def test_reader_of_the_old_file_keeps_it(tmp_path):
    path = tmp_path / "d"
    path.write_text("old")
    with path.open() as reader:
        write_dump(str(path), "new")
        assert reader.read() == "old"


def test_links_are_replaced_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "d").symlink_to(target)
    write_dump(str(tmp_path / "d"), "text")
    assert target.read_text() == "precious"
    assert not (tmp_path / "d").is_symlink()
    (tmp_path / f"d.{os.getpid()}.tmp").symlink_to(target)
    write_dump(str(tmp_path / "d"), "text 2")
    assert target.read_text() == "precious"
    assert (tmp_path / "d").read_text() == "text 2"


def test_special_files_stay(tmp_path):
    os.mkfifo(tmp_path / "d")
    with pytest.raises(OSError):
        write_dump(str(tmp_path / "d"), "text")
    assert stat.S_ISFIFO((tmp_path / "d").stat().st_mode)


def finish(writer: DumpWriter) -> None:
    end = time.monotonic() + 60
    while writer.busy:
        assert time.monotonic() < end
        writer.reap()
        time.sleep(0.005)


def test_forked_writer_sees_the_state_of_the_call(tmp_path):
    log = MemoryLog()
    writer = DumpWriter(log)
    state = {"n": 1}
    writer.write(str(tmp_path / "d"), lambda: f"{state['n']}")
    state["n"] = 2
    finish(writer)
    assert (tmp_path / "d").read_text() == "1"
    assert log.texts == []


def test_overlapping_dumps_keep_their_order_and_their_states(tmp_path):
    """The first takes longest; still the last call wins, and each saw the state of its own moment."""
    writer = DumpWriter(MemoryLog())
    state = {"n": 0}
    seen = tmp_path / "seen"

    def build(delay: float) -> str:
        time.sleep(delay)
        with seen.open("a") as file:
            file.write(f"{state['n']} ")
        return str(state["n"])

    for number, delay in ((1, 0.4), (2, 0.2), (3, 0.0)):
        state["n"] = number
        writer.write(str(tmp_path / "d"), lambda delay=delay: build(delay))
    state["n"] = 4
    finish(writer)
    assert (tmp_path / "d").read_text() == "3"
    assert sorted(seen.read_text().split()) == ["1", "2", "3"]


def test_empty_text_writes_no_file(tmp_path):
    writer = DumpWriter(MemoryLog())
    writer.write(str(tmp_path / "d"), lambda: "")
    finish(writer)
    assert os.listdir(tmp_path) == []


def test_failures_are_told(tmp_path):
    log = MemoryLog()
    writer = DumpWriter(log)
    writer.write(str(tmp_path / "absent" / "d"), lambda: "x")
    finish(writer)
    assert log.texts == [f"Can't write dump file {tmp_path}/absent/d: No such file or directory"]


def test_an_error_in_the_making_is_told_as_what_it_is(tmp_path):
    class FileLog:
        def write(self, line):
            (tmp_path / "log").write_text(line.text)

    writer = DumpWriter(FileLog())
    writer.write(str(tmp_path / "d"), lambda: {}["missing"])
    finish(writer)
    assert (tmp_path / "log").read_text() == f"Can't write dump file {tmp_path}/d: internal error KeyError: 'missing'"
    assert not (tmp_path / "d").exists()


def test_signals_of_the_writer_do_not_reach_the_process(tmp_path):
    writer = DumpWriter(MemoryLog())
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    try:
        writer.write(str(tmp_path / "d"), lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(5))[0] or "x")
        finish(writer)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == []
    assert os.listdir(tmp_path) == []
