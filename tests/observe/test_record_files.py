"""Record files: who may read them, when they are written, and that errors cost one file only."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.record_files import RecordWriter


@dataclass
class Lines:
    lines: list[str] = field(default_factory=list)

    def write(self, line: LogLine) -> None:
        self.lines.append(line.text)


def finish(writer: RecordWriter) -> None:
    for _ in range(1000):
        writer.reap()
        if not writer.busy:
            return
        time.sleep(0.01)
    raise AssertionError("the writer does not end")


def test_a_record_is_for_its_owner_and_without_secrets_unless_asked(tmp_path: Path) -> None:
    writer = RecordWriter(Lines(), lambda secrets: f"secrets {secrets}\n", "vrrp")
    path = tmp_path / "file"
    mask = os.umask(0)
    try:
        assert writer.write((str(path),)) == {"path": str(path)}
        finish(writer)
    finally:
        os.umask(mask)
    assert path.read_text() == "secrets False\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    writer.write((str(path), "secrets"))
    finish(writer)
    assert path.read_text() == "secrets True\n"


@pytest.mark.parametrize("words", [(), ("relative",), ("/tmp/x", "other"), ("/tmp/x", "secrets", "more")])
def test_other_words_are_refused(words: tuple[str, ...]) -> None:
    assert "error" in RecordWriter(Lines(), lambda _: "", "vrrp").write(words)


def test_a_row_of_internal_errors_writes_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    lines = Lines()
    writer = RecordWriter(lines, lambda secrets: f"secrets {secrets}\n", "bfd")
    writer.write_once()
    finish(writer)
    path = tmp_path / "keepalived_bfd.record"
    assert path.read_text() == "secrets False\n"
    path.unlink()
    writer.write_once()
    finish(writer)
    assert not path.exists()
    assert lines.lines == [f"Writing flight record {path}"]


def test_a_file_that_cannot_be_written_is_told_in_the_log(tmp_path: Path) -> None:
    lines = Lines()
    writer = RecordWriter(lines, lambda _: "x", "vrrp")
    path = tmp_path / ("n" * 250)  # long enough for itself, too long for the one it is renamed from
    assert "path" in writer.write((str(path),))
    finish(writer)
    assert lines.lines == [f"Can't write dump file {path}: File name too long"]


def test_what_cannot_become_a_record_is_told_at_once(tmp_path: Path) -> None:
    writer = RecordWriter(Lines(), lambda _: "x", "vrrp")
    os.mkfifo(tmp_path / "fifo")
    for path, reason in (
        (tmp_path, f"{tmp_path} is not a regular file"),
        (tmp_path / "fifo", f"{tmp_path}/fifo is not a regular file"),
        (tmp_path / "no" / "x", f"{tmp_path}/no is not a directory"),
        (Path("/dev/full"), "/dev/full is not a regular file"),
        (tmp_path / "a\0b", f"{tmp_path}/a\0b is no path"),
    ):
        assert writer.write((str(path),)) == {"error": reason}
    assert not writer.busy
