"""Checkers and words of checkers that keepalived does not have (docs/checkers.md), with their handlers.

Every record is marked as ours in `since`; the first use of each gives a hint.
"""

from __future__ import annotations

from typing import Any

from pykeepalived.config import scripts
from pykeepalived.config.schema import checker_handlers as handlers
from pykeepalived.config.schema.base import OURS, Keyword, Reading, Take
from pykeepalived.config.schema.checker_words import CHECKER
from pykeepalived.config.schema.types import Integer
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault


def _told(take: Take) -> Take:
    """A handler that first says that the word is ours."""

    def tell(draft: Any, statement: Statement, reading: Reading) -> None:
        reading.ours(statement)
        take(draft, statement, reading)

    return tell


# --- TCP_CHECK --------------------------------------------------------------------------------------------------------


def _octets(target: str) -> Take:
    """One string, quotes and escapes resolved, as bytes on the draft."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        text = scripts.regex_text(statement.raw)
        if isinstance(text, Fault):
            name = statement.words[0]
            reading.report(statement, "string-invalid", f"{name} must be exactly one string - ignored", word=0)
            return
        setattr(draft, target, text.encode("utf-8", "surrogateescape"))

    return take


TCP_WORDS = (
    Keyword(
        name="send",
        process=CHECKER,
        take=_told(_octets("send")),
        values='QSTR, escapes as in "\\r\\n\\x41"',
        default="none",
        since=OURS,
        note="sent once the connection stands",
    ),
    Keyword(
        name="expect",
        process=CHECKER,
        take=_told(_octets("expect")),
        values='QSTR, escapes as in "\\r\\n\\x41"',
        default="any reply when something is sent",
        since=OURS,
        note="must be somewhere in the first 64 KiB that come back, within connect_timeout",
    ),
)

# --- SSL_GET ----------------------------------------------------------------------------------------------------------

_DAYS = Integer(0, 36500, unit="days")

SSL_WORDS = (
    Keyword(
        name="cert_min_days",
        process=CHECKER,
        type=_DAYS,
        take=_told(handlers.stored("cert_min_days", _DAYS)),
        default="any certificate will do",
        since=OURS,
        note="the server is down when its certificate expires earlier; 0 = when it has expired",
    ),
)
