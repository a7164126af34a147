"""Macvlan and ipvlan links: which exist already, what they may be called, what it takes to make them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from pykeepalived.netlink.facts import MACVLAN_MODE_PRIVATE, Facts, Link
from pykeepalived.netlink.operations import AddLink, DeleteLink, Operation, SetSysctl, VirtualLink

LONGEST_NAME = 15
"""IFNAMSIZ without the final zero."""


def numbered_names(prefix: str, number: int, family: int) -> Iterator[str]:
    """`vrrp.51`, then `vrrp1.51`, `vrrp2.51` ...; for IPv6 `vrrp6.51` comes second. 6 is never a counter."""
    yield f"{prefix}.{number}"
    if family == 6:
        yield f"{prefix}6.{number}"
    for count in range(1, 1000):
        if count != 6:
            yield f"{prefix}{count}.{number}"


def free_name(candidates: Iterable[str], facts: Facts, taken: Collection[str] = ()) -> str:
    """The first candidate that is short enough and that no link has. Raises LookupError when there is none."""
    for candidate in candidates:
        if len(candidate) <= LONGEST_NAME and facts.link(candidate) is None and candidate not in taken:
            return candidate
    raise LookupError("no free interface name")


def matches(wanted: VirtualLink, link: Link, facts: Facts) -> bool:
    """Whether this link does the wanted one's duty, whatever it is called."""
    parent = facts.link(wanted.parent)
    if parent is None or link.kind != wanted.kind or (link.parent, link.parent_elsewhere) != below(wanted.kind, parent):
        return False
    if wanted.kind == "macvlan":
        return link.mode == MACVLAN_MODE_PRIVATE and link.mac == wanted.mac
    return link.mode_flag == wanted.mode_flag and link.name == wanted.name


def below(kind: str, parent: Link) -> tuple[int, bool]:
    """What the kernel has below a link of this kind made on `parent`: index, and whether that is another namespace's.

    A macvlan on a macvlan stands beside it, not above it; so it is with ipvlans.
    """
    return (parent.parent, parent.parent_elsewhere) if parent.kind == kind else (parent.index, False)


def find_match(wanted: VirtualLink, facts: Facts, taken: Collection[str] = ()) -> Link | None:
    """An existing link to use instead of making one: the one with the wanted name first."""
    namesake = facts.link(wanted.name)
    if namesake is not None and namesake.name not in taken and matches(wanted, namesake, facts):
        return namesake
    if wanted.kind != "macvlan" or wanted.mac is None:
        return None
    alike = facts.links_with(wanted.mac)
    return next((link for link in alike if link.name not in taken and matches(wanted, link, facts)), None)


def diff(desired: Iterable[VirtualLink], facts: Facts, ours: Collection[str] = ()) -> list[Operation]:
    """Remove links of ours that are no longer wanted, make the missing ones; a namesake of ours is replaced."""
    wanted = list(desired)
    kept = {link.name for link in wanted}
    operations: list[Operation] = [DeleteLink(name) for name in sorted(set(ours) - kept) if facts.link(name)]
    for link in wanted:
        if find_match(link, facts) is not None:
            continue
        if facts.link(link.name) is not None:
            operations.append(DeleteLink(link.name))
        operations.append(AddLink(link))
    return operations


def rp_filter_pushdown(values: Mapping[str, int]) -> list[Operation]:
    """Move a system-wide reverse path filter to the single interfaces, so that one of them can do without.

    `values` is net.ipv4.conf.*.rp_filter by name. The kernel applies the larger of `all` and the interface's own value
    (ip-sysctl), so what every interface has in effect stays the same. Nothing to do when `all` is 0.
    """
    everywhere = values.get("all", 0)
    if not everywhere:
        return []
    operations: list[Operation] = [
        SetSysctl(f"net/ipv4/conf/{name}/rp_filter", str(everywhere))
        for name, value in values.items()
        if name != "all" and value < everywhere
    ]
    operations.append(SetSysctl("net/ipv4/conf/all/rp_filter", "0"))
    return operations
