"""Keywords of the checker blocks that need more than a type, and the end of each block. HTTP: http_handlers.py."""

from __future__ import annotations

from typing import Any

from pykeepalived.config import values
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Begin, Reading, Take
from pykeepalived.config.schema.checker_drafts import (
    BfdDraft,
    CheckerDraft,
    CheckerKind,
    DnsDraft,
    FileDraft,
    MiscDraft,
    SmtpDraft,
    SmtpHostDraft,
    UdpDraft,
)
from pykeepalived.config.schema.lvs_drafts import RealDraft
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

INTERFACE_NAME_LENGTH = 15
DNS_TYPES = ("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY")
DNS_LABEL_MAX, DNS_NAME_MAX = 63, 253

# --- common words -----------------------------------------------------------------------------------------------------


def begin(kind: CheckerKind, draft: type[CheckerDraft] = CheckerDraft) -> Begin:
    """Open a checker block."""

    def open_block(real: RealDraft, statement: Statement, reading: Reading) -> CheckerDraft:
        return draft(kind, real, statement)

    return open_block


def stored(target: str, argument: ArgumentType) -> Take:
    """Store a value on the checker the words belong to."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        value = argument.read(statement, reading)
        if value is not REJECTED:
            setattr(draft.checker, target, value)

    return take


def connection(target: str, argument: ArgumentType) -> Take:
    """Store a connection word on the checker."""
    store = stored(target, argument)

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        draft.checker.connection_given = True
        store(draft, statement, reading)

    return take


def connect_ip(draft: Any, statement: Statement, reading: Reading) -> None:
    """Where to connect; of the family of bindto."""
    checker: CheckerDraft = draft.checker
    checker.connection_given = True
    if len(statement.words) < 2:
        reading.missing(statement, "an address")
        return
    word = statement.words[1]
    address = values.socket_ip(word)
    if isinstance(address, Fault):
        reading.report(statement, "address-invalid", f"Invalid connect_ip address {word} - ignoring", word=1)
    elif checker.bind_address is not None and checker.bind_address.family != address.family:
        text = f"connect_ip address {word} does not match address family of bindto - skipping"
        reading.report(statement, "address-family", text, word=1)
    else:
        checker.address = address


def bindto(draft: Any, statement: Statement, reading: Reading) -> None:
    """The local address; of the family of the destination."""
    checker: CheckerDraft = draft.checker
    checker.connection_given = True
    if len(statement.words) < 2:
        reading.missing(statement, "an address")
        return
    word = statement.words[1]
    address = values.socket_ip(word)
    if isinstance(address, Fault):
        reading.report(statement, "address-invalid", f"Invalid bindto address {word} - ignoring", word=1)
    elif address.family != checker.destination.family:
        text = f"bindto address {word} does not match address family of connect_ip - skipping"
        reading.report(statement, "address-family", text, word=1)
    else:
        checker.bind_address = address


def bind_interface(draft: Any, statement: Statement, reading: Reading) -> None:
    checker: CheckerDraft = draft.checker
    checker.connection_given = True
    if len(statement.words) < 2:
        reading.missing(statement, "an interface")
        return
    word = statement.words[1]
    if len(word.encode("utf-8", "surrogateescape")) > INTERFACE_NAME_LENGTH:
        reading.report(statement, "word-long", f"Interface name {word} is too long - ignoring", word=1)
        return
    checker.bind_interface = word


def remove(checker: CheckerDraft, code: str, text: str, reading: Reading) -> None:
    """Report why a checker cannot be used; it is not added to its real server."""
    if not checker.removed:
        checker.removed = True
        reading.report(checker.statement, code, text, word=0)


def end(checker: CheckerDraft, real: RealDraft, reading: Reading) -> None:
    """Add a checker to its real server, unless its destination cannot be reached as written."""
    if checker.removed:
        return
    if checker.kind.connects and checker.destination.is_link_local and not checker.bind_interface:
        text = f"Checker link local address {checker.destination} requires a bind_if"
        remove(checker, "checker-link-local", text, reading)
        return
    real.checkers.append(checker)


# --- SMTP_CHECK -------------------------------------------------------------------------------------------------------


def begin_host(checker: SmtpDraft, statement: Statement, reading: Reading) -> SmtpHostDraft:
    text = "The SMTP_CHECK host block is deprecated. Please define additional checkers."
    reading.note(statement, "smtp-host", text, word=0)
    checker.hosts += 1
    return SmtpHostDraft(checker)


def end_smtp(checker: SmtpDraft, real: RealDraft, reading: Reading) -> None:
    """Each host block is a checker of the real server; the block itself only if it says where to connect."""
    for _ in range(checker.hosts):
        extra = SmtpDraft(checker.kind, real, checker.statement)
        extra.helo_name = checker.helo_name
        for target in ("retry", "delay_before_retry_us", "warmup_us", "delay_loop_us", "alpha", "log_all_failures"):
            setattr(extra, target, getattr(checker, target))
        end(extra, real, reading)
    if not checker.hosts or checker.connection_given:
        end(checker, real, reading)


# --- UDP_CHECK --------------------------------------------------------------------------------------------------------


def udp_payload(checker: UdpDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.report(statement, "word-absent", "UDP_CHECK payload requires a payload", word=0)
        return
    octets = values.hex_octets(statement.words[1:])
    if isinstance(octets, Fault):
        reading.report(statement, octets.code, "Invalid hex string for UDP_CHECK payload", word=1)
        return
    checker.payload = octets[0]


def udp_reply(checker: UdpDraft, statement: Statement, reading: Reading) -> None:
    checker.require_reply = True
    if len(statement.words) < 2:
        return
    octets = values.hex_octets(statement.words[1:], wildcards=True)
    if isinstance(octets, Fault):
        reading.report(statement, octets.code, "Invalid hex string for UDP_CHECK reply", word=1)
        return
    checker.reply, checker.reply_mask = octets


def end_udp(checker: UdpDraft, real: RealDraft, reading: Reading) -> None:
    low, high = checker.min_reply_length, checker.max_reply_length
    if low > high:
        text = f"UDP_CHECK min_reply length {low} > max_reply_length {high} - will always fail"
        reading.report(checker.statement, "udp-lengths", text, word=0)
    end(checker, real, reading)


# --- DNS_CHECK --------------------------------------------------------------------------------------------------------


def dns_type(checker: DnsDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.missing(statement, "a record type")
        return
    word = statement.words[1]
    if word.upper() not in DNS_TYPES:
        text = f"Unknown DNS check type {word} - ignoring"
        reading.report(statement, "dns-type", text, word=1, suggestion=f"one of {', '.join(DNS_TYPES)}")
        return
    checker.type = word.upper()


def dns_name(checker: DnsDraft, statement: Statement, reading: Reading) -> None:
    """The name asked for; an empty one is the root. A label of one character is as good as any other."""
    if len(statement.words) < 2:
        reading.missing(statement, "a domain name")
        return
    word = statement.words[1]
    if checker.name is not None:
        reading.report(statement, "keyword-repeated", "DNS_CHECK name already specified - ignoring", word=0)
        return
    labels = word.removesuffix(".").split(".") if word not in ("", ".") else []
    if "" in labels:
        text = f"DNS_CHECK name '{word}' has empty label - ignoring"
        reading.report(statement, "dns-name", text, word=1)
        return
    if (
        any(len(label.encode("utf-8", "surrogateescape")) > DNS_LABEL_MAX for label in labels)
        or len(word) > DNS_NAME_MAX
    ):
        reading.report(statement, "dns-name", f"DNS_CHECK name '{word}' is too long - ignoring", word=1)
        return
    checker.name = word or "."


# --- MISC_CHECK -------------------------------------------------------------------------------------------------------


def misc_path(checker: MiscDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.note(statement, "word-absent", "misc_path needs a command - ignored", word=0)
        return
    checker.script = statement


def misc_user(checker: MiscDraft, statement: Statement, reading: Reading) -> None:
    """Who runs the script; an unknown user or group removes the checker."""
    words = statement.words
    if len(words) < 2:
        text = "No user specified for misc checker script"
        reading.report(statement, "word-absent", text, word=0)
        return
    found = values.account(
        words[1],
        words[2] if len(words) > 2 else None,
        reading.environment.accounts,
        supplementary=bool(reading.draft.globals.set_supplementary_groups),
    )
    if isinstance(found, Fault):
        script = checker.script.words[1] if checker.script is not None else ""
        text = f"Failed to set uid/gid for misc checker script '{script}' - removing ({found.text})"
        reading.report(statement, found.code, text, word=1)
        checker.removed = True
        return
    checker.account = found


def end_misc(checker: MiscDraft, real: RealDraft, reading: Reading) -> None:
    if checker.script is None or not checker.script.words[1]:
        text = "No script path has been specified for MISC_CHECKER - skipping"
        remove(checker, "misc-path-missing", text, reading)
    end(checker, real, reading)


# --- FILE_CHECK -------------------------------------------------------------------------------------------------------


def file_track_file(checker: FileDraft, statement: Statement, reading: Reading) -> None:
    if len(statement.words) < 2:
        reading.missing(statement, "the name of a track_file")
        return
    name = statement.words[1]
    if reading.draft.find("track_file", name) is None:
        reading.report(statement, "tracker-unknown", f"track_file {name} not found", word=1)
        return
    checker.track_file = name


def file_weight(checker: FileDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.report(statement, "word-absent", "track file weight missing", word=0)
        return
    limit = values.I32_MAX
    weight = values.integer(words[1], -limit, limit, lenient=reading.lenient)
    if isinstance(weight, Fault):
        if weight.value is None:
            text = f"weight for track file must be in [-{limit}..{limit}] inclusive. Ignoring..."
            reading.report(statement, weight.code, f"{text} - {weight.text}", word=1, kind=weight.kind)
            return
        reading.fault(statement, 1, weight, f"using {weight.value}")
        weight = weight.value
    reverse: bool | None = None
    if len(words) > 2:
        if words[2] not in ("reverse", "noreverse"):
            text = f"unknown track file weight option {words[2]} - ignoring"
            reading.report(statement, "word-unknown", text, word=2, suggestion="reverse or noreverse")
            return
        reverse = words[2] == "reverse"
    checker.weight, checker.reverse = weight, reverse


def end_file(checker: FileDraft, real: RealDraft, reading: Reading) -> None:
    if not checker.track_file:
        remove(checker, "file-check-empty", "FILE_CHECK has no track_file specified - ignoring", reading)
    end(checker, real, reading)


# --- BFD_CHECK --------------------------------------------------------------------------------------------------------


def bfd_name(checker: BfdDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    real = checker.real
    problem = ""
    if len(words) != 2:
        problem = "BFD_CHECK - No or too many names specified - skipping checker"
    elif checker.name:
        problem = "BFD_CHECK - BFD name already specified - skipping checker"
    else:
        instance = reading.draft.find("bfd_instance", words[1])
        if instance is None or not instance.to_checker:
            problem = f"BFD_CHECK - BFD {words[1]} not configured"
        elif any(other.name == words[1] for other in real.checkers if isinstance(other, BfdDraft)):
            problem = f"RS already monitoring {words[1]}"
    if problem:
        reading.report(statement, "bfd-check-name", f"({real.text}) {problem}", word=1)
        checker.removed = True
        return
    checker.name = words[1]


def end_bfd(checker: BfdDraft, real: RealDraft, reading: Reading) -> None:
    if not checker.name:
        text = f"({real.text}) No name has been specified for BFD_CHECKER - skipping"
        remove(checker, "bfd-check-empty", text, reading)
    end(checker, real, reading)
