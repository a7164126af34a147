"""Keywords of global_defs that need more than a type: several words, side effects, dependencies of order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.includes import INCLUDE_CHECKS
from pykeepalived.config.model.globals import LvsSyncDaemon
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Reading, Take, duplicate
from pykeepalived.config.schema.globals_draft import GlobalsDraft
from pykeepalived.config.schema.types import Address, Integer, Word, report_missing, seconds
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import I32_MAX, I32_MIN, U16, U32, Fault

NICE = Integer(-20, 19, notation="I", absent=0, fallback=0)
REAL_TIME = Integer(I32_MIN, I32_MAX, notation="I", missing="report")
RTTIME = Integer(1, U32, notation="U32", unit="us", fallback=0)
_NAME = Word(longest=15, cut=True)
DEFAULT_CHAINS = ("INPUT", "OUTPUT")
DEFAULT_IPSETS = (
    "keepalived",
    "keepalived6",
    "keepalived_if6",
    "keepalived_igmp",
    "keepalived_mld",
    "keepalived_nd",
)

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
    address = values.socket_ip(words[1])
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
            text = f"{name} is deprecated"
            status = FindingClass.DEPRECATED
            reading.report(statement, "keyword-deprecated", text, word=0, kind=status, suggestion=f"use {new}")
        index = 1
        if len(words) > 1 and words[1] == "all":
            draft.garp_extra_if_all = True
            index = 2
        if len(words) <= index:
            report_missing(statement, reading, "a number of seconds")
            return
        number = values.integer(words[index], low, 86400, lenient=reading.lenient)
        if isinstance(number, Fault):
            reading.fault(statement, index, number)
            if number.value is None:
                return
            number = number.value
        draft.garp_extra_if_s = number

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


# --- firewall ---------------------------------------------------------------------------------------------------------


def iptables(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Accepted, but filtering is done by nftables: the default table is used when no other was named."""
    names = _names(statement, reading, 2, 27)
    if names is None:
        return
    if len(names) == 2 and names[0] == names[1]:
        reading.report(statement, "names-equal", "vrrp_iptables: both chains have one name - ignored", word=2)
        return
    text = (
        "iptables not supported, using nftables instead. Please replace 'vrrp_iptables' with 'nftables' config option"
    )
    reading.report(statement, "iptables-unsupported", text, word=0, suggestion="write nftables")
    draft.iptables_chains = tuple(names) or DEFAULT_CHAINS
    draft.nftables_table = draft.nftables_table or "keepalived"


def ipsets(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Accepted as iptables is; without names it turns sets off, missing names follow from the earlier ones."""
    names = _names(statement, reading, 6, 30)
    if names is None:
        return
    text = "iptables not supported, using nftables instead. Please replace 'vrrp_ipsets' with 'nftables' config option"
    reading.report(statement, "iptables-unsupported", text, word=0, suggestion="write nftables")
    if not names:
        draft.ipsets = ()
        return
    derived = list(names)
    suffixes = ("", "6", "_if6", "_igmp", "_mld", "_nd")
    for number in range(len(names), len(DEFAULT_IPSETS)):
        derived.append((names[0] + suffixes[number])[:30])
    if len(set(derived)) < len(derived):
        reading.report(statement, "names-equal", "vrrp_ipsets: the names must differ - ignored", word=1)
        return
    draft.ipsets = tuple(derived)


def _names(statement: Statement, reading: Reading, most: int, longest: int) -> Sequence[str] | None:
    names = statement.words[1 : 1 + most]
    for index, name in enumerate(names, 1):
        if not 1 <= len(name) <= longest:
            text = f"{statement.words[0]}: {name!r} has not 1 to {longest} characters - ignored"
            reading.report(statement, "word-long", text, word=index)
            return None
    return names


def nftables_ipvs(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Names the table and sets the first fwmark and the priority to their defaults."""
    if draft.nftables_ipvs_table is not None:
        duplicate(statement, reading)
        return
    value = Word("TABLE?", absent="keepalived_ipvs", longest=254).read(statement, reading)
    if value is REJECTED:
        return
    draft.nftables_ipvs_table = value
    draft.nftables_ipvs_start_fwmark = 1000
    draft.nftables_ipvs_priority = -1


# --- IPVS -------------------------------------------------------------------------------------------------------------


def lvs_timeouts(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """`tcp U`, `tcpfin U`, `udp U` in any order; a bad number costs only its option."""
    words = statement.words
    if len(words) < 3:
        report_missing(statement, reading, "options with numbers")
        return
    targets = {"tcp": "lvs_tcp_s", "tcpfin": "lvs_tcp_fin_s", "udp": "lvs_udp_s"}
    index = 1
    while index < len(words):
        target = targets.get(words[index])
        if target is None:
            text = f"lvs_timeouts: unknown option {words[index]!r}"
            reading.report(statement, "word-unknown", text, word=index, suggestion="one of tcp, tcpfin, udp")
            index += 1
            continue
        if index + 1 == len(words):
            text = f"lvs_timeouts: {words[index]} has no number"
            reading.report(statement, "word-absent", text, word=index)
            return
        number = values.integer(words[index + 1], 0, 31 * 86400)
        if isinstance(number, Fault):
            reading.fault(statement, index + 1, number)
        else:
            setattr(draft, target, number)
        index += 2


def lvs_sync_daemon(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """`IFNAME [[inst] INSTANCE] [id U] [maxlen U] [port U] [ttl U] [group IP]`."""
    words = statement.words
    if draft.lvs_sync_daemon is not None:
        duplicate(statement, reading)
        return
    if len(words) < 2:
        report_missing(statement, reading, "an interface")
        return
    if len(words[1].encode("utf-8", "surrogateescape")) > 15:
        reading.report(statement, "word-long", f"lvs_sync_daemon interface name {words[1]!r} is too long", word=1)
        return
    options = _SyncDaemon(statement, reading)
    if not options.read():
        return
    draft.lvs_sync_daemon = LvsSyncDaemon(
        interface=words[1],
        instance=options.instance,
        sync_id=options.numbers.get("id"),
        max_length=options.numbers.get("maxlen", 0),
        port=options.numbers.get("port", 0),
        ttl=options.numbers.get("ttl", 0),
        group=options.group,
    )


class _SyncDaemon:
    """The option words of lvs_sync_daemon."""

    LIMITS = {"id": (0, 255), "maxlen": (1, 65507), "port": (1, U16), "ttl": (1, 255)}

    def __init__(self, statement: Statement, reading: Reading) -> None:
        self.statement = statement
        self.reading = reading
        self.instance = ""
        self.numbers: dict[str, int] = {}
        self.group: Ip | None = None

    def read(self) -> bool:
        words = self.statement.words
        index = 2
        if len(words) > 2 and words[2] not in self.LIMITS and words[2] not in ("inst", "group"):
            self.instance = words[2]
            index = 3
            if len(words) > 3 and words[3].isdigit():
                text = "lvs_sync_daemon: write id before the number"
                self.reading.report(self.statement, "word-order", text, word=3, suggestion=f"id {words[3]}")
                self._number("id", 3)
                index = 4
        while index < len(words):
            if index + 1 == len(words):
                text = f"lvs_sync_daemon: {words[index]} has no value - ignored"
                self.reading.report(self.statement, "word-absent", text, word=index)
                return False
            self._option(words[index], index + 1)
            index += 2
        return True

    def _option(self, option: str, index: int) -> None:
        word = self.statement.words[index]
        if option == "inst":
            self.instance = word
        elif option in self.LIMITS:
            self._number(option, index)
        elif option == "group":
            group = values.ip(word)
            if isinstance(group, Fault) or not group.is_multicast:
                text = f"lvs_sync_daemon: {word!r} is not a multicast address - ignored"
                self.reading.report(self.statement, "address-multicast", text, word=index)
            else:
                self.group = group
        else:
            text = f"lvs_sync_daemon: unknown option {option!r}"
            self.reading.report(self.statement, "word-unknown", text, word=index - 1)

    def _number(self, option: str, index: int) -> None:
        low, high = self.LIMITS[option]
        number = values.integer(self.statement.words[index], low, high)
        if isinstance(number, Fault):
            self.reading.fault(self.statement, index, number)
        else:
            self.numbers[option] = number


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
