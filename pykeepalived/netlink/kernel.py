"""The kernel's end of rtnetlink: reads facts, performs operations many to a datagram, hands over events.

Two sockets, as netlink(7) advises: one for requests, one subscribed to events. What a message looks like is in
messages.py and decode.py, sysctl files in sysctls.py, nftables in nft.py. Single-threaded; to be made after fork.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from pykeepalived.config.model.globals import ReceiveBuffer
from pykeepalived.config.model.network import RTPROT_KEEPALIVED
from pykeepalived.netlink import attributes as nl
from pykeepalived.netlink import bpf
from pykeepalived.netlink import messages as rtm
from pykeepalived.netlink.decode import decode_address, decode_event, decode_link, decode_route, decode_rule
from pykeepalived.netlink.facts import (
    Address,
    AddressAdded,
    AddressRemoved,
    Event,
    Facts,
    Link,
    LinkChanged,
    LinkRemoved,
    Overrun,
    Route,
    Rule,
)
from pykeepalived.netlink.nft import Nftables, NftError, table_exists
from pykeepalived.netlink.operations import (
    AddLink,
    DeleteLink,
    Operation,
    OperationError,
    RunNft,
    SetLink,
    SetOperation,
    SetSysctl,
    is_forgiven,
)
from pykeepalived.netlink.sysctls import write_sysctl

if TYPE_CHECKING:
    from pykeepalived.netlink.ipset import Ipset

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 1, 10, 11, 12
_SO_RCVBUFFORCE = 33
_GROUPS = (1, 5, 9)
"""RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR."""
_ROUTE_GROUPS = (7, 11)
_RULE_GROUPS = (8, 19)

_ANY_SIZE = ReceiveBuffer()
_DEFAULT_EVENT_BUFFER = 4 << 20
_COMMAND_BUFFER = 1 << 20
_BATCH = 100
_ANSWER_TIMEOUT_S = 5
_READ_SIZE = 1 << 16
_EVENT_READS = 64
_DUMP_ATTEMPTS = 3
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1

_NEW_ROUTE, _DELETED_ROUTE, _NEW_RULE = (
    bpf.as_loaded(kind, 2) for kind in (rtm.RTM_NEWROUTE, rtm.RTM_DELROUTE, rtm.RTM_NEWRULE)
)
_EVENT_FILTER: tuple[bpf.Instruction, ...] = (
    (bpf.LOAD_HALF, 0, 0, 4),
    (bpf.JUMP_EQUAL, 5, 0, _NEW_ROUTE),
    (bpf.JUMP_EQUAL, 4, 0, _NEW_RULE),
    (bpf.JUMP_EQUAL, 0, 2, _DELETED_ROUTE),
    (bpf.LOAD_BYTE, 0, 0, 21),
    (bpf.JUMP_EQUAL, 0, 1, RTPROT_KEEPALIVED),
    (bpf.RETURN, 0, 0, bpf.TAKE),
    (bpf.RETURN, 0, 0, 0),
)
"""Additions of routes and rules, and deletions of routes that are not ours, never wake the process."""


class KernelError(OSError):
    """A question to the kernel was refused."""


class Kernel:
    """Facts, operations and events of the network namespace the process is in.

    `event_fd` is readable when `read_events` has something to say. `routes` and `rules` say whether events about
    them are wanted (hosts with a full routing table have many). Raises OSError when netlink cannot be opened.
    """

    def __init__(
        self,
        command_buffer: ReceiveBuffer = _ANY_SIZE,
        event_buffer: ReceiveBuffer = _ANY_SIZE,
        nftables: Nftables | None = None,
    ) -> None:
        self._command = _open(command_buffer, _COMMAND_BUFFER)
        self._command.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _ANSWER_TIMEOUT_S, 0))
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            with contextlib.suppress(OSError):
                self._command.setsockopt(_SOL_NETLINK, option, 1)
        self._events = _open(event_buffer, _DEFAULT_EVENT_BUFFER)
        self._events.setblocking(False)
        bpf.attach(self._events, _EVENT_FILTER)
        self._groups: set[int] = set()
        self._subscribe(_GROUPS)
        self._sequence = 0
        self._links: dict[int, Link] = {}
        self._by_name: dict[str, Link] = {}
        self._addresses: dict[int, dict[tuple[bytes, int], Address]] = {}
        self._nftables = nftables
        self.address_protocol = rtm.IFAPROT_KEEPALIVED
        """The protocol number of addresses that are added (ip-address(8), proto)."""
        self._ipset: Ipset | None = None

    @property
    def event_fd(self) -> int:
        return self._events.fileno()

    def watch(self, routes: bool = False, rules: bool = False) -> None:
        """Also tell about routes and rules from now on."""
        if routes:
            self._subscribe(_ROUTE_GROUPS)
        if rules:
            self._subscribe(_RULE_GROUPS)

    def _subscribe(self, groups: Iterable[int]) -> None:
        for group in groups:
            if group not in self._groups:
                self._events.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
                self._groups.add(group)

    def close(self) -> None:
        self._command.close()
        self._events.close()
        if self._nftables is not None:
            self._nftables.close()
        if self._ipset is not None:
            self._ipset.close()

    # facts

    def facts(self, routes: bool = False, rules: bool = False) -> Facts:
        """Links and addresses; with `routes` those of protocol 18, with `rules` all of them. Raises KernelError.

        Events that wait to be read are older than this answer: they are thrown away.
        """
        while self.read_events():
            pass
        links = {link.index: link for link in self._dump_links()}
        self._links = links
        self._by_name = {link.name: link for link in links.values()}
        self._addresses = {}
        for address in self._dump_addresses():
            self._remember_address(address)
        return Facts(
            links=dict(links),
            addresses=self._known_addresses(),
            routes=tuple(self._dump_routes()) if routes else (),
            rules=tuple(self._dump_rules()) if rules else (),
        )

    def known(self) -> Facts:
        """Links and addresses as the last facts and all events read since have them: no question to the kernel."""
        return Facts(links=dict(self._links), addresses=self._known_addresses())

    def _known_addresses(self) -> tuple[Address, ...]:
        return tuple(address for of_link in self._addresses.values() for address in of_link.values())

    def _dump_links(self) -> Iterator[Link]:
        for data, start, end in self._dump(rtm.dump_request(rtm.RTM_GETLINK), rtm.RTM_NEWLINK):
            yield decode_link(data, start, end)

    def _dump_addresses(self) -> Iterator[Address]:
        for data, start, end in self._dump(rtm.dump_request(rtm.RTM_GETADDR), rtm.RTM_NEWADDR):
            if data[start] in (nl.AF_INET, nl.AF_INET6):
                yield decode_address(data, start, end)

    def _dump_routes(self) -> Iterator[Route]:
        for family in (nl.AF_INET, nl.AF_INET6):
            request = rtm.dump_request(rtm.RTM_GETROUTE, family, RTPROT_KEEPALIVED)
            for data, start, end in self._dump(request, rtm.RTM_NEWROUTE):
                if data[start] == family:
                    route = decode_route(data, start, end)
                    if route.protocol == RTPROT_KEEPALIVED:
                        yield route

    def _dump_rules(self) -> Iterator[Rule]:
        for family in (nl.AF_INET, nl.AF_INET6):
            with contextlib.suppress(KernelError):
                for data, start, end in self._dump(rtm.dump_request(rtm.RTM_GETRULE, family), rtm.RTM_NEWRULE):
                    if data[start] == family:
                        yield decode_rule(data, start, end)

    def _dump(self, request: bytes, kind: int) -> list[tuple[bytes, int, int]]:
        """The messages of a dump; asked again when the kernel says that things changed meanwhile."""
        for attempt in range(_DUMP_ATTEMPTS):
            found, consistent = self._dump_once(request, kind)
            if consistent or attempt == _DUMP_ATTEMPTS - 1:
                break
        return found

    def _dump_once(self, request: bytes, kind: int) -> tuple[list[tuple[bytes, int, int]], bool]:
        sequence = self._send([request])
        found: list[tuple[bytes, int, int]] = []
        consistent = True
        while True:
            data = self._receive()
            for got, flags, number, start, end in nl.messages(data):
                if number != sequence:
                    continue
                if flags & nl.NLM_F_DUMP_INTR:
                    consistent = False
                if got in (nl.NLMSG_DONE, nl.NLMSG_ERROR):
                    error = struct.unpack_from("=i", data, start)[0] if end - start >= 4 else 0
                    if error:
                        raise KernelError(-error, os.strerror(-error))
                    return found, consistent
                if got == kind:
                    found.append((data, start, end))

    def link(self, name: str) -> Link | None:
        """The link of this name: as events told it, else as the kernel answers now."""
        known = self._by_name.get(name)
        if known is not None:
            return known
        sequence = self._send([rtm.link_request(name)])
        while True:
            data = self._receive()
            for kind, _flags, number, start, end in nl.messages(data):
                if number != sequence:
                    continue
                if kind != rtm.RTM_NEWLINK:
                    return None
                found = decode_link(data, start, end)
                self._remember(found)
                return found

    def links(self) -> dict[int, Link]:
        """All links by index, as far as facts and events have told."""
        return self._links

    def _remember(self, link: Link) -> None:
        before = self._links.get(link.index)
        if before is not None and before.name != link.name:
            self._by_name.pop(before.name, None)
        self._links[link.index] = link
        self._by_name[link.name] = link

    def _forget(self, index: int) -> None:
        gone = self._links.pop(index, None)
        if gone is not None and self._by_name.get(gone.name) is gone:
            del self._by_name[gone.name]
        self._addresses.pop(index, None)

    def _remember_address(self, address: Address) -> None:
        self._addresses.setdefault(address.index, {})[address.address, address.prefix_length] = address

    def _forget_address(self, address: Address) -> None:
        self._addresses.get(address.index, {}).pop((address.address, address.prefix_length), None)

    def has_table(self, family: int, name: str) -> bool:
        """Whether nftables has a table of this name for IPv4 or IPv6."""
        return table_exists(family, name)

    # operations

    def perform(self, operations: Sequence[Operation]) -> list[OperationError]:
        """Do all of it in order; one that fails stops none of the others. Returns what failed and is not forgiven."""
        errors: list[OperationError] = []
        together = {DeleteLink: self._delete_together, RunNft: self._run_together}
        for means, run in groupby(operations, lambda operation: together.get(type(operation))):
            some = list(run)
            if means is None or len(some) == 1 or not means(some):
                self._perform_in_order(some, errors)
        return errors

    def _run_together(self, blocks: Sequence[Operation]) -> bool:
        """Blocks of nftables commands in one transaction: libnftables asks for all links before each. False if they
        have to be run one by one after all, as one of them fails."""
        try:
            self._nft().run("".join(block.commands for block in blocks if isinstance(block, RunNft)))
        except NftError:
            return False
        return True

    def _delete_together(self, deletions: Sequence[Operation]) -> bool:
        """Delete links as a group of their own: the kernel waits some ten milliseconds once for all of them instead of
        for each. False if they have to be deleted one by one after all."""
        groups = {link.group for link in self._links.values()}
        while (group := int.from_bytes(os.urandom(4), "big") >> 1) in groups:
            pass
        moves: list[tuple[Operation, bytes]] = []
        for deletion in deletions:
            link = self.link(deletion.name) if isinstance(deletion, DeleteLink) else None
            if link is not None:
                moves.append((deletion, rtm.move_link(link.index, group)))
                self._by_name.pop(link.name, None)
        refused: list[OperationError] = []
        for start in range(0, len(moves), _BATCH):
            self._flush(moves[start : start + _BATCH], refused)
        self._flush([(deletions[0], rtm.delete_group(group))], refused)
        return not refused

    def _perform_in_order(self, operations: Sequence[Operation], errors: list[OperationError]) -> None:
        batch: list[tuple[Operation, bytes]] = []
        for operation in operations:
            if isinstance(operation, SetSysctl | RunNft | SetOperation):
                self._flush(batch, errors)
                self._perform_aside(operation, errors)
                continue
            try:
                batch.append(
                    (operation, rtm.encode(operation, self._find_for(operation, batch, errors), self.address_protocol))
                )
            except rtm.NoSuchLinkError:
                _note(errors, operation, errno.ENODEV)
                continue
            if isinstance(operation, AddLink | DeleteLink):
                self._flush(batch, errors)
                self._by_name.pop(operation.name if isinstance(operation, DeleteLink) else operation.link.name, None)
            elif len(batch) >= _BATCH:
                self._flush(batch, errors)
        self._flush(batch, errors)

    def prepare(self, operation: Operation) -> None:
        """Work out the message of an operation that may come later, so that it costs less then."""
        if not isinstance(operation, SetSysctl | RunNft | SetOperation):
            with contextlib.suppress(rtm.NoSuchLinkError):
                rtm.encode(operation, self._by_name.get, self.address_protocol)

    def _find_for(
        self, operation: Operation, batch: list[tuple[Operation, bytes]], errors: list[OperationError]
    ) -> rtm.FindLink:
        """Finds links for one operation; asking the kernel means that what waits must be sent first."""

        def find(name: str) -> Link | None:
            known = self._by_name.get(name)
            if known is None or isinstance(operation, SetLink):
                self._flush(batch, errors)
                return self.link(name)
            return known

        return find

    def _flush(self, batch: list[tuple[Operation, bytes]], errors: list[OperationError]) -> None:
        if not batch:
            return
        try:
            first = self._send([encoded for _, encoded in batch])
        except OSError as refused:
            for operation, _ in batch:
                _note(errors, operation, refused.errno or errno.EIO)
            batch.clear()
            return
        waiting = {first + place: operation for place, (operation, _) in enumerate(batch)}
        batch.clear()
        try:
            while waiting:
                data = self._receive()
                for kind, flags, number, start, end in nl.messages(data):
                    if kind != nl.NLMSG_ERROR or number not in waiting:
                        continue
                    error = struct.unpack_from("=i", data, start)[0]
                    operation = waiting.pop(number)
                    if error:
                        _note(errors, operation, -error, _reason(data, flags, start, end))
        except OSError as lost:
            for operation in waiting.values():
                _note(errors, operation, lost.errno or errno.ETIMEDOUT)

    def _perform_aside(self, operation: SetSysctl | RunNft | SetOperation, errors: list[OperationError]) -> None:
        if isinstance(operation, SetOperation):
            self._change_set(operation, errors)
            return
        if isinstance(operation, SetSysctl):
            try:
                write_sysctl(operation.path, operation.value)
            except OSError as error:
                _note(errors, operation, error.errno or errno.EIO)
            return
        try:
            self._nft().run(operation.commands)
        except NftError as error:
            _note(errors, operation, errno.EINVAL, str(error))

    def _nft(self) -> Nftables:
        if self._nftables is None:
            self._nftables = Nftables()
        return self._nftables

    def _change_set(self, operation: SetOperation, errors: list[OperationError]) -> None:
        try:
            if self._ipset is None:
                from pykeepalived.netlink.ipset import Ipset

                self._ipset = Ipset()
        except OSError as error:
            _note(errors, operation, error.errno or errno.EPROTONOSUPPORT)
            return
        for failed, number, reason in self._ipset.perform([operation]):
            _note(errors, failed, number, reason)

    # events

    def read_events(self) -> list[Event]:
        """What has happened since the last call; bounded, so a storm cannot keep the process from its other work."""
        events: list[Event] = []
        for _ in range(_EVENT_READS):
            try:
                data = self._events.recv(_READ_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return [Overrun()]
                raise
            try:
                self._collect(data, events)
            except nl.DecodeError:
                continue
        return events

    def _collect(self, data: bytes, events: list[Event]) -> None:
        for kind, _flags, _sequence, start, end in nl.messages(data):
            event = decode_event(kind, data, start, end)
            if event is None:
                continue
            if isinstance(event, LinkChanged):
                self._remember(event.link)
            elif isinstance(event, LinkRemoved):
                self._forget(event.index)
            elif isinstance(event, AddressAdded):
                self._remember_address(event.address)
            elif isinstance(event, AddressRemoved):
                self._forget_address(event.address)
            events.append(event)

    # the wire

    def _send(self, messages: Sequence[bytes]) -> int:
        """Send in one datagram, numbered from the returned sequence on."""
        if self._sequence > 0x7FFFFFFF:
            self._sequence = 0
        first = self._sequence + 1
        datagram = bytearray()
        for message in messages:
            self._sequence += 1
            place = len(datagram)
            datagram += message
            struct.pack_into("=II", datagram, place + 8, self._sequence, 0)
        self._command.send(datagram)
        return first

    def _receive(self) -> bytes:
        return self._command.recv(_READ_SIZE)


def _open(buffer: ReceiveBuffer, default: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        sock.bind((0, 0))
        size = buffer.size or default
        if buffer.force or not buffer.size:
            try:
                sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
            except PermissionError:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    except OSError:
        sock.close()
        raise
    return sock


def _note(errors: list[OperationError], operation: Operation, error: int, reason: str = "") -> None:
    if not is_forgiven(operation, error):
        errors.append(OperationError(operation, error, reason))


def _reason(data: bytes, flags: int, start: int, end: int) -> str:
    """The kernel's own words from the extended acknowledgement (netlink(7), NETLINK_EXT_ACK)."""
    if not flags & _NLM_F_ACK_TLVS:
        return ""
    try:
        found = nl.parse_attributes(data, start + 20, end)
    except nl.DecodeError:
        return ""
    return found.get(_NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(errors="replace")
