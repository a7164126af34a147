"""What the VRRP core wants done. Every class says exactly what the shell must do; the shell decides nothing.

`Router.drain` gives effects in the order in which they must be performed, always in these phases: OpenPool, one
SendAdverts, one ChangeNetwork, one SendFrames, then everything else in the order decided. Each batch holds what all
instances want at that moment. Adverts of new masters may come in a drain of their own: what belongs to them follows
in the next one, so drain until nothing comes.
"""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip, Script
from pykeepalived.config.model.vrrp import VrrpInstance, VrrpSyncGroup
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause, LogLine

# sockets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """One receive and one send raw socket, shared by the instances that agree in all of this.

    `family` 4 or 6, `protocol` 112 or 51 (AH). `interface` "" only for unicast without interface. Multicast: `group`
    is joined and bound, `source` None. Unicast: `group` None, `source` is bound. `join_parent` names the parent
    interface of a VMAC whose hardware filter must pass the group too, "" otherwise. `receive_buffer` in bytes, 0 = the
    kernel's default. The Router makes one object per pool for its whole life: compare and hash by identity.
    """

    family: int
    protocol: int
    interface: str
    vrf: str = ""
    group: Ip | None = None
    source: Ip | None = None
    join_parent: str = ""
    receive_buffer: int = 0

    @property
    def unicast(self) -> bool:
        return self.group is None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """Where the adverts of one instance to one destination go. One object for as long as nothing of it changes, so
    that the shell may keep prepared socket addresses by identity.

    IPv4 packets begin with their IP header (IP_HDRINCL); `source` and `hop_limit` are in it already. IPv6 packets are
    the VRRP message alone: the kernel fills in the checksum, `source` goes into IPV6_PKTINFO (with the interface index
    for multicast and link-local addresses, 0 otherwise), `hop_limit` into IPV6_HOPLIMIT when not None.
    """

    pool: Pool
    instance: str
    source: Ip
    destination: Ip
    hop_limit: int | None = None


@dataclass(frozen=True, slots=True)
class OpenPool:
    """Open the sockets of the pool and begin to hand what arrives to `Router.hear`."""

    pool: Pool


@dataclass(frozen=True, slots=True)
class ClosePool:
    """Close the sockets of the pool (its interface is gone, or no instance uses it any more)."""

    pool: Pool


@dataclass(frozen=True, slots=True)
class SendAdverts:
    """Send these packets at once, in this order; errors are logged, never retried: the next advert comes anyway."""

    packets: list[tuple[Flow, bytes]]


@dataclass(frozen=True, slots=True)
class RehearseAdvert:
    """An advert is likely to go this way in a moment: walk it as far as it can be done without sending anything."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class Guests:
    """What an advert that somebody on a pool might listen to looks like. `full_ttl`: only TTL or hop limit 255.
    `lengths` are those of version-2 or version-3 messages without authentication data behind them whose checksum alone
    decides."""

    family: int
    protocol: int
    vrids: tuple[int, ...]
    versions: tuple[int, ...]
    full_ttl: bool
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardPool:
    """Let the kernel drop what is not from such guests before the receive socket queues it; None: nothing."""

    pool: Pool
    guests: Guests | None


@dataclass(frozen=True, slots=True)
class SortPool:
    """Let adverts with these fingerprints (sieve.py) wait unread until a timer is due: they only say again what is
    known. None of them: hear everything at once, first of all what waits."""

    pool: Pool
    fingerprints: tuple[int, ...]


# kernel objects


@dataclass(frozen=True, slots=True)
class AddAddress:
    """Add the address to `interface` (the VMAC where there is one). Existing already is success."""

    address: IpAddress
    interface: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Remove the address. Gone already is success. `leftover`: put there by a predecessor, errors are not logged."""

    address: IpAddress
    interface: str
    instance: str = ""
    leftover: bool = False


@dataclass(frozen=True, slots=True)
class AddRoute:
    """Add the route; where its interface is "", as written. `replace`: an equal one may be there (reload)."""

    route: IpRoute
    instance: str = ""
    replace: bool = False


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    route: IpRoute
    instance: str = ""
    leftover: bool = False


@dataclass(frozen=True, slots=True)
class AddRule:
    rule: IpRule
    instance: str = ""


@dataclass(frozen=True, slots=True)
class RemoveRule:
    rule: IpRule
    instance: str = ""
    leftover: bool = False


@dataclass(frozen=True, slots=True)
class DropTraffic:
    """no_accept: drop traffic to and from this address (nftables sets of keepalived.conf(5), `nftables`).

    `by_name`: match a link-local address by interface name, because the interface may come back with another index.
    """

    address: Ip
    interface: str
    by_name: bool = False
    instance: str = ""

    @property
    def place(self) -> tuple[Ip, str, bool]:
        """What the filter's entry is found by."""
        return (self.address, self.interface, self.by_name)


@dataclass(frozen=True, slots=True)
class AllowTraffic:
    """Undo DropTraffic."""

    address: Ip
    interface: str
    by_name: bool = False
    instance: str = ""

    @property
    def place(self) -> tuple[Ip, str, bool]:
        """What the filter's entry is found by."""
        return (self.address, self.interface, self.by_name)


Operation = AddAddress | RemoveAddress | AddRoute | RemoveRoute | AddRule | RemoveRule | DropTraffic | AllowTraffic


@dataclass(frozen=True, slots=True)
class ChangeNetwork:
    """Perform the operations in this order, many to a netlink datagram. A failure stops none of the others and is
    answered with OperationFailed."""

    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class CreateLink:
    """The VMAC or ipvlan interface of this instance on `parent` (or the one of its addresses there, when the parent or
    family is not the instance's own) was deleted by somebody and its parent exists: create it, answer with Attached."""

    instance: VrrpInstance
    parent: str
    family: int


@dataclass(frozen=True, slots=True)
class RemoveLink:
    """Nothing uses this VMAC or ipvlan interface any more: remove it if we made it. At stop all of them are named."""

    name: str


# announcements


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A gratuitous ARP or unsolicited neighbour advertisement, complete from its link-layer header on.

    Sent through AF_PACKET on the interface of that index. `address` and `interface` are for the error message.
    """

    interface: str
    index: int
    data: bytes
    address: Ip


@dataclass(frozen=True, slots=True)
class SendFrames:
    """Send these frames at once in this order; the same object may stand in it many times."""

    frames: list[Frame]


# telling


@dataclass(frozen=True, slots=True)
class NotifyInstance:
    """Tell the world about an instance: scripts, FIFOs, D-Bus, SNMP, mail, in this order.

    `state` is MASTER, BACKUP, FAULT, STOP, DELETED, or, for FIFOs (and the script of the first) only,
    MASTER_RX_LOWER_PRI, MASTER_PRIORITY, BACKUP_PRIORITY. `priority` is the effective one. `fifo_only`: nothing has
    changed, only FIFOs are told (fifo_write_vrrp_states_on_reload).
    """

    instance: VrrpInstance
    state: str
    priority: int
    cause: Cause
    fifo_only: bool = False


@dataclass(frozen=True, slots=True)
class NotifyGroup:
    """Tell the world about a sync group; `state` is MASTER, BACKUP, FAULT or STOP."""

    group: VrrpSyncGroup
    state: str
    cause: Cause
    fifo_only: bool = False


@dataclass(frozen=True, slots=True)
class WriteLog:
    """Write one line."""

    line: LogLine


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """The instance named by lvs_sync_daemon changed: run the IPVS synchronisation thread as master, as backup, or
    (`state` "") stop it."""

    instance: str
    state: str


# trackers


@dataclass(frozen=True, slots=True)
class StartScript:
    """Run a vrrp_script now and answer with ScriptFinished. After `timeout_ns` SIGTERM to its process group, 2 s
    later SIGKILL."""

    name: str
    script: Script
    timeout_ns: int


@dataclass(frozen=True, slots=True)
class StopScript:
    """End a running vrrp_script with SIGTERM; no answer is wanted."""

    name: str


@dataclass(frozen=True, slots=True)
class WatchTrackers:
    """The tracked files, processes and polled interfaces of the configuration are in force from now on: watch exactly
    these, and report the present state of each new one at once (FileChanged, ProcessCount, LinkbeatChanged)."""

    files: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    polled_interfaces: tuple[str, ...] = field(default=())


Effect = (
    OpenPool
    | SendAdverts
    | RehearseAdvert
    | GuardPool
    | SortPool
    | ChangeNetwork
    | SendFrames
    | ClosePool
    | CreateLink
    | RemoveLink
    | NotifyInstance
    | NotifyGroup
    | WriteLog
    | SyncDaemon
    | StartScript
    | StopScript
    | WatchTrackers
)
