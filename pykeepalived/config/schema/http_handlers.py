"""Keywords of HTTP_GET, SSL_GET and their url blocks that need more than a type."""

from __future__ import annotations

from typing import Any, cast

from pykeepalived.config import scripts, values
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema.base import ArgumentType, Reading, Take
from pykeepalived.config.schema.checker_drafts import HttpDraft, UrlDraft
from pykeepalived.config.schema.checker_handlers import end, remove, stored
from pykeepalived.config.schema.lvs_drafts import RealDraft
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

STATUS_LOW, STATUS_HIGH = 100, 599


def http_protocol(checker: HttpDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.report(statement, "word-absent", "Missing http_protocol version", word=0)
        return
    protocol = {"1.0": "1.0", "1.0C": "1.0C", "1.0c": "1.0C", "1.1": "1.1", "2": "2"}.get(words[1])
    if protocol is None:
        text = f"Invalid http_protocol version {words[1]}"
        reading.report(statement, "word-unknown", text, word=1, suggestion="1.0, 1.0C, 1.1 or 2")
        return
    if protocol == "2":
        reading.ours(statement, 1)
    checker.http_protocol = protocol


def sni_name(checker: HttpDraft, statement: Statement, reading: Reading) -> None:
    """The name for SNI, which it also switches on; without a word the virtual host or address."""
    words = statement.words
    if len(words) > 1:
        checker.sni_name = words[1]
    elif checker.sni_name:
        text = "sni_name without a name after one with a name - ignored"
        reading.report(statement, "sni-name", text, word=0)
        return
    checker.sni = True


def deprecated_retry(argument: ArgumentType) -> Take:
    """nb_get_retry: an old name of retry, which counts as an error."""
    store = stored("retry", argument)

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        text = "nb_get_retry is deprecated - please use 'retry'"
        reading.report(statement, "keyword-deprecated", text, word=0, kind=FindingClass.DEPRECATED, suggestion="retry")
        store(draft, statement, reading)

    return take


def end_http(checker: HttpDraft, real: RealDraft, reading: Reading) -> None:
    if not checker.urls:
        remove(checker, "http-no-url", "HTTP/SSL_GET checker has no urls specified - ignoring", reading)
    end(checker, real, reading)


def begin_url(checker: HttpDraft, statement: Statement, reading: Reading) -> UrlDraft:
    return UrlDraft(checker, statement)


def end_url(url: UrlDraft, checker: HttpDraft, reading: Reading) -> None:
    if url.path is None:
        reading.report(url.statement, "url-no-path", "HTTP/SSL_GET checker url has no path - ignoring", word=0)
        return
    if url.regex is None and (url.regex_no_match or url.regex_options):
        reading.note(url.statement, "url-no-regex", "regex options without a regex - ignored", word=0)
        url.regex_no_match = False
    if url.regex_max_offset is not None and url.regex_max_offset < url.regex_min_offset:
        text = (
            f"regex_max_offset {url.regex_max_offset} is below regex_min_offset {url.regex_min_offset} - ignoring both"
        )
        reading.note(url.statement, "url-offsets", text, word=0)
        url.regex_min_offset, url.regex_max_offset = 0, None
    checker.urls.append(url)


def url_path(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.missing(statement, "a path")
        return
    if url.path is not None:
        text = f"Duplicate path - overwriting {url.path} with {statement.words[1]}"
        reading.report(statement, "keyword-repeated", text, word=0)
    url.path = statement.words[1]


def url_digest(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.missing(statement, "32 hex digits")
        return
    word = statement.words[1]
    if url.digest is not None:
        reading.report(statement, "keyword-repeated", f"Digest '{word}' is a duplicate", word=1)
        return
    digest = values.digest(word)
    if isinstance(digest, Fault):
        reading.report(statement, digest.code, digest.text, word=1)
        return
    url.digest = digest


def url_status_code(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    """Codes and ranges of codes; bad ones are skipped one by one."""
    for index, word in enumerate(statement.words[1:], 1):
        first_text, dash, last_text = word.partition("-")
        first = values.integer(first_text, STATUS_LOW, STATUS_HIGH)
        last = values.integer(last_text, STATUS_LOW, STATUS_HIGH) if dash else first
        if isinstance(first, Fault) or isinstance(last, Fault) or last < first:
            text = f"Invalid HTTP_GET status code '{word}'"
            reading.report(statement, "status-code", text, word=index, suggestion="100..599, or two of them with -")
            continue
        url.status_codes.append((first, last))


def url_regex(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    pattern = scripts.regex_text(statement.raw)
    if isinstance(pattern, Fault):
        reading.report(statement, pattern.code, f"regex: {pattern.text} - ignored", word=0, kind=pattern.kind)
        return
    if url.regex is not None:
        text = f"Duplicate regex specified - replacing {url.regex} with {pattern}"
        reading.report(statement, "keyword-repeated", text, word=0)
    url.regex = pattern


def url_regex_options(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    for index, word in enumerate(statement.words[1:], 1):
        if word in REGEX_OPTIONS:
            url.regex_options += (word,)
        else:
            reading.note(statement, "regex-option", f"regex option {word} is unknown - ignored", word=index)


REGEX_OPTIONS = frozenset(
    {
        "allow_empty_class",
        "alt_bsux",
        "auto_callout",
        "caseless",
        "dollar_endonly",
        "dotall",
        "dupnames",
        "extended",
        "firstline",
        "match_unset_backref",
        "multiline",
        "never_ucp",
        "never_utf",
        "no_auto_capture",
        "no_auto_possess",
        "no_dotstar_anchor",
        "no_start_optimize",
        "ucp",
        "ungreedy",
        "utf",
        "never_backslash_c",
        "alt_circumflex",
        "alt_verbnames",
        "use_offset_limit",
    }
)
"""Names of PCRE2 compile options (pcre2api(3)), in lower case."""


def url_offset(target: str) -> Take:
    """An offset in bytes; a bad one counts as 0, with a log line."""

    def take(url: UrlDraft, statement: Statement, reading: Reading) -> None:
        word = statement.words[1] if len(statement.words) > 1 else ""
        offset = values.integer(word, 0, values.U32)
        if isinstance(offset, Fault) or not word:
            reading.note(statement, "regex-offset", f"{statement.words[0]}: invalid offset {word!r} - using 0", word=1)
            offset = 0
        setattr(url, target, offset)

    return take


def url_regex_stack(url: UrlDraft, statement: Statement, reading: Reading) -> None:
    numbers = [values.integer(word, 1, values.U32) for word in statement.words[1:3]]
    if len(numbers) < 2 or any(isinstance(number, Fault) for number in numbers):
        reading.note(statement, "regex-stack", "regex_stack needs start and maximum size in bytes - ignored", word=0)
        return
    url.regex_stack = cast(tuple[int, int], tuple(numbers))
