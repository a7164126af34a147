"""keepalived_check.data, the dump of the checker process, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import BfdCheck, Checker, FileCheck, HttpCheck, SslContext, VirtualServer
from pykeepalived.observe.dump.checkers import checker_lines
from pykeepalived.observe.dump.globals import global_lines
from pykeepalived.observe.dump.services import group_lines, server_name, virtual_lines, virtual_name
from pykeepalived.observe.dump.text import Moments
from pykeepalived.observe.dump.tracking import file_lines
from pykeepalived.observe.snapshot import (
    CheckerSnapshot,
    IpvsSnapshot,
    TrackFileSnapshot,
    VirtualServerSnapshot,
)


def ipvs_data(config: Config, snapshot: IpvsSnapshot, zone: tzinfo | None = None) -> str:
    """The text of keepalived_check.data. Objects the snapshot does not know are shown in their initial state."""
    return "".join(f"{line}\n" for line in ipvs_lines(config, snapshot, zone))


def ipvs_lines(config: Config, snapshot: IpvsSnapshot, zone: tzinfo | None = None) -> Iterator[str]:
    """The same, line by line (for the log with --dump-conf)."""
    moments = Moments(snapshot.taken, zone)
    yield from global_lines(config, snapshot.realtime_priority, config.globals.checker.rlimit_rttime_us)
    yield from _ssl(config)
    yield from _topology(config, snapshot)
    yield from _checkers(config, snapshot, moments)
    yield from _files(config, snapshot)
    yield from _bfds(config)


def _ssl(config: Config) -> Iterator[str]:
    uses_tls = any(isinstance(checker, HttpCheck) and checker.tls for _, _, checker in _each(config))
    if config.ssl is None and not uses_tls:
        return
    yield "------< SSL definitions >------"
    if config.ssl is None or config.ssl == SslContext():
        yield " Using autogen SSL context"
        return
    if config.ssl.password:
        yield " Password : ********"
    for label, value in (("CA file", config.ssl.ca), ("Certificate file", config.ssl.certificate)):
        if value:
            yield f" {label} : {value}"
    if config.ssl.key:
        yield f" Key file : {config.ssl.key}"


def _topology(config: Config, snapshot: IpvsSnapshot) -> Iterator[str]:
    if not config.virtual_servers and not config.virtual_server_groups:
        return
    yield "------< LVS Topology >------"
    yield f" System is compiled with LVS v{snapshot.ipvs_version or '1.2.1'}"
    for position, group in enumerate(config.virtual_server_groups):
        yield from group_lines(group, snapshot.groups[position] if position < len(snapshot.groups) else ())
    groups = {group.name: group for group in config.virtual_server_groups}
    for position, virtual in enumerate(config.virtual_servers):
        yield from virtual_lines(virtual, _virtual(snapshot, position, virtual), groups.get(virtual.group))


def _virtual(snapshot: IpvsSnapshot, position: int, virtual: VirtualServer) -> VirtualServerSnapshot:
    if position < len(snapshot.virtual_servers):
        return snapshot.virtual_servers[position]
    return VirtualServerSnapshot(name=virtual_name(virtual))


def _checkers(config: Config, snapshot: IpvsSnapshot, moments: Moments) -> Iterator[str]:
    found = False
    logs_all = config.globals.checker_log_all_failures
    for position, virtual in enumerate(config.virtual_servers):
        now = _virtual(snapshot, position, virtual)
        for place, real in enumerate(virtual.real_servers):
            states = now.real_servers[place].checkers if place < len(now.real_servers) else ()
            title = f"{virtual_name(virtual)} -> {server_name(real.address, virtual, real.port)}"
            for index, checker in enumerate(real.checkers):
                if not found:
                    yield "------< Health checkers >------"
                    found = True
                state = states[index] if index < len(states) else CheckerSnapshot(up=not checker.alpha)
                yield from checker_lines(title, checker, state, virtual, moments, logs_all)


def _files(config: Config, snapshot: IpvsSnapshot) -> Iterator[str]:
    followers: dict[str, list[str]] = {}
    for title, _, checker in _each(config):
        if isinstance(checker, FileCheck):
            weight = f"{checker.weight}{' reverse' if checker.reverse else ''}"
            followers.setdefault(checker.track_file, []).append(f"     {title}, weight {weight}")
    values = {file.name: file for file in snapshot.files}
    files = [file for file in config.track_files if file.name in followers]
    if files:
        yield "------< Checker track files >------"
    for file in files:
        lines = ["   Tracking instances :", *followers[file.name]]
        yield from file_lines(file, values.get(file.name) or TrackFileSnapshot(name=file.name), iter(lines))


def _bfds(config: Config) -> Iterator[str]:
    followers: dict[str, list[str]] = {}
    for _, server, checker in _each(config):
        if isinstance(checker, BfdCheck):
            followers.setdefault(checker.name, []).append(server)
    sessions = [session for session in config.bfd_instances if session.to_checker]
    if sessions:
        yield "------< Checker track BFDs >------"
    for session in sessions:
        yield f" Checker Track BFD = {session.name}"
        yield "   Tracking RS :"
        for server in followers.get(session.name, ()):
            yield f"   {server}"


def _each(config: Config) -> Iterator[tuple[str, str, Checker]]:
    """Every checker with its `VS -> RS` and its RS."""
    for virtual in config.virtual_servers:
        for real in virtual.real_servers:
            server = server_name(real.address, virtual, real.port)
            for checker in real.checkers:
                yield f"{virtual_name(virtual)} -> {server}", server, checker
