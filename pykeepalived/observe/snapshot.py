"""Snapshots: what a child process is at one moment, as frozen data for dumps, status, `why`, metrics and SNMP.

The children fill these classes; nothing here reads a clock or a kernel. What the configuration says is not repeated:
readers take the Config beside the snapshot. Moments are monotonic nanoseconds (0 = never); `Taken` turns them into
wall-clock time. Durations are integers of microseconds unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.cause import Cause


class VrrpState(IntEnum):
    """State of an instance or sync group, with the numbers keepalived shows in JSON and D-Bus.

    DELETED and STOP only label notifications; an instance is never in them while the daemon works.
    """

    INIT = 0
    BACKUP = 1
    MASTER = 2
    FAULT = 3
    DELETED = 97
    STOP = 98


@dataclass(frozen=True, slots=True)
class Taken:
    """When a snapshot was taken, on both clocks (nanoseconds): the bridge from monotonic moments to wall-clock time."""

    monotonic_ns: int = 0
    wall_ns: int = 0

    def wall_us(self, moment_ns: int) -> int:
        """Microseconds since the epoch of a monotonic moment; 0 for "never" (0)."""
        if moment_ns == 0:
            return 0
        return (self.wall_ns + moment_ns - self.monotonic_ns) // 1000


# vrrp


@dataclass(frozen=True, slots=True)
class Circumstance:
    """What else an operator should know of a state; not worth telling any more after `until` (0 = holds now)."""

    cause: Cause
    until: int = 0

    def holds(self, moment_ns: int) -> bool:
        """Whether it is worth telling at a moment."""
        return self.until == 0 or moment_ns <= self.until


@dataclass(slots=True, kw_only=True)
class VrrpCounters:
    """Counters of one instance since start or the last clearing; names are the keys of keepalived's JSON dump.

    `vers_err`, `chk_err` and `vrid_err` are seen by SNMP only (RFC 6527). Sent adverts are counted once for all unicast
    peers. `vrid_err`: adverts for no instance at all; the first instance that listens where they came in counts them.
    """

    advert_rcvd: int = 0
    advert_sent: int = 0
    become_master: int = 0
    release_master: int = 0
    packet_len_err: int = 0
    advert_interval_err: int = 0
    ip_ttl_err: int = 0
    invalid_type_rcvd: int = 0
    addr_list_err: int = 0
    invalid_authtype: int = 0
    authtype_mismatch: int = 0
    auth_failure: int = 0
    auth_ext_missing: int = 0
    auth_ext_malformed: int = 0
    auth_ext_unknown_key: int = 0
    auth_ext_invalid_hmac: int = 0
    auth_ext_stale: int = 0
    auth_ext_replay: int = 0
    pri_zero_rcvd: int = 0
    pri_zero_sent: int = 0
    vers_err: int = 0
    chk_err: int = 0
    vrid_err: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VrrpInstanceSnapshot:
    """One vrrp_instance at work.

    `fault_flags` are keepalived's words: "unspecified", "i/f down", "base i/f down", "duplicate VRID",
    "no source IP address", "config error", "tracker". `flags` are the lines below "Flags:".
    `addresses_set`, `excluded_set`, `routes_set`, `rules_set` run parallel to the configured tuples: True when the
    object is in the kernel because of us; an empty tuple means that none is.
    `timer_expires_ns` 0 = no timer runs. `master_*` describe the master heard last, for instances in BACKUP.
    """

    name: str
    state: VrrpState = VrrpState.INIT
    wantstate: VrrpState = VrrpState.BACKUP
    cause: Cause | None = None
    last_transition_ns: int = 0
    faults: tuple[Cause, ...] = ()
    troubles: tuple[Cause, ...] = ()
    """Why what a MASTER should own is not usable."""
    circumstances: tuple[Circumstance, ...] = ()
    """What keeps it from what might be expected, or is wrong with other routers, the weightiest first."""
    contributions: tuple[tuple[str, str, int], ...] = ()
    """What trackers add to the priority now: kind, name, amount."""
    fault_flags: tuple[str, ...] = ()
    config_faults: int = 0
    tracker_faults: int = 0
    scripts_init: int = 0
    flags: tuple[str, ...] = ()
    rate_limit_flags: int = 0
    duplicate_vrid: bool = False
    timer_expires_ns: int = 0
    master_down_us: int = 0
    interface: str = ""
    """The interface in use: the VMAC or ipvlan where there is one."""
    base_interface: str = ""
    interface_index: int = 0
    interface_up: bool = True
    vmac_mac: bytes | None = None
    vmac_name: str = ""
    vrf: str = ""
    source_address: Ip | None = None
    master_address: Ip | None = None
    master_priority: int = 0
    master_advert_int_us: int = 0
    base_priority: int = 100
    effective_priority: int = 100
    total_priority: int = 100
    highest_other_priority: int = 0
    last_advert_sent_ns: int = 0
    accept: bool = True
    vips_set: bool = False
    addresses_set: tuple[bool, ...] = ()
    excluded_set: tuple[bool, ...] = ()
    routes_set: tuple[bool, ...] = ()
    rules_set: tuple[bool, ...] = ()
    address_devices: tuple[str, ...] = ()
    """Parallel to the VIPs: the device where it is not the configured one or the instance's, as `vrrp.51@eth0`."""
    excluded_devices: tuple[str, ...] = ()
    firewall_word: str = ""
    """Word behind "set" for addresses with a drop rule: "", "iptable_set" or "nftable_set"."""
    fd_in: int = -1
    fd_out: int = -1
    counters: VrrpCounters = field(default_factory=VrrpCounters)
    group: str = ""
    previous_state: VrrpState = VrrpState.INIT
    peer_checksums: tuple[str, ...] = ()
    """Parallel to unicast_peers: "" or the word of a peer found to use the old unicast checksum."""
    checksum_compatibility: str = ""
    """"auto" when such a peer was found; "" = as configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VrrpGroupSnapshot:
    """One vrrp_sync_group at work."""

    name: str
    state: VrrpState = VrrpState.INIT
    members_fault: int = 0
    members_init: int = 0
    cause: Cause | None = None
    last_transition_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackScriptSnapshot:
    """One vrrp_script: `result` as counted by rise and fall; `last_status` -1 = no result yet. `ending` tells how the
    last run ended ("exit status 1", "timed out"), "" = has not run yet; a run without exit status leaves `last_status`.

    `init_state` is one of keepalived's words (INIT, INIT/FAILED, INIT/RELOAD, unknown, ...); `run_state` idle, running,
    "requested termination" or "forcing termination".
    """

    name: str
    result: int = 0
    good: bool = False
    last_status: int = -1
    ending: str = ""
    init_state: str = "unknown"
    run_state: str = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFileSnapshot:
    name: str
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackProcessSnapshot:
    """One vrrp_track_process; a delay timer runs until its moment, 0 = does not run."""

    name: str
    current: int = 0
    have_quorum: bool = False
    fork_timer_ns: int = 0
    terminate_timer_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackBfdSnapshot:
    name: str
    up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceSnapshot:
    """One kernel interface the VRRP process knows; `flags` are IFF_* bits, `hw_type` an ARPHRD_* number."""

    name: str
    index: int = 0
    ipv4: Ip | None = None
    ipv6: Ip | None = None
    mac: bytes = b""
    mac_broadcast: bytes = b""
    flags: int = 0
    up: bool = False
    seen_up: bool = False
    group: int = 0
    mtu: int = 0
    hw_type: int = 0
    kind: str = ""
    """Kind of a virtual link: macvlan, ipvlan, vrf, ..."""
    base: str = ""
    vmac: bool = False
    vrf: str = ""
    delayed_change_ns: int = 0
    up_debounce_us: int = 0
    down_debounce_us: int = 0
    linkbeat: str = ""
    """"" = netlink status updates, else MII, ETHTOOL or IOCTL."""
    arp_ignore: int = 0
    arp_filter: int = 0
    arp_resets: int = 0
    promote_secondaries: int = 0
    promote_resets: int = 0
    garp_interval_us: int = 0
    gna_interval_us: int = 0
    ipv6_forwarding: bool | None = None
    forwarding_checked_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSnapshot:
    """One pair of VRRP sockets and the instances that share it."""

    fd_in: int
    fd_out: int
    interface: str = ""
    address: Ip | None = None
    family: int = 4
    protocol: str = "VRRP"
    unicast: bool = False
    receive_buffer: int = 0
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VrrpSnapshot:
    """The VRRP process. Instances, groups and tracked objects stand in the order of the configuration."""

    taken: Taken = Taken()
    pid: int = 0
    generation: int = 0
    instances: tuple[VrrpInstanceSnapshot, ...] = ()
    groups: tuple[VrrpGroupSnapshot, ...] = ()
    scripts: tuple[TrackScriptSnapshot, ...] = ()
    files: tuple[TrackFileSnapshot, ...] = ()
    processes: tuple[TrackProcessSnapshot, ...] = ()
    bfds: tuple[TrackBfdSnapshot, ...] = ()
    interfaces: tuple[InterfaceSnapshot, ...] = ()
    sockets: tuple[SocketSnapshot, ...] = ()
    static_addresses_set: tuple[bool, ...] = ()
    realtime_priority: int = 0
    log_dropped: int = 0
    process: Mapping[str, int] = field(default_factory=dict)
    """Figures of the process for metrics: name (as in metrics, without prefix) to value."""


# checker


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckerSnapshot:
    """One health check; `retries_left` counts retries of the current failure.

    `last_status` and `last_run_ns` are those of a MISC_CHECK; `sequence` is the ICMP sequence number of PING_CHECK.
    `text` is the reason of the last failure.
    """

    enabled: bool = True
    up: bool = True
    has_run: bool = False
    current_weight: int = 0
    retries_done: int = 0
    last_run_ns: int = 0
    last_status: int = 0
    sequence: int = 0
    runs: int = 0
    failures: int = 0
    duration_us: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealServerSnapshot:
    """One real server (or sorry server); `name` is `[ADDR]:PROTO:PORT`; `checkers` parallel to the configuration."""

    name: str
    alive: bool = False
    set: bool = False
    failed_checkers: int = 0
    effective_weight: int = 1
    previous_weight: int = 0
    reloaded: bool = False
    checkers: tuple[CheckerSnapshot, ...] = ()
    cause: Cause | None = None
    last_change_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerSnapshot:
    """One virtual server; `name` as in logs; `real_servers` parallel to the configuration."""

    name: str
    alive: bool = False
    quorum_up: bool = False
    reloaded: bool = False
    weight_sum: int = 0
    real_servers: tuple[RealServerSnapshot, ...] = ()
    sorry_server: RealServerSnapshot | None = None
    sorry_in_use: bool = False
    cause: Cause | None = None
    last_change_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntrySnapshot:
    """How many virtual servers use an entry of a virtual_server_group: by protocol, or by family for a fwmark."""

    tcp: int = 0
    udp: int = 0
    sctp: int = 0
    ipv4: int = 0
    ipv6: int = 0
    reloaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWorkerSnapshot:
    """A process that runs checkers for the checker process; `pid` 0 while it is to be started again."""

    pid: int
    checkers: int
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSnapshot:
    """What a virtual or real server has carried since it is in the kernel's table, and carries now, by the second.

    Of a virtual server, and of a real server in it, over all its services. The last three are of real servers alone:
    connections that are established, that end or begin, and templates of persistence.
    """

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connection_rate: int = 0
    packet_rate_in: int = 0
    packet_rate_out: int = 0
    byte_rate_in: int = 0
    byte_rate_out: int = 0
    active: int = 0
    inactive: int = 0
    persistent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTrafficSnapshot:
    """Traffic of a virtual server and of its servers; `real_servers` parallel to the configuration."""

    total: TrafficSnapshot = TrafficSnapshot()
    real_servers: tuple[TrafficSnapshot, ...] = ()
    sorry_server: TrafficSnapshot = TrafficSnapshot()


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsSnapshot:
    """The checker process. `virtual_servers` and `groups` (entries of each group) run parallel to the configuration."""

    taken: Taken = Taken()
    pid: int = 0
    generation: int = 0
    virtual_servers: tuple[VirtualServerSnapshot, ...] = ()
    groups: tuple[tuple[GroupEntrySnapshot, ...], ...] = ()
    files: tuple[TrackFileSnapshot, ...] = ()
    bfds: tuple[TrackBfdSnapshot, ...] = ()
    ipvs_version: str = ""
    """Version of the kernel's IPVS ("1.2.1"), "" when the kernel has none."""
    workers: tuple[CheckWorkerSnapshot, ...] = ()
    """None when the checker process does all checks itself."""
    traffic: tuple[VirtualTrafficSnapshot, ...] | None = None
    """Parallel to the configuration; None when it was not looked at, which only SNMP does."""
    realtime_priority: int = 0
    log_dropped: int = 0
    process: Mapping[str, int] = field(default_factory=dict)


# bfd


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdSessionSnapshot:
    """One BFD session (RFC 5880 section 6.8.1 names in brackets where ours differ).

    States are the words AdminDown, Down, Init, Up; diagnostics the words of section 4.1 as keepalived prints them.
    `*_timer_ns` are the moments at which the transmit, detection and reset timers fire, 0 = do not run.
    """

    name: str
    fd_out: int = -1
    transmit_timer_ns: int = 0
    detection_timer_ns: int = 0
    reset_timer_ns: int = 0
    send_error: bool = False
    local_state: str = "Down"
    remote_state: str = "Down"
    local_discriminator: int = 0
    remote_discriminator: int = 0
    local_diagnostic: str = "No Diagnostic"
    remote_diagnostic: str = "No Diagnostic"
    remote_min_tx_us: int = 0
    remote_min_rx_us: int = 0
    local_demand: int = 0
    remote_demand: int = 0
    remote_multiplier: int = 0
    poll: bool = False
    final: bool = False
    local_tx_us: int = 0
    remote_tx_us: int = 0
    local_detection_us: int = 0
    remote_detection_us: int = 0
    last_seen_ns: int = 0
    last_change_ns: int = 0
    packets_sent: int = 0
    packets_received: int = 0
    packets_discarded: int = 0
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BfdSnapshot:
    """The BFD process; sessions in the order of the configuration. `fd_in` -1 = that socket is not open."""

    taken: Taken = Taken()
    pid: int = 0
    generation: int = 0
    fd_in: int = -1
    multihop_fd_in: int = -1
    sessions: tuple[BfdSessionSnapshot, ...] = ()
    realtime_priority: int = 0
    log_dropped: int = 0
    process: Mapping[str, int] = field(default_factory=dict)
