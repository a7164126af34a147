"""The VRRP sections after completion: every default, inheritance and cross-field rule has been applied.

A reader of these classes never asks global_defs for a fallback. Times are microseconds unless named `_s`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from pykeepalived.config.model.globals import Garp
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip, Script, Span
from pykeepalived.light_dataclasses import late_dataclass

OWNER = 255
"""The priority of an address owner (RFC 9568 section 5.2.4)."""


class State(StrEnum):
    """The configured initial state of an instance."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"


class AuthType(StrEnum):
    """VRRPv2 authentication (RFC 2338 section 5.3.6)."""

    NONE = "NONE"
    PASS = "PASS"
    AH = "AH"


class UnicastChecksum(StrEnum):
    """old_unicast_checksum: `AUTO` detects peers that put the group address into the pseudo header."""

    AUTO = "auto"
    NEVER = "never"
    OLD = "old"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class HmacKey:
    """One key of auth_hmac: id 1..255, secret of 32..64 bytes. The secret never appears in repr."""

    id: int
    secret: bytes = field(repr=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class AuthHmac:
    """auth_hmac of an instance; `mode` is enforce, permissive or receive-only; `anti_replay` time or monotonic."""

    keys: tuple[HmacKey, ...]
    active_key: int
    anti_replay: str = "time"
    time_window_s: int = 5
    mode: str = "enforce"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class UnicastPeer:
    """One line of unicast_peer; -1 = no limit given."""

    address: Ip
    min_ttl: int = -1
    max_ttl: int = -1
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """One line of a track_* block: the tracked object's name, the weight in force (0 = fault), the sign reversal."""

    name: str
    weight: int = 0
    reverse: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Trackers:
    """All track_* blocks of an instance or a sync group."""

    interfaces: tuple[Tracker, ...] = ()
    scripts: tuple[Tracker, ...] = ()
    files: tuple[Tracker, ...] = ()
    processes: tuple[Tracker, ...] = ()
    bfds: tuple[Tracker, ...] = ()


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Notify scripts of an instance or sync group (keepalived.conf(5), notify scripts)."""

    backup: Script | None = None
    master: Script | None = None
    fault: Script | None = None
    stop: Script | None = None
    deleted: Script | None = None
    generic: Script | None = None
    master_rx_lower_pri: Script | None = None
    deleted_as_deleted: bool = False
    """notify_deleted was given: a deleted instance reports DELETED instead of FAULT."""


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Vmac:
    """use_vmac: `name` "" = generated; `mac` None = the VRRP virtual MAC; `group` None = the parent's."""

    name: str = ""
    mac: bytes | None = None
    netlink_notify_msg: bool = False
    group: int | None = None
    xmit_base: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Ipvlan:
    """use_ipvlan: `mode_flag` is bridge, private or vepa."""

    name: str = ""
    address: Ip | None = None
    prefix_length: int = 0
    mode_flag: str = "bridge"
    group: int | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VrrpInstance:
    """One vrrp_instance, completed. Identity on reload: VRID, family, interface, not the name.

    `config_fault` names why the instance must stay in FAULT ("" = it need not): unusable interface, no peers, ...
    """

    name: str
    interface: str = ""
    virtual_router_id: int
    family: int = 4
    version: int = 2
    state: State = State.BACKUP
    priority: int = 100
    advert_int_us: int = 1_000_000
    strict_mode: bool = False
    native_ipv6: bool = False
    # addresses of the packets
    source_address: Ip | None = None
    """mcast_src_ip / unicast_src_ip; None = first address of the interface."""
    track_src_ip: bool = False
    mcast_dst_ip: Ip = Ip.parse("224.0.0.18")
    unicast: bool = False
    unicast_peers: tuple[UnicastPeer, ...] = ()
    unicast_ttl: int | None = None
    check_unicast_src: bool = False
    unicast_checksum: UnicastChecksum = UnicastChecksum.AUTO
    v3_checksum_as_v2: bool = False
    vrf: str = ""
    kernel_rx_buf_size: int = 0
    # election
    nopreempt: bool = False
    preempt_delay_us: int = 0
    down_timer_adverts: int = 3
    timer_expired_backup: int | None = None
    lower_prio_no_advert: bool = False
    higher_prio_send_advert: bool = False
    owner_ignore_adverts: bool = False
    skip_check_adv_addr: bool = False
    accept: bool = True
    # authentication
    auth_type: AuthType = AuthType.NONE
    auth_pass: bytes = field(default=b"", repr=False)
    auth_hmac: AuthHmac | None = None
    # what a master owns
    virtual_addresses: tuple[IpAddress, ...] = ()
    excluded_addresses: tuple[IpAddress, ...] = ()
    virtual_routes: tuple[IpRoute, ...] = ()
    virtual_rules: tuple[IpRule, ...] = ()
    no_virtual_ipaddress: bool = False
    promote_secondaries: bool = False
    vmac: Vmac | None = None
    ipvlan: Ipvlan | None = None
    use_vmac_addr: bool = False
    garp: Garp = Garp()
    # trackers
    dont_track_primary: bool = False
    track: Trackers = Trackers()
    linkbeat_use_polling: bool = False
    # telling
    notify: Notify = Notify()
    notify_priority_changes: bool = False
    smtp_alert: bool = False
    debug: int = 0
    config_fault: str = ""
    at: Span | None = field(default=None, compare=False)
    positions: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_owner(self) -> bool:
        """Address owner: configured priority 255 (RFC 9568 section 5.2.4)."""
        return self.priority == OWNER


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VrrpSyncGroup:
    """One vrrp_sync_group; `members` are names of existing instances in the order of the file."""

    name: str
    members: tuple[str, ...]
    track: Trackers = Trackers()
    tracking_weight: bool = False
    notify: Notify = Notify()
    notify_priority_changes: bool | None = None
    smtp_alert: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VrrpScript:
    """One vrrp_script that at least one instance or group tracks."""

    name: str
    script: Script
    interval_us: int = 1_000_000
    timeout_us: int = 0
    """0 = the interval."""
    weight: int = 0
    reverse: bool = False
    rise: int = 1
    fall: int = 1
    init_fail: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class TrackFile:
    """One track_file; `init_value` None = not created; `overwrite` writes it even if the file exists."""

    name: str
    path: str
    weight: int = 1
    reverse: bool = False
    init_value: int | None = None
    overwrite: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class TrackProcess:
    """One vrrp_track_process; `param_match` is "" (not compared), exact, partial or initial."""

    name: str
    process: str
    parameters: tuple[str, ...] = ()
    param_match: str = ""
    weight: int = 0
    reverse: bool = False
    quorum: int = 1
    quorum_max: int | None = None
    fork_delay_us: int = 0
    terminate_delay_us: int = 0
    full_command: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class TrackGroup:
    """track_group: instances that fault together with the static entries naming the group."""

    name: str
    members: tuple[str, ...]
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class GarpGroup:
    """garp_group: interfaces sharing one pace of GARP (`garp_interval_us`) and NA (`gna_interval_us`) frames."""

    interfaces: tuple[str, ...]
    garp_interval_us: int = 0
    gna_interval_us: int = 0
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceDelays:
    """interface_up_down_delays of one interface."""

    interface: str
    down_us: int = 0
    up_us: int = 0
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Linkbeat:
    """linkbeat_interfaces of one interface; `method` is "", MII, ETHTOOL or IOCTL."""

    interface: str
    method: str = ""
    at: Span | None = field(default=None, compare=False)
