"""D-Bus: the object tree as data, and the service on a private bus with busctl as the other side."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.notify.bus_objects import BusError, BusInstance, BusTree, Reply
from pykeepalived.notify.dbus import BusService
from pykeepalived.notify.queue import BusSignal

INSTANCE = "org.keepalived.Vrrp1.Instance"
VRRP = "org.keepalived.Vrrp1.Vrrp"
PROPERTIES = "org.freedesktop.DBus.Properties"


@pytest.fixture
def tree() -> BusTree:
    tree = BusTree()
    tree.replace([BusInstance("V-1", "eth0.5", 5, 4, 1), BusInstance("V6", "", 6, 6, 2)])
    return tree


def test_paths(tree):
    assert list(tree.instances) == [
        "/org/keepalived/Vrrp1/Instance/eth0_5/5/IPv4",
        "/org/keepalived/Vrrp1/Instance/none/6/IPv6",
    ]
    named = BusTree(namespace="red", daemon_instance="A-1", no_interface="nothing")
    named.replace([BusInstance("x", "", 1, 4)])
    assert named.vrrp_path == "/org/keepalived/Vrrp1/red/A_1/Vrrp"
    assert list(named.instances) == ["/org/keepalived/Vrrp1/red/A_1/Instance/nothing/1/IPv4"]


def test_properties(tree):
    path = "/org/keepalived/Vrrp1/Instance/eth0_5/5/IPv4"
    assert tree.call(path, PROPERTIES, "Get", (INSTANCE, "Name")) == Reply("v", (("(s)", ["V-1"]),))
    assert tree.call(path, PROPERTIES, "Get", (INSTANCE, "State")) == Reply("v", (("(us)", [1, "Backup"]),))
    assert tree.call(path, PROPERTIES, "GetAll", (INSTANCE,)) == Reply(
        "a{sv}", ({"Name": ("(s)", ["V-1"]), "State": ("(us)", [1, "Backup"])},)
    )
    words = []
    for state in (0, 1, 2, 3, 97, 98, 42):
        assert tree.set_state("V-1", state) == path
        reply = tree.call(path, PROPERTIES, "Get", (INSTANCE, "State"))
        words.append(reply.values[0][1][1])
    assert words == ["Init", "Backup", "Master", "Fault", "Deleted", "Stop", "Unknown"]
    assert tree.set_state("absent", 1) == ""


@pytest.mark.parametrize(
    ("path", "interface", "member", "arguments", "name"),
    [
        ("/org/keepalived/Vrrp1/Instance/x/7/IPv4", INSTANCE, "SendGarp", (), "InvalidArgs"),
        ("/org/keepalived/Vrrp1/Instance/eth0_5/5/IPv4", INSTANCE, "Nope", (), "UnknownMethod"),
        ("/org/keepalived/Vrrp1/Vrrp", VRRP, "Nope", (), "UnknownMethod"),
        ("/org/keepalived/Vrrp1/Instance/eth0_5/5/IPv4", PROPERTIES, "Get", (INSTANCE, "Bad"), "InvalidArgs"),
        ("/org/keepalived/Vrrp1/Instance/eth0_5/5/IPv4", PROPERTIES, "Set", (INSTANCE, "Name", 1), "InvalidArgs"),
        ("/org/keepalived/Vrrp1/Instance/x/7/IPv4", PROPERTIES, "Get", (INSTANCE, "Name"), "UnknownObject"),
        ("/elsewhere", "org.freedesktop.DBus.Introspectable", "Introspect", (), "UnknownObject"),
    ],
)
def test_errors(tree, path, interface, member, arguments, name):
    with pytest.raises(BusError) as raised:
        tree.call(path, interface, member, arguments)
    assert raised.value.name == f"org.freedesktop.DBus.Error.{name}"
    assert tree.requests == []


def test_unknown_instance_text(tree):
    with pytest.raises(BusError, match="Instance 'x/7/IPv4' not found"):
        tree.call("/org/keepalived/Vrrp1/Instance/x/7/IPv4", INSTANCE, "SendGarp", ())


def test_introspection_walks_the_whole_tree(tree):
    def children(path: str) -> list[str]:
        return [node.attrib["name"] for node in ElementTree.fromstring(tree.introspect(path)).findall("node")]

    assert children("/") == ["org"]
    assert children("/org/keepalived/Vrrp1") == ["Vrrp", "Instance"]
    assert children("/org/keepalived/Vrrp1/Instance") == ["eth0_5", "none"]
    interfaces = {
        entry.attrib["name"]
        for entry in ElementTree.fromstring(tree.introspect("/org/keepalived/Vrrp1/Vrrp")).findall("interface")
    }
    assert VRRP in interfaces


def test_requests_are_collected(tree):
    for member in ("PrintData", "PrintStats", "PrintStatsClear", "ReloadConfig"):
        assert tree.call(tree.vrrp_path, VRRP, member, ()) == Reply()
    tree.call("/org/keepalived/Vrrp1/Instance/none/6/IPv6", INSTANCE, "SendGarp", ())
    assert tree.requests == [
        ("PrintData", ""),
        ("PrintStats", ""),
        ("PrintStatsClear", ""),
        ("ReloadConfig", ""),
        ("SendGarp", "V6"),
    ]


# on a real bus

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""
needs_bus = pytest.mark.skipif(
    not (shutil.which("dbus-daemon") and shutil.which("busctl")), reason="needs dbus-daemon and busctl"
)


class Bus:
    def __init__(self, directory: Path) -> None:
        self.address = f"unix:path={directory / 'bus'}"
        (directory / "bus.conf").write_text(CONFIG.format(path=directory / "bus"))
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = directory
        self.start()

    def start(self) -> None:
        (self._directory / "bus").unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self._directory / 'bus.conf'}", "--nofork", "--nopidfile"],
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while not (self._directory / "bus").exists():
            assert time.monotonic() < end
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


@pytest.fixture
def bus(tmp_path, monkeypatch):
    bus = Bus(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    yield bus
    bus.stop()


@pytest.fixture
def service(driver, log):
    requests: list[tuple[str, str]] = []
    service = BusService(driver.loop, log, lambda method, name: requests.append((method, name)))
    service.requests = requests
    yield service
    pid = service._pid
    service.stop()
    if pid:
        os.waitpid(pid, 0)


def busctl(driver, bus, *words: str) -> str:
    """Run busctl while the loop turns."""
    process = subprocess.Popen(
        ["busctl", f"--address={bus.address}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    driver.until(lambda: process.poll() is not None)
    assert process.stdout is not None
    with process.stdout:
        return process.stdout.read()


NAME = "org.keepalived.Vrrp1"
V1 = BusSignal("V-1", "d0", 5, 4, 1)
V6 = BusSignal("V6", "d0", 6, 6, 2)
PATH = "/org/keepalived/Vrrp1/Instance/d0/5/IPv4"


@needs_bus
@pytest.mark.keyword("global_defs/enable_dbus")
def test_service_on_a_bus(driver, log, bus, service):
    service.configure(GlobalDefs(enable_dbus=True), [V1, V6])
    driver.until(lambda: f"Acquired the name {NAME} on the session bus" in log.texts)
    paths = busctl(driver, bus, "tree", "--list", NAME).split()
    assert PATH in paths
    assert "/org/keepalived/Vrrp1/Vrrp" in paths
    assert busctl(driver, bus, "call", NAME, PATH, PROPERTIES, "Get", "ss", INSTANCE, "State") == 'v (us) 1 "Backup"\n'
    assert (
        busctl(driver, bus, "call", NAME, PATH, PROPERTIES, "GetAll", "s", INSTANCE)
        == 'a{sv} 2 "Name" (s) "V-1" "State" (us) 1 "Backup"\n'
    )
    service.emit(BusSignal("V-1", "d0", 5, 4, 2))
    driver.for_seconds(0.1)
    assert busctl(driver, bus, "call", NAME, PATH, PROPERTIES, "Get", "ss", INSTANCE, "State") == 'v (us) 2 "Master"\n'
    assert busctl(driver, bus, "call", NAME, PATH, INSTANCE, "SendGarp") == ""
    assert busctl(driver, bus, "call", NAME, "/org/keepalived/Vrrp1/Vrrp", VRRP, "PrintData") == ""
    driver.until(lambda: len(service.requests) == 2)
    assert service.requests == [("SendGarp", "V-1"), ("PrintData", "")]
    assert log.texts[-2:] == ["Sending garps on V-1 on DBus request", "Printing VRRP data on DBus request"]
    assert "No such method" in busctl(driver, bus, "call", NAME, PATH, INSTANCE, "Nope")
    assert busctl(driver, bus, "call", NAME, PATH, "org.freedesktop.DBus.Peer", "Ping") == ""


@needs_bus
def test_signals(driver, log, bus, service, tmp_path):
    with (tmp_path / "monitor").open("w") as out:
        monitor = subprocess.Popen(
            ["busctl", f"--address={bus.address}", "monitor", "--match=type='signal'"],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    seen = tmp_path / "monitor"
    try:
        driver.until(lambda: "Monitoring bus" in seen.read_text() or monitor.poll() is not None)
        driver.for_seconds(0.2)
        service.configure(GlobalDefs(enable_dbus=True), [V1, V6])
        driver.until(lambda: any("Acquired the name" in text for text in log.texts))
        service.emit(BusSignal("V6", "d0", 6, 6, 3))
        service.configure(GlobalDefs(enable_dbus=True), [V1])
        driver.until(lambda: "VrrpReloaded" in seen.read_text())
        service.stop()
        driver.until(lambda: "VrrpStopped" in seen.read_text())
    finally:
        monitor.send_signal(signal.SIGTERM)
        monitor.wait()
    members = [
        line.split("Member=")[1].split()[0]
        for line in seen.read_text().splitlines()
        if "Interface=org.keepalived" in line
    ]
    assert members == [
        "VrrpStarted",
        "VrrpStatusChange",
        "VrrpStatusChange",
        "VrrpStatusChange",
        "VrrpReloaded",
        "VrrpStopped",
    ]
    numbers = [line.split()[1].rstrip(";") for line in seen.read_text().splitlines() if "UINT32" in line]
    assert numbers == ["1", "2", "3"]


@needs_bus
def test_bus_that_goes_and_comes_back(driver, log, bus, service, monkeypatch):
    from pykeepalived.notify import bus_helper

    monkeypatch.setattr(bus_helper, "RETRY_S", 0.1)
    service.configure(GlobalDefs(enable_dbus=True), [V1])
    name = f"Acquired the name {NAME} on the session bus"
    driver.until(lambda: name in log.texts)
    bus.stop()
    driver.until(lambda: any("Lost the name" in text for text in log.texts))
    bus.start()
    driver.until(lambda: log.texts.count(name) == 2)
    assert PATH in busctl(driver, bus, "tree", "--list", NAME)


def test_no_bus_is_told_once(driver, log, service, monkeypatch, tmp_path):
    from pykeepalived.notify import bus_helper

    monkeypatch.setattr(bus_helper, "RETRY_S", 0.05)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/absent")
    service.configure(GlobalDefs(enable_dbus=True), [V1])
    driver.until(lambda: log.texts)
    driver.for_seconds(0.5)
    assert len(log.texts) == 1
    assert log.texts[0].startswith("Failed to connect to DBus: ")


def test_a_bus_that_refuses_the_name_costs_no_connection_each_time(monkeypatch):
    import asyncio
    import socket

    from pykeepalived.notify import bus_helper

    class Bus:
        open = 0
        asked = 0

        def __init__(self, bus_type):
            Bus.open += 1

        async def connect(self):
            return self

        def add_message_handler(self, handler):
            pass

        async def request_name(self, name):
            Bus.asked += 1
            raise PermissionError("not allowed to own the name")

        def disconnect(self):
            Bus.open -= 1

    async def refused_three_times(helper):
        helper._ready.set()
        keeper = asyncio.create_task(helper._keep_connected())
        while Bus.asked < 3:
            await asyncio.sleep(0)
        keeper.cancel()

    monkeypatch.setattr("dbus_fast.aio.MessageBus", Bus)
    monkeypatch.setattr(bus_helper, "RETRY_S", 0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        asyncio.run(refused_three_times(bus_helper._Helper(theirs)))
    assert Bus.open == 0


def test_many_instances_are_sent_in_pieces(driver, log, service, monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/absent")
    service.configure(
        GlobalDefs(enable_dbus=True), [BusSignal(f"instance-{n}", "eth0", n % 256, 4, 1) for n in range(20_000)]
    )
    driver.until(lambda: not service._unsent)
    assert service.running


def test_disabled_costs_nothing(driver, log, service):
    service.configure(GlobalDefs(), [V1])
    service.emit(V1)
    assert not service.running
    assert service._pid == 0


def test_death_of_the_helper_is_told(driver, log, service, monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/absent")
    service.configure(GlobalDefs(enable_dbus=True), [V1])
    os.kill(service._pid, signal.SIGKILL)
    driver.until(lambda: not service.running)
    assert "DBus process died - not using DBus until a reload" in log.texts
