"""What a daemon's checkers send: run in a guest, `wire.py RESULT PROGRAM...`. Ours and keepalived must send the same.

The servers live in a network namespace of their own behind two links. Each checker has a port of its own, on which the
server notes who connected (the source address tells which link, source address, mark and so on were used), every byte
received, and how the client ended the connection. What is random on purpose is left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000
SERVER, SERVER6, NOWHERE = "10.9.0.1", "fd09::1", "10.9.0.99"
MARK = 500
"""No virtual server's: those are numbered from 1 on."""
FIRST_PORT = 2000
"""The server's port of a case is this and its number; a fixed local port is 1,000 more."""
WEB_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ECHO_REQUEST = 8
PATIENCE_S = 60

NEAR = f"""set -e
ip link set lo up
ip addr add 10.1.0.1/24 dev wirea
ip addr add 10.1.0.3/24 dev wirea
ip addr add 10.2.0.1/24 dev wireb
ip -6 addr add fd01::1/64 dev wirea nodad
ip link set wirea up
ip link set wireb up
ip route add 10.9.0.0/16 via 10.1.0.2
ip route add 10.9.0.0/16 via 10.2.0.2 metric 10
ip -6 route add {SERVER6} via fd01::2
ip rule add fwmark {MARK} lookup 100
ip route add 10.9.0.0/16 via 10.2.0.2 table 100
"""
FAR = f"""set -e
ip link set lo up
ip link set wirea1 up
ip link set wireb1 up
ip addr add 10.1.0.2/24 dev wirea1
ip addr add 10.2.0.2/24 dev wireb1
ip -6 addr add fd01::2/64 dev wirea1 nodad
ip addr add {SERVER}/32 dev lo
ip -6 addr add {SERVER6}/128 dev lo nodad
for number in 1 2 3 4; do ip addr add 10.9.1.$number/32 dev lo; done
"""


@dataclass(frozen=True)
class Case:
    """A checker, the server it needs, and where the words besides the checker's own go."""

    name: str
    server: str
    kind: str
    words: str = ""
    real: str = ""
    virtual: str = ""
    address: str = SERVER
    connections: int = 1


def url(words: str = "path /") -> str:
    return f"url {{\n{words}\n}}"


def cases() -> list[Case]:
    found = []
    for kind, server, extra in (
        ("TCP_CHECK", "tcp", ""),
        ("HTTP_GET", "http", url()),
        ("SSL_GET", "https", url()),
        ("SMTP_CHECK", "smtp", ""),
        ("DNS_CHECK", "dns", ""),
        ("UDP_CHECK", "udp", "payload 00"),
    ):
        dialling = {
            "plain": "",
            "bindto": "bindto 10.1.0.3",
            "bindto and bind_port": "bindto 10.1.0.3\nbind_port @own@",
            "bind_port": "bind_port @own@",
            "bind_if": "bind_if wireb",
            "fwmark": f"fwmark {MARK}",
        }
        found += [Case(f"{kind} {name}", server, kind, f"{words}\n{extra}") for name, words in dialling.items()]
        words = f"connect_ip {SERVER}\nconnect_port @port@\n{extra}"
        found.append(Case(f"{kind} connect_ip and connect_port", server, kind, words, address=NOWHERE))
        found.append(Case(f"{kind} over IPv6", server, kind, extra, address=SERVER6))
    found += [
        Case("HTTP_GET query", "http", "HTTP_GET", url("path /a/b?c=d&e")),
        Case("HTTP_GET two urls", "http", "HTTP_GET", url() + url("path /second"), connections=2),
        Case("HTTP_GET 1.0", "http", "HTTP_GET", "http_protocol 1.0\n" + url()),
        Case("HTTP_GET 1.0C", "http", "HTTP_GET", "http_protocol 1.0C\n" + url()),
        Case("HTTP_GET 1.0c", "http", "HTTP_GET", "http_protocol 1.0c\n" + url()),
        Case("HTTP_GET 1.1", "http", "HTTP_GET", "http_protocol 1.1\n" + url()),
        Case("HTTP_GET 1.1 IPv6", "http", "HTTP_GET", "http_protocol 1.1\n" + url(), address=SERVER6),
        Case("HTTP_GET 1.1 virtualhost", "http", "HTTP_GET", "http_protocol 1.1\nvirtualhost a.test\n" + url()),
        Case(
            "HTTP_GET virtualhost of the url",
            "http",
            "HTTP_GET",
            "virtualhost a.test\n" + url("path /\nvirtualhost b.test"),
        ),
        Case(
            "HTTP_GET virtualhost of the checker",
            "http",
            "HTTP_GET",
            "virtualhost a.test\n" + url(),
            real="virtualhost c.test",
        ),
        Case(
            "HTTP_GET virtualhost of the real server",
            "http",
            "HTTP_GET",
            url(),
            "virtualhost c.test",
            "virtualhost d.test",
        ),
        Case("HTTP_GET virtualhost of the virtual server", "http", "HTTP_GET", url(), virtual="virtualhost d.test"),
        Case("HTTP_GET virtualhost IPv6", "http", "HTTP_GET", "virtualhost a.test\n" + url(), address=SERVER6),
        Case("HTTP_GET virtualhost with port", "http", "HTTP_GET", "virtualhost a.test:81\n" + url()),
        Case("SSL_GET enable_sni", "https", "SSL_GET", "enable_sni\nvirtualhost a.test\n" + url()),
        Case("SSL_GET enable_sni of the url", "https", "SSL_GET", "enable_sni\n" + url("path /\nvirtualhost b.test")),
        Case("SSL_GET enable_sni without a name", "https", "SSL_GET", "enable_sni\n" + url()),
        Case("SSL_GET virtualhost without SNI", "https", "SSL_GET", "virtualhost a.test\n" + url()),
        Case("SSL_GET two urls", "https", "SSL_GET", url() + url("path /second"), connections=2),
        Case("SSL_GET 1.1", "https", "SSL_GET", "http_protocol 1.1\nvirtualhost a.test\n" + url()),
        Case("SMTP_CHECK helo_name", "smtp", "SMTP_CHECK", "helo_name me.test"),
        Case("UDP_CHECK payload", "udp", "UDP_CHECK", "payload 01 23 45 67 89 ab CD EF\nrequire_reply"),
        Case("UDP_CHECK without payload", "udp length", "UDP_CHECK", "require_reply"),
    ]
    for number, words in enumerate(("", "bindto 10.1.0.3", "bind_if wireb", f"fwmark {MARK}"), 1):
        found.append(Case(f"PING_CHECK {words or 'plain'}", "ping", "PING_CHECK", words, address=f"10.9.1.{number}"))
    for kind in ("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"):
        found.append(Case(f"DNS_CHECK {kind}", "dns", "DNS_CHECK", f"type {kind}\nname www.example.test"))
    found.append(Case("DNS_CHECK with a final dot", "dns", "DNS_CHECK", "name example.test."))
    return found


def configuration(all_cases: list[Case], folder: Path) -> str:
    """A virtual server for each case."""
    lines = ["global_defs {\nscript_user root\n}", f"SSL {{\ncertificate {folder}/cert.pem\nkey {folder}/key.pem\n}}"]
    for number, case in enumerate(all_cases):
        port = FIRST_PORT + number
        words = case.words.replace("@port@", str(port)).replace("@own@", str(port + 1000))
        lines.append(f"""virtual_server fwmark {number + 1} {"inet6" if ":" in case.address else "inet"} {{
delay_loop 2
warmup 0
lvs_sched rr
protocol {"UDP" if case.server in ("dns", "udp", "udp length") else "TCP"}
{case.virtual}
real_server {case.address} {9 if case.address == NOWHERE else port} {{
{case.real}
{case.kind} {{
connect_timeout 10
retry 0
{words}
}}
}}
}}""")
    return "\n".join(lines) + "\n"


class Server:
    """Answers on the port of every case and notes what came."""

    def __init__(self, all_cases: list[Case], folder: Path) -> None:
        self.notes: dict[str, list[dict[str, Any]]] = {case.name: [] for case in all_cases}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self._context.load_verify_locations(folder / "cert.pem")
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._names = threading.local()
        self._context.sni_callback = self._named
        for number, case in enumerate(all_cases):
            if case.server == "ping":
                continue
            datagrams = case.server.split()[0] in ("dns", "udp")
            family = socket.AF_INET6 if ":" in case.address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((SERVER6 if family == socket.AF_INET6 else SERVER, FIRST_PORT + number))
            if not datagrams:
                sock.listen(16)
            work = self._hear_datagrams if datagrams else self._accept
            threading.Thread(target=work, args=(case, sock, FIRST_PORT + number + 1000), daemon=True).start()
        by_address = {case.address: case for case in all_cases if case.server == "ping"}
        threading.Thread(target=self._hear_pings, args=(by_address,), daemon=True).start()

    def complete(self, all_cases: list[Case]) -> bool:
        return all(len(self.notes[case.name]) >= case.connections for case in all_cases)

    def _note(self, case: Case, peer: Any, own: int, **found: Any) -> None:
        """The local port only matters where it is a fixed one."""
        whence = [peer[0], peer[1] if peer[1] == own else "any"]
        self.notes[case.name].append({"from": whence, **found})

    def _hear_datagrams(self, case: Case, sock: socket.socket, own: int) -> None:
        while True:
            data, peer = sock.recvfrom(65536)
            if case.server == "dns":
                self._note(case, peer, own, received=data[2:].hex())  # behind the random identifier
                sock.sendto(data[:2] + bytes.fromhex("8180") + data[4:], peer)
            elif case.server == "udp":
                self._note(case, peer, own, received=data.hex())
                sock.sendto(b"answer", peer)
            else:
                self._note(case, peer, own, received=len(data))
                sock.sendto(b"answer", peer)

    def _accept(self, case: Case, sock: socket.socket, own: int) -> None:
        while True:
            client, peer = sock.accept()
            client.settimeout(20)
            try:
                found = self._serve(case, client)
            except OSError as error:
                found = {"error": type(error).__name__}
            client.close()
            self._note(case, peer, own, **found)

    def _serve(self, case: Case, client: socket.socket) -> dict[str, Any]:
        if case.server == "https":
            self._names.name = None
            with self._context.wrap_socket(client, server_side=True, suppress_ragged_eofs=False) as secure:
                found = {
                    "version": secure.version(),
                    "alpn": secure.selected_alpn_protocol(),
                    "certificate": bool(secure.getpeercert(binary_form=True)),
                    **self._web(secure),
                }
            return found | {"sni": self._names.name}
        if case.server == "http":
            return self._web(client)
        heard = b""
        if case.server == "smtp":
            client.sendall(b"220 ready\r\n")
            for answer in (b"250 hello\r\n", b"221 bye\r\n"):
                heard += client.recv(1000)
                client.sendall(answer)
        return {"received": heard.decode(), "end": _end(client)}

    def _named(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self._names.name = name

    def _web(self, client: socket.socket) -> dict[str, Any]:
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = client.recv(4096)
            if not part:
                break
            heard += part
        client.sendall(WEB_OK)
        end = _end_of_tls(client) if isinstance(client, ssl.SSLSocket) else _end(client)
        return {"received": heard.decode(), "end": end}

    def _hear_pings(self, by_address: dict[str, Case]) -> None:
        """What is fixed of an echo request: its length behind the header. The kernel answers it."""
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            while True:
                data, peer = sock.recvfrom(65536)
                header = (data[0] & 15) * 4
                case = by_address.get(socket.inet_ntoa(data[16:20]))
                if case is not None and data[header] == ECHO_REQUEST:
                    self._note(case, (peer[0], 0), -1, received=len(data) - header - 8)


def _end(client: socket.socket) -> str:
    """Say that there is no more; how the client ends the connection."""
    try:
        client.shutdown(socket.SHUT_WR)
        return "closed" if not client.recv(1000) else "more"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "left open"


def _end_of_tls(client: ssl.SSLSocket) -> str:
    try:
        client.unwrap()
        return "closed with notice"
    except TimeoutError:
        return "left open"
    except OSError:
        return "closed without notice"


def shell(script: str) -> None:
    subprocess.run(["sh", "-c", script], check=True)


def far_end(all_cases: list[Case], folder: Path, ready: int, result: str) -> None:
    """The process with the servers: says that it stands, serves, and writes what it noted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(ready, b"1")
    while subprocess.run(["ip", "link", "show", "wireb1"], capture_output=True, check=False).returncode:
        time.sleep(0.05)
    shell(FAR)
    server = Server(all_cases, folder)
    os.write(ready, b"2")
    end = time.monotonic() + PATIENCE_S
    while not server.complete(all_cases) and time.monotonic() < end:
        time.sleep(0.05)
    noted = {case.name: server.notes[case.name][: case.connections] for case in all_cases}
    Path(result).write_text(json.dumps(noted, indent=1))


def main(result: str, program: list[str]) -> None:
    all_cases = cases()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=wire.test"]
        words += ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        subprocess.run(words, check=True, capture_output=True)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                far_end(all_cases, folder, write, result)
                status = 0
            finally:
                os._exit(status)
        try:
            os.read(read, 1)
            for letter in "ab":
                shell(f"ip link add wire{letter} type veth peer name wire{letter}1 netns {child}")
            shell(NEAR)
            os.read(read, 1)
            run(all_cases, folder, program, child)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it ends by itself when all is well
                os.kill(child, signal.SIGKILL)


def run(all_cases: list[Case], folder: Path, program: list[str], server: int) -> None:
    """The daemon, until the server has noted everything."""
    config = folder / "keepalived.conf"
    config.write_text(configuration(all_cases, folder))
    paths = [word for letter in "pcr" for word in (f"-{letter}", str(folder / f"{letter}.pid"))]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen([*program, "-n", "-l", "-D", "-f", str(config), *paths], stdout=log, stderr=log)
    try:
        if os.waitpid(server, 0)[1]:
            raise RuntimeError("the server failed")
    finally:
        daemon.terminate()
        daemon.wait(60)
        sys.stdout.write((folder / "log").read_text(errors="replace"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
