"""Argument types of keywords: numbers with limits and units, timers, switches, words, choices, addresses.

A type reads its word from the statement with the parsers of config/values.py, reports what is wrong, and returns the
value or REJECTED. `missing` says what an absent word means: "stop" (keepalived ends with status 2), "report" (an
ordinary error), "ignore", or a value given as `absent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

_UNITS = {"us": 0.000001, "ms": 0.001, "s": 1, "sec": 1, "secs": 1, "seconds": 1, "m": 60, "min": 60, "h": 3600}
NO_VALUE: Any = object()


def unit_hint(word: str, unit: str) -> str:
    """What the writer probably meant by a number with a unit: `5s` or `250ms` where plain seconds are wanted."""
    digits = word.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    suffix = word[len(digits) :].lower()
    scale = _UNITS.get(unit)
    if suffix not in _UNITS or scale is None:
        return ""
    try:
        number = float(digits) * _UNITS[suffix] / scale
    except ValueError:
        return ""
    return f"write {number:g} (the unit is always {unit})"


class _Number(ArgumentType):
    """What integers and timers share: absent words, fallbacks, raised zeros, trailing garbage, hints about units."""

    __slots__ = ("_absent", "_cached", "_fallback", "_lenient", "_missing", "_zero")

    def __init__(
        self, notation: str, limits: str, unit: str, missing: str, absent: Any, fallback: Any, zero: Any, lenient: bool
    ) -> None:
        super().__init__(notation, limits, unit)
        self._missing = missing
        self._absent = absent
        self._fallback = fallback
        self._zero = zero
        self._lenient = lenient
        self._cached = lru_cache(maxsize=4096)(self.parse)

    def parse(self, word: str, lenient: bool) -> int | Fault:
        raise NotImplementedError

    def read(self, statement: Statement, reading: Reading) -> Any:
        words = statement.words
        if len(words) < 2:
            return absent(self._missing, self._absent, statement, reading)
        value = self._cached(words[1], reading.lenient and self._lenient)
        if type(value) is int:
            return value
        return self._mend(value, statement, reading)

    def _mend(self, fault: int | Fault, statement: Statement, reading: Reading) -> Any:
        assert isinstance(fault, Fault)
        word = statement.words[1]
        used = fault.value if fault.value is not None else self._fallback
        if self._zero is not None and values.integer(word, 0, 0) == 0:
            used = self._zero
        effect = "ignored" if used is None else f"using {self.show(used)}"
        name = statement.words[0]
        detail = f": {fault.text}" if fault.text else ""
        reading.report(
            statement,
            fault.code,
            f"{name}: invalid value {word!r}{detail} - {effect}",
            word=1,
            kind=fault.kind,
            severity=fault.severity,
            suggestion=unit_hint(word, self.unit),
        )
        return REJECTED if used is None else used

    def show(self, value: int) -> str:
        return str(value)


class Integer(_Number):
    """A decimal integer `low`..`high`. `fallback` is used for a bad word, `zero` for a 0 outside the range.

    `strict`: trailing garbage is an error in the daemon too. A negative `low` makes the number signed.
    """

    __slots__ = ("_c_notation", "high", "low")

    def __init__(
        self,
        low: int,
        high: int,
        *,
        notation: str = "U",
        unit: str = "",
        strict: bool = False,
        missing: str = "stop",
        absent: Any = NO_VALUE,
        fallback: int | None = None,
        zero: int | None = None,
        c_notation: bool = False,
    ) -> None:
        limits = f"{low}..{high}" + (f" {unit}" if unit else "")
        super().__init__(notation, limits, unit, missing, absent, fallback, zero, not strict)
        self.low = low
        self.high = high
        self._c_notation = c_notation

    def parse(self, word: str, lenient: bool) -> int | Fault:
        return values.integer(word, self.low, self.high, lenient=lenient, c_notation=self._c_notation)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Decimal(_Number):
    """A number with decimals, kept as an integer of its smallest unit; `low` and `high` are in that unit.

    `places` 6 and unit s give microseconds; 3 and s milliseconds; 3 and ms microseconds.
    """

    __slots__ = ("_places", "high", "low")

    def __init__(
        self,
        low: int,
        high: int,
        *,
        places: int = 6,
        notation: str = "TIMER",
        unit: str = "s",
        missing: str = "stop",
        absent: Any = NO_VALUE,
        fallback: int | None = None,
        zero: int | None = None,
    ) -> None:
        scale = 10**places
        super().__init__(
            notation, f"{low / scale:.12g}..{high / scale:.12g} {unit}", unit, missing, absent, fallback, zero, False
        )
        self.low = low
        self.high = high
        self._places = places

    def parse(self, word: str, lenient: bool) -> int | Fault:
        return values.decimal(word, self.low, self.high, self._places)

    def show(self, value: int) -> str:
        return f"{value / 10**self._places:g} {self.unit}"

    def json_schema(self) -> dict[str, Any]:
        scale = 10**self._places
        return {"type": "number", "minimum": self.low / scale, "maximum": self.high / scale}


def seconds(
    low: float, high: float, *, missing: str = "stop", fallback: int | None = None, zero: int | None = None
) -> Decimal:
    """A TIMER: seconds with up to 6 decimals, as microseconds."""
    scale = MICROSECONDS_PER_SECOND
    return Decimal(round(low * scale), round(high * scale), missing=missing, fallback=fallback, zero=zero)


def absent(missing: str, value: Any, statement: Statement, reading: Reading) -> Any:
    """The value of an absent word; reports it unless `missing` is "ignore"."""
    if value is not NO_VALUE:
        return value
    if missing == "stop":
        reading.missing(statement)
    elif missing == "report":
        report_missing(statement, reading)
    return REJECTED


def report_missing(statement: Statement, reading: Reading, what: str = "a value") -> None:
    """Record an absent word that is an ordinary error (exit 5)."""
    name = statement.words[0]
    reading.report(statement, "word-absent", f"{name} needs {what} - ignored", word=len(statement.words))


class Flag(ArgumentType):
    """A keyword without argument; further words are ignored. `value` is what it stores."""

    __slots__ = ("_value",)

    def __init__(self, value: Any = True) -> None:
        super().__init__("", "flag")
        self._value = value

    def read(self, statement: Statement, reading: Reading) -> Any:
        return self._value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Switch(ArgumentType):
    """`on true yes` / `off false no`; an absent word means on."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("BOOL?", "on|off|true|false|yes|no")

    def read(self, statement: Statement, reading: Reading) -> Any:
        words = statement.words
        value = values.switch(words[1] if len(words) > 1 else None)
        if isinstance(value, Fault):
            lower = words[1].lower()
            hint = f"did you mean {lower!r}?" if not isinstance(values.switch(lower), Fault) else "write on or off"
            text = f"{words[0]}: {words[1]!r} is neither on nor off - ignored"
            reading.report(statement, value.code, text, word=1, kind=value.kind, suggestion=hint)
            return REJECTED
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Word(ArgumentType):
    """One word. `longest` characters are kept (`cut`) or allowed at most; `exact`: no further words allowed, nor
    an empty one unless `empty`."""

    __slots__ = ("_absent", "_cut", "_empty", "_exact", "_longest", "_missing")

    def __init__(
        self,
        notation: str = "STR",
        *,
        missing: str = "stop",
        absent: Any = NO_VALUE,
        longest: int = 0,
        cut: bool = False,
        exact: bool = False,
        empty: bool = False,
    ) -> None:
        super().__init__(notation, f"up to {longest} characters" if longest else "")
        self._missing = missing
        self._absent = absent
        self._longest = longest
        self._cut = cut
        self._exact = exact
        self._empty = empty

    def read(self, statement: Statement, reading: Reading) -> Any:
        words = statement.words
        if len(words) < 2:
            return absent(self._missing, self._absent, statement, reading)
        word = words[1]
        if self._exact and (len(words) > 2 or not (word or self._empty)):
            reading.report(statement, "words-extra", f"{words[0]} takes exactly one word - ignored", word=2)
            return REJECTED
        if self._longest and len(word.encode("utf-8", "surrogateescape")) > self._longest:
            effect = f"using the first {self._longest}" if self._cut else "ignored"
            text = f"{words[0]}: {word!r} is longer than {self._longest} characters - {effect}"
            reading.report(statement, "word-long", text, word=1)
            return (
                word.encode("utf-8", "surrogateescape")[: self._longest].decode("utf-8", "ignore")
                if self._cut
                else REJECTED
            )
        return word


class Choice(ArgumentType):
    """One of several words, each with the value it stores; another word is an error."""

    __slots__ = ("_absent", "_choices", "_missing")

    def __init__(self, choices: Mapping[str, Any], *, missing: str = "stop", absent: Any = NO_VALUE) -> None:
        super().__init__("|".join(choices), "|".join(choices))
        self._choices = choices
        self._missing = missing
        self._absent = absent

    def read(self, statement: Statement, reading: Reading) -> Any:
        words = statement.words
        if len(words) < 2:
            return absent(self._missing, self._absent, statement, reading)
        if words[1] not in self._choices:
            text = f"{words[0]}: unknown value {words[1]!r} - ignored"
            reading.report(statement, "word-unknown", text, word=1, suggestion=f"one of {', '.join(self._choices)}")
            return REJECTED
        return self._choices[words[1]]

    def json_schema(self) -> dict[str, Any]:
        return {"enum": list(self._choices)}


class Address(ArgumentType):
    """An address of either family, or of `family`; a `-...` or `/...` suffix is cut off silently where `suffix`."""

    __slots__ = ("_family", "_missing", "_suffix")

    def __init__(self, family: int = 0, *, missing: str = "stop", suffix: bool = True) -> None:
        super().__init__(f"IP{family or ''}")
        self._family = family
        self._missing = missing
        self._suffix = suffix

    def read(self, statement: Statement, reading: Reading) -> Any:
        words = statement.words
        if len(words) < 2:
            return absent(self._missing, NO_VALUE, statement, reading)
        parse = values.socket_ip if self._suffix else values.ip
        value = parse(words[1], self._family)
        if isinstance(value, Fault):
            reading.fault(statement, 1, value)
            return REJECTED
        return value
