"""Drafts of vrrp_instance: what was read, before completion fills in defaults and settles conflicts."""

from __future__ import annotations

from dataclasses import field

from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Ip, Span
from pykeepalived.config.model.vrrp import Ipvlan, UnicastPeer, Vmac
from pykeepalived.config.schema.script_words import ScriptWords
from pykeepalived.config.schema.trackers import TrackersDraft
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(slots=True, eq=False, repr=False)
class HmacDraft:
    """auth_hmac as written; keys by id, secrets as bytes."""

    at: Span | None = None
    keys: dict[int, bytes] = field(default_factory=dict, repr=False)
    active_key: int = 0
    time_window_s: int | None = None
    anti_replay: str = "time"
    mode: str = "enforce"


@late_dataclass(slots=True, eq=False, repr=False)
class NotifyDraft:
    """Notify scripts of an instance or a sync group as written."""

    name: str = ""
    backup: ScriptWords | None = None
    master: ScriptWords | None = None
    fault: ScriptWords | None = None
    stop: ScriptWords | None = None
    deleted: ScriptWords | None = None
    generic: ScriptWords | None = None
    master_rx_lower_pri: ScriptWords | None = None
    deleted_given: bool = False


@late_dataclass(slots=True, eq=False, repr=False)
class InstanceDraft:
    """One vrrp_instance. None = not given; completion (rules/instance.py) fills everything in, in place.

    `family` 0 = not known yet. `unicast_seen`: one of the keywords that mean unicast was used. `fault` names why the
    instance must stay in FAULT. `positions` gives the place of each keyword for findings made after reading.
    """

    name: str
    at: Span | None = None
    positions: dict[str, Statement] = field(default_factory=dict)
    interface: str = ""
    vrf: str = ""
    virtual_router_id: int = 0
    family: int = 0
    version: int | None = None
    native_ipv6: bool = False
    state: str | None = None
    priority: int | None = None
    advert_int_us: int | None = None
    strict_mode: bool | None = None
    source_address: Ip | None = None
    track_src_ip: bool = False
    mcast_dst_ip: Ip | None = None
    unicast_seen: bool = False
    unicast_peers: list[UnicastPeer] = field(default_factory=list)
    unicast_ttl: int | None = None
    unicast_fault_no_peer: bool = False
    check_unicast_src: bool = False
    unicast_checksum: str = ""
    v3_checksum_as_v2: bool | None = None
    kernel_rx_buf_size: int = 0
    nopreempt: bool = False
    preempt_delay_us: int = 0
    down_timer_adverts: int | None = None
    timer_expired_backup: int | None = None
    lower_prio_no_advert: bool | None = None
    higher_prio_send_advert: bool | None = None
    owner_ignore_adverts: bool | None = None
    skip_check_adv_addr: bool | None = None
    accept: bool | None = None
    auth_type: str = ""
    auth_pass: bytes = field(default=b"", repr=False)
    hmac: HmacDraft | None = None
    virtual_addresses: list[IpAddress] = field(default_factory=list)
    excluded_addresses: list[IpAddress] = field(default_factory=list)
    virtual_routes: list[IpRoute] = field(default_factory=list)
    virtual_rules: list[IpRule] = field(default_factory=list)
    no_virtual_ipaddress: bool = False
    promote_secondaries: bool = False
    vmac: Vmac | None = None
    ipvlan: Ipvlan | None = None
    vmac_xmit_base: bool = False
    use_vmac_addr: bool = False
    garp_master_delay_s: int | None = None
    garp_master_repeat: int | None = None
    garp_master_refresh_s: int | None = None
    garp_master_refresh_repeat: int | None = None
    garp_lower_prio_delay_s: int | None = None
    garp_lower_prio_repeat: int | None = None
    garp_extra_if_s: int | None = None
    garp_extra_if_all: bool = False
    dont_track_primary: bool = False
    linkbeat_use_polling: bool = False
    track: TrackersDraft = field(default_factory=TrackersDraft)
    notify: NotifyDraft = field(default_factory=NotifyDraft)
    notify_priority_changes: bool | None = None
    smtp_alert: bool | None = None
    debug: int = 0
    sync_group: str = ""
    fault: str = ""
    dropped_interfaces: set[str] = field(default_factory=set)
    vip_set: set[Ip] = field(default_factory=set)
    evip_set: set[tuple[Ip, str]] = field(default_factory=set)

    def where(self, keyword: str) -> Span | None:
        """Place of a keyword of this instance, or of the instance itself."""
        statement = self.positions.get(keyword)
        return self.at if statement is None else statement.span(0)
