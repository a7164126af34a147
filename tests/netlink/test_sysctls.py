"""Kernel parameters: changed for several users, given back once, also by a successor."""

from __future__ import annotations

from pathlib import Path

from pykeepalived.netlink.sysctls import SavedSysctls, SysctlJournal


class Machine:
    """Parameters, and daemons one after the other with one journal."""

    def __init__(self, file: Path, **values: str) -> None:
        self.file = file
        self.values = dict(values)

    def daemon(self) -> SavedSysctls:
        return SavedSysctls(self.values.get, self.values.__setitem__, SysctlJournal(str(self.file)))


def test_value_is_given_back_when_its_last_user_has_gone(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0")
    saved = machine.daemon()
    assert saved.want("a", "1", "x")
    assert not saved.want("a", "1", "y")
    saved.release("a", "x")
    assert machine.values["a"] == "1"
    assert saved.original("a") == "0"
    saved.release("a", "y")
    assert machine.values["a"] == "0"
    assert machine.daemon().original("a") == "0"


def test_successor_knows_what_was_before(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0", b="5", c="7")
    former = machine.daemon()
    for path in "abc":
        former.want(path, "1", path)
    former.release("c", "c")
    saved = machine.daemon()
    assert saved.original("a") == "0"
    assert not saved.want("a", "1", "x")
    saved.release_unused()
    assert machine.values == {"a": "1", "b": "5", "c": "7"}
    saved.restore_all()
    assert machine.values["a"] == "0"
    assert not machine.file.exists()


def test_successor_of_a_successor_knows_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0")
    machine.daemon().want("a", "1", "x")
    machine.daemon().want("a", "1", "x")
    machine.daemon().restore_all()
    assert machine.values["a"] == "0"


def test_value_changed_by_somebody_since_is_theirs(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0")
    machine.daemon().want("a", "1", "x")
    machine.values["a"] = "2"
    saved = machine.daemon()
    assert saved.original("a") == "2"
    saved.restore_all()
    assert machine.values["a"] == "2"


def test_journal_of_another_boot_or_namespace_says_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0")
    machine.daemon().want("a", "1", "x")
    machine.file.write_text("elsewhere" + machine.file.read_text())
    assert machine.daemon().original("a") == "1"


def test_journal_of_any_content_does_no_harm(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="1")
    for content in (b"", b"\xff\0\n\n", b"a\t0\t1\n"):
        machine.file.write_bytes(content)
        assert machine.daemon().original("a") == "1"


def test_journal_that_cannot_be_written_is_told_and_done_without(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "j", a="0")
    journal = SysctlJournal(str(tmp_path / "missing" / "j"))
    saved = SavedSysctls(machine.values.get, machine.values.__setitem__, journal)
    assert saved.want("a", "1")
    assert saved.trouble.endswith("No such file or directory")
    saved.restore_all()
    assert machine.values["a"] == "0"
