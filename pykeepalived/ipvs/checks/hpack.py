"""Header compression of HTTP/2 (RFC 7541): any header block in, plain literals out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Header = tuple[bytes, bytes]
TABLE_SIZE = 4096
"""Size of the dynamic table, never changed by us."""
_OVERHEAD = 32
_TEXT_MAX = 65536

_SYMBOLS: Mapping[int, str] = {
    5: "303132616365696f7374",
    6: "20252d2e2f333435363738393d415f62646667686c6d6e707275",
    7: "3a42434445464748494a4b4c4d4e4f5051525354555657596a6b71767778797a",
    8: "262a2c3b585a",
    10: "212228293f",
    11: "272b7c",
    12: "233e",
    13: "0024405b5d7e",
    14: "5e7d",
    15: "3c607b",
    19: "5cc3d0",
    20: "808283a2b8c2e0e2",
    21: "99a1a7acb0b1b3d1d8d9e3e5e6",
    22: "8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9",
    23: "0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef",
    24: "098e9091949fabced7e1eced",
    25: "c7cfeaeb",
    26: "c0c1c8c9cacdd2d5dadbeef0f2f3ff",
    27: "cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe",
    28: "020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9",
    30: "0a0d16",
}
"""Length of a Huffman code in bits to the octets that have one, in hexadecimal; codes are counted up (appendix B)."""


class HpackError(ValueError):
    """The block is not valid."""


def _codes() -> dict[tuple[int, int], int]:
    """(length, code) to octet."""
    found = {}
    code = before = 0
    for length, octets in _SYMBOLS.items():
        code <<= length - before
        before = length
        for octet in bytes.fromhex(octets):
            found[length, code] = octet
            code += 1
    return found


_CODES = _codes()
_LONGEST = max(_SYMBOLS)

_STATIC_TEXT = """:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https
:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset
accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization
cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range
content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range
if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh
retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"""
_STATIC: tuple[Header, ...] = tuple(
    (name, value)
    for name, _blank, value in (
        entry.partition(b" ") for entry in _STATIC_TEXT.encode().replace(b"\n", b"|").split(b"|")
    )
)
"""Appendix A; the first entry has index 1."""


def huffman(data: bytes) -> bytes:
    """Decode a Huffman string (section 5.2)."""
    out = bytearray()
    code = length = 0
    for octet in data:
        for shift in range(7, -1, -1):
            code = code << 1 | octet >> shift & 1
            length += 1
            found = _CODES.get((length, code))
            if found is not None:
                out.append(found)
                code = length = 0
            elif length >= _LONGEST:
                raise HpackError("bad Huffman code")
    if length > 7 or code != (1 << length) - 1:
        raise HpackError("bad Huffman padding")
    return bytes(out)


def encode(headers: Iterable[Header]) -> bytes:
    """Literals that are not to be kept (section 6.2.2), without Huffman."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: bytes) -> bytes:
    length = len(text)
    if length < 0x7F:
        return bytes((length,)) + text
    out = bytearray((0x7F,))
    length -= 0x7F
    while length >= 0x80:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + text


class Decoder:
    """Decodes the header blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._table: list[Header] = []
        self._size = 0
        self._limit = TABLE_SIZE

    def decode(self, block: bytes) -> list[Header]:
        """The headers of a block. Raises HpackError, whatever the bytes."""
        headers = []
        at = 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = _number(block, at, 7)
                headers.append(self._entry(index))
            elif first & 0xE0 == 0x20:
                limit, at = _number(block, at, 5)
                if limit > TABLE_SIZE:
                    raise HpackError("table too large")
                self._limit = limit
                self._shrink()
            else:
                header, at = self._literal(block, at, 6 if first & 0x40 else 4)
                headers.append(header)
                if first & 0x40:
                    self._keep(header)
        return headers

    def _literal(self, block: bytes, at: int, bits: int) -> tuple[Header, int]:
        index, at = _number(block, at, bits)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        return (name, value), at

    def _entry(self, index: int) -> Header:
        if 0 < index <= len(_STATIC):
            return _STATIC[index - 1]
        if not 0 < index - len(_STATIC) <= len(self._table):
            raise HpackError("no such table entry")
        return self._table[index - len(_STATIC) - 1]

    def _keep(self, header: Header) -> None:
        self._table.insert(0, header)
        self._size += _OVERHEAD + len(header[0]) + len(header[1])
        self._shrink()

    def _shrink(self) -> None:
        while self._size > self._limit:
            name, value = self._table.pop()
            self._size -= _OVERHEAD + len(name) + len(value)


def _number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """An integer with a prefix of so many bits (section 5.1), and where it ends."""
    mask = (1 << bits) - 1
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, 28, 7):
        if at >= len(block):
            raise HpackError("truncated")
        value += (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return value, at
    raise HpackError("number too large")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(block):
        raise HpackError("truncated")
    coded = block[at] & 0x80
    length, at = _number(block, at, 7)
    if length > _TEXT_MAX or at + length > len(block):
        raise HpackError("truncated")
    text = block[at : at + length]
    return huffman(text) if coded else text, at + length
