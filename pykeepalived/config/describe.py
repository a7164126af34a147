"""The keyword table for people and programs: explanations, a JSON schema, completion, the page of keywords.

Everything is generated from schema/root.py; nothing here knows a keyword.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pykeepalived.config.reader import walk_table
from pykeepalived.config.schema.base import Block, Keyword, ValueBlock


def paths(root: Mapping[str, Keyword]) -> dict[str, Keyword]:
    """Every keyword by its path, as in `vrrp_instance/advert_int`; words of entry lines after a colon."""
    return dict(walk_table(root))


def explain(root: Mapping[str, Keyword], wanted: str) -> str:
    """What is known about a keyword: by its whole path, or by its name in every block that has it; "" if unknown."""
    known = paths(root)
    if wanted in known:
        return _explained(wanted, known[wanted])
    found = [path for path, keyword in known.items() if keyword.name == wanted]
    return "\n".join(_explained(path, known[path]) for path in found)


def nearest(root: Mapping[str, Keyword], wanted: str) -> list[str]:
    """Keywords whose name is most like this one."""
    names = {keyword.name for keyword in paths(root).values()}
    return difflib.get_close_matches(wanted.rpartition("/")[2], names, 3)


def _explained(path: str, keyword: Keyword) -> str:
    block = keyword.block
    notation = block.notation if isinstance(block, ValueBlock) else keyword.notation
    lines = [f"{path} {notation}".rstrip() + (" { ... }" if block is not None else "")]
    rows = (
        ("values", keyword.limits),
        ("default", keyword.default),
        ("inherits", keyword.inherits),
        ("process", keyword.process),
        ("since", keyword.since),
        ("deprecated", keyword.deprecated),
        ("note", keyword.note),
    )
    lines += [f"  {label:<10} {text}" for label, text in rows if text]
    if isinstance(block, Block):
        lines.append(f"  {'keywords':<10} {' '.join(block.keywords)}")
    return "\n".join(lines) + "\n"


def json_schema(root: Mapping[str, Keyword]) -> dict[str, Any]:
    """A JSON schema of a configuration: objects for blocks, arrays of lines for value blocks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "keepalived.conf",
        **_object_schema(root),
    }


def _object_schema(keywords: Mapping[str, Keyword]) -> dict[str, Any]:
    properties = {name: _keyword_schema(keyword) for name, keyword in keywords.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _keyword_schema(keyword: Keyword) -> dict[str, Any]:
    block = keyword.block
    schema: dict[str, Any]
    if isinstance(block, Block):
        schema = _object_schema(block.keywords)
    elif isinstance(block, ValueBlock):
        schema = {"type": "array", "items": {"type": "string", "description": block.notation}}
    else:
        schema = keyword.type.json_schema() if keyword.type is not None else {}
    described = {
        "x-arguments": keyword.notation,
        "x-values": keyword.limits,
        "x-default": keyword.default,
        "x-inherits": keyword.inherits,
        "x-process": keyword.process,
        "x-since": keyword.since,
        "description": keyword.note,
    }
    schema |= {name: text for name, text in described.items() if text}
    if keyword.deprecated:
        schema["deprecated"] = True
    if keyword.secret:
        schema["writeOnly"] = True
    return schema


def candidates(root: Mapping[str, Keyword], words: list[str]) -> list[str]:
    """Completion of a path of blocks: the keywords of the innermost one that start with the last word."""
    keywords = root
    for name in words[:-1]:
        found = keywords.get(name)
        if found is None or not isinstance(found.block, Block):
            return []
        keywords = found.block.keywords
    start = words[-1] if words else ""
    return sorted(name for name in keywords if name.startswith(start))
