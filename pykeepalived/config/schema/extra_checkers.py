"""Checkers and words of checkers that keepalived does not have (docs/checkers.md), with their handlers.

Every record is marked as ours in `since`; the first use of each gives a hint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pykeepalived.config import scripts
from pykeepalived.config.schema import checker_handlers as handlers
from pykeepalived.config.schema import extra_drafts as drafts
from pykeepalived.config.schema.base import OURS, Begin, Block, Keyword, Reading, Take, table
from pykeepalived.config.schema.checker_drafts import CheckerDraft, CheckerKind
from pykeepalived.config.schema.checker_words import CHECKER, connecting
from pykeepalived.config.schema.lvs_handlers import text_setting
from pykeepalived.config.schema.types import Choice, Flag, Integer
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
        if isinstance(text, Fault) or not text:
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

# --- checkers --------------------------------------------------------------------------------------------------------

_ROLE = Choice({"any": "any", "primary": "primary", "master": "primary", "replica": "replica", "slave": "replica"})


def _begin(kind: CheckerKind, draft: type[CheckerDraft]) -> Begin:
    """Open a block that is ours."""
    begin = handlers.begin(kind, draft)

    def open_block(real: Any, statement: Statement, reading: Reading) -> Any:
        reading.ours(statement)
        return begin(real, statement, reading)

    return open_block


def _text(name: str, default: str, secret: bool = False) -> Keyword:
    return Keyword(
        name=name,
        process=CHECKER,
        take=text_setting(name, f"a {name}"),
        values="STR",
        default=default,
        since=OURS,
        secret=secret,
    )


def _checker(kind: CheckerKind, draft: type[CheckerDraft], words: tuple[Keyword, ...], note: str) -> Keyword:
    """A checker of ours with the words of every checker that connects and its own."""
    common = tuple(replace(word, since=OURS) for word in connecting(kind))
    block = Block(table((*common, *words)), _begin(kind, draft), handlers.end)
    return Keyword(name=kind.keyword, process=CHECKER, since=OURS, block=block, note=note)


_ROLE_WORD = Keyword(
    name="role",
    process=CHECKER,
    type=_ROLE,
    target="role",
    default="any",
    since=OURS,
    note="the server is down when it has another role",
)

CHECKERS = (
    _checker(
        drafts.REDIS,
        drafts.RedisDraft,
        (_ROLE_WORD, _text("password", "none", secret=True)),
        "PING, or ROLE when a role is wanted; a replica must be connected to its primary",
    ),
    _checker(
        drafts.PGSQL,
        drafts.PgsqlDraft,
        (_ROLE_WORD, _text("user", "keepalived"), _text("database", "postgres")),
        "start-up, and select pg_is_in_recovery() when a role is wanted; the user must be let in without a password",
    ),
    _checker(
        drafts.MYSQL,
        drafts.MysqlDraft,
        (_ROLE_WORD, _text("user", "keepalived"), _text("password", "none", secret=True)),
        "login, and select @@global.read_only when a role is wanted",
    ),
    _checker(
        drafts.GRPC,
        drafts.GrpcDraft,
        (
            _text("service", "the server as a whole"),
            _text("authority", "address and port"),
            Keyword(name="tls", process=CHECKER, type=Flag(), target="tls", default="off", since=OURS),
        ),
        "grpc.health.v1.Health/Check must answer SERVING",
    ),
)
