"""Small pieces of text that all dumps share: moments, yes and no, scripts. No dump is made here."""

from __future__ import annotations

from datetime import datetime, tzinfo

from pykeepalived.config.model.values import Account, Ip, Script
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.snapshot import Taken

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Moments:
    """Turns monotonic moments of a snapshot into text; `zone` None = the machine's time zone."""

    taken: Taken
    zone: tzinfo | None = None

    def seconds(self, moment_ns: int) -> str:
        """`SEC.USEC` since the epoch."""
        return micro(self.taken.wall_us(moment_ns))

    def full(self, moment_ns: int) -> str:
        """`SEC.USEC (Sun Nov 22 15:31:46.397493 2026)`."""
        day, clock, usec, year = self._parts(moment_ns)
        return f"{self.seconds(moment_ns)} ({day} {clock}.{usec} {year})"

    def year_first(self, moment_ns: int) -> str:
        """`SEC.USEC (Sun Nov 22 15:31:46 2026.397493)`."""
        day, clock, usec, year = self._parts(moment_ns)
        return f"{self.seconds(moment_ns)} ({day} {clock} {year}.{usec})"

    def without_year(self, moment_ns: int) -> str:
        """`SEC.USEC (Sun Nov 22 15:31:46.397493)`."""
        day, clock, usec, _ = self._parts(moment_ns)
        return f"{self.seconds(moment_ns)} ({day} {clock}.{usec})"

    def _parts(self, moment_ns: int) -> tuple[str, str, str, str]:
        wall = self.taken.wall_us(moment_ns)
        when = datetime.fromtimestamp(wall // 1_000_000, self.zone)
        day = f"{_DAYS[when.weekday()]} {_MONTHS[when.month - 1]} {when.day:2d}"
        return day, f"{when.hour:02d}:{when.minute:02d}:{when.second:02d}", f"{wall % 1_000_000:06d}", str(when.year)


def micro(microseconds: int) -> str:
    """Microseconds as seconds with six decimals."""
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(microseconds), 1_000_000)
    return f"{sign}{whole}.{rest:06d}"


def short(microseconds: int) -> str:
    """Microseconds as seconds in at most six significant digits, as printf's %g does."""
    return f"{microseconds / 1_000_000:g}"


def whole_or_milli(microseconds: int) -> str:
    """Seconds without decimals, or with three where there is a fraction."""
    whole, rest = divmod(microseconds // 1000, 1000)
    return f"{whole}.{rest:03d}" if rest else str(whole)


def true_false(value: bool) -> str:
    return "true" if value else "false"


def yes_no(value: bool) -> str:
    return "yes" if value else "no"


def enabled(value: bool) -> str:
    return "enabled" if value else "disabled"


def on_off(value: bool) -> str:
    return "ON" if value else "OFF"


def is_set(value: bool) -> str:
    return "set" if value else "unset"


def ids(account: Account) -> str:
    return f"{account.uid}:{account.gid}"


def command(script: Script, *arguments: str) -> str:
    """The words of a command in single quotes."""
    if script.file_test:
        return " ".join((*script.words, *arguments))
    return " ".join(f"'{word}'" for word in (*script.words, *arguments))


def script_line(script: Script, *arguments: str) -> str:
    """A command and its account, as all lines about scripts have it."""
    return f"{command(script, *arguments)}, uid:gid {ids(script.account)}"


def prefix(address: Ip, length: int) -> str:
    """`ADDR/LEN`, without the length of a host address."""
    return str(address) if length == address.bits else f"{address}/{length}"
