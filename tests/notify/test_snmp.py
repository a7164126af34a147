"""The SNMP helper as a master agent sees it: a master made of a thread, real processes and sockets between."""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, Snmp
from pykeepalived.config.model.ipvs import Protocol, RealServer, SorryServer, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.notify import agentx, snmp_helper
from pykeepalived.notify.agentx import Oid, Pdu, PduType, SearchRange, Syntax, Value, VarBind
from pykeepalived.notify.mib import integer, text
from pykeepalived.notify.mib_checker import REAL_TABLE
from pykeepalived.notify.mib_rfc import VRRPV3_MIB
from pykeepalived.notify.mib_vrrp import KEEPALIVED, VRRP
from pykeepalived.notify.queue import Trap
from pykeepalived.notify.snmp import SnmpAgent
from pykeepalived.notify.snmp_helper import agent_address
from pykeepalived.observe.snapshot import (
    IpvsSnapshot,
    RealServerSnapshot,
    VirtualServerSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
    VrrpState,
)


class Master:
    """Accepts subagents, answers Open, Register and Notify, and asks what the test wants."""

    def __init__(self, path: Path) -> None:
        self.received: queue.Queue[Pdu] = queue.Queue()
        self.answers: queue.Queue[Pdu] = queue.Queue()
        self.registered: list[Oid] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._agent: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            self._agent = agent
            reader = agent.makefile("rb")
            while header := reader.read(20):
                data = header + reader.read(agentx.payload_size(header))
                self._take(agentx.decode(data), data)

    def _take(self, pdu: Pdu, data: bytes) -> None:
        if pdu.type == PduType.RESPONSE:
            self.answers.put(pdu)
            return
        if pdu.type == PduType.REGISTER:
            count, prefix = data[24], data[25]
            parts = tuple(int.from_bytes(data[28 + 4 * n : 32 + 4 * n]) for n in range(count))
            self.registered.append((1, 3, 6, 1, prefix, *parts))
        self.received.put(pdu)
        if pdu.type != PduType.CLOSE:
            self._send(agentx.response_pdu(replace(pdu, session=42)))

    def _send(self, data: bytes) -> None:
        assert self._agent is not None
        self._agent.sendall(data)

    def request(self, kind: PduType, payload: bytes) -> None:
        self._send(agentx.encode(Pdu(type=kind, session=42, transaction=1, packet=9), payload))

    def drop(self) -> None:
        if self._agent is not None:
            self._agent.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.drop()


def search(*ranges: SearchRange) -> bytes:
    return b"".join(agentx.encode_oid(r.start, r.include) + agentx.encode_oid(r.end) for r in ranges)


CONFIG = Config(
    globals=GlobalDefs(router_id="R", snmp=Snmp(vrrp=True, traps=True)),
    vrrp_instances=(VrrpInstance(name="VI_1", interface="eth0", virtual_router_id=51),),
)


@pytest.fixture
def state():
    return {"config": CONFIG, "state": VrrpState.BACKUP}


@pytest.fixture
def agent(driver, log, state, monkeypatch) -> Iterator[SnmpAgent]:
    monkeypatch.setattr(snmp_helper, "RETRY_S", 0.1)

    def current() -> tuple[Config, VrrpSnapshot]:
        return state["config"], VrrpSnapshot(instances=(VrrpInstanceSnapshot(name="VI_1", state=state["state"]),))

    agent = SnmpAgent(driver.loop, log, current)
    yield agent
    pid = agent._pid
    agent.stop()
    if pid:
        os.waitpid(pid, 0)


@pytest.fixture
def master(tmp_path) -> Iterator[Master]:
    master = Master(tmp_path / "agentx")
    yield master
    master.close()


def start(driver, agent, master, tmp_path, trees=2) -> None:
    agent.configure(CONFIG, True, f"unix:{tmp_path}/agentx")
    driver.until(lambda: len(master.registered) == trees)


def ask(driver, agent, master, kind, payload) -> Pdu:
    while not master.answers.empty():
        master.answers.get()
    master.request(kind, payload)
    driver.until(lambda: agent.reap() or not master.answers.empty())
    return master.answers.get()


NAME = (*VRRP, 3, 1, 2, 1)
STATE = (*VRRP, 3, 1, 4, 1)


@pytest.mark.keyword("global_defs/enable_snmp_vrrp")
@pytest.mark.keyword("global_defs/snmp_socket")
def test_session_and_requests(driver, log, agent, master, state, tmp_path):
    start(driver, agent, master, tmp_path)
    assert master.registered == [(*KEEPALIVED, 1), VRRP]
    answer = ask(
        driver, agent, master, PduType.GET, search(SearchRange(NAME, False, ()), SearchRange(STATE, False, ()))
    )
    assert answer.bindings == (VarBind(NAME, text("VI_1")), VarBind(STATE, integer(1)))
    state["state"] = VrrpState.MASTER
    driver.for_seconds(1.2)
    answer = ask(driver, agent, master, PduType.GET, search(SearchRange(STATE, False, ())))
    assert answer.bindings == (VarBind(STATE, integer(2)),), "a state older than a second is not shown"
    answer = ask(driver, agent, master, PduType.GET_NEXT, search(SearchRange((*VRRP, 3), False, (*VRRP, 4))))
    assert answer.bindings[0].name == NAME
    assert "NET-SNMP version AgentX subagent connected" in log.texts


def test_walk_reaches_every_object_once(driver, agent, master, tmp_path):
    start(driver, agent, master, tmp_path)
    seen: list[Oid] = []
    place: Oid = KEEPALIVED
    while True:
        answer = ask(driver, agent, master, PduType.GET_NEXT, search(SearchRange(place, False, ())))
        binding = answer.bindings[0]
        if binding.value.syntax == Syntax.END_OF_MIB_VIEW:
            break
        seen.append(binding.name)
        place = binding.name
    assert seen == sorted(set(seen))
    assert len(seen) > 40


def test_writing_to_vrrp_is_refused(driver, agent, master, tmp_path):
    start(driver, agent, master, tmp_path)
    payload = agentx.encode_binding(VarBind((*VRRP, 3, 1, 7, 1), integer(120)))
    answer = ask(driver, agent, master, PduType.TEST_SET, payload)
    assert (answer.error, answer.index) == (agentx.ErrorStatus.NOT_WRITABLE, 1)


CHECKED = Config(
    globals=GlobalDefs(router_id="R", snmp=Snmp(checker=True)),
    virtual_servers=(
        VirtualServer(
            address=Ip.parse("10.99.0.1"),
            port=80,
            protocol=Protocol.TCP,
            real_servers=(RealServer(address=Ip.parse("10.10.0.11"), port=80),),
            sorry_server=SorryServer(address=Ip.parse("10.10.0.14"), port=80),
        ),
    ),
)
WEIGHT = (*REAL_TABLE, 7, 1)


@pytest.fixture
def weights(driver, log, master, tmp_path, monkeypatch) -> Iterator[tuple[SnmpAgent, list[Any]]]:
    """An agent of a checker process and the weights it is told to set; it shows the last of them."""
    monkeypatch.setattr(snmp_helper, "RETRY_S", 0.1)
    told: list[Any] = []

    def current() -> tuple[Config, IpvsSnapshot]:
        time.sleep(0.2)
        real = RealServerSnapshot(name="", alive=True, effective_weight=told[-1][2] if told else 1)
        return CHECKED, IpvsSnapshot(virtual_servers=(VirtualServerSnapshot(name="", real_servers=(real,)),))

    agent = SnmpAgent(driver.loop, log, current)
    agent.on_weight = lambda *words: told.append(words)
    agent.configure(CHECKED, True, f"unix:{tmp_path}/agentx")
    driver.until(lambda: agent.reap() or len(master.registered) == 2)
    yield agent, told
    pid = agent._pid
    agent.stop()
    os.waitpid(pid, 0)


def test_a_weight_is_set_in_two_steps_and_shown_at_once(driver, weights, master):
    agent, told = weights
    binding = agentx.encode_binding(VarBind((*WEIGHT, 2), integer(300)))
    assert ask(driver, agent, master, PduType.GET, search(SearchRange((*WEIGHT, 2), False, ()))).bindings[
        0
    ].value == integer(1)
    assert ask(driver, agent, master, PduType.TEST_SET, binding).error == 0
    assert told == []
    assert ask(driver, agent, master, PduType.COMMIT_SET, b"").error == 0
    driver.until(lambda: told)
    assert told == [("[10.99.0.1]:tcp:80", "[10.10.0.11]:tcp:80", 300)]
    answer = ask(driver, agent, master, PduType.GET, search(SearchRange((*WEIGHT, 2), False, ())))
    assert answer.bindings[0].value == integer(300)
    assert ask(driver, agent, master, PduType.UNDO_SET, b"").error == 0
    driver.until(lambda: len(told) == 2)
    assert told[1] == ("[10.99.0.1]:tcp:80", "[10.10.0.11]:tcp:80", 1)


def test_a_state_on_its_way_does_not_hide_a_weight(driver, weights, master):
    """A copy of the process is sending the state of a moment ago when the weight is set."""
    agent, told = weights
    driver.for_seconds(1.2)
    master.request(PduType.GET, search(SearchRange((*WEIGHT, 2), False, ())))
    driver.until(lambda: agent._sender)
    binding = agentx.encode_binding(VarBind((*WEIGHT, 2), integer(300)))
    for kind, payload in ((PduType.TEST_SET, binding), (PduType.COMMIT_SET, b"")):
        master.request(kind, payload)
    driver.until(lambda: told)
    assert agent._sender
    master.request(PduType.GET, search(SearchRange((*WEIGHT, 2), False, ())))
    driver.until(lambda: agent.reap() or master.answers.qsize() >= 4)
    answers = [master.answers.get() for _ in range(master.answers.qsize())]
    assert answers[-1].bindings[0].value == integer(300)


def test_what_cannot_be_written_is_refused_as_a_whole(driver, weights, master):
    agent, told = weights
    good = agentx.encode_binding(VarBind((*WEIGHT, 2), integer(5)))
    for bad, error in (
        (VarBind((*WEIGHT, 1), integer(5)), agentx.ErrorStatus.NOT_WRITABLE),  # the sorry server
        (VarBind((*WEIGHT, 3), integer(5)), agentx.ErrorStatus.NOT_WRITABLE),  # nobody
        (VarBind((*REAL_TABLE, 5, 1, 2), integer(5)), agentx.ErrorStatus.NOT_WRITABLE),
        (VarBind((*WEIGHT, 2), integer(-1)), agentx.ErrorStatus.WRONG_VALUE),
        (VarBind((*WEIGHT, 2), text("5")), agentx.ErrorStatus.WRONG_TYPE),
    ):
        answer = ask(driver, agent, master, PduType.TEST_SET, good + agentx.encode_binding(bad))
        assert (answer.error, answer.index) == (error, 2), bad
        assert ask(driver, agent, master, PduType.COMMIT_SET, b"").error == 0
    driver.for_seconds(0.2)
    assert told == []


@pytest.mark.keyword("global_defs/enable_traps")
def test_traps_wait_for_the_session(driver, agent, master, tmp_path):
    agent.emit(Trap("instance", "VI_1", VrrpState.BACKUP))
    start(driver, agent, master, tmp_path)
    agent.emit(Trap("instance", "VI_1", VrrpState.MASTER))
    traps: list[Pdu] = []

    def collect() -> bool:
        agent.reap()
        while not master.received.empty():
            pdu = master.received.get()
            if pdu.type == PduType.NOTIFY:
                traps.append(pdu)
        return len(traps) == 2

    driver.until(collect)
    for trap, number in zip(traps, (1, 2), strict=True):
        assert trap.bindings[0].value == Value(Syntax.OID, (*VRRP, 10, 0, 2))
        assert trap.bindings[2].value == integer(number)


def test_master_that_goes_and_comes_back(driver, log, agent, master, tmp_path):
    start(driver, agent, master, tmp_path)
    master.drop()
    driver.until(lambda: agent.reap() or len(master.registered) == 4)
    assert any(text.startswith("AgentX master disconnected us") for text in log.texts)


def test_reload_with_other_trees(driver, agent, master, state, tmp_path):
    start(driver, agent, master, tmp_path)
    wider = replace(CONFIG, globals=replace(CONFIG.globals, snmp=Snmp(vrrp=True, rfcv3=True)))
    state["config"] = wider
    driver.for_seconds(0.8)
    agent.configure(wider, True, f"unix:{tmp_path}/agentx")
    driver.until(lambda: agent.reap() or VRRPV3_MIB in master.registered)


def test_no_master_is_told_once(driver, log, agent, tmp_path):
    agent.configure(CONFIG, True, f"{tmp_path}/absent")
    driver.until(lambda: log.texts)
    driver.for_seconds(0.5)
    assert len(log.texts) == 1
    assert "Failed to connect to the agentx master agent" in log.texts[0]


def test_disabled_costs_nothing(driver, log, agent):
    agent.emit(Trap("instance", "VI_1", VrrpState.BACKUP))
    agent.configure(Config(), False)
    agent.emit(Trap("instance", "VI_1", VrrpState.MASTER))
    assert not agent.running
    assert agent._pid == 0
    assert log.texts == []


def test_death_of_the_helper_is_told(driver, log, agent, master, tmp_path):
    start(driver, agent, master, tmp_path)
    os.kill(agent._pid, signal.SIGKILL)
    driver.until(lambda: not agent.running)
    assert log.texts[-1] == "SNMP process died - not using SNMP until a reload"


def test_addresses():
    assert agent_address("") == (socket.AF_UNIX, "/var/agentx/master")
    assert agent_address("unix:/tmp/x") == (socket.AF_UNIX, "/tmp/x")
    assert agent_address("/tmp/x") == (socket.AF_UNIX, "/tmp/x")
    assert agent_address("tcp:127.0.0.1:705") == (socket.AF_INET, ("127.0.0.1", 705))
    assert agent_address("tcp:[::1]:705") == (socket.AF_INET6, ("::1", 705))
    with pytest.raises(ValueError):
        agent_address("tcp:host:port")
