"""Words to values: numbers, timers, switches, addresses, ports, hex strings, weights, accounts.

Every parser returns the value or a `Fault`; none raises, none knows a keyword, none does input or output. The text of a
fault is the one keepalived prints for the word itself; what the keyword adds ("... - ignoring") is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.model.values import Account, Ip
from pykeepalived.light_dataclasses import dataclass

U8, U16, U31, U32, U64 = 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
I32_MIN, I32_MAX = -0x80000000, 0x7FFFFFFF
TIMER_MAX_US = U64 - 1
"""Largest timer of keepalived: 18446744073709.551614 s."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a word. `value` is what keepalived uses in spite of it, None when the word is ignored.

    `text` "" means that keepalived says nothing about the word itself, only about the keyword.
    """

    code: str
    text: str
    kind: FindingClass = FindingClass.INVALID_NUMBER
    value: int | None = None
    severity: Severity = Severity.ERROR


# --- integers ---------------------------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
_C_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")


def _invalid(word: str) -> Fault:
    return Fault("number-invalid", f"invalid number '{word}'")


def _outside(word: str, low: object, high: object) -> Fault:
    return Fault("number-range", f"number '{word}' outside range [{low}, {high}]")


def integer(word: str, low: int, high: int, *, lenient: bool = False, c_notation: bool = False) -> int | Fault:
    """Read a decimal integer of `low`..`high` (inclusive); a negative `low` makes it signed.

    An empty word reads as 0. `lenient` (the caller is not a config test) lets a number with trailing garbage whose
    leading part is in range be used with a warning. `c_notation` reads 0x and octal numbers as strtol(3) with base 0.
    """
    if word.isdecimal() and word.isascii() and not (c_notation and word[0] == "0"):
        number = int(word) if len(word) <= 20 else U64 + 1
        return number if low <= number <= high else _out_of_range(word, low, high, number)
    match = (_C_NUMBER if c_notation else _DECIMAL).match(word)
    if match is None:
        if word:
            stripped = word.lstrip(" \t\n\v\f\r")
            return _negative(word) if stripped.startswith("-") and low >= 0 else _invalid(word)
        return 0 if low <= 0 <= high else _outside(word, low, high)
    sign, digits = match.groups()
    if sign == "-" and low >= 0:
        return _negative(word)
    number = _magnitude(digits, c_notation)
    if sign == "-":
        number = -number
    if match.end() != len(word):
        if not lenient or not low <= number <= high:
            return _invalid(word)
        text = f"number '{word}' has trailing characters, using {number}"
        return Fault("number-garbage", text, FindingClass.NONE, number, Severity.WARNING)
    return number if low <= number <= high else _out_of_range(word, low, high, number)


def _magnitude(digits: str, c_notation: bool) -> int:
    if len(digits) > 40:
        return U64 + 1
    if not c_notation or digits[0] != "0":
        return int(digits)
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    return int(digits, 8)


def _negative(word: str) -> Fault:
    return Fault("number-negative", f"negative number '{word}'")


def _out_of_range(word: str, low: int, high: int, number: int) -> Fault:
    if high <= U32 and low >= 0 and number > U32:
        return Fault("number-range", f"number '{word}' outside unsigned integer range")
    if low < 0 and not I32_MIN <= number <= I32_MAX:
        return Fault("number-range", f"number '{word}' outside integer range")
    return _outside(word, low, high)


# --- decimal numbers --------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[ \t\n\v\f\r]*(\+?)([0-9]*)(?:\.([0-9]*))?")


def decimal(word: str, low: int, high: int, places: int) -> int | Fault:
    """Read a decimal fraction with at most `places` decimals as an integer of its smallest unit.

    `low` and `high` are in that unit. More decimals are an error whose value, rounded half up at the last place, is
    used. Trailing garbage is an error and the word is ignored (keepalived takes the digits as the smallest unit: `5x`
    seconds becomes 5 us).
    """
    scale: int = 10**places
    if word.isdecimal() and word.isascii() and len(word) <= 15:
        number = int(word) * scale
        if low <= number <= high:
            return number
    match = _NUMBER.match(word)
    assert match is not None, "every group of the pattern is optional"
    stripped = word.lstrip(" \t\n\v\f\r")
    if stripped.startswith("-"):
        return _negative(word)
    if match.end() != len(word):
        return _invalid(word)
    whole, fraction = match[2], match[3] or ""
    if len(whole) > 19:
        return Fault("number-range", f"number '{word}' outside unsigned decimal range")
    number = int(whole or "0") * scale + int(fraction[:places].ljust(places, "0") or "0")
    too_long = len(fraction) > places
    if too_long and fraction[places] >= "5":
        number += 1
    if not low <= number <= high:
        return _outside(word, format_decimal(low, places), format_decimal(high, places))
    if too_long:
        text = f"number '{word}' has too many decimal places"
        return Fault("number-decimals", text, FindingClass.INVALID_NUMBER, number)
    return number


def format_decimal(number: int, places: int) -> str:
    """The number with all its decimals, as keepalived prints limits: 4294.967295."""
    scale: int = 10**places
    sign, number = ("-", -number) if number < 0 else ("", number)
    return f"{sign}{number // scale}.{number % scale:0{places}d}"


def timer(word: str, low: int = 0, high: int = TIMER_MAX_US) -> int | Fault:
    """Seconds with up to 6 decimals, as microseconds."""
    return decimal(word, low, high, 6)


# --- switches ---------------------------------------------------------------------------------------------------------

_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def switch(word: str | None) -> bool | Fault:
    """`on true yes` and `off false no`, lower case; an absent word (None) means on."""
    if word is None:
        return True
    value = _SWITCH.get(word)
    return Fault("bool-invalid", "", FindingClass.GENERAL) if value is None else value


# --- addresses --------------------------------------------------------------------------------------------------------


def ip(word: str, family: int = 0) -> Ip | Fault:
    """An address by the rules of inet_pton(3); `family` 4 or 6 restricts it."""
    try:
        address = Ip.parse(word)
    except ValueError:
        return Fault("address-invalid", "", FindingClass.GENERAL)
    if family and address.family != family:
        return Fault("address-family", "", FindingClass.GENERAL)
    return address


def socket_ip(word: str, family: int = 0) -> Ip | Fault:
    """An address where keepalived reads socket addresses: text from the first `-`, else `/`, on is cut off."""
    cut = word.find("-")
    if cut < 0:
        cut = word.find("/")
    return ip(word if cut < 0 else word[:cut], family)


def port(word: str, *, zero: bool = False, lenient: bool = False) -> int | Fault:
    """1..65535. With `zero` a word of zeros only means "no port" (virtual, real, sorry servers and groups)."""
    if zero and word and not word.strip("0"):
        return 0
    return integer(word, 1, U16, lenient=lenient)


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address with its prefix length; `given`: the length was written; `fault`: what is wrong with it."""

    address: Ip
    length: int
    given: bool
    fault: Fault | None = None


def prefix(word: str, family: int = 0) -> Prefix | Fault:
    """`IP[/LEN]`; a bad length is an error and counts as host length (the fault is inside the prefix)."""
    text, slash, length_text = word.partition("/")
    address = ip(text, family)
    if isinstance(address, Fault):
        return address
    if not slash:
        return Prefix(address, address.bits, given=False)
    length = integer(length_text, 0, address.bits)
    if isinstance(length, Fault):
        return Prefix(address, address.bits, given=True, fault=length)
    return Prefix(address, length, given=True)


def netmask(word: str) -> int | Fault:
    """An IPv4 mask as a number, any bit pattern (persistence_granularity); accepts what inet_aton(3) accepts."""
    parts = word.split(".")
    fault = Fault("netmask-invalid", "", FindingClass.GENERAL)
    if not 1 <= len(parts) <= 4:
        return fault
    numbers = [integer(part, 0, U32, c_notation=True) if part[:1].isdigit() else fault for part in parts]
    mask = 0
    for number in numbers[:-1]:
        if isinstance(number, Fault) or number > U8:
            return fault
        mask = mask << 8 | number
    last, width = numbers[-1], 8 * (5 - len(parts))
    if isinstance(last, Fault) or last >> width:
        return fault
    return mask << width | last


# --- hex strings ------------------------------------------------------------------------------------------------------


def hex_octets(words: Iterable[str], *, wildcards: bool = False) -> tuple[bytes, bytes] | Fault:
    """Octets and mask from pairs of hex digits; blanks anywhere between octets.

    A lone digit before a blank is an octet. With `wildcards` a nibble `x` or `X` is 0 in both; other mask bits are 1.
    """
    digits = "0123456789abcdefABCDEF" + ("xX" if wildcards else "")
    fault = Fault("hex-invalid", "", FindingClass.GENERAL)
    data, mask = bytearray(), bytearray()
    for word in " ".join(words).split():
        if any(character not in digits for character in word):
            return fault
        for start in range(0, len(word), 2):
            pair = word[start : start + 2].lower()
            data.append(int(pair.replace("x", "0"), 16))
            known = "".join("0" if nibble == "x" else "f" for nibble in pair)
            mask.append(int(known if len(pair) == 2 else "f" + known, 16))
    return (bytes(data), bytes(mask)) if data else fault


def digest(word: str) -> bytes | Fault:
    """An MD5 digest of exactly 32 hex digits."""
    if len(word) != 32:
        text = f"digest '{word}' character length should be 32 rather than {len(word)}"
        return Fault("digest-length", text, FindingClass.GENERAL)
    # From the last octet to the first, as the message counts them.
    for offset in range(30, -2, -2):
        pair = word[offset : offset + 2]
        if any(character not in "0123456789abcdefABCDEF" for character in pair):
            text = f"Unable to interpret hex digit in '{word}' at offset {offset}/{offset + 1}"
            return Fault("digest-digit", text, FindingClass.GENERAL)
    return bytes.fromhex(word)


# --- users and groups -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class User:
    """One line of the user database: name, uid, primary gid."""

    name: str
    uid: int
    gid: int


class Accounts:
    """Lookup of users and groups by name; config/environment.py has the one that asks the system."""

    def __init__(self, users: Iterable[User] = (), groups: Iterable[tuple[str, int]] = ()) -> None:
        self._users = {user.name: user for user in users}
        self._groups = dict(groups)

    def user(self, name: str) -> User | None:
        return self._users.get(name)

    def group(self, name: str) -> int | None:
        return self._groups.get(name)


def account(user: str, group: str | None, accounts: Accounts, *, supplementary: bool = False) -> Account | Fault:
    """`USER [GROUP]`, names only. Without a group the user's primary one.

    A group written `:NAME`, or `:` alone, also sets the supplementary groups of the user, as `supplementary` (the
    keyword set_supplementary_groups) does for all.
    """
    entry = accounts.user(user)
    if entry is None:
        return Fault("user-unknown", f"Script user '{user}' does not exist", FindingClass.GENERAL)
    gid = entry.gid
    if group is not None:
        if group.startswith(":"):
            supplementary, group = True, group[1:]
        if group:
            found = accounts.group(group)
            if found is None:
                return Fault("group-unknown", f"Script group '{group}' does not exist", FindingClass.GENERAL)
            gid = found
    return Account(entry.uid, gid, supplementary, entry.name)
