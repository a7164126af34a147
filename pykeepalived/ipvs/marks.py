"""nftables_ipvs: the maps that give packets to a group's addresses the fwmark of its service. Pure: nft command text.

See keepalived.conf(5), nftables_ipvs. Tables, chains, maps and rules are made with the first element that needs them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pykeepalived.config.model.globals import Firewall
from pykeepalived.ipvs.effects import MarkElement

_FAMILIES = {4: "ip", 6: "ip6"}
_ADDRESS_TYPES = {"ip": "ipv4_addr", "ip6": "ipv6_addr"}


class MarkTables:
    """What exists of the tables, and the commands that change them. A block of commands is one transaction."""

    def __init__(self, settings: Firewall) -> None:
        self._settings = settings
        self._made: set[str] = set()

    @property
    def _table(self) -> str:
        return self._settings.nftables_ipvs_table

    def change(self, add: Iterable[MarkElement], remove: Iterable[MarkElement]) -> str:
        """The commands that take elements out and put elements in."""
        commands = [f"delete element {self._place(element)} {{ {_key(element)} }}" for element in remove]
        for element in add:
            commands += self._prepare(element)
            commands.append(f"add element {self._place(element)} {{ {_key(element)} : 0x{element.mark:08x} }}")
        return "".join(f"{command}\n" for command in commands)

    def drop(self) -> str:
        """The commands that delete every table that was made."""
        tables = sorted(name for name in self._made if " " not in name)
        self._made.clear()
        return "".join(f"delete table {family} {self._table}\n" for family in tables)

    def _place(self, element: MarkElement) -> str:
        return f"{_FAMILIES[element.first.family]} {self._table} {element.protocol}_map"

    def _prepare(self, element: MarkElement) -> list[str]:
        """Table, chain, map and rule, as far as they are missing."""
        family = _FAMILIES[element.first.family]
        table, protocol, priority = self._table, element.protocol, self._settings.nftables_ipvs_priority
        commands = []
        if family not in self._made:
            self._made.add(family)
            hook = f"{{ type filter hook input priority {priority} ; policy accept ; }}"
            commands += [
                f"add table {family} {table}",
                f"delete table {family} {table}",
                f"add table {family} {table}",
                f"add chain {family} {table} in {hook}",
            ]
        if f"{family} {protocol}" not in self._made:
            self._made.add(f"{family} {protocol}")
            counter = "counter ; " if self._settings.nftables_counters else ""
            kind = f"type {_ADDRESS_TYPES[family]} . inet_service : mark ; flags interval ; {counter}"
            commands.append(f"add map {family} {table} {protocol}_map {{ {kind}}}")
            lookup = f"{family} daddr . {protocol} dport map @{protocol}_map"
            count = " counter" if self._settings.nftables_counters else ""
            commands.append(f"add rule {family} {table} in meta mark set {lookup}{count} return")
        return commands


def _key(element: MarkElement) -> str:
    addresses = str(element.first) if element.first == element.last else f"{element.first}-{element.last}"
    return f"{addresses} . {element.port}"
