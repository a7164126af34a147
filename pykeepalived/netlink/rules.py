"""Policy rules: which kernel rule a configured one is, and the steps from what is there to what is wished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pykeepalived.config.model.network import IpRule
from pykeepalived.netlink.facts import Facts, Rule
from pykeepalived.netlink.operations import AddRule, DeleteRule, Operation

_ALL_BITS = 0xFFFFFFFF


def rule_key(rule: IpRule) -> tuple[object, ...]:
    """Everything that tells rules apart, in the form `kernel_key` has."""
    table = rule.table or 0
    return (
        *(rule.family, rule.priority or 0, rule.action, rule.invert, table, rule.tos or 0),
        *(rule.from_address, rule.from_length if rule.from_address is not None else 0),
        *(rule.to_address, rule.to_length if rule.to_address is not None else 0),
        *(rule.fwmark or 0, _mask(rule.fwmark, rule.fwmask), rule.realms or 0),
        *(rule.iif, rule.oif, rule.tunnel_id or 0, rule.uid_range, rule.l3mdev),
        *(rule.ip_protocol or 0, rule.source_ports, rule.destination_ports, rule.goto),
        *(rule.suppress_prefixlength, rule.suppress_ifgroup),
    )


def kernel_key(rule: Rule) -> tuple[object, ...]:
    """The same of a kernel rule."""
    suppress_group = None if rule.suppress_ifgroup in (None, _ALL_BITS) else rule.suppress_ifgroup
    return (
        *(rule.family, rule.priority, rule.action, rule.invert, rule.table, rule.tos),
        *(rule.from_address, rule.from_length, rule.to_address, rule.to_length),
        *(rule.fwmark or 0, _mask(rule.fwmark, rule.fwmask), rule.realms or 0),
        *(rule.iif, rule.oif, rule.tunnel_id or 0, rule.uid_range, rule.l3mdev),
        *(rule.ip_protocol or 0, rule.source_ports, rule.destination_ports, rule.goto),
        *(rule.suppress_prefixlength, suppress_group),
    )


def _mask(mark: int | None, mask: int | None) -> int:
    """The mask in force: all bits where a mark is given without one (ip-rule(8))."""
    if mask is not None:
        return mask
    return _ALL_BITS if mark else 0


def match_rule(actual: Rule, configured: Iterable[IpRule]) -> IpRule | None:
    """The configured rule that this kernel rule is, or None."""
    key = kernel_key(actual)
    for rule in configured:
        if rule_key(rule) == key:
            return rule
    return None


def diff(desired: Sequence[IpRule], previous: Sequence[IpRule], facts: Facts) -> list[Operation]:
    """From the `previous` wishes, and whatever of them the kernel has, to the `desired` ones: deletions first."""
    present = {kernel_key(rule) for rule in facts.rules}
    wanted = {rule_key(rule) for rule in desired}
    operations: list[Operation] = []
    for rule in dict.fromkeys(previous):
        key = rule_key(rule)
        if key not in wanted and key in present:
            operations.append(DeleteRule(rule, lenient=True))
    operations += [AddRule(rule) for rule in desired if rule_key(rule) not in present]
    return operations
