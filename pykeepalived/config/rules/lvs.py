"""Completion of virtual servers: groups are linked, then each server is checked, in keepalived's order.

Every rule takes one virtual server draft, mends it and reports. Building the model from the drafts is
config/build_lvs.py; inheritance that says nothing happens there.
"""

from __future__ import annotations

from pykeepalived.config.model.ipvs import Forwarding, Protocol
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.lvs_drafts import GroupDraft, RealDraft, SorryDraft, VirtualDraft
from pykeepalived.config.schema.lvs_handlers import PERSISTENCE_TIMEOUT_S


def complete_lvs(reading: Reading) -> None:
    """Complete all virtual servers of the draft; those that cannot be used are taken out of it."""
    servers = link_groups(reading)
    for virtual in servers:
        if virtual.finished is None:
            for rule in RULES:
                rule(virtual, reading)
    reading.draft.virtual_servers = servers


# --- groups -----------------------------------------------------------------------------------------------------------


def link_groups(reading: Reading) -> list[VirtualDraft]:
    """The virtual servers whose group exists and fits, numbered within their group."""
    servers, counts = [], dict[str, int]()
    for virtual in reading.draft.virtual_servers:
        if virtual.group:
            if not _link(virtual, reading):
                continue
            virtual.group_index = counts.get(virtual.group, 0)
            counts[virtual.group] = virtual.group_index + 1
        servers.append(virtual)
    return servers


def _group(virtual: VirtualDraft, reading: Reading) -> GroupDraft | None:
    found: GroupDraft | None = reading.draft.find("virtual_server_group", virtual.group)
    return found


def _link(virtual: VirtualDraft, reading: Reading) -> bool:
    """Give the virtual server the family of its group; False when it has to go."""
    group = _group(virtual, reading)
    name = virtual.group
    if group is None:
        text = f"Virtual server group {name} specified but not configured - ignoring virtual server {virtual.text}"
        reading.note(virtual.statement, "group-unknown", text, word=2)
        return False
    families = {entry.family for entry in group.entries} - {0}
    if len(families) == 2:
        if virtual.family:
            text = (
                f"{name}: virtual server group with IPv4 & IPv6 doesn't match virtual server {virtual.text} - ignoring"
            )
            reading.note(virtual.statement, "group-family", text, word=2)
            return False
        virtual.family = 4
    elif families:
        family = families.pop()
        if virtual.family not in (0, family):
            text = f"{name}: address family doesn't match virtual server {virtual.text} - ignoring"
            reading.note(virtual.statement, "group-family", text, word=2)
            return False
        virtual.family = family
    elif not virtual.family:
        text = f"{name}: Virtual server {virtual.text} address family cannot be determined, defaulting to IPv4"
        reading.note(virtual.statement, "group-family-default", text, word=2)
        virtual.family = 4
    return True


def has_fwmark(virtual: VirtualDraft, reading: Reading) -> bool:
    """True when the service, or an entry of its group, is a firewall mark."""
    if virtual.fwmark is not None:
        return True
    group = _group(virtual, reading) if virtual.group else None
    return group is not None and any(entry.fwmark is not None for entry in group.entries)


def has_address(virtual: VirtualDraft, reading: Reading) -> bool:
    """True when the service, or an entry of its group, is an address."""
    if virtual.address is not None:
        return True
    group = _group(virtual, reading) if virtual.group else None
    return group is not None and any(entry.first is not None for entry in group.entries)


# --- the service ------------------------------------------------------------------------------------------------------


def clear_ha_suspend(virtual: VirtualDraft, reading: Reading) -> None:
    if virtual.ha_suspend and has_fwmark(virtual, reading):
        text = f"Virtual server {virtual.text}: cannot use ha_suspend with fwmarks - clearing ha_suspend"
        reading.report(virtual.statement, "ha-suspend-fwmark", text, word=0)
        virtual.ha_suspend = False


def settle_protocol(virtual: VirtualDraft, reading: Reading) -> None:
    """Addresses need a protocol, pure fwmark services have none."""
    if has_address(virtual, reading):
        if virtual.protocol is None:
            text = f"Virtual server {virtual.text}: no protocol set - defaulting to UDP"
            reading.report(virtual.statement, "protocol-missing", text, word=0, suggestion="give protocol TCP or UDP")
            virtual.protocol = Protocol.UDP
        if virtual.ops and virtual.protocol != Protocol.UDP:
            text = f"Virtual server {virtual.text}: one packet scheduling requires UDP - resetting"
            reading.report(virtual.statement, "ops-protocol", text, word=0)
            virtual.ops = False
    elif virtual.protocol is not None:
        text = f"Warning: Virtual server {virtual.text}: protocol specified for fwmark - protocol will be ignored"
        reading.report(virtual.statement, "protocol-fwmark", text, word=0)
        virtual.protocol = None


def settle_persistence(virtual: VirtualDraft, reading: Reading) -> None:
    """A service for all ports must be persistent."""
    if virtual.persistence_timeout_s:
        return
    any_port = virtual.address is not None and not virtual.port
    group = _group(virtual, reading) if virtual.group else None
    if group is not None:
        any_port = any(entry.first is not None and not entry.port for entry in group.entries)
    if any_port:
        text = f"Virtual server {virtual.text}: zero port only valid for persistent services - setting"
        reading.report(virtual.statement, "persistence-port", text, word=0, suggestion="give a port")
        virtual.persistence_timeout_s = PERSISTENCE_TIMEOUT_S


def settle_scheduler(virtual: VirtualDraft, reading: Reading) -> None:
    if virtual.scheduler is None:
        text = f"Virtual server {virtual.text}: no scheduler set, setting default 'wlc'"
        reading.report(virtual.statement, "scheduler-missing", text, word=0, suggestion="give lvs_sched")
        virtual.scheduler = "wlc"


def settle_smtp_alert(virtual: VirtualDraft, reading: Reading) -> None:
    """Own, else smtp_alert_checker, else smtp_alert, else off; real servers alike, else on."""
    settings = reading.draft.globals
    default = settings.smtp_alert_checker if settings.smtp_alert_checker is not None else settings.smtp_alert
    if virtual.smtp_alert is None:
        virtual.smtp_alert = bool(default)
    for real in virtual.real_servers:
        if real.smtp_alert is None:
            real.smtp_alert = True if default is None else default


# --- its servers ------------------------------------------------------------------------------------------------------


def remove_duplicates(virtual: VirtualDraft, reading: Reading) -> None:
    """One real server for an address and port, as they are written."""
    seen, kept = set(), []
    for real in virtual.real_servers:
        key = (real.address, real.port)
        if key in seen:
            text = f"VS {virtual.text}: real server {real.text} is duplicated - removing second rs"
            reading.report(real.statement, "real-duplicate", text, word=1)
            continue
        seen.add(key)
        kept.append(real)
    virtual.real_servers = kept


def settle_method(virtual: VirtualDraft, reading: Reading) -> None:
    """Own, else the virtual server's, else NAT; the sorry server is one of them."""
    servers: list[RealDraft | SorryDraft] = [*virtual.real_servers]
    if virtual.sorry_server is not None:
        servers.append(virtual.sorry_server)
    for server in servers:
        if server.forwarding is None:
            if virtual.forwarding is None:
                text = f"Virtual server {virtual.text}: no forwarding method set, setting default NAT"
                reading.report(virtual.statement, "method-missing", text, word=0, suggestion="give lvs_method")
                virtual.forwarding = Forwarding.NAT
            server.copy_method(virtual)


def settle_sorry_inhibit(virtual: VirtualDraft, reading: Reading) -> None:
    """A sorry server that is also a real server does as the real server does."""
    sorry = virtual.sorry_server
    for real in virtual.real_servers:
        if real.inhibit_on_failure is None:
            real.inhibit_on_failure = virtual.inhibit_on_failure
        if sorry is None or (real.address, real.port) != (sorry.address, sorry.port):
            continue
        if real.inhibit_on_failure != sorry.inhibit:
            verb = "sett" if real.inhibit_on_failure else "clear"
            text = (
                f"Virtual server {virtual.text}: real server {real.text} matches sorry server,"
                f" but inhibit setting differs, {verb}ing on sorry server"
            )
            reading.report(sorry.statement, "sorry-inhibit", text, word=0)
            sorry.inhibit = real.inhibit_on_failure


def settle_quorum(virtual: VirtualDraft, reading: Reading) -> None:
    """The quorum can be reached, and the hysteresis is below it."""
    total = sum(virtual.weight if real.weight is None else real.weight for real in virtual.real_servers)
    if virtual.quorum > total:
        text = (
            f"Warning - quorum {virtual.quorum} for {virtual.text} exceeds total weight of real servers {total},"
            f" reducing quorum to {total}"
        )
        reading.report(virtual.statement, "quorum-high", text, word=0)
        virtual.quorum = total
    if virtual.hysteresis and virtual.hysteresis >= virtual.quorum:
        hysteresis = max(virtual.quorum - 1, 0)
        text = (
            f"Virtual server {virtual.text}: hysteresis {virtual.hysteresis} >= quorum {virtual.quorum};"
            f" setting hysteresis to {hysteresis}"
        )
        reading.report(virtual.statement, "hysteresis-high", text, word=0)
        virtual.hysteresis = hysteresis


# --- ports ------------------------------------------------------------------------------------------------------------


def check_group_ports(virtual: VirtualDraft, reading: Reading) -> None:
    """Servers of a group that are not behind NAT cannot have a port of their own; keepalived only says so."""
    group = _group(virtual, reading) if virtual.group else None
    if group is None:
        return
    ports = {entry.port: entry for entry in group.entries if entry.first is not None}
    marks = any(entry.fwmark is not None for entry in group.entries)
    for real in virtual.real_servers:
        if real.forwarding == Forwarding.NAT or not real.port:
            continue
        if marks:
            text = f"WARNING - fwmark virtual server {virtual.text}, real server {real.text} has port specified"
            reading.report(real.statement, "port-fwmark", f"{text} - port will be ignored", word=2)
        for port, entry in ports.items():
            if port != real.port:
                shown = f"{entry.first},{port}"
                text = f"virtual server {virtual.text}:[{shown}] and real server {real.text} ports don't match"
                reading.report(real.statement, "port-group", text, word=1)
    sorry = virtual.sorry_server
    if sorry is not None and sorry.forwarding != Forwarding.NAT and marks and sorry.port:
        text = f"WARNING - virtual server {virtual.text}, sorry server has port specified - port will be ignored"
        reading.report(sorry.statement, "port-fwmark", text, word=2)


def settle_ports(virtual: VirtualDraft, reading: Reading) -> None:
    """Only NAT can change the port; without NAT a server has the port of its service, with a fwmark none."""
    if virtual.group:
        return
    for real in virtual.real_servers:
        if real.forwarding != Forwarding.NAT:
            _same_port(virtual, real, f"real server {real.text}", reading)
        elif not real.port and virtual.address is not None:
            real.port = virtual.port
    sorry = virtual.sorry_server
    if sorry is not None and sorry.forwarding != Forwarding.NAT:
        _same_port(virtual, sorry, "sorry server", reading)


def _same_port(virtual: VirtualDraft, server: RealDraft | SorryDraft, shown: str, reading: Reading) -> None:
    """The port of a server that is not behind NAT."""
    if virtual.fwmark is not None:
        if server.port:
            kind = "fwmark virtual" if isinstance(server, RealDraft) else "virtual"
            text = f"WARNING - {kind} server {virtual.text}, {shown} has port specified - clearing"
            reading.report(server.statement, "port-fwmark", text, word=2)
            server.port = 0
        return
    if server.port and server.port != virtual.port:
        text = f"WARNING - virtual server {virtual.text} and {shown} ports don't match - resetting"
        reading.report(server.statement, "port-mismatch", text, word=2)
    server.port = virtual.port


RULES = (
    clear_ha_suspend,
    settle_protocol,
    settle_persistence,
    settle_scheduler,
    settle_smtp_alert,
    remove_duplicates,
    settle_method,
    settle_sorry_inhibit,
    settle_quorum,
    check_group_ports,
    settle_ports,
)
"""The rules in the order in which keepalived applies them."""
