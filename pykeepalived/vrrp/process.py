"""The VRRP child process: feeds sockets, kernel events, trackers and the clock to the core, performs what it decides.

The protocol is in router.py and below it; what every child does is in runtime/child_loop.py. Nothing here waits.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.iptables_helper import RuleKeeper, remove_noted
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.kernel import Kernel
from pykeepalived.netlink.made_links import MadeLinks
from pykeepalived.netlink.operations import DestroySet
from pykeepalived.netlink.sysctls import SavedSysctls, SysctlJournal
from pykeepalived.notify.messages import group_event, has_scripts, instance_event
from pykeepalived.notify.notifier import Notifier
from pykeepalived.notify.scripts import ScriptRunner
from pykeepalived.observe.dump.vrrp import vrrp_lines
from pykeepalived.observe.record_files import RecordWriter
from pykeepalived.observe.snapshot import Taken, VrrpSnapshot
from pykeepalived.runtime.bfd_pipe import BfdPipeReader
from pykeepalived.runtime.child import ChildContext, DaemonOptions
from pykeepalived.runtime.child_loop import EXIT_FATAL, EXIT_PERMISSION, ChildService
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import BfdEvent, ChildKind, Dump
from pykeepalived.runtime.scheduling import raise_open_files_limit
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.agent import VrrpAgent
from pykeepalived.vrrp.bus import VrrpBus
from pykeepalived.vrrp.dumps import VrrpDumps, with_descriptors, with_links
from pykeepalived.vrrp.forecast import forecast
from pykeepalived.vrrp.host import Host
from pykeepalived.vrrp.late_adverts import LateAdverts
from pykeepalived.vrrp.listening import Listening
from pykeepalived.vrrp.recording import Recorder
from pykeepalived.vrrp.router import Router
from pykeepalived.vrrp.sockets import AdvertSockets, FrameSocket
from pykeepalived.vrrp.surroundings import Surroundings

if TYPE_CHECKING:
    from pykeepalived.vrrp.sync_threads import SyncThreads

_SLICE_NS, _PAUSE_NS = 300_000, 5_000_000
"""How long work that can wait goes on at a time, and the pause before it goes on."""
_MOST_OPERATIONS = 250
"""Changes of the network at once: the kernel needs milliseconds for them, more the more addresses it has."""
_MOST_FRAMES = 256
"""Announcements at once."""
_FILES_BESIDE_SOCKETS = 44
"""Descriptors needed beside three a pool: logs, netlink, FIFOs, scripts, mail."""


def run(context: ChildContext) -> int:
    """The VRRP child: returns its exit status."""
    loop = Loop()
    try:
        return _start(context, loop)
    finally:
        loop.close()


def kernel_forecast(before: Config, after: Config) -> list[str]:
    """What a reload would do to the kernel as it is now, a line for each operation. Raises OSError.

    For a process that is not the VRRP child.
    """
    kernel = Kernel()
    try:
        return [str(operation) for operation in forecast(before, after, kernel.facts(routes=True, rules=True))]
    finally:
        kernel.close()


def clear_leftovers(options: DaemonOptions, log: Log) -> None:
    """Where no VRRP child is to run: remove what a killed one has left and the configuration cannot name.

    For a process that is not the VRRP child. Raises OSError.
    """
    kernel = Kernel()
    try:
        host = _host(kernel, options, log, time.monotonic_ns)
        host.adopt(Config())
        host.tidy()
        host.release(lambda: None)
        problems, sets = remove_noted(Journal(options.iptables_file)) if options.iptables_file else ([], [])
        for problem in (*problems, *kernel.perform([DestroySet(name) for name in sets])):
            log.error(str(problem))
    finally:
        kernel.close()


def _start(context: ChildContext, loop: Loop) -> int:
    log = context.log
    settings = context.config.globals
    log.info("Registering Kernel netlink reflector", detail=1)
    log.info("Registering Kernel netlink command channel", detail=1)
    try:
        kernel = Kernel(settings.vrrp_netlink_cmd_rcv_bufs, settings.vrrp_netlink_monitor_rcv_bufs)
    except OSError as error:
        log.error(f"Error while registering Kernel netlink channel: {error.strerror}")
        return EXIT_FATAL
    log.info("Registering gratuitous ARP shared channel", detail=1)
    if any(instance.family == 6 for instance in context.config.vrrp_instances):
        log.info("Registering gratuitous NDISC shared channel", detail=1)
    try:
        frames = FrameSocket(log.write)
    except OSError as error:
        log.error(f"Error {error.errno} while registering gratuitous ARP shared channel")
        return EXIT_PERMISSION if error.errno in (errno.EPERM, errno.EACCES) else EXIT_FATAL
    return VrrpProcess(context, loop, kernel, frames).run()


class VrrpProcess:
    """Everything around one Router. Implements runtime.child_loop.ChildHandler."""

    def __init__(self, context: ChildContext, loop: Loop, kernel: Kernel, frames: FrameSocket) -> None:
        self._context = context
        self._config = context.config
        self._generation = context.generation
        self._log = context.log
        self._loop = loop
        self._now = loop.now
        self._service = ChildService(context, loop, self)
        raise_open_files_limit(3 * len(context.config.vrrp_instances) + _FILES_BESIDE_SOCKETS, context.log)
        self._kernel = kernel
        self._frames = frames
        self._rule_keeper = RuleKeeper(loop, self._log.write, _journal(context.options.iptables_file))
        self._host = _host(
            kernel, context.options, context.log, loop.now, self._rule_keeper, breathe=self._service.alive
        )
        self._runner = ScriptRunner(loop, context.log, self._service.fork_script_helper)
        self._notifier = Notifier(loop, context.log, self._runner, "vrrp")
        self._surroundings = Surroundings(loop, self._log.write, self._runner, self._feed)
        self._dumps = VrrpDumps(context.log, self.snapshot)
        self._bus = VrrpBus(loop, context.log, self.on_dump, self._service.request_reload, self._send_garp)
        self._notifier.on_signal = self._bus.emit
        self._snmp = VrrpAgent(loop, context.log, context.options, self.snapshot)
        self._notifier.on_trap = self._snmp.emit
        self._timer = loop.idle_timer(self._tick)
        self._preparation: Iterator[None] = iter(())
        self._preparing = loop.idle_timer(self._prepare_some)
        self._noting = loop.idle_timer(self._note_some)
        self._sync: SyncThreads | None = None
        self._settling = False
        self._refused: set[tuple[str, Ip]] = set()
        self._stopping = False
        self._notifier.configure(context.config.globals)
        self._configure_sync(context.config)
        view = self._surroundings.begin(context.config, self._host.adopt(context.config))
        now, adopt = self._now(), context.respawned
        self._recorder = Recorder(context.config, view, now, time.time_ns(), adopt=adopt)
        self._router = Router(
            context.config, view, now, time.time_ns, adopt=adopt, log_detail=context.options.log_detail
        )
        self._records = RecordWriter(context.log, self._recorder.text, "vrrp")
        self._service.on_internal_error = self._records.write_once
        self._service.next_due = self._router.deadline
        self._sockets = AdvertSockets(self._now, self._router.hear, self._log.write, self._recorder.ring)
        self._late_adverts = LateAdverts(loop.now, self._router.deadline, self._send_due, self._service.alive)
        self._listening = Listening(
            loop,
            kernel.link,
            context.log.write,
            self._sockets,
            self._service.rest,
            self._feed,
            self._settle,
            self._late_adverts.let_leave,
        )
        self._do = self._performers()

    def _performers(self) -> dict[type, Callable[[Any], object]]:
        """Who performs which effect."""
        return {
            effects.OpenPool: self._listening.open,
            effects.SendAdverts: self._send_adverts,
            effects.RehearseAdvert: self._rehearse_advert,
            effects.GuardPool: self._listening.guard,
            effects.SortPool: self._listening.sort,
            effects.ChangeNetwork: self._change_network,
            effects.SendFrames: self._send_frames,
            effects.ClosePool: self._listening.close,
            effects.CreateLink: self._create_link,
            effects.RemoveLink: self._remove_link,
            effects.NotifyInstance: self._notify_instance,
            effects.NotifyGroup: self._notify_group,
            effects.WriteLog: self._write_log,
            effects.SyncDaemon: self._sync_daemon,
            effects.StartScript: self._surroundings.start_script,
            effects.StopScript: self._surroundings.stop_script,
            effects.WatchTrackers: lambda effect: self._surroundings.watch(effect, self._config),
        }

    def run(self) -> int:
        """Take over the addresses and run until told to stop."""
        self._settle()
        self._host.tidy()
        self._feed(self._host.events())
        self._loop.add_reader(self._kernel.event_fd, self._read_kernel)
        self._loop.on_signal(signal.SIGCHLD, self._reap)
        if self._context.bfd_in is not None:
            reader = BfdPipeReader(self._context.bfd_in, self._context.forked_ns)
            reader.attach(self._loop, self._bfd_changed, self._log.error)
        if self._context.options.dump_config:
            for line in vrrp_lines(self._config, self.snapshot()):
                self._log.info(line)
        gc.freeze()
        self._prepare_scripts()
        self._service.ready()
        self._bus.publish(self._config, self.snapshot)
        self._snmp.publish(self._config)
        self._prepare()
        status = self._service.run()
        self._close()
        return status

    def _prepare_scripts(self) -> None:
        """A fork now, when nothing is urgent, instead of at the first change of state."""
        if has_scripts(self._config):
            self._runner.prepare()

    def _prepare(self) -> None:
        """Make ready what a takeover needs, a little at a time."""
        self._preparation = self._host.preparation()
        self._preparing.move(self._now() + _PAUSE_NS)

    def _prepare_some(self) -> None:
        until = self._now() + _SLICE_NS
        for _ in self._preparation:
            if self._now() >= until:
                self._preparing.move(self._now() + _PAUSE_NS)
                return

    def _note_some(self) -> None:
        """Write down what has been added and removed, a little at a time."""
        until = self._now() + _SLICE_NS
        for _ in self._host.held.write():
            if self._now() >= until:
                self._noting.move(self._now() + _PAUSE_NS)
                return

    def _reap(self) -> None:
        self._runner.reap()
        self._dumps.reap()
        self._records.reap()
        self._bus.reap()
        self._snmp.reap()
        self._rule_keeper.reap()

    def _close(self) -> None:
        self._runner.close()
        self._rule_keeper.close()
        self._listening.close_all()
        self._frames.close()
        self._kernel.close()
        if self._sync is not None:
            self._sync.close()

    # the core

    def _tick(self) -> None:
        try:
            if self._late_adverts.is_late:
                self._late_adverts.let_leave()
                self._listening.hear_all()
            else:
                self._listening.catch_up()
            now = self._now()
            self._recorder.tick(now)
            self._router.tick(now)
        finally:
            self._settle()

    def _send_due(self, now: int) -> None:
        due = inputs.SendDue()
        self._recorder.message(due, now)
        self._router.receive(due, now)
        self._perform_adverts()

    def _perform_adverts(self) -> None:
        for effect in self._router.drain_adverts():
            self._do[type(effect)](effect)

    def _feed(self, messages: Iterable[inputs.Input]) -> None:
        """Tell the core what has come until now, then do what it wants."""
        self._sockets.read_quiet()
        for message in messages:
            now = self._now()
            self._recorder.message(message, now)
            self._router.receive(message, now)
        if not self._settling:
            self._settle()

    def _settle(self) -> None:
        """Perform what the core wants until it wants nothing more, then sleep until its deadline.

        Performing may give the core answers (through `_feed`), and it further wishes: they come in the next round.
        """
        router, perform = self._router, self._do
        self._settling = True
        try:
            while wanted := router.drain():
                begin = self._now()
                for effect in wanted:
                    try:
                        perform[type(effect)](effect)
                    except Exception as error:
                        # What one wish meets must not cost the others: tell, and go on.
                        if self._loop.on_error is None:
                            raise
                        self._loop.on_error(error)
                    self._late_adverts.let_leave()
                self._service.rest.after(begin)
        finally:
            self._settling = False
        deadline = router.deadline()
        if deadline is None:
            self._timer.cancel()
        elif deadline != self._timer.when:
            self._timer.move(deadline)

    # sending

    def _send_adverts(self, effect: effects.SendAdverts) -> None:
        self._sockets.send(effect.packets)

    def _rehearse_advert(self, effect: effects.RehearseAdvert) -> None:
        self._sockets.rehearse(effect.flow)

    def _send_frames(self, effect: effects.SendFrames) -> None:
        """All but those for what the kernel has refused since the core asked for them."""
        frames, refused = effect.frames, self._refused
        if refused:
            frames = [each for each in frames if (each.interface, each.address) not in refused]
        for start in range(0, len(frames), _MOST_FRAMES):
            self._frames.send(frames[start : start + _MOST_FRAMES])
            self._late_adverts.let_leave()

    # kernel

    def _change_network(self, effect: effects.ChangeNetwork) -> None:
        wanted = effect.operations
        failed = self._host.perform(wanted[:_MOST_OPERATIONS])
        for start in range(_MOST_OPERATIONS, len(wanted), _MOST_OPERATIONS):
            self._keep_up()
            failed += self._host.perform(wanted[start : start + _MOST_OPERATIONS])
        if self._host.held.waits:
            self._noting.move(self._now() + _PAUSE_NS)
        operations = [each.operation for each in failed]
        self._refused = {(o.interface, o.address.address) for o in operations if isinstance(o, effects.AddAddress)}
        # The kernel has told of our own changes by now. Hearing them at once keeps them apart from later changes of
        # the same address by others.
        self._feed([*failed, *self._host.events()])

    def _keep_up(self) -> None:
        """In the midst of long work: hear adverts, send those that are due, let the parent know that we live."""
        self._service.alive()
        self._late_adverts.let_leave()
        self._listening.hear_all()
        now, deadline = self._now(), self._router.deadline()
        if deadline is not None and deadline <= now:
            self._recorder.tick(now)
            self._router.tick(now)
            self._perform_adverts()

    def _read_kernel(self) -> None:
        messages = self._host.events()
        if messages:
            self._feed(messages)
            if not self._stopping:
                self._listening.retry()

    def _create_link(self, effect: effects.CreateLink) -> None:
        attached = self._host.create_link(effect)
        self._feed(self._host.events())
        if attached is not None:
            self._feed([attached])

    def _remove_link(self, effect: effects.RemoveLink) -> None:
        self._host.remove_link(effect.name)

    def _sync_daemon(self, effect: effects.SyncDaemon) -> None:
        if self._sync is not None:
            self._sync.set("" if self._stopping else effect.state)

    def _configure_sync(self, config: Config) -> None:
        """The IPVS side is imported and opened only where a configuration wants it."""
        daemon = config.globals.lvs_sync_daemon
        if self._sync is None:
            if daemon is None or not daemon.instance:
                return
            from pykeepalived.vrrp.sync_threads import SyncThreads

            self._sync = SyncThreads(self._log.write)
        followed = [each for each in config.vrrp_instances if daemon is not None and each.name == daemon.instance]
        self._sync.configure(config.globals, followed[0].virtual_router_id if followed else 0)

    # telling

    def _notify_instance(self, effect: effects.NotifyInstance) -> None:
        self._recorder.shown(effect, self._now())
        settings = self._config.globals
        self._notifier.send(instance_event(settings, effect.instance, effect.state, effect.priority, effect.fifo_only))

    def _notify_group(self, effect: effects.NotifyGroup) -> None:
        self._recorder.shown(effect, self._now())
        self._notifier.send(group_event(self._config.globals, effect.group, effect.state, effect.fifo_only))

    def _send_garp(self, instance: str) -> None:
        self._feed([inputs.SendGarp(instance)])

    def _write_log(self, effect: effects.WriteLog) -> None:
        self._log.write(effect.line)

    # trackers

    def _bfd_changed(self, events: list[BfdEvent]) -> None:
        self._feed([inputs.BfdChanged(event.name, event.up, event.sent_ns) for event in events])

    # orders

    def on_reload(self, config: Config, generation: int) -> tuple[str, ...]:
        """Adopt a configuration."""
        self._feed(self._host.events())
        self._config, self._generation = config, generation
        view = self._host.adopt(config)
        self._configure_sync(config)
        self._notifier.configure(config.globals)
        self._sockets.forget_flows()
        self._feed([inputs.Reload(config, view)])
        self._feed(self._host.events())
        self._prepare_scripts()
        self._bus.publish(config, self.snapshot)
        self._snmp.publish(config)
        self._prepare()
        return ()

    def on_stop(self) -> None:
        """Give everything up; the process ends when stop scripts and last mails have ended, at once without any."""
        self._stopping = True
        self._feed([inputs.Stop(release=not self._context.options.dont_release_vrrp)])
        self._loop.remove_reader(self._kernel.event_fd)
        self._timer.cancel()
        self._preparing.cancel()
        self._noting.cancel()
        self._surroundings.close()
        self._bus.stop()
        self._snmp.stop()
        self._host.release(lambda: self._notifier.finish(self._service.finish))

    def on_dump(self, kind: Dump) -> None:
        """Write a dump file."""
        self._dumps.write(kind, self._config)
        if kind is Dump.STATS_CLEAR:
            self._feed([inputs.ClearCounters()])

    def save_state(self, path: str) -> None:
        """Write the data dump to this file."""
        self._dumps.save(path, self._config)

    def on_query(self, words: tuple[str, ...]) -> dict[str, Any]:
        """`snapshot`: the whole process as data. `record`: write the last inputs to a file."""
        if words[:1] == ("record",):
            return self._records.write(words[1:])
        return {"snapshot": self.snapshot()} if words == ("snapshot",) else {}

    def snapshot(self) -> VrrpSnapshot:
        """The process as it is now: what the core knows, with descriptors, running scripts and clocks."""
        self._listening.catch_up()
        if not self._settling:
            self._settle()
        return replace(
            with_links(
                with_descriptors(self._router.snapshot(), self._sockets.pools(), self._surroundings.script_states()),
                self._kernel.link,
            ),
            taken=Taken(self._now(), time.time_ns()),
            pid=os.getpid(),
            generation=self._generation,
            log_dropped=self._log.dropped,
        )

    def on_peer_started(self, kind: ChildKind) -> None:
        """Only the BFD child is told of new readers."""


def _host(
    kernel: Kernel,
    options: DaemonOptions,
    log: Log,
    now: Callable[[], int],
    rule_keeper: RuleKeeper | None = None,
    breathe: Callable[[], object] = lambda: None,
) -> Host:
    return Host(
        kernel,
        log.write,
        now,
        _saved_sysctls(options.sysctl_file),
        monitor=options.address_monitoring,
        rule_keeper=rule_keeper,
        made=_made_links(options.link_file),
        notes=_journal(options.object_file),
        breathe=breathe,
    )


def _saved_sysctls(path: str) -> SavedSysctls:
    return SavedSysctls(journal=SysctlJournal(path) if path else None)


def _made_links(path: str) -> MadeLinks:
    return MadeLinks(_journal(path))


def _journal(path: str) -> Journal | None:
    return Journal(path) if path else None
