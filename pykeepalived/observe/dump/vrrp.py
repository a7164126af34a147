"""keepalived.data, the dump of the VRRP process, put together from its parts; and keepalived.stats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from pykeepalived.config.model import Config
from pykeepalived.observe.dump.globals import garp_group_lines, global_lines
from pykeepalived.observe.dump.instance import instance_lines, states
from pykeepalived.observe.dump.interfaces import interface_lines, socket_lines
from pykeepalived.observe.dump.network import address_line, route_line, rule_line
from pykeepalived.observe.dump.text import Moments
from pykeepalived.observe.dump.tracking import (
    Followers,
    bfd_lines,
    file_lines,
    group_lines,
    process_lines,
    script_lines,
)
from pykeepalived.observe.snapshot import (
    TrackFileSnapshot,
    TrackProcessSnapshot,
    TrackScriptSnapshot,
    VrrpGroupSnapshot,
    VrrpSnapshot,
)


def vrrp_data(config: Config, snapshot: VrrpSnapshot, zone: tzinfo | None = None) -> str:
    """The text of keepalived.data. Objects the snapshot does not know are shown in their initial state."""
    return "".join(f"{line}\n" for line in vrrp_lines(config, snapshot, zone))


def vrrp_lines(config: Config, snapshot: VrrpSnapshot, zone: tzinfo | None = None) -> Iterator[str]:
    """The same, line by line (for the log with --dump-conf)."""
    moments = Moments(snapshot.taken, zone)
    followers = Followers(config)
    yield from global_lines(config, snapshot.realtime_priority, config.globals.vrrp.rlimit_rttime_us)
    yield from garp_group_lines(config, moments)
    yield from _static(config, snapshot)
    yield from _topology(config, snapshot, moments)
    yield from socket_lines(snapshot.sockets, config)
    yield from _groups(config, snapshot)
    yield from _trackers(config, snapshot, followers)
    yield from interface_lines(config, snapshot, followers, moments)


def _static(config: Config, snapshot: VrrpSnapshot) -> Iterator[str]:
    if config.static_addresses:
        yield "------< Static Addresses >------"
        base = {now.vmac_name: now.base_interface for now in snapshot.instances if now.vmac_name}
        for position, address in enumerate(config.static_addresses):
            present = snapshot.static_addresses_set[position : position + 1] == (True,)
            device = f"{address.interface}@{base[address.interface]}" if address.interface in base else ""
            yield f"     {address_line(address, device, present)}"
    if config.static_routes:
        yield "------< Static Routes >------"
        for route in config.static_routes:
            yield f"     {route_line(route)}"
    if config.static_rules:
        yield "------< Static Rules >------"
        for rule in config.static_rules:
            yield f"     {rule_line(rule)}"
    if config.track_groups:
        yield "------< Static Track groups >------"
        for group in config.track_groups:
            yield f" Static Track Group = {group.name}"
            if group.members:
                yield "   VRRP member instances :"
                yield from (f"     {name}" for name in group.members)


def _topology(config: Config, snapshot: VrrpSnapshot, moments: Moments) -> Iterator[str]:
    if not config.vrrp_instances:
        return
    yield "------< VRRP Topology >------"
    for instance, now in states(config, snapshot):
        yield from instance_lines(instance, now, moments, config.globals.vrrp_defaults)


def _groups(config: Config, snapshot: VrrpSnapshot) -> Iterator[str]:
    if not config.vrrp_sync_groups:
        return
    yield "------< VRRP Sync groups >------"
    now = {group.name: group for group in snapshot.groups}
    for group in config.vrrp_sync_groups:
        yield from group_lines(group, now.get(group.name) or VrrpGroupSnapshot(name=group.name))


def _trackers(config: Config, snapshot: VrrpSnapshot, followers: Followers) -> Iterator[str]:
    if config.vrrp_scripts:
        yield "------< VRRP Scripts >------"
        scripts = {script.name: script for script in snapshot.scripts}
        for script in config.vrrp_scripts:
            known = scripts.get(script.name) or TrackScriptSnapshot(name=script.name)
            yield from script_lines(script, known, followers)
    files = [file for file in config.track_files if followers.of("files", file.name)]
    if files:
        yield "------< VRRP Track files >------"
        values = {file.name: file for file in snapshot.files}
        for file in files:
            value = values.get(file.name) or TrackFileSnapshot(name=file.name)
            yield from file_lines(file, value, followers.lines("files", file.name))
    if config.track_processes:
        yield "------< VRRP Track processes >------"
        counts = {process.name: process for process in snapshot.processes}
        for process in config.track_processes:
            count = counts.get(process.name) or TrackProcessSnapshot(name=process.name)
            yield from process_lines(process, count, followers)
    yield from bfd_lines(config, snapshot, followers)


_STATS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Packet Errors",
        (
            ("Length", "packet_len_err"),
            ("TTL", "ip_ttl_err"),
            ("Invalid Type", "invalid_type_rcvd"),
            ("Advertisement Interval", "advert_interval_err"),
            ("Address List", "addr_list_err"),
        ),
    ),
    (
        "Authentication Errors",
        (
            ("Invalid Type", "invalid_authtype"),
            ("Type Mismatch", "authtype_mismatch"),
            ("Failure", "auth_failure"),
        ),
    ),
    (
        "Authentication Extension Errors",
        (
            ("Missing", "auth_ext_missing"),
            ("Malformed", "auth_ext_malformed"),
            ("Unknown Key", "auth_ext_unknown_key"),
            ("Invalid HMAC", "auth_ext_invalid_hmac"),
            ("Stale", "auth_ext_stale"),
            ("Replay", "auth_ext_replay"),
        ),
    ),
    ("Priority Zero", (("Received", "pri_zero_rcvd"), ("Sent", "pri_zero_sent"))),
)


def vrrp_stats(snapshot: VrrpSnapshot) -> str:
    """The text of keepalived.stats: the counters of every instance."""
    lines: list[str] = []
    for instance in snapshot.instances:
        counters = instance.counters
        lines += [
            f"VRRP Instance: {instance.name}",
            "  Advertisements:",
            f"    Received: {counters.advert_rcvd}",
            f"    Sent: {counters.advert_sent}",
            f"  Became master: {counters.become_master}",
            f"  Released master: {counters.release_master}",
        ]
        for title, entries in _STATS:
            lines.append(f"  {title}:")
            lines += [f"    {label}: {getattr(counters, name)}" for label, name in entries]
    return "".join(f"{line}\n" for line in lines)
