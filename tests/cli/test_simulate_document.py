"""docs/simulate.md shows what the command does: every command in it is run, every table is that of the program."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from pykeepalived.cli.simulate import main
from pykeepalived.sim.scenario import EXPECTATIONS, FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "simulate.md"
EXAMPLES = ROOT / "docs" / "examples" / "simulate"
SESSION = re.compile(r"```\n\$ pykeepalived simulate (?P<words>[^\n]*)\n(?P<shown>.*?)```", re.DOTALL)


def table(kinds: dict[str, str]) -> str:
    """The rows of one table."""
    rows = []
    for kind, usage in kinds.items():
        form, _, text = usage.partition(": ")
        rows.append(f"| `--{kind} {form.replace(' or ', '`, `')}` | {text} |")
    return "\n".join(rows)


def output(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints, with its exit status if that is not 0."""
    status = main(shlex.split(words))
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out + (f"(exit status {status})\n" if status else "")


def sessions() -> list[tuple[str, str]]:
    return [(match["words"], match["shown"]) for match in SESSION.finditer(PAGE.read_text())]


def test_the_tables_are_complete() -> None:
    text = PAGE.read_text()
    assert table(dict(FAULTS)) in text
    assert table(dict(EXPECTATIONS)) in text


def test_there_are_the_examples() -> None:
    used = " ".join(words for words, _ in sessions())
    assert len(sessions()) == 4
    for path in EXAMPLES.iterdir():
        assert path.name in used, f"{path.name} is in no example"


@pytest.mark.parametrize("number", range(4))
def test_the_output_is_as_shown(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES)
    words, shown = sessions()[number]
    found = output(words, capsys)
    if os.environ.get("REWRITE_DOCUMENTS"):
        PAGE.write_text(PAGE.read_text().replace(f"{words}\n{shown}", f"{words}\n{found}"))
    else:
        assert found == shown


def test_the_scenario_is_shown() -> None:
    assert (EXAMPLES / "unicast.scenario").read_text() in PAGE.read_text()
