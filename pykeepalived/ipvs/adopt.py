"""Taking over the table that a predecessor left when it died: what carries traffic goes on carrying it. Pure.

keepalived starts from zero: it adds every server again, dead ones included, and leaves a sorry server in the pool. Here
the kernel's table tells what the predecessor had found out.
"""

from __future__ import annotations

from pykeepalived.ipvs.checks.events import FileState
from pykeepalived.ipvs.desired import destination_key
from pykeepalived.ipvs.service import Director
from pykeepalived.ipvs.state import Real, Virtual
from pykeepalived.netlink.services import DestinationSettings, Table
from pykeepalived.observe.cause import Cause


def adopt(director: Director, virtual: Virtual, table: Table) -> bool:
    """Give a virtual server the state its services have in the table; False when one of them is not there."""
    if not virtual.services or any(service not in table.services for service in virtual.services):
        return False
    service = virtual.services[0]
    found = table.destinations.get(service, {})
    cause = Cause("adopted", virtual.name, since=director.now, at=virtual.model.at)
    virtual.alive = virtual.carried = True
    virtual.cause, virtual.changed_ns = cause, director.now
    for each in virtual.services:
        director.users.setdefault(each, []).append(virtual)
    for real in virtual.reals:
        _adopt_real(real, found.get(destination_key(service, real)), cause, director.now)
    sorry = virtual.sorry
    if sorry is not None:
        entry = found.get(destination_key(service, sorry))
        if entry is not None and sorry.twin is None:
            sorry.present, sorry.in_use, sorry.shown = True, entry.weight > 0, entry.weight
    virtual.quorum_up = not virtual.displaced and virtual.reaches(
        max(virtual.model.quorum - virtual.model.hysteresis, 1)
    )
    return True


def _adopt_real(real: Real, entry: DestinationSettings | None, cause: Cause, now: int) -> None:
    """An entry with a weight was alive; none, or an idle one with inhibit_on_failure, was not."""
    checks = [check for check in real.checks if not isinstance(check, FileState)]
    idle = entry is not None and entry.weight == 0 and real.model.inhibit_on_failure
    was_down = bool(checks) and (entry is None or idle)
    for check in checks:
        check.has_run, check.is_up = True, not was_down
    real.failed = sum(not check.is_up for check in real.checks)
    real.present = entry is not None
    real.shown = entry.weight if entry is not None else 0
    real.alive = entry is not None and real.failed == 0
    real.carried = entry is not None or was_down
    real.cause, real.changed_ns = cause, now
    if entry is not None and not idle:
        real.weight = real.previous_weight = entry.weight
