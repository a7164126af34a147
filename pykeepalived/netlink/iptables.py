"""The iptables rules and IP sets of no_accept and VMACs: which are wanted in a state, and which sets change. Pure.

Rules are in the words of iptables-save(8), by which those of a predecessor are known again. Who puts them in place is
iptables_helper.py. keepalived.conf(5): vrrp_iptables, vrrp_ipsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pykeepalived.config.model.values import Ip
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink.firewall import Dropped, State, VmacRule
from pykeepalived.netlink.operations import AddToSet, CreateSet, DeleteFromSet, DestroySet, Operation

NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT = 135, 136
MLD_REPORTS = (143, 131)
"""Version 2 and 1 (RFC 3810 section 5.2, RFC 2710 section 3)."""

_EVERYTHING = {4: Ip(bytes(4)), 6: Ip(bytes(16))}


@dataclass(frozen=True, slots=True)
class SetNames:
    """vrrp_ipsets: dropped addresses of either family, link-local ones, and VMACs by what is held back there."""

    address: str = "keepalived"
    address6: str = "keepalived6"
    interface6: str = "keepalived_if6"
    igmp: str = "keepalived_igmp"
    mld: str = "keepalived_mld"
    nd: str = "keepalived_nd"


@dataclass(frozen=True, slots=True)
class Settings:
    """vrrp_iptables: the chains; "" = none. Without `sets` there is a rule for each address."""

    chain_in: str = "INPUT"
    chain_out: str = "OUTPUT"
    sets: SetNames | None = SetNames()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the filter table as iptables-save has it behind `-A`; `first`: it belongs at the top of its chain."""

    chain: str
    match: str
    first: bool = False

    def __str__(self) -> str:
        return f"{self.chain} {self.match}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be in the filter table of one family: `rules`, and of the `known` ones no others.

    Nothing can be done unless all `chains` exist.
    """

    chains: tuple[str, ...]
    rules: tuple[Rule, ...]
    known: frozenset[str]


class Iptables:
    """Remembers what is filtered, and gives the set operations that lead to another state.

    `prepared` are the families whose set rules are wanted although nothing is dropped yet: they do not depend on the
    addresses, so that a takeover has only to fill the sets.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = State()
        self.expected = State()
        """All that a predecessor may have filtered."""
        self._prepared: set[int] = set()
        self._seen: dict[int, set[str]] = {4: set(), 6: set()}
        self._made: dict[str, None] = {}

    def prepare(self, families: Iterable[int], expected: State) -> list[Operation]:
        """Families in which something may be dropped, and what a predecessor may have left."""
        self._prepared |= set(families)
        self.expected = expected
        return self._missing_sets(self.state)

    def change(self, after: State) -> list[Operation]:
        """The operations on sets that lead from the present state to this one, which then is the present one."""
        before, self.state = self.state, after
        sets = self.settings.sets
        if sets is None:
            return []
        old, new = set(_members(before, sets)), set(_members(after, sets))
        operations = self._missing_sets(after)
        operations += [DeleteFromSet(*member) for member in sorted(old - new)]
        operations += [AddToSet(*member) for member in sorted(new - old)]
        return operations

    def clear(self) -> list[Operation]:
        """Remove the sets; no rule may use them any more."""
        made = [DestroySet(name) for name in self._made]
        self._made.clear()
        return [*made]

    def forget(self) -> None:
        """From now on nothing is filtered."""
        self._prepared.clear()
        self.state = State()

    def give_up_sets(self) -> list[Operation]:
        """The sets cannot be had: filter with a rule for each address."""
        self.settings = Settings(self.settings.chain_in, self.settings.chain_out, None)
        return self.clear()

    def wishes(self) -> dict[int, Wish]:
        """The rules wanted now, by family."""
        return {family: self._wish(family) for family in (4, 6)}

    def _wish(self, family: int) -> Wish:
        wanted = tuple(self._rules(family))
        known = self._seen[family]
        known |= {str(rule) for rule in (*self._singles(family, self.expected), *wanted)}
        if self.settings.sets is not None:
            known |= {str(rule) for rule in _set_rules(family, self.settings, self.settings.sets)}
        chains = dict.fromkeys(rule.chain for rule in wanted)
        return Wish(tuple(chains), wanted, frozenset(known))

    def _rules(self, family: int) -> Iterator[Rule]:
        sets = self.settings.sets
        if sets is None:
            yield from self._singles(family, self.state)
            return
        wanted = set(self._sets_wanted(self.state))
        for rule in _set_rules(family, self.settings, sets):
            if any(f"--match-set {name} " in rule.match for name in wanted):
                yield rule

    def _singles(self, family: int, state: State) -> Iterator[Rule]:
        """A rule for each thing."""
        for item in sorted((item for item in state.dropped if item.address.family == family), reverse=True):
            yield from _address_rules(item, self.settings)
        if self.settings.chain_out:
            for vmac in sorted((vmac for vmac in state.vmacs if vmac.family == family), key=lambda vmac: vmac.name):
                yield from _vmac_rules(vmac, self.settings.chain_out)

    def _sets_wanted(self, state: State) -> Iterator[str]:
        sets = self.settings.sets
        if sets is None:
            return
        if 4 in self._prepared or state.drops(4):
            yield sets.address
        if 6 in self._prepared or state.drops(6):
            yield from (sets.address6, sets.interface6)
        if not self.settings.chain_out:
            return
        if state.redirects(4):
            yield sets.igmp
        if state.redirects(6):
            yield from (sets.mld, sets.nd)

    def _missing_sets(self, state: State) -> list[Operation]:
        missing = [name for name in self._sets_wanted(state) if name not in self._made]
        self._made.update(dict.fromkeys(missing))
        sets = self.settings.sets or SetNames()
        return [
            CreateSet(name, 4 if name in (sets.address, sets.igmp) else 6, name not in (sets.address, sets.address6))
            for name in missing
        ]


Member = tuple[str, Ip, int, str]
"""Set, address, prefix length, interface."""


def _members(state: State, sets: SetNames) -> Iterator[Member]:
    for item in state.dropped:
        if item.address.family == 4:
            yield sets.address, item.address, 32, ""
        elif item.address.is_link_local:
            yield sets.interface6, item.address, 128, item.interface
        else:
            yield sets.address6, item.address, 128, ""
    for vmac in state.vmacs:
        yield sets.igmp if vmac.family == 4 else sets.mld, _EVERYTHING[vmac.family], 0, vmac.name
        if vmac.copied is not None:
            yield sets.nd, vmac.copied, 128, vmac.name


def _set_rules(family: int, settings: Settings, sets: SetNames) -> Iterator[Rule]:
    """The rules of all sets of a family."""
    directions = [(settings.chain_in, "dst", "dst,src"), (settings.chain_out, "src", "src,dst")]
    for chain, single, double in directions:
        if not chain:
            continue
        if family == 4:
            yield Rule(chain, f"-m set --match-set {sets.address} {single} -j DROP")
            continue
        for name, words in ((sets.interface6, double), (sets.address6, single)):
            for kind in (NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT):
                yield Rule(chain, _icmp(f"-m set --match-set {name} {words} ", kind, "ACCEPT"))
            yield Rule(chain, f"-m set --match-set {name} {words} -j DROP")
    if not settings.chain_out:
        return
    if family == 4:
        yield Rule(settings.chain_out, f"-p igmp -m set --match-set {sets.igmp} dst,dst -j DROP")
        return
    for kind in MLD_REPORTS:
        yield Rule(settings.chain_out, _icmp(f"-m set --match-set {sets.mld} dst,dst ", kind, "DROP"))
    match = f"-m set --match-set {sets.nd} src,dst "
    yield Rule(settings.chain_out, _icmp(match, NEIGHBOR_ADVERTISEMENT, "DROP"))


def _icmp(match: str, kind: int, target: str) -> str:
    return f"-p ipv6-icmp {match}-m icmp6 --icmpv6-type {kind} -j {target}"


def _address_rules(item: Dropped, settings: Settings) -> Iterator[Rule]:
    """Neighbour discovery passes, the rest is dropped."""
    length = item.address.bits
    for chain, side, towards in ((settings.chain_in, "-d", "-i"), (settings.chain_out, "-s", "-o")):
        if not chain:
            continue
        match = f"{side} {item.address}/{length} "
        if item.address.is_link_local:
            match += f"{towards} {item.interface} "
        if item.address.family == 6:
            for kind in (NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT):
                yield Rule(chain, match + _icmp("", kind, "ACCEPT"), first=True)
        yield Rule(chain, f"{match}-j DROP", first=True)


def _vmac_rules(vmac: VmacRule, chain: str) -> Iterator[Rule]:
    """Group reports, and advertisements of the address it shares with its parent, do not leave from the VMAC."""
    if vmac.family == 4:
        yield Rule(chain, f"-o {vmac.name} -p igmp -j DROP")
        return
    for kind in MLD_REPORTS:
        yield Rule(chain, f"-o {vmac.name} " + _icmp("", kind, "DROP"))
    if vmac.copied is not None:
        match = f"-s {vmac.copied}/128 -o {vmac.name} "
        yield Rule(chain, match + _icmp("", NEIGHBOR_ADVERTISEMENT, "DROP"))
