"""A sorted view of managed objects, and the answers to AgentX requests about it. Pure.

What the objects are is mib_vrrp.py; the connection to the master agent is snmp_helper.py.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from pykeepalived.config.model.values import Ip
from pykeepalived.notify.agentx import Oid, Pdu, PduType, SearchRange, Syntax, Value, VarBind

Entry = tuple[Oid, Value]
Columns = Iterator[tuple[int, Value]]
"""The columns of one row of a table, with their numbers."""


def table_row(table: Oid, index: Oid, columns: Columns) -> Iterator[Entry]:
    """The objects of a row; `table` is the OID of the entry, which the columns are below."""
    for column, value in columns:
        yield (*table, column, *index), value


def integer(value: int) -> Value:
    return Value(Syntax.INTEGER, int(value))


def gauge(value: int) -> Value:
    return Value(Syntax.GAUGE32, min(max(int(value), 0), 0xFFFFFFFF))


def counter32(value: int) -> Value:
    return Value(Syntax.COUNTER32, value & 0xFFFFFFFF)


def counter64(value: int) -> Value:
    return Value(Syntax.COUNTER64, value)


def ticks(centiseconds: int) -> Value:
    return Value(Syntax.TIME_TICKS, centiseconds & 0xFFFFFFFF)


def text(value: str) -> Value:
    return Value(Syntax.OCTETS, value.encode("utf-8", "surrogateescape")[:255])


def octets(value: bytes) -> Value:
    return Value(Syntax.OCTETS, bytes(value))


def truth(value: bool) -> Value:
    """TruthValue, and all of `enabled(1), disabled(2)`: true(1), false(2) (RFC 2579)."""
    return integer(1 if value else 2)


def address_type(address: Ip) -> Value:
    """InetAddressType (RFC 4001): ipv4(1), ipv6(2)."""
    return integer(1 if address.family == 4 else 2)


class MibView:
    """Objects by identifier, in lexicographic order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        ordered = sorted(dict(entries).items(), key=lambda entry: entry[0])
        self._names = [name for name, _ in ordered]
        self._values = [value for _, value in ordered]

    def __len__(self) -> int:
        return len(self._names)

    def get(self, name: Oid) -> VarBind:
        """The object of this name, or noSuchInstance below a column that has rows, else noSuchObject."""
        place = bisect_left(self._names, name)
        if place < len(self._names) and self._names[place] == name:
            return VarBind(name, self._values[place])
        column = name[:-1]
        known = place < len(self._names) and self._names[place][: len(column)] == column
        return VarBind(name, Value(Syntax.NO_SUCH_INSTANCE if known else Syntax.NO_SUCH_OBJECT))

    def next(self, wanted: SearchRange) -> VarBind:
        """The first object of the range, or endOfMibView under the name asked for."""
        find = bisect_left if wanted.include else bisect_right
        place = find(self._names, wanted.start)
        if place < len(self._names) and (not wanted.end or self._names[place] < wanted.end):
            return VarBind(self._names[place], self._values[place])
        return VarBind(wanted.start, Value(Syntax.END_OF_MIB_VIEW))

    def answer(self, request: Pdu) -> list[VarBind]:
        """The bindings of the response to a Get, GetNext or GetBulk."""
        if request.type == PduType.GET:
            return [self.get(wanted.start) for wanted in request.ranges]
        if request.type == PduType.GET_NEXT:
            return [self.next(wanted) for wanted in request.ranges]
        found = [self.next(wanted) for wanted in request.ranges[: request.non_repeaters]]
        repeated = list(request.ranges[request.non_repeaters :])
        for _ in range(min(request.max_repetitions, 1000)):
            row = [self.next(wanted) for wanted in repeated]
            found += row
            if all(binding.value.syntax == Syntax.END_OF_MIB_VIEW for binding in row):
                break
            repeated = [
                SearchRange(binding.name, False, wanted.end) for binding, wanted in zip(row, repeated, strict=True)
            ]
        return found
