"""Counting the statistics of one instance. Which there are is observe/snapshot.py."""

from __future__ import annotations

from dataclasses import fields

from pykeepalived.observe.snapshot import VrrpCounters


class Counters(VrrpCounters):
    """The counters of an instance at work."""

    __slots__ = ()

    def add(self, name: str) -> None:
        """Count one; "" counts nothing."""
        if name:
            setattr(self, name, getattr(self, name) + 1)

    def clear(self) -> None:
        for field in fields(self):
            setattr(self, field.name, 0)

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
