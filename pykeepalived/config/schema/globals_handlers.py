"""Keywords of global_defs that need more than a type: several words, side effects, dependencies of order."""

from __future__ import annotations

import re
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.includes import INCLUDE_CHECKS
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Reading, Take
from pykeepalived.config.schema.globals_draft import GlobalsDraft
from pykeepalived.config.schema.types import Address, Integer, Word, report_missing, seconds
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import I32_MAX, I32_MIN, U32, Fault

NICE = Integer(-20, 19, notation="I", absent=0, fallback=0)
REAL_TIME = Integer(I32_MIN, I32_MAX, notation="I", missing="report")
RTTIME = Integer(1, U32, notation="U32", unit="us", fallback=0)
_NAME = Word(longest=15, cut=True)

# --- scheduling of processes ------------------------------------------------------------------------------------------


def process_field(process: str, target: str, argument: ArgumentType) -> Take:
    """Store a value with the process it belongs to."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        if len(statement.words) < 2 and argument is NICE:
            report_missing(statement, reading)
        value = argument.read(statement, reading)
        if value is not REJECTED:
            setattr(getattr(draft, process), target, value)

    return take


def process_name(process: str, *, old: bool = False) -> Take:
    """Name of a child process, cut to 15 bytes; the old spelling is only mentioned in the log."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        if old:
            _old_name(statement, f"{process}_process_name", reading)
        value = _NAME.read(statement, reading)
        if value is not REJECTED:
            getattr(draft, process).process_name = value

    return take


def _old_name(statement: Statement, new: str, reading: Reading) -> None:
    name = statement.words[0]
    reading.report(
        statement,
        "keyword-deprecated",
        f"{name} is deprecated",
        word=0,
        kind=FindingClass.NONE,
        severity=Severity.WARNING,
        suggestion=f"use {new}",
    )


def real_time(process: str) -> Take:
    """SCHED_RR priority; outside 1..99 it is moved to the limit."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        value = REAL_TIME.read(statement, reading)
        if value is REJECTED:
            return
        limited = min(max(value, 1), 99)
        if limited != value:
            end, side = ("maximum", "greater") if value > 99 else ("minimum", "less")
            text = f"{process} process real-time priority {value} {side} than {end} {limited} - setting to {end}"
            reading.report(statement, "number-limited", text, word=1)
        getattr(draft, process).rt_priority = limited

    return take


def cpu_affinity(process: str) -> Take:
    """CPUs a process may run on; one bad number drops the whole set."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        words = statement.words
        if len(words) < 2:
            report_missing(statement, reading, "CPU numbers")
            return
        numbers = []
        for index, word in enumerate(words[1:], 1):
            number = values.integer(word, 0, reading.environment.cpu_count - 1, lenient=reading.lenient)
            if isinstance(number, Fault):
                reading.fault(statement, index, number, "the whole set is ignored")
                return
            numbers.append(number)
        getattr(draft, process).cpu_affinity = tuple(sorted(set(numbers)))

    return take


def rttime(process: str, *, old: bool = False) -> Take:
    """RLIMIT_RTTIME in microseconds; 1 becomes 2, a bad value 0."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        if old:
            _old_name(statement, f"{process}_rlimit_rttime", reading)
        value = RTTIME.read(statement, reading)
        if value is not REJECTED:
            getattr(draft, process).rlimit_rttime_us = 2 if value == 1 else value

    return take


_UMASK_BITS = {
    f"I{right}{who}": bit << shift
    for who, shift in (("USR", 6), ("GRP", 3), ("OTH", 0))
    for right, bit in (("R", 4), ("W", 2), ("X", 1))
} | {"IRWXU": 0o700, "IRWXG": 0o070, "IRWXO": 0o007}


def umask(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """A number in C notation, or names of permission bits joined with `|`."""
    if len(statement.words) < 2:
        reading.missing(statement)
        return
    text = "".join(statement.words[1:])
    if text[:1].isdigit():
        number = values.integer(text, 0, 0o777, c_notation=True)
        if isinstance(number, Fault):
            reading.fault(statement, 1, number)
            return
        draft.umask = number
        return
    mask = 0
    for name in text.split("|"):
        if name not in _UMASK_BITS:
            reading.report(statement, "word-unknown", f"umask: unknown permission {name!r} - ignored", word=1)
            return
        mask |= _UMASK_BITS[name]
    draft.umask = mask


# --- mail -------------------------------------------------------------------------------------------------------------

_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def email_from(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Sender of mails; a display name with special characters gets quotes (RFC 5322 section 3.4)."""
    words = statement.words
    if len(words) < 2:
        reading.report(statement, "word-absent", "emailfrom missing - ignoring", word=0)
        return
    if len(words) > 2:
        text = "the address has several words: the whole must stand in double quotes - using the first word"
        reading.report(statement, "words-extra", text, word=2)
    sender = words[1]
    name, bracket, address = sender.partition("<")
    name = name.strip()
    if bracket and name and not name.startswith('"') and not _PLAIN_NAME.fullmatch(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        sender = f'"{escaped}" <{address}'
    draft.email_from = sender


def smtp_server(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Address or name, perhaps a port; names are resolved while reading."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement)
        return
    port = 25
    if len(words) > 2:
        number = values.port(words[2])
        if isinstance(number, Fault):
            _bad_server(statement, reading, 2)
            return
        port = number
    address = values.ip(words[1])
    found: Ip | None = reading.environment.resolve(words[1], port) if isinstance(address, Fault) else address
    if found is None:
        _bad_server(statement, reading, 1)
        return
    draft.smtp_server, draft.smtp_port = found, port


def _bad_server(statement: Statement, reading: Reading, word: int) -> None:
    port = statement.words[2] if len(statement.words) > 2 else "25"
    text = f"Invalid smtp server {statement.words[1]} {port}"
    reading.report(statement, "smtp-server-invalid", text, word=word)


def recipient(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Every word of a line of notification_email is an address."""
    draft.recipients += statement.words


# --- scripts ----------------------------------------------------------------------------------------------------------


def script_user(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Default account of scripts; an unknown one takes every script without a user of its own away."""
    words = statement.words
    if len(words) < 2:
        report_missing(statement, reading, "a user")
        return
    account = values.account(words[1], words[2] if len(words) > 2 else None, reading.environment.accounts)
    if isinstance(account, Fault):
        word = 1 if account.code.startswith("user") else 2
        text = f"{account.text}: scripts without a user of their own are dropped"
        reading.report(statement, account.code, text, word=word, upstream="Error setting global script uid/gid")
        draft.script_user_failed = True
        return
    draft.script_user = account
    draft.script_user_failed = False


# --- VRRP -------------------------------------------------------------------------------------------------------------


def dynamic_interfaces(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Flag, with an option word."""
    draft.dynamic_interfaces = True
    if len(statement.words) > 1:
        if statement.words[1] == "allow_if_changes":
            draft.dynamic_interfaces_allow_if_changes = True
        else:
            text = f"Unknown dynamic_interfaces option {statement.words[1]!r}"
            reading.report(statement, "word-unknown", text, word=1, suggestion="the only option is allow_if_changes")


def mcast_group(family: int) -> Take:
    """The multicast group of one family; not being a group is an error, IPv6 beyond the link a warning."""
    address = Address(family)

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        value = address.read(statement, reading)
        if value is REJECTED:
            return
        link_local = family == 4 or value[1] & 0x0F == 2
        if not value.is_multicast and family == 4:
            text = f"vrrp_mcast_group4: {value} is not a multicast address - ignored"
            reading.report(statement, "address-multicast", text, word=1)
            return
        if not value.is_multicast or not link_local:
            text = f"vrrp_mcast_group6: {value} is not a link-local multicast address"
            reading.report(statement, "address-multicast", text, word=1, severity=Severity.WARNING)
        setattr(draft, f"mcast_group{family}", value)

    return take


def min_garp(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Reduce what still holds its default at this point of the file."""
    value = values.switch(statement.words[1] if len(statement.words) > 1 else None)
    if isinstance(value, Fault):
        reading.fault(statement, 1, value)
        return
    if not value:
        return
    if draft.garp_master_repeat == 5:
        draft.garp_master_repeat = 1
    if draft.garp_master_refresh_s == 0:
        draft.garp_master_refresh_s = 0
    if draft.garp_master_refresh_repeat == 1:
        draft.garp_master_refresh_repeat = 0
    if draft.garp_master_delay_s == 5:
        draft.garp_master_delay_s = 0


def garp_extra_if(low: int) -> Take:
    """`[all] SECONDS`: periodic announcements on the other interfaces of VIPs."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        words = statement.words
        name = words[0]
        if "vmac_garp" in name:
            new = name.replace("vmac_garp_intvl", "garp_extra_if")
            text = f'Keyword "{name}" is deprecated - please use "{new}"'
            status = FindingClass.DEPRECATED
            reading.report(statement, "keyword-deprecated", text, word=0, kind=status, suggestion=f"use {new}")
        given = False
        for index, word in enumerate(words[1:], 1):
            if word == "all":
                draft.garp_extra_if_all = True
                continue
            number = values.integer(word, low, 86400, lenient=reading.lenient)
            given = True
            if isinstance(number, Fault):
                reading.fault(statement, index, number)
                if number.value is None:
                    return
                number = number.value
            draft.garp_extra_if_s = number
        if not given:
            report_missing(statement, reading, "a number of seconds")

    return take


def rx_bufs_policy(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """MTU, ADVERT, or bytes; several words are allowed but exclude each other."""
    words = statement.words[1:]
    if not words:
        report_missing(statement, reading)
        return
    policies = [word.upper() for word in words if word.upper() in ("MTU", "ADVERT")]
    if len(policies) < len(words):
        number = values.integer(words[0], 0, U32)
        if isinstance(number, Fault):
            reading.fault(statement, 1, number)
        else:
            draft.rx_bufs_policy = str(number)
            if policies:
                text = "vrrp_rx_bufs_policy: a number excludes MTU and ADVERT - using the number"
                reading.report(statement, "words-conflict", text, word=2)
            return
    if not policies:
        return
    if len(set(policies)) > 1:
        text = "vrrp_rx_bufs_policy: MTU and ADVERT exclude each other - using MTU"
        reading.report(statement, "words-conflict", text, word=2)
        draft.rx_bufs_policy = "MTU"
        return
    draft.rx_bufs_policy = policies[0]


_MULTIPLIER = Integer(1, U32, notation="U32", strict=True, missing="report")


def rx_bufs_multiplier(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Exactly one number."""
    if len(statement.words) > 2:
        reading.report(statement, "words-extra", "vrrp_rx_bufs_multiplier takes one number - ignored", word=2)
        return
    value = _MULTIPLIER.read(statement, reading)
    if value is not REJECTED:
        draft.rx_bufs_multiplier = value


_DELAY = seconds(0.001, 4294.967295)


def startup_delay(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """The longest of repeated delays counts."""
    value = _DELAY.read(statement, reading)
    if value is not REJECTED:
        draft.startup_delay_us = max(draft.startup_delay_us, value)


def linkbeat_use_polling(draft: Any, statement: Statement, reading: Reading) -> None:
    """Root flag: poll the link of every interface instead of trusting netlink."""
    reading.draft.linkbeat_use_polling = True


# --- buffers, observation, files --------------------------------------------------------------------------------------

_BUFFER = Integer(0, U32, notation="U32", unit="bytes", strict=True, missing="report")


def receive_buffer(name: str) -> Take:
    """Bytes of a netlink receive buffer; 0 changes nothing."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        value = _BUFFER.read(statement, reading)
        if value is not REJECTED and value:
            draft.receive_buffers[name] = value

    return take


def receive_buffer_force(name: str) -> Take:
    """Whether the buffer may exceed the limit of the system."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        value = values.switch(statement.words[1] if len(statement.words) > 1 else None)
        if isinstance(value, Fault):
            reading.fault(statement, 1, value)
        else:
            draft.receive_buffers_forced[name] = value

    return take


def snmp_rfc(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Both RFC MIBs."""
    draft.snmp_rfcv2 = draft.snmp_rfcv3 = True


_PATH = Word("PATH", missing="report", exact=True)


def reload_time_file(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """An absolute path."""
    value = _PATH.read(statement, reading)
    if value is REJECTED:
        return
    if not value.startswith("/"):
        reading.report(statement, "path-relative", "reload_time_file must be an absolute path - ignored", word=1)
        return
    draft.reload_time_file = value


def include_check(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """What it sets has been applied while the files were read; here its words are judged."""
    plain = 0
    for index, word in enumerate(statement.words[1:], 1):
        name = word[1:] if word[:1] in ("+", "-") else word
        if name not in INCLUDE_CHECKS:
            text = f"include_check: unknown word {word!r} - ignored"
            hint = f"one of {', '.join(INCLUDE_CHECKS)}"
            reading.report(statement, "word-unknown", text, word=index, suggestion=hint)
            continue
        plain += name == word
        if plain > 1 and name == word:
            text = f"include_check takes one plain word, {word!r} is ignored"
            reading.report(statement, "words-extra", text, word=index, suggestion=f"write +{word}")


def config_save_dir(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """A directory; it is created at start when it does not exist."""
    if len(statement.words) < 2:
        reading.missing(statement)
        return
    path = statement.words[1]
    if not path:
        text = "Unable to create config_save_dir  (error 2 - No such file or directory)"
        reading.report(statement, "path-directory", "config_save_dir needs a path - ignored", word=1, upstream=text)
        return
    entry = reading.environment.files.lstat(path) if path.startswith("/") else 2
    if not isinstance(entry, int) and entry.kind.value == "file":
        reading.report(statement, "path-directory", f"config_save_dir {path} is not a directory - ignored", word=1)
        return
    draft.config_save_dir = path


# --- root keywords ----------------------------------------------------------------------------------------------------


def root_word(target: str, absent: str | None = None) -> Take:
    """A word that may be given once."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        owner = reading.draft.globals
        words = statement.words
        if len(words) < 2 and absent is None:
            report_missing(statement, reading)
        elif getattr(owner, target) is not None:
            shown = words[1] if len(words) > 1 else ""
            text = f"Duplicate {target} definition {shown} - ignoring"
            reading.report(statement, "keyword-repeated", text, word=0)
        else:
            setattr(owner, target, words[1] if len(words) > 1 else absent)

    return take


def root_flag(target: str) -> Take:
    """A flag."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        setattr(reading.draft.globals, target, True)

    return take


_WAIT = Integer(0, U32, notation="U32", unit="s", strict=True)


def child_wait_time(draft: Any, statement: Statement, reading: Reading) -> None:
    """Seconds the parent waits for its children."""
    value = _WAIT.read(statement, reading)
    if value is not REJECTED:
        reading.draft.globals.child_wait_time_s = value
