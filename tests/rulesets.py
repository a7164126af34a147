"""Comparing what `nft list ruleset` prints: the order of sets and chains has no meaning."""

from __future__ import annotations


def blocks(text: str) -> dict[str, list[str]]:
    """`table ip T / chain out` -> its lines, in order."""
    found: dict[str, list[str]] = {}
    table = name = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("table"):
            table = " ".join(words[:3])
        elif line.startswith("\t") and not line.startswith("\t\t") and words[-1] == "{":
            name = f"{table} / {' '.join(words[:2])}"
            found[name] = []
        elif line.startswith("\t\t"):
            found[name].append(" ".join(words))
    return found
