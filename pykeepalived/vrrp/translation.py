"""Between the words of the VRRP core and those of netlink, for whoever has a kernel, or a fake one, below the core."""

from __future__ import annotations

from pykeepalived.netlink import facts as kf
from pykeepalived.netlink import operations as ko
from pykeepalived.vrrp import effects, inputs


def step(operation: effects.Operation) -> ko.Operation | None:
    """The kernel operation of an address, route or rule operation of the core; None for those of the packet filter."""
    match operation:
        case effects.AddAddress(address, interface):
            return ko.AddAddress(address, interface)
        case effects.RemoveAddress(address, interface):
            return ko.DeleteAddress(address, interface)
        case effects.AddRoute(route, replace=again):
            return ko.ReplaceRoute(route) if again else ko.AddRoute(route)
        case effects.RemoveRoute(route):
            return ko.DeleteRoute(route, lenient=True)
        case effects.AddRule(rule):
            return ko.AddRule(rule)
        case effects.RemoveRule(rule):
            return ko.DeleteRule(rule, lenient=True)
        case effects.DropTraffic() | effects.AllowTraffic():
            return None


def address(interface: str, present: kf.Address) -> inputs.Address:
    """An address the kernel has on `interface`."""
    return inputs.Address(
        interface=interface,
        address=present.address,
        prefix_length=present.prefix_length,
        flags=present.flags,
    )


def place(present: kf.Address) -> tuple[int, bytes, int]:
    """What makes two notices of the kernel speak of the same address."""
    return present.index, present.address, present.prefix_length
