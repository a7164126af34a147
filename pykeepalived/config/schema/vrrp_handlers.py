"""Keywords of vrrp_instance that need more than a type: names, addresses and families, interfaces, entries."""

from __future__ import annotations

import dataclasses
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.entries.address import parse_address
from pykeepalived.config.entries.common import interface_exists, nearest
from pykeepalived.config.entries.peer import parse_peer
from pykeepalived.config.entries.route import parse_route
from pykeepalived.config.entries.rule import parse_rule
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.interfaces import IFF_LOOPBACK
from pykeepalived.config.model.globals import LvsSyncDaemon
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema import globals_handlers
from pykeepalived.config.schema.base import REJECTED, Keyword, Reading
from pykeepalived.config.schema.script_words import ScriptWords, take_script
from pykeepalived.config.schema.types import Integer, Word
from pykeepalived.config.schema.vrrp_draft import InstanceDraft
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U32, Fault

LONGEST_INTERFACE = 15


def positioned(keyword: Keyword) -> Keyword:
    """The same keyword, with its place remembered in the instance each time it is read."""
    if keyword.block is not None:
        return dataclasses.replace(keyword, process="vrrp")
    inner, name = keyword.handler, keyword.name

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        draft.positions[name] = statement
        inner(draft, statement, reading)

    return dataclasses.replace(keyword, process="vrrp", take=take)


# --- identity ---------------------------------------------------------------------------------------------------------


def state(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """MASTER or BACKUP; another word means BACKUP, and BACKUP does not replace MASTER."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "MASTER or BACKUP")
        return
    word = words[1]
    if word not in ("MASTER", "BACKUP"):
        text = f"({draft.name}) unknown state '{word}', defaulting to BACKUP"
        reading.report(statement, "state-unknown", text, word=1, suggestion="write MASTER or BACKUP")
        word = "BACKUP"
    if word == "BACKUP" and draft.state == "MASTER":
        text = f"({draft.name}) state previously set as MASTER - ignoring BACKUP"
        reading.report(statement, "state-repeated", text, word=1)
        return
    draft.state = word


def interface(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """An existing interface that is not a loopback; an unknown one makes the VRRP process refuse the file."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "an interface")
        return
    name = words[1]
    if too_long(name):
        reading.report(statement, "interface-long", f"Interface name '{name}' too long - ignoring", word=1)
        return
    if not interface_exists(name, reading):
        reading.draft.refused = True
        text = f"WARNING - interface {name} for vrrp_instance {draft.name} doesn't exist"
        hint = nearest(name, reading.environment.interfaces)
        reading.report(statement, "interface-unknown", text, word=1, suggestion=hint)
        return
    known = reading.environment.interfaces.get(name)
    if known is not None and known.flags & IFF_LOOPBACK:
        text = f"({draft.name}) cannot use a loopback interface ({name}) for vrrp - ignoring"
        reading.report(statement, "interface-loopback", text, word=1)
        return
    draft.interface = name
    if draft.vrf:
        text = f"({draft.name}) Cannot specify VRF interface and interface - ignoring"
        reading.report(statement, "vrf-interface", text, word=0)
        draft.vrf = ""


def too_long(name: str) -> bool:
    return len(name.encode("utf-8", "surrogateescape")) > LONGEST_INTERFACE


def vrf(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """A VRF device, for an instance without interface."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a VRF device")
        return
    name = words[1]
    if draft.interface:
        text = f"({draft.name}) Cannot specify VRF interface and interface - ignoring"
        reading.report(statement, "vrf-interface", text, word=0)
        return
    if not interface_exists(name, reading):
        reading.draft.refused = True
        text = f"({draft.name}) WARNING - VRF interface {name} doesn't exist"
        hint = nearest(name, reading.environment.interfaces)
        reading.report(statement, "interface-unknown", text, word=1, suggestion=hint)
        return
    known = reading.environment.interfaces.get(name)
    if known is not None and not known.vrf_table:
        text = f"({draft.name}) interface {name} is not a VRF - ignoring"
        reading.report(statement, "vrf-kind", text, word=1)
        return
    draft.vrf = name


_VERSION = Integer(2, 3)


def version(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """2 or 3; it must not contradict an earlier one or an IPv6 address read before."""
    value = _VERSION.read(statement, reading)
    if value is REJECTED:
        return
    known = draft.version or (3 if draft.family == 6 else None)
    if known is not None and known != value:
        text = f"({draft.name}) vrrp_version {value} conflicts with configured or deduced version {known}; ignoring."
        reading.report(statement, "version-conflict", text, word=1)
        return
    draft.version = value


def native_ipv6(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Family IPv6 and version 3, unless an IPv4 address was read."""
    if draft.family == 4:
        text = f"({draft.name}) Cannot specify native_ipv6 with IPv4 addresses"
        reading.report(statement, "family-mixed", text, word=0)
        return
    draft.family = 6
    draft.version = 3
    draft.native_ipv6 = True


# --- addresses of packets ---------------------------------------------------------------------------------------------


def source_address(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """mcast_src_ip and unicast_src_ip share one value; the latter also means unicast."""
    words = statement.words
    if words[0] == "unicast_src_ip":
        draft.unicast_seen = True
    if len(words) < 2:
        reading.missing(statement, "an address")
        return
    address = values.socket_ip(words[1])
    if isinstance(address, Fault):
        text = f"Configuration error: VRRP instance[{draft.name}] malformed src address[{words[1]}]. Skipping..."
        reading.report(statement, address.code, text, word=1)
        return
    if not same_family(draft, address.family):
        text = (
            f"Configuration error: VRRP instance[{draft.name}] and src address[{address}]"
            " MUST be of the same family !!! Skipping..."
        )
        reading.report(statement, "family-mixed", text, word=1)
        return
    draft.source_address = address


def same_family(draft: InstanceDraft, family: int) -> bool:
    """True if the address fits the instance; the first one fixes the family."""
    if not draft.family:
        draft.family = family
    return draft.family == family


def mcast_dst_ip(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """A multicast group of the instance's family; IPv6: of the link."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a multicast address")
        return
    address = values.socket_ip(words[1])
    if isinstance(address, Fault):
        text = f"Configuration error: VRRP instance[{draft.name}] malformed mcast dest address[{words[1]}]. Skipping..."
        reading.report(statement, address.code, text, word=1)
        return
    if not same_family(draft, address.family):
        text = f"({draft.name}) mcast dest address {address} MUST match VRRP instance family. Skipping..."
        reading.report(statement, "family-mixed", text, word=1)
        return
    if not address.is_multicast or (address.family == 6 and address[1] & 0x0F != 2):
        kind = "multicast" if address.family == 4 else "link-local multicast"
        text = f"({draft.name}) mcast dest address {address} is not a {kind} address. Skipping..."
        reading.report(statement, "address-multicast", text, word=1)
        return
    draft.mcast_dst_ip = address


def begin_peers(draft: InstanceDraft, statement: Statement, reading: Reading) -> InstanceDraft:
    """The block alone already means unicast."""
    draft.unicast_seen = True
    draft.positions["unicast_peer"] = statement
    return draft


def peer(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """One peer; its family must be the instance's, a repeated one is dropped."""
    parsed = parse_peer(statement, reading, draft.name)
    if parsed is None:
        return
    if not same_family(draft, parsed.address.family):
        text = (
            f"Configuration error: VRRP instance[{draft.name}] and unicast peer address[{parsed.address}]"
            " MUST be of the same family !!! Skipping..."
        )
        reading.report(statement, "family-mixed", text, word=0)
        return
    if any(known.address == parsed.address for known in draft.unicast_peers):
        text = f"({draft.name}) duplicate unicast peer {parsed.address} - ignoring"
        reading.report(statement, "peer-repeated", text, word=0)
        return
    if parsed.min_ttl >= 0 or parsed.max_ttl >= 0:
        draft.check_unicast_src = True
    draft.unicast_peers.append(parsed)


def unicast_fault_no_peer(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Flag; it also means unicast, so that alone it keeps the instance in FAULT."""
    draft.unicast_fault_no_peer = True
    draft.unicast_seen = True


def check_unicast_src(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Flag; it also means unicast."""
    draft.check_unicast_src = True
    draft.unicast_seen = True


def old_unicast_checksum(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Without a word the old checksum, with `never` the new one only; it also means unicast."""
    draft.unicast_seen = True
    words = statement.words
    if len(words) < 2:
        draft.unicast_checksum = "old"
    elif words[1] == "never":
        draft.unicast_checksum = "never"
    else:
        text = f"({draft.name}) Unknown old_unicast_chksum mode {words[1]} - ignoring"
        reading.report(statement, "word-unknown", text, word=1, suggestion="the only word is never")


_BUFFER = Integer(0, U32, notation="U32", unit="bytes", strict=True, missing="report")


def kernel_rx_buf_size(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Exactly one number."""
    if len(statement.words) != 2:
        text = f"({draft.name}) invalid kernel_rx_buf_size specified"
        reading.report(statement, "words-extra", text, word=min(len(statement.words), 2))
        return
    value = _BUFFER.read(statement, reading)
    if value is not REJECTED:
        draft.kernel_rx_buf_size = value


# --- what a master owns -----------------------------------------------------------------------------------------------


def virtual_address(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """A VIP: the first one fixes the family, addresses are compared without prefix length."""
    parsed = parse_address(statement, reading, reading.iproute)
    if parsed is None:
        return
    if not same_family(draft, parsed.family):
        shown = statement.words[0]
        text = f"({draft.name}): address family must match VRRP instance [{shown}] - ignoring"
        reading.report(statement, "family-mixed", text, word=0)
        return
    if parsed.address in draft.vip_set:
        text = f"({draft.name}) duplicate VIP {parsed.address} - ignoring"
        reading.report(statement, "address-repeated", text, word=0)
        return
    draft.vip_set.add(parsed.address)
    draft.virtual_addresses.append(parsed)


def excluded_address(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """An address of any family that is not advertised; a VIP on the same device is not repeated."""
    parsed = parse_address(statement, reading, reading.iproute)
    if parsed is None:
        return
    key = (parsed.address, parsed.interface)
    if key in draft.evip_set or any(
        vip.address == parsed.address and vip.interface == parsed.interface for vip in _same_vips(draft, parsed.address)
    ):
        text = f"({draft.name}) duplicate eVIP {parsed.address} - ignoring"
        reading.report(statement, "address-repeated", text, word=0)
        return
    draft.evip_set.add(key)
    draft.excluded_addresses.append(parsed)


def _same_vips(draft: InstanceDraft, address: Ip) -> list[Any]:
    if address not in draft.vip_set:
        return []
    return [vip for vip in draft.virtual_addresses if vip.address == address]


def virtual_route(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    parsed = parse_route(statement, reading, reading.iproute)
    if parsed is not None:
        draft.virtual_routes.append(parsed)


def virtual_rule(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    parsed = parse_rule(statement, reading, reading.iproute)
    if parsed is not None:
        draft.virtual_rules.append(parsed)


# --- announcing, telling ----------------------------------------------------------------------------------------------


_EXTRA_IF = globals_handlers.garp_extra_if(0)


def garp_extra_if(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """`[all] SECONDS`, as in global_defs but 0 is allowed."""
    _EXTRA_IF(draft, statement, reading)


def notify_script(name: str, since: str = "") -> Keyword:
    """A notify keyword of an instance or a sync group: one script each."""
    target = "generic" if name == "notify" else name.removeprefix("notify_")
    store = take_script(target)

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        store(draft.notify, statement, reading)

    return Keyword(
        name=name,
        process="vrrp",
        type=Word("QSTR USER? GROUP?"),
        take=take,
        default="none",
        inherits="script_user",
        since=since,
    )


def notify_deleted(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """With or without a script: a deleted instance reports DELETED instead of FAULT."""
    notify = draft.notify
    if notify.deleted_given:
        shown = statement.words[1] if len(statement.words) > 1 else ""
        text = f"({draft.name}) notify_deleted already specified - ignoring {shown}"
        reading.report(statement, "keyword-repeated", text, word=0)
        return
    notify.deleted_given = True
    if len(statement.words) > 1:
        notify.deleted = ScriptWords(statement)


def lvs_sync_daemon_interface(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """The deprecated way to set lvs_sync_daemon, with id 0; it counts only when the global one is not set."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "an interface")
        return
    text = f"({draft.name}) Specifying lvs_sync_daemon_interface against a vrrp is deprecated."
    hint = "Please use global lvs_sync_daemon"
    kind = FindingClass.DEPRECATED
    reading.report(statement, "keyword-deprecated", text, word=0, kind=kind, suggestion=hint)
    owner = reading.draft.globals
    if owner.lvs_sync_daemon is not None:
        known = owner.lvs_sync_daemon.interface
        text = f"({draft.name}) lvs_sync_daemon_interface has already been specified as {known} - ignoring"
        reading.report(statement, "keyword-repeated", text, word=0)
        return
    owner.lvs_sync_daemon = LvsSyncDaemon(interface=words[1], instance=draft.name, sync_id=0)


# --- the end of the block ---------------------------------------------------------------------------------------------


def end_instance(draft: InstanceDraft, reading: Reading) -> None:
    """Checks made at the closing brace: VMAC with unicast, TTL without peers."""
    at = reading.last
    if draft.unicast_seen and (draft.vmac is not None or draft.ipvlan is not None):
        if not draft.interface:
            kind = "vmac" if draft.vmac is not None else "ipvlan"
            text = f"({draft.name}): Cannot use VMAC/ipvlan with unicast and no interface - clearing use_{kind}"
            reading.report(at, "vmac-interface", text)
            draft.vmac = draft.ipvlan = None
        elif not draft.vmac_xmit_base:
            text = f"({draft.name}) unicast with use_vmac requires vmac_xmit_base - setting"
            reading.report(at, "vmac-unicast", text)
            draft.vmac_xmit_base = True
    if draft.unicast_ttl is not None and not draft.unicast_peers:
        text = f"({draft.name}): Cannot use unicast_ttl without unicast peers - resetting"
        reading.report(at, "unicast-ttl", text)
        draft.unicast_ttl = None
    if not draft.interface:
        draft.linkbeat_use_polling = False
