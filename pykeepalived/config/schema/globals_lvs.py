"""Keywords of global_defs about the firewall and IPVS that need more than a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.model.globals import LvsSyncDaemon
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import REJECTED, Reading, duplicate
from pykeepalived.config.schema.globals_draft import GlobalsDraft
from pykeepalived.config.schema.types import Word, report_missing
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U16, Fault

DEFAULT_CHAINS = ("INPUT", "OUTPUT")
DEFAULT_IPSETS = (
    "keepalived",
    "keepalived6",
    "keepalived_if6",
    "keepalived_igmp",
    "keepalived_mld",
    "keepalived_nd",
)


class TableName(Word):
    """The name of an nftables table, 1..254 characters; `what` is keepalived's word for it in the message."""

    __slots__ = ("_what",)

    def __init__(self, default: str, what: str) -> None:
        super().__init__("TABLE?", absent=default, longest=254)
        self._what = what

    def read(self, statement: Statement, reading: Reading) -> Any:
        if len(statement.words) > 1 and not statement.words[1]:
            reading.report(statement, "word-absent", f"VRRP Error : {self._what} chain name empty - ignored", word=1)
            return REJECTED
        return super().read(statement, reading)


VRRP_TABLE = TableName("keepalived", "nftables")
IPVS_TABLE = TableName("keepalived_ipvs", "nftables ipvs")


# --- firewall ---------------------------------------------------------------------------------------------------------


def iptables(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """The chains. Without iptables on the machine nftables is used: the default table when no other was named."""
    names = _names(statement, reading, 2, 27)
    if names is None:
        return
    if len(names) == 2 and names[0] == names[1]:
        reading.report(statement, "names-equal", "vrrp_iptables: both chains have one name - ignored", word=2)
        return
    draft.iptables_chains = tuple(names) or DEFAULT_CHAINS
    if not _supported(statement, reading):
        draft.nftables_table = draft.nftables_table or "keepalived"


def _supported(statement: Statement, reading: Reading) -> bool:
    """Whether iptables is installed. The status of a configuration test does not hang on it: 5, as keepalived 2.4.3 is
    built by default."""
    keyword = statement.words[0]
    if reading.environment.iptables():
        text = f"{keyword}: a keepalived without iptables refuses it; 'nftables' works with every keepalived"
        reading.report(statement, "iptables-deprecated", text, word=0, suggestion="write nftables")
        return True
    text = f"iptables not supported, using nftables instead. Please replace '{keyword}' with 'nftables' config option"
    printed = text.replace(f"'{keyword}'", "'vrrp_iptables and 'vrrp_ipsets'")
    reading.report(statement, "iptables-unsupported", text, word=0, suggestion="write nftables", upstream=printed)
    return False


def ipsets(draft: GlobalsDraft, statement: Statement, reading: Reading) -> None:
    """Names of sets; without any it turns sets off, missing ones follow from the first."""
    names = _names(statement, reading, 6, 30)
    if names is None:
        return
    _supported(statement, reading)
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
    value = IPVS_TABLE.read(statement, reading)
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
