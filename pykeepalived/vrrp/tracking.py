"""Who watches what: the tracked objects of a configuration, joined to the instances that use them.

What an object's state means is track.py; here are the blocks of instances, of their groups, and what is tracked
without being asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pykeepalived.config.model import Config
from pykeepalived.config.model.vrrp import Tracker, Trackers
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import WatchTrackers
from pykeepalived.vrrp.group import Group
from pykeepalived.vrrp.inputs import View
from pykeepalived.vrrp.instance import FaultKey, Instance
from pykeepalived.vrrp.machine import Link
from pykeepalived.vrrp.table import State
from pykeepalived.vrrp.track import TrackedBfd, TrackedFile, TrackedLink, TrackedProcess, TrackedScript, Use

KINDS = ("interface", "base", "script", "file", "process", "bfd")
"""Kinds of faults and contributions that come from trackers."""


class Tracking:
    """All tracked objects."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.links: dict[str, TrackedLink] = {}
        self.scripts: dict[str, TrackedScript] = {}
        self.files: dict[str, TrackedFile] = {}
        self.processes: dict[str, TrackedProcess] = {}
        self.bfds: dict[str, TrackedBfd] = {}
        self._told_early: dict[str, bool] = {}
        """Sessions of no interest yet: the BFD child may take over a configuration before we do."""

    def configure(
        self, config: Config, instances: list[Instance], now: int, *, reload: bool = False, unknown: bool = False
    ) -> None:
        """Make the objects and their users anew; states known before are kept. Instances are told everything that
        is known, and forget what is not tracked any more. `unknown`: BFD sessions are not down until they are said to
        be, because they were up for a predecessor."""
        self._make_objects(config, reload)
        if unknown:
            for bfd in self.bfds.values():
                bfd.up = None
        weights: dict[Instance, dict[FaultKey, int]] = {}
        static_interfaces = _static_interfaces(config)
        for instance in instances:
            weights[instance] = self._join(instance, static_interfaces.get(instance.name, ()))
        for instance in instances:
            self._forget(instance, weights[instance], now)
        self._context.outbox.later(WatchTrackers(tuple(self.files), tuple(self.processes), self._polled(config)))
        self.tell(now)
        for instance in instances:
            instance.waiting.clear()
        for script in self.scripts.values():
            for use in script.uses:
                if use.weight == 0 and script.waits and use.instance.state is State.INIT:
                    use.instance.waiting.add(script.name)

    def begin(self, view: View, now: int) -> None:
        """Take the state of files and processes at the start, before the instances decide."""
        for name, content in view.files.items():
            if name in self.files:
                self.files[name].receive(content, now)
        for name, count in view.processes.items():
            if name in self.processes:
                self.processes[name].receive(count, now)

    def tell(self, now: int) -> None:
        """Tell all users the present state of everything."""
        for link in self.links.values():
            link.up = self._context.machine.link(link.name).up
        for tracked in (*self.links.values(), *self.scripts.values(), *self.processes.values(), *self.bfds.values()):
            tracked.tell(now)
        for file in self.files.values():
            file.tell(now)

    def start_scripts(self, now: int) -> None:
        """First runs; scripts that ran before a reload keep their rhythm."""
        for script in self.scripts.values():
            if script.timer.when is None:
                script.start(now)

    def stop(self) -> None:
        for script in self.scripts.values():
            script.stop()
        for process in self.processes.values():
            process.stop()

    def link_changed(self, link: Link, now: int) -> None:
        tracked = self.links.get(link.name)
        if tracked is not None:
            tracked.set_up(link.up, now)

    def bfd_changed(self, name: str, up: bool, sent_ns: int, now: int) -> None:
        bfd = self.bfds.get(name)
        if bfd is None:
            self._told_early[name] = up
        else:
            bfd.receive(up, sent_ns, now)

    # objects

    def _make_objects(self, config: Config, reload: bool) -> None:
        self.links = {}
        scripts, self.scripts = self.scripts, {}
        for script_config in config.vrrp_scripts:
            script = TrackedScript(script_config, self._context)
            older = scripts.pop(script_config.name, None)
            if reload and older is None:
                # a reload makes no MASTER yield: a new script counts when it has run
                script.up = None
            if older is not None and older.config.script == script_config.script:
                script.inherit(older)
                if older.timer.when is not None:
                    script.timer.set(older.timer.when)
                older.timer.cancel()
            elif older is not None:
                older.stop()
            self.scripts[script.name] = script
        for gone in scripts.values():
            gone.stop()
        files, self.files = self.files, {}
        for file_config in config.track_files:
            file = self.files[file_config.name] = TrackedFile(file_config, self._context)
            former = files.get(file_config.name)
            if former is not None and former.config.path == file_config.path:
                file.value, file.known = former.value, former.known
        processes, self.processes = self.processes, {}
        for process_config in config.track_processes:
            process = self.processes[process_config.name] = TrackedProcess(process_config, self._context)
            if process_config.name in processes:
                process.inherit(processes[process_config.name])
        for older_process in processes.values():
            older_process.stop()
        bfds, self.bfds = self.bfds, {}
        for bfd_config in config.bfd_instances:
            if bfd_config.to_vrrp:
                bfd = self.bfds[bfd_config.name] = TrackedBfd(bfd_config.name, self._context)
                if bfd_config.name in bfds:
                    bfd.up = bfds[bfd_config.name].up
                elif reload:
                    # the BFD child tells every session of a new configuration, before us or after
                    bfd.up = self._told_early.get(bfd_config.name)
        self._told_early.clear()

    def _polled(self, config: Config) -> tuple[str, ...]:
        """Tracked interfaces whose link beat is polled; never VMACs."""
        named = {item.interface for item in config.linkbeat_interfaces}
        chosen = []
        for name in self.links:
            link = self._context.machine.link(name)
            by_instance = any(use.instance.config.linkbeat_use_polling for use in self.links[name].uses)
            wanted = name in named or config.linkbeat_use_polling or by_instance
            link.polled = wanted and self._context.machine.parent(link) is None
            if link.polled:
                chosen.append(name)
            else:
                link.linkbeat = True
        return tuple(chosen)

    # users

    def _join(self, instance: Instance, static_interfaces: Iterable[str]) -> dict[FaultKey, int]:
        """Returns the weights of all that the instance watches."""
        config = instance.config
        group = instance.group.config.track if instance.group is not None else Trackers()
        uses: dict[FaultKey, Use] = {}
        for kind, name in (*_implicit_interfaces(instance), *(("interface", name) for name in static_interfaces)):
            uses.setdefault((kind, name), Use(instance, (kind, name), at=config.at))
        for tracker in _merged(config.track.interfaces, group.interfaces):
            uses.setdefault(("interface", tracker.name), _use(instance, "interface", tracker))
        for use in uses.values():
            name = use.key[1]
            link = self.links.get(name)
            if link is None:
                link = self.links[name] = TrackedLink(name, self._context)
            link.uses.append(use)
        self._join_named(instance, group, uses)
        return {key: use.weight for key, use in uses.items()}

    def _join_named(self, instance: Instance, group: Trackers, uses: dict[FaultKey, Use]) -> None:
        track = instance.config.track
        kinds = (
            ("script", self.scripts, track.scripts, group.scripts),
            ("file", self.files, track.files, group.files),
            ("process", self.processes, track.processes, group.processes),
            ("bfd", self.bfds, track.bfds, group.bfds),
        )
        for kind, objects, own, of_group in kinds:
            for tracker in _merged(own, of_group):
                tracked = objects.get(tracker.name)
                if tracked is not None:
                    use = uses[(kind, tracker.name)] = _use(instance, kind, tracker)
                    tracked.uses.append(use)

    def _forget(self, instance: Instance, weights: dict[FaultKey, int], now: int) -> None:
        """Take back what trackers did to the instance that it does not have any more, or that do something else now: a
        fault without a weight, else a change of the priority. A file may do both, and says so itself."""
        watched = {key for key in weights if key[0] == "file"}
        weighing = watched | {key for key, weight in weights.items() if weight}
        faulting = watched | {key for key, weight in weights.items() if not weight}
        for key in [key for key in instance.contributions if key not in weighing]:
            instance.forget_contribution(key, now)
        for key in [key for key in instance.faults if key[0] in KINDS and key not in faulting]:
            instance.remove_fault(key, now)


def _use(instance: Instance, kind: str, tracker: Tracker) -> Use:
    return Use(instance, (kind, tracker.name), tracker.weight, tracker.reverse, tracker.at)


def _merged(own: tuple[Tracker, ...], of_group: tuple[Tracker, ...]) -> list[Tracker]:
    """Trackers of an instance and of its group: the group's weight wins unless the instance's is 0."""
    merged = {tracker.name: tracker for tracker in of_group}
    for tracker in own:
        if tracker.name not in merged or tracker.weight == 0:
            merged[tracker.name] = tracker
    return list(merged.values())


def _implicit_interfaces(instance: Instance) -> Iterator[tuple[str, str]]:
    """(kind, name) of interfaces an instance needs without saying so."""
    config = instance.config
    primary = config.interface
    if primary and not config.dont_track_primary:
        if instance.interface != primary or config.vmac is not None or config.ipvlan is not None:
            yield ("base", primary)
        if instance.interface:
            yield ("interface", instance.interface)
        parent = instance.context.machine.parent(instance.context.machine.link(primary))
        if parent is not None:
            yield ("base", parent.name)
    names: list[str] = []
    for placed in instance.estate.holdings.all_addresses:
        if not placed.config.no_track:
            names.append(placed.interface)
    for route in config.virtual_routes:
        if not route.no_track:
            # not those of nexthops: a route with several outlives the loss of one
            names.append(route.interface)
    for rule in config.virtual_rules:
        if not rule.no_track:
            names += [rule.iif, rule.oif]
    for name in names:
        if name and not (config.dont_track_primary and name in (primary, instance.interface)):
            yield ("interface", name)


def _static_interfaces(config: Config) -> dict[str, list[str]]:
    """Interfaces of static entries with a track_group, by the name of each instance of that group."""
    by_group: dict[str, list[str]] = {}
    for address in config.static_addresses:
        by_group.setdefault(address.track_group, []).append(address.interface)
    for route in config.static_routes:
        by_group.setdefault(route.track_group, []).append(route.interface)
    for rule in config.static_rules:
        by_group.setdefault(rule.track_group, []).append(rule.iif)
    found: dict[str, list[str]] = {}
    for group in config.track_groups:
        for member in group.members:
            found.setdefault(member, []).extend(name for name in by_group.get(group.name, ()) if name)
    return found


def groups_of(config: Config, instances: dict[str, Instance], context: Context) -> list[Group]:
    """The sync groups, and each member told its group."""
    groups = []
    for instance in instances.values():
        instance.group = None
    for group_config in config.vrrp_sync_groups:
        members = [instances[name] for name in group_config.members if name in instances]
        group = Group(group_config, members, context)
        for member in members:
            member.group = group
        groups.append(group)
    return groups
