"""What a laboratory run looks like to a person: a state table and a timeline. Pure text from data."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_COLOURS = {"MASTER": "32", "BACKUP": "36", "FAULT": "31", "DEAD": "31", "-": "2"}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: monotonic ns, to whom, what."""

    at: int
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to the client's ping: monotonic ns, the address that answered and the node that did."""

    at: int
    address: str
    node: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest silence of an address: ns, and who answered before and after it."""

    address: str
    length: int
    begin: int
    before: str
    after: str


def longest_gap(replies: Sequence[Reply], address: str) -> Gap | None:
    """The longest time between two consecutive replies of an address; None with fewer than two."""
    mine = [reply for reply in replies if reply.address == address]
    pairs = [Gap(address, b.at - a.at, a.at, a.node, b.node) for a, b in itertools.pairwise(mine)]
    return max(pairs, key=lambda gap: gap.length, default=None)


def state_table(states: Mapping[str, Mapping[str, str]], colour: bool = False) -> str:
    """Nodes as rows, instances as columns."""
    instances = list(dict.fromkeys(name for of in states.values() for name in of))
    rows = [["node", *instances]] + [[node, *(of.get(name, "-") for name in instances)] for node, of in states.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colour and number:
            cells = [f"\033[{_COLOURS[c.strip()]}m{c}\033[0m" if c.strip() in _COLOURS else c for c in cells]
        lines.append("  " + "   ".join(cells).rstrip())
    return "\n".join(lines)


def timeline(moments: Sequence[Moment], start: int, colour: bool = False) -> str:
    """One line a moment: seconds since the start, who, what."""
    width = max((len(moment.who) for moment in moments), default=0)
    lines = []
    for moment in sorted(moments, key=lambda item: item.at):
        text = moment.what
        if colour:
            for word, code in _COLOURS.items():
                text = text.replace(f" {word}", f" \033[{code}m{word}\033[0m")
        lines.append(f"  {(moment.at - start) / 1e9:8.3f} s  {moment.who:<{width}}  {text}")
    return "\n".join(lines)


def answer_bar(replies: Sequence[Reply], address: str, begin: int, end: int, width: int = 60) -> str:
    """Who answered the pings over time, one character a slice: a letter per node, `.` for silence."""
    nodes = list(dict.fromkeys(reply.node for reply in replies))
    letters = {node: chr(ord("A") + index % 26) for index, node in enumerate(sorted(nodes))}
    slices = ["."] * width
    for reply in replies:
        if reply.address == address and begin <= reply.at < end:
            slices[(reply.at - begin) * width // (end - begin)] = letters[reply.node]
    legend = "  ".join(f"{letter} = {node}" for node, letter in letters.items())
    return f"  {address}  [{''.join(slices)}]  {legend}  . = silence"
