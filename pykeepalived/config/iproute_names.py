"""Names of iproute2 for tables, protocols, scopes, dsfield values, realms and groups: text of its files to numbers.

Finding and reading the files is config/environment.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from pykeepalived.config.model.network import RTPROT_KEEPALIVED
from pykeepalived.config.values import Fault, integer
from pykeepalived.light_dataclasses import dataclass

FILES = ("rt_tables", "rt_protos", "rt_scopes", "rt_dsfield", "rt_realms", "group", "rt_addrprotos")
"""Base names read below the iproute2 directories, each with its NAME.d/*.conf additions."""

_LINE = re.compile(r"[ \t]*(0[xX][0-9a-fA-F]+|[0-9]+)[ \t]+([^ \t#]+)")


def parse_names(text: str) -> dict[str, int]:
    """Names of one iproute2 file: `NUMBER NAME` lines, decimal or hex, `#` comments; bad lines are passed over."""
    names = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            number, name = match.groups()
            names[name] = int(number, 16) if number[:2] in ("0x", "0X") else int(number)
    return names


_KERNEL_ADDRESS_PROTOCOLS = range(4)
"""Unspecified, loopback, router announcement, link-local (linux/if_addr.h)."""
_TABLES = {"default": 253, "main": 254, "local": 255}
_SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


@dataclass(frozen=True, slots=True)
class IprouteNames:
    """The names known; those that keepalived knows without any file are always there."""

    tables: Mapping[str, int] = field(default_factory=lambda: dict(_TABLES))
    protocols: Mapping[str, int] = field(default_factory=dict)
    scopes: Mapping[str, int] = field(default_factory=lambda: dict(_SCOPES))
    dsfields: Mapping[str, int] = field(default_factory=dict)
    realms: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    address_protocols: Mapping[str, int] = field(default_factory=dict)

    def address_protocol(self, name: str) -> int:
        """The number of an address protocol; one without a number gets the one that routes have, or a free one."""
        named = self.address_protocols.get(name, 0)
        if 0 < named < 256:
            return named
        taken = {*self.address_protocols.values(), *_KERNEL_ADDRESS_PROTOCOLS}
        return next((number for number in (RTPROT_KEEPALIVED, *range(1, 256)) if number not in taken), 0)


def build_names(texts: Mapping[str, Iterable[str]]) -> IprouteNames:
    """Names from the texts of each base name of `FILES`; a later text wins over an earlier one."""
    merged: dict[str, dict[str, int]] = {name: {} for name in FILES}
    for name, parts in texts.items():
        for part in parts:
            merged[name].update(parse_names(part))
    return IprouteNames(
        tables=merged["rt_tables"] | _TABLES,
        protocols=merged["rt_protos"],
        scopes=merged["rt_scopes"] | _SCOPES,
        dsfields=merged["rt_dsfield"],
        realms=merged["rt_realms"],
        groups=merged["group"],
        address_protocols=merged["rt_addrprotos"],
    )


def number_or_name(word: str, names: Mapping[str, int], high: int) -> int | Fault:
    """A number 0..`high` in C notation, or one of the names; the order in which iproute2 looks is names first."""
    if word in names:
        return names[word]
    return integer(word, 0, high, c_notation=True)
