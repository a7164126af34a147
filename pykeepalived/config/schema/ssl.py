"""The SSL block: client certificate and certificate authorities of SSL_GET (keepalived.conf(5), SSL)."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.ipvs import SslContext
from pykeepalived.config.schema.base import Block, Keyword, Reading, Take, table
from pykeepalived.config.statement import Statement


class SslDraft:
    """What the SSL block said."""

    password = ""
    ca = ""
    certificate = ""
    key = ""

    def model(self) -> SslContext:
        return SslContext(password=self.password, ca=self.ca, certificate=self.certificate, key=self.key)


def _begin(parent: Any, statement: Statement, reading: Reading) -> SslDraft:
    if reading.draft.ssl is not None:
        reading.report(statement, "keyword-repeated", "SSL context already specified - replacing", word=0)
    reading.draft.ssl = draft = SslDraft()
    return draft


def _text(target: str, name: str) -> Take:
    """Store a word; the words are not shown, one of them is a password."""

    def take(draft: SslDraft, statement: Statement, reading: Reading) -> None:
        if len(statement.words) < 2:
            reading.report(statement, "word-absent", f"SSL {name} missing", word=0)
            return
        if getattr(draft, target):
            text = f"SSL {name} already specified - replacing"
            reading.report(statement, "keyword-repeated", text, word=0)
        setattr(draft, target, statement.words[1])

    return take


def _word(name: str, shown: str, values: str, *, secret: bool = False) -> Keyword:
    return Keyword(name=name, process="checker", take=_text(name, shown), values=values, default="none", secret=secret)


_SSL = (
    _word("password", "password", "STR", secret=True),
    _word("ca", "cafile", "PATH"),
    _word("certificate", "certfile", "PATH"),
    _word("key", "keyfile", "PATH"),
)

KEYWORDS = (
    Keyword(
        name="SSL",
        process="checker",
        default="auto generated context",
        block=Block(table(_SSL), _begin),
        note="a second block replaces the first",
    ),
)
