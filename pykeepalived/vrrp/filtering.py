"""What the host does for no_accept and for VMACs, by nftables or by iptables with IP sets.

Shell: it holds the state and who keeps the rules; what the rules are is in netlink/firewall.py and netlink/iptables.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Firewall as FirewallConfig
from pykeepalived.netlink import facts as kf
from pykeepalived.netlink import operations as ko
from pykeepalived.netlink.firewall import Dropped, Firewall, Settings, State, VmacRule
from pykeepalived.netlink.iptables import Iptables, SetNames, Wish
from pykeepalived.netlink.iptables import Settings as IptablesSettings
from pykeepalived.vrrp import effects
from pykeepalived.vrrp.attachments import Plan

FindLink = Callable[[str], kf.Link | None]
Perform = Callable[[Sequence[ko.Operation]], Sequence[ko.OperationError]]


class RuleKeeper(Protocol):
    """What is needed of netlink.iptables_helper.RuleKeeper."""

    def want(self, wishes: Mapping[int, Wish]) -> None: ...

    def when_at_rest(self, done: Callable[[], object]) -> None: ...


class Filtering:
    """One per host. `perform` changes the kernel; `tell` gets what operators should know."""

    def __init__(
        self, find_link: FindLink, perform: Perform, tell: Callable[[str], object], keeper: RuleKeeper | None
    ) -> None:
        self._find_link = find_link
        self._perform = perform
        self._tell = tell
        self._keeper = keeper
        self._means: Firewall | Iptables = Firewall(Settings())
        self._filters = False

    @property
    def state(self) -> State:
        return self._means.state

    def configure(self, wanted: FirewallConfig) -> None:
        """To be called once, before anything is filtered."""
        if wanted.iptables_chains:
            chain_in, chain_out = (*wanted.iptables_chains, "")[:2]
            sets = SetNames(*wanted.ipsets) if wanted.ipsets else None
            self._means = Iptables(IptablesSettings(chain_in, chain_out, sets))
            return
        self._means = Firewall(
            Settings(
                table=wanted.nftables_table or "keepalived",
                priority=wanted.nftables_priority,
                by_index=wanted.nftables_ifindex,
                counters=wanted.nftables_counters,
            )
        )

    def prepare(self, config: Config, plan: Plan) -> None:
        """Have ready what does not depend on who is MASTER."""
        self._filters = bool(plan.attachments or config.globals.firewall.nftables_table) or any(
            not instance.accept and not instance.is_owner for instance in config.vrrp_instances
        )
        if not isinstance(self._means, Iptables):
            return
        dropped = set(_possible(config, plan))
        vmacs = {VmacRule(family, item.link.name, 0, 0) for item in plan.attachments for family in (4, 6)}
        families = {
            address.family
            for instance in config.vrrp_instances
            if not instance.accept and not instance.is_owner
            for address in (*instance.virtual_addresses, *instance.excluded_addresses)
        }
        expected = State(frozenset(dropped), frozenset(vmacs))
        self.told(self._perform(self._means.prepare(families, expected)))
        self.settle()

    def tidy(self, has_table: Callable[[int, str], bool], surely: bool = False) -> None:
        """Remove tables of our name that we have not made: a predecessor's.

        A configuration that filters nothing leaves them alone, they may be somebody's, unless they are `surely` of a
        predecessor.
        """
        means = self._means
        if isinstance(means, Firewall) and (self._filters or surely):
            left = [family for family in (4, 6) if has_table(family, means.settings.table)]
            self._perform(means.unused(left))

    def change(self, changes: Iterable[effects.Operation]) -> list[ko.Operation]:
        """What leads to these addresses being dropped or allowed again; `settle` is to be called when it is done."""
        return self._means.change(self._filtered(changes))

    def redirect(self, vmacs: frozenset[VmacRule]) -> None:
        """These VMACs exist now."""
        if vmacs != self.state.vmacs:
            self.told(self._perform(self._means.change(replace(self.state, vmacs=vmacs))))
            self.settle()

    def settle(self) -> None:
        """Hand the rules wanted now to their keeper."""
        if isinstance(self._means, Iptables) and self._keeper is not None:
            self._keeper.want(self._means.wishes())

    def told(self, errors: Iterable[ko.OperationError]) -> None:
        """What the kernel refused. Without sets there is a rule for each address."""
        for error in errors:
            if isinstance(error.operation, ko.CreateSet) and isinstance(self._means, Iptables):
                if self._means.settings.sets is not None:
                    reason = error.reason or os.strerror(error.errno)
                    self._tell(f"ipset {error.operation.name}: {reason} - not using ipsets")
                    self._perform(self._means.give_up_sets())
                    self.settle()
            elif isinstance(error.operation, ko.RunNft):
                self._tell(f"nftables: {error.reason or error}")
            elif not isinstance(self._means, Iptables) or self._means.settings.sets is not None:
                self._tell(f"ipset: {error}")

    def release(self, done: Callable[[], object]) -> None:
        """At stop: remove everything, then call `done`. Sets go when no rule needs them any more."""
        means = self._means
        if not isinstance(means, Iptables) or self._keeper is None:
            self._perform(means.clear())
            done()
            return

        def rules_gone() -> None:
            self._perform(means.clear())
            done()

        means.forget()
        self._keeper.want(means.wishes())
        self._keeper.when_at_rest(rules_gone)

    def _filtered(self, changes: Iterable[effects.Operation]) -> State:
        dropped = set(self.state.dropped)
        for change in changes:
            if isinstance(change, effects.DropTraffic):
                link = self._find_link(change.interface) if change.address.is_link_local else None
                index = link.index if link is not None else 0
                dropped.add(Dropped(change.address, change.interface, index, change.by_name))
            elif isinstance(change, effects.AllowTraffic):
                dropped = {
                    item
                    for item in dropped
                    if item.address != change.address
                    or (item.address.is_link_local and item.interface != change.interface)
                }
        return replace(self.state, dropped=frozenset(dropped))


def _possible(config: Config, plan: Plan) -> Iterator[Dropped]:
    """Every address that may be dropped, on every interface where that may be."""
    names = [attachment.link.name for attachment in plan.attachments]
    for instance in config.vrrp_instances:
        for address in (*instance.virtual_addresses, *instance.excluded_addresses):
            own = address.interface or instance.interface
            for interface in (own, *names) if address.address.is_link_local else (own,):
                yield Dropped(address.address, interface)
