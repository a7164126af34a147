"""Dataclasses that are cheap to define and to make: the same words, the same meaning as `dataclasses.dataclass`.

The standard library compiles up to nine methods for each class, which took half of a start. Here frozen attributes,
comparison, hash, representation and pickling are functions that all classes share; only `__init__` is compiled, and
fills frozen objects through their slots, which takes a third of the time. `dataclass` compiles it at once,
`late_dataclass` when the first object is made: right for what most configurations never need, wrong for whatever must
be punctual. `fields`, `replace` and the like work on both. Order and `InitVar` are not offered, nor `frozen` alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any


def _prompt(cls: type | None = None, /, **options: bool) -> Any:
    if cls is None:
        return lambda cls: _prompt(cls, **options)
    made = _made(cls, **options)
    made.__init__ = _initializer(made)
    return made


def _late(cls: type | None = None, /, **options: bool) -> Any:
    if cls is None:
        return lambda cls: _late(cls, **options)
    made = _made(cls, **options)

    def initialize(self: Any, *values: Any, **named: Any) -> None:
        made.__init__ = compiled = _initializer(made)
        compiled(self, *values, **named)

    made.__init__ = initialize
    return made


if TYPE_CHECKING:
    from dataclasses import dataclass
    from dataclasses import dataclass as late_dataclass
else:
    dataclass, late_dataclass = _prompt, _late

__all__ = ["dataclass", "late_dataclass"]


def _made(
    cls: type,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,
) -> Any:
    """The class with all but `__init__`; what it defines itself stays."""
    if frozen and not slots:
        raise TypeError(f"{cls.__name__} is to be frozen without slots")
    own = cls.__dict__
    if not cls.__doc__:
        # The standard library would describe the signature, which takes as long as all the rest.
        cls.__doc__ = cls.__name__
    made: Any = dataclasses.dataclass(init=False, eq=False, repr=False, slots=slots, kw_only=kw_only)(cls)
    if eq:
        values = _values([one.name for one in fields(made) if one.compare])
        if "__eq__" not in own:
            made.__eq__ = _equality(values)
        if "__hash__" not in own:
            made.__hash__ = _hash(values) if frozen else None
    if repr and "__repr__" not in own:
        made.__repr__ = _represent
    if frozen:
        made.__setattr__, made.__delattr__ = _refuse_to_set, _refuse_to_delete
        made.__getstate__, made.__setstate__ = _state, _set_state
    return made


def _values(names: list[str]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda one: ()


def _equality(values: Callable[[Any], Any]) -> Callable[[Any, object], Any]:
    def equal(self: Any, other: object) -> Any:
        if other is self:
            return True
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _hash(values: Callable[[Any], Any]) -> Callable[[Any], int]:
    def hashed(self: Any) -> int:
        return hash(values(self))

    return hashed


def _represent(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


def _initializer(cls: Any) -> Callable[..., None]:
    """`__init__` with one parameter for each field that has one, and one line for each field that gets a value."""
    frozen = cls.__setattr__ is _refuse_to_set
    known: dict[str, Any] = {"MISSING": MISSING}
    positional, named, body = ["self"], list[str](), list[str]()
    for one in fields(cls):
        default, made = f"default_{one.name}", _default(one)
        if made is not MISSING:
            known[default] = made
        elif not one.init:
            continue
        value = one.name if one.init else default
        if one.default_factory is not MISSING:
            value = f"{default}() if {one.name} is MISSING else {one.name}" if one.init else f"{default}()"
            default = "MISSING"
        if one.init:
            (named if one.kw_only else positional).append(one.name if made is MISSING else f"{one.name}={default}")
        if frozen:
            known[f"set_{one.name}"] = getattr(cls, one.name).__set__
            body.append(f"set_{one.name}(self, {value})")
        else:
            body.append(f"self.{one.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join([*positional, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), known)
    made_init: Callable[..., None] = known["__init__"]
    made_init.__qualname__ = f"{cls.__qualname__}.__init__"
    return made_init


def _default(one: Field[Any]) -> Any:
    """The default value of a field, or what makes it; MISSING without one."""
    return one.default if one.default_factory is MISSING else one.default_factory
