"""From a command line to a running daemon, step by step in keepalived's order, and the clean-up at its end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.observe.dump_files import dump_directory
from pykeepalived.parent.copies import SavingLoader
from pykeepalived.parent.daemon import Daemon
from pykeepalived.parent.launch import IDENTS, LOG_FILE_INFIXES, PARENT_NAME, ForkLauncher, RunChild
from pykeepalived.parent.loaded import Loader
from pykeepalived.parent.namespace import (
    NamespaceError,
    PrivateRunDirectory,
    enter,
    make_directory,
    remove_directory,
)
from pykeepalived.parent.options import DEFAULT_CONFIG_FILE, Options
from pykeepalived.parent.paths import RUN_DIRECTORY, RunPaths, run_paths
from pykeepalived.parent.process import CoreDumps, announce, detach
from pykeepalived.parent.systemd import ServiceManager
from pykeepalived.runtime import early_signals
from pykeepalived.runtime.child import DaemonOptions
from pykeepalived.runtime.child_loop import EXIT_FATAL
from pykeepalived.runtime.log import IDENT_PARENT, Log, LogOptions, ident_for, log_file_name, open_log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import ChildKind
from pykeepalived.runtime.pidfile import AlreadyRunningError, PidFile, running_pid
from pykeepalived.runtime.scheduling import remember_limits, set_child_subreaper, set_process_name

DEFAULT_UMASK = 0o177


class Extension(Protocol):
    """What is plugged into a running daemon (the control socket)."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the command line front gives the daemon: everything that is not process handling.

    `run_child(kind)` imports a child's code and returns its entry point; `extend` plugs services into the parent.
    `clear_leftovers` removes from the kernel what a killed child of a kind left, for a daemon that starts none of it.
    """

    product: str
    loader: Callable[[Options], Loader]
    run_child: Callable[[ChildKind], RunChild]
    extend: Callable[[Daemon, RunPaths], Extension]
    clear_leftovers: Callable[[ChildKind, DaemonOptions, Log], None]


class _Runs(Mapping[ChildKind, RunChild]):
    """Entry points that are imported when they are first wanted: in the parent, before the fork."""

    def __init__(self, find: Callable[[ChildKind], RunChild]) -> None:
        self._find = find
        self._found: dict[ChildKind, RunChild] = {}

    def prepare(self, kind: ChildKind) -> None:
        if kind not in self._found:
            self._found[kind] = self._find(kind)

    def __getitem__(self, kind: ChildKind) -> RunChild:
        self.prepare(kind)
        return self._found[kind]

    def __iter__(self) -> object:  # type: ignore[override]
        return iter(ChildKind)

    def __len__(self) -> int:
        return len(ChildKind)


def start(options: Options, parts: Parts) -> int:
    """Be the daemon. Returns the exit status: of the daemon, or 0 in the launcher that has detached it."""
    early_signals.begin()
    os.umask(DEFAULT_UMASK if options.umask is None else options.umask)
    manager = ServiceManager(os.environ)
    log_options = _log_options(options)
    log = open_log(log_options)
    announce(log, parts.product, options.command_line)
    complaint = dump_directory(os.environ)[1]
    if complaint:
        log.info(complaint)
    remember_limits()
    core_dumps = CoreDumps(log, options.core_dump, options.core_dump_pattern)
    loader = SavingLoader(parts.loader(options))
    loaded = loader()
    for line in loaded.lines:
        log.write(line)
    config = loaded.config
    if config is None:
        core_dumps.restore()
        return loaded.refusal
    settings = config.globals
    if options.umask is None and settings.umask is not None:
        os.umask(settings.umask)
    set_process_name(settings.process_name or PARENT_NAME)
    log = _named_log(log, log_options, settings.net_namespace, settings.instance)
    try:
        return _start_in_place(options, parts, loader, config, log, log_options, manager)
    finally:
        core_dumps.restore()


def _start_in_place(
    options: Options,
    parts: Parts,
    loader: Loader,
    config: Config,
    log: Log,
    log_options: LogOptions,
    manager: ServiceManager,
) -> int:
    """Namespace, directories, pid files, detaching; then the daemon; then the clean-up."""
    settings = config.globals
    paths = _paths(options, config)
    run_directory: PrivateRunDirectory | None = None
    if settings.net_namespace:
        try:
            enter(settings.net_namespace)
        except NamespaceError as error:
            log.error(str(error))
            log.error(f"Unable to set network namespace {settings.net_namespace} - exiting")
            return 0
        run_directory = PrivateRunDirectory(settings.net_namespace, log)
    _make_run_directory(paths, log)
    if paths.reload_file:
        with contextlib.suppress(OSError):
            os.unlink(paths.reload_file)
    try:
        pid_files = _take_pid_files(options, paths)
    except AlreadyRunningError as error:
        log.info(str(error))
        log.info("daemon is already running")
        return 0
    if not options.dont_fork and not detach():
        return 0
    log = _named_log(log, log_options, settings.net_namespace, settings.instance, quiet=True)
    parent_file = pid_files.pop(None)
    try:
        parent_file.write(os.getpid())
        return _serve(options, parts, loader, config, log, log_options, manager, paths, pid_files)
    except AlreadyRunningError as error:
        log.error(str(error))
        return 0
    finally:
        parent_file.remove()
        for pid_file in pid_files.values():
            if pid_file is not None:
                pid_file.remove()
        if run_directory is not None:
            run_directory.remove()
        elif os.path.isdir(RUN_DIRECTORY):
            remove_directory(RUN_DIRECTORY)


def _serve(
    options: Options,
    parts: Parts,
    loader: Loader,
    config: Config,
    log: Log,
    log_options: LogOptions,
    manager: ServiceManager,
    paths: RunPaths,
    pid_files: dict[ChildKind | None, PidFile],
) -> int:
    settings = config.globals
    if settings.max_auto_priority is None:
        log.info("NOTICE: setting config option max_auto_priority should result in better keepalived performance")
    set_child_subreaper()
    runs = _Runs(parts.run_child)
    loop = Loop()
    launcher = ForkLauncher(
        signal_fd=lambda: loop.signal_fd,
        runs=runs,
        options=_child_options(options, paths),
        open_log=lambda kind: _child_log(kind, log_options, settings.net_namespace, settings.instance),
        pid_files={kind: file for kind, file in pid_files.items() if kind is not None},
    )
    daemon = Daemon(
        options,
        config,
        loop=loop,
        log=log,
        launcher=launcher,
        product=parts.product,
        loader=loader,
        make_loader=parts.loader,
        manager=manager,
        prepare=runs.prepare,
        clear=lambda kind: parts.clear_leftovers(kind, _child_options(options, paths), log),
        reload_file=lambda config: _paths(options, config).reload_file,
    )
    status = _run(daemon, log, lambda: parts.extend(daemon, paths))
    log.info(f"Stopped {parts.product}")
    return status


def _run(daemon: Daemon, log: Log, extend: Callable[[], Extension]) -> int:
    """Run until told to stop; an internal error ends the daemon with a status of its own."""
    extensions: list[Extension] = []
    # In the first turn of the loop, when the children are forked already: no advert waits for the import.
    daemon.loop.call_at(daemon.loop.now(), lambda: extensions.append(extend()))
    try:
        return daemon.run()
    except Exception as error:
        log.internal_error(error, detail=0)
        return EXIT_FATAL
    finally:
        for extension in extensions:
            extension.close()


def _log_options(options: Options) -> LogOptions:
    file = ""
    if options.log_file is not None:
        directory = os.environ.get("TMPDIR", "/tmp")
        file = os.path.join(directory, options.log_file or "keepalived.log")
    return LogOptions(
        detail=options.log_detail,
        console=options.log_console,
        syslog=not options.no_syslog,
        facility=options.log_facility,
        file=file,
        foreground=options.dont_fork,
    )


def _child_log(kind: ChildKind, options: LogOptions, namespace: str, instance: str) -> Log:
    file = log_file_name(options.file, LOG_FILE_INFIXES[kind], namespace, instance) if options.file else ""
    return open_log(options, ident_for(IDENTS[kind], namespace, instance), file)


def _named_log(log: Log, options: LogOptions, namespace: str, instance: str, quiet: bool = False) -> Log:
    """The log under its final identifier and pid."""
    ident = ident_for(IDENT_PARENT, namespace, instance)
    if ident == IDENT_PARENT and not quiet:
        return log
    if not quiet:
        log.info(f"Changing syslog ident to {ident}")
    log.close()
    file = log_file_name(options.file, "", namespace, instance) if options.file else ""
    return open_log(options, ident, file)


def _paths(options: Options, config: Config) -> RunPaths:
    settings = config.globals
    return run_paths(
        instance=settings.instance,
        namespace=settings.net_namespace,
        use_pid_dir=settings.use_pid_dir,
        parent=options.pid_file,
        children={
            ChildKind.VRRP: options.vrrp_pid_file,
            ChildKind.CHECKER: options.checkers_pid_file,
            ChildKind.BFD: options.bfd_pid_file,
        },
        reload_file=settings.reload_file,
    )


def _make_run_directory(paths: RunPaths, log: Log) -> None:
    if paths.needs_directory or os.path.dirname(paths.control_socket) == RUN_DIRECTORY:
        try:
            make_directory(RUN_DIRECTORY)
        except OSError as error:
            log.warning(f"Unable to create directory {RUN_DIRECTORY} - {error.strerror}")


def _take_pid_files(options: Options, paths: RunPaths) -> dict[ChildKind | None, PidFile]:
    """Lock the pid files of everything that may run; None is the parent. Raises AlreadyRunningError."""
    enabled = {
        ChildKind.VRRP: options.run_vrrp,
        ChildKind.CHECKER: options.run_checker,
        ChildKind.BFD: options.run_bfd,
    }
    wanted: dict[ChildKind | None, str] = {None: paths.parent}
    wanted |= {kind: paths.children[kind] for kind, runs in enabled.items() if runs}
    taken: dict[ChildKind | None, PidFile] = {}
    try:
        for kind, path in wanted.items():
            taken[kind] = PidFile(path)
        other = running_pid(paths.parent)
        if other is not None:
            raise AlreadyRunningError(f"pid file {paths.parent} belongs to running process {other}")
    except AlreadyRunningError:
        for pid_file in taken.values():
            pid_file.abandon()
        raise
    return taken


def _child_options(options: Options, paths: RunPaths) -> DaemonOptions:
    return DaemonOptions(
        log_detail=options.log_detail,
        log_console=options.log_console,
        no_syslog=options.no_syslog,
        log_facility=options.log_facility,
        release_vips=options.release_vips,
        dont_release_vrrp=options.dont_release_vrrp,
        dont_release_ipvs=options.dont_release_ipvs,
        dump_config=options.dump_conf,
        address_monitoring=options.address_monitoring,
        snmp=options.snmp,
        snmp_agent_socket=options.snmp_agent_socket,
        ignore_sigint=options.ignore_sigint,
        config_id=options.config_id,
        config_file=options.config_file or DEFAULT_CONFIG_FILE,
        pid_file=paths.parent,
        sysctl_file=paths.sysctl_file,
        link_file=paths.link_file,
        object_file=paths.object_file,
        iptables_file=paths.iptables_file,
        ping_file=paths.ping_file,
        command_line=options.command_line,
    )
