"""Results on disk: `results.json` keeps every sample of the last run of each subject, `RESULTS.md` is made from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.figures import Row, markdown

HERE = Path(__file__).parent
SAMPLES = HERE / "results.json"
TABLES = HERE / "RESULTS.md"
HEADER = """# Results

Ours and Debian's keepalived in turn in the same run; cells are median [min..max] n, ratios are of medians. Times of a
busy machine say little by themselves: compare within a row. `python -m bench SUBJECT...` measures one subject again;
[docs/performance.md](../docs/performance.md) tells what the figures mean.
"""


@dataclass
class Section:
    """One subject as it was last measured: under what circumstances, how long it took, and its rows."""

    title: str
    circumstances: str
    seconds: float
    rows: list[Row] = field(default_factory=list)


def load(file: Path = SAMPLES) -> dict[str, Section]:
    """Subject -> its last results; empty without a file."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text())
    return {name: Section(**{**each, "rows": [Row(**row) for row in each["rows"]]}) for name, each in found.items()}


def save(sections: dict[str, Section], order: Iterable[str]) -> None:
    """Write both files, subjects in this order."""
    kept = {name: sections[name] for name in order if name in sections}
    rounded = {name: asdict(section) for name, section in kept.items()}
    for written in rounded.values():
        for row in written["rows"]:
            for column in ("ours", "theirs", "floor"):
                row[column] = [float(f"{value:.5g}") for value in row[column]]
    SAMPLES.write_text(json.dumps(rounded, indent=1) + "\n")
    parts = [HEADER.rstrip()]
    for section in kept.values():
        parts.append(
            f"## {section.title}\n\n{section.circumstances} Took {section.seconds:.0f} s.\n\n{markdown(section.rows)}"
        )
    TABLES.write_text("\n\n".join(parts) + "\n")
