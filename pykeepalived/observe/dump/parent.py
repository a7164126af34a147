"""keepalived_parent.data: the parent knows the global definitions only."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.observe.dump.globals import global_lines


def parent_data(config: Config) -> str:
    """The text of keepalived_parent.data."""
    return "".join(f"{line}\n" for line in parent_lines(config))


def parent_lines(config: Config) -> Iterator[str]:
    """The same, line by line."""
    yield from global_lines(config)
