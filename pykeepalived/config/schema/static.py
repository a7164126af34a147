"""Root blocks of entry lines: static addresses, routes and rules, linkbeat interfaces, up and down delays."""

from __future__ import annotations

import dataclasses
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.entries.address import parse_address
from pykeepalived.config.entries.common import interface_exists
from pykeepalived.config.entries.route import parse_route
from pykeepalived.config.entries.rule import parse_rule
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND
from pykeepalived.config.model.vrrp import InterfaceDelays, Linkbeat
from pykeepalived.config.schema.base import Keyword, Reading, ValueBlock
from pykeepalived.config.schema.entry_words import ADDRESS_WORDS, ROUTE_WORDS, RULE_WORDS
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

_LONGEST_DELAY_S = 255
_METHODS = frozenset({"MII", "ETHTOOL", "IOCTL"})


def _address(draft: Any, statement: Statement, reading: Reading) -> None:
    parsed = parse_address(statement, reading, reading.iproute, static=True)
    if parsed is None:
        return
    if not parsed.interface:
        name = reading.draft.globals.default_interface
        if not interface_exists(name, reading):
            # The class is below all others: with nothing else to say the config test ends with 4.
            text = f"Static address {statement.words[0]} requires either an interface or default interface must exist"
            hint = f"write dev IFNAME, or a default_interface that exists ({name} does not)"
            reading.report(statement, "interface-default", text, word=0, kind=FindingClass.FATAL, suggestion=hint)
            return
        parsed = dataclasses.replace(parsed, interface=name)
    reading.draft.static_addresses.append(parsed)


def _route(draft: Any, statement: Statement, reading: Reading) -> None:
    parsed = parse_route(statement, reading, reading.iproute, static=True)
    if parsed is not None:
        reading.draft.static_routes.append(parsed)


def _rule(draft: Any, statement: Statement, reading: Reading) -> None:
    parsed = parse_rule(statement, reading, reading.iproute, static=True)
    if parsed is not None:
        reading.draft.static_rules.append(parsed)


def _linkbeat(draft: Any, statement: Statement, reading: Reading) -> None:
    words = statement.words
    name = words[0]
    known = reading.environment.interfaces.get(name)
    if known is None and not reading.draft.globals.dynamic_interfaces:
        text = f"unknown interface {name} specified for linkbeat interface"
        reading.report(statement, "interface-unknown", text, word=0, kind=FindingClass.FATAL)
        return
    if known is not None and known.kind in ("macvlan", "ipvlan"):
        reading.note(statement, "interface-kind", f"linkbeat makes no sense for {known.kind} interface {name}", word=0)
        return
    method = ""
    for index, word in enumerate(words[1:], 1):
        if word in _METHODS and not method:
            method = word
        else:
            text = f"extra characters {word} in linkbeat interface"
            reading.report(statement, "words-extra", text, word=index, suggestion="one of MII, ETHTOOL, IOCTL")
    reading.draft.linkbeat_interfaces.append(Linkbeat(interface=name, method=method, at=statement.span(0)))


def _delays(draft: Any, statement: Statement, reading: Reading) -> None:
    words = statement.words
    name = words[0]
    if not interface_exists(name, reading):
        text = f"unknown interface {name} specified for up/down delay"
        reading.report(statement, "interface-unknown", text, word=0, kind=FindingClass.FATAL)
        return
    if len(words) < 2:
        text = f"No delay specified for interface {name} - ignoring"
        reading.note(statement, "word-absent", text, word=1)
        return
    delays = [0, 0]
    for index, word in enumerate(words[1:3]):
        delay = values.timer(word, 0, _LONGEST_DELAY_S * MICROSECONDS_PER_SECOND)
        if isinstance(delay, Fault):
            reading.report(statement, delay.code, delay.text, word=index + 1, kind=delay.kind)
            delay = delay.value or 0
        delays[index] = delay
    entry = InterfaceDelays(interface=name, down_us=delays[0], up_us=delays[1], at=statement.span(0))
    reading.draft.interface_delays.append(entry)


KEYWORDS = (
    Keyword(
        name="linkbeat_interfaces",
        process="vrrp",
        since="~2.0.13",
        block=ValueBlock(entry=_linkbeat, notation="IFNAME [MII|ETHTOOL|IOCTL]"),
    ),
    Keyword(
        name="interface_up_down_delays",
        process="vrrp",
        default="0 0",
        values="0..255 s each: down delay, up delay",
        block=ValueBlock(entry=_delays, notation="IFNAME TIMER [TIMER]"),
    ),
    Keyword(
        name="static_ipaddress",
        process="vrrp",
        starts="vrrp",
        since="~1.1.0",
        block=ValueBlock(entry=_address, notation="entries", words=ADDRESS_WORDS),
    ),
    Keyword(
        name="static_routes",
        process="vrrp",
        starts="vrrp",
        since="~1.0.1",
        block=ValueBlock(entry=_route, notation="entries", words=ROUTE_WORDS),
    ),
    Keyword(
        name="static_rules",
        process="vrrp",
        starts="vrrp",
        since="~1.2.20",
        block=ValueBlock(entry=_rule, notation="entries", words=RULE_WORDS),
    ),
)
