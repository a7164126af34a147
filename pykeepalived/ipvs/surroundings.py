"""What the checker process watches beside real servers: tracked files, local addresses, the right to ping. Shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pykeepalived.config.model.globals import ReceiveBuffer
from pykeepalived.config.model.values import Ip, leading_number
from pykeepalived.config.model.vrrp import TrackFile
from pykeepalived.netlink.facts import AddressAdded, AddressRemoved, Overrun
from pykeepalived.netlink.kernel import Kernel
from pykeepalived.netlink.sysctls import ROOT, SavedSysctls, SysctlJournal, read_sysctl
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.tracked_files import FileWatcher

Log = Callable[[LogLine], object]
_PING_RANGE = "net/ipv4/ping_group_range"


def file_number(content: bytes) -> int | None:
    """The number a tracked file begins with, None beyond 32 bits."""
    value = leading_number(content)
    return value if -(2**31) <= value < 2**31 else None


class TrackedFiles:
    """Tells `changed(name, number)` for every tracked file, at once and after each change."""

    def __init__(self, loop: Loop, log: Log, changed: Callable[[str, int], object]) -> None:
        self._log = log
        self._changed = changed
        self._paths: dict[str, str] = {}
        self._watcher = FileWatcher(loop, log, self._tell, "track file")

    def watch(self, files: Iterable[TrackFile]) -> None:
        """Watch exactly these, and tell what they hold now."""
        wanted = tuple(files)
        self._paths = {file.name: file.path for file in wanted}
        self._watcher.watch(wanted, tell_all=True)

    def close(self) -> None:
        self._watcher.close()

    def _tell(self, name: str, content: bytes | None) -> None:
        number = file_number(content or b"")
        if number is None:
            text = (content or b"").split(b"\n")[0].decode("ascii", "replace")
            self._log(LogLine(f"Invalid number {text} read from {self._paths[name]} - ignoring"))
            return
        self._changed(name, number)


class AddressWatch:
    """Tells `changed(address, count)`: on how many interfaces an address of interest stands (ha_suspend)."""

    def __init__(self, loop: Loop, buffer: ReceiveBuffer, changed: Callable[[Ip, int], object]) -> None:
        self._loop = loop
        self._changed = changed
        self._kernel = Kernel(ReceiveBuffer(), buffer)
        self._places: dict[Ip, set[int]] = {}
        self._read_all()
        loop.add_reader(self._kernel.event_fd, self._read)

    def tell(self, addresses: Iterable[Ip]) -> None:
        """Tell the present count of each of these."""
        for address in addresses:
            self._changed(address, len(self._places.get(address, ())))

    def close(self) -> None:
        self._loop.remove_reader(self._kernel.event_fd)
        self._kernel.close()

    def _read_all(self) -> None:
        before, self._places = self._places, {}
        for entry in self._kernel.facts().addresses:
            self._places.setdefault(entry.address, set()).add(entry.index)
        for address in before.keys() | self._places.keys():
            if before and len(before.get(address, ())) != len(self._places.get(address, ())):
                self._changed(address, len(self._places.get(address, ())))

    def _read(self) -> None:
        for event in self._kernel.read_events():
            match event:
                case AddressAdded(entry):
                    self._places.setdefault(entry.address, set()).add(entry.index)
                    self._changed(entry.address, len(self._places[entry.address]))
                case AddressRemoved(entry):
                    places = self._places.pop(entry.address, set()) - {entry.index}
                    if places:
                        self._places[entry.address] = places
                    self._changed(entry.address, len(places))
                case Overrun():
                    self._read_all()


class PingPermission:
    """PING_CHECK needs group 0 in net.ipv4.ping_group_range: widened at first use, put back at the end.

    `notes` is the file for a successor (the next one has to `obtain` or to `give_back` what this one has not), "" =
    none.
    """

    def __init__(self, log: Log, notes: str = "") -> None:
        self._log = log
        self._saved = SavedSysctls(_read_range, journal=SysctlJournal(notes) if notes else None)
        if self._saved.trouble:
            log(LogLine(f"Kernel parameters cannot be noted - {self._saved.trouble}", Priority.WARNING))

    def obtain(self) -> None:
        """Let group 0 open ICMP sockets. A failure is logged; the checks will tell it too."""
        before = _read_range(_PING_RANGE)
        try:
            low, high = (int(word) for word in (before or "").split())
        except ValueError:
            self._log(LogLine(f"Unable to set {ROOT}{_PING_RANGE}: it cannot be read", Priority.WARNING))
            return
        if low == 0:
            return
        if low <= high:
            self._log(LogLine(f"Warning: {ROOT}{_PING_RANGE} being expanded from {low} {high} to 0 {high}"))
        if not self._saved.want(_PING_RANGE, f"0 {high if low <= high else 0}"):
            self._log(LogLine(f"Unable to set {ROOT}{_PING_RANGE}", Priority.WARNING))

    def give_back(self) -> None:
        """Also what a predecessor has widened."""
        self._saved.restore_all()


def _read_range(path: str) -> str | None:
    value = read_sysctl(path)
    return " ".join(value.split()) if value is not None else None
