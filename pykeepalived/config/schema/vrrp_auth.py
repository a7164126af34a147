"""Keywords of authentication and auth_hmac. Secrets go into the drafts and never into a message."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.vrrp_draft import HmacDraft, InstanceDraft
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

LONGEST_PASSWORD = 8


def begin_authentication(draft: InstanceDraft, statement: Statement, reading: Reading) -> InstanceDraft:
    """The keywords of the block work on the instance itself."""
    draft.positions["authentication"] = statement
    return draft


def auth_type(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """PASS or AH."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "PASS or AH")
        return
    if words[1] not in ("PASS", "AH"):
        text = f"({draft.name}) unknown authentication type '{words[1]}'"
        reading.report(statement, "word-unknown", text, word=1, suggestion="write PASS or AH")
        return
    draft.auth_type = words[1]


def auth_pass(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Up to 8 bytes; what is longer is cut."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a password")
        return
    password = words[1].encode("utf-8", "surrogateescape")
    if len(password) > LONGEST_PASSWORD:
        reading.report(statement, "password-long", "Truncating auth_pass to 8 characters", word=1)
    draft.auth_pass = password[:LONGEST_PASSWORD]


def begin_hmac(draft: InstanceDraft, statement: Statement, reading: Reading) -> HmacDraft:
    """The HMAC draft of the instance, made at its first block."""
    draft.positions["auth_hmac"] = statement
    if draft.hmac is None:
        draft.hmac = HmacDraft(at=statement.span(0))
    return draft.hmac


def hmac_key(draft: HmacDraft, statement: Statement, reading: Reading) -> None:
    """`ID SECRET`: plain text, hex:DIGITS or file:PATH. The secret never becomes part of a message."""
    words = statement.words
    if len(words) < 3:
        reading.report(statement, "word-absent", "key needs an id and a secret - ignored", word=len(words))
        return
    number = values.integer(words[1], 1, 255)
    if isinstance(number, Fault):
        reading.fault(statement, 1, number)
        return
    secret = _secret(statement, words[2], reading)
    if secret is None:
        return
    if not 32 <= len(secret) <= 64:
        text = f"auth_hmac key {number} has {len(secret)} bytes, not 32 to 64 - ignored"
        reading.report(statement, "key-length", text, word=2)
        return
    if number in draft.keys:
        reading.report(statement, "key-repeated", f"auth_hmac key {number} is defined twice - ignored", word=1)
        return
    draft.keys[number] = secret


def _secret(statement: Statement, word: str, reading: Reading) -> bytes | None:
    if word.startswith("file:"):
        return _secret_file(statement, word[5:], reading)
    if word.startswith("hex:"):
        return _secret_hex(statement, word[4:], reading)
    return word.encode("utf-8", "surrogateescape")


def _secret_hex(statement: Statement, digits: str, reading: Reading) -> bytes | None:
    try:
        return bytes.fromhex(digits) if not any(blank in digits for blank in " \t") else bytes.fromhex("x")
    except ValueError:
        reading.report(statement, "key-hex", "auth_hmac key: invalid hex digits - ignored", word=2)
        return None


def _secret_file(statement: Statement, path: str, reading: Reading) -> bytes | None:
    files = reading.environment.files
    content = files.head(path, 1024) if path.startswith("/") else 2
    if isinstance(content, int):
        reading.report(statement, "key-file", "auth_hmac key: the file cannot be read - ignored", word=2)
        return None
    entry = files.lstat(path)
    if not isinstance(entry, int) and entry.mode & 0o077:
        text = "auth_hmac key: the file can be read by group or others"
        hint = "chmod 600 the file"
        reading.report(statement, "key-file-open", text, word=2, kind=FindingClass.SECURITY, suggestion=hint)
    content = content.rstrip(b"\r\n")
    if content.startswith(b"hex:"):
        return _secret_hex(statement, content[4:].decode("latin-1"), reading)
    return content
