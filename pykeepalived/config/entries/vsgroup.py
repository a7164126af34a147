"""Lines of virtual_server_group: addresses, ranges, prefixes and fwmarks (keepalived.conf(5), virtual server group)."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.entries.common import EntryDroppedError, Words
from pykeepalived.config.model.ipvs import GroupEntry
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault


def parse_group_entry(statement: Statement, reading: Reading, group: str) -> GroupEntry | None:
    """Read `ADDRESS[-END|/LENGTH] [PORT]` or `fwmark N [inet|inet6]`; None when the line is skipped."""
    if not statement.words:
        return None
    words = Words(statement, reading)
    try:
        text = words.take()
        return _fwmark(words, group) if text == "fwmark" else _address(words, text)
    except EntryDroppedError:
        return None


def _fwmark(words: Words, group: str) -> GroupEntry:
    word = words.value()
    mark = values.integer(word, 0, values.U32, lenient=words.reading.lenient)
    if isinstance(mark, Fault):
        if mark.value is None:
            text = f"({group}): fwmark '{word}' must be in [0, {values.U32}] - ignoring"
            raise words.drop(mark.code, f"{text} - {mark.text}")
        words.reading.fault(words.statement, words.index, mark, f"using {mark.value}")
        mark = mark.value
    family = 0
    if words.more:
        name = words.take()
        if name not in ("inet", "inet6"):
            text = f"({group}): fwmark '{mark}' family {name} unknown - ignoring"
            raise words.drop("family-unknown", text, "inet or inet6")
        family = 4 if name == "inet" else 6
    return GroupEntry(fwmark=mark, family=family, at=words.statement.span())


def _address(words: Words, text: str) -> GroupEntry:
    port = _port(words, text)
    start_text, dash, end_text = text.partition("-")
    if dash:
        first, last = _range(words, text, start_text, end_text)
    else:
        start_text, slash, length_text = text.partition("/")
        first = _ip(words, text, start_text)
        last = _prefix_end(words, text, first, length_text) if slash else first
    return GroupEntry(first=first, last=last, port=port, family=first.family, at=words.statement.span())


def _bad_address(words: Words, text: str) -> EntryDroppedError:
    port = f" /port/{words.words[1]}" if len(words.words) > 1 else ""
    return words.drop("group-address", f"Invalid virtual server group IP address {text}{port} - skipping")


def _port(words: Words, text: str) -> int:
    if not words.more:
        return 0
    port = values.port(words.words[1], zero=True, lenient=words.reading.lenient)
    if isinstance(port, Fault):
        if port.value is None:
            raise _bad_address(words, text)
        words.reading.fault(words.statement, 1, port, f"using {port.value}")
        return port.value
    return port


def _ip(words: Words, text: str, address_text: str) -> Ip:
    address = values.ip(address_text)
    if isinstance(address, Fault):
        raise _bad_address(words, text)
    return address


def _range(words: Words, text: str, start_text: str, end_text: str) -> tuple[Ip, Ip]:
    """Both ends of a range; the end is a full address, or the last octet (decimal) or group (hex) of one."""
    first = _ip(words, text, start_text)
    if "." in end_text or ":" in end_text:
        last = values.ip(end_text)
        if isinstance(last, Fault):
            raise _bad_address(words, text)
        if last.family != first.family:
            raise words.drop("group-range", f"Range address families do not match {text} - skipping")
        if last < first:
            message = f"Address range end is less than address range start - {text} - skipping"
            raise words.drop("group-range", message)
        return first, last
    base, width = (10, 1) if first.family == 4 else (16, 2)
    digits = "0123456789" if base == 10 else "0123456789abcdefABCDEF"
    extra = end_text.lstrip(digits)
    if extra or not end_text:
        message = f"Virtual server group range '{text}' has extra characters at end '{extra}'"
        raise words.drop("group-range", message)
    end = int(end_text, base) if len(end_text) < 20 else values.U64
    if end >= 1 << 8 * width:
        raise words.drop("group-range", f"Virtual server group range '{text}' end '{end_text}' too large")
    if end <= int.from_bytes(first[-width:], "big"):
        message = f"Address range end is not greater than address range start - {text} - skipping"
        raise words.drop("group-range", message)
    return first, Ip(first[:-width] + end.to_bytes(width, "big"))


def _prefix_end(words: Words, text: str, first: Ip, length_text: str) -> Ip:
    """Last address of a prefix whose host bits are empty."""
    length = values.integer(length_text, 1, first.bits)
    if isinstance(length, Fault):
        raise words.drop("group-mask", f"Invalid netmask - {text} - skipping")
    host = (1 << first.bits - length) - 1
    number = int.from_bytes(first, "big")
    if number & host:
        raise words.drop("group-mask", f"Address mask bits not empty - {text} - skipping")
    return Ip((number | host).to_bytes(len(first), "big"))
