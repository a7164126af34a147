"""The layout of every IPVS message, as pyroute2 message classes (linux/ip_vs.h); encode() turns values into bytes.

pyroute2's own IPVS classes would give an IPv4 type to the netmask and host order to the tunnel port, and have no sync
daemon; so the classes stand here, on pyroute2's bases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pykeepalived.deferred import defer

defer("pyroute2")

from pyroute2.netlink import genlmsg, nla  # noqa: E402

_REQUEST_ACK = 0x5


class ipvsmsg(genlmsg):  # noqa: N801
    """A generic netlink message of the IPVS family: service, destination, sync daemon, timeouts."""

    prefix = "IPVS_CMD_ATTR_"
    nla_map = (
        (1, "IPVS_CMD_ATTR_SERVICE", "service"),
        (2, "IPVS_CMD_ATTR_DEST", "dest"),
        (3, "IPVS_CMD_ATTR_DAEMON", "daemon"),
        (4, "IPVS_CMD_ATTR_TIMEOUT_TCP", "uint32"),
        (5, "IPVS_CMD_ATTR_TIMEOUT_TCP_FIN", "uint32"),
        (6, "IPVS_CMD_ATTR_TIMEOUT_UDP", "uint32"),
    )

    class service(nla):  # noqa: N801
        prefix = "IPVS_SVC_ATTR_"
        nla_map = (
            (1, "IPVS_SVC_ATTR_AF", "uint16"),
            (2, "IPVS_SVC_ATTR_PROTOCOL", "uint16"),
            (3, "IPVS_SVC_ATTR_ADDR", "cdata"),
            (4, "IPVS_SVC_ATTR_PORT", "be16"),
            (5, "IPVS_SVC_ATTR_FWMARK", "uint32"),
            (6, "IPVS_SVC_ATTR_SCHED_NAME", "asciiz"),
            (7, "IPVS_SVC_ATTR_FLAGS", "flags"),
            (8, "IPVS_SVC_ATTR_TIMEOUT", "uint32"),
            (9, "IPVS_SVC_ATTR_NETMASK", "uint32"),
            (11, "IPVS_SVC_ATTR_PE_NAME", "asciiz"),
        )

        class flags(nla):  # noqa: N801
            fields = (("flags", "I"), ("mask", "I"))

    class dest(nla):  # noqa: N801
        prefix = "IPVS_DEST_ATTR_"
        nla_map = (
            (1, "IPVS_DEST_ATTR_ADDR", "cdata"),
            (2, "IPVS_DEST_ATTR_PORT", "be16"),
            (3, "IPVS_DEST_ATTR_FWD_METHOD", "uint32"),
            (4, "IPVS_DEST_ATTR_WEIGHT", "uint32"),
            (5, "IPVS_DEST_ATTR_U_THRESH", "uint32"),
            (6, "IPVS_DEST_ATTR_L_THRESH", "uint32"),
            (11, "IPVS_DEST_ATTR_ADDR_FAMILY", "uint16"),
            (13, "IPVS_DEST_ATTR_TUN_TYPE", "uint8"),
            (14, "IPVS_DEST_ATTR_TUN_PORT", "be16"),
            (15, "IPVS_DEST_ATTR_TUN_FLAGS", "uint16"),
        )

    class daemon(nla):  # noqa: N801
        prefix = "IPVS_DAEMON_ATTR_"
        nla_map = (
            (1, "IPVS_DAEMON_ATTR_STATE", "uint32"),
            (2, "IPVS_DAEMON_ATTR_MCAST_IFN", "asciiz"),
            (3, "IPVS_DAEMON_ATTR_SYNC_ID", "uint32"),
            (4, "IPVS_DAEMON_ATTR_SYNC_MAXLEN", "uint16"),
            (5, "IPVS_DAEMON_ATTR_MCAST_GROUP", "cdata"),
            (6, "IPVS_DAEMON_ATTR_MCAST_GROUP6", "cdata"),
            (7, "IPVS_DAEMON_ATTR_MCAST_PORT", "uint16"),
            (8, "IPVS_DAEMON_ATTR_MCAST_TTL", "uint8"),
        )


class ctrlmsg(genlmsg):  # noqa: N801
    """A question to the generic netlink controller for a family by name."""

    prefix = "CTRL_ATTR_"
    nla_map = ((1, "CTRL_ATTR_FAMILY_ID", "uint16"), (2, "CTRL_ATTR_FAMILY_NAME", "asciiz"))


def encode(layout: type[Any], kind: int, command: int, attributes: Sequence[tuple[str, Any]]) -> bytearray:
    """A request of a generic netlink family (`kind`), version 1; the sender fills in the sequence number."""
    message = layout()
    message["cmd"], message["version"], message["attrs"] = command, 1, list(attributes)
    message["header"].update(type=kind, flags=_REQUEST_ACK, sequence_number=0, pid=0)
    message.reset()
    message.encode()
    return bytearray(message.data)
