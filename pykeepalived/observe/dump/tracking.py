"""Sync groups and tracked objects in keepalived.data: scripts, files, processes, BFD sessions, and who tracks them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pykeepalived.config.model import Config
from pykeepalived.config.model.vrrp import Tracker, Trackers, TrackFile, TrackProcess, VrrpScript, VrrpSyncGroup
from pykeepalived.observe.dump.instance import notify_lines, tracker_lines
from pykeepalived.observe.dump.text import command, ids, micro, true_false, whole_or_milli, yes_no
from pykeepalived.observe.snapshot import (
    TrackFileSnapshot,
    TrackProcessSnapshot,
    TrackScriptSnapshot,
    VrrpGroupSnapshot,
    VrrpSnapshot,
)


def group_lines(group: VrrpSyncGroup, now: VrrpGroupSnapshot) -> Iterator[str]:
    """One sync group."""
    yield f" VRRP Sync Group = {group.name}, {now.state.name}"
    for line in _group_lines(group, now):
        yield f"   {line}"


def _group_lines(group: VrrpSyncGroup, now: VrrpGroupSnapshot) -> Iterator[str]:
    yield f"Num member fault {now.members_fault}, num member init {now.members_init}"
    yield "VRRP member instances :"
    for member in group.members:
        yield f"  {member}"
    if group.tracking_weight:
        yield "sync group tracking weight set"
    yield f"Using smtp notification = {yes_no(group.smtp_alert)}"
    yield from tracker_lines(group.track.interfaces, "Tracked interfaces :", " weight ")
    yield from tracker_lines(group.track.scripts, "Tracked scripts :", " weight ")
    yield from tracker_lines(group.track.files, "Tracked files :", ", weight ")
    yield from tracker_lines(group.track.processes, "Tracked process :", ", weight ")
    yield from tracker_lines(group.track.bfds, "Tracked BFDs :", ": weight ")
    yield from notify_lines(group.notify)


class Followers:
    """Which instances track an object, by kind and name, with the weight in force. Group trackers count for members."""

    def __init__(self, config: Config) -> None:
        self._found: dict[tuple[str, str], dict[str, Tracker]] = {}
        self._kinds = ("interfaces", "scripts", "files", "processes", "bfds")
        for instance in config.vrrp_instances:
            self._add(instance.name, instance.track)
        for group in config.vrrp_sync_groups:
            for member in group.members:
                self._add(member, group.track)

    def _add(self, instance: str, track: Trackers) -> None:
        for kind in self._kinds:
            for tracker in getattr(track, kind):
                self._found.setdefault((kind, tracker.name), {}).setdefault(instance, tracker)

    def lines(self, kind: str, name: str) -> Iterator[str]:
        """The list of trackers of an object; nothing where there are none."""
        found = self._found.get((kind, name), {})
        trackers = tuple(replace(tracker, name=instance) for instance, tracker in found.items())
        for line in tracker_lines(trackers, "Tracking instances :", ", weight "):
            yield f"   {line}"

    def of(self, kind: str, name: str) -> dict[str, Tracker]:
        """Instance name to tracker."""
        return self._found.get((kind, name), {})


def script_lines(script: VrrpScript, now: TrackScriptSnapshot, followers: Followers) -> Iterator[str]:
    """One vrrp_script."""
    yield f" VRRP Script = {script.name}"
    yield f"   Command = {command(script.script)}"
    if script.script.path and script.script.path != script.script.words[0] and not script.script.file_test:
        yield f"   Path = {script.script.path}"
    yield f"   Interval = {whole_or_milli(script.interval_us)} sec"
    yield f"   Timeout = {whole_or_milli(script.timeout_us)} sec"
    yield f"   Weight = {_weight(script.weight, script.reverse)}"
    yield f"   Rise = {script.rise}"
    yield f"   Fall = {script.fall}"
    yield f"   Result = {now.result}"
    yield f"   Insecure = {yes_no(script.script.insecure)}"
    yield f"   Init state = {now.init_state}"
    yield f"   Status = {'GOOD' if now.good else 'BAD'}"
    yield f"   Script uid:gid = {ids(script.script.account)}"
    yield "   VRRP instances :"
    yield from followers.lines("scripts", script.name)
    yield f"   State = {now.run_state}"


def file_lines(file: TrackFile, now: TrackFileSnapshot, followers: Iterator[str]) -> Iterator[str]:
    """One track_file, of the VRRP process or the checker; `followers` are the lines about who tracks it."""
    yield f" Track file = {file.name}"
    yield f"   File = {file.path}"
    yield f"   Status = {now.value}"
    yield f"   Weight = {_weight(file.weight, file.reverse)}"
    yield from followers


def process_lines(process: TrackProcess, now: TrackProcessSnapshot, followers: Followers) -> Iterator[str]:
    """One vrrp_track_process."""
    yield f" VRRP Track process = {process.name}"
    yield f"   Process = {process.process}"
    if process.parameters:
        yield f"   Parameters = {' '.join(process.parameters)}"
    if process.param_match:
        yield "   Param match" + ("" if process.param_match == "exact" else f" = {process.param_match}")
    yield f"   Min processes = {process.quorum}"
    if process.quorum_max is not None:
        yield f"   Max processes = {process.quorum_max}"
    yield f"   Current processes = {now.current}"
    yield f"   Have quorum = {true_false(now.have_quorum)}"
    yield f"   Weight = {_weight(process.weight, process.reverse)}"
    yield f"   Terminate delay = {micro(process.terminate_delay_us)}s"
    yield f"   Fork delay = {micro(process.fork_delay_us)}s"
    yield f"   Fork delay timer {'' if now.fork_timer_ns else 'not '}running"
    yield f"   Terminate delay timer {'' if now.terminate_timer_ns else 'not '}running"
    yield f"   Full command = {true_false(process.full_command)}"
    yield from followers.lines("processes", process.name)


def bfd_lines(config: Config, snapshot: VrrpSnapshot, followers: Followers) -> Iterator[str]:
    """The section "VRRP Track BFDs"; nothing where no session reports to the VRRP process."""
    sessions = [session for session in config.bfd_instances if session.to_vrrp]
    if not sessions:
        return
    up = {bfd.name: bfd.up for bfd in snapshot.bfds}
    yield "------< VRRP Track BFDs >------"
    for session in sessions:
        yield f" VRRP Track BFD = {session.name}"
        yield f"   Weight = {_weight(session.weight, session.reverse)}"
        yield f"   Bfd is {'up' if up.get(session.name) else 'down'}"
        yield "   Tracking VRRP instances :"
        yield from followers.lines("bfds", session.name)


def _weight(weight: int, reverse: bool) -> str:
    return f"{weight}{' reverse' if reverse else ''}"
