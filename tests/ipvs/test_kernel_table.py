"""The kernel's table as the checker process has it: there, not there, lost, of another namespace."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from pykeepalived.config.model.globals import GlobalDefs, ReceiveBuffer
from pykeepalived.ipvs.kernel_table import KernelTable
from pykeepalived.netlink.kernel_ipvs import IpvsKernel, IpvsUnavailableError
from pykeepalived.netlink.services import OperationFailure, Table, Timeouts
from pykeepalived.observe.cause import LogLine
from pykeepalived.runtime.log import Log

TABLE, TIMEOUTS = Table({}, {}), Timeouts(900, 120, 300)
REFUSED = OperationFailure(0, errno.EPERM)


class Kernel:
    """Answers as long as its socket is usable."""

    def __init__(self, namespace: str | None) -> None:
        self.namespace = namespace
        self.closed = False
        self.broken = False
        self.buffer: tuple[int, bool] | None = None

    def table(self) -> Table:
        self._use()
        return TABLE

    def timeouts(self) -> Timeouts:
        self._use()
        return TIMEOUTS

    def perform(self, _operations: object) -> list[OperationFailure]:
        self._use()
        return [REFUSED]

    def version(self) -> str:
        self._use()
        return "1.2.1"

    def set_receive_buffer(self, size: int, force: bool) -> None:
        self.buffer = (size, force)

    def close(self) -> None:
        self.closed = True

    def _use(self) -> None:
        assert not self.closed
        if self.broken:
            raise OSError(errno.ENOBUFS, "No buffer space available")


class Machine:
    """A kernel with or without IPVS, which notes every socket; a sink of the log."""

    def __init__(self) -> None:
        self.has_ipvs = True
        self.sockets: list[Kernel] = []
        self.told: list[str] = []

    def open(self, namespace: str | None = None) -> IpvsKernel:
        if not self.has_ipvs:
            raise IpvsUnavailableError(errno.ENOPROTOOPT, "Protocol not available")
        self.sockets.append(Kernel(namespace))
        return cast(IpvsKernel, self.sockets[-1])

    def emit(self, line: LogLine) -> bool:
        self.told.append(line.text)
        return True

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(IpvsKernel, "open", made.open)
    return made


def opened(machine: Machine, settings: GlobalDefs | None = None) -> KernelTable:
    table = KernelTable(settings or GlobalDefs(), Log([machine], 0))
    table.open()
    return table


def answers(table: KernelTable) -> tuple[object, ...]:
    return table.read(), table.timeouts(), tuple(table.perform(()))


def test_one_socket_answers_everything(machine: Machine) -> None:
    table = opened(
        machine, GlobalDefs(net_namespace_ipvs="lvs", lvs_netlink_cmd_rcv_bufs=ReceiveBuffer(size=65536, force=True))
    )
    table.open()
    assert answers(table) == (TABLE, TIMEOUTS, (REFUSED,))
    assert table.version == "1.2.1"
    [socket] = machine.sockets
    assert (socket.namespace, socket.buffer) == ("lvs", (65536, True))
    table.close()
    assert socket.closed
    assert machine.told == []


def test_without_ipvs_nothing_is_known_and_it_may_come(machine: Machine) -> None:
    machine.has_ipvs = False
    table = opened(machine)
    table.open()
    assert answers(table) == (None, None, ())
    assert table.version == ""
    assert machine.told == ["IPVS: Can't initialize ipvs: Protocol not available"], "told once"
    machine.has_ipvs = True
    assert table.read() is None, "a question alone does not connect"
    table.open()
    assert answers(table) == (TABLE, TIMEOUTS, (REFUSED,))
    assert machine.told[1:] == ["IPVS is available now"]


@pytest.mark.parametrize("question", [KernelTable.read, KernelTable.timeouts, lambda table: table.perform(())])
def test_an_unusable_socket_is_replaced(machine: Machine, question: Any) -> None:
    table = opened(machine)
    machine.sockets[0].broken = True
    assert not question(table)
    assert machine.told == ["IPVS: netlink error: No buffer space available"]
    assert [socket.closed for socket in machine.sockets] == [True, False]
    assert answers(table) == (TABLE, TIMEOUTS, (REFUSED,))


def test_a_reload_changes_the_socket_only_with_the_namespace(machine: Machine) -> None:
    table = opened(machine)
    table.configure(GlobalDefs(lvs_netlink_cmd_rcv_bufs=ReceiveBuffer(size=65536)))
    assert len(machine.sockets) == 1
    table.configure(GlobalDefs(net_namespace_ipvs="lvs"))
    assert [(socket.namespace, socket.closed) for socket in machine.sockets] == [(None, True), ("lvs", False)]
    machine.has_ipvs = False
    table.configure(GlobalDefs())
    machine.has_ipvs = True
    table.configure(GlobalDefs())
    assert machine.sockets[-1].namespace is None, "a reload looks for IPVS again"
