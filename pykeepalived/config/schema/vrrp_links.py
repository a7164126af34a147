"""Keywords of a vrrp_instance that make a link of its own: use_vmac and use_ipvlan."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.entries.common import nearest
from pykeepalived.config.iproute_names import number_or_name
from pykeepalived.config.model.vrrp import Ipvlan, Vmac
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.vrrp_draft import InstanceDraft
from pykeepalived.config.schema.vrrp_handlers import same_family, too_long
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U32, Fault


def use_vmac(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Words in any order: a name, a MAC (it has a colon), netlink_notify_msg, a link group."""
    words = statement.words
    name, mac, notify, group = "", None, False, None
    index = 1
    while index < len(words):
        word = words[index]
        if word == "netlink_notify_msg":
            notify = True
        elif word in ("group", "name"):
            index += 1
            if index == len(words):
                reading.missing(statement, after=word)
            elif word == "group":
                group = _link_group(draft, statement, index, reading)
            else:
                name = _vmac_name(draft, statement, index, name, reading)
        elif ":" in word:
            mac = _vmac_mac(draft, statement, index, reading)
        else:
            name = _vmac_name(draft, statement, index, name, reading)
        index += 1
    draft.vmac = Vmac(name=name, mac=mac, netlink_notify_msg=notify, group=group)


def _link_group(draft: InstanceDraft, statement: Statement, index: int, reading: Reading) -> int | None:
    word = statement.words[index]
    number = number_or_name(word, reading.iproute.groups, U32)
    if isinstance(number, Fault):
        text = f"({draft.name}) invalid interface group {word} - ignoring"
        reading.report(statement, "group-unknown", text, word=index, suggestion=nearest(word, reading.iproute.groups))
        return None
    return number


def _vmac_name(draft: InstanceDraft, statement: Statement, index: int, known: str, reading: Reading) -> str:
    word = statement.words[index]
    if known:
        text = f"({draft.name}) vmac interface name already specified - ignoring {word}"
        reading.report(statement, "word-repeated", text, word=index)
        return known
    if not word or too_long(word):
        text = f"VMAC interface name '{word}' too long or invalid characters - ignoring"
        reading.report(statement, "interface-long", text, word=index)
        return ""
    other = reading.draft.find("vmac", word)
    if other is not None and other is not draft:
        text = f"({draft.name}) duplicate vmac interface name {word} of {other.name} - ignoring"
        reading.report(statement, "name-repeated", text, word=index)
        return ""
    existing = reading.environment.interfaces.get(word)
    if existing is not None and (existing.kind != "macvlan" or existing.macvlan_mode != 1):
        text = f"({draft.name}) interface {word} already exists and is not a private macvlan; ignoring vmac if_name"
        reading.report(statement, "interface-kind", text, word=index)
        return ""
    reading.draft.register("vmac", word, draft)
    return word


def _vmac_mac(draft: InstanceDraft, statement: Statement, index: int, reading: Reading) -> bytes | None:
    """Six octets, or five to which completion appends the VRID; no group address, no address of RFC 9568."""
    word = statement.words[index]
    parts = word.split(":")
    good = all(1 <= len(part) <= 2 and all(digit in "0123456789abcdefABCDEF" for digit in part) for part in parts)
    if not good or len(parts) not in (5, 6):
        reading.report(statement, "mac-invalid", f"VMAC invalid MAC address {word} - ignored", word=index)
        return None
    mac = bytes(int(part, 16) for part in parts)
    if mac[0] & 1:
        text = f"({draft.name}) VMAC MAC address {word} is a multicast address - ignored"
        reading.report(statement, "mac-invalid", text, word=index)
        return None
    if mac[:5] in (b"\x00\x00\x5e\x00\x01", b"\x00\x00\x5e\x00\x02"):
        text = f"({draft.name}) VMAC MAC address {word} is a VRRP address of RFC 9568 - ignored"
        reading.report(statement, "mac-invalid", text, word=index)
        return None
    return mac


_IPVLAN_MODES = frozenset({"bridge", "private", "vepa"})


def use_ipvlan(draft: InstanceDraft, statement: Statement, reading: Reading) -> None:
    """Words in any order: a name, an address, a mode, a link group; once an instance."""
    words = statement.words
    if draft.ipvlan is not None:
        reading.report(statement, "keyword-repeated", f"({draft.name}) use_ipvlan already specified", word=0)
        return
    name, address, length, mode, group = "", None, 0, "bridge", None
    index = 1
    while index < len(words):
        word = words[index]
        prefix = values.prefix(word)
        if word in ("group", "name"):
            index += 1
            if index == len(words):
                reading.missing(statement, after=word)
            elif word == "group":
                group = _link_group(draft, statement, index, reading)
            else:
                name = _vmac_name(draft, statement, index, name, reading)
        elif word in _IPVLAN_MODES:
            mode = word
        elif not isinstance(prefix, Fault):
            address, length = prefix.address, prefix.length
            if not same_family(draft, address.family):
                text = f"({draft.name}) ipvlan address {word} is not of the family of the instance"
                reading.report(statement, "family-mixed", text, word=index)
        else:
            name = _vmac_name(draft, statement, index, name, reading)
        index += 1
    draft.ipvlan = Ipvlan(name=name, address=address, prefix_length=length, mode_flag=mode, group=group)
