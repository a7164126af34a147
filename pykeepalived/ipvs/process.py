"""The checker child process: feeds outcomes, events and the clock to the core, performs what it decides.

The rules are in core.py and below it; what every child does is in runtime/child_loop.py.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import FileCheck, HttpCheck, MiscCheck, PingCheck
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.agent import CheckerAgent
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome, Reason, Transport
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.dial import Dialler
from pykeepalived.ipvs.kernel_marks import KernelMarks
from pykeepalived.ipvs.kernel_table import KernelTable
from pykeepalived.ipvs.recording import Recorder
from pykeepalived.ipvs.report import snapshot
from pykeepalived.ipvs.surroundings import AddressWatch, PingPermission, TrackedFiles
from pykeepalived.ipvs.tls import TlsError, TlsFactory
from pykeepalived.ipvs.traffic import traffic
from pykeepalived.ipvs.worker import fork_check_worker
from pykeepalived.ipvs.workers import Shard, Workers
from pykeepalived.netlink.kernel_ipvs import IpvsKernel, IpvsUnavailableError
from pykeepalived.notify.messages import real_server_event, real_server_mail, virtual_server_event
from pykeepalived.notify.notifier import Notifier
from pykeepalived.notify.scripts import ScriptResult, ScriptRun, ScriptRunner
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.observe.dump.ipvs import ipvs_data, ipvs_lines
from pykeepalived.observe.dump_files import DumpWriter, data_path, dump_directory
from pykeepalived.observe.record_files import RecordWriter
from pykeepalived.observe.snapshot import IpvsSnapshot, Taken, VirtualTrafficSnapshot
from pykeepalived.runtime.bfd_pipe import BfdPipeReader
from pykeepalived.runtime.child import ChildContext
from pykeepalived.runtime.child_loop import EXIT_FATAL, ChildService
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import BfdEvent, ChildKind, Dump
from pykeepalived.runtime.scheduling import raise_open_files_limit
from pykeepalived.runtime.tracked_files import write_initial

_FILES_BESIDE_CHECKS = 48
"""Descriptors needed beside one a checker: logs, netlink, FIFOs, scripts, mail."""
_NOT_STARTED = 127


def run(context: ChildContext) -> int:
    """The checker child: returns its exit status."""
    loop = Loop()
    try:
        return CheckerProcess(context, loop).run()
    except TlsError as error:
        _tell_tls(context, error)
        return EXIT_FATAL
    finally:
        loop.close()


def _tell_tls(context: ChildContext, error: TlsError) -> None:
    settings = context.config.ssl
    context.log.info(str(error))
    context.log.info("Error Initialize SSL, ctx Instance")
    if settings is not None:
        context.log.info(f"  SSL  keyfile:{settings.key}")
        context.log.info(f"  SSL   cafile:{settings.ca}")
    context.log.info("Terminate...")


class CheckerProcess:
    """Everything around one IpvsCore. Implements runtime.child_loop.ChildHandler."""

    def __init__(self, context: ChildContext, loop: Loop) -> None:
        self._context = context
        self._config = config = context.config
        self._log = context.log
        self._loop = loop
        self._service = ChildService(context, loop, self)
        self._table = KernelTable(config.globals, context.log)
        self._runner = ScriptRunner(loop, context.log, self._service.fork_script_helper)
        self._notifier = Notifier(loop, context.log, self._runner, "lvs", runs_global_script=not config.wants_vrrp)
        self._tls = TlsFactory(config.ssl)
        self._dialler = Dialler(loop, self._check_ended, self._settle, self._tls)
        self._files = TrackedFiles(loop, self._log.write, self._file_changed)
        self._addresses: AddressWatch | None = None
        self._ping = PingPermission(self._log.write, context.options.ping_file)
        self._marks = KernelMarks(context.log)
        self._runs: dict[int, ScriptRun] = {}
        self._timer = loop.idle_timer(self._tick)
        self._dumps = DumpWriter(context.log)
        self._snmp = CheckerAgent(loop, context.log, context.options, self._snapshot, self._traffic)
        self._snmp.on_weight = self._weight_set
        self._notifier.on_trap = self._snmp.emit
        self._settling = False
        self._changes: list[str] | None = None
        seed = config.globals.random_seed
        self._random = random.Random(seed)
        self._recorder = Recorder(config, loop.now(), self._random.randrange)
        self._records = RecordWriter(context.log, self._recorder.text, "checker")
        self._service.on_internal_error = self._records.write_once
        self._core = IpvsCore(config, self._recorder.random_below)
        self._workers = Workers(loop, self._log, self._fork_worker, self._feed_all, self._random.randrange)
        self._do: dict[type, Callable[[Any], object]] = {
            LogLine: self._write,
            effects.Operate: self._operate,
            effects.StartCheck: self._start_check,
            effects.StartWorkers: lambda effect: self._workers.start(effect.shards),
            effects.CorrectWorker: lambda effect: self._workers.correct(effect.checker),
            effects.CancelChecks: self._cancel_checks,
            effects.ReadTable: self._read_table,
            effects.SetMarks: self._marks.set,
            effects.DropMarks: self._marks.drop,
            effects.Tell: self._tell,
            effects.MailReal: self._mail_real,
            effects.Stopped: self._stopped,
        }

    def run(self) -> int:
        """Build the table, check servers until told to stop."""
        self._log.write(LogLine("Initializing ipvs", Priority.DEBUG))
        self._table.open()
        self._prepare(self._config, first=True)
        left = self._table.read() if self._context.respawned else None
        start = effects.Start(self._table.timeouts(), left, _processors(self._config))
        self._receive(start)
        self._settle()
        if self._context.bfd_in is not None:
            reader = BfdPipeReader(self._context.bfd_in, self._context.forked_ns)
            reader.attach(self._loop, self._bfd_changed, self._log.error)
        self._loop.on_signal(signal.SIGCHLD, self._reap)
        if self._context.options.dump_config:
            for line in ipvs_lines(self._config, self._snapshot()):
                self._log.info(line)
        gc.collect()
        gc.freeze()
        self._service.ready()
        self._snmp.publish(self._config)
        status = self._service.run()
        self._close()
        return status

    def _prepare(self, config: Config, first: bool = False) -> None:
        """Everything a configuration needs of the machine. Raises TlsError, but only the first time."""
        self._marks.settings = config.globals
        checkers = [check for vs in config.virtual_servers for rs in vs.real_servers for check in rs.checkers]
        raise_open_files_limit(len(checkers) + _FILES_BESIDE_CHECKS, self._log)
        self._notifier.configure(config.globals, runs_global_script=not config.wants_vrrp)
        if any(isinstance(check, HttpCheck) and check.tls for check in checkers):
            self._prepare_tls(first)
        if any(isinstance(check, PingCheck) for check in checkers):
            self._ping.obtain()
        else:
            self._ping.give_back()
        if any(isinstance(check, MiscCheck) for check in checkers):
            self._runner.prepare()
        names = {check.track_file for check in checkers if isinstance(check, FileCheck)}
        files = [file for file in config.track_files if file.name in names]
        for file in files:
            write_initial(file, self._log.write)
        self._files.watch(files)
        watched = [vs.address for vs in config.virtual_servers if vs.ha_suspend and vs.address is not None]
        if watched:
            if self._addresses is None:
                self._log.info("Registering Kernel netlink reflector", detail=1)
                self._log.info("Registering Kernel netlink command channel", detail=1)
                buffer = config.globals.lvs_netlink_monitor_rcv_bufs
                try:
                    self._addresses = AddressWatch(self._loop, buffer, self._address_changed)
                except OSError as error:
                    self._log.error(f"Error while registering Kernel netlink reflector channel: {error.strerror}")
            if self._addresses is not None:
                self._addresses.tell(watched)
        elif self._addresses is not None:
            self._addresses.close()
            self._addresses = None

    def _prepare_tls(self, first: bool) -> None:
        try:
            self._tls.prepare()
        except TlsError as error:
            if first:
                raise
            self._log.error(str(error))  # the SSL_GETs that need it fail and tell it

    def _close(self) -> None:
        self._workers.stop()
        self._dialler.close()
        self._files.close()
        if self._addresses is not None:
            self._addresses.close()
        self._ping.give_back()
        self._runner.close()
        self._table.close()

    # the core

    def _tick(self) -> None:
        now = self._loop.now()
        self._recorder.tick(self._core, now)
        self._core.tick(now)
        self._settle()

    def _receive(self, message: effects.Message) -> None:
        now = self._loop.now()
        self._recorder.message(self._core, message, now)
        self._core.receive(message, now)

    def _feed(self, message: effects.Message) -> None:
        self._feed_all((message,))

    def _feed_all(self, messages: Sequence[effects.Message]) -> None:
        for message in messages:
            self._receive(message)
        self._settle()

    def _settle(self) -> None:
        """Perform what the core wants until it wants nothing more, then sleep until its deadline."""
        core, perform = self._core, self._do
        if self._settling:
            return
        self._settling = True
        try:
            while wanted := core.drain():
                for effect in wanted:
                    try:
                        perform[type(effect)](effect)
                    except Exception as error:
                        self._survive(effect, error)
        finally:
            self._settling = False
        deadline = core.deadline()
        if deadline is None:
            self._timer.cancel()
        elif deadline != self._timer.when:
            self._timer.move(deadline)

    def _write(self, line: LogLine) -> None:
        self._log.write(line)
        if self._changes is not None:
            self._changes.append(line.text)

    def _survive(self, effect: Any, error: Exception) -> None:
        """An internal error: tell it loudly, and answer the core so that everything else goes on."""
        self._log.error(f"Internal error in {type(effect).__name__}: {type(error).__name__}: {error}")
        if isinstance(effect, effects.Operate):
            self._receive(effects.Operated())
        elif isinstance(effect, effects.StartCheck):
            self._check_ended(effect.checker, Outcome(False, Reason.SKIPPED, str(error)))
        elif isinstance(effect, effects.ReadTable):
            self._receive(effects.TableRead(None))
        self._records.write_once()

    # the kernel's table

    def _operate(self, effect: effects.Operate) -> None:
        self._receive(effects.Operated(tuple(self._table.perform(effect.operations))))

    def _read_table(self, _effect: effects.ReadTable) -> None:
        self._table.open()
        found = self._table.read()
        self._receive(effects.TableRead(found))
        if found is not None:
            self._recorder.looked(self._core, self._loop.now())

    # attempts

    def _start_check(self, effect: effects.StartCheck) -> None:
        attempt = effect.attempt
        if attempt.transport is Transport.SCRIPT:
            self._start_script(effect.checker, attempt)
        else:
            self._dialler.start(effect.checker, attempt)

    def _check_ended(self, checker: Any, outcome: Outcome) -> None:
        self._receive(effects.CheckEnded(checker, outcome))

    def _start_script(self, checker: Any, attempt: Attempt) -> None:
        assert attempt.script is not None

        def done(result: ScriptResult) -> None:
            if self._runs.get(id(checker)) is started:
                del self._runs[id(checker)]
                self._check_ended(checker, _script_outcome(result))
                self._settle()

        started = self._runner.start(attempt.script, (), attempt.timeout_us * 1000 or None, done, repeatable=True)
        self._runs[id(checker)] = started

    def _fork_worker(self, sock: socket.socket, shard: Shard) -> int:
        def reseed() -> None:
            self._random.seed(self._config.globals.random_seed)

        return fork_check_worker(sock, shard, self._config, self._tls, self._log.detail, reseed)

    def _cancel_checks(self, _effect: effects.CancelChecks) -> None:
        self._workers.stop()
        self._dialler.drop_all()
        runs, self._runs = self._runs, {}
        for run_ in runs.values():
            run_.terminate(1_000_000_000)

    # telling

    def _tell(self, effect: effects.Tell) -> None:
        self._recorder.shown(effect, self._loop.now())
        settings = self._config.globals
        if effect.real is not None:
            event = real_server_event(effect.real, effect.real_name, effect.virtual_name, effect.up)
        else:
            event = virtual_server_event(settings, effect.virtual, effect.virtual_name, effect.up, effect.body)
        if effect.trap_only:
            event = replace(event, scripts=(), fifo="", mail=None)
        self._notifier.send(replace(event, final=effect.final))

    def _mail_real(self, effect: effects.MailReal) -> None:
        settings = self._config.globals
        mail = real_server_mail(settings, effect.real_name, effect.virtual_name, effect.up, effect.body)
        self._notifier.send(mail)

    # what the process watches

    def _file_changed(self, name: str, number: int) -> None:
        self._feed(effects.FileRead(name, number))

    def _address_changed(self, address: Any, count: int) -> None:
        self._feed(effects.AddressChanged(address, count))

    def _bfd_changed(self, events: list[BfdEvent]) -> None:
        now = self._loop.now()
        for event in events:
            self._feed(effects.BfdChanged(event.name, event.up, max(0, now - event.sent_ns) // 1000))

    # orders

    def on_reload(self, config: Config, generation: int) -> tuple[str, ...]:
        """Adopt a configuration."""
        self._log.write(LogLine("Reinitializing ipvs", Priority.DEBUG))
        self._workers.collect()
        if config.ssl != self._config.ssl:
            self._tls.configure(config.ssl)
        self._config = config
        self._table.configure(config.globals)
        self._prepare(config)
        self._changes = []
        self._feed(effects.Reload(config, self._table.timeouts(), _processors(config)))
        changes, self._changes = self._changes, None
        self._snmp.publish(config)
        return tuple(changes or ())

    def on_stop(self) -> None:
        """Give up the table and tell the last news; the process ends when scripts and mails have ended."""
        self._feed(effects.Stop(keep=self._context.options.dont_release_ipvs))

    def _stopped(self, _effect: effects.Stopped) -> None:
        self._timer.cancel()
        self._snmp.stop()
        self._notifier.finish(self._service.finish)

    def on_dump(self, kind: Dump) -> None:
        """Write keepalived_check.data; the checker process has no other dump."""
        if kind is not Dump.DATA:
            return
        self._log.info(f"Printing checker data for process({os.getpid()}) on signal")
        directory, complaint = dump_directory(os.environ)
        if complaint:
            self._log.info(complaint)
        self.save_state(data_path(self._config.globals, "checker", directory))

    def save_state(self, path: str) -> None:
        """Write the data dump to this file."""
        config = self._config
        self._workers.collect()
        self._dumps.write(path, lambda: ipvs_data(config, self._snapshot()))

    def _reap(self) -> None:
        self._runner.reap()
        self._workers.reap()
        self._dumps.reap()
        self._records.reap()
        self._snmp.reap()

    def on_query(self, words: tuple[str, ...]) -> dict[str, Any]:
        """`snapshot`: the whole process as data. `record`: write the last inputs to a file."""
        if words[:1] == ("record",):
            return self._records.write(words[1:])
        if words == ("snapshot",):
            self._workers.collect()
            return {"snapshot": self._snapshot()}
        return {}

    def on_peer_started(self, kind: ChildKind) -> None:
        """Only the BFD child is told of new readers."""

    def _weight_set(self, virtual: str, real: str, weight: int) -> None:
        self._feed(effects.SetWeight(virtual, real, weight))

    def _traffic(self) -> tuple[VirtualTrafficSnapshot, ...] | None:
        """What the servers carry; with a socket of its own, as it is called in a copy of this process."""
        try:
            kernel = IpvsKernel.open(self._config.globals.net_namespace_ipvs)
        except IpvsUnavailableError:
            return None
        try:
            return traffic(self._core.director.virtuals, kernel.statistics())
        except OSError:
            return None
        finally:
            kernel.close()

    def _snapshot(self) -> IpvsSnapshot:
        taken = Taken(time.monotonic_ns(), time.time_ns())
        workers = self._workers
        return replace(
            snapshot(self._core),
            taken=taken,
            pid=os.getpid(),
            generation=self._service.generation,
            ipvs_version=self._table.version,
            log_dropped=self._log.dropped,
            workers=workers.snapshots(),
            process={"check_workers": len(workers), "check_worker_restarts_total": workers.restarts},
        )


def _processors(config: Config) -> int:
    """How many processors this process may use; checker_cpu_affinity is in force only after a reload."""
    return len(config.globals.checker.cpu_affinity or os.sched_getaffinity(0))


def _script_outcome(result: ScriptResult) -> Outcome:
    if result.failed_to_start:
        return Outcome(False, Reason.SCRIPT_ENDED, result.failed_to_start, _NOT_STARTED)
    if result.timed_out:
        return Outcome(False, Reason.SCRIPT_TIMED_OUT)
    if result.signal is not None:
        return Outcome(False, Reason.SCRIPT_SIGNALLED, "", result.signal)
    return Outcome(result.status == 0, Reason.SCRIPT_ENDED, "", result.status or 0)
