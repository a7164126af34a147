"""Rows of figures and how they are printed: ours and the C daemon's, median with extremes, and the ratio."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """One measure: samples of both daemons in the same unit; `budget` as DESIGN sets it, in words."""

    what: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    budget: str = ""

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
    """A table; cells are median [min..max] n."""
    lines = ["| measure | unit | pykeepalived | keepalived | ratio | budget |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = row.ratio()
        shown = f"{ratio:.2f}" if ratio is not None else "-"
        lines.append(f"| {row.what} | {row.unit} | {cell(row.ours)} | {cell(row.theirs)} | {shown} | {row.budget} |")
    return "\n".join(lines)
