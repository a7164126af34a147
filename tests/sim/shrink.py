"""From a scenario that fails to a minimal one that fails in the same way: fewer events, fewer nodes, shorter files.

Deterministic: the same scenario shrinks to the same one. What remains is 1-minimal: without any single event, node, or
block or line of a file it would not fail any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from pykeepalived.lab.net import LabError
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.scenario import Action, Scenario, ScenarioError
from tests.sim.lives import play

MOST_RUNS = 3000
_JUDGES = ("heal-all", "expect-settled", "expect-fresh")

Item = TypeVar("Item")


def failure(scenario: Scenario) -> str:
    """The first thing that goes wrong, without figures and names, so that it can be recognized; "" = nothing does.

    A scenario that makes no sense does not fail.
    """
    try:
        failures = play(scenario).failures
    except (ScenarioError, LabError):
        return ""
    except Exception as error:
        failures = [f"{type(error).__name__}: {error}"]
    if not failures:
        return ""
    text = re.sub(r"^[\d.]+ s (\w+: )?|@\S+", "", failures[0].partition(";")[0])
    return re.sub(r"\(.*?\)|[\da-f]*[\d:][\da-f.:/]*|\b[abc]\b", "#", text)


def shrink(scenario: Scenario, failing: Callable[[Scenario], bool] | None = None) -> Scenario:
    """The smallest scenario found that fails as this one does. Raises ValueError when it does not fail."""
    if failing is None:
        how = failure(scenario)
        failing = lambda each: bool(how) and failure(each) == how  # noqa: E731
    return _Shrinker(failing).shrink(scenario)


class _Shrinker:
    def __init__(self, failing: Callable[[Scenario], bool]) -> None:
        self._failing = failing
        self._runs = 0

    def _fails(self, scenario: Scenario) -> bool:
        self._runs += 1
        return self._runs <= MOST_RUNS and self._failing(scenario)

    def shrink(self, scenario: Scenario) -> Scenario:
        if not self._failing(scenario):
            raise ValueError("this scenario does not fail")
        size = None
        while size != len(str(scenario)):
            size = len(str(scenario))
            scenario = self._events(scenario)
            scenario = self._nodes(scenario)
            scenario = self._network(scenario)
            scenario = self._texts(scenario)
        return scenario

    def _events(self, scenario: Scenario) -> Scenario:
        """First the faults; then, one by one, what heals and judges."""
        judges = [action for action in scenario.actions if action.kind in _JUDGES]
        faults = [action for action in scenario.actions if action.kind not in _JUDGES]

        def made(actions: Sequence[Action]) -> Scenario:
            return _with_actions(scenario, actions)

        faults = self._fewest(faults, lambda some: made([*some, *judges]))
        return made(self._fewest([*faults, *judges], made))

    def _fewest(self, items: Sequence[Item], made: Callable[[list[Item]], Scenario]) -> list[Item]:
        """Delta debugging: leave out ever smaller pieces as long as it fails without them."""
        items = list(items)
        piece = len(items)
        while piece:
            place = 0
            while place < len(items):
                without = items[:place] + items[place + piece :]
                if self._fails(made(without)):
                    items = without
                else:
                    place += piece
            piece //= 2
        return items

    def _nodes(self, scenario: Scenario) -> Scenario:
        for name in list(scenario.nodes):
            nodes = {each: text for each, text in scenario.nodes.items() if each != name}
            actions = [action for action in scenario.actions if name not in re.split(r"[:-]", action.what)]
            smaller = replace(_with_actions(scenario, actions), nodes=nodes)
            if nodes and self._fails(smaller):
                scenario = smaller
        return scenario

    def _network(self, scenario: Scenario) -> Scenario:
        for quality in (Quality(), replace(scenario.quality, loss=0.0), replace(scenario.quality, jitter_ns=0)):
            smaller = replace(scenario, quality=quality)
            if quality != scenario.quality and self._fails(smaller):
                scenario = smaller
        return scenario

    def _texts(self, scenario: Scenario) -> Scenario:
        """Leave out blocks, then lines: everywhere at once, else in one text."""
        for lines in (2, 1):
            pieces = dict.fromkeys(piece for text in _all(scenario) for piece in _pieces(text) if _long(piece) >= lines)
            for piece in sorted(pieces, key=len, reverse=True):
                smaller = _without(scenario, piece)
                if str(smaller) != str(scenario) and self._fails(smaller):
                    scenario = smaller
        return scenario


def _with_actions(scenario: Scenario, actions: Sequence[Action]) -> Scenario:
    """With these actions and only the files that they need."""
    used = {action.file for action in actions}
    files = {name: text for name, text in scenario.files.items() if name in used}
    return replace(scenario, actions=tuple(actions), files=files)


def _all(scenario: Scenario) -> Iterator[str]:
    yield from scenario.nodes.values()
    yield from scenario.files.values()


def _long(piece: str) -> int:
    return piece.count("\n")


def _pieces(text: str) -> Iterator[str]:
    """Every block and every line outside of braces, with the blocks inside of blocks."""
    open_at: list[int] = []
    place = 0
    for line in text.splitlines(keepends=True):
        if line.rstrip().endswith("{"):
            open_at.append(place)
        elif line.strip() == "}":
            if open_at:
                yield text[open_at.pop() : place + len(line)]
        else:
            yield line
        place += len(line)


def _without(scenario: Scenario, piece: str) -> Scenario:
    def cut(texts: dict[str, str]) -> dict[str, str]:
        return {name: f"\n{text}".replace(f"\n{piece}", "\n").removeprefix("\n") for name, text in texts.items()}

    return replace(scenario, nodes=cut(dict(scenario.nodes)), files=cut(dict(scenario.files)))
