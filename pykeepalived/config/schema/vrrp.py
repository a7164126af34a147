"""vrrp_instance: the table of its keywords. Drafts: vrrp_draft.py; handlers: vrrp_handlers.py, vrrp_links.py."""

from __future__ import annotations

from typing import Any

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema import vrrp_auth, vrrp_links
from pykeepalived.config.schema import vrrp_handlers as handlers
from pykeepalived.config.schema.base import Block, Keyword, Reading, ValueBlock, table
from pykeepalived.config.schema.trackers import tracker_blocks
from pykeepalived.config.schema.types import Choice, Flag, Integer, Switch, Word, seconds
from pykeepalived.config.schema.vrrp_draft import InstanceDraft
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U8, U31, U32

_DEPRECATED = FindingClass.DEPRECATED


def _begin(parent: Any, statement: Statement, reading: Reading) -> InstanceDraft | None:
    words = statement.words
    if len(words) != 2:
        text = "vrrp_instance must have a name" if len(words) < 2 else "vrrp_instance takes one name"
        upstream = "vrrp_instance must have a name"
        reading.report(statement, "name-missing", f"{text} - skipped", word=min(len(words), 2), upstream=upstream)
        return None
    name = words[1]
    draft = InstanceDraft(name, statement.span(1))
    draft.notify.name = name
    if not reading.draft.register("vrrp_instance", name, draft):
        reading.report(statement, "name-repeated", f"vrrp instance {name} already defined", word=1)
        return None
    reading.draft.instances.append(draft)
    return draft


def _end(draft: InstanceDraft, parent: Any, reading: Reading) -> None:
    handlers.end_instance(draft, reading)


_notify = handlers.notify_script
_POSITIONED = handlers.positioned
_REPEAT = Integer(1, U32, notation="U32", zero=1)

_IDENTITY = [
    Keyword(name="state", type=Word("MASTER|BACKUP"), take=handlers.state, default="BACKUP (MASTER with priority 255)"),
    Keyword(name="interface", type=Word("IFNAME"), take=handlers.interface, values="up to 15 characters"),
    Keyword(
        name="vrf",
        type=Word("IFNAME"),
        take=handlers.vrf,
        default="none",
        note="only with unicast and without interface",
    ),
    Keyword(name="virtual_router_id", type=Integer(1, 255, strict=True), target="virtual_router_id", since="~1.1.12"),
    Keyword(
        name="version",
        type=Integer(2, 3),
        take=handlers.version,
        default="vrrp_version (IPv6: 3)",
        inherits="vrrp_version",
    ),
    Keyword(
        name="native_ipv6",
        type=Flag(),
        take=handlers.native_ipv6,
        default="off",
        since="~1.2.1",
        note="IPv6, version 3",
    ),
    Keyword(
        name="priority",
        type=Integer(1, 255, strict=True, fallback=100),
        target="priority",
        default="100 (255 with state MASTER)",
    ),
    Keyword(
        name="advert_int",
        type=seconds(0.01, 255),
        target="advert_int_us",
        default="1",
        since="~0.7.1",
        note="version 2: whole seconds; version 3: multiples of 10 ms up to 40.95 s",
    ),
    Keyword(name="strict_mode", type=Switch(), target="strict_mode", default="global", inherits="vrrp_strict"),
    Keyword(name="debug", type=Integer(0, 4), target="debug", default="0", note="no effect"),
]

_PACKETS = [
    Keyword(
        name="mcast_src_ip",
        type=Word("IP"),
        take=handlers.source_address,
        default="first address of the interface",
        since="~0.6.1",
    ),
    Keyword(
        name="unicast_src_ip",
        type=Word("IP"),
        take=handlers.source_address,
        default="first address of the interface",
        since="~1.2.10",
    ),
    Keyword(
        name="mcast_dst_ip",
        type=Word("IP"),
        take=handlers.mcast_dst_ip,
        default="global group",
        values="IPv4 multicast, IPv6 link-local multicast",
        inherits="vrrp_mcast_group4/6",
    ),
    Keyword(name="track_src_ip", type=Flag(), target="track_src_ip", default="off"),
    Keyword(
        name="unicast_peer",
        since="~1.2.8",
        block=ValueBlock(entry=handlers.peer, begin=handlers.begin_peers, notation="IP [min_ttl U8] [max_ttl U8]"),
    ),
    Keyword(
        name="unicast_fault_no_peer", type=Flag(), take=handlers.unicast_fault_no_peer, default="off", since="~2.2.7"
    ),
    Keyword(name="unicast_ttl", type=Integer(0, U8, notation="U8", strict=True), target="unicast_ttl", since="~2.2.7"),
    Keyword(name="check_unicast_src", type=Flag(), take=handlers.check_unicast_src, default="off"),
    Keyword(
        name="old_unicast_checksum",
        type=Word("never?"),
        take=handlers.old_unicast_checksum,
        default="auto",
        since="~1.3.7",
    ),
    Keyword(
        name="v3_checksum_as_v2",
        type=Switch(),
        target="v3_checksum_as_v2",
        default="global",
        inherits="v3_checksum_as_v2",
        since="2.2.8",
    ),
    Keyword(
        name="kernel_rx_buf_size",
        type=Word("U32"),
        take=handlers.kernel_rx_buf_size,
        default="policy",
        values="bytes",
        inherits="vrrp_rx_bufs_policy",
    ),
    Keyword(
        name="use_vmac",
        type=Word("[[name] IFNAME] [MAC] [netlink_notify_msg] [group U|NAME]", missing="ignore"),
        take=vrrp_links.use_vmac,
        default="off; name vrrp.VRID or vrrp6.VRID",
        since="~1.2.6",
    ),
    Keyword(name="use_vmac_addr", type=Flag(), target="use_vmac_addr", default="off"),
    Keyword(name="vmac_xmit_base", type=Flag(), target="vmac_xmit_base", default="off", since="~1.2.14"),
    Keyword(
        name="use_ipvlan",
        type=Word("[[name] IFNAME] [IP] [bridge|private|vepa] [group U|NAME]", missing="ignore"),
        take=vrrp_links.use_ipvlan,
        default="off",
        since="~2.0.17",
    ),
]

_ELECTION = [
    Keyword(name="nopreempt", type=Flag(True), target="nopreempt", default="off"),
    Keyword(name="preempt", type=Flag(False), target="nopreempt", default="on"),
    Keyword(
        name="preempt_delay",
        type=seconds(0, 1000, fallback=0),
        target="preempt_delay_us",
        default="0",
        since="~1.1.8",
    ),
    Keyword(
        name="down_timer_adverts",
        type=Integer(1, 100),
        target="down_timer_adverts",
        default="global",
        inherits="vrrp_down_timer_adverts",
        since="~2.2.3",
    ),
    Keyword(
        name="timer_expired_backup",
        type=Integer(1, 254, notation="U?", strict=True, absent=254),
        target="timer_expired_backup",
        default="off; without a value 254",
        since="2.2.8",
    ),
    Keyword(
        name="thread_timer_expired",
        type=Integer(1, 254, notation="U?", strict=True, absent=254),
        target="timer_expired_backup",
        default="off; without a value 254",
        since="2.3.2",
        deprecated="use timer_expired_backup",
        deprecated_status=_DEPRECATED,
    ),
    Keyword(
        name="lower_prio_no_advert",
        type=Switch(),
        target="lower_prio_no_advert",
        default="global (strict: yes)",
        inherits="vrrp_lower_prio_no_advert",
    ),
    Keyword(
        name="higher_prio_send_advert",
        type=Switch(),
        target="higher_prio_send_advert",
        default="global (strict: no)",
        inherits="vrrp_higher_prio_send_advert",
        since="~1.3.5",
    ),
    Keyword(
        name="owner_ignore_adverts",
        type=Switch(),
        target="owner_ignore_adverts",
        default="global (strict owner: yes)",
        inherits="vrrp_owner_ignore_adverts",
        since="2.3.3",
    ),
    Keyword(
        name="skip_check_adv_addr",
        type=Switch(),
        target="skip_check_adv_addr",
        default="global",
        inherits="vrrp_skip_check_adv_addr",
        since="~2.0.19",
    ),
    Keyword(name="accept", type=Flag(True), target="accept", default="on (strict and not owner: off)"),
    Keyword(name="no_accept", type=Flag(False), target="accept", since="~1.3.0"),
]

_AUTHENTICATION = table(
    [
        Keyword(name="auth_type", process="vrrp", type=Word("PASS|AH"), take=vrrp_auth.auth_type, default="none"),
        Keyword(
            name="auth_pass",
            process="vrrp",
            type=Word("STR"),
            take=vrrp_auth.auth_pass,
            default="none",
            values="1..8 bytes",
            since="~1.1.5",
            secret=True,
        ),
    ]
)
_HMAC = table(
    [
        Keyword(
            name="key",
            process="vrrp",
            type=Word("U STR|hex:HEX|file:PATH"),
            take=vrrp_auth.hmac_key,
            values="id 1..255, 32..64 bytes",
            since="2.4.0",
            secret=True,
        ),
        Keyword(
            name="active_key",
            process="vrrp",
            type=Integer(1, 255, strict=True),
            target="active_key",
            default="0 (undefined)",
            since="2.4.0",
        ),
        Keyword(
            name="time_window",
            process="vrrp",
            type=Integer(1, 300, unit="s", strict=True),
            target="time_window_s",
            default="max(3 x whole seconds of advert_int, 5), at most 300",
            since="2.4.0",
        ),
        Keyword(
            name="anti_replay",
            process="vrrp",
            type=Choice({"time": "time", "monotonic": "monotonic"}),
            target="anti_replay",
            default="time",
            since="2.4.0",
        ),
        Keyword(
            name="mode",
            process="vrrp",
            type=Choice({word: word for word in ("enforce", "permissive", "receive-only")}),
            target="mode",
            default="enforce",
            since="2.4.0",
        ),
    ]
)
_SECURITY = [
    Keyword(name="authentication", block=Block(_AUTHENTICATION, vrrp_auth.begin_authentication), note="VRRPv2 only"),
    Keyword(name="auth_hmac", block=Block(_HMAC, vrrp_auth.begin_hmac), since="2.4.0"),
]

_ADDRESS_WORDS = "words as static_ipaddress (no track_group) plus use_vmac"
_ADDRESSES = [
    Keyword(
        name="virtual_ipaddress",
        since="~0.5.9",
        values=_ADDRESS_WORDS,
        block=ValueBlock(entry=handlers.virtual_address, notation="entries"),
    ),
    Keyword(
        name="virtual_ipaddress_excluded",
        since="~0.5.9",
        values=_ADDRESS_WORDS,
        block=ValueBlock(entry=handlers.excluded_address, notation="entries"),
    ),
    Keyword(name="no_virtual_ipaddress", type=Flag(), target="no_virtual_ipaddress", default="off", since="2.2.8"),
    Keyword(name="promote_secondaries", type=Flag(), target="promote_secondaries", default="off", since="~1.2.20"),
    Keyword(
        name="virtual_routes",
        since="~1.0.1",
        values="words as static_routes (no track_group)",
        block=ValueBlock(entry=handlers.virtual_route, notation="entries"),
    ),
    Keyword(
        name="virtual_rules",
        since="~1.2.20",
        values="words as static_rules (no track_group)",
        block=ValueBlock(entry=handlers.virtual_rule, notation="entries"),
    ),
]

_ANNOUNCING = [
    Keyword(
        name="garp_master_delay",
        type=Integer(0, 4294, unit="s"),
        target="garp_master_delay_s",
        default="global",
        inherits="vrrp_garp_master_delay",
        since="~0.7.1",
    ),
    Keyword(
        name="garp_master_refresh",
        type=Integer(0, U32, notation="U32", unit="s", fallback=0),
        target="garp_master_refresh_s",
        default="global",
        inherits="vrrp_garp_master_refresh",
        since="~1.2.10",
    ),
    Keyword(
        name="garp_master_repeat",
        type=_REPEAT,
        target="garp_master_repeat",
        default="global",
        inherits="vrrp_garp_master_repeat",
        since="~1.2.14",
    ),
    Keyword(
        name="garp_master_refresh_repeat",
        type=_REPEAT,
        target="garp_master_refresh_repeat",
        default="global",
        inherits="vrrp_garp_master_refresh_repeat",
        since="~1.2.14",
    ),
    Keyword(
        name="garp_lower_prio_delay",
        type=Integer(0, 4294, unit="s"),
        target="garp_lower_prio_delay_s",
        default="global",
        inherits="vrrp_garp_lower_prio_delay",
    ),
    Keyword(
        name="garp_lower_prio_repeat",
        type=Integer(0, U31),
        target="garp_lower_prio_repeat",
        default="global",
        inherits="vrrp_garp_lower_prio_repeat",
        since="~2.0.7",
    ),
    Keyword(
        name="garp_extra_if",
        type=Word("[all] U"),
        take=handlers.garp_extra_if,
        default="global",
        values="0..86400 s, 0 = off",
        inherits="vrrp_garp_extra_if",
    ),
    Keyword(
        name="vmac_garp_intvl",
        type=Word("[all] U"),
        take=handlers.garp_extra_if,
        default="global",
        values="0..86400 s",
        inherits="vrrp_garp_extra_if",
        deprecated="use garp_extra_if",
        deprecated_status=_DEPRECATED,
    ),
]

_TELLING = [
    Keyword(name="dont_track_primary", type=Flag(), target="dont_track_primary", default="off", since="~1.1.8"),
    Keyword(
        name="linkbeat_use_polling",
        type=Flag(),
        target="linkbeat_use_polling",
        default="off",
        deprecated="use the root block linkbeat_interfaces",
        deprecated_status=_DEPRECATED,
    ),
    *tracker_blocks(),
    *(_notify(name) for name in ("notify_backup", "notify_master", "notify_fault", "notify_stop", "notify")),
    _notify("notify_master_rx_lower_pri", since="~2.0.6"),
    Keyword(
        name="notify_deleted",
        type=Word("[QSTR USER? GROUP?]", missing="ignore"),
        take=handlers.notify_deleted,
        default="FAULT is notified",
        inherits="script_user",
        since="~2.1.0",
    ),
    Keyword(
        name="smtp_alert",
        type=Switch(),
        target="smtp_alert",
        default="no",
        inherits="smtp_alert_vrrp, smtp_alert",
    ),
    Keyword(
        name="notify_priority_changes",
        type=Switch(),
        target="notify_priority_changes",
        default="sync group, then global",
        inherits="vrrp_notify_priority_changes",
    ),
    Keyword(
        name="lvs_sync_daemon_interface",
        type=Word("IFNAME"),
        take=handlers.lvs_sync_daemon_interface,
        default="none",
        deprecated="use lvs_sync_daemon in global_defs",
        deprecated_status=_DEPRECATED,
    ),
]

INSTANCE = table(
    _POSITIONED(keyword)
    for keyword in [
        *_IDENTITY,
        *_PACKETS,
        *_ELECTION,
        *_SECURITY,
        *_ADDRESSES,
        *_ANNOUNCING,
        *_TELLING,
    ]
)

KEYWORDS = (
    Keyword(name="vrrp_instance", process="vrrp", starts="vrrp", block=Block(INSTANCE, _begin, _end), since="~1.0.0"),
)
