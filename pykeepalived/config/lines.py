"""What a physical line is made of, as pure functions: comments, conditions, definitions, loops, braces.

config/source.py puts them together; nothing here opens files or remembers anything.
"""

from __future__ import annotations

import re

from pykeepalived.light_dataclasses import dataclass

BLANKS = " \t"

_COMMENT_TOKEN = re.compile(r'\\.|["#!]', re.DOTALL)
_CONDITION = re.compile(r"@(\^?)([^ \t]*)[ \t]*")
_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*")
_LOOP = re.compile(r"~(SEQx?|LST)[ \t]*\(")
_INCLUDE = re.compile(r"include([rmwba]?)[ \t]+")
_BRACE = re.compile(r'"[^"]*"|[{}]')
REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|$))")
"""`${NAME}`, `${NAME words}`, or `$NAME` before a blank, `,`, `)` or the end of the line."""


def strip_comment(line: str) -> tuple[str, bool]:
    """Remove the comment and the blanks around a line; the flag tells that its double quotes are unbalanced.

    `\\#` and `\\!` outside quotes become the plain character. A backslash at the very end is kept right after the text.
    """
    balanced = True
    if '"' in line or "#" in line or "!" in line:
        pieces: list[str] = []
        begin, quoted = 0, False
        for match in _COMMENT_TOKEN.finditer(line):
            token = match[0]
            if token == '"':
                quoted = not quoted
            elif quoted:
                continue
            elif token in "#!":
                pieces.append(line[begin : match.start()])
                begin = len(line)
                break
            elif token[1] in "#!":
                pieces.append(line[begin : match.start()] + token[1])
                begin = match.end()
        line = "".join(pieces) + line[begin:]
        balanced = not quoted
    line = line.strip(BLANKS)
    if line.endswith("\\") and not line.endswith("\\\\"):
        line = line[:-1].rstrip(BLANKS) + "\\"
    return line, not balanced


def condition(text: str, config_id: str) -> int | None:
    """Offset of the text behind `@ID` or `@^ID` if the condition holds, None if the line vanishes."""
    match = _CONDITION.match(text)
    assert match is not None, "the caller saw the @"
    if match.end() == len(text) or (match[2] == config_id) is bool(match[1]):
        return None
    return match.end()


def definition(text: str) -> tuple[str, str] | None:
    """Name and raw value of a `$NAME=VALUE` line, None if the line is none."""
    match = _DEFINITION.match(text)
    return (match[1], text[match.end() :]) if match else None


def include(text: str) -> tuple[str, str] | None:
    """Letter ("" for none) and pattern of an include line: the pattern is the rest of the line, blanks and all."""
    match = _INCLUDE.match(text)
    return (match[1], text[match.end() :]) if match else None


def brace(text: str) -> int:
    """Offset of the first brace outside double quotes, -1 if there is none."""
    if "{" not in text and "}" not in text:
        return -1
    if '"' not in text:
        offsets = [offset for offset in (text.find("{"), text.find("}")) if offset >= 0]
        return min(offsets)
    for match in _BRACE.finditer(text):
        if match[0] in "{}":
            return match.start()
    return -1


@dataclass(frozen=True, slots=True)
class Loop:
    """A `~SEQ` or `~LST` line: the text, and for every round the variables with their values."""

    text: str
    names: tuple[str, ...]
    rounds: range | tuple[tuple[str, ...], ...]
    hexadecimal: bool = False

    def values(self, item: int | tuple[str, ...]) -> tuple[str, ...]:
        """The values of the variables in this round."""
        if isinstance(item, tuple):
            return item
        return (f"{item:x}" if self.hexadecimal else str(item),)


LONGEST_LOOP_HEAD = 63


def is_loop(text: str) -> bool:
    """True for a line that starts with `~SEQ(`, `~SEQx(` or `~LST(`."""
    return _LOOP.match(text) is not None


def loop_head(text: str) -> tuple[str, str, str] | None:
    """Kind, the text inside the parentheses and the text behind them; None without a closing parenthesis."""
    match = _LOOP.match(text)
    assert match is not None, "the caller asked is_loop"
    end = text.find(")", match.end())
    return None if end < 0 else (match[1], text[match.end() : end], text[end + 1 :].lstrip(BLANKS))


def sequence(kind: str, head: str, text: str) -> Loop | str:
    """The loop of `~SEQ(VAR, END)`, `(VAR, START, END)` or `(VAR, START, STEP, END)`; a message if it is wrong."""
    parts = [part.strip(BLANKS) for part in head.split(",")]
    if not 2 <= len(parts) <= 4:
        return "needs a variable and one to three numbers"
    numbers = []
    for part in parts[1:]:
        number = c_integer(part)
        if number is None:
            return f"has an invalid number {part!r}"
        numbers.append(number)
    end = numbers[-1]
    if len(numbers) == 1:
        start, step = (-1 if end < 0 else 1), (-1 if end < 1 else 1)
    else:
        start = numbers[0]
        step = numbers[1] if len(numbers) == 3 else (-1 if end < start else 1)
    if step == 0 or (end - start) * step < 0:
        return f"never reaches {end} from {start} by steps of {step}"
    if kind == "SEQx" and min(start, end) < 0:
        return "cannot count in hexadecimal below 0"
    return Loop(text, (parts[0],), range(start, end + (1 if step > 0 else -1), step), kind == "SEQx")


def c_integer(word: str) -> int | None:
    """A number in C notation (0x1f, 017, -3); an empty word is 0; None if it is none."""
    if not word:
        return 0
    match = re.fullmatch(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", word)
    if match is None or len(word) > 20:
        return None
    digits = match[2]
    if digits[:2] in ("0x", "0X"):
        number = int(digits, 16)
    else:
        number = int(digits, 8) if digits[0] == "0" and len(digits) > 1 else int(digits)
    return -number if match[1] == "-" else number


_ITEM = re.compile(r"[ \t]*(?:\{([^}]*)\}|([^ \t,}]*))[ \t]*(,|$)")


def value_list(head: str, text: str) -> Loop | str:
    """The loop of `~LST(VAR, a, b)` or `~LST({V, W}, {a, b}, {c, d})`; a message if it is wrong."""
    items: list[tuple[str, ...]] = []
    offset = 0
    while True:
        match = _ITEM.match(head, offset)
        if match is None:
            return f"cannot be read at {head[offset:].strip(BLANKS)!r}"
        group = match[1]
        words = tuple(word.strip(BLANKS) for word in group.split(",")) if group is not None else (match[2],)
        if any(blank in word for word in words for blank in BLANKS):
            return "has a blank inside a value"
        items.append(words)
        offset = match.end()
        if not match[3]:
            break
    names, rounds = items[0], items[1:]
    if not rounds or not all(names):
        return "needs a variable and at least one value"
    if any(len(values) > len(names) for values in rounds):
        return "has more values in a set than variables"
    return Loop(text, names, tuple(values + ("",) * (len(names) - len(values)) for values in rounds))
