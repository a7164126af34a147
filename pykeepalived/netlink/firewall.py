"""The nftables rules of no_accept and VMACs, as text: what leads from one wished state to the next. Pure.

Traffic to and from addresses that are not accepted is dropped, neighbour discovery excepted; IGMP and MLD reports that
the kernel would send from a VMAC leave from the interface below instead (keepalived.conf(5), nftables).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink.operations import Operation, RunNft

_DISCOVERY = "nd-neighbor-solicit, nd-neighbor-advert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """nftables, nftables_priority, nftables_ifindex, nftables_counters."""

    table: str = "keepalived"
    priority: int = -1
    by_index: bool = False
    counters: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Dropped:
    """An address whose traffic is dropped. Link-local ones on their interface only: by index, or by name."""

    address: Ip
    interface: str = ""
    index: int = 0
    by_name: bool = False

    @property
    def element(self) -> tuple[str, str]:
        """The set it belongs to, and the element."""
        if not self.address.is_link_local:
            return "vips", str(self.address)
        if self.by_name:
            return "vips_link_local_name", f'{self.address} . "{self.interface}"'
        return "vips_link_local", f"{self.address} . {self.index}"


@dataclass(frozen=True, slots=True, order=True)
class VmacRule:
    """A VMAC of one family whose group reports are redirected to its parent; `copied` is the parent's link-local."""

    family: int
    name: str
    index: int
    parent_index: int
    copied: Ip | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything the firewall is to do for us; empty = our tables do not exist."""

    dropped: frozenset[Dropped] = frozenset()
    vmacs: frozenset[VmacRule] = frozenset()

    def uses(self, family: int) -> bool:
        return self.drops(family) or self.redirects(family)

    def drops(self, family: int) -> bool:
        return any(item.address.family == family for item in self.dropped)

    def redirects(self, family: int) -> bool:
        return any(vmac.family == family for vmac in self.vmacs)


class Firewall:
    """Remembers what our tables hold and gives the commands that lead to another state.

    Tables are made at the first use, replacing an older one of that name, and stay until `clear`. Every removal is a
    transaction of its own: an interface that is gone has taken its element along and must not spoil the others.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = State()
        self._made: set[tuple[int, str]] = set()

    def change(self, after: State) -> list[Operation]:
        """The commands that lead from the present state to this one, which then is the present one."""
        operations: list[Operation] = []
        for family in (4, 6):
            if after.uses(family) and self._first(family, "table"):
                operations.append(RunNft(_table(family, self.settings)))
            if after.drops(family) and self._first(family, "dropping"):
                operations.append(RunNft(_dropping(family, self.settings)))
            if after.redirects(family) and self._first(family, "redirection"):
                operations.append(RunNft(_redirection(family, self.settings)))
            for kind in dict.fromkeys(
                item.element[0] for item in sorted(after.dropped) if item.address.family == family
            ):
                if kind in _LINK_LOCAL_SETS and self._first(family, kind):
                    operations.append(RunNft(_link_local_rules(kind, self.settings)))
            operations += _vmac_changes(family, self.state, after, self.settings)
            operations += _drop_changes(family, self.state, after, self.settings)
        self.state = after
        return operations

    def clear(self) -> list[Operation]:
        """Remove the tables we made."""
        table = self.settings.table
        families = sorted(family for family, kind in self._made if kind == "table")
        self._made.clear()
        self.state = State()
        return [RunNft(f"delete table {_name(family)} {table}\n", lenient=True) for family in families]

    def unused(self, families: Iterable[int]) -> list[Operation]:
        """Remove tables that somebody before us made; those that we have made are ours."""
        unmade = [family for family in families if (family, "table") not in self._made]
        return [RunNft(f"delete table {_name(family)} {self.settings.table}\n", lenient=True) for family in unmade]

    def _first(self, family: int, kind: str) -> bool:
        if (family, kind) in self._made:
            return False
        self._made.add((family, kind))
        return True


def _name(family: int) -> str:
    return "ip" if family == 4 else "ip6"


def _table(family: int, settings: Settings) -> str:
    """Our table from nothing; adding it before deleting makes the deletion valid whatever was there."""
    table = settings.table
    head = f"add table {_name(family)} {table}\ndelete table {_name(family)} {table}\n"
    copied = ""
    if family == 6:
        index = "iface_index" if settings.by_index else "ifname"
        copied = f"    set parent_link_local {{ type ipv6_addr . {index}; }}\n"
    return f"{head}table {_name(family)} {table} {{\n{copied}    chain out {{ {_hook('output', settings)} }}\n}}\n"


def _dropping(family: int, settings: Settings) -> str:
    """The sets of addresses that accept nothing, and the rules that drop."""
    count, incoming = _counter(settings), _hook("input", settings)
    head = f"table {_name(family)} {settings.table}"
    if family == 4:
        return f"""{head} {{
    set vips {{ type ipv4_addr; }}
    chain in {{ {incoming} ip daddr @vips {count}drop; }}
    chain out {{ ip saddr @vips {count}drop; }}
}}
"""
    discovery = f"icmpv6 type @neighbor-discovery {count}accept;"
    return f"""{head} {{
    set vips {{ type ipv6_addr; }}
    set neighbor-discovery {{ type icmpv6_type; flags constant; elements = {{ {_DISCOVERY} }}; }}
    chain in_link_local {{ }}
    chain out_link_local {{ }}
    chain in {{ {incoming} {discovery} ip6 daddr fe80::/10 {count}goto in_link_local; ip6 daddr @vips {count}drop; }}
    chain out {{ {discovery} ip6 saddr fe80::/10 {count}goto out_link_local; ip6 saddr @vips {count}drop; }}
}}
"""


def _hook(word: str, settings: Settings) -> str:
    return f"type filter hook {word} priority {settings.priority}; policy accept;"


def _counter(settings: Settings) -> str:
    return "counter " if settings.counters else ""


def _drop_changes(family: int, before: State, after: State, settings: Settings) -> list[Operation]:
    old = {item for item in before.dropped if item.address.family == family}
    new = {item for item in after.dropped if item.address.family == family}
    place = f"{_name(family)} {settings.table}"
    operations: list[Operation] = []
    for item in sorted(old - new):
        kind, element = item.element
        operations.append(RunNft(f"delete element {place} {kind} {{ {element} }}\n", lenient=True))
    added: dict[str, list[str]] = {}
    for item in sorted(new - old):
        kind, element = item.element
        added.setdefault(kind, []).append(element)
    if added:
        lines = (f"add element {place} {kind} {{ {', '.join(elements)} }}\n" for kind, elements in added.items())
        operations.append(RunNft("".join(lines)))
    return operations


_LINK_LOCAL_SETS = {"vips_link_local": ("iface_index", "if"), "vips_link_local_name": ("ifname", "ifname")}
"""The type of the interface in the elements of a set, and the ending of the words that match it."""


def _link_local_rules(kind: str, settings: Settings) -> str:
    place, count = f"ip6 {settings.table}", _counter(settings)
    interface, word = _LINK_LOCAL_SETS[kind]
    return (
        f"add set {place} {kind} {{ type ipv6_addr . {interface}; }}\n"
        f"add rule {place} in_link_local ip6 daddr . i{word} @{kind} {count}drop\n"
        f"add rule {place} out_link_local ip6 saddr . o{word} @{kind} {count}drop\n"
    )


def _vmac_changes(family: int, before: State, after: State, settings: Settings) -> list[Operation]:
    old = {vmac for vmac in before.vmacs if vmac.family == family}
    new = {vmac for vmac in after.vmacs if vmac.family == family}
    place = f"{_name(family)} {settings.table}"
    operations: list[Operation] = []
    for vmac in sorted(old - new, key=_order):
        operations += [RunNft(line, lenient=True) for line in _vmac_lines("delete", place, vmac, settings)]
    for vmac in sorted(new - old, key=_order):
        operations.append(RunNft("".join(_vmac_lines("add", place, vmac, settings))))
    return operations


def _order(vmac: VmacRule) -> tuple[str, int]:
    return vmac.name, vmac.index


def _vmac_lines(verb: str, place: str, vmac: VmacRule, settings: Settings) -> list[str]:
    pair = f"{vmac.index} : {vmac.parent_index}" if verb == "add" else str(vmac.index)
    lines = [f"{verb} element {place} vmac_map {{ {pair} }}\n"]
    if vmac.family == 6:
        lines.append(f"{verb} element {place} vmac_set {{ {vmac.index} }}\n")
        if vmac.copied is not None:
            where = str(vmac.index) if settings.by_index else f'"{vmac.name}"'
            lines.append(f"{verb} element {place} parent_link_local {{ {vmac.copied} . {where} }}\n")
    return lines


def _redirection(family: int, settings: Settings) -> str:
    """The maps and rules of VMACs, before the rules that drop."""
    place, count = f"{_name(family)} {settings.table}", _counter(settings)
    macvlan = 'meta oifkind "macvlan"'
    head = f"add map {place} vmac_map {{ type iface_index : iface_index; }}\n"
    if family == 4:
        return (
            f"{head}insert rule {place} out ip protocol igmp {macvlan} "
            f"dup to ip daddr device oif map @vmac_map {count}drop\n"
        )
    oif = "oif" if settings.by_index else "oifname"
    return (
        f"{head}add set {place} vmac_set {{ type iface_index; }}\n"
        f"add set {place} mld-report {{ type icmpv6_type; flags constant; "
        "elements = { mld-listener-report, mld2-listener-report }; }\n"
        f"insert rule {place} out icmpv6 type nd-router-solicit {macvlan} oif @vmac_set {count}drop\n"
        f"insert rule {place} out icmpv6 type @mld-report {macvlan} "
        f"dup to ip6 daddr device oif map @vmac_map {count}drop\n"
        f"insert rule {place} out icmpv6 type nd-neighbor-advert {macvlan} "
        f"ip6 saddr . {oif} @parent_link_local {count}drop\n"
    )
