"""What the VRRP core is told: the state of the machine as plain data, kernel events, tracker results, orders.

Adverts do not come this way: they go through `Router.hear`, the door of the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpRoute, IpRule
from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.vrrp.effects import Operation, Pool

# the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface as the core must know it.

    `up` means IFF_UP and IFF_RUNNING. `parent` is the interface below a macvlan or ipvlan, "" otherwise. `hardware` is
    the ARPHRD_* number (1 Ethernet, 32 InfiniBand). `forwarding` is net.ipv6.conf.IF.forwarding (Router flag of NAs).
    """

    name: str
    index: int
    up: bool = True
    mac: bytes = b""
    broadcast: bytes = b"\xff\xff\xff\xff\xff\xff"
    mtu: int = 1500
    hardware: int = 1
    multicast: bool = True
    noarp: bool = False
    parent: str = ""
    forwarding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address on an interface; `flags` are IFA_F_*, `secondary` and `tentative`/`deprecated` are read from them."""

    interface: str
    address: Ip
    prefix_length: int
    flags: int = 0

    @property
    def place(self) -> tuple[str, Ip, int]:
        """What tells it from all other addresses of the machine."""
        return self.interface, self.address, self.prefix_length


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The machine at one moment: interfaces, addresses in the kernel's order, and the links made for us.

    `attachments` names the VMAC or ipvlan interface made for (instance name, parent interface, family 4 or 6); the
    shell creates or adopts them before it builds the Router and before it hands over a Reload. `leftover_routes` and
    `leftover_rules` are the configured ones that the kernel has already (left by a killed predecessor). `uptime_ns` is
    the age of the machine (vrrp_delay_after_boot). `files` and `processes` tell at the start what tracked files hold
    and how many processes match, so that the first decisions know them; later this comes as messages.
    """

    interfaces: tuple[Interface, ...] = ()
    addresses: tuple[Address, ...] = ()
    attachments: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    leftover_routes: tuple[IpRoute, ...] = ()
    leftover_rules: tuple[IpRule, ...] = ()
    uptime_ns: int = 0
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    processes: Mapping[str, int] = field(default_factory=dict)


# kernel events


@dataclass(frozen=True, slots=True)
class InterfaceChanged:
    """An interface appeared, or something about it changed. Undebounced: the core applies interface_up_down_delays."""

    interface: Interface


@dataclass(frozen=True, slots=True)
class InterfaceRemoved:
    name: str


@dataclass(frozen=True, slots=True)
class LinkbeatChanged:
    """Link-beat polling found another state; a polled interface is up when netlink says so too."""

    name: str
    up: bool


@dataclass(frozen=True, slots=True)
class AddressAdded:
    address: Address


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    address: Address


@dataclass(frozen=True, slots=True)
class RouteRemoved:
    """The kernel lost a route of ours; the shell has matched it to the configured entry (virtual or static)."""

    route: IpRoute


@dataclass(frozen=True, slots=True)
class RuleRemoved:
    """The kernel lost a rule of ours; the shell has matched it to the configured entry (virtual or static)."""

    rule: IpRule


@dataclass(frozen=True, slots=True)
class Resynced:
    """Kernel events were lost: this is the whole truth now. The core works out what it missed."""

    view: View


@dataclass(frozen=True, slots=True)
class Attached:
    """A VMAC or ipvlan interface was created again (answer to CreateLink): its name."""

    instance: str
    parent: str
    family: int
    name: str


# answers of the shell


@dataclass(frozen=True, slots=True)
class PoolFailed:
    """The sockets of a pool could not be opened: its instances go to FAULT until the shell says PoolOpened."""

    pool: Pool
    error: str


@dataclass(frozen=True, slots=True)
class PoolOpened:
    """The sockets of a pool are open (sent after an earlier PoolFailed; not needed otherwise)."""

    pool: Pool


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """The kernel refused an operation of ChangeNetwork; `error` is the errno. "Exists" at adding and "gone" at
    removing are success and not told."""

    operation: Operation
    error: int


# trackers


@dataclass(frozen=True, slots=True)
class ScriptFinished:
    """A run started by StartScript ended: exit status, or signal, or it had to be killed after its timeout.

    A script that could not be started counts as exit status 127 (`not_started`).
    """

    name: str
    status: int = 0
    signal: int = 0
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class FileChanged:
    """Content of a tracked file (the first 127 bytes are enough); None = missing."""

    name: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class ProcessCount:
    """How many processes match a vrrp_track_process now. Undelayed: the core applies fork_delay, terminate_delay."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class BfdChanged:
    """State of a bfd_instance; `sent_ns` monotonic, when the BFD child sent it."""

    name: str
    up: bool
    sent_ns: int = 0


# orders


@dataclass(frozen=True, slots=True)
class Reload:
    """Take over this configuration. The view is fresh and holds the attachments of the new configuration."""

    config: Config
    view: View


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up everything: priority-0 adverts, removals, STOP notifications, all in the next drain.

    `release` False is --dont-release-vrrp: nothing is removed from the kernel.
    """

    release: bool = True


@dataclass(frozen=True, slots=True)
class SendDue:
    """The shell has long work to do: adverts of MASTERs that are due leave in the midst of it. Nothing is decided."""


@dataclass(frozen=True, slots=True)
class SendGarp:
    """Announce the addresses of a MASTER once (D-Bus SendGarp)."""

    instance: str


@dataclass(frozen=True, slots=True)
class ClearCounters:
    """SIGRTMAX-1: statistics start again from zero (after the dump)."""


Input = (
    InterfaceChanged
    | InterfaceRemoved
    | LinkbeatChanged
    | AddressAdded
    | AddressRemoved
    | RouteRemoved
    | RuleRemoved
    | Resynced
    | Attached
    | PoolFailed
    | PoolOpened
    | OperationFailed
    | ScriptFinished
    | FileChanged
    | ProcessCount
    | BfdChanged
    | Reload
    | Stop
    | SendDue
    | SendGarp
    | ClearCounters
)
