"""Our dataclasses against those of the standard library: the same definitions, the same behaviour."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import field
from typing import Any, cast

import pytest

from pykeepalived import light_dataclasses

KINDS = {
    "standard": dataclasses.dataclass,
    "prompt": light_dataclasses.dataclass,
    "late": light_dataclasses.late_dataclass,
}
_HERE = sys.modules[__name__]


@pytest.fixture(params=KINDS)
def define(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


def _public(cls: Any) -> Any:
    """Where pickle finds the class."""
    cls.__qualname__ = cls.__name__
    setattr(_HERE, cls.__name__, cls)
    return cls


def _point(define: Any) -> Any:
    @define(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        tags: tuple[str, ...] = field(default_factory=tuple)
        at: str | None = field(default=None, compare=False)
        secret: bytes = field(default=b"", repr=False)

    return _public(Point)


def test_values_and_defaults(define: Any) -> None:
    point = _point(define)
    assert [(one.x, one.y, one.tags, one.at) for one in (point(1), point(1, 3, ("a",), at="here"))] == [
        (1, 2, (), None),
        (1, 3, ("a",), "here"),
    ]
    assert repr(point(1, secret=b"x")) == "Point(x=1, y=2, tags=(), at=None)"
    assert [one.name for one in dataclasses.fields(point)] == ["x", "y", "tags", "at", "secret"]
    for arguments, named in [((), {}), ((1, 2, (), None, b"", 6), {}), ((1,), {"z": 1}), ((1,), {"x": 1})]:
        with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
            point(*arguments, **named)


def test_comparison(define: Any) -> None:
    point = _point(define)
    assert point(1) == point(1, at="elsewhere")
    assert point(1) != point(1, secret=b"x")
    assert point(1) != (1, 2, (), b"")
    assert hash(point(1)) == hash(point(1, at="elsewhere")) != hash(point(2))


def test_frozen(define: Any) -> None:
    one = _point(define)(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.x
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        one.new = 2
    assert not hasattr(one, "__dict__")
    assert one.x == 1


def test_copies(define: Any) -> None:
    one = _point(define)(1, tags=("a",), secret=b"x")
    for other in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), dataclasses.replace(one)):
        assert other == one
        assert other is not one
    assert dataclasses.replace(one, x=5) == type(one)(5, tags=("a",), secret=b"x")
    assert dataclasses.asdict(one)["tags"] == ("a",)


def test_mutable_classes(define: Any) -> None:
    @define(slots=True, kw_only=True)
    class Draft:
        name: str
        items: list[int] = field(default_factory=list)
        made: int = field(init=False, default=7)
        later: int = field(init=False)
        known: dict[str, int] = field(init=False, default_factory=dict)

    draft: Any = Draft
    one, two = draft(name="a"), draft(name="a")
    one.items.append(1)
    assert (two.items, one.made, one.known) == ([], 7, {})
    assert not hasattr(one, "later")
    one.later = two.later = 1
    assert one != two
    with pytest.raises(TypeError):
        draft("a")
    with pytest.raises(TypeError):
        hash(one)


def test_what_a_class_defines_stays(define: Any) -> None:
    @define(frozen=True, slots=True)
    class Own:
        x: int
        double: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.x)

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 4

        def __repr__(self) -> str:
            return "own"

    own: Any = Own
    assert (own(1) == 5, hash(own(1)), repr(own(1)), own(3).double) == (True, 4, "own", 6)


def test_identity_when_asked_for(define: Any) -> None:
    @define(slots=True, eq=False, repr=False)
    class Thing:
        x: int = 1

    assert Thing() != Thing()
    assert hash(Thing())
    assert repr(Thing()).startswith("<")


def test_inheritance(define: Any) -> None:
    @define(frozen=True, slots=True)
    class Base:
        x: int = 1

    @define(frozen=True, slots=True)
    class More(Base):
        y: int = 2

    @define(frozen=True, slots=True)
    class Nothing:
        pass

    base, more = (cast(Any, cls) for cls in (Base, More))
    assert (more(3).x, more(3).y, Nothing()) == (3, 2, Nothing())
    assert more(1, 2) != base(1)
    assert hash(Nothing()) == hash(())


def test_late_means_late() -> None:
    point = _point(light_dataclasses.late_dataclass)
    before = point.__init__
    point(1)
    assert point.__init__ is not before
    assert point.__init__.__code__.co_varnames[:2] == ("self", "x")


def test_frozen_needs_slots() -> None:
    with pytest.raises(TypeError, match="Loose is to be frozen without slots"):

        @light_dataclasses.dataclass(frozen=True)
        class Loose:
            x: int


def test_a_configuration_test_compiles_few_methods() -> None:
    """What made a start slow: hundreds of methods compiled while modules are imported."""
    code = (
        "import builtins, sys\ncompiled, run = [], builtins.exec\n"
        "def counted(what, *given):\n"
        # modules come as code; from Python 3.13 on dataclasses also run a text that defines nothing
        " if isinstance(what, str) and '(self' in what: compiled.append(what)\n"
        " return run(what, *given)\n"
        "builtins.exec = counted\n"
        "import pykeepalived.config.build, pykeepalived.config.schema.root\nprint(len(compiled))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10 < int(done.stdout) < 60
