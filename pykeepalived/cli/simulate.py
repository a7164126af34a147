"""`pykeepalived simulate a.conf b.conf ...`: rehearse faults on a cluster in virtual time, and judge the outcome.

Shell: reads files, prints. The cluster is sim/, the configurations are loaded as on the nodes they are meant for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from pykeepalived.config.model import Config
from pykeepalived.lab.load import load_for_lab
from pykeepalived.lab.net import LabError
from pykeepalived.lab.plan import plan
from pykeepalived.sim.cluster import MS, SECOND, Cluster
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.machine import Plug
from pykeepalived.sim.picture import as_data, svg, timeline
from pykeepalived.sim.scenario import EXPECTATIONS, FAULTS, Action, Scenario, ScenarioError, parse

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_AFTER_LAST_EVENT = 10.0


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
        description="Run the VRRP side of a cluster in virtual time. Nodes are named after their files; T is seconds.",
        epilog="Exit status: 0 everything as expected, 1 an expectation or an invariant failed, 2 usage or files.",
    )
    parser.add_argument("configs", nargs="+", metavar="FILE", help="configuration of a node: NODE.conf or NODE=FILE")
    for kind, usage in {**FAULTS, **EXPECTATIONS}.items():
        form, _, text = usage.partition(": ")
        parser.add_argument(f"--{kind}", action=_Event, metavar=form.replace(" or ", "|"), help=text or None)
    parser.add_argument("--for", dest="duration", type=float, metavar="SECONDS", help="length of the run")
    parser.add_argument("--seed", type=int, default=0, help="chance of loss and delay (default 0)")
    parser.add_argument("--loss", type=float, default=0.0, metavar="P", help="share of packets lost, 0 to 1")
    parser.add_argument("--duplicate", type=float, default=0.0, metavar="P", help="share of packets doubled, 0 to 1")
    parser.add_argument("--delay", type=float, default=0.05, metavar="MS", help="delay of each packet (default 0.05)")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="MS", help="further delay at random")
    parser.add_argument("--json", action="store_true", help="print data instead of text")
    parser.add_argument("--svg", metavar="FILE", help="also draw the states over time")
    parser.set_defaults(events=[])
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    parser = _parser()
    try:
        words = parser.parse_args(list(argv))
    except SystemExit as stop:
        return EXIT_OK if stop.code in (0, None) else EXIT_USAGE
    try:
        scenario = _build(words)
    except (LabError, ScenarioError, ValueError, OSError) as error:
        sys.stderr.write(f"pykeepalived simulate: {error}\n")
        return EXIT_USAGE
    cluster = scenario.cluster
    last = max((action.at + max(action.amount, 0) for action in words.events), default=0)
    cluster.run(round(words.duration * SECOND) if words.duration else last + round(_AFTER_LAST_EVENT * SECOND))
    if words.svg:
        Path(words.svg).write_text(svg(cluster))
    _print(scenario, words.json)
    failed = cluster.violations or any(not verdict.holds for verdict in scenario.verdicts)
    return EXIT_FAILED if failed else EXIT_OK


def _build(words: argparse.Namespace) -> Scenario:
    """The cluster with every event planned. Raises LabError, ScenarioError, ValueError or OSError."""
    configs = {}
    for word in words.configs:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        configs[name if equals else path.stem] = load_for_lab(path, name if equals else path.stem)
    events: list[Action] = words.events
    files = {action.file: load_for_lab(Path(action.file), action.what) for action in events if action.file}
    quality = Quality(
        loss=words.loss,
        duplicate=words.duplicate,
        delay_ns=round(words.delay * MS),
        jitter_ns=round(words.jitter * MS),
    )
    cluster = make_cluster(configs, words.seed, quality)
    for name in configs:
        if not any(action.kind == "start" and action.what == name for action in events):
            cluster.at(0, lambda name=name: cluster.start(name))  # type: ignore[misc]
    scenario = Scenario(cluster, files)
    scenario.add(events)
    return scenario


def make_cluster(configs: Mapping[str, Config], seed: int, quality: Quality) -> Cluster:
    """A cluster for these configurations: interfaces of the same name meet, free addresses are handed out."""
    cluster = Cluster(Random(seed), quality)
    layout = plan(configs)
    for number, (name, config) in enumerate(configs.items()):
        plugs = []
        for place, plug in enumerate(plug for plug in layout.plugs if plug.host == name):
            named = named_by_peers(configs, name, plug.interface)
            local = f"fe80::{place + 1}:{number + 1}/64"
            mac = bytes((2, 0, 0, 0, place, number + 1))
            plugs.append(Plug(plug.interface, mac, (*named, *plug.addresses, local)))
        cluster.add(name, config, plugs)
    return cluster


def named_by_peers(configs: Mapping[str, Config], name: str, interface: str) -> list[str]:
    """The address by which the other nodes call a node that does not name its own (unicast_peer, no unicast_src_ip)."""
    found: list[str] = []
    for instance in configs[name].vrrp_instances:
        if not instance.unicast or instance.source_address is not None or instance.interface != interface:
            continue
        mine = {peer.address for peer in instance.unicast_peers}
        called = {
            peer.address
            for other, config in configs.items()
            if other != name
            for twin in config.vrrp_instances
            if (twin.virtual_router_id, twin.family) == (instance.virtual_router_id, instance.family)
            for peer in twin.unicast_peers
        } - mine
        if len(called) == 1:
            address = called.pop()
            found.append(f"{address}/{24 if address.family == 4 else 64}")
    return list(dict.fromkeys(found))


def _print(scenario: Scenario, as_json: bool) -> None:
    cluster = scenario.cluster
    if as_json:
        print(json.dumps(as_data(cluster, scenario.verdicts), indent=2))
        return
    print(timeline(cluster.moments))
    for verdict in scenario.verdicts:
        print(f"{'holds' if verdict.holds else 'FAILS'}: {verdict.text} ({verdict.found})")
    for violation in cluster.violations:
        print(f"BROKEN INVARIANT: {violation}")
