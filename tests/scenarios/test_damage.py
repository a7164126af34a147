"""Damaged records: `pykeepalived replay` says what is wrong with them and where, and never raises."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.cli.replay import EXIT_DIFFERENT, EXIT_SAME, EXIT_UNREADABLE, main
from tests.scenarios.test_scenarios import RECORDS

STRANGE = [None, True, -1, 0, 1 << 70, 1e300, "", "x", [], {}, [[]], {"$": "ip", "value": "::"}]
BY_CORE = {"takeover": 12, "script_fails": 12, "bfd_bad_line": 12, "checker_fails": 12, "checker_long_life": 12}
"""Records, and the seeds of their damages."""


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with every key or index of it."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            places(value[key], found)
    return found


def damaged(text: str, dice: random.Random) -> str:
    """Values replaced, lines lost, doubled or moved, or bytes turned over."""
    lines = text.splitlines()
    kind = dice.randrange(4)
    if kind == 0:
        characters = list(text)
        for _ in range(dice.randint(1, 5)):
            characters[dice.randrange(len(characters))] = chr(dice.randrange(32, 127))
        return "".join(characters)
    if kind == 1:
        for _ in range(dice.randint(1, 5)):
            del lines[dice.randrange(len(lines))]
    elif kind == 2:
        first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
        lines[first], lines[second] = lines[second], lines[first]
        lines.insert(dice.randrange(1, len(lines)), dice.choice(lines))
    else:
        number = 0 if dice.random() < 0.5 else dice.randrange(len(lines))
        line = json.loads(lines[number])
        for _ in range(dice.randint(1, 3)):
            container, key = dice.choice(places(line, []))
            container[key] = deepcopy(dice.choice(STRANGE))
        lines[number] = json.dumps(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, count in BY_CORE.items() for seed in range(count)])
def test_damage_is_told(name: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = next(path for path in RECORDS if path.stem == name).read_text()
    dice = random.Random(seed)
    path = tmp_path / "damaged.record"
    for _ in range(8):
        path.write_text(damaged(text, dice))
        status = main(["--log", str(path)])
        errors = capsys.readouterr().err
        assert status in (EXIT_SAME, EXIT_DIFFERENT, EXIT_UNREADABLE)
        assert (status == EXIT_UNREADABLE) == bool(errors)
        assert not errors or errors.startswith(f"pykeepalived replay: {path}: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines.__setitem__(4, "{"), "line 5 is not JSON"),
        (lambda lines: lines.__setitem__(4, '{"at":-1,"tick":true}'), "line 5 is not understood: ValueError: -1 is"),
        (
            lambda lines: lines.__setitem__(4, '{"at":1,"input":{"$":"x"}}'),
            "line 5 is not understood: 'x' is not known",
        ),
        (lambda lines: lines.clear(), "an empty file"),
        (
            lambda lines: lines.insert(2, '{"at":1000000000,"check":9999}'),
            "the core stops at inp",
        ),
    ],
)
def test_the_place_is_named(change, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = next(path for path in RECORDS if path.stem == "checker_fails").read_text().splitlines()
    change(lines)
    path = tmp_path / "damaged.record"
    path.write_text("\n".join(lines))
    assert main([str(path)]) == EXIT_UNREADABLE
    assert capsys.readouterr().err.startswith(f"pykeepalived replay: {path}: {says}")
