"""What an IPVS core believes of its servers as plain values: taken out of one core, put into another. Pure.

Only what decides about later states: causes, moments and what waits for the kernel are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from pykeepalived.ipvs.core import IpvsCore

_REAL = ("alive", "present", "shown", "carried", "failed", "weight", "previous_weight")
_SORRY = ("in_use", "present", "shown")
_VIRTUAL = ("alive", "quorum_up", "carried", "address_count")
_FIXED = {"model", "real", "real_name", "virtual_name", "delay_loop", "delay_retry", "delegated"}
"""Of a checker: what its configuration says."""

Values = tuple[Any, ...]


class Held(NamedTuple):
    """The values of all checkers, real, sorry and virtual servers in the order of the configuration, and of files."""

    checks: tuple[Values, ...]
    reals: tuple[Values, ...]
    sorries: tuple[Values, ...]
    virtuals: tuple[Values, ...]
    files: tuple[tuple[str, int], ...]


_names: dict[type, tuple[str, ...]] = {}


def _kept(kind: type) -> tuple[str, ...]:
    """The slots of a kind of checker that are its state: private ones belong to the attempt under way."""
    names = _names.get(kind)
    if names is None:
        slots = {slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ())}
        names = _names[kind] = tuple(sorted(slot for slot in slots - _FIXED if not slot.startswith("_")))
    return names


@cache
def _getter(names: tuple[str, ...]) -> attrgetter[Values]:
    return attrgetter(*names)


def hold(core: IpvsCore) -> Held:
    """The state of a core that waits for nothing."""
    virtuals = core.director.virtuals
    reals = [real for virtual in virtuals for real in virtual.reals]
    sorries = [virtual.sorry for virtual in virtuals if virtual.sorry is not None]
    return Held(
        tuple([_getter(_kept(type(check)))(check) for check in core.checks]),
        tuple(map(_getter(_REAL), reals)),
        tuple(map(_getter(_SORRY), sorries)),
        tuple(map(_getter(_VIRTUAL), virtuals)),
        tuple(core.files.items()),
    )


def restore(core: IpvsCore, held: Held) -> None:
    """Put the state into a core that was started with the same configuration. Raises ValueError if it does not fit."""
    virtuals = core.director.virtuals
    reals = [real for virtual in virtuals for real in virtual.reals]
    sorries = [virtual.sorry for virtual in virtuals if virtual.sorry is not None]
    for check, values in zip(core.checks, held.checks, strict=True):
        _put(check, _kept(type(check)), values)
    for names, objects, found in (
        (_REAL, reals, held.reals),
        (_SORRY, sorries, held.sorries),
        (_VIRTUAL, virtuals, held.virtuals),
    ):
        _put_all(objects, names, found)
    core.files.update(held.files)


def _put_all(objects: Iterable[object], names: tuple[str, ...], found: tuple[Values, ...]) -> None:
    for each, values in zip(objects, found, strict=True):
        _put(each, names, values)


def _put(target: object, names: tuple[str, ...], values: Values) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(target, name, value)
