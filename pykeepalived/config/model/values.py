"""Value types shared by every section of the model: addresses, source positions, commands and their users.

Nothing here reads files or knows a keyword; parsing of words into these values lives in config/.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import field
from functools import lru_cache

from pykeepalived.light_dataclasses import dataclass, late_dataclass

MICROSECONDS_PER_SECOND = 1_000_000


class Ip(bytes):
    """An IPv4 or IPv6 address in network byte order: 4 or 16 bytes, comparable as the protocols compare."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Ip:
        """Read an address as inet_pton(3) does: no zone, no leading zeros; raises ValueError."""
        return _parse_ip(text)

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self) == 4 else 6

    @property
    def bits(self) -> int:
        """Length of a host prefix: 32 or 128."""
        return len(self) * 8

    @property
    def is_multicast(self) -> bool:
        return 224 <= self[0] <= 239 if len(self) == 4 else self[0] == 0xFF

    @property
    def is_link_local(self) -> bool:
        """True for fe80::/10 only; IPv4 link-local addresses have no special meaning to keepalived."""
        return len(self) == 16 and self[0] == 0xFE and self[1] & 0xC0 == 0x80

    def __str__(self) -> str:
        return _format_ip(bytes(self))

    def __repr__(self) -> str:
        return f"Ip.parse({str(self)!r})"


@lru_cache(maxsize=65536)
def _parse_ip(text: str) -> Ip:
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return Ip(ipaddress.ip_address(text).packed)


@lru_cache(maxsize=65536)
def _format_ip(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    address = ipaddress.IPv6Address(packed)
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else address.compressed


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands in the configuration: file, line and column from 1, length in characters."""

    file: str
    line: int
    column: int = 1
    length: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@late_dataclass(frozen=True, slots=True)
class Account:
    """The user and group a script runs as. `supplementary` also sets all other groups of the user."""

    uid: int
    gid: int
    supplementary: bool = False
    user: str = ""


@late_dataclass(frozen=True, slots=True)
class Script:
    """A command ready to run: words, the account, and what the security check made of it.

    `path` is the file to execute (resolved unless use_symlink_paths). `shell` means that the first word cannot
    be executed itself and the shell runs it. `insecure` scripts run only without enable_script_security.
    `file_test` is the `</path` form: no execution, success when the file can be opened for reading.
    """

    words: tuple[str, ...]
    account: Account
    path: str = ""
    shell: bool = False
    insecure: bool = False
    file_test: bool = False
    at: Span | None = field(default=None, compare=False)

    @property
    def command_line(self) -> str:
        return " ".join(self.words)


@late_dataclass(frozen=True, slots=True)
class Fifo:
    """A notify FIFO: its path, owner, and the script that reads it (which gets the path as last argument)."""

    path: str
    account: Account | None = None
    script: Script | None = None
    at: Span | None = field(default=None, compare=False)


_NUMBER = re.compile(rb"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")


def leading_number(content: bytes) -> int:
    """The number a tracked file begins with, as strtol(3) with base 0 reads it from the first 127 bytes; 0 without one.

    It may be beyond 32 bits.
    """
    found = _NUMBER.match(content, 0, 127)
    if found is None:
        return 0
    digits = found[2]
    base = 16 if digits[:2] in (b"0x", b"0X") else 8 if digits[:1] == b"0" else 10
    value = int(digits, base)
    return -value if found[1] == b"-" else value
