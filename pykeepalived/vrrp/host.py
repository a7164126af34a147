"""The machine as the VRRP core sees it: kernel facts and events translated into its inputs, its operations performed.

Shell: talks to netlink.kernel and the sysctl files. It decides nothing; VMAC plans come from attachments.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import RTPROT_KEEPALIVED, IpRoute, IpRule
from pykeepalived.netlink import facts as kf
from pykeepalived.netlink import operations as ko
from pykeepalived.netlink.facts import Facts
from pykeepalived.netlink.journal import Journal
from pykeepalived.netlink.links import rp_filter_pushdown
from pykeepalived.netlink.made_links import MadeLinks
from pykeepalived.netlink.routes import match_route
from pykeepalived.netlink.rules import match_rule
from pykeepalived.netlink.sysctls import ROOT, SavedSysctls
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.vrrp import attachments, effects, inputs, translation
from pykeepalived.vrrp.attachments import Attachment, Plan
from pykeepalived.vrrp.filtering import Filtering, RuleKeeper
from pykeepalived.vrrp.forwarding import Forwarding
from pykeepalived.vrrp.held import HeldObjects
from pykeepalived.vrrp.preparation import preparation

_IGMP_SYSCTL = "net/ipv4/igmp_link_local_mcast_reports"


class KernelLike(Protocol):
    """What is needed of netlink.kernel.Kernel."""

    address_protocol: int

    def facts(self, routes: bool = False, rules: bool = False) -> Facts: ...

    def known(self) -> Facts: ...

    def watch(self, routes: bool = False, rules: bool = False) -> None: ...

    def has_table(self, family: int, name: str) -> bool: ...

    def links(self) -> dict[int, kf.Link]: ...

    def link(self, name: str) -> kf.Link | None: ...

    def perform(self, operations: Sequence[ko.Operation]) -> list[ko.OperationError]: ...

    def prepare(self, operation: ko.Operation) -> None: ...

    def read_events(self) -> list[kf.Event]: ...


class Host:
    """One per VRRP child. `log` gets what operators should know; with `monitor` every address that comes or goes.

    `breathe` is called again and again in the midst of work that may take seconds.
    """

    def __init__(
        self,
        kernel: KernelLike,
        log: Callable[[LogLine], object],
        now: Callable[[], int],
        sysctls: SavedSysctls | None = None,
        monitor: bool = False,
        rule_keeper: RuleKeeper | None = None,
        made: MadeLinks | None = None,
        notes: Journal | None = None,
        breathe: Callable[[], object] = lambda: None,
    ) -> None:
        self.kernel = kernel
        self._monitor = monitor
        self._log = log
        self._config = Config()
        self._sysctls = sysctls or SavedSysctls()
        self._filtering = Filtering(
            kernel.link, kernel.perform, lambda text: self._tell(text, Priority.ERROR), rule_keeper
        )
        self._plan = Plan()
        self._ours: dict[str, str] = {}
        """Links we made or took over, and the instance each was made for."""
        self._unneeded: dict[str, str] = {}
        """Those that are to be removed."""
        self._breathe = breathe
        self._made = made or MadeLinks()
        self._made_before = False
        self.held = HeldObjects(notes, kernel.link)
        self._pushed_down = False
        self._routes: list[IpRoute] = []
        self._rules: list[IpRule] = []
        self._forwarding = Forwarding(now)
        self._names: dict[int, str] = {}
        self._used: set[str] = set()
        self._loud: dict[str, str] = {}

    # configuration

    def adopt(self, config: Config) -> inputs.View:
        """Make ready what the configuration needs (VMACs, kernel parameters) and return the view of it."""
        self._remove_unneeded()
        first = not self._config.wants_vrrp
        self._config = config
        self.kernel.address_protocol = config.globals.address_protocol
        if first:
            self._filtering.configure(config.globals.firewall)
        self._collect_entries(config)
        self._used = _used_interfaces(config)
        self._loud = {
            instance.name: instance.interface
            for instance in config.vrrp_instances
            if instance.vmac is not None and instance.vmac.netlink_notify_msg
        }
        self.kernel.watch(routes=bool(self._routes), rules=bool(self._rules))
        facts = self._facts() if first else self.kernel.known()
        plan = attachments.plan(config, facts, self._plan.names)
        if first and self._remove_leftovers(plan, facts):
            facts = self._facts()
            plan = attachments.plan(config, facts)
        if first and self.held.are_left:
            self._remove_objects(config)
            facts = self._facts()
        if plan.attachments:
            for attachment in plan.attachments:
                if not attachment.exists:
                    self._create(attachment, facts)
                    self._breathe()
            facts = self._facts()
            for attachment in plan.attachments:
                self._make_ready(attachment, facts)
                self._breathe()
            facts = self._facts()
        self._plan = plan
        self._set_parameters(config)
        if first:
            self._sysctls.release_unused()
            if self._sysctls.trouble:
                self._tell(f"Kernel parameters cannot be noted - {self._sysctls.trouble}", Priority.WARNING)
            if self._made.trouble:
                self._tell(f"Interfaces cannot be noted - {self._made.trouble}", Priority.WARNING)
        self._filtering.prepare(config, plan)
        self._refresh_vmac_rules(facts)
        return self._view(facts)

    def tidy(self) -> None:
        """When the first decisions have been made: remove the firewall of a killed predecessor that nobody wants."""
        self._filtering.tidy(self.kernel.has_table, surely=self._made_before)

    def view(self) -> inputs.View:
        """The machine as it is now."""
        return self._view(self._facts())

    def preparation(self) -> Iterator[None]:
        """Let the kernel side work out, one step at a time, what a takeover will ask for."""
        return preparation(self.kernel.prepare, self._config, self._routes, self._rules)

    def _facts(self) -> Facts:
        return self.kernel.facts(routes=bool(self._routes), rules=bool(self._rules))

    def _collect_entries(self, config: Config) -> None:
        instances = config.vrrp_instances
        routes = [route for instance in instances for route in instance.virtual_routes]
        rules = [rule for instance in instances for rule in instance.virtual_rules]
        self._routes = [*routes, *config.static_routes]
        self._rules = [*rules, *config.static_rules]

    def _set_parameters(self, config: Config) -> None:
        users: set[str] = set()
        for instance in config.vrrp_instances:
            if instance.promote_secondaries and instance.vmac is None and instance.interface:
                path = f"net/ipv4/conf/{instance.interface}/promote_secondaries"
                user = f"promote {instance.name} {instance.interface}"
                self._sysctls.want(path, "1", user)
                users.add(user)
        for gone in [user for user in self._sysctls.users() if user.startswith("promote ") and user not in users]:
            self._sysctls.release_user(gone)
        if config.globals.vrrp_defaults.disable_local_igmp:
            self._sysctls.want(_IGMP_SYSCTL, "0", "igmp")

    # links of ours

    def _remove_leftovers(self, plan: Plan, facts: Facts) -> bool:
        """Remove the links that a killed predecessor made and nobody wants now; returns whether there were any."""
        left = self._made.left(facts)
        self._made_before = bool(left)
        wanted = {attachment.link.name for attachment in plan.attachments if attachment.exists}
        unwanted = [link for link in left if link.name not in wanted]
        for link in unwanted:
            self._tell(f"Removing {link.kind} interface {link.name} of a killed predecessor", Priority.INFO)
        refused = self._delete(link.name for link in unwanted)
        for error in refused.values():
            self._tell(str(error), Priority.ERROR)
        return bool(unwanted)

    def _delete(self, names: Iterable[str]) -> dict[str, ko.OperationError]:
        """Delete links of ours at once; returns what the kernel refused, by name."""
        deletions = [ko.DeleteLink(name) for name in names]
        errors = self.kernel.perform(deletions)
        refused = {error.operation.name: error for error in errors if isinstance(error.operation, ko.DeleteLink)}
        for deletion in deletions:
            if deletion.name not in refused:
                self._made.gone(deletion.name)
        return refused

    def _remove_objects(self, config: Config) -> None:
        """Likewise addresses, routes and rules that the configuration does not name."""
        for operation in self.held.unwanted(config, self.kernel.facts(routes=True, rules=True)):
            self._tell(f"Left by a killed predecessor: {operation}", Priority.INFO)
            for error in self.kernel.perform([operation]):
                self._tell(str(error), Priority.ERROR)

    def _create(self, attachment: Attachment, facts: Facts) -> None:
        name, instance = attachment.link.name, attachment.instance.name
        parent = facts.link(attachment.link.parent)
        if parent is None:
            return
        self._made.making(attachment.link, parent)
        errors = self.kernel.perform(attachments.creation(attachment, facts))
        failed = [error for error in errors if isinstance(error.operation, ko.AddLink)]
        if failed:
            self._made.gone(name)
            kind = "VMAC" if attachment.link.kind == "macvlan" else "ipvlan"
            self._tell(f"({instance}): Error {failed[0]} creating {kind} interface {name}", Priority.ERROR, instance)
            return
        kind = "VMAC" if attachment.link.kind == "macvlan" else "ipvlan"
        self._tell(f"({instance}): Success creating {kind} interface {name}", Priority.INFO, instance)

    def _make_ready(self, attachment: Attachment, facts: Facts) -> None:
        """Kernel parameters first, then up, then the addresses of its own."""
        name = attachment.link.name
        link = facts.link(name)
        if link is None:
            return
        self._made.made(link)
        if attachment.exists and name not in self._ours:
            self._tell(
                f"({attachment.instance.name}) Found matching interface {name}",
                Priority.INFO,
                attachment.instance.name,
            )
        self._ours[name] = attachment.instance.name
        if attachment.family == 4 and attachment.link.kind == "macvlan" and not self._pushed_down:
            self._pushed_down = True
            self._push_down_rp_filter()
        for path, value in attachments.parent_sysctls(attachment):
            if self._sysctls.original(path) == "0":
                self._sysctls.want(path, value, f"link {name}")
        operations: list[ko.Operation] = [ko.SetSysctl(path, value) for path, value in attachments.sysctls(attachment)]
        operations.append(ko.SetLink(name, up=True))
        operations += attachments.addresses(attachment, facts)
        for error in self.kernel.perform(operations):
            self._tell(f"({attachment.instance.name}): {error}", Priority.ERROR, attachment.instance.name)

    def _push_down_rp_filter(self) -> None:
        everywhere = self._sysctls.original("net/ipv4/conf/all/rp_filter") or "0"
        if everywhere == "0":
            return
        values = {}
        for name in os.listdir(ROOT + "net/ipv4/conf"):
            value = self._sysctls.original(f"net/ipv4/conf/{name}/rp_filter")
            if value is not None and value.isdigit() and name not in self._ours:
                values[name] = int(value)
        for operation in rp_filter_pushdown(values):
            if isinstance(operation, ko.SetSysctl) and self._sysctls.want(operation.path, operation.value, "rp_filter"):
                name = operation.path.split("/")[3]
                if name in ("all", "default"):
                    text = f"NOTICE: setting sysctl net.ipv4.conf.{name}.rp_filter to {operation.value}"
                    self._tell(text, Priority.NOTICE)

    def create_link(self, wanted: effects.CreateLink) -> inputs.Attached | None:
        """The answer to a CreateLink; None when the link could not be made (an event will bring another try)."""
        self._remove_unneeded()
        facts = self.kernel.known()
        plan = attachments.plan(self._config, facts, self._plan.names)
        attachment = plan.find(wanted.instance.name, wanted.parent, wanted.family)
        if attachment is None or facts.link(wanted.parent) is None:
            return None
        if not attachment.exists:
            self._create(attachment, facts)
            if self.kernel.link(attachment.link.name) is None:
                return None
            facts = self.kernel.known()
        self._make_ready(attachment, facts)
        self._plan = plan
        self._refresh_vmac_rules(facts)
        return inputs.Attached(wanted.instance.name, wanted.parent, wanted.family, attachment.link.name)

    def remove_link(self, name: str) -> None:
        """Remove a link if it is one of ours: together with others, before events are read or the process ends."""
        if name in self._ours:
            self._unneeded[name] = self._ours.pop(name)

    def _remove_unneeded(self) -> None:
        unneeded, self._unneeded = self._unneeded, {}
        if not unneeded:
            return
        self._plan = Plan(tuple(item for item in self._plan.attachments if item.link.name not in unneeded))
        for name in unneeded:
            self._sysctls.release_user(f"link {name}")
        self._filtering.redirect(frozenset(rule for rule in self._filtering.state.vmacs if rule.name not in unneeded))
        refused = self._delete(unneeded)
        for name, owner in unneeded.items():
            if name in refused:
                self._tell(f"({owner}): {refused[name]}", Priority.ERROR, owner)
            else:
                self._tell(f"({owner}) Success removing VMAC interface {name}", Priority.INFO, owner)

    def release(self, done: Callable[[], object]) -> None:
        """At stop: links, kernel parameters and firewall as they were; then `done` is called."""
        self._remove_unneeded()
        self.held.close(lambda: self.kernel.facts(routes=True, rules=True))
        self._sysctls.restore_all()
        self._filtering.release(done)

    def _refresh_vmac_rules(self, facts: Facts) -> None:
        rules = attachments.vmac_rules(self._plan, facts)
        if "igmp" in self._sysctls.users():
            # then the kernel sends no reports for the groups of VRRP, and there are none to redirect
            rules = frozenset(rule for rule in rules if rule.family != 4)
        self._filtering.redirect(rules)

    # views and events

    def _view(self, facts: Facts) -> inputs.View:
        links = facts.links
        self._names = {index: link.name for index, link in links.items()}
        return inputs.View(
            interfaces=tuple(self._interface(link, links) for link in links.values()),
            addresses=tuple(
                translation.address(links[address.index].name, address)
                for address in facts.addresses
                if address.index in links
            ),
            attachments=self._plan.names,
            leftover_routes=self._present_routes(facts),
            leftover_rules=self._present_rules(facts),
            uptime_ns=int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e9),
        )

    def _present_routes(self, facts: Facts) -> tuple[IpRoute, ...]:
        found = (match_route(route, self._routes, facts.links) for route in facts.routes)
        return tuple(dict.fromkeys(route for route in found if route is not None))

    def _present_rules(self, facts: Facts) -> tuple[IpRule, ...]:
        ours = (rule for rule in facts.rules if rule.protocol == RTPROT_KEEPALIVED)
        found = (match_rule(rule, self._rules) for rule in ours)
        return tuple(dict.fromkeys(rule for rule in found if rule is not None))

    def _interface(self, link: kf.Link, links: Mapping[int, kf.Link]) -> inputs.Interface:
        below = links.get(link.parent) if link.kind in ("macvlan", "ipvlan") and not link.parent_elsewhere else None
        parent = self._plan.parents.get(link.name) or (below.name if below is not None else "")
        return inputs.Interface(
            name=link.name,
            index=link.index,
            up=link.is_up,
            mac=link.mac,
            broadcast=link.broadcast,
            mtu=link.mtu,
            hardware=link.type,
            multicast=bool(link.flags & kf.IFF_MULTICAST),
            noarp=bool(link.flags & kf.IFF_NOARP),
            parent=parent,
            forwarding=self._is_forwarding(link.name),
        )

    def _is_forwarding(self, name: str) -> bool:
        """Not asked for interfaces that never announce anything."""
        return (name in self._used or name in self._ours) and self._forwarding.of(name)

    def events(self) -> list[inputs.Input]:
        """What the kernel has told since the last call, in the core's words.

        An address that was removed and is there again within one reading is not told as removed: that is a change of
        our own, such as an address moving from one instance to another.
        """
        self._remove_unneeded()
        happened = self.kernel.read_events()
        if any(isinstance(event, kf.Overrun) for event in happened):
            self._tell("Kernel netlink events were lost - reading the state of the kernel again", Priority.WARNING)
            return [inputs.Resynced(self.view())]
        back = {translation.place(event.address): number for number, event in _additions(happened)}
        told: list[inputs.Input] = []
        for number, event in enumerate(happened):
            if isinstance(event, kf.AddressRemoved) and back.get(translation.place(event.address), -1) > number:
                continue
            if isinstance(event, kf.LinkChanged | kf.LinkRemoved):
                told += self._translate_link(event)
                continue
            message = self._translate(event)
            if message is not None:
                told.append(message)
        return told

    def _translate_link(self, event: kf.LinkChanged | kf.LinkRemoved) -> list[inputs.Input]:
        """A link that changes its name goes under the old one and comes under the new one."""
        if isinstance(event, kf.LinkRemoved):
            name = self._names.pop(event.index, event.name)
            self._forwarding.forget(name)
            self._remove_orphans(event.index, name)
            return [inputs.InterfaceRemoved(name)]
        link = event.link
        before = self._names.get(link.index, link.name)
        self._names[link.index] = link.name
        told: list[inputs.Input] = [inputs.InterfaceRemoved(before)] if before != link.name else []
        return [*told, inputs.InterfaceChanged(self._interface(link, self.kernel.links()))]

    def _remove_orphans(self, index: int, parent: str) -> None:
        """Links of ours that stand beside their parent do not go with it (see links.below), but have to."""
        made = (
            self.kernel.link(name) for name, of in self._plan.parents.items() if of == parent and name in self._ours
        )
        orphans = [link.name for link in made if link is not None and link.parent != index]
        self.kernel.perform([ko.DeleteLink(name) for name in orphans])
        for name in orphans:
            self._made.gone(name)

    def _translate(self, event: kf.Event) -> inputs.Input | None:
        links = self.kernel.links()
        match event:
            case kf.AddressAdded(address) if address.index in links:
                self._tell_address("Assigned address %s for interface %s", address, links)
                return inputs.AddressAdded(translation.address(links[address.index].name, address))
            case kf.AddressRemoved(address) if address.index in links:
                self._tell_address("Deassigned address %s from interface %s", address, links)
                return inputs.AddressRemoved(translation.address(links[address.index].name, address))
            case kf.RouteRemoved(route):
                lost = match_route(route, self._routes, links)
                return inputs.RouteRemoved(lost) if lost is not None else None
            case kf.RuleRemoved(rule):
                gone = match_rule(rule, self._rules)
                return inputs.RuleRemoved(gone) if gone is not None else None
            case _:
                return None

    def _tell_address(self, text: str, address: kf.Address, links: Mapping[int, kf.Link]) -> None:
        """--address-monitoring (keepalived(8))."""
        if self._monitor:
            self._tell(text % (address.address, links[address.index].name), Priority.INFO)

    # operations

    def perform(self, wanted: Sequence[effects.Operation]) -> list[inputs.OperationFailed]:
        """Do all of it in order; returns what the kernel refused."""
        failed: list[inputs.OperationFailed] = []
        batch: list[ko.Operation] = []
        origin: dict[int, effects.Operation] = {}
        filtered = False
        for of_filter, run in groupby(wanted, _is_of_filter):
            if of_filter:
                batch += self._filtering.change(list(run))
                filtered = True
                continue
            for operation in run:
                step = translation.step(operation)
                if step is not None:
                    origin[id(step)] = operation
                    batch.append(step)
        batch += self._provoked(wanted)
        for error in self.kernel.perform(batch):
            source = origin.get(id(error.operation))
            if source is None:
                self._filtering.told([error])
                continue
            failed.append(inputs.OperationFailed(source, error.errno))
            if not getattr(source, "leftover", False):
                self._tell_refusal(error, source.instance)
        if filtered:
            self._filtering.settle()
        self.held.done(wanted, [each.operation for each in failed])
        return failed

    def _provoked(self, wanted: Sequence[effects.Operation]) -> list[ko.Operation]:
        """netlink_notify_msg: setting the group of the parent to what it is makes the kernel tell about the link."""
        if not self._loud:
            return []
        changes = (change for change in wanted if isinstance(change, effects.AddAddress | effects.RemoveAddress))
        parents = dict.fromkeys(self._loud[change.instance] for change in changes if change.instance in self._loud)
        found = (self.kernel.link(parent) for parent in parents)
        return [ko.SetLink(link.name, group=link.group) for link in found if link is not None]

    def _tell_refusal(self, error: ko.OperationError, instance: str) -> None:
        reason = f" - {error.reason}" if error.reason else ""
        text = f"Netlink: error: {os.strerror(error.errno)}({error.errno}), {error.operation}{reason}"
        self._tell(text, Priority.ERROR, instance)

    def _tell(self, text: str, priority: Priority, instance: str = "") -> None:
        self._log(LogLine(text, priority, fields={"INSTANCE": instance} if instance else {}))


def _used_interfaces(config: Config) -> set[str]:
    used: set[str] = set()
    for instance in config.vrrp_instances:
        used.add(instance.interface)
        used.update(address.interface for address in (*instance.virtual_addresses, *instance.excluded_addresses))
    return used


def _is_of_filter(operation: effects.Operation) -> bool:
    return isinstance(operation, effects.DropTraffic | effects.AllowTraffic)


def _additions(events: Sequence[kf.Event]) -> Iterable[tuple[int, kf.AddressAdded]]:
    return ((number, event) for number, event in enumerate(events) if isinstance(event, kf.AddressAdded))
