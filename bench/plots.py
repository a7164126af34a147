"""The plots of bench/RESULTS.md as SVG, drawn from `results.json`: one of all ratios, one for a series that grows.

`python -m bench.plots`. Needs matplotlib, which nothing else does.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "pykeepalived", "font.size": 9})

from matplotlib import pyplot  # noqa: E402  the backend is chosen first
from matplotlib.figure import Figure  # noqa: E402

from bench import store  # noqa: E402
from bench.figures import Row  # noqa: E402

PLOTS = Path(__file__).parent / "plots"
OURS, THEIRS, FLOOR = "#1b6ca8", "#b5651d", "#777777"
_TIMES = re.compile(r"<= ([0-9.]+) x")


def ratios(sections: dict[str, store.Section]) -> None:
    """Every row with a ratio on one logarithmic axis; left of 1 ours takes less. A tick shows a budget in times.

    A row of two other programs beside each other (`BIRD | FRR`) is none of ours."""
    rows = [
        (f"{section.title}: {row.what}", ratio, found and float(found[1]))
        for section in sections.values()
        for row in section.rows
        if " | " not in row.what and (ratio := row.ratio()) and ratio > 0
        for found in [_TIMES.match(row.budget)]
    ]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(11, 0.22 * len(rows) + 1.2))
    for height, (_, ratio, budget) in enumerate(reversed(rows)):
        axes.plot([1, ratio], [height, height], color=OURS, linewidth=1, alpha=0.5)
        axes.plot(ratio, height, "o", color=OURS, markersize=4)
        if budget:
            axes.plot(budget, height, "|", color="#c00000", markersize=9, markeredgewidth=2)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)], fontsize=7)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("pykeepalived / keepalived, medians (red: budget)")
    axes.grid(axis="x", alpha=0.3)
    _write(figure, "ratios")


def growth(name: str, rows: list[Row]) -> None:
    """One measure at growing sizes: medians with extremes, and the machine alone as the limit."""
    rows = sorted(rows, key=lambda row: row.size)
    figure, axes = pyplot.subplots(figsize=(6, 3.6))
    for label, column, colour, style in (
        ("pykeepalived", "ours", OURS, "o-"),
        ("keepalived", "theirs", THEIRS, "s-"),
        ("machine alone", "floor", FLOOR, "--"),
    ):
        points = [(row.size, getattr(row, column)) for row in rows if getattr(row, column)]
        if not points:
            continue
        sizes = [size for size, _ in points]
        axes.plot(
            sizes, [statistics.median(each) for _, each in points], style, color=colour, label=label, markersize=4
        )
        if column != "floor":
            lowest, highest = [min(each) for _, each in points], [max(each) for _, each in points]
            axes.fill_between(sizes, lowest, highest, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(rows[0].axis)
    axes.set_ylabel(f"{name}, {rows[0].unit}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _write(figure, re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))


def _write(figure: Figure, name: str) -> None:
    PLOTS.mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    sections = store.load()
    for file in PLOTS.glob("*.svg"):
        file.unlink()
    ratios(sections)
    series: dict[str, list[Row]] = defaultdict(list)
    for section in sections.values():
        for row in section.rows:
            if row.series:
                series[row.series].append(row)
    for name, rows in series.items():
        growth(name, rows)


if __name__ == "__main__":
    main()
