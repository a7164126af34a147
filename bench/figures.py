"""Rows of figures and how they are printed: ours and the C daemon's, median with extremes, and the ratio."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """One measure: samples of both daemons in the same unit; `budget` as DESIGN sets it, in words.

    `floor` are samples of what the machine alone takes for the same work (see bench/floors.py). Rows of one `series`
    are the same measure at growing `size` (of `axis`: instances, real servers, lines) and make one curve in a plot.
    `over`: the C daemon was stopped after this long without having ended; there are no samples of it then.
    """

    what: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    budget: str = ""
    floor: list[float] = field(default_factory=list)
    series: str = ""
    size: float = 0
    axis: str = ""
    over: float = 0

    def ratio(self) -> float | None:
        """Median of ours over median of theirs; None when one is missing or zero."""
        if not self.ours or not self.theirs or statistics.median(self.theirs) == 0:
            return None
        return statistics.median(self.ours) / statistics.median(self.theirs)


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample below which this share of the samples lies."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cell(samples: Sequence[float]) -> str:
    if not samples:
        return "-"
    middle = statistics.median(samples)
    return f"{_short(middle)} [{_short(min(samples))}..{_short(max(samples))}] n={len(samples)}"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def markdown(rows: Iterable[Row]) -> str:
    """A table; cells are median [min..max] n. The machine's own share has a column where it was measured."""
    rows = list(rows)
    floors = any(row.floor for row in rows)
    heads = ["measure", "unit", "pykeepalived", "keepalived", "ratio", "budget"] + ["machine alone"] * floors
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        ratio = row.ratio()
        shown, theirs = f"{ratio:.2f}" if ratio is not None else "-", cell(row.theirs)
        if row.over and not row.theirs:
            shown, theirs = f"< {statistics.median(row.ours) / row.over:.2f}", f"> {_short(row.over)}"
        cells = [row.what.replace("|", "\\|"), row.unit, cell(row.ours), theirs, shown, row.budget]
        cells += [cell(row.floor)] * floors
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
