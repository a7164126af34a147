"""Keywords that name scripts and FIFOs: the raw statement is kept, splitting and checking follow after reading.

Whether a script may run is decided when all of global_defs is known (rules/scripts.py).
"""

from __future__ import annotations

from typing import Any

from pykeepalived.config.schema.base import Reading, Take, duplicate
from pykeepalived.config.schema.types import report_missing
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(frozen=True, slots=True)
class ScriptWords:
    """A script as written: the statement holds the command text and perhaps a user and a group."""

    statement: Statement


@late_dataclass(slots=True)
class FifoDraft:
    """A notify FIFO as written; the script may come before or after the FIFO."""

    fifo: Statement | None = None
    script: ScriptWords | None = None


def take_script(target: str, *, missing: str = "stop") -> Take:
    """Store a script once; a second one is ignored with an error. `missing` as in schema/types.py."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        if getattr(draft, target) is not None:
            _repeated(statement, reading, draft)
        elif len(statement.words) >= 2:
            setattr(draft, target, ScriptWords(statement))
        elif missing != "stop" or '"' not in statement.raw:
            # A lone quote takes its word away: that is reported as such, and the script is dropped.
            _absent(missing, statement, reading)

    return take


def take_fifo(target: str) -> Take:
    """Store path and owner of a FIFO once."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        fifo: FifoDraft = getattr(draft, target)
        if fifo.fifo is not None:
            duplicate(statement, reading)
        elif len(statement.words) < 2:
            report_missing(statement, reading, "the path of the FIFO")
        else:
            fifo.fifo = statement

    return take


def take_fifo_script(target: str) -> Take:
    """Store the script that reads a FIFO once."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        fifo: FifoDraft = getattr(draft, target)
        if fifo.script is not None:
            duplicate(statement, reading)
        elif len(statement.words) < 2:
            report_missing(statement, reading, "a script")
        else:
            fifo.script = ScriptWords(statement)

    return take


def _absent(missing: str, statement: Statement, reading: Reading) -> None:
    if missing == "stop":
        reading.missing(statement, "a script")
    else:
        report_missing(statement, reading, "a script")


def _repeated(statement: Statement, reading: Reading, draft: Any) -> None:
    keyword = statement.words[0]
    name = getattr(draft, "name", "")
    prefix = f"({name}) " if name else ""
    text = statement.words[1] if len(statement.words) > 1 else ""
    reading.report(
        statement,
        "keyword-repeated",
        f"{keyword} was already given - ignored",
        word=0,
        upstream=f"{prefix}{keyword} script already specified - ignoring {text}",
    )
