"""The VRRP process in this process: started and stopped inside a namespace, with effects that fail."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any, cast

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import State, VrrpInstance
from pykeepalived.netlink.kernel import Kernel
from pykeepalived.observe.cause import LogLine
from pykeepalived.observe.recorder import Ring
from pykeepalived.runtime.child import ChildContext, DaemonOptions
from pykeepalived.runtime.log import Log
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import ChildKind
from pykeepalived.vrrp import effects, inputs
from pykeepalived.vrrp.packet import ipv4_header
from pykeepalived.vrrp.process import VrrpProcess
from pykeepalived.vrrp.sockets import MOST_READS, AdvertSockets, FrameSocket

pytestmark = pytest.mark.netns
VIP = IpAddress(address=Ip.parse("192.0.2.100"), prefix_length=32, interface="eth0")
INSTANCE = VrrpInstance(
    name="VI_1",
    interface="eth0",
    virtual_router_id=51,
    priority=255,
    state=State.MASTER,
    virtual_addresses=(VIP,),
)


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def emit(self, line: LogLine) -> bool:
        self.texts.append(line.text)
        return True

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def namespace() -> Iterator[str]:
    """This process is inside a new namespace with eth0; signal handlers and the collector are given back."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    libc = ctypes.CDLL(None)
    name = f"pknlp{os.getpid()}"
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        assert libc.setns(inside, 0x40000000) == 0
        os.close(inside)
        lines = "link add eth0 type veth peer name eth1\nlink set eth1 up\nlink set eth0 up\n"
        lines += "address add 192.0.2.1/24 dev eth0\n"
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
        yield name
    finally:
        assert libc.setns(home, 0x40000000) == 0
        os.close(home)
        subprocess.run(["ip", "netns", "del", name], check=True)
        gc.enable()
        gc.unfreeze()
        for number, handler in handlers.items():
            if number not in (signal.SIGKILL, signal.SIGSTOP) and handler is not None:
                signal.signal(number, handler)


class Running:
    """A process that is an address owner, so that it is master at once."""

    def __init__(self) -> None:
        self.kept = Kept()
        ours, self.parent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        context = ChildContext(
            kind=ChildKind.VRRP,
            config=Config(wants_vrrp=True, vrrp_instances=(INSTANCE,)),
            options=DaemonOptions(),
            channel=ours,
            log=Log([self.kept], 0),
        )
        self.loop = Loop()
        self.kernel = Kernel()
        self.process = VrrpProcess(context, self.loop, self.kernel, FrameSocket(context.log.write))

    def run(self) -> int:
        """To the end; stops itself after a moment."""
        self.loop.call_at(self.loop.now() + 300_000_000, self.process.on_stop)
        try:
            return self.process.run()
        finally:
            self.loop.close()
            self.parent.close()


@pytest.fixture
def running(namespace: str) -> Running:
    return Running()


def addresses() -> str:
    return subprocess.run(["ip", "-br", "address", "show", "eth0"], capture_output=True, text=True, check=True).stdout


def test_announces_nothing_that_the_kernel_has_just_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The announcements of a new master are decided before the kernel has said no."""
    process = running.process
    good, bad = (IpAddress(address=Ip.parse(f"192.0.2.{last}"), prefix_length=32) for last in (100, 101))
    wanted = [effects.AddAddress(address, "eth0", "VI_1") for address in (good, bad)]
    sent: list[effects.Frame] = []
    monkeypatch.setattr(process._frames, "send", sent.extend)
    monkeypatch.setattr(process._host, "perform", lambda operations: [inputs.OperationFailed(operations[1], 22)])
    process._change_network(effects.ChangeNetwork(wanted))
    frames = [effects.Frame(interface="eth0", index=2, data=b"", address=each.address) for each in (good, bad)]
    process._send_frames(effects.SendFrames(frames))
    assert {str(frame.address) for frame in sent} == {"192.0.2.100"}


def test_master_from_start_to_stop(running: Running) -> None:
    seen: list[str] = []
    running.loop.call_at(running.loop.now() + 150_000_000, lambda: seen.append(addresses()))
    assert running.run() == 0
    assert "192.0.2.100/32" in seen[0]
    assert "192.0.2.100" not in addresses()
    assert "(VI_1) Entering MASTER STATE" in running.kept.texts


def test_what_a_takeover_needs_is_made_ready_after_the_start(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(running.kernel, "prepare", lambda operation: prepared.append(str(operation)))
    assert running.run() == 0
    assert prepared == ["address add 192.0.2.100/32 dev eth0", "address delete 192.0.2.100/32 dev eth0"]


def test_wish_that_fails_does_not_cost_the_others(running: Running) -> None:
    def fail(_effect: object) -> None:
        raise OSError("nothing works today")

    seen: list[str] = []
    running.process._do[effects.SendAdverts] = fail
    running.loop.call_at(running.loop.now() + 150_000_000, lambda: seen.append(addresses()))
    assert running.run() == 0
    assert "192.0.2.100/32" in seen[0]
    assert any("nothing works today" in text for text in running.kept.texts)


def test_snapshot_knows_descriptors(running: Running) -> None:
    seen: list[tuple[int, int, int]] = []

    def look() -> None:
        snapshot = running.process.on_query(("snapshot",))["snapshot"]
        instance = snapshot.instances[0]
        seen.append((instance.state.value, instance.fd_in, snapshot.sockets[0].fd_out))

    running.loop.call_at(running.loop.now() + 150_000_000, look)
    running.run()
    state, fd_in, fd_out = seen[0]
    assert state == 2
    assert fd_in > 2
    assert fd_out > 2
    assert running.process.on_query(("nonsense",)) == {}


def test_hears_what_waits_before_it_decides(running: Running) -> None:
    process = running.process
    told: list[str] = []
    waiting = [MOST_READS, MOST_READS, 5]

    class Backlog:
        """A socket with more than one turn reads, and one that is quiet."""

        def read_quiet(self) -> None:
            told.append("quiet")

        def read(self, _sockets: object) -> int:
            told.append("read")
            return waiting.pop(0) if waiting else MOST_READS

    listening, router = process._listening, process._router
    sockets, listening._sockets = listening._sockets, cast(Any, Backlog())
    process._router = cast(Any, Ticks(told))
    pool = cast(Any, object())
    listening._read(pool)
    process._tick()
    process._tick()
    heard = ["quiet", "read", "quiet", "read", "read", "tick"]
    assert told == [*heard, "quiet", "tick"], "all of it once; the quiet socket whenever something is decided"
    told.clear()
    listening._read(pool)
    process._tick()
    assert told == ["quiet", "read", "quiet"] + ["read"] * 16 + ["tick"], "a flood does not put decisions off for ever"
    listening._sockets, process._router = sockets, router
    assert running.run() == 0


class Ticks:
    """A core that wants nothing and notes when it is asked to decide."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def tick(self, _now: int) -> None:
        self._told.append("tick")

    def drain(self) -> list[effects.Effect]:
        return []

    def deadline(self) -> None:
        return None


def test_an_error_while_catching_up_does_not_stop_the_clock(running: Running) -> None:
    process = running.process

    class Broken:
        def read_quiet(self) -> None:
            raise ValueError("a packet nobody thought of")

    listening = process._listening
    sockets, listening._sockets = listening._sockets, cast(Any, Broken())
    process._timer.cancel()
    with pytest.raises(ValueError, match="nobody thought of"):
        process._tick()
    assert process._timer.when is not None
    listening._sockets = sockets
    assert running.run() == 0


@pytest.mark.parametrize("family", [4, 6])
def test_rehearsing_sends_nothing(namespace: str, family: int) -> None:
    source, group = ("192.0.2.1", "224.0.0.18") if family == 4 else ("fe80::1", "ff02::12")
    if family == 6:
        subprocess.run(["ip", "address", "add", "fe80::1/64", "dev", "eth0", "nodad"], check=True)
    pool = effects.Pool(family=family, protocol=112, interface="eth0", group=Ip.parse(group))
    flow = effects.Flow(pool=pool, instance="VI_1", source=Ip.parse(source), destination=Ip.parse(group))
    told: list[LogLine] = []
    sockets = AdvertSockets(lambda: 0, lambda *_: None, told.append, Ring(lambda _: None))
    opened = sockets.open(pool, socket.if_nametoindex("eth0"))
    message = bytes((0x31, 51, 100, 0, 0, 100, 0, 0))
    header = ipv4_header(length=28, ttl=255, protocol=112, source=flow.source, destination=flow.destination)
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with listener:
        listener.bind(("eth1", 0x0003))
        listener.settimeout(5)
        for _ in range(3):
            sockets.rehearse(flow)
        sockets.send([(flow, bytes(header) + message if family == 4 else message)])
        place = 14 + (9 if family == 4 else 6)
        seen = b""
        while len(seen) <= place or seen[place] != 112:
            seen = listener.recv(2048)
        assert len(seen) >= 14 + (28 if family == 4 else 48), "the first that comes is the advert"
    assert told == []
    sockets.close(opened.pool)
