"""Lengths of time on command lines."""

from __future__ import annotations

import argparse

LONGEST_S = 10_000_000


def seconds(text: str) -> float:
    """A type for argparse: seconds, not negative. Raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"expected seconds, at most {LONGEST_S}, not {text}")
    return value
