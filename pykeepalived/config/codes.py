"""The codes of all findings with the messages they come with, read from the sources of this package.

The list is made from the calls that record findings, so it cannot fall behind them; docs/findings.md is printed from
it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_RECORDERS = frozenset(
    {
        "report",
        "_report",
        "note",
        "error",
        "refuse",
        "drop",
        "Finding",
        "_finding",
        "Fault",
        "missing",
        "_log",
        "_drop_authentication",
    }
)


_PASSED_ON = {
    "bool-invalid": "a word that is neither on nor off",
    "file-unusable": "a file that cannot be read, is a directory, or is executable",
    "hex-invalid": "a text that is no hexadecimal number",
    "include-missing": "an include line that names no file, or none that can be read",
    "method-tunnel": "a word of a tunnel that is unknown or has no value",
    "netmask-invalid": "an address mask that is none",
    "realms-invalid": "realms that are neither numbers nor names",
    "script-check": "a script that is missing, not executable, insecure, or found by path search",
}
"""What codes mean whose messages are made elsewhere than where they are recorded."""


def codes() -> dict[str, tuple[str, ...]]:
    """Every code with its message templates; `{...}` stands for what is filled in."""
    found: dict[str, list[str]] = {}
    for source in _sources(files("pykeepalived.config")):
        for code, message in _recorded(ast.parse(source.read_text("utf-8"))):
            known = found.setdefault(code, [])
            if message and message not in known:
                known.append(message)
    return {code: (_PASSED_ON[code],) if code in _PASSED_ON else tuple(found[code]) for code in sorted(found)}


def markdown() -> str:
    """The page docs/findings.md."""
    lines = [
        "# Findings",
        "",
        "Everything `pykeepalived check` and a config test can say about a configuration, by code. Printed by",
        "`python -m pykeepalived.config.codes`; `{...}` stands for names, words and numbers.",
        "",
        "| code | message |",
        "|---|---|",
    ]
    for code, messages in codes().items():
        text = "<br>".join(message.replace("|", "\\|").replace("<", "&lt;") for message in messages)
        lines.append(f"| `{code}` | {text} |")
    return "\n".join(lines) + "\n"


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            yield from _sources(entry)
        elif entry.name.endswith(".py"):
            yield entry


def _recorded(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Module):
            yield from _of_function(function)


def _of_function(function: ast.FunctionDef | ast.Module) -> Iterator[tuple[str, str]]:
    texts: dict[str, list[tuple[int, ast.expr]]] = {}
    calls = []
    for node in _inside(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            texts.setdefault(node.targets[0].id, []).append((node.lineno, node.value))
        elif isinstance(node, ast.Call) and _name(node.func) in _RECORDERS:
            calls.append(node)
    for call in calls:
        for position, argument in enumerate(call.args):
            if (
                isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
                and _CODE.fullmatch(argument.value)
            ):
                message = call.args[position + 1] if position + 1 < len(call.args) else None
                yield argument.value, _template(message, texts, call.lineno)
                break


def _inside(function: ast.FunctionDef | ast.Module) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    pending: list[ast.AST] = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef):
            pending.extend(ast.iter_child_nodes(node))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _template(node: ast.expr | None, texts: dict[str, list[tuple[int, ast.expr]]], line: int) -> str:
    if isinstance(node, ast.Name):
        before = [entry for entry in texts.get(node.id, []) if entry[0] <= line]
        return _template(max(before, key=lambda entry: entry[0])[1], {}, line) if before else ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{...}"
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _template(node.left, texts, line) + _template(node.right, texts, line)
    if isinstance(node, ast.IfExp):
        return _template(node.body, texts, line)
    return ""


if __name__ == "__main__":
    print(markdown(), end="")
