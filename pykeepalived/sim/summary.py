"""What became of each virtual router over a run: times without a master, with several, and masters that flapped.

Reads the changes of state that cluster.py has noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pykeepalived.sim.cluster import Change, Cluster
from pykeepalived.sim.invariants import Key

FLAP_NS = 5_000_000_000
"""A mastership that ends after less than this is a flap."""


@dataclass(frozen=True, slots=True)
class Mastership:
    """A node was master of a virtual router from `begin` to `end` (ns since the start of the run)."""

    node: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Fate:
    """One virtual router: its masterships in order, the gaps without any, the overlaps, the number of flaps.

    A gap begins with the first mastership: before that nothing is missed. The last mastership is no flap.
    """

    key: Key
    masterships: tuple[Mastership, ...]
    gaps: tuple[tuple[int, int], ...]
    overlaps: tuple[tuple[int, int], ...]
    flaps: int


def fates(cluster: Cluster) -> list[Fate]:
    """Every virtual router that had a master, in order of appearance."""
    by_key: dict[Key, list[Change]] = {}
    for change in cluster.changes:
        by_key.setdefault(change.key, []).append(change)
    found = (_fate(key, changes, cluster.elapsed) for key, changes in by_key.items())
    return [fate for fate in found if fate.masterships]


def _fate(key: Key, changes: Sequence[Change], end: int) -> Fate:
    masterships = tuple(sorted(_masterships(changes, end), key=lambda each: (each.begin, each.node)))
    counts = list(_counts(masterships, end))
    return Fate(
        key,
        masterships,
        gaps=tuple((begin, until) for begin, until, count in counts if count == 0),
        overlaps=tuple((begin, until) for begin, until, count in counts if count > 1),
        flaps=sum(each.end - each.begin < FLAP_NS and each.end < end for each in masterships),
    )


def _masterships(changes: Sequence[Change], end: int) -> Iterator[Mastership]:
    since: dict[str, int] = {}
    for change in changes:
        if change.state == "MASTER":
            since.setdefault(change.node, change.at)
        elif change.node in since:
            yield Mastership(change.node, since.pop(change.node), change.at)
    for node, begin in since.items():
        yield Mastership(node, begin, end)


def _counts(masterships: Sequence[Mastership], end: int) -> Iterator[tuple[int, int, int]]:
    """From when to when there were how many masters; times of equal number in one piece."""
    steps = sorted(
        [(each.begin, 1) for each in masterships] + [(each.end, -1) for each in masterships if each.end < end]
    )
    count, since = 0, steps[0][0] if steps else 0
    for place, (moment, step) in enumerate(steps):
        before, count = count, count + step
        last = place + 1 == len(steps) or steps[place + 1][0] > moment
        if last and moment > since:
            yield since, moment, before
        if last:
            since = moment
    if since < end:
        yield since, end, count
