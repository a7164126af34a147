"""The IPVS core: messages in, effects out. Owns the virtual servers, the checkers and their timetable. Pure.

The rules are elsewhere: service.py (verdicts, quorum), reload.py, checks/ (each kind of checker). Here they are put in
order: one procedure at a time, each waiting for the kernel where it must.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.ipvs import global_settings
from pykeepalived.ipvs.adopt import adopt
from pykeepalived.ipvs.checks.events import BfdState, FileState
from pykeepalived.ipvs.checks.factory import make
from pykeepalived.ipvs.checks.framework import FIRST_RUN_NS, Conclusion
from pykeepalived.ipvs.desired import services, table, uses_marks
from pykeepalived.ipvs.effects import (
    AddressChanged,
    BfdChanged,
    CancelChecks,
    CheckEnded,
    CheckFigures,
    CheckReported,
    CorrectWorker,
    DropMarks,
    Effect,
    FileRead,
    Message,
    Operated,
    ReadTable,
    Reload,
    SetMarks,
    SetWeight,
    Start,
    StartWorkers,
    Stop,
    Stopped,
    TableRead,
)
from pykeepalived.ipvs.reload import begin_alpha, reload
from pykeepalived.ipvs.service import Batch, Director, Procedure
from pykeepalived.ipvs.shard import share_out
from pykeepalived.ipvs.state import Real, Virtual
from pykeepalived.ipvs.timetable import Check, Timetable
from pykeepalived.netlink.services import Operation, Table, Timeouts, missing
from pykeepalived.observe.cause import Cause, LogLine

AUDIT_NS = 5_000_000_000
"""How often the kernel's table is looked at for entries that somebody took away."""
AUDIT_SHARE = 100
"""A look that takes long is repeated after this many times as long: it never costs more than a few percent."""


class IpvsCore:
    """The core contract over ipvs.effects; see runtime/contract.py. `random_below(n)` gives 0..n-1."""

    def __init__(self, config: Config, random_below: Callable[[int], int]) -> None:
        self.config = config
        self.director = Director(config.globals)
        self.checks: list[Check] = []
        self.files: dict[str, int] = {}
        self._random = random_below
        self._sessions: dict[str, bool] = {}
        self._addresses: dict[bytes, int] = {}
        self._timetable = Timetable()
        self._procedures: deque[Procedure] = deque()
        self._current: Procedure | None = None
        self._unheard: list[tuple[Check, bool, Cause]] = []
        self._next_mark = config.globals.firewall.nftables_ipvs_start_fwmark
        self._globals = global_settings.KernelSettings()
        self._audit_at: int | None = None
        self._auditing = False
        self._asked = 0
        self.gone: tuple[Operation, ...] = ()
        """What brings back the entries that the table last read had lost."""
        self.wrong: tuple[Operation, ...] = ()
        """What mends those that were there, but not as they should be, or should not be there."""
        self._running = False

    # contract

    def receive(self, message: Message, now: int) -> None:
        self.director.now = now
        match message:
            case CheckEnded(checker, outcome):
                self._check_ended(checker, outcome, now)
            case CheckReported(checker, conclusion, figures):
                checker.take_figures(figures)
                self._act(checker, conclusion, 0)
            case CheckFigures(checkers, figures):
                for checker, values in zip(checkers, figures, strict=True):
                    checker.take_figures(values)
            case Operated(failures):
                self._advance(failures)
            case BfdChanged(name, up, delay_us):
                self._sessions[name] = up
                for check in self.checks:
                    if isinstance(check, BfdState) and check.model.name == name:
                        self._act(check, check.told(up, delay_us), 0)
            case FileRead(name, value):
                self._file_read(name, value)
            case AddressChanged(address, count):
                self._address_changed(bytes(address), count)
            case TableRead(found):
                self._table_read(found, now)
            case SetWeight(virtual, real, weight):
                self._set_weight(virtual, real, weight)
            case Start():
                self._start(message, now)
            case Reload():
                self._reload(message, now)
            case Stop(keep):
                self._stop(keep)

    def tick(self, now: int) -> None:
        self.director.now = now
        self.director.out += self._timetable.begin(now)
        if self._audit_at is not None and self._audit_at <= now:
            self._ask_table()

    def deadline(self) -> int | None:
        due = self._timetable.deadline()
        if self._audit_at is not None and (due is None or self._audit_at < due):
            return self._audit_at
        return due

    def drain(self) -> list[Effect]:
        effects = self.director.out
        self.director.out = []
        return effects

    # procedures

    def _run(self, procedure: Procedure) -> None:
        """Run it now, or after those that wait for the kernel."""
        self._procedures.append(procedure)
        if self._current is None:
            self._advance(None)

    def _advance(self, reply: Any) -> None:
        while True:
            if self._current is None:
                if not self._procedures:
                    break
                self._current = self._procedures.popleft()
                reply = None
            try:
                self.director.out.append(self._current.send(reply))
                return
            except StopIteration:
                self._current = None
        if self.director.vanished and self._running:
            self._ask_table()

    # checkers

    def _check_ended(self, check: Check, outcome: Any, now: int) -> None:
        weight = check.weight
        conclusion = self._timetable.end(check, outcome, now)
        if conclusion is not None:
            self._act(check, conclusion, check.weight - weight)

    def _act(self, check: Check, conclusion: Conclusion, reweighed: int) -> None:
        """Lines, weight, verdict, mail, in this order."""
        self._run(self._carry_out(check, conclusion, reweighed))

    def _carry_out(self, check: Check, conclusion: Conclusion, reweighed: int) -> Procedure:
        director = self.director
        real: Real = check.real
        virtual = real.virtual
        fields = {"REAL_SERVER": real.name, "VIRTUAL_SERVER": virtual.name}
        for text in conclusion.details:
            director.out.append(LogLine(text, detail=1, fields=fields))
        if conclusion.reweigh:
            yield from director.change_weight(real, real.weight + reweighed)
        else:
            real.weight += reweighed
        for text in conclusion.lines:
            director.out.append(LogLine(text, fields=fields))
        up = conclusion.verdict
        if up is None:
            return
        was_up, was_alive = check.is_up, real.alive
        fact = "check_succeeded" if up else "check_failed"
        cause = Cause(fact, type(check.model).__name__, check.text if not up else "", director.now, check.model.at)
        yield from director.verdict(check, up, cause)
        if check.is_up != up:
            self._correct(check)
            if director.vanished:
                self._unheard.append((check, up, cause))
            return
        if not conclusion.mail or not real.model.smtp_alert:
            return
        if (was_up != up or conclusion.mail_always) and (
            real.alive != was_alive or not director.globals.no_checker_emails
        ):
            director.mail_real(real, conclusion.mail)

    def _correct(self, check: Check) -> None:
        """The worker that runs it may think otherwise."""
        if check.delegated:
            self.director.out.append(CorrectWorker(check))

    def _file_read(self, name: str, value: int) -> None:
        self.files[name] = value
        if not self._running:
            return
        for check in self.checks:
            if isinstance(check, FileState) and check.model.track_file == name:
                weight = check.weight
                conclusion = check.told(value)
                if conclusion is not None:
                    self._act(check, conclusion, check.weight - weight)

    def _address_changed(self, address: bytes, count: int) -> None:
        """ha_suspend: the checkers of a virtual server work while its address is on some interface."""
        before = self._addresses.pop(address, 0)
        if count:
            self._addresses[address] = count
        for virtual in self.director.virtuals:
            model = virtual.model
            if not model.ha_suspend or model.address is None or bytes(model.address) != address:
                continue
            virtual.address_count = count
            if bool(before) == bool(count) or not self._running:
                continue
            self.director.say(f"Netlink reflector reports IP {model.address} {'added' if count else 'removed'}")
            for real in virtual.reals:
                for check in real.checks:
                    check.enabled = bool(count)
                    self._correct(check)
                    if check.timed:
                        word = "Activating" if count else "Suspending"
                        self.director.say(f"{word} healthchecker for service {real.name} for VS {virtual.name}")

    def _set_weight(self, virtual_name: str, real_name: str, weight: int) -> None:
        for virtual in self.director.virtuals:
            if virtual.name == virtual_name:
                for real in virtual.reals:
                    if real.name == real_name:
                        self._run(self.director.change_weight(real, weight))

    # start, reload, stop

    def _build(self, config: Config) -> list[Virtual]:
        """The virtual servers of a configuration, with checkers; those that are unchanged are the old objects."""
        groups = {group.name: group for group in config.virtual_server_groups}
        old = {virtual.identity(): virtual for virtual in self.director.virtuals}
        alike: Counter[tuple[object, ...]] = Counter()
        if config.globals.firewall.nftables_ipvs_table:
            self._assign_marks(config)
        built = []
        for model in config.virtual_servers:
            virtual = Virtual(model, groups.get(model.group))
            virtual.services = services(virtual, self.director.marks)
            first = virtual.identity()
            virtual.number = alike[first]
            alike[first] += 1
            before = old.get(virtual.identity())
            if before is not None and _unchanged(before, virtual):
                built.append(before)
                continue
            if model.address is not None:
                virtual.address_count = self._addresses.get(bytes(model.address), 0)
            for real in virtual.reals:
                real.checks = [
                    make(check, real, real.name, virtual.name, self._random) for check in real.model.checkers
                ]
                for check in real.checks:
                    check.enabled = not model.ha_suspend or virtual.address_count > 0
                    if isinstance(check, FileState):
                        check.begin(self.files.get(check.model.track_file, 0))
                real.weight = real.contributed_weight()
            built.append(virtual)
        return built

    def _assign_marks(self, config: Config) -> None:
        """nftables_ipvs: a mark for each pair of group and protocol, in the order of the file."""
        groups = {group.name: group for group in config.virtual_server_groups}
        for model in config.virtual_servers:
            key = (model.group, str(model.protocol))
            if model.group and key not in self.director.marks and uses_marks(Virtual(model, groups.get(model.group))):
                self.director.marks[key] = self._next_mark
                self._next_mark += 1

    def _start(self, message: Start, now: int) -> None:
        director, left = self.director, message.left
        director.virtuals = self._build(self.config)
        for virtual in director.virtuals:
            if left is None or not adopt(director, virtual, left):
                for real in virtual.reals:
                    begin_alpha(real)
        if left is None:
            director.suspect()
        self._run(self._begin(message.timeouts, first=left is None))
        self._register(now, message.processors)
        self._audit_at = now + AUDIT_NS

    def _begin(self, timeouts: Timeouts | None, first: bool) -> Procedure:
        director = self.director
        yield from self._globals.start(director, self.config.globals, timeouts, flush=first)
        marks = director.all_marks()
        if marks:
            director.out.append(SetMarks(add=marks))
        for virtual in director.virtuals:
            yield from director.create(virtual, () if virtual.carried else virtual.services)
            yield from director.finish_creation(virtual)

    def _reload(self, message: Reload, now: int) -> None:
        director, config = self.director, message.config
        self._forget_checks()
        old = director.virtuals
        for virtual in old:
            for real in virtual.reals:
                for check in real.checks:
                    if check.timed:
                        check.adopt(check)
        director.virtuals = new = self._build(config)
        before, self.config, director.globals = self.config.globals, config, config.globals
        self._run(self._change(before, old, new, message.timeouts))
        self._register(now, message.processors)

    def _change(self, before: Any, old: list[Virtual], new: list[Virtual], timeouts: Timeouts | None) -> Procedure:
        yield from self._globals.reload(self.director, before, self.config.globals, timeouts)
        yield from reload(self.director, old, new)

    def _stop(self, keep: bool) -> None:
        self._forget_checks()
        self._running = False
        self._audit_at = None
        self._run(self._end(keep))

    def _end(self, keep: bool) -> Procedure:
        if not keep:
            yield from self.director.stop()
        yield from self._globals.stop(self.director)
        if self.director.marks and not keep:
            self.director.out.append(DropMarks())
        self.director.out.append(Stopped())

    def _forget_checks(self) -> None:
        self._timetable.clear()
        self._unheard.clear()
        self.director.out.append(CancelChecks())

    def _register(self, now: int, processors: int) -> None:
        """Arm every timed checker, here or in a worker: a second, and up to its warmup, from now."""
        self._run(self._tell_registered())
        self._running = True
        self.checks = [check for virtual in self.director.virtuals for real in virtual.reals for check in real.checks]
        shards = share_out(self.checks, processors)
        outgoing = {id(check) for shard in shards for check in shard}
        for check in self.checks:
            check.delegated = id(check) in outgoing
            if check.timed:
                warmup_ns = check.model.warmup_us * 1000
                check.due = now + FIRST_RUN_NS + (self._random(warmup_ns) if warmup_ns else 0)
                if not check.delegated:
                    self._timetable.arm(check)
            elif isinstance(check, BfdState) and not check.has_run and check.model.name in self._sessions:
                # new here, but told long ago: the BFD process tells changes
                told = check.told(self._sessions[check.model.name], 0)
                self._act(check, told._replace(details=()), 0)
        if shards:
            self._run(self._start_workers(shards))

    def _start_workers(self, shards: Sequence[Sequence[Check]]) -> Procedure:
        """When the state of the checkers is settled: that is what workers begin with."""
        self.director.out.append(StartWorkers(shards))
        yield from ()

    def _tell_registered(self) -> Procedure:
        for virtual in self.director.virtuals:
            for real in virtual.reals:
                for check in real.checks:
                    if check.timed and (not check.enabled or not check.has_run):
                        word = "Activating" if check.enabled else "Deactivating"
                        self.director.say(f"{word} healthchecker for service {real.name} for VS {virtual.name}")
        self.director.say("Activating BFD healthchecker")
        yield from ()

    # the table

    def _ask_table(self) -> None:
        self.director.vanished = False
        self._audit_at = None
        if not self._auditing:
            self._auditing = True
            self._asked = self.director.now
            self.director.out.append(ReadTable())

    def _table_read(self, found: Table | None, now: int) -> None:
        self._auditing = False
        self.gone = self.wrong = ()
        if not self._running:
            return
        if self._current is not None:  # read in the middle of a change: look again when it is done
            self._audit_at = now
            return
        self._audit_at = now + max(AUDIT_NS, AUDIT_SHARE * (now - self._asked))
        if found is not None:
            wanted = table(self.director.virtuals)
            self.gone = tuple(missing(wanted, found))
            overdue = self.director.overdue(wanted, found)
            self.wrong = tuple(operation for operation in overdue if operation not in self.gone)
            self._run(self._repair(self.gone, self.wrong))

    def _repair(self, gone: Sequence[Operation], wrong: Sequence[Operation]) -> Procedure:
        """Put back what somebody took away, mend what the kernel refused to change or a predecessor left, repeat the
        verdicts that failed for want of it."""
        director = self.director
        batch = Batch()
        for operation in gone:
            what = f"{operation.destination} of service {operation.service}" if operation.destination else ""
            batch.say(f"IPVS entry {what or operation.service} has vanished - restoring it")
            batch.add(operation)
        for operation in wrong:
            what = f"{operation.destination} of service {operation.service}" if operation.destination else ""
            batch.say(f"IPVS entry {what or operation.service} is not as it should be - mending it")
            batch.add(operation)
        yield from director.perform(batch)
        director.vanished = False
        unheard, self._unheard = self._unheard, []
        for check, up, cause in unheard:
            yield from director.verdict(check, up, cause)
            self._correct(check)


def _unchanged(old: Virtual, new: Virtual) -> bool:
    """Whether the virtual server of the last configuration can go on as it is."""
    return (old.model, old.entries, old.services) == (new.model, new.entries, new.services)
