"""From the virtual servers of one configuration to those of the next: what stays keeps its state. Pure.

What went is removed first, in the order of the old file; then the new topology is made in the order of the new one.
"""

from __future__ import annotations

from typing import Any

from pykeepalived.ipvs.checks.events import FileState
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.desired import (
    changed_entries,
    destination_key,
    destination_settings,
    entry_name,
    entry_services,
    mark_elements,
    settings,
    wanted_sorry_weight,
    wanted_weight,
)
from pykeepalived.ipvs.effects import SetMarks
from pykeepalived.ipvs.service import Batch, Director, Procedure
from pykeepalived.ipvs.state import Real, Virtual
from pykeepalived.netlink.services import (
    ServiceKey,
    delete_destination,
    new_destination,
    set_destination,
    set_service,
)
from pykeepalived.observe.cause import Cause

_BODY = "=> Removing <="


def begin_alpha(real: Real) -> None:
    """A real server of the start: its alpha checkers, and those whose file is in fault, start down."""
    for check in real.checks:
        if check.model.alpha and not isinstance(check, FileState):
            check.is_up = False
    real.failed = sum(not check.is_up for check in real.checks)


def _begin_new(real: Real) -> None:
    """A real server that the reload brings: the same, but its checkers have their retries from the beginning."""
    begin_alpha(real)
    for check in real.checks:
        check.decide_at_once(False)


def reload(director: Director, old: list[Virtual], new: list[Virtual]) -> Procedure:
    """Take over from `old`; `director.virtuals` is `new` already. Virtual servers that are in both are left alone."""
    successors = {virtual.identity(): virtual for virtual in new}
    wanted = {id(virtual): virtual.services for virtual in new}
    predecessors: dict[int, Virtual] = {}
    for virtual in old:
        successor = successors.get(virtual.identity())
        if successor is virtual:
            continue
        if successor is None:
            name = f"Group [{virtual.model.group}]" if virtual.model.group else virtual.name
            director.say(f"Removing Virtual Server {name}")
            yield from director.remove(virtual, _BODY, quiet=bool(director.globals.lvs_flush_on_stop))
        else:
            predecessors[id(successor)] = virtual
            yield from _hand_over(director, virtual, successor)
    unchanged = {id(virtual) for virtual in old}
    for virtual in new:
        if id(virtual) not in unchanged:
            virtual.services = wanted[id(virtual)]
            yield from _build(director, virtual, predecessors.get(id(virtual)))


def _build(director: Director, virtual: Virtual, predecessor: Virtual | None) -> Procedure:
    known = set(predecessor.services) if predecessor is not None else set()
    fresh = [service for service in virtual.services if service not in known]
    for real in virtual.reals:
        if not real.carried:
            _begin_new(real)
    yield from director.create(virtual, fresh)
    if predecessor is not None and virtual.group is not None:
        yield from _fill_entries(director, predecessor, virtual, fresh)
    yield from director.finish_creation(virtual)
    if predecessor is not None:
        yield from _reconcile(director, virtual)


def _reconcile(director: Director, virtual: Virtual) -> Procedure:
    """What several changes at once have left different from what health asks for."""
    batch = Batch()
    services, sorry = virtual.services, virtual.sorry
    for real in virtual.reals:
        wanted = wanted_weight(real)
        if wanted is None:
            director.take(batch, services, real)
        elif not real.present or (real.shown != wanted and not (sorry and sorry.in_use and sorry.twin is real)):
            director.put(batch, services, real, wanted)
    if sorry is not None:
        wanted = wanted_sorry_weight(sorry)
        if wanted is None:
            director.take(batch, services, sorry)
        elif sorry.twin is not None and sorry.twin.present and not sorry.in_use:
            sorry.present = True
        elif not sorry.present or sorry.shown != wanted:
            director.put(batch, services, sorry, wanted)
    yield from director.perform(batch)


def _hand_over(director: Director, old: Virtual, new: Virtual) -> Procedure:
    """One virtual server that stays. Until it is built, its services are those that both have."""
    new.carried = True
    new.alive, new.quorum_up = old.alive, old.quorum_up
    new.cause, new.changed_ns = old.cause, old.changed_ns
    for users in [director.users.get(service, []) for service in old.services]:
        users[:] = [new if user is old else user for user in users]
    lost = [service for service in old.services if service not in set(new.services)]
    new.services = old.services = tuple(service for service in old.services if service not in set(lost))
    batch = Batch()
    if new.group is not None:
        _drop_entries(director, batch, old, new, lost)
    for service in new.services:
        if settings(new.model, service.family) != settings(old.model, service.family):
            batch.add(set_service(service, settings(new.model, service.family)))
    removed = _match_servers(director, batch, old, new)
    yield from director.perform(batch)
    for real in removed:
        director.end_real(real, _BODY)
    yield from _sorry_server(director, old, new)
    before = {(real.model.address, real.model.port): real for real in old.reals}
    for real in new.reals:
        if real.carried:
            yield from _settle(director, before[real.model.address, real.model.port], real)


def _drop_entries(director: Director, batch: Batch, old: Virtual, new: Virtual, lost: list[ServiceKey]) -> None:
    """Lines of the group that are gone: destinations first, server by server, then the services."""
    entries, _ = changed_entries(old, new)
    mark = director.marks.get((new.model.group, new.model.protocol))
    for entry in entries:
        name = str(entry.fwmark) if entry.fwmark is not None else entry_name(entry, new.model.protocol)
        batch.say(f"VS [{name}] in group {new.model.group} no longer exists")
        if mark is not None:
            director.out.append(SetMarks(remove=mark_elements(new, (entry,), mark)))
        here = set(entry_services(entry, old.model))
        _empty_services(director, batch, old, new, [service for service in lost if service in here])
        lost = [service for service in lost if service not in here]
    _empty_services(director, batch, old, new, lost)


def _empty_services(director: Director, batch: Batch, old: Virtual, new: Virtual, services: list[ServiceKey]) -> None:
    """Every server of the old configuration out of these services, then the services themselves."""
    for server in (*old.reals, old.sorry):
        if server is not None and server.present:
            director.take(batch, services, server)
            server.present = True
    director.drop_services(batch, new, services)


def _match_servers(director: Director, batch: Batch, old: Virtual, new: Virtual) -> list[Real]:
    """Real servers that stay hand over their state; the others leave. Returns those that left while alive."""
    by_place = {(real.model.address, real.model.port): real for real in new.reals}
    removed = []
    for real in old.reals:
        successor = by_place.get((real.model.address, real.model.port))
        if successor is not None:
            _carry(batch, real, successor)
            continue
        batch.say(f"service {real.name} no longer exist")
        if real.present:
            batch.say(director.farewell_line(real))
        director.take(batch, old.services, real)
        if real.alive:
            removed.append(real)
    return removed


def _carry(batch: Batch, old: Real, new: Real) -> None:
    new.carried = True
    new.alive, new.present, new.shown = old.alive, old.present, old.shown
    new.weight = new.previous_weight = old.weight
    new.cause, new.changed_ns = old.cause, old.changed_ns
    for check in new.checks:
        if isinstance(check, FileState):
            continue
        twin = next((before for before in old.checks if check.same_as(before)), None)
        if twin is not None:
            check.adopt(twin)
        else:
            check.decide_at_once(False)
    if old.model.method == new.model.method or not new.present:
        return
    new.shown = new.kernel_weight if new.alive and not old.virtual.displaced else 0
    values = destination_settings(new, new.shown)
    for service in old.virtual.services:
        before, after = destination_key(service, old), destination_key(service, new)
        if before == after:
            batch.add(set_destination(service, after, values))
        else:
            batch.add(delete_destination(service, before), new_destination(service, after, values))


def _settle(director: Director, old: Real, real: Real) -> Procedure:
    """The state of a real server that stays, from what its new checkers know."""
    down = [check for check in real.checks if check.has_run and not check.is_up]
    judged = any(check.has_run and not isinstance(check, FileState) for check in real.checks)
    if down or (not real.alive and not judged):
        for check in real.checks:
            if not check.has_run:
                check.decide_at_once(True)
                if check.model.alpha:
                    check.is_up = False
                    down.append(check)
    real.failed = len(down)
    cause = Cause("reload", real.name, since=director.now, at=real.model.at)
    if not down:
        yield from director.change_real(real, True, cause)
    elif real.alive:
        yield from director.change_real(real, False, cause)
    for check in real.checks:
        if isinstance(check, FileState) and check.is_up != _file_was_up(old, check):
            director.say(check.change_line(not check.is_up), detail=1)
    if down:
        yield from _fit_inhibit(director, real)


def _file_was_up(old: Real, check: CheckState[Any]) -> bool:
    return next((before.is_up for before in old.checks if check.same_as(before)), True)


def _fit_inhibit(director: Director, real: Real) -> Procedure:
    """inhibit_on_failure was switched for a server that is down: put its idle entry in, or take it out."""
    batch = Batch()
    services = real.virtual.services
    wanted = wanted_weight(real)
    if wanted is not None and not real.present:
        director.put(batch, services, real, wanted)
    elif wanted is None and real.present:
        director.take(batch, services, real)
    yield from director.perform(batch)


def _sorry_server(director: Director, old: Virtual, new: Virtual) -> Procedure:
    """The sorry server stays, changes, or goes; one that is new is put in when the virtual server is built."""
    before, after = old.sorry, new.sorry
    if before is None:
        return
    batch = Batch()
    services = new.services
    if after is not None and (before.model.address, before.model.port) == (after.model.address, after.model.port):
        after.in_use, after.present, after.shown = before.in_use, before.present, before.shown
        if after.present and before.model.method != after.model.method:
            director.put(batch, services, after, wanted_sorry_weight(after) or 0)
        elif after.present and not after.in_use and not after.model.inhibit and after.twin is None:
            director.take(batch, services, after)
        yield from director.perform(batch)
        return
    if before.in_use:
        batch.say(f"Removing sorry server {before.name} from VS {new.name}")
    director.take(batch, services, before)
    if before.in_use and after is None:
        batch.say(f"Adding alive servers to the pool for VS {new.name}")
        for real in new.reals:
            if real.carried and real.alive:
                director.put(batch, services, real, real.kernel_weight)
    yield from director.perform(batch)


def _fill_entries(director: Director, old: Virtual, new: Virtual, fresh: list[ServiceKey]) -> Procedure:
    """New lines of the group get the servers that are there already."""
    batch = Batch()
    _, entries = changed_entries(old, new)
    mark = director.marks.get((new.model.group, new.model.protocol))
    for entry in entries:
        if mark is None:
            batch.say(f"VS [{entry_name(entry, new.model.protocol)}] added into group {new.model.group}")
        else:
            director.out.append(SetMarks(add=mark_elements(new, (entry,), mark)))
    for service in fresh:
        _fill(batch, new, service)
    yield from director.perform(batch)


def _fill(batch: Batch, virtual: Virtual, service: ServiceKey) -> None:
    for real in virtual.reals:
        weight = wanted_weight(real)
        if real.carried and real.present and weight is not None:
            batch.add(new_destination(service, destination_key(service, real), destination_settings(real, weight)))
    sorry = virtual.sorry
    weight = wanted_sorry_weight(sorry) if sorry is not None else None
    if sorry is not None and sorry.present and weight is not None:
        batch.add(new_destination(service, destination_key(service, sorry), destination_settings(sorry, weight)))
