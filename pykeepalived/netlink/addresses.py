"""Addresses: which kernel address a configured one is, and the steps from what is there to what is wished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pykeepalived.config.model.network import IpAddress
from pykeepalived.light_dataclasses import dataclass
from pykeepalived.netlink.facts import Address, Facts
from pykeepalived.netlink.operations import AddAddress, DeleteAddress, Operation


@dataclass(frozen=True, slots=True)
class Wish:
    """An address on the link that is to carry it (the VMAC where there is one)."""

    address: IpAddress
    interface: str

    @property
    def identity(self) -> tuple[bytes, int, int, str, str, bool]:
        """What makes two wishes the same over a reload (keepalived.conf(5)): changes of anything else are ignored."""
        address = self.address
        return (
            address.address,
            address.prefix_length,
            address.scope,
            address.label,
            self.interface,
            address.use_vmac,
        )


def is_present(wish: Wish, facts: Facts) -> bool:
    """Whether the link has this address with this prefix length."""
    link = facts.link(wish.interface)
    if link is None:
        return False
    return any(same_address(wish.address, address) for address in facts.addresses_of(link.index))


def same_address(wish: IpAddress, actual: Address) -> bool:
    """Address and prefix length are what tells addresses of one link apart."""
    return wish.address == actual.address and wish.prefix_length == actual.prefix_length


def diff(desired: Sequence[Wish], previous: Iterable[Wish], facts: Facts) -> list[Operation]:
    """From the `previous` wishes, and whatever of them the kernel has, to the `desired` ones.

    Only addresses that were ours before are ever removed. Removals come first and both keep the order of the file: an
    address that moves from one link to another must be gone before it is added.
    """
    wanted = {wish.identity for wish in desired}
    operations: list[Operation] = []
    removed: set[tuple[bytes, int, str]] = set()
    for wish in previous:
        if wish.identity not in wanted and is_present(wish, facts):
            operations.append(DeleteAddress(wish.address, wish.interface))
            removed.add((wish.address.address, wish.address.prefix_length, wish.interface))
    for wish in desired:
        place = (wish.address.address, wish.address.prefix_length, wish.interface)
        if place in removed or not is_present(wish, facts):
            operations.append(AddAddress(wish.address, wish.interface))
    return operations
