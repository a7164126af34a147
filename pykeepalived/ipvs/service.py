"""Virtual servers, real servers, quorum, sorry server: from verdicts to kernel operations and notifications. Pure.

Every rule is a procedure: a generator that yields Operate where it must know what the kernel said before it goes on,
and appends all other effects to `out`. ipvs/core.py runs procedures one after the other. Reload is ipvs/reload.py.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Generator, Iterable
from typing import Any

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import GroupEntry
from pykeepalived.ipvs.checks.framework import CheckState
from pykeepalived.ipvs.desired import (
    destination_key,
    destination_settings,
    mark_elements,
    settings,
    uses_marks,
    wanted_sorry_weight,
)
from pykeepalived.ipvs.effects import Effect, MailReal, MarkElement, Operate, SetMarks, Tell
from pykeepalived.ipvs.state import Real, Server, Sorry, Virtual, clamp, twin_of
from pykeepalived.netlink.services import (
    FLUSH,
    Command,
    DestinationKey,
    Operation,
    OperationFailure,
    ServiceKey,
    Table,
    delete_destination,
    delete_service,
    describe_failure,
    diff,
    is_harmless,
    new_destination,
    new_service,
    set_destination,
)
from pykeepalived.observe.cause import Cause, LogLine

Procedure = Generator[Operate, tuple[OperationFailure, ...], None]
Decision = Generator[Operate, tuple[OperationFailure, ...], bool]

_VANISHED = (errno.ESRCH, errno.ENOENT)


class Batch:
    """Operations that go to the kernel together, with the log lines that belong between them.

    Of a `quiet` batch refusals are not told.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.lines: list[tuple[int, str]] = []
        self.quiet = False

    def add(self, *operations: Operation) -> None:
        self.operations += operations

    def say(self, text: str) -> None:
        """A line that is written before the failures of later operations."""
        self.lines.append((len(self.operations), text))


class Director:
    """All virtual servers of one configuration and the rules that change them.

    `users` tells which virtual servers use a service: groups may share theirs. `vanished` is set when the kernel turns
    out to lack what should be there. `refused` are the entries it would not change since the table was last looked at,
    `inherited` those that a dead daemon may have left before the first look.
    """

    def __init__(self, globals_: GlobalDefs) -> None:
        self.globals = globals_
        self.virtuals: list[Virtual] = []
        self.users: dict[ServiceKey, list[Virtual]] = {}
        self.marks: dict[tuple[str, str], int] = {}
        self.out: list[Effect] = []
        self.vanished = False
        self.refused: set[tuple[ServiceKey, DestinationKey | None]] = set()
        self.inherited: set[tuple[ServiceKey, DestinationKey | None]] = set()
        self.stopping = False
        self.now = 0

    def say(self, text: str, detail: int = 0, **fields: str) -> None:
        self.out.append(LogLine(text, detail=detail, fields=fields))

    # operations

    def perform(self, batch: Batch) -> Decision:
        """Do a batch; True unless the kernel refused something that matters. Refusals are logged.

        An entry to be edited that has vanished is made anew.
        """
        failures = (yield Operate(tuple(batch.operations))) if batch.operations else ()
        again = Batch()
        good = True
        lines = iter([*batch.lines, (len(batch.operations) + 1, "")])
        position, text = next(lines)
        for failure in failures:
            operation = batch.operations[failure.position]
            while position <= failure.position:
                self.say(text)
                position, text = next(lines)
            if failure.error in _VANISHED:
                self.vanished |= operation.command not in (Command.DEL_DEST, Command.DEL_SERVICE)
            if operation.command is Command.SET_DEST and failure.error == errno.ENOENT:
                again.add(operation._replace(command=Command.NEW_DEST))
                continue
            if not batch.quiet:
                self.say(describe_failure(operation, failure.error))
            if not is_harmless(operation, failure.error):
                good = False
                if operation.service is not None:
                    self.refused.add((operation.service, operation.destination))
        while position <= len(batch.operations):
            self.say(text)
            position, text = next(lines)
        if again.operations:
            redone = yield from self.perform(again)
            good = good and redone
        return good

    def suspect(self) -> None:
        """A daemon that died may have left entries of servers that are not alive."""
        for virtual in self.virtuals:
            servers: list[Server] = [*virtual.reals, *([virtual.sorry] if virtual.sorry is not None else [])]
            for service in virtual.services:
                self.inherited.update((service, destination_key(service, server)) for server in servers)

    def overdue(self, wanted: Table, found: Table) -> list[Operation]:
        """What is still to be done about refused and inherited entries: the table as it should be, and as it is."""
        refused, self.refused = self.refused, set()
        inherited, self.inherited = self.inherited, set()
        if not refused and not inherited:
            return []

        def is_due(operation: Operation) -> bool:
            service, place = operation.service, operation.destination
            if service is None or (service, place) in refused:
                return service is not None
            return operation.command is Command.DEL_DEST and (service, place) in inherited

        services = {service for service, place in refused if place is None}
        return [operation for operation in diff(wanted, found, services) if is_due(operation)]

    def put(self, batch: Batch, services: Iterable[ServiceKey], server: Server, weight: int) -> None:
        """The server with this weight in these services: an edit when it is believed to be there, else an addition.

        A real server and a sorry server with one address are one entry; while the sorry server is in use it has it.
        """
        other = twin_of(server)
        there = server.present or (other is not None and other.present)
        server.present = True
        if isinstance(other, Sorry) and other.in_use:
            server.shown = other.shown
            return
        server.shown = weight
        if other is not None:
            other.shown = weight
        make = set_destination if there else new_destination
        values = destination_settings(server, weight)
        batch.add(*[make(service, destination_key(service, server), values) for service in services])

    def take(self, batch: Batch, services: Iterable[ServiceKey], server: Server) -> None:
        """The server out of these services, if it is believed to be there and its twin does not need the entry."""
        if not server.present:
            return
        server.present = False
        other = twin_of(server)
        if other is None or not other.present:
            batch.add(*[delete_destination(service, destination_key(service, server)) for service in services])

    def add_services(self, batch: Batch, virtual: Virtual, services: Iterable[ServiceKey]) -> None:
        """The services of a virtual server, except those another virtual server has made already."""
        for service in services:
            users = self.users.setdefault(service, [])
            if not users:
                batch.add(new_service(service, settings(virtual.model, service.family)))
            if virtual not in users:
                users.append(virtual)

    def drop_services(self, batch: Batch, virtual: Virtual, services: Iterable[ServiceKey]) -> None:
        """The same backwards: a service goes with its last user."""
        for service in services:
            users = self.users.get(service, [])
            if virtual in users:
                users.remove(virtual)
            if not users:
                self.users.pop(service, None)
                batch.add(delete_service(service))

    def marks_of(self, virtual: Virtual, entries: Iterable[GroupEntry]) -> tuple[MarkElement, ...]:
        """nftables_ipvs: what gives packets to these entries of its group the virtual server's mark."""
        mark = self.marks.get((virtual.model.group, virtual.model.protocol)) if uses_marks(virtual) else None
        return () if mark is None else mark_elements(virtual, entries, mark)

    def all_marks(self) -> tuple[MarkElement, ...]:
        """The same of all virtual servers that are in the kernel: the tables of a dead daemon are replaced at once."""
        made = [virtual for virtual in self.virtuals if virtual.alive]
        return tuple(element for virtual in made for element in self.marks_of(virtual, virtual.entries))

    # telling

    def tell_real(self, real: Real, trap_only: bool = False) -> None:
        """Script, FIFO line and trap for the state a real server is in."""
        self.out.append(
            Tell(
                virtual=real.virtual.model,
                virtual_name=real.virtual.name,
                real=real.model,
                real_name=real.name,
                up=real.alive,
                final=self.stopping,
                trap_only=trap_only,
            )
        )

    def mail_real(self, real: Real, body: str) -> None:
        self.out.append(MailReal(real.virtual.name, real.name, real.alive, body))

    def tell_quorum(self, virtual: Virtual, body: str, trap_only: bool = False) -> None:
        """Script, FIFO line, trap and mail for the state of the quorum."""
        self.out.append(
            Tell(
                virtual=virtual.model,
                virtual_name=virtual.name,
                up=virtual.quorum_up,
                body=body,
                final=self.stopping,
                trap_only=trap_only,
            )
        )

    # verdicts

    def verdict(self, check: CheckState[Any], up: bool, cause: Cause) -> Procedure:
        """A checker has come to a result: the real server goes down with the first that fails, up with the last."""
        real: Real = check.real
        if check.is_up == up:
            if not check.has_run:
                if not up or getattr(check.model, "alpha", False):
                    self.tell_real(real)
                check.has_run = True
            return
        check.has_run = True
        if up and real.failed <= 1:
            changed = yield from self.change_real(real, True, cause)
        elif not up and real.failed == 0:
            changed = yield from self.change_real(real, False, cause)
        else:
            changed = True
        if changed:
            check.is_up = up
            real.failed += -1 if up else 1

    def change_real(self, real: Real, up: bool, cause: Cause) -> Decision:
        """A real server enters or leaves the pool; False when the kernel refused, and then nothing has changed."""
        if real.alive == up:
            return True
        virtual = real.virtual
        inhibit = real.model.inhibit_on_failure
        if inhibit:
            self.say(f"{'Enabling' if up else 'Disabling'} service {real.name} of VS {virtual.name}")
        else:
            words = ("Adding", "to") if up else ("Removing", "from")
            self.say(f"{words[0]} service {real.name} {words[1]} VS {virtual.name}")
        if not virtual.displaced:
            was_present = real.present
            batch = Batch()
            if up:
                self.put(batch, virtual.services, real, real.kernel_weight)
            elif inhibit:
                self.put(batch, virtual.services, real, 0)
            else:
                self.take(batch, virtual.services, real)
            if not (yield from self.perform(batch)):
                real.present = was_present
                return False
        real.alive = up
        real.cause, real.changed_ns = cause, self.now
        self.tell_real(real)
        yield from self.update_quorum(virtual, False)
        return True

    # quorum

    def update_quorum(self, virtual: Virtual, first: bool) -> Procedure:
        """Compare the weight of what is alive with the quorum; `first` = while the topology is made."""
        model = virtual.model
        threshold = model.quorum - model.hysteresis if virtual.quorum_up else model.quorum + model.hysteresis
        enough = virtual.reaches(max(threshold, 1))  # servers of weight 0 alone are no quorum, whatever its size
        sorry = virtual.sorry
        if not virtual.quorum_up and enough:
            virtual.quorum_up = True
            total = virtual.weight_sum()
            figures = f"{model.quorum}+{model.hysteresis}={threshold} <= {total}"
            self.say(f"Gained quorum {figures} for VS {virtual.name}")
            self._quorum_changed(virtual, "quorum_gained", total)
            if sorry is not None and sorry.in_use:
                yield from self.pool_returns(virtual, sorry)
            self.tell_quorum(virtual, f"=> {'Starting with quorum up' if first else 'Gained quorum'} {figures} <=")
        elif (virtual.quorum_up and not enough) or (
            first and not virtual.quorum_up and sorry is not None and not sorry.in_use
        ):
            virtual.quorum_up = False
            word = "Starting with quorum down" if first else "Lost quorum"
            total = virtual.weight_sum()
            figures = f"{model.quorum}-{model.hysteresis}={threshold} > {total}"
            self.say(f"{word} {figures} for VS {virtual.name}")
            self._quorum_changed(virtual, "quorum_lost", total)
            if sorry is not None and not sorry.in_use:
                yield from self.sorry_stands_in(virtual, sorry)
            self.tell_quorum(virtual, f"=> {word} {model.quorum}+{model.hysteresis}={threshold} <= {total} <=")

    def _quorum_changed(self, virtual: Virtual, fact: str, total: int) -> None:
        quorum, hysteresis = virtual.model.quorum, virtual.model.hysteresis
        detail = f"live servers weigh {total}, quorum {quorum}"
        detail += f", hysteresis {hysteresis}" if hysteresis else ""
        virtual.cause = Cause(fact, virtual.name, detail, self.now, virtual.model.at)
        virtual.changed_ns = self.now

    def pool_returns(self, virtual: Virtual, sorry: Sorry) -> Procedure:
        """The quorum is back: the sorry server out, every real server that is alive in."""
        batch = Batch()
        batch.say(
            f"{'Disabling' if sorry.model.inhibit else 'Removing'} sorry server {sorry.name} from VS {virtual.name}"
        )
        if sorry.model.inhibit:
            self.put(batch, virtual.services, sorry, 0)
        else:
            self.take(batch, virtual.services, sorry)
        sorry.in_use = False
        batch.say(f"Adding alive servers to the pool for VS {virtual.name}")
        for real in virtual.reals:
            if real.alive:
                self.put(batch, virtual.services, real, real.kernel_weight)
        yield from self.perform(batch)

    def sorry_stands_in(self, virtual: Virtual, sorry: Sorry) -> Procedure:
        """The quorum is lost: every real server that is alive out, the sorry server in."""
        batch = Batch()
        batch.say(f"{'Enabling' if sorry.model.inhibit else 'Adding'} sorry server {sorry.name} to VS {virtual.name}")
        batch.say(f"Removing alive servers from the pool for VS {virtual.name}")
        for real in virtual.reals:
            if real.alive and real.model.inhibit_on_failure:
                self.put(batch, virtual.services, real, 0)
            elif real.alive:
                self.take(batch, virtual.services, real)
        self.put(batch, virtual.services, sorry, 1)
        sorry.in_use = True
        yield from self.perform(batch)

    # weights

    def change_weight(self, real: Real, weight: int, quorum: bool = True) -> Procedure:
        """A new effective weight: checker, operator or reload. 0 keeps the server alive but counts nothing."""
        batch = Batch()
        if self.note_weight(batch, real.virtual.services, real, weight):
            yield from self.perform(batch)
            if quorum:
                yield from self.update_quorum(real.virtual, False)

    def note_weight(self, batch: Batch, services: Iterable[ServiceKey], real: Real, weight: int) -> bool:
        """The same into a batch, for these services; False when the kernel's weight stays what it was."""
        old, new = real.kernel_weight, clamp(weight)
        real.weight = weight
        if old == new:
            return False
        word = "active" if real.alive else "inactive"
        virtual = real.virtual
        batch.say(f"Changing weight from {old} to {new} for {word} service {real.name} of VS {virtual.name}")
        if real.present and real.alive and not virtual.displaced:
            self.put(batch, services, real, new)
        return True

    # making and removing

    def create(self, virtual: Virtual, fresh: Collection[ServiceKey]) -> Procedure:
        """Make the services in `fresh` and put in what is new: servers without alpha before any check ran."""
        batch = Batch()
        news: list[Real] = []
        marks = () if virtual.alive else self.marks_of(virtual, virtual.entries)
        if marks:
            self.out.append(SetMarks(add=marks))
        self.add_services(batch, virtual, fresh)
        virtual.alive = True
        new = set(fresh)
        known = [service for service in virtual.services if service not in new]
        for real in virtual.reals:
            if real.carried:
                self.note_weight(batch, known, real, real.contributed_weight())
                continue
            comes_up = real.failed == 0 and not real.alive
            if comes_up or (real.model.inhibit_on_failure and not real.present):
                if real.model.inhibit_on_failure or not virtual.displaced:
                    idle = real.failed > 0 or virtual.displaced
                    self.put(batch, virtual.services, real, 0 if idle else real.kernel_weight)
                if comes_up:
                    real.alive = True
                    news.append(real)
        yield from self.perform(batch)
        if self.globals.rs_init_notifies:
            for real in news:
                self.tell_real(real)

    def finish_creation(self, virtual: Virtual) -> Procedure:
        """The quorum of a virtual server whose topology is made, and the idle entry of an inhibited sorry server."""
        yield from self.update_quorum(virtual, True)
        sorry = virtual.sorry
        if sorry is not None and sorry.model.inhibit and not sorry.present:
            if sorry.twin is not None and sorry.twin.present:
                sorry.present = True
                return
            batch = Batch()
            self.put(batch, virtual.services, sorry, wanted_sorry_weight(sorry) or 0)
            yield from self.perform(batch)

    def remove(self, virtual: Virtual, body: str, quiet: bool) -> Procedure:
        """Take a virtual server out of the kernel. `quiet` = its servers go with it, nobody is told of them."""
        batch = Batch()
        told: list[Real] = []
        if not quiet:
            told = self.take_servers(batch, virtual)
        self.drop_services(batch, virtual, virtual.services)
        marks = self.marks_of(virtual, virtual.entries)
        if marks:
            self.out.append(SetMarks(remove=marks))
        yield from self.perform(batch)
        for real in told:
            self.end_real(real, body)
        self.end_quorum(virtual, body)
        virtual.alive = False

    def take_servers(self, batch: Batch, virtual: Virtual) -> list[Real]:
        """All servers of a virtual server out of the kernel; returns those that were alive."""
        sorry = virtual.sorry
        if sorry is not None:
            self.take(batch, virtual.services, sorry)
            sorry.in_use = False
        told = []
        for real in virtual.reals:
            if self.stopping or real.present:
                batch.say(self.farewell_line(real))
            self.take(batch, virtual.services, real)
            if real.alive:
                told.append(real)
        return told

    def farewell_line(self, real: Real) -> str:
        """What the log says of a real server that goes with the daemon or by a reload."""
        word = "Shutting down" if self.stopping else "Removing"
        inhibited = " (inhibited)" if real.model.inhibit_on_failure and not real.alive else ""
        return f"{word}{inhibited} service {real.name} from VS {real.virtual.name}"

    def end_real(self, real: Real, body: str) -> None:
        """A real server that was alive is gone: at a stop only virtual servers with omega tell more than the trap."""
        real.alive = False
        silent = self.stopping and not real.virtual.model.omega
        self.tell_real(real, trap_only=silent)
        if real.model.smtp_alert and not silent:
            self.mail_real(real, body)

    def end_quorum(self, virtual: Virtual, body: str) -> None:
        """The same for the quorum of a virtual server that goes; a reload does not tell again that it is lost."""
        if not virtual.quorum_up and not self.stopping:
            return
        virtual.quorum_up = False
        self.tell_quorum(virtual, body, trap_only=self.stopping and not virtual.model.omega)

    def stop(self) -> Procedure:
        """Leave: everything out of the kernel, in the way lvs_flush_on_stop says."""
        self.stopping = True
        body = "=> Shutting down <="
        how = self.globals.lvs_flush_on_stop
        if how == "all":
            batch = Batch()
            batch.add(FLUSH)
            yield from self.perform(batch)
            for virtual in self.virtuals:
                self.end_quorum(virtual, body)
            return
        for virtual in self.virtuals:
            yield from self.remove(virtual, body, quiet=how == "VS")
