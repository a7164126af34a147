"""`pykeepalived simulate a.conf b.conf ...`: rehearse faults on a cluster in virtual time, and judge the outcome.

Shell: reads files, prints. The cluster is sim/, the configurations are loaded as on the nodes they are meant for.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.model import Config
from pykeepalived.lab.load import load_for_lab
from pykeepalived.lab.net import LabError
from pykeepalived.sim.build import make_cluster
from pykeepalived.sim.picture import as_data, summary, svg, timeline
from pykeepalived.sim.play import Play
from pykeepalived.sim.scenario import (
    EXPECTATIONS,
    FAULTS,
    Scenario,
    ScenarioError,
    parse,
    read,
    read_duration,
    read_milliseconds,
)

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class _Event(argparse.Action):
    """Collects events of all kinds in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        assert option_string is not None
        try:
            namespace.events.append(parse(option_string.removeprefix("--"), str(values)))
        except ScenarioError as error:
            parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pykeepalived simulate",
        description="Run a cluster in virtual time. Nodes are named after their files; T is seconds.",
        epilog="Exit status: 0 everything as expected, 1 an expectation or an invariant failed, 2 usage or files.",
    )
    parser.add_argument("configs", nargs="*", metavar="FILE", help="configuration of a node: NODE.conf or NODE=FILE")
    parser.add_argument("--scenario", metavar="FILE", help="events, and perhaps nodes and network, from a file")
    for kind, usage in {**FAULTS, **EXPECTATIONS}.items():
        form, _, text = usage.partition(": ")
        parser.add_argument(f"--{kind}", action=_Event, metavar=form.replace(" or ", "|"), help=text)
    parser.add_argument("--for", dest="duration", metavar="SECONDS", help="length of the run")
    parser.add_argument("--seed", type=int, help="chance of loss and delay (default 0)")
    parser.add_argument("--loss", type=float, metavar="P", help="share of packets lost, 0 to 1")
    parser.add_argument("--duplicate", type=float, metavar="P", help="share of packets doubled, 0 to 1")
    parser.add_argument("--delay", metavar="MS", help="delay of each packet (default 0.05)")
    parser.add_argument("--jitter", metavar="MS", help="further delay at random")
    parser.add_argument("--json", action="store_true", help="print data instead of text")
    parser.add_argument("--svg", metavar="FILE", help="also draw the states over time")
    parser.set_defaults(events=[])
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    parser = _parser()
    try:
        words = parser.parse_intermixed_args(list(argv))
    except SystemExit as stop:
        return EXIT_OK if stop.code in (0, None) else EXIT_USAGE
    try:
        scenario = _scenario(words)
        configs = {
            node: load_for_lab(path, node, anywhere=True, tell=sys.stderr)
            for node, path in _nodes(words.configs).items()
        }
        play = prepare(scenario, configs)
        play.run(scenario.duration, scenario.actions)
        if words.svg:
            Path(words.svg).write_text(svg(play.cluster))
    except OSError as error:
        sys.stderr.write(f"pykeepalived simulate: {error.filename}: {error.strerror}\n")
        return EXIT_USAGE
    except (LabError, ScenarioError, ValueError) as error:
        sys.stderr.write(f"pykeepalived simulate: {error}\n")
        return EXIT_USAGE
    _print(play, words.json)
    return EXIT_FAILED if play.failures else EXIT_OK


def _nodes(words: Sequence[str]) -> dict[str, Path]:
    """Node -> file, from FILE or NODE=FILE. Raises ScenarioError."""
    nodes: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        node = name if equals else path.stem
        if not node or (equals and not file):
            raise ScenarioError(f"{word}: expected FILE or NODE=FILE")
        if node in nodes:
            raise ScenarioError(f"{nodes[node]} and {path} are both node {node}; say NODE=FILE to name them")
        nodes[node] = path
    return nodes


def _scenario(words: argparse.Namespace) -> Scenario:
    """What the file and the command line say together; the command line has the last word."""
    scenario = read(_text(words.scenario)) if words.scenario else Scenario()
    given = {
        "loss": words.loss,
        "duplicate": words.duplicate,
        "delay_ns": None if words.delay is None else read_milliseconds(words.delay),
        "jitter_ns": None if words.jitter is None else read_milliseconds(words.jitter),
    }
    quality = dataclasses.replace(scenario.quality, **{name: each for name, each in given.items() if each is not None})
    return dataclasses.replace(
        scenario,
        actions=(*scenario.actions, *words.events),
        quality=quality,
        seed=scenario.seed if words.seed is None else words.seed,
        duration=scenario.duration if words.duration is None else read_duration(words.duration),
    )


def _text(file: str) -> str:
    """The text of a scenario file. Raises ScenarioError or OSError."""
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioError(f"{file}: not a scenario (no UTF-8 text)") from None


def prepare(scenario: Scenario, configs: dict[str, Config] | None = None) -> Play:
    """The cluster of a scenario and of further nodes, with every event planned.

    Raises LabError, ScenarioError, ValueError or OSError.
    """
    nodes = {name: _load(text, name) for name, text in scenario.nodes.items()} | (configs or {})
    if not nodes:
        raise ScenarioError("no node: name the configuration of each")
    files = {}
    for action in scenario.actions:
        if action.kind == "reload":
            node, text = action.what, scenario.files.get(action.file)
            config = load_for_lab(Path(action.file), node, anywhere=True) if text is None else _load(text, node)
            files[node, action.file] = config
    play = Play(make_cluster(nodes, Random(scenario.seed), scenario.quality), files)
    play.add(scenario.actions)
    return play


def _load(text: str, node: str) -> Config:
    name = f"{node}.conf"
    return load_for_lab(Path(name), node, MemoryFiles({name: text}), anywhere=True)


def _print(play: Play, as_json: bool) -> None:
    cluster = play.cluster
    if as_json:
        print(json.dumps(as_data(cluster, play.verdicts), indent=2))
        return
    for text in (timeline(cluster.moments), summary(cluster)):
        if text:
            print(text)
    for verdict in play.verdicts:
        print(f"{'holds' if verdict.holds else 'FAILS'}: {verdict.text} ({verdict.found})")
        for line in verdict.why:
            print(f"    {line}")
    for violation in cluster.violations:
        print(f"BROKEN INVARIANT: {violation}")
