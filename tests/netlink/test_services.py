"""IPVS as data: error lines, differences, and messages whose bytes pyroute2 reads as meant."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any, cast

import pytest

from pykeepalived.config.model.values import Ip
from pykeepalived.netlink import kernel_ipvs
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import (
    FLUSH,
    DestinationKey,
    DestinationSettings,
    Operation,
    OperationFailure,
    ServiceKey,
    ServiceSettings,
    SyncDaemon,
    Table,
    Timeouts,
    delete_destination,
    delete_service,
    describe_failure,
    diff,
    is_harmless,
    missing,
    new_destination,
    new_service,
    set_destination,
    set_service,
    set_timeouts,
    start_daemon,
    stop_daemon,
)


def address(text: str) -> bytes:
    return bytes(Ip.parse(text))


WEB = ServiceKey(4, 6, address("10.99.0.1"), 80)
DNS6 = ServiceKey(6, 17, address("fd00:99::1"), 53)
MARK = ServiceKey.of_fwmark(4, 5)
MARK6 = ServiceKey.of_fwmark(6, 5)
RS = DestinationKey(address("10.10.0.11"), 8080)
RS6 = DestinationKey(address("fd00:10::11"), 53)


ON_RS = "(10.99.0.1:tcp:80 -> 10.10.0.11:8080)"
INVALID = "Invalid operation.  Possibly wrong module version, address not unicast, ..."
PUT = new_destination(WEB, RS, DestinationSettings(1))
SIXTH = set_destination(DNS6, RS6, DestinationSettings(1))
LINES: list[tuple[Operation, int, str, str]] = [
    (new_service(WEB, ServiceSettings("rr")), 17, "ADD(1154)", "Service already exists(17) (10.99.0.1:tcp:80)"),
    (delete_service(MARK6), errno.ESRCH, "DEL(1156)", "No such file or directory(2) (Fwm 5 inet6)"),
    (PUT, errno.ESRCH, "ADDDEST(1159)", f"No such file or directory(2) {ON_RS}"),
    (delete_destination(WEB, RS), errno.ESRCH, "DELDEST(1160)", f"No such destination(2) {ON_RS}"),
    (SIXTH, errno.EINVAL, "EDITDEST(1161)", f"{INVALID}(22) (fd00:99::1:udp:53 -> fd00:10::11:53)"),
    (start_daemon(SyncDaemon(1)), errno.EEXIST, "STARTDAEMON(1163)", "Daemon has already run(17)"),
    (stop_daemon(1), errno.ESRCH, "STOPDAEMON(1164)", "No daemon is running(2)"),
    (FLUSH, errno.EPERM, "FLUSH(1157)", "Permission denied (you must be root)(1)"),
]


@pytest.mark.parametrize(("operation", "error", "command", "text"), LINES)
def test_lines_of_refused_operations(operation: Operation, error: int, command: str, text: str) -> None:
    assert describe_failure(operation, error) == f"IPVS cmd IP_VS_SO_SET_{command} error: {text}"


def test_what_is_there_already_or_gone_already_is_no_failure() -> None:
    assert is_harmless(new_service(WEB, ServiceSettings("rr")), errno.EEXIST)
    assert is_harmless(delete_destination(WEB, RS), errno.ESRCH)
    assert is_harmless(delete_destination(WEB, RS), errno.ENOENT)
    assert not is_harmless(new_destination(WEB, RS, DestinationSettings(1)), errno.ESRCH)
    assert not is_harmless(set_destination(WEB, RS, DestinationSettings(1)), errno.ENOENT)


def test_missing_puts_back_and_touches_nothing_else() -> None:
    foreign = ServiceKey(4, 6, address("10.99.0.9"), 80)
    wanted = Table(
        {WEB: ServiceSettings("rr"), MARK: ServiceSettings("wrr")},
        {WEB: {RS: DestinationSettings(3)}, MARK: {RS: DestinationSettings(4)}},
    )
    found = Table(
        {WEB: ServiceSettings("lc"), foreign: ServiceSettings("sh")},
        {WEB: {DestinationKey(RS.address, 1): DestinationSettings(9)}, foreign: {}},
    )
    assert list(missing(wanted, found)) == [
        new_destination(WEB, RS, DestinationSettings(3)),
        new_service(MARK, ServiceSettings("wrr")),
        new_destination(MARK, RS, DestinationSettings(4)),
    ]
    assert list(missing(wanted, wanted)) == []


def test_diff_leads_from_one_table_to_the_other() -> None:
    kernel = FakeIpvs()
    other = DestinationKey(address("10.10.0.12"), 80)
    foreign = ServiceKey(4, 6, address("10.99.0.9"), 80)
    start = Table(
        {WEB: ServiceSettings("rr"), MARK: ServiceSettings("rr"), foreign: ServiceSettings("rr")},
        {WEB: {RS: DestinationSettings(1), other: DestinationSettings(1)}, MARK: {}, foreign: {}},
    )
    kernel.perform(list(diff(start, Table({}, {}))))
    assert kernel.table() == start
    goal = Table(
        {WEB: ServiceSettings("sh"), DNS6: ServiceSettings("rr")},
        {WEB: {RS: DestinationSettings(2)}, DNS6: {RS6: DestinationSettings(1)}},
    )
    assert kernel.perform(list(diff(goal, kernel.table(), owned=[WEB, MARK]))) == []
    assert kernel.services == {**goal.services, foreign: ServiceSettings("rr")}
    assert {key: kernel.destinations[key] for key in goal.services} == goal.destinations


def test_operations_read_like_what_they_do() -> None:
    assert str(set_service(WEB, ServiceSettings("rr"))) == "SET_SERVICE 10.99.0.1:tcp:80"
    assert str(new_destination(MARK, RS, DestinationSettings(3))) == "NEW_DEST Fwm 5 -> 10.10.0.11:8080 weight 3"


# the bytes, read back by pyroute2's own classes


def decoded(operation: Operation) -> Any:
    from pyroute2.netlink.generic.ipvs import ipvsmsg

    message = ipvsmsg(bytes(kernel_ipvs._encode(operation, 0x1F)))
    message.decode()
    return message


def service_of(message: Any) -> dict[str, Any]:
    attributes = dict(message.get_attr("IPVS_CMD_ATTR_SERVICE")["attrs"])
    return {name.removeprefix("IPVS_SVC_ATTR_"): value for name, value in attributes.items()}


def destination_of(message: Any) -> dict[str, Any]:
    attributes = dict(message.get_attr("IPVS_CMD_ATTR_DEST")["attrs"])
    return {name.removeprefix("IPVS_DEST_ATTR_"): value for name, value in attributes.items()}


@pytest.mark.keyword("virtual_server/lvs_sched")
@pytest.mark.keyword("virtual_server/persistence_timeout")
@pytest.mark.keyword("virtual_server/persistence_granularity")
@pytest.mark.keyword("virtual_server/persistence_engine")
def test_service_messages() -> None:
    message = decoded(new_service(WEB, ServiceSettings("mh", 0x19, 50, 0xFFFFFF00, "sip")))
    assert (message["cmd"], message["version"], message["header"]["type"], message["header"]["flags"]) == (1, 1, 31, 5)
    found = service_of(message)
    assert (found["AF"], found["PROTOCOL"], found["ADDR"], found["PORT"]) == (2, 6, "10.99.0.1", 80)
    assert (found["SCHED_NAME"], found["PE_NAME"], found["TIMEOUT"], found["NETMASK"]) == (
        "mh",
        "sip",
        50,
        "255.255.255.0",
    )
    assert (found["FLAGS"]["flags"], found["FLAGS"]["mask"]) == (0x19, 0xFFFFFFFF)
    sixth = service_of(decoded(set_service(DNS6, ServiceSettings("rr", 0, 0, 64))))
    assert (sixth["AF"], sixth["PROTOCOL"], sixth["ADDR"], sixth["PORT"]) == (10, 17, "fd00:99::1", 53)
    assert kernel_ipvs._encode(set_service(DNS6, ServiceSettings("rr", 0, 0, 64)), 31).endswith(
        b"\x08\0\x09\0\x40\0\0\0"
    )
    mark = service_of(decoded(delete_service(MARK6)))
    assert mark == {"AF": 10, "FWMARK": 5}


@pytest.mark.keyword("virtual_server/real_server/uthreshold")
@pytest.mark.keyword("virtual_server/real_server/lthreshold")
@pytest.mark.keyword("virtual_server/real_server/lvs_method")
def test_destination_messages() -> None:
    found = destination_of(decoded(new_destination(WEB, RS, DestinationSettings(7, 0, 20, 3))))
    assert (found["ADDR_FAMILY"], found["ADDR"], found["PORT"], found["FWD_METHOD"]) == (2, "10.10.0.11", 8080, 0)
    assert (found["WEIGHT"], found["U_THRESH"], found["L_THRESH"]) == (7, 20, 3)
    assert "TUN_TYPE" not in found
    data = kernel_ipvs._encode(set_destination(MARK, RS6, DestinationSettings(2, 2, 0, 0, 1, 6080, 2)), 31)
    assert b"\x05\0\x0d\0\x01" in data
    assert b"\x06\0\x0e\0\x17\xc0" in data
    assert b"\x06\0\x0f\0\x02\0" in data
    found = destination_of(decoded(set_destination(MARK, RS6, DestinationSettings(2, 2, 0, 0, 1, 6080, 2))))
    assert (found["ADDR_FAMILY"], found["ADDR"], found["FWD_METHOD"], found["TUN_TYPE"]) == (10, "fd00:10::11", 2, 1)


def test_a_template_is_not_spoiled_by_its_use() -> None:
    first = kernel_ipvs._encode(new_destination(WEB, RS, DestinationSettings(7, 0, 20, 3)), 31)
    kernel_ipvs._encode(new_destination(DNS6._replace(family=4, address=WEB.address), RS, DestinationSettings(1)), 31)
    assert kernel_ipvs._encode(new_destination(WEB, RS, DestinationSettings(7, 0, 20, 3)), 31) == first


def test_daemon_and_timeout_messages() -> None:
    daemon = SyncDaemon(1, 7, "br0", 1000, 9000, 3, address("224.0.0.99"))
    data = kernel_ipvs._encode(start_daemon(daemon), 31)
    for attribute in (
        b"\x08\0\x01\0\x01\0\0\0",
        b"\x08\0\x02\0br0\0",
        b"\x08\0\x03\0\x07\0\0\0",
        b"\x06\0\x04\0\xe8\x03",
        b"\x06\0\x07\0\x28\x23",
        b"\x05\0\x08\0\x03",
        b"\x08\0\x05\0\xe0\0\0\x63",
    ):
        assert attribute in data
    assert len(kernel_ipvs._encode(stop_daemon(2), 31)) == 20 + 4 + 16
    timeouts = kernel_ipvs._encode(set_timeouts(Timeouts(600, 120, 300)), 31)
    assert timeouts[20:] == b"\x08\0\x04\0\x58\x02\0\0\x08\0\x05\0\x78\0\0\0\x08\0\x06\0\x2c\x01\0\0"


def test_what_is_written_is_read_back_the_same() -> None:
    for key, settings in [
        (WEB, ServiceSettings("wrr", 0x19, 50, 0xFFFF0000, "sip")),
        (DNS6, ServiceSettings("sh", 0x18, 0, 64)),
        (MARK6, ServiceSettings("rr", 4, 0, 128)),
    ]:
        data = bytes(kernel_ipvs._encode(new_service(key, settings), 31))
        [(kind, nest)] = kernel_ipvs._attributes(data, 20)
        assert kind == 1
        assert kernel_ipvs._decode_service(nest) == (key, settings)
    for target, values in [(RS, DestinationSettings(7, 3, 20, 3)), (RS6, DestinationSettings(1, 2, 0, 0, 2, 0, 1))]:
        data = bytes(kernel_ipvs._encode(new_destination(MARK, target, values), 31))
        nest = dict(kernel_ipvs._attributes(data, 20))[2]
        assert kernel_ipvs._decode_destination(nest, 4) == (target, values)


class Answers:
    """A socket on which these messages (type, distance to the sequence asked with, body) wait for whoever asks."""

    def __init__(self, *waiting: tuple[int, int, bytes]) -> None:
        self.waiting = list(waiting)
        self.asked = 0

    def getsockname(self) -> tuple[int, int]:
        return 7, 0

    def send(self, data: bytes) -> None:
        self.asked = struct.unpack_from("=I", data, 8)[0]

    def recv(self, _size: int) -> bytes:
        kind, distance, body = self.waiting.pop(0)
        return struct.pack("=IHHII", 16 + len(body), kind, 0, (self.asked + distance) & 0x7FFFFFFF, 7) + body


def kernel_that_answers(*waiting: tuple[int, int, bytes]) -> kernel_ipvs.IpvsKernel:
    return kernel_ipvs.IpvsKernel(30, cast(socket.socket, Answers(*waiting)))


REFUSED, DONE = struct.pack("=i", -errno.EEXIST), struct.pack("=i", 0)
LATE = -5
"""The sequence of a question that somebody asked before and did not wait for."""


def test_late_answers_to_other_questions_are_no_answers_to_this_one() -> None:
    operations = [delete_service(ServiceKey(4, 6, bytes(Ip.parse("192.0.2.1")), port)) for port in (80, 81)]
    kernel = kernel_that_answers((2, LATE, REFUSED), (2, 0, DONE), (2, LATE, REFUSED), (2, 1, REFUSED))
    assert kernel.perform(operations) == [OperationFailure(1, errno.EEXIST)]
    version = struct.pack("=BBHHHI", 14, 1, 0, 8, 1, 0x010201)
    assert kernel_that_answers((2, LATE, REFUSED), (30, 0, version)).version() == "1.2.1"
    assert kernel_that_answers((3, LATE, DONE), (2, LATE, REFUSED), (3, 0, DONE)).table() == Table({}, {})
