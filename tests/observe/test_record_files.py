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


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    lines = Lines()
    writer = RecordWriter(lines, lambda _: "x", "vrrp")
    writer.write((str(tmp_path / "none" / "file"),))
    finish(writer)
    assert lines.lines == [f"Can't write dump file {tmp_path}/none/file: No such file or directory"]
