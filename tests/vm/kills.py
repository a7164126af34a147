"""Runs in a guest: a pair of directors with a service behind NAT, a client that pings the VIP and makes one request
after the other, and their processes killed at random moments. Prints what was seen as JSON; test_kills.py judges.

After each kill everything must be as it was: processes, descriptors, pid files, addresses, table, priority, answers.
Called with the word `client` it makes the requests, with `servers` and namespaces it is the real servers.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from pykeepalived.lab.net import Namespace, network
from pykeepalived.lab.node import Node
from tests.netns.conftest import Lan, instance
from tests.netns.faults import VIP, Adverts, Client, Traces, descriptors, nothing_is_left, processes, service_returns
from tests.vm.traffic import ask_forever

WORK = Path("/tmp/kills")
PORTS = (80, 81)
ADVERT_S = 0.5
"""A guest has one processor for all hosts: adverts that come more often are late more often."""
SERVERS = {f"rs{number}": f"10.10.0.2{number}" for number in (1, 2, 3)}
GATEWAY = "10.10.0.1"
REQUEST_SECONDS = 10.0
"""Long enough for what a busy machine delays: what is lost all the same was cut off."""
RECOVERY_SECONDS = 200
"""Longer than the delay after which a process that died again and again is started again."""
PROGRAM = """
import os
from pykeepalived.ipvs import shard
shard.CHECKERS_A_PROCESS = 2
os.sched_getaffinity = lambda pid: {0, 1}
from pykeepalived.cli.main import main
raise SystemExit(main())
"""
"""The daemon with a check worker for what is too few servers and processors otherwise."""
MOVED = "Entering "
"""Begins the words of a log line about a new state."""
KINDS = ("parent", "vrrp", "checkers", "bfd", "check worker", "vrrp helper", "checkers helper")

# ------------------------------------------------------------------ client and servers


def ask(port: int) -> str:
    connection = http.client.HTTPConnection(VIP, port, timeout=REQUEST_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()


def client() -> None:
    over = threading.Event()
    found: dict[int, list[Any]] = {port: [] for port in PORTS}
    threads = [
        threading.Thread(target=ask_forever, args=(lambda port=port: ask(port), 0.05, over, found[port]))
        for port in PORTS
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(list(found.values())), flush=True)


def servers(namespaces: list[str]) -> None:
    """Answers every request with the name of the server that got it."""
    selector = selectors.DefaultSelector()
    for name, namespace in zip(SERVERS, namespaces, strict=True):
        with open(f"/run/netns/{namespace}", encoding="ascii") as file:
            ctypes.CDLL(None).setns(file.fileno(), 0x40000000)
        for port in PORTS:
            listener = socket.create_server(("0.0.0.0", port), backlog=256)
            listener.setblocking(False)
            selector.register(listener, selectors.EVENT_READ, (name, True))
    while True:
        for key, _ in selector.select():
            name, listening = key.data
            with contextlib.suppress(OSError):
                if listening:
                    connection, _ = key.fileobj.accept()  # type: ignore[union-attr]
                    selector.register(connection, selectors.EVENT_READ, (name, False))
                    continue
                if key.fileobj.recv(4096):  # type: ignore[union-attr]
                    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(name) + 1}\r\n\r\n"
                    key.fileobj.sendall(f"{head}{name}\n".encode())  # type: ignore[union-attr]
            if not listening:
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]


# ------------------------------------------------------------------ directors


def _hex(address: str) -> str:
    return socket.inet_aton(address).hex().upper()


def configuration(priority: int, own: int, neighbor: int) -> str:
    """Every kind of process has work: BFD and a script in VRRP, three kinds of checks, one of them a script."""
    tracked = "track_script {\n   chk weight 10\n  }\n  track_bfd {\n   peer weight 20\n  }\n"
    addresses = f" neighbor_ip 192.0.2.{neighbor}\n source_ip 192.0.2.{own}\n"
    blocks = [
        "global_defs {\n process_names\n enable_script_security\n script_user root\n}\n",
        'vrrp_script chk {\n script "/bin/true"\n interval 4\n}\n',
        f"bfd_instance peer {{\n{addresses} min_rx 100\n min_tx 100\n}}\n",
        "vrrp_sync_group G {\n sync_group_tracking_weight\n group {\n  VI_1\n  VI_2\n }\n}\n",
        instance(priority, f"version 3\n  advert_int {ADVERT_S}\n  {tracked}"),
        instance(priority, f"version 3\n  advert_int {ADVERT_S}\n  {tracked}", "VI_2", 52, f"{GATEWAY}/24").replace(
            "eth0", "eth1"
        ),
    ]
    misc = '  MISC_CHECK {\n   misc_path "/bin/true"\n   misc_timeout 10\n   delay_loop 4\n  }\n'
    checks = ("  TCP_CHECK {\n   connect_timeout 2\n  }\n", "  HTTP_GET {\n   url {\n    path /\n   }\n  }\n", misc)
    for port in PORTS:
        blocks.append(f"virtual_server {VIP} {port} {{\n delay_loop 1\n retry 3\n delay_before_retry 0.5\n")
        blocks.append(" lvs_sched rr\n lvs_method NAT\n protocol TCP\n")
        for address, check in zip(SERVERS.values(), checks, strict=True):
            blocks.append(f" real_server {address} {port} {{\n{check} }}\n")
        blocks.append("}\n")
    return "".join(blocks)


TABLE = sorted(
    line
    for port in PORTS
    for line in (
        f"TCP {_hex(VIP)}:{port:04X} rr",
        *(f"-> {_hex(address)}:{port:04X} Masq 1" for address in SERVERS.values()),
    )
)


def read(pid: int, name: str) -> str:
    """A file below /proc/PID; "" when the process is gone. Commands that tell the same take longer than daemons."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


def table(pid: int) -> list[str]:
    """Services and destinations with their weights in the table of a process's namespace."""
    lines = [line.split() for line in read(pid, "net/ip_vs").splitlines()[3:]]
    return sorted(" ".join(words[:4] if words[0] == "->" else words[:3]) for words in lines)


def has(pid: int, address: str) -> bool:
    """Whether this is an address of a process's namespace."""
    return re.search(rf"-- {re.escape(address)}\n\s+/32 host LOCAL", read(pid, "net/fib_trie")) is not None


def parents(node: Node) -> dict[int, int]:
    """Every process in the daemon's namespace, and its parent."""
    stats = {pid: read(pid, "stat").rpartition(")")[2].split() for pid in processes(node)}
    return {pid: int(words[1]) for pid, words in stats.items() if words}


def cast(node: Node) -> dict[str, int]:
    """The processes of a daemon by what they are, as far as they are there."""
    found = {}
    for kind in ("parent", "vrrp", "checkers", "bfd"):
        with contextlib.suppress(OSError, ValueError):
            found[kind] = node.pid_of(kind)
    for pid, parent in parents(node).items():
        if parent == found.get("checkers"):
            found["check worker"] = pid
        elif parent == found.get("parent") and pid not in found.values():
            owner = read(pid, "comm").strip().removeprefix("keepalived_")
            found[{"lvs": "checkers"}.get(owner, owner) + " helper"] = pid
    return found


class Pair:
    """a (150) is master, b (100) backup; a client pings and asks. What is wrong with them is told in one line."""

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.a = lan.host(configuration(150, 1, 2))
        self.b = lan.host(configuration(100, 2, 1))
        self.nodes = {"a": self.a, "b": self.b}
        for number, node in enumerate(self.nodes.values(), 1):
            node.program = (sys.executable, "-c", PROGRAM)
            lan.net.attach(node.namespace, "eth1", "inside", [f"10.10.0.1{number}/24"])
            node.namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        hosts = [self._server(name, address) for name, address in SERVERS.items()]
        words = [sys.executable, __file__, "servers", *(host.name for host in hosts)]
        self.servers = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        lan.stack.callback(self.servers.wait)
        lan.stack.callback(self.servers.kill)
        self.client = Client(lan, WORK / "pings")
        self.adverts = Adverts(lan, self.client.namespace, "192.0.2.1")
        self.before = {name: Traces.of(node) for name, node in self.nodes.items()}
        self.descriptors: dict[str, dict[str, int]] = {}

    def _server(self, name: str, address: str) -> Namespace:
        host = self.lan.net.namespace(name)
        self.lan.net.attach(host, "eth0", "inside", [f"{address}/24"])
        host.ip("route", "add", "default", "via", GATEWAY)
        return host

    def start(self) -> None:
        for node in self.nodes.values():
            node.start()
        self.whole()
        self.lan.pause(3)
        self.descriptors = {name: self._descriptors(node) for name, node in self.nodes.items()}

    def _descriptors(self, node: Node) -> dict[str, int]:
        """The fewest that each process has open in a second: without those of checks under way."""
        fewest: dict[str, int] = {}
        for _ in range(20):
            for kind, pid in cast(node).items():
                fewest[kind] = min(fewest.get(kind, 1 << 20), descriptors(pid))
            self.lan.pause(0.05)
        return fewest

    def wrong(self, name: str) -> str:
        """What is not as it should be with a node, "" = nothing."""
        node = self.nodes[name]
        found = cast(node)
        if sorted(found) != sorted(KINDS):
            return f"processes {found}"
        parent = found["parent"]
        if (there := table(parent)) != TABLE:
            return f"table {there}"
        for address in (VIP, GATEWAY):
            if has(parent, address) is not (name == "a"):
                return f"{address} {'is not there' if name == 'a' else 'is there'}"
        present, helpers = parents(node), (found["vrrp helper"], found["checkers helper"])
        stray = [pid for pid, above in present.items() if pid not in found.values() and above not in helpers]
        if stray or not present.keys() >= set(found.values()):
            return f"processes {present} beside {found}"
        for kind, most in self.descriptors.get(name, {}).items():
            with contextlib.suppress(OSError):
                if descriptors(found[kind]) > most:
                    return f"{kind} has {descriptors(found[kind])} descriptors instead of {most}"
        return ""

    def whole(self) -> None:
        """Wait until everything is as it should be; fails with what is not."""
        for name in self.nodes:
            try:
                self.lan.wait(lambda name=name: not self.wrong(name), RECOVERY_SECONDS)  # type: ignore[misc]
            except AssertionError as error:
                raise AssertionError(f"{name}: {self.wrong(name)}\n{error}") from None
        self.lan.wait(lambda: self.adverts.priority == 180, RECOVERY_SECONDS)
        service_returns(self.lan, self.client, self.a, [self.b])

    def kill(self, name: str, kind: str) -> None:
        """systemd's part, starting a daemon whose parent died, is ours."""
        node = self.nodes[name]
        # a helper may be the last one's, about to leave, and the next be made with the next script
        while (victim := cast(node).get(kind)) is None:
            self.lan.pause(0.05)
        os.kill(victim, signal.SIGKILL)
        if kind == "parent":
            assert node.process is not None
            node.process.wait(60)
            self.lan.wait(lambda: not processes(node), 60)
            node.start()
        self.lan.wait(lambda: cast(node).get(kind, victim) != victim, RECOVERY_SECONDS)

    def stop(self) -> None:
        for name, node in reversed(self.nodes.items()):
            nothing_is_left(self.lan, node, self.before[name])
            assert node.namespace.run("ipvsadm", "-Sn") == ""
            assert list(node.directory.iterdir()) == []


@contextlib.contextmanager
def requests(host: Namespace) -> Iterator[subprocess.Popen[bytes]]:
    process = host.spawn([sys.executable, __file__, "client"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def play(pair: Pair, seed: int, rounds: int) -> list[Any]:
    """The rounds: node, kind, moment of the kill, moment at which all was well, longest silence of the VIP."""
    random = Random(seed)
    found = []
    for _ in range(rounds):
        name, kind = random.choice("ab"), random.choice(KINDS)
        pair.lan.pause(random.random())
        since = time.monotonic()
        pair.kill(name, kind)
        pair.whole()
        until = time.monotonic()
        found.append((name, kind, since, until, pair.client.longest_silence(since, until)))
        print(f"{name} {kind}: whole after {until - since:.1f} s", file=sys.stderr, flush=True)
    return found


def main(seed: int, rounds: int) -> None:
    WORK.mkdir()
    subprocess.run("modprobe ip_vs; modprobe bridge; modprobe veth", shell=True, check=False)
    with network("pkvm") as net:
        lan = Lan(net, WORK)
        try:
            pair = Pair(lan)
            pair.start()
            with requests(pair.client.namespace) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                lan.pause(1)
                seen: dict[str, Any] = {"rounds": play(pair, seed, rounds)}
                lan.pause(1)
                process.stdin.close()
                seen["moves"] = [at / 1e9 for node in pair.nodes.values() for at, line in node.lines if MOVED in line]
                seen["requests"] = [each for some in json.loads(process.stdout.read()) for each in some]
            pair.stop()
        finally:
            lan.stack.close()
            for node in lan.nodes.values():
                node.kill()
    print(json.dumps(seen))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["client"]:
            client()
        case ["servers", *namespaces]:
            servers(namespaces)
        case [first, second]:
            main(int(first), int(second))
