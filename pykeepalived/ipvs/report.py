"""The state of the IPVS core as a snapshot for dumps, status and metrics. Reads everything, changes nothing."""

from __future__ import annotations

from typing import Any

from pykeepalived.ipvs.checks.events import BfdState, FileState
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.checks.misc import MiscState
from pykeepalived.ipvs.checks.ping import PingState
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.desired import entry_services
from pykeepalived.ipvs.state import Real, Sorry, Virtual
from pykeepalived.observe.snapshot import (
    CheckerSnapshot,
    GroupEntrySnapshot,
    IpvsSnapshot,
    RealServerSnapshot,
    TrackBfdSnapshot,
    TrackFileSnapshot,
    VirtualServerSnapshot,
)


def snapshot(core: IpvsCore) -> IpvsSnapshot:
    """The whole core; clocks and figures of the process are filled in by the shell."""
    bfds: dict[str, bool] = {}
    for check in core.checks:
        if isinstance(check, BfdState):
            bfds[check.model.name] = check.is_up
    return IpvsSnapshot(
        virtual_servers=tuple(_virtual(virtual) for virtual in core.director.virtuals),
        groups=_groups(core),
        files=tuple(TrackFileSnapshot(name=name, value=value) for name, value in core.files.items()),
        bfds=tuple(TrackBfdSnapshot(name=name, up=up) for name, up in bfds.items()),
    )


def _virtual(virtual: Virtual) -> VirtualServerSnapshot:
    sorry = virtual.sorry
    return VirtualServerSnapshot(
        name=virtual.name,
        alive=virtual.alive,
        quorum_up=virtual.quorum_up,
        reloaded=virtual.carried,
        weight_sum=virtual.weight_sum(),
        real_servers=tuple(_real(real) for real in virtual.reals),
        sorry_server=_sorry(sorry) if sorry is not None else None,
        sorry_in_use=virtual.displaced,
        cause=virtual.cause,
        last_change_ns=virtual.changed_ns,
    )


def _real(real: Real) -> RealServerSnapshot:
    return RealServerSnapshot(
        name=real.name,
        alive=real.alive,
        set=real.present,
        failed_checkers=real.failed,
        effective_weight=real.weight,
        previous_weight=real.previous_weight,
        reloaded=real.carried,
        checkers=tuple(_checker(check) for check in real.checks),
        cause=real.cause,
        last_change_ns=real.changed_ns,
    )


def _sorry(sorry: Sorry) -> RealServerSnapshot:
    return RealServerSnapshot(name=sorry.name, alive=sorry.in_use, set=sorry.present)


def _checker(check: CheckState[Any]) -> CheckerSnapshot:
    status, last_run = (check.last_status, check.last_end) if isinstance(check, MiscState) else (0, check.started)
    return CheckerSnapshot(
        enabled=check.enabled,
        up=check.is_up,
        has_run=check.has_run,
        current_weight=check.weight,
        retries_done=0 if isinstance(check, FileState | BfdState) else check.retry_it,
        last_run_ns=last_run,
        last_status=status,
        sequence=check.sequence if isinstance(check, PingState) else 0,
        runs=check.runs,
        failures=check.failures,
        duration_us=check.duration_ns // 1000,
        text=check.text,
    )


def _groups(core: IpvsCore) -> tuple[tuple[GroupEntrySnapshot, ...], ...]:
    """How many destinations the virtual servers have in each group entry, as keepalived counts them."""
    users: dict[str, list[Virtual]] = {}
    for virtual in core.director.virtuals:
        if virtual.group is not None:
            users.setdefault(virtual.group.name, []).append(virtual)
    result = []
    for group in core.config.virtual_server_groups:
        entries = []
        for entry in group.entries:
            counts = dict.fromkeys(("tcp", "udp", "sctp", "ipv4", "ipv6"), 0)
            carried = False
            for virtual in users.get(group.name, ()):
                carried = carried or virtual.carried
                present = sum(real.present for real in virtual.reals)
                services = entry_services(entry, virtual.model)
                if entry.fwmark is not None:
                    counts["ipv4" if services[0].family == 4 else "ipv6"] += present
                elif virtual.model.protocol in counts:
                    counts[virtual.model.protocol] += present
            entries.append(GroupEntrySnapshot(**counts, reloaded=carried))
        result.append(tuple(entries))
    return tuple(result)
