"""Lines of virtual_rules and static_rules, in the words of ip-rule(8) (keepalived.conf(5), static rules)."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config import values
from pykeepalived.config.entries.common import EntryDroppedError, Words, nearest
from pykeepalived.config.entries.route import parse_realms, report_length
from pykeepalived.config.iproute_names import IprouteNames, number_or_name
from pykeepalived.config.model.network import RTPROT_KEEPALIVED, IpRule
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

FIRST_PREFERENCE = 16384
"""Rules without a preference get numbers from here downwards, each family for itself."""

FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP, FR_ACT_BLACKHOLE, FR_ACT_UNREACHABLE, FR_ACT_PROHIBIT = 1, 2, 3, 6, 7, 8
_ACTIONS = {
    "nop": FR_ACT_NOP,
    "blackhole": FR_ACT_BLACKHOLE,
    "unreachable": FR_ACT_UNREACHABLE,
    "prohibit": FR_ACT_PROHIBIT,
}
_ANY = frozenset({"default", "any", "all"})


def parse_rule(statement: Statement, reading: Reading, names: IprouteNames, *, static: bool = False) -> IpRule | None:
    """Read one rule line; None when it cannot be used. `static` allows track_group."""
    if not statement.words:
        return None
    try:
        line = _Line(Words(statement, reading), names, static)
        while line.words.more:
            line.word()
        return line.finish()
    except EntryDroppedError:
        return None


class _Line:
    """One rule line being read."""

    def __init__(self, words: Words, names: IprouteNames, static: bool) -> None:
        self.words = words
        self.names = names
        self.static = static
        self.family = 0
        self.action = 0
        self.invert = False
        self.source: values.Prefix | None = None
        self.source_given = False
        self.destination: values.Prefix | None = None
        self.table: int | None = None
        self.priority: int | None = None
        self.tos: int | None = None
        self.fwmark: int | None = None
        self.fwmask: int | None = None
        self.realms: int | None = None
        self.suppress_prefixlength: int | None = None
        self.suppress_ifgroup: int | None = None
        self.iif = self.oif = ""
        self.tunnel_id: int | None = None
        self.uid_range: tuple[int, int] | None = None
        self.l3mdev = False
        self.protocol = RTPROT_KEEPALIVED
        self.ip_protocol: int | None = None
        self.ports: dict[str, tuple[int, int]] = {}
        self.goto: int | None = None
        self.no_track = False
        self.track_group = ""

    # --- words --------------------------------------------------------------------------------------------------------

    def word(self) -> None:
        word = self.words.take()
        if word == "track_group" and self.static:
            self.take_track_group()
        elif word in _ACTIONS:
            self.set_action(_ACTIONS[word])
        elif (take := _WORDS.get(word)) is not None:
            take(self)
        else:
            raise self.words.drop("rule-word", f"Unknown rule option {word}", nearest(word, _WORDS))

    def set_action(self, action: int) -> None:
        if self.action or self.l3mdev:
            actions = "table/nop/goto/blackhole/prohibit/unreachable/l3mdev"
            raise self.words.drop("rule-actions", f"Cannot specify more than one of {actions} for rule")
        self.action = action

    def use_family(self, family: int) -> None:
        if self.family not in (0, family):
            raise self.words.drop("rule-family", "rule specification has mixed IPv4 and IPv6")
        self.family = family

    def take_inet(self) -> None:
        self.use_family(4)

    def take_inet6(self) -> None:
        self.use_family(6)

    def prefix(self, what: str) -> values.Prefix | None:
        word = self.words.value()
        if word in _ANY:
            return None
        if word == "default6":
            self.use_family(6)
            return None
        prefix = values.prefix(word)
        if isinstance(prefix, Fault):
            raise self.words.drop("rule-address", f"Invalid rule {what} address {word}")
        report_length(self.words, word, prefix)
        self.use_family(prefix.address.family)
        return prefix

    def take_from(self) -> None:
        self.source = self.prefix("from")
        self.source_given = True

    def take_to(self) -> None:
        self.destination = self.prefix("to")

    def take_table(self) -> None:
        word = self.words.value()
        table = number_or_name(word, self.names.tables, values.U32)
        if isinstance(table, Fault):
            text = f"Routing table {word} not found for rule"
            raise self.words.drop("name-unknown", text, nearest(word, self.names.tables))
        if table == 0:
            raise self.words.drop("rule-table", "Table 0 is not valid")
        self.set_action(FR_ACT_TO_TBL)
        self.table = table

    def take_not(self) -> None:
        self.invert = True

    def take_preference(self) -> None:
        text = "Invalid rule preference %s specified"
        self.priority = self.words.number(0, values.U32, text, c_notation=True)

    def take_tos(self) -> None:
        self.tos = self.words.name_or_number(self.names.dsfields, values.U8, "TOS value %s is invalid")

    def take_fwmark(self) -> None:
        word = self.words.value()
        mark_text, slash, mask_text = word.partition("/")
        mark = values.integer(mark_text, 0, values.U32, c_notation=True)
        mask = values.integer(mask_text, 0, values.U32, c_notation=True) if slash else None
        if isinstance(mark, Fault) or isinstance(mask, Fault):
            raise self.words.drop("rule-fwmark", f"Invalid rule fwmark {word} specified")
        self.fwmark, self.fwmask = mark, mask

    def take_realms(self) -> None:
        self.realms = parse_realms(self.words, self.names, "invalid realms %s for rule")
        if self.family == 6:
            raise self.words.drop("rule-realms", "realms is only valid for IPv4")
        self.family = 4

    def take_suppress_prefixlength(self) -> None:
        text = "Invalid suppress_prefixlength %s specified"
        self.suppress_prefixlength = self.words.number(0, values.U31, text)

    def take_suppress_ifgroup(self) -> None:
        text = "suppress_group %s is invalid"
        self.suppress_ifgroup = self.words.name_or_number(self.names.groups, values.U31, text)

    def take_iif(self) -> None:
        self.iif = self.words.interface("rule")

    def take_oif(self) -> None:
        self.oif = self.words.interface("rule")

    def take_tunnel_id(self) -> None:
        self.tunnel_id = self.words.number(0, values.U64, "Invalid tunnel-id %s specified")

    def take_uidrange(self) -> None:
        word = self.words.value()
        first_text, dash, last_text = word.partition("-")
        first, last = (values.integer(text, 0, values.U32) for text in (first_text, last_text))
        if not dash or not first_text or not last_text or isinstance(first, Fault) or isinstance(last, Fault):
            raise self.words.drop("rule-uidrange", f"Invalid uidrange {word} specified")
        self.uid_range = (first, last)

    def take_l3mdev(self) -> None:
        self.set_action(FR_ACT_TO_TBL)
        self.l3mdev = True

    def take_protocol(self) -> None:
        self.protocol = self.words.number(0, values.U8, "Invalid protocol %s")

    def take_ipproto(self) -> None:
        word = self.words.value()
        number = values.integer(word, 0, 127)
        found = self.words.reading.environment.protocol(word) if isinstance(number, Fault) else number
        if found is None or (not isinstance(number, int) and word.isdecimal()):
            raise self.words.drop("rule-ipproto", f"Invalid ipproto {word}")
        self.ip_protocol = found

    def take_ports(self) -> None:
        """`A-B`; a single port means A-A, as in ip-rule(8)."""
        keyword = self.words.words[self.words.index]
        word = self.words.value()
        first_text, dash, last_text = word.partition("-")
        first = values.integer(first_text, 0, values.U16)
        last = values.integer(last_text, 0, values.U16) if dash else first
        if not first_text or (dash and not last_text) or isinstance(first, Fault) or isinstance(last, Fault):
            self.words.report("rule-ports", f"invalid {keyword} range {word}")
            return
        self.ports[keyword] = (first, last)

    def take_type(self) -> None:
        word = self.words.value()
        if word not in _ACTIONS:
            raise self.words.drop("rule-word", f"Unknown rule option {word}", nearest(word, _ACTIONS))
        self.set_action(_ACTIONS[word])

    def take_goto(self) -> None:
        self.set_action(FR_ACT_GOTO)
        self.goto = self.words.number(0, values.U32, "Invalid target %s specified", c_notation=True)

    def take_no_track(self) -> None:
        self.no_track = True

    def take_track_group(self) -> None:
        self.track_group = self.words.track_group(self.track_group)

    # --- the whole ----------------------------------------------------------------------------------------------------

    def finish(self) -> IpRule:
        words = self.words
        self.check_action()
        if self.protocol != RTPROT_KEEPALIVED and not self.no_track:
            text = "Rule cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol"
            words.report("rule-protocol", text, suggestion="give no_track as well")
            self.protocol = RTPROT_KEEPALIVED
        if self.track_group and not self.iif:
            words.report("track-group-interface", "Static rule cannot have track_group if iif not specified")
            self.track_group = ""
        if self.track_group and self.no_track:
            words.note("track-group-untracked", "rule: track_group without tracking - not tracked")
        family = self.family or 4
        priority = self.priority
        if priority is None:
            priority = self.assign_preference(family)
        return IpRule(
            family=family,
            action=self.action,
            invert=self.invert,
            from_address=self.source.address if self.source else None,
            from_length=self.source.length if self.source else 0,
            from_given=self.source_given,
            to_address=self.destination.address if self.destination else None,
            to_length=self.destination.length if self.destination else 0,
            table=self.table,
            priority=priority,
            tos=self.tos,
            fwmark=self.fwmark,
            fwmask=self.fwmask,
            realms=self.realms,
            suppress_prefixlength=self.suppress_prefixlength,
            suppress_ifgroup=self.suppress_ifgroup,
            iif=self.iif,
            oif=self.oif,
            tunnel_id=self.tunnel_id,
            uid_range=self.uid_range,
            l3mdev=self.l3mdev,
            protocol=self.protocol,
            ip_protocol=self.ip_protocol,
            source_ports=self.ports.get("sport"),
            destination_ports=self.ports.get("dport"),
            goto=self.goto,
            no_track=self.no_track,
            track_group=self.track_group,
            at=words.statement.span(),
        )

    def check_action(self) -> None:
        words = self.words
        if not self.action:
            raise words.drop("rule-action-missing", "No action specified for rule - ignoring")
        suppressor = (self.suppress_prefixlength, self.suppress_ifgroup, self.realms) != (None, None, None)
        if suppressor and self.action != FR_ACT_TO_TBL:
            raise words.drop("rule-suppressor", "suppressor/realm specified for non table action - skipping")
        if self.realms is not None and self.family == 6:
            raise words.drop("rule-realms", "realms is only valid for IPv4")
        if self.goto is not None:
            if self.priority is None:
                text = f"Invalid rule - goto target {self.goto} specified without preference"
                raise words.drop("rule-goto", text)
            if self.priority >= self.goto:
                text = f"Invalid rule - preference {self.priority} >= goto target {self.goto}"
                raise words.drop("rule-goto", text)

    def assign_preference(self, family: int) -> int:
        taken = self.words.reading.draft.rule_preferences
        preference = taken.get(family, FIRST_PREFERENCE)
        taken[family] = preference - 1
        text = f"Rule has no preference specified - setting to {preference}. This is probably not what you want."
        self.words.report("rule-preference", text, suggestion="give a preference")
        return preference


_WORDS: dict[str, Callable[[_Line], None]] = {
    "inet": _Line.take_inet,
    "inet6": _Line.take_inet6,
    "from": _Line.take_from,
    "to": _Line.take_to,
    "table": _Line.take_table,
    "lookup": _Line.take_table,
    "not": _Line.take_not,
    "preference": _Line.take_preference,
    "order": _Line.take_preference,
    "priority": _Line.take_preference,
    "tos": _Line.take_tos,
    "dsfield": _Line.take_tos,
    "fwmark": _Line.take_fwmark,
    "realms": _Line.take_realms,
    "suppress_prefixlength": _Line.take_suppress_prefixlength,
    "sup_pl": _Line.take_suppress_prefixlength,
    "suppress_ifgroup": _Line.take_suppress_ifgroup,
    "sup_group": _Line.take_suppress_ifgroup,
    "iif": _Line.take_iif,
    "dev": _Line.take_iif,
    "oif": _Line.take_oif,
    "tunnel-id": _Line.take_tunnel_id,
    "uidrange": _Line.take_uidrange,
    "l3mdev": _Line.take_l3mdev,
    "protocol": _Line.take_protocol,
    "ipproto": _Line.take_ipproto,
    "sport": _Line.take_ports,
    "dport": _Line.take_ports,
    "type": _Line.take_type,
    "goto": _Line.take_goto,
    "no_track": _Line.take_no_track,
}
