"""Scenarios in words: `kill a@10`, `cut a-b@20`, `expect-master b@14`; and as files, with the nodes and the network.

Reading and writing only; what the words do to a cluster is play.py. Times are seconds since the start of the run, with
decimals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pykeepalived.sim.cluster import SECOND
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.node import MS

_TIME = re.compile(r"(?P<what>.*)@(?P<at>\d+(\.\d+)?)(?P<amount>[+-]\d+(\.\d+)?)?(=(?P<file>.+))?")
_INDENT = "    "


class ScenarioError(ValueError):
    """A word of a scenario that cannot be understood, or names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Action:
    """One event: `what` as written before the @, `at` and `amount` in nanoseconds, `file` as written after the =."""

    kind: str
    what: str
    at: int
    amount: int = 0
    file: str = ""

    def __str__(self) -> str:
        amount = f"{'+' if self.amount > 0 else ''}{_seconds(self.amount)}" if self.amount else ""
        return f"{self.kind} {self.what}@{_seconds(self.at)}{amount}{f'={self.file}' if self.file else ''}"


FAULTS: Mapping[str, str] = {
    "kill": "NODE@T: power off",
    "start": "NODE@T: power on",
    "stop": "NODE@T: SIGTERM",
    "kill-child": "NODE[:CHILD]@T: SIGKILL of one process alone: vrrp (the default), checker or bfd",
    "reload": "NODE@T=FILE: SIGHUP with another file",
    "heal": "NODE@T: power, cables, links, scripts, files, BFD and kernel of a node are well again",
    "heal-all": "@T: all nodes and real servers are well again, and the network loses nothing any more",
    "cut": "NODE-NODE@T or NODE@T: silently lose everything between two nodes, or between one and all others",
    "oneway": "NODE-NODE@T: the second does not hear the first any more",
    "down": "NODE:INTERFACE@T: pull the cable",
    "up": "NODE:INTERFACE@T: plug it in",
    "fail-script": "[NODE:]SCRIPT@T: the check script fails from now on",
    "pass-script": "[NODE:]SCRIPT@T: it succeeds again",
    "write-file": "[NODE:]NAME@T=NUMBER: a track_file says this from now on",
    "bfd-down": "[NODE:]SESSION@T: the packets of the BFD session are lost from now on",
    "bfd-up": "[NODE:]SESSION@T: they get through again",
    "stall": "NODE@T+SECONDS: the node stands still",
    "step-clock": "NODE@T+SECONDS or -SECONDS: its wall clock is set",
    "refuse": "NODE@T+SECONDS: its kernel refuses changes of addresses, routes, rules and services",
    "delete-address": "NODE:INTERFACE:ADDRESS/LENGTH@T: somebody deletes an address",
    "clear-services": "NODE@T: somebody empties the IPVS table",
    "server-down": "ADDRESS[:PORT]@T: a real server refuses connections from now on",
    "server-slow": "ADDRESS[:PORT]@T+SECONDS: it answers, but only after this long",
    "server-up": "ADDRESS[:PORT]@T: it is well again",
}

EXPECTATIONS: Mapping[str, str] = {
    "expect-master": "NODE[:INSTANCE]@T: it is MASTER then, and the only one that is not standing still",
    "expect-backup": "NODE[:INSTANCE]@T: it is BACKUP then",
    "expect-fault": "NODE[:INSTANCE]@T: it is in FAULT state then",
    "expect-in-use": "[NODE:]ADDRESS:PORT@T: the real server gets new connections, on that node or on all",
    "expect-out-of-use": "[NODE:]ADDRESS:PORT@T: it gets none",
    "expect-settled": "@T: one master for each VRID and part of a segment, every table as health wants it",
    "expect-fresh": "@T: each node's kernel holds what it would after a fresh start with its last file",
}
_OF_ALL = ("heal-all", "expect-settled", "expect-fresh")
_LASTING = ("stall", "refuse", "server-slow")
_WITH_FILE = ("reload", "write-file")
_LONGEST_S = 10_000_000
_LONGEST_SHOWN = 80
"""Of a text that is not understood."""


def parse(kind: str, text: str) -> Action:
    """Read one option's value. Raises ScenarioError."""
    usage = FAULTS.get(kind) or EXPECTATIONS.get(kind)
    if usage is None:
        raise ScenarioError(f"{_short(f'{kind} {text}'.rstrip())}: no such event")
    match = _TIME.fullmatch(text)
    if match is None or (kind in _OF_ALL) is bool(match["what"]) or Decimal(match["at"]) > _LONGEST_S:
        raise ScenarioError(f"{kind} {text}: expected {usage}")
    amount = _nanoseconds(match["amount"] or "0")
    if (kind in _LASTING and amount <= 0) or (amount and kind not in (*_LASTING, "step-clock")):
        raise ScenarioError(f"{kind} {text}: expected {usage}")
    if (kind in _WITH_FILE) != bool(match["file"]):
        raise ScenarioError(f"{kind} {text}: expected {usage}")
    return Action(kind, match["what"], _nanoseconds(match["at"]), amount, match["file"] or "")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole run. `nodes` and `files` are texts of configurations by name; `duration` 0 = as long as events need.

    As a file: one event a line as on the command line but without the dashes, further `for SECONDS`, `seed NUMBER`,
    `network loss P duplicate P delay MS jitter MS`, and the texts, indented, below `node NAME` and `file NAME`. Text
    after a # at the beginning of a line is for people.
    """

    nodes: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    quality: Quality = field(default_factory=Quality)
    seed: int = 0
    duration: int = 0

    def __str__(self) -> str:
        quality = self.quality
        lines = [f"seed {self.seed}"]
        lines.append(
            f"network loss {quality.loss:g} duplicate {quality.duplicate:g} "
            f"delay {quality.delay_ns / MS:g} jitter {quality.jitter_ns / MS:g}"
        )
        if self.duration:
            lines.append(f"for {_seconds(self.duration)}")
        lines += [str(action) for action in self.actions]
        for word, texts in (("node", self.nodes), ("file", self.files)):
            for name, text in texts.items():
                lines.append(f"{word} {name}")
                lines += [f"{_INDENT}{line}" for line in text.splitlines() if line.strip()]
        return "\n".join(lines) + "\n"


def read(text: str) -> Scenario:
    """Read a scenario file. Raises ScenarioError with the number of the line."""
    texts: dict[str, dict[str, list[str]]] = {"node": {}, "file": {}}
    actions: list[Action] = []
    quality, seed, duration = Quality(), 0, 0
    below: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1].isspace() and line.strip():
            if below is None:
                raise ScenarioError(f"line {number}: indented, but not below a node or file")
            below.append(line.removeprefix(_INDENT))
            continue
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if not line.strip() or line.startswith("#"):
            continue
        below = None
        try:
            if word in texts and rest:
                below = texts[word].setdefault(rest, [])
            elif word == "seed":
                seed = int(rest)
            elif word == "for":
                duration = read_duration(rest)
            elif word == "network":
                quality = _read_quality(rest.split())
            else:
                actions.append(parse(word, rest))
        except (ValueError, ArithmeticError) as error:
            raise ScenarioError(f"line {number}: {error}") from error
    nodes, files = ({name: "\n".join(lines) for name, lines in texts[word].items()} for word in ("node", "file"))
    return Scenario(nodes, tuple(actions), files, quality, seed, duration)


def _read_quality(words: list[str]) -> Quality:
    given = dict(zip(words[::2], words[1::2], strict=True))
    unknown = given.keys() - {"loss", "duplicate", "delay", "jitter"}
    if unknown:
        raise ScenarioError(f"network: what is {', '.join(sorted(unknown))}?")
    default = Quality()
    return Quality(
        loss=float(given.get("loss", 0)),
        duplicate=float(given.get("duplicate", 0)),
        delay_ns=read_milliseconds(given["delay"]) if "delay" in given else default.delay_ns,
        jitter_ns=read_milliseconds(given.get("jitter", "0")),
    )


def read_milliseconds(text: str) -> int:
    """A delay in nanoseconds. Raises ScenarioError."""
    try:
        return round(float(text) * MS)
    except (ValueError, OverflowError):
        raise ScenarioError(f"{text}: expected milliseconds") from None


def _short(text: str) -> str:
    """As it can be shown: printable, and not too much of it."""
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _seconds(nanoseconds: int) -> str:
    return f"{(Decimal(nanoseconds) / SECOND).normalize():f}"


def read_duration(text: str) -> int:
    """A length of time in nanoseconds, from seconds. Raises ScenarioError."""
    try:
        seconds = Decimal(text)
    except ArithmeticError:
        seconds = Decimal("NaN")
    if not (seconds.is_finite() and 0 <= seconds <= _LONGEST_S):
        raise ScenarioError(f"{text}: expected seconds, at most {_LONGEST_S}")
    return int(seconds * SECOND)


def _nanoseconds(seconds: str) -> int:
    return int(Decimal(seconds) * SECOND)
