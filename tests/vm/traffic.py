"""Runs in a guest: nginx, haproxy and postfix behind a director of ours, clients that never stop asking, and servers
that die and come back. Prints what was seen as JSON; test_traffic.py judges.

Web requests come by NAT (HTTP) and by direct routing (HTTPS), mail by NAT. Called with the word `client` it is the
clients of one host: a thread for each kind of request, until its standard input ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pykeepalived.lab.net import Namespace, Network, network
from pykeepalived.lab.node import OURS, Node, watch

WORK = Path("/tmp/traffic")
NAT_ADDRESS, DIRECT_ADDRESS, HOST = "10.20.0.100", "10.10.0.100", "www.example"
HEALTH = "fine\n"
SLOW_SIZE = 40_000
WEB = {"rs1": "nginx", "rs2": "haproxy", "rs3": "nginx"}
MAIL = ("rs4", "rs5")
REQUEST_SECONDS, MAIL_SECONDS = 3.0, 15.0
SECONDS = 60
"""How long anything that must happen is waited for."""

# ------------------------------------------------------------------ clients


def ask_http() -> str:
    connection = http.client.HTTPConnection(NAT_ADDRESS, 80, timeout=REQUEST_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": HOST})
        return connection.getresponse().read().decode().strip()


def ask_https() -> str:
    context = ssl._create_unverified_context()
    with (
        socket.create_connection((DIRECT_ADDRESS, 443), REQUEST_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode().strip().rpartition("\n")[2]


def ask_smtp() -> str:
    with smtplib.SMTP(NAT_ADDRESS, 25, "client.example", MAIL_SECONDS) as connection:
        connection.sendmail("a@client.example", ["b@servers.example"], "Subject: x\r\n\r\nx\r\n")
        return connection.helo()[1].decode()


def ask_forever(ask: Callable[[], str], pause: float, over: threading.Event, found: list[Any]) -> None:
    """One request after the other, each on a connection of its own: begin, end, who answered (or why not), whether."""
    while not over.wait(pause):
        begin = time.monotonic()
        try:
            answer, good = ask(), True
        except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
            answer, good = f"{type(error).__name__}: {error}", False
        found.append((begin, time.monotonic(), answer, good))


def long_answer() -> tuple[str, int]:
    """An answer of rs3 that takes many seconds: why it ended and how much of it came."""
    while True:
        connection = socket.create_connection((NAT_ADDRESS, 80), SECONDS)
        connection.sendall(f"GET /slow HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
        head, _, body = connection.recv(4096).partition(b"\r\n\r\n")
        if b"X-Server: rs3" not in head:
            connection.close()
            continue
        print("begun", flush=True)
        received = len(body)
        try:
            while data := connection.recv(65536):
                received += len(data)
        except OSError as error:
            return str(error), received
        return "complete", received


def client() -> None:
    over = threading.Event()
    found: dict[str, list[Any]] = {"http": [], "https": [], "smtp": []}
    slow: list[Any] = []
    kinds = ((ask_http, 0.02, "http"), (ask_https, 0.04, "https"), (ask_smtp, 0.1, "smtp"))
    threads = [threading.Thread(target=ask_forever, args=(ask, pause, over, found[name])) for ask, pause, name in kinds]
    threads.append(threading.Thread(target=lambda: slow.append(long_answer())))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"requests": found, "slow": slow[0]}), flush=True)


# ------------------------------------------------------------------ servers

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem;
  server {{ listen 443 ssl default_server; ssl_reject_handshake on; }}
  server {{
    listen 80; listen 443 ssl; server_name {host}; add_header X-Server {name};
    location / {{ return 200 "{name}\\n"; }}
    location /health {{ return 200 "fine\\n"; }}
    location /slow {{ alias {work}/slow; limit_rate 1k; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend web
  bind :80
  bind :443 ssl crt {work}/both.pem strict-sni
  http-request return status 200 content-type text/plain string "fine\\n" if {{ path /health }}
  http-request return status 200 content-type text/plain string "{name}\\n"
"""
POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = {name}
mydestination =
mynetworks = 0.0.0.0/0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
inet_protocols = ipv4
smtpd_peername_lookup = no
maillog_file = {folder}/log
maillog_file_prefixes = /tmp
default_transport = discard:x
"""
POSTFIX_SERVICES = """
smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
discard unix - - n - - discard
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""
POSTFIX_QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"),
    *("public", "maildrop"),
)


def serve(name: str, host: Namespace) -> None:
    """Start the server program of a host, after whatever the last life of it left."""
    folder = WORK / name
    folder.mkdir(exist_ok=True)
    words = {"folder": folder, "work": WORK, "name": name, "host": HOST}
    if name in MAIL:
        run_postfix(host, folder, words)
    elif WEB[name] == "nginx":
        (folder / "nginx.conf").write_text(NGINX.format(**words))
        spawn(host, folder, "nginx", "-c", str(folder / "nginx.conf"))
    else:
        (folder / "haproxy.cfg").write_text(HAPROXY.format(**words))
        spawn(host, folder, "haproxy", "-db", "-f", str(folder / "haproxy.cfg"))


def run_postfix(host: Namespace, folder: Path, words: dict[str, Any]) -> None:
    """Its own start takes a quarter of a minute in a guest; all that master(8) needs of it are the directories."""
    (folder / "main.cf").write_text(POSTFIX_MAIN.format(**words))
    (folder / "master.cf").write_text(POSTFIX_SERVICES)
    for name in ("data", "queue", "queue/pid", *(f"queue/{name}" for name in POSTFIX_QUEUES)):
        (folder / name).mkdir(exist_ok=True)
        if name not in ("queue", "queue/pid"):
            shutil.chown(folder / name, "postfix", "postdrop" if name in ("queue/public", "queue/maildrop") else None)
    spawn(host, folder, "/usr/lib/postfix/sbin/master", "-d", "-c", str(folder))


def spawn(host: Namespace, folder: Path, *words: str) -> None:
    with open(folder / "output", "ab") as output:
        host.spawn(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def die(host: Namespace) -> None:
    """Every process of a host is killed."""
    for pid in host.run("ip", "netns", "pids", host.name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


# ------------------------------------------------------------------ director


def configuration(weight: int = 1) -> str:
    check = "delay_before_retry 0.2\nretry 1\nconnect_timeout 0.6\nwarmup 0.2"
    digest = hashlib.md5(HEALTH.encode()).hexdigest()
    url = f"url {{\npath /health\nstatus_code 200\ndigest {digest}\n}}"
    web = [(name, f"10.10.0.1{name[2]}") for name in WEB]
    plain = [f"HTTP_GET {{\n{url}\n{check}\n}}"] * len(web)
    tls = [f"SSL_GET {{\nenable_sni\n{url}\n{check}\n}}"] * len(web)
    smtp = [f"SMTP_CHECK {{\nhelo_name director.example\n{check}\n}}"] * len(MAIL)
    mail = [(name, f"10.10.0.1{name[2]}") for name in MAIL]
    snmp = f"enable_snmp_checker\n snmp_socket unix:{WORK}/agentx\n snmp_vs_stats_update_interval 0.2"
    blocks = [f"global_defs {{\n checker_log_all_failures\n {snmp}\n}}\n"]
    for address, port, method, servers, checks in (
        (NAT_ADDRESS, 80, "NAT", web, plain),
        (DIRECT_ADDRESS, 443, "DR", web, tls),
        (NAT_ADDRESS, 25, "NAT", mail, smtp),
    ):
        blocks.append(f"virtual_server {address} {port} {{\ndelay_loop 0.5\nlvs_sched rr\nlvs_method {method}\n")
        blocks.append(f"protocol TCP\nvirtualhost {HOST}\nalpha\n")
        for (name, server), words in zip(servers, checks, strict=True):
            own = weight if name == "rs1" else 1
            blocks.append(f"real_server {server} {port} {{\nweight {own}\n{words}\n}}\n")
        blocks.append("}\n")
    return "".join(blocks)


def build(net: Network) -> dict[str, Namespace]:
    """The director between the clients' segment and the servers'; clients reach both, for direct routing."""
    hosts = {name: net.namespace(name) for name in ("director", "client", *WEB, *MAIL)}
    director, clients = hosts["director"], hosts["client"]
    net.attach(director, "eth0", "outside", ["10.20.0.1/24", f"{NAT_ADDRESS}/32"])
    net.attach(director, "eth1", "inside", ["10.10.0.1/24", f"{DIRECT_ADDRESS}/32"])
    net.attach(clients, "eth0", "outside", ["10.20.0.2/24"])
    net.attach(clients, "eth1", "inside", ["10.10.0.200/24"])
    director.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0")
    # a client may use a port again whose last connection went to a server that is gone since
    director.run("sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=1", "net.ipv4.vs.conn_reuse_mode=3")
    for name in (*WEB, *MAIL):
        host = hosts[name]
        net.attach(host, "eth0", "inside", [f"10.10.0.1{name[2]}/24"])
        host.ip("route", "add", "default", "via", "10.10.0.1")
        host.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
        host.ip("address", "add", f"{DIRECT_ADDRESS}/32", "dev", "lo")
    return hosts


def prepare() -> None:
    WORK.mkdir()
    subprocess.run("modprobe ip_vs; modprobe bridge; modprobe veth", shell=True, check=False)
    make = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=www.example"
    subprocess.run(f"{make} && cat cert.pem key.pem > both.pem", shell=True, cwd=WORK, check=True, capture_output=True)
    (WORK / "slow").write_bytes(bytes(SLOW_SIZE))
    WORK.chmod(0o755)


SNMPD = """
rocommunity public
rwcommunity private
master agentx
agentXSocket unix:{work}/agentx
agentaddress udp:127.0.0.1:161
"""
CHECK = ".1.3.6.1.4.1.9586.100.5.3"


def run_snmpd(host: Namespace) -> None:
    (WORK / "snmpd.conf").write_text(SNMPD.format(work=WORK))
    (WORK / "snmp").mkdir()
    spawn(host, WORK / "snmp", "snmpd", "-f", "-C", "-c", str(WORK / "snmpd.conf"))


def ask_snmp(host: Namespace, program: str, community: str, *words: str) -> list[str]:
    """What snmpget, snmpset or snmpwalk prints, values alone."""
    where = ["-v2c", "-c", community, "-t", "3", "-m", "", "-On", "-Oqv", "127.0.0.1"]
    done = subprocess.run(host.command(program, *where, *words), capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()


def manage(host: Namespace) -> dict[str, Any]:
    """Statistics over SNMP beside those of ipvsadm, then another weight for rs2 (row 2 of the first virtual server)."""
    weight = f"{CHECK}.4.1.7.1.2"
    end = time.monotonic() + SECONDS  # the agent may just have been started again with its process
    while not ask_snmp(host, "snmpget", "public", weight)[0].isdigit() and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(2)
    virtual = [ask_snmp(host, "snmpget", "public", f"{CHECK}.3.1.{column}.1")[0] for column in (38, 39, 40, 30, 31)]
    servers = [
        [ask_snmp(host, "snmpget", "public", f"{CHECK}.4.1.{column}.1.{row}")[0] for column in (27, 28, 29, 20, 21)]
        for row in (1, 2, 3)
    ]
    statistics = host.run("ipvsadm", "-Ln", "--stats", "--exact", "-t", f"{NAT_ADDRESS}:80").splitlines()
    found = {"snmp": [virtual, *servers], "ipvsadm": statistics}
    found["denied"] = ask_snmp(host, "snmpset", "public", weight, "i", "7")
    found["negative"] = ask_snmp(host, "snmpset", "private", weight, "i", "-1")
    found["set"] = ask_snmp(host, "snmpset", "private", weight, "i", "300")
    while (shown := ask_snmp(host, "snmpget", "public", weight)) != ["300"] and time.monotonic() < end:
        time.sleep(0.2)  # a busy agent shows what it has after a second
    found["shown"] = shown
    return found


class Story:
    """What is done to the servers, and when; `seen` is what the judge gets."""

    def __init__(self, node: Node, hosts: dict[str, Namespace]) -> None:
        self.node = node
        self.hosts = hosts
        self.events: list[tuple[str, float]] = []

    def note(self, what: str) -> None:
        self.events.append((what, time.monotonic()))

    def pause(self, seconds: float) -> None:
        watch([self.node], lambda: False, seconds)

    def said(self, count: int, word: str, address: str) -> bool:
        lines = [line for _, line in self.node.lines if line.startswith(f"{word} service [{address}]")]
        return len(lines) == count

    def until(self, count: int, word: str, name: str) -> None:
        """All services of a server have entered or left the table that often."""
        address = f"10.10.0.1{name[2]}"
        if not watch([self.node], lambda: self.said(count, word, address), SECONDS):
            tail = "\n".join(line for _, line in self.node.lines[-40:])
            raise RuntimeError(f"{word} {name} did not happen {count} times:\n{tail}")

    def out_and_in(self, name: str, out: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
        services = 1 if name in MAIL else 2
        before = sum(what.endswith(f" {name} out") for what, _ in self.events)
        self.note(f"{out} {name} out")
        begin()
        self.until(services * (before + 1), "Removing", name)
        self.pause(2)
        self.note(f"{out} {name} in")
        end()
        self.until(services * (before + 2), "Adding", name)
        self.pause(2)

    def killed(self, name: str) -> None:
        host = self.hosts[name]
        self.out_and_in(name, "killed", lambda: die(host), lambda: serve(name, host))

    def cut(self, name: str) -> None:
        """No packet to or from it, and nobody tells."""
        host = self.hosts[name]
        self.out_and_in(name, "cut", lambda: host.forward("eth0", False), lambda: host.forward("eth0", True))


@contextlib.contextmanager
def clients(host: Namespace) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, __file__, "client"]
    process = host.spawn(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def play(story: Story, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    node = story.node
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()  # the long answer has begun
    story.pause(2)
    story.killed("rs1")
    story.cut("rs2")
    story.note("checker killed")
    os.kill(node.pid_of("checkers"), signal.SIGKILL)
    story.pause(4)
    story.note("reload")
    node.config.write_text(configuration(3))
    node.reload()
    story.pause(3)
    story.killed("rs4")
    story.killed("rs2")
    process.stdin.close()
    seen: dict[str, Any] = json.loads(process.stdout.read())
    seen |= manage(node.namespace)
    story.pause(0.5)  # for the last lines of the log
    table = node.namespace.run("ipvsadm", "-Sn").splitlines()
    return {**seen, "events": story.events, "table": table}


def main() -> None:
    prepare()
    with network("pkvm") as net:
        hosts = build(net)
        for name in (*WEB, *MAIL):
            serve(name, hosts[name])
        node = Node("director", hosts["director"], WORK / "director.conf", WORK / "director", OURS)
        node.config.write_text(configuration())
        run_snmpd(hosts["director"])
        node.start()
        try:
            story = Story(node, hosts)
            for name in (*WEB, *MAIL):
                story.until(1 if name in MAIL else 2, "Adding", name)
            with clients(hosts["client"]) as process:
                seen = play(story, process)
            seen["status"] = node.stop(30)
        finally:
            node.kill()
            sys.stderr.writelines(f"{line}\n" for _, line in node.lines)
    seen["lines"] = [(at / 1e9, line) for at, line in node.lines]
    print(json.dumps(seen))


if __name__ == "__main__":
    client() if sys.argv[1:] == ["client"] else main()
