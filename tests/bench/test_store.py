"""Results of a bench run: kept on disk whole, shown as tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import store
from bench.figures import Row, cell, markdown, quantile


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "SAMPLES", tmp_path / "results.json")
    monkeypatch.setattr(store, "TABLES", tmp_path / "RESULTS.md")
    return tmp_path


def section(title: str, *rows: Row) -> store.Section:
    return store.Section(title, "Somewhere.", 1.6, list(rows))


def test_what_is_saved_is_loaded_again(files: Path) -> None:
    row = Row("a", "ms", [1.0, 2.0], [4.0], "<= 1 x", [0.5], "growth", 10, "instances")
    store.save({"one": section("One", row), "gone": section("Gone")}, ["two", "one"])
    assert store.load(files / "results.json") == {"one": section("One", row)}


def test_samples_are_kept_to_five_figures(files: Path) -> None:
    store.save({"one": section("One", Row("a", "ms", [1.23456789], [123456.7]))}, ["one"])
    kept = json.loads((files / "results.json").read_text())["one"]["rows"][0]
    assert (kept["ours"], kept["theirs"]) == ([1.2346], [123460.0])


def test_sections_stand_in_the_order_of_the_subjects(files: Path) -> None:
    store.save({"b": section("Second"), "a": section("First", Row("x", "ms", [1], [2]))}, ["a", "b"])
    text = (files / "RESULTS.md").read_text()
    assert text.index("## First") < text.index("## Second")
    assert "Somewhere. Took 2 s." in text
    assert "| x | ms | 1 [1..1] n=1 | 2 [2..2] n=1 | 0.50 |" in text


def test_nothing_on_disk_is_no_results(tmp_path: Path) -> None:
    assert store.load(tmp_path / "none.json") == {}


def test_the_machine_has_a_column_only_where_it_was_measured() -> None:
    assert "machine alone" not in markdown([Row("x", "ms", [1], [2])])
    table = markdown([Row("x", "ms", [1], [2], floor=[0.25]), Row("y", "ms", [1])]).splitlines()
    assert table[0].endswith("| machine alone |")
    assert table[2].endswith("| 0.25 [0.25..0.25] n=1 |")
    assert table[3].endswith("| - |  | - |")


def test_figures() -> None:
    assert Row("x", "ms", [3, 1, 2], [4]).ratio() == 0.5
    assert Row("x", "ms", [1], [0]).ratio() is None
    assert Row("x", "ms", [1]).ratio() is None
    assert quantile(list(range(100)), 0.99) == 99
    assert quantile([5, 1], 0.5) == 5
    assert cell([]) == "-"


def test_a_daemon_that_was_stopped_is_shown_as_slower_than_its_limit() -> None:
    row = Row("-t", "ms", ours=[15_000.0], over=60_000.0)
    assert markdown([row]).splitlines()[-1] == "| -t | ms | 15000 [15000..15000] n=1 | > 60000 | < 0.25 |  |"
