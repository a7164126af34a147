"""What polled interfaces say: MII, ethtool and flags. Shell: it asks, the core judges.

keepalived.conf(5): linkbeat_interfaces. Processes are watched in processes.py, files in runtime/tracked_files.py.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Callable, Iterable

from pykeepalived.config.model.vrrp import Linkbeat
from pykeepalived.netlink.facts import IFF_RUNNING, IFF_UP
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.loop import Loop

_POLL_NS = 1_000_000_000

_SIOCGIFFLAGS, _SIOCETHTOOL, _SIOCGMIIPHY, _SIOCGMIIREG = 0x8913, 0x8946, 0x8947, 0x8948
_ETHTOOL_GLINK = 0xA
_MII_STATUS, _MII_LINK_UP = 1, 0x04
_IFREQ = 40
_METHODS = ("MII", "ETHTOOL", "IOCTL")

Log = Callable[[LogLine], object]


class LinkbeatPoller:
    """Asks the hardware of the named interfaces once a second whether it has a link."""

    def __init__(self, loop: Loop, log: Log, changed: Callable[[str, bool], object]) -> None:
        self._loop = loop
        self._log = log
        self._changed = changed
        self._socket: socket.socket | None = None
        self._methods: dict[str, str] = {}
        self._states: dict[str, bool] = {}
        self._timer = loop.idle_timer(self._poll)

    def watch(self, interfaces: Iterable[str], configured: Iterable[Linkbeat] = ()) -> None:
        """Poll exactly these interfaces; the state of new ones is told at once."""
        wanted = list(interfaces)
        methods = {entry.interface: entry.method for entry in configured}
        if wanted and self._socket is None:
            try:
                self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            except OSError as error:
                text = f"Unable to poll {', '.join(wanted)} for a link - errno {error.errno} ({error.strerror})"
                self._log(LogLine(text, Priority.ERROR))
                wanted = []
        kept = {name: method for name, method in self._methods.items() if name in wanted}
        self._states = {name: up for name, up in self._states.items() if name in kept}
        self._methods = kept
        for name in wanted:
            if name not in kept:
                self._methods[name] = self._choose(name, methods.get(name, ""))
                self._tell(name)
        if wanted:
            self._timer.move(self._loop.now() + _POLL_NS)
        else:
            self._timer.cancel()

    def _choose(self, name: str, asked: str) -> str:
        """The first method the interface supports, from the configured one on."""
        first = _METHODS.index(asked) if asked else 0
        for method in _METHODS[first:]:
            if method == "IOCTL" or self._ask(name, method) is not None:
                if asked and method != asked:
                    text = f"({name}): Configured linkbeat type {asked} not supported, using {method}"
                    self._log(LogLine(text, Priority.WARNING))
                return method
        return "IOCTL"

    def _poll(self) -> None:
        for name in list(self._methods):
            self._tell(name)
        self._timer.move(self._loop.now() + _POLL_NS)

    def _tell(self, name: str) -> None:
        flags = self._flags(name)
        up = flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING
        method = self._methods[name]
        if up and method != "IOCTL":
            up = bool(self._ask(name, method))
        if self._states.get(name) != up:
            self._states[name] = up
            self._changed(name, up)

    def _flags(self, name: str) -> int:
        answer = self._ioctl(_SIOCGIFFLAGS, _request(name))
        return int(struct.unpack_from("=H", answer, 16)[0]) if answer is not None else 0

    def _ask(self, name: str, method: str) -> bool | None:
        """Link state by one method; None when the driver does not support it."""
        if method == "MII":
            return self._ask_mii(name)
        value = array.array("I", [_ETHTOOL_GLINK, 0])
        address, _ = value.buffer_info()
        if self._ioctl(_SIOCETHTOOL, _request(name, struct.pack("@P", address))) is None:
            return None
        return bool(value[1])

    def _ask_mii(self, name: str) -> bool | None:
        answer = self._ioctl(_SIOCGMIIPHY, _request(name))
        if answer is None:
            return None
        phy = struct.unpack_from("=H", answer, 16)[0]
        # The link bit keeps a loss until it is read: the second reading tells the present.
        for _ in range(2):
            answer = self._ioctl(_SIOCGMIIREG, _request(name, struct.pack("=HH", phy, _MII_STATUS)))
            if answer is None:
                return None
        return bool(struct.unpack_from("=H", answer, 22)[0] & _MII_LINK_UP)

    def _ioctl(self, number: int, request: bytes) -> bytes | None:
        assert self._socket is not None
        try:
            return fcntl.ioctl(self._socket, number, request)
        except OSError:
            return None

    def close(self) -> None:
        self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _request(name: str, data: bytes = b"") -> bytes:
    """A struct ifreq."""
    return (name.encode()[:15].ljust(16, b"\0") + data).ljust(_IFREQ, b"\0")
