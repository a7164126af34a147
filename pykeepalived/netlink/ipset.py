"""The kernel's IP sets (ipset(8)) over netlink: made, filled, removed. Decides nothing."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from pykeepalived.deferred import defer
from pykeepalived.netlink import attributes as nl
from pykeepalived.netlink.layouts import encode, nested
from pykeepalived.netlink.operations import AddToSet, CreateSet, DeleteFromSet, DestroySet, SetOperation

defer("pyroute2")

from pyroute2.netlink.nfnetlink import ipset as layout  # noqa: E402

_NETLINK_NETFILTER = 12
_PROTOCOL = 6
_ANSWER_TIMEOUT_S = 5
_READ_SIZE = 1 << 16
_BATCH = 100
_MEANINGS = {
    layout.IPSET_ERR_PROTOCOL: "protocol not understood",
    layout.IPSET_ERR_FIND_TYPE: "the kernel does not know this type of set",
    layout.IPSET_ERR_MAX_SETS: "too many sets",
    layout.IPSET_ERR_BUSY: "the set is in use",
    layout.IPSET_ERR_REFERENCED: "the set is in use",
    layout.IPSET_ERR_TYPE_SPECIFIC: "the set is full",
}
"""Errors that only sets have; their numbers are above those of errno(3)."""


class Ipset:
    """One socket to the sets of the network namespace the process is in. Raises OSError when the kernel has none."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _ANSWER_TIMEOUT_S, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def perform(self, operations: Sequence[SetOperation]) -> list[tuple[SetOperation, int, str]]:
        """Do all of it in order; returns what failed, with errno and reason."""
        failed: list[tuple[SetOperation, int, str]] = []
        for start in range(0, len(operations), _BATCH):
            failed += self._exchange(operations[start : start + _BATCH])
        return failed

    def _exchange(self, operations: Sequence[SetOperation]) -> list[tuple[SetOperation, int, str]]:
        waiting: dict[int, SetOperation] = {}
        datagram = bytearray()
        for operation in operations:
            for encoded in _encoded(operation):
                self._sequence = self._sequence % 0x7FFFFFFF + 1
                waiting[self._sequence] = operation
                struct.pack_into("=I", encoded, 8, self._sequence)
                datagram += encoded
        failed: list[tuple[SetOperation, int, str]] = []
        try:
            self._socket.send(datagram)
            while waiting:
                data = self._socket.recv(_READ_SIZE)
                for kind, _flags, number, start, _end in nl.messages(data):
                    if kind != nl.NLMSG_ERROR or number not in waiting:
                        continue
                    operation = waiting.pop(number)
                    error = -struct.unpack_from("=i", data, start)[0]
                    if error:
                        failed.append((operation, *_reason(error)))
        except OSError as lost:
            failed += [(operation, lost.errno or errno.ETIMEDOUT, "") for operation in waiting.values()]
        return failed


def _reason(error: int) -> tuple[int, str]:
    if error < layout.IPSET_ERR_PROTOCOL:
        return error, os.strerror(error)
    return errno.EINVAL, _MEANINGS.get(error, f"error {error}")


def _encoded(operation: SetOperation) -> list[bytearray]:
    """The messages of an operation. A set that exists already is taken over, without what was in it."""
    match operation:
        case CreateSet(name, family, with_interface):
            kind = "hash:net,iface" if with_interface else "hash:ip"
            words: list[tuple[str, Any]] = [
                ("IPSET_ATTR_TYPENAME", kind),
                ("IPSET_ATTR_REVISION", 0),
                ("IPSET_ATTR_FAMILY", nl.family_number(family)),
                ("IPSET_ATTR_DATA", nested([])),
            ]
            return [_message(layout.IPSET_CMD_CREATE, name, words), _message(layout.IPSET_CMD_FLUSH, name)]
        case DestroySet(name):
            return [_message(layout.IPSET_CMD_FLUSH, name), _message(layout.IPSET_CMD_DESTROY, name)]
        case AddToSet():
            return [_message(layout.IPSET_CMD_ADD, operation.name, _member(operation))]
        case DeleteFromSet():
            return [_message(layout.IPSET_CMD_DEL, operation.name, _member(operation))]


def _member(operation: AddToSet | DeleteFromSet) -> list[tuple[str, Any]]:
    address = operation.address
    words: list[tuple[str, Any]] = [
        ("IPSET_ATTR_IP", nested([(f"IPSET_ATTR_IPADDR_IPV{address.family}", str(address))]))
    ]
    if operation.interface:
        words.append(("IPSET_ATTR_CIDR", operation.prefix_length))
        words.append(("IPSET_ATTR_IFACE", operation.interface))
    return [("IPSET_ATTR_DATA", nested(words))]


def _message(command: int, name: str, words: Sequence[tuple[str, Any]] = ()) -> bytearray:
    attributes = [("IPSET_ATTR_PROTOCOL", _PROTOCOL), ("IPSET_ATTR_SETNAME", name), *words]
    kind = layout.NFNL_SUBSYS_IPSET << 8 | command
    return encode(layout.ipset_msg, kind, nl.NLM_F_REQUEST | nl.NLM_F_ACK, {}, attributes)
