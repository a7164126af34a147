"""Numbers, timers and switches: values, limits and the texts keepalived prints (measured with 2.2.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.values import Fault


@pytest.mark.parametrize(
    ("word", "low", "high", "expected"),
    [
        ("7", 1, 255, 7),
        ("007", 1, 255, 7),
        ("+3", 1, 255, 3),
        (" 4", 1, 255, 4),
        ("255", 1, 255, 255),
        ("-253", -253, 253, -253),
        ("", 0, 9, 0),
        ("", -5, 5, 0),
        ("4294967295", 0, values.U32, 4294967295),
        ("18446744073709551615", 0, values.U64, values.U64),
    ],
)
def test_integer(word: str, low: int, high: int, expected: int) -> None:
    assert values.integer(word, low, high) == expected


@pytest.mark.parametrize(
    ("word", "low", "high", "text"),
    [
        ("0", 1, 255, "number '0' outside range [1, 255]"),
        ("300", 1, 255, "number '300' outside range [1, 255]"),
        ("", 1, 255, "number '' outside range [1, 255]"),
        ("5x", 1, 255, "invalid number '5x'"),
        (" 4 ", 1, 255, "invalid number ' 4 '"),
        ("0x10", 1, 255, "invalid number '0x10'"),
        ("1.5", 1, 255, "invalid number '1.5'"),
        ("1e3", 1, 2000, "invalid number '1e3'"),
        ("x", 1, 255, "invalid number 'x'"),
        ("-1", 0, 255, "negative number '-1'"),
        ("-5x", 1, 255, "negative number '-5x'"),
        ("-x", 1, 255, "negative number '-x'"),
        ("-2", -1, 255, "number '-2' outside range [-1, 255]"),
        ("99999999999999999999999", 1, 255, "number '99999999999999999999999' outside unsigned integer range"),
        ("99999999999999999999999", -253, 253, "number '99999999999999999999999' outside integer range"),
        ("-5x", -253, 253, "invalid number '-5x'"),
    ],
)
def test_bad_integer(word: str, low: int, high: int, text: str) -> None:
    fault = values.integer(word, low, high)
    assert isinstance(fault, Fault)
    assert fault.text == text
    assert fault.kind == FindingClass.INVALID_NUMBER
    assert fault.value is None


def test_lenient_number_is_used_with_a_warning() -> None:
    fault = values.integer("7x", 1, 255, lenient=True)
    assert isinstance(fault, Fault)
    assert (fault.value, fault.kind, fault.severity) == (7, FindingClass.NONE, Severity.WARNING)
    out_of_range = values.integer("700x", 1, 255, lenient=True)
    assert isinstance(out_of_range, Fault)
    assert out_of_range.value is None


@pytest.mark.parametrize(("word", "expected"), [("0x1f", 31), ("017", 15), ("10", 10), ("0", 0), ("0XFF", 255)])
def test_c_notation(word: str, expected: int) -> None:
    assert values.integer(word, 0, values.U32, c_notation=True) == expected


def test_c_notation_refuses_bad_octal() -> None:
    assert isinstance(values.integer("08", 0, 255, c_notation=True), Fault)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("1", 1_000_000), ("0.25", 250_000), (".5", 500_000), ("1.", 1_000_000), ("0.000001", 1), ("+2", 2_000_000)],
)
def test_timer(word: str, expected: int) -> None:
    assert values.timer(word) == expected


@pytest.mark.parametrize(
    ("word", "used"),
    [
        ("1.23456789", 1_234_568),
        ("1.2345674", 1_234_567),
        ("1.2345675", 1_234_568),
        ("0.0000005", 1),
        ("0.9999999", 1_000_000),
    ],
)
def test_too_many_decimals_are_rounded_half_up_and_used(word: str, used: int) -> None:
    fault = values.timer(word)
    assert isinstance(fault, Fault)
    assert fault.text == f"number '{word}' has too many decimal places"
    assert fault.value == used
    assert fault.kind == FindingClass.INVALID_NUMBER


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("5x", "invalid number '5x'"),
        ("1e3", "invalid number '1e3'"),
        ("abc", "invalid number 'abc'"),
        ("-1", "negative number '-1'"),
        ("0", "number '0' outside range [0.000001, 4294.967295]"),
        ("", "number '' outside range [0.000001, 4294.967295]"),
        (".", "number '.' outside range [0.000001, 4294.967295]"),
        ("5000", "number '5000' outside range [0.000001, 4294.967295]"),
        ("99999999999999999999", "number '99999999999999999999' outside unsigned decimal range"),
    ],
)
def test_bad_timer_keeps_the_old_value(word: str, text: str) -> None:
    fault = values.timer(word, 1, 4_294_967_295)
    assert isinstance(fault, Fault)
    assert (fault.text, fault.value) == (text, None)


def test_three_decimals() -> None:
    assert values.decimal("12.5", 1000, 4_294_967_000, 3) == 12_500
    fault = values.decimal("0", 1000, 4_294_967_000, 3)
    assert isinstance(fault, Fault)
    assert fault.text == "number '0' outside range [1.000, 4294967.000]"
    rounded = values.decimal("10.1234", 1000, 4_294_967_000, 3)
    assert isinstance(rounded, Fault)
    assert rounded.value == 10_123


@pytest.mark.parametrize(
    ("word", "expected"), [("on", True), ("yes", True), ("true", True), ("off", False), (None, True)]
)
def test_switch(word: str | None, expected: bool) -> None:
    assert values.switch(word) is expected


@pytest.mark.parametrize("word", ["ON", "1", "maybe", ""])
def test_bad_switch(word: str) -> None:
    assert isinstance(values.switch(word), Fault)


@given(st.text(max_size=30), st.booleans(), st.booleans())
def test_any_text_is_a_number_or_a_fault(word: str, lenient: bool, c_notation: bool) -> None:
    number = values.integer(word, -254, 254, lenient=lenient, c_notation=c_notation)
    assert isinstance(number, Fault) or -254 <= number <= 254
    assert isinstance(values.timer(word, 1, 1000), (Fault, int))


@given(st.integers(0, values.U32))
def test_numbers_survive(number: int) -> None:
    assert values.integer(str(number), 0, values.U32) == number
    assert values.timer(values.format_decimal(number, 6)) == number
