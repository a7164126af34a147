"""Puts a configuration into shape: indentation by blocks, single blanks between plain words, at most one empty line.

Meaning is kept: definitions over several lines, lines with quotes, references, loops and includes keep their text, and
what the formatter writes is read into the same statements.
"""

from __future__ import annotations

import re

from pykeepalived.config import lines
from pykeepalived.config.grammar import LONGEST_LINE

INDENT = "    "
_SIMPLE = re.compile(r"[ \t]*([^\s\"#!$@~{}\\][^\"#!${}\\]*?)[ \t]*(\{?)[ \t]*([#!].*)?")


def format_text(text: str) -> str:
    """The text in shape; formatting it again changes nothing."""
    done: list[str] = []
    depth, in_definition = 0, False
    source = text.split("\n")
    if source and source[-1] == "":
        source.pop()
    for line in source:
        line = line.rstrip("\r")
        if in_definition:
            done.append(line)
            in_definition = _continues(line)
            continue
        stripped = line.strip(lines.BLANKS)
        if not stripped:
            if done and done[-1] != "":
                done.append("")
            continue
        if len(stripped) > LONGEST_LINE:
            # the daemon reads no more than its end, and looks at it once
            done.append(line)
            depth = max(depth + _braces(stripped[-LONGEST_LINE:])[1], 0)
            in_definition = lines.definition(stripped) is not None and _continues(stripped)
            continue
        closing, change = _braces(stripped)
        level = max(depth - closing, 0)
        shaped = INDENT * min(level, LONGEST_LINE) + _spaced(stripped)
        done.append(shaped if len(shaped.encode("utf-8", "surrogateescape")) <= LONGEST_LINE else line)
        depth = max(depth + change, 0)
        in_definition = _is_definition(stripped) and _continues(stripped)
    while done and done[-1] == "":
        done.pop()
    return "".join(f"{line}\n" for line in done)


def _continues(line: str) -> bool:
    return lines.strip_comment(line)[0].endswith("\\")


def _without_condition(text: str) -> str:
    return re.sub(r"^@\S*[ \t]*", "", text) if text.startswith("@") else text


def _is_definition(text: str) -> bool:
    """A definition may stand behind a condition or behind a brace; what follows it on the line belongs to it."""
    code = lines.strip_comment(text)[0]
    while code:
        code = _without_condition(code)
        if lines.definition(code) is not None:
            return True
        at = lines.brace(code)
        if at < 0:
            return False
        code = code[at + 1 :].lstrip(lines.BLANKS)
    return False


def _braces(text: str) -> tuple[int, int]:
    """How many closing braces start the line, and by how much the line changes the depth."""
    code = lines.strip_comment(text)[0]
    closing = change = 0
    leading = True
    while code:
        code = _without_condition(code)
        if lines.definition(code) is not None or code.startswith("~") or lines.include(code) is not None:
            break
        at = lines.brace(code)
        if at < 0:
            break
        # The braces of a reference are none.
        if code[at] == "{" and at and code[at - 1] == "$":
            end = code.find("}", at)
            if end < 0:
                break
            code = "x" + code[end + 1 :]
            leading = False
            continue
        leading = leading and not code[:at].strip(lines.BLANKS)
        if code[at] == "}":
            change -= 1
            closing += leading
        else:
            change += 1
            leading = False
        code = code[at + 1 :].lstrip(lines.BLANKS)
    return closing, change


def _spaced(text: str) -> str:
    """Single blanks between the words of a plain line, one blank before its brace, two before its comment."""
    match = _SIMPLE.fullmatch(text)
    if match is None or not text.isascii() or not text.replace("\t", " ").isprintable():
        return text
    if lines.include(text) is not None:
        return text
    words, brace, comment = match.groups()
    shaped = " ".join(re.split(r"[ \t]+", words.strip(lines.BLANKS)))
    shaped += " {" if brace else ""
    return shaped + (f"  {comment}" if comment else "")
