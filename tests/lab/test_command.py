"""The commands of a laboratory: what is refused, in words that tell what was expected, and what ends it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pykeepalived.lab import command
from pykeepalived.lab.net import LabError, Namespace
from pykeepalived.lab.node import Node


class Recorded:
    """A laboratory that only notes what is asked of it."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []
        cables = SimpleNamespace(cables={"eth0": "p0"}, command=lambda *words: list(words))
        self.nodes = {
            "a": SimpleNamespace(namespace=cables, control_socket=Path("/nowhere/a.sock")),
            "b": SimpleNamespace(namespace=cables, control_socket=Path("/nowhere/b.sock")),
        }

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        def act(*words: object, **more: object) -> str:
            self.done.append((name, *words))
            return name.upper()

        return act


def perform(line: str) -> tuple[Recorded, bool]:
    lab = Recorded()
    return lab, command._perform(lab, line, time.monotonic() + 60)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kill", "kill: expected NODE"),
        ("kill c", "kill: no node c, only a, b"),
        ("kill a b", "kill: expected NODE"),
        ("status a", "status: expected nothing"),
        ("unplug a", "unplug: expected NODE INTERFACE"),
        ("plug a eth9", "plug: a has no interface eth9, only eth0"),
        ("wait", "wait: expected SECONDS"),
        ("wait soon", "wait: expected a number of seconds, not soon"),
        ("wait nan", "wait: expected a number of seconds, not nan"),
        ("run a", "run: expected NODE WORD ..."),
        ("ask a", "ask: expected NODE COMMAND ..."),
        ("ask a simulate", "ask: no command simulate, only status, why, metrics, plan, reload, record"),
        ("'open", "'open: No closing quotation"),
    ],
)
def test_what_is_not_understood_is_told_and_not_done(line: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    lab, goes_on = perform(line)
    assert capfd.readouterr().out.strip() == said
    assert goes_on
    assert lab.done == []


def test_an_unknown_command_names_those_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    perform("frobnicate a")
    assert capfd.readouterr().out.startswith("frobnicate: no such command; help lists them: status, ask, kill, ")


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("kill a", ("kill", "a")),
        ("  reload 'b' ", ("reload", "b")),
        ("unplug a eth0", ("carrier", "a", "eth0", False)),
        ("plug a eth0", ("carrier", "a", "eth0", True)),
        ("status", ("table",)),
    ],
)
def test_what_is_done(line: str, done: tuple[object, ...]) -> None:
    lab, goes_on = perform(line)
    assert lab.done == [done]
    assert goes_on


def test_quit_ends_it_and_the_rest_is_not_done(capfd: pytest.CaptureFixture[str]) -> None:
    lab = Recorded()
    assert command.converse(lab, "kill a; quit; kill b", time.monotonic() + 60) == 0  # type: ignore[arg-type]
    assert ("kill", "a") in lab.done
    assert ("kill", "b") not in lab.done
    assert capfd.readouterr().out == "STORY\n"


def test_programs_in_a_node_are_heard_also_when_they_fail(capfd: pytest.CaptureFixture[str]) -> None:
    perform(f"run a {sys.executable} -c 'import sys; print(7, flush=True); sys.exit(\"bad\")'")
    assert capfd.readouterr().out == "7\nbad\n"


def test_a_program_that_does_not_end(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "COMMAND_TIMEOUT_SECONDS", 0.2)
    _, goes_on = perform("run a sleep 60")
    assert capfd.readouterr().out == "run: ended after 0.2 s\n"
    assert goes_on


def test_a_node_without_a_daemon_that_can_be_asked(capfd: pytest.CaptureFixture[str]) -> None:
    perform("ask a why VI_1")
    assert capfd.readouterr().out.startswith("no daemon answers on /nowhere/a.sock: No such file or directory")


def test_the_socket_of_a_node_is_where_its_daemon_makes_it() -> None:
    from pykeepalived.parent.paths import run_paths

    node = Node("a", Namespace("x", "y"), Path("a.conf"), Path("/scratch/a"))
    words = node.command()
    assert str(node.control_socket) == run_paths(parent=words[words.index("-p") + 1]).control_socket


def test_an_error_of_the_laboratory_does_not_end_it(capfd: pytest.CaptureFixture[str]) -> None:
    lab = Recorded()

    def kill(name: str) -> None:
        raise LabError("no")

    lab.kill = kill  # type: ignore[attr-defined]
    assert command._perform(lab, "kill a", time.monotonic() + 1)  # type: ignore[arg-type]
    assert capfd.readouterr().out == "kill: no\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--program", "node1"), "--program node1: expected NODE=WORDS, the nodes are node1, node2"),
        (("--program", "x=true"), "--program x=true: expected NODE=WORDS, the nodes are node1, node2"),
        (("--program", "node1=/nonexistent -x"), "--program node1=/nonexistent -x: there is no program /nonexistent"),
        (("--program", "node1='x"), "--program node1='x: No closing quotation"),
    ],
)
def test_programs_that_cannot_be_run(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["a.conf", *words]) == 2
    assert capsys.readouterr().err == f"pykeepalived lab: {said}\n"


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "soon", "1e300"])
def test_times_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["a.conf", "--seconds", text])
    assert f"expected seconds, at most 10000000, not {text}" in capsys.readouterr().err
