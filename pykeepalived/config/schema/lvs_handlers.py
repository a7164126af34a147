"""Keywords of virtual_server and real_server that need more than a type: headers, methods, persistence, families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pykeepalived.config import values
from pykeepalived.config.entries.vsgroup import parse_group_entry
from pykeepalived.config.model.ipvs import Forwarding
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import Reading, Take
from pykeepalived.config.schema.lvs_drafts import GroupDraft, MethodDraft, RealDraft, SorryDraft, VirtualDraft
from pykeepalived.config.schema.types import report_missing
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

PERSISTENCE_TIMEOUT_S = 360
"""keepalived.conf(5), persistence_timeout: the value when none is given."""

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos")
FLAG_1, FLAG_2, FLAG_3, FLAG_OPS = 0x08, 0x10, 0x20, 0x04
"""Bits of a virtual service: IP_VS_SVC_F_SCHED1..3 and IP_VS_SVC_F_ONEPACKET."""


def server_address(statement: Statement, reading: Reading, what: str) -> tuple[Ip, int] | None:
    """`IP [PORT]` behind a keyword; reports and returns None when it cannot be used."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "an address")
        return None
    address = values.socket_ip(words[1])
    port_text = words[2] if len(words) > 2 else None
    port = 0 if port_text is None else values.port(port_text, zero=True, lenient=reading.lenient)
    if isinstance(address, Fault) or (isinstance(port, Fault) and port.value is None):
        slash = "" if port_text is None else f"/{port_text}"
        text = f"Invalid {what} {words[1]}{slash} - skipping"
        reading.report(statement, "server-address", text, word=1 if isinstance(address, Fault) else 2)
        return None
    if isinstance(port, Fault):
        reading.fault(statement, 2, port, f"using {port.value}")
        return address, port.value or 0
    return address, port


# --- virtual_server_group ---------------------------------------------------------------------------------------------


def begin_group(parent: Any, statement: Statement, reading: Reading) -> GroupDraft | None:
    if len(statement.words) < 2:
        reading.missing(statement, "a name")
        return None
    return GroupDraft(statement.words[1], statement, [])


def group_entry(group: GroupDraft, statement: Statement, reading: Reading) -> None:
    entry = parse_group_entry(statement, reading, group.name)
    if entry is not None:
        group.entries.append(entry)


def end_group(group: GroupDraft, parent: Any, reading: Reading) -> None:
    """A group needs entries, and its family must be one that each virtual server can have."""
    if not group.entries:
        text = f"virtual server group {group.name} has no entries - removing"
        reading.report(group.statement, "group-empty", text)
        return
    families = {entry.family for entry in group.entries}
    if families >= {0, 4, 6}:
        text = f"virtual server group {group.name} cannot have IPv4, IPv6 and fwmark without family - removing"
        reading.report(group.statement, "group-families", text)
        return
    reading.draft.virtual_server_groups.append(group)
    reading.draft.register("virtual_server_group", group.name, group)


# --- virtual_server ---------------------------------------------------------------------------------------------------


def begin_virtual(parent: Any, statement: Statement, reading: Reading) -> VirtualDraft | None:
    words = statement.words
    if len(words) < 2 or (words[1] in ("fwmark", "group") and len(words) < 3):
        reading.missing(statement, "an address, fwmark N or group NAME")
        return None
    virtual = VirtualDraft(statement)
    if words[1] == "group":
        virtual.group = words[2]
        return virtual
    if words[1] == "fwmark":
        mark = values.integer(words[2], 0, values.U32, lenient=reading.lenient)
        if isinstance(mark, Fault):
            if mark.value is None:
                text = f"virtual server fwmark '{words[2]}' must be in [0, {values.U32}] - ignoring"
                reading.report(statement, mark.code, text, word=2)
                return None
            reading.fault(statement, 2, mark, f"using {mark.value}")
            mark = mark.value
        virtual.fwmark = mark
        return virtual
    found = server_address(statement, reading, "virtual server IP address/port")
    if found is None:
        return None
    virtual.address, virtual.port = found
    virtual.family = virtual.address.family
    return virtual


def end_virtual(virtual: VirtualDraft, parent: Any, reading: Reading) -> None:
    """A virtual server needs real servers and one family for all that is not tunnelled."""
    if not virtual.real_servers:
        text = f"Virtual server {virtual.text} has no real servers - ignoring"
        reading.report(reading.last or virtual.statement, "virtual-empty", text)
        return
    sorry = virtual.sorry_server
    tunnelled = sorry is not None and sorry.forwarding == Forwarding.TUN
    if sorry is not None and not tunnelled and virtual.family not in (0, sorry.address.family):
        text = f"Address family of virtual server and sorry server {sorry.text} don't match - skipping sorry server."
        reading.report(sorry.statement, "sorry-family", text, word=1)
        virtual.sorry_server = sorry = None
    if not virtual.family and not virtual.group:
        families = {real.address.family for real in virtual.real_servers}
        if sorry is not None:
            families.add(sorry.address.family)
        virtual.family = families.pop() if len(families) == 1 else 4
    reading.draft.virtual_servers.append(virtual)


def recall_virtual(block: Sequence[Statement], reading: Reading) -> bool:
    """Take over what an earlier loading made of the same block."""
    virtual = reading.memo.recall(block) if reading.memo is not None else None
    if virtual is not None:
        reading.draft.virtual_servers.append(virtual)
    return virtual is not None


def ip_family(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "inet or inet6")
        return
    family = {"inet": 4, "inet6": 6}.get(words[1])
    if family is None:
        text = f"unknown address family {words[1]}"
        reading.report(statement, "family-unknown", text, word=1, suggestion="inet or inet6")
    elif virtual.family not in (0, family):
        text = f"Virtual server specified family {words[1]} conflicts with server family"
        reading.report(statement, "family-conflict", text, word=1)
    else:
        virtual.family = family


def scheduler(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a scheduler")
    elif words[1] not in SCHEDULERS:
        text = f"Invalid lvs_scheduler '{words[1]}' - ignoring"
        reading.report(statement, "scheduler-unknown", text, word=1, suggestion=f"one of {', '.join(SCHEDULERS)}")
    else:
        virtual.scheduler = words[1]


def flag(bit: int) -> Take:
    """Set a scheduler flag, whatever the scheduler."""

    def take(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
        virtual.flags |= bit

    return take


def scheduler_flag(needs: str, bit: int) -> Take:
    """Set a flag of one scheduler, which must have been set before in the block."""

    def take(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
        if virtual.scheduler == needs and bit:
            virtual.flags |= bit
        elif virtual.scheduler not in ("sh", "mh"):
            text = f"{statement.words[0]} only applies to sh scheduler - ignoring"
            reading.report(statement, "scheduler-flag", text, word=0, suggestion=f"set lvs_sched {needs or 'sh'} first")

    return take


def persistence_granularity(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    """An IPv4 mask or an IPv6 prefix length; a family still unknown is the one the text looks like."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "a mask or prefix length")
        return
    family = virtual.family or (4 if "." in words[1] else 6)
    granularity = values.netmask(words[1]) if family == 4 else values.integer(words[1], 1, 128)
    if isinstance(granularity, Fault):
        text = f"Invalid IPv{family} persistence_granularity specified - {words[1]}"
        reading.report(statement, "persistence-granularity", text, word=1)
        return
    virtual.family = family
    virtual.persistence_granularity = granularity
    virtual.persistence_timeout_s = virtual.persistence_timeout_s or PERSISTENCE_TIMEOUT_S


# --- lvs_method -------------------------------------------------------------------------------------------------------


def lvs_method(server: MethodDraft, statement: Statement, reading: Reading) -> None:
    """`NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]`."""
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "NAT, DR or TUN")
        return
    try:
        server.forwarding = Forwarding(words[1])
    except ValueError:
        text = f"PARSER : unknown [{words[1]}] routing method for {server.role} server."
        reading.report(statement, "method-unknown", text, word=1, suggestion="NAT, DR or TUN")
        return
    if len(words) == 2:
        return
    problem = _tunnel(server, words[2:])
    if problem:
        reading.report(statement, "method-tunnel", problem, word=2)


def _tunnel(server: MethodDraft, words: tuple[str, ...]) -> str:
    """Read the tunnel words; returns what is wrong with them. Nothing is set unless all is right."""
    role = server.role
    tunnel, port, checksum = "ipip", 0, "nocsum"
    index = 0
    while index < len(words):
        word = words[index]
        argument = words[index + 1] if index + 1 < len(words) else None
        index += 1
        if word == "type":
            if argument is None:
                return f"Missing tunnel type for {role} server."
            if argument not in ("ipip", "gue", "gre"):
                return f"Unknown tunnel type {argument} for {role} server."
            tunnel = argument
            index += 1
        elif word == "port":
            if argument is None:
                return f"Missing port for {role} server gue tunnel."
            number = values.integer(argument, 1, values.U16)
            if isinstance(number, Fault):
                return f"Invalid gue tunnel port {argument} for {role} server."
            port = number
            index += 1
        elif word in ("nocsum", "csum", "remcsum"):
            checksum = word
        else:
            return f"Invalid tunnel option {word} for {role} server."
    if (tunnel == "gue") != bool(port):
        return "gue tunnels require port, otherwise cannot have port."
    if tunnel == "ipip" and checksum != "nocsum":
        return "ipip tunnels do not support checksum option."
    if tunnel == "gre" and checksum == "remcsum":
        return "gre tunnels do not support remote checksum option."
    server.tunnel, server.tunnel_port, server.checksum = tunnel, port, checksum
    return ""


# --- sorry and real servers -------------------------------------------------------------------------------------------


def sorry_server(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    found = server_address(statement, reading, "sorry server IP address")
    if found is not None:
        virtual.sorry_server = SorryDraft(statement, *found)
        virtual.sorry_server.copy_method(virtual)


def sorry_server_inhibit(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    if virtual.sorry_server is None:
        text = "Ignoring sorry_server inhibit used before or without sorry_server"
        reading.report(statement, "sorry-missing", text, word=0, suggestion="give sorry_server first")
        return
    virtual.sorry_server.inhibit = True


def sorry_server_method(virtual: VirtualDraft, statement: Statement, reading: Reading) -> None:
    if virtual.sorry_server is None:
        text = "sorry_server forwarding used without sorry_server"
        reading.report(statement, "sorry-missing", text, word=0, suggestion="give sorry_server first")
        return
    lvs_method(virtual.sorry_server, statement, reading)


def begin_real(virtual: VirtualDraft, statement: Statement, reading: Reading) -> RealDraft | None:
    found = server_address(statement, reading, "real server ip address/port")
    return None if found is None else RealDraft(virtual, statement, *found)


def end_real(real: RealDraft, virtual: VirtualDraft, reading: Reading) -> None:
    """A real server that is not tunnelled has the family of its virtual server, or gives it one."""
    if real.forwarding != Forwarding.TUN:
        if virtual.family and real.address.family != virtual.family:
            words = "Address family of virtual server and real server"
            upstream = f"{words} {real.address} don't match - skipping real server."
            place = reading.last or real.statement
            reading.report(place, "real-family", f"{words} {real.text} don't match - ignored", upstream=upstream)
            return
        virtual.family = real.address.family
    virtual.real_servers.append(real)


def text_setting(target: str, name: str, *, exact: bool = False) -> Take:
    """Store a word; without one it is ignored with an error, a second use replaces the first with an error."""

    def take(draft: Any, statement: Statement, reading: Reading) -> None:
        words = statement.words
        if len(words) < 2 or (exact and len(words) > 2):
            if len(words) < 2:
                report_missing(statement, reading, name)
            else:
                reading.report(statement, "words-extra", f"{words[0]} takes exactly one word - ignored", word=2)
            return
        if getattr(draft, target):
            text = f"{words[0]} was already given - replacing it"
            reading.report(statement, "keyword-repeated", text, word=0)
        setattr(draft, target, words[1])

    return take
