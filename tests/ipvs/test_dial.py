"""The dialler against real sockets on loopback: outcomes, time limits, TLS, sockets that are kept."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pykeepalived.config.model.ipvs import Connection, SslContext, Url
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import dial
from pykeepalived.ipvs.checks.attempt import Attempt, Outcome, Reason, Tls, Transport
from pykeepalived.ipvs.checks.dns import DnsExchange, question
from pykeepalived.ipvs.checks.http import HttpExchange, request
from pykeepalived.ipvs.checks.smtp import SmtpExchange
from pykeepalived.ipvs.dial import Dialler
from pykeepalived.ipvs.tls import TlsError, TlsFactory
from pykeepalived.runtime.loop import Loop

SECOND = 1_000_000_000


class Phone:
    """A dialler with a loop that runs until every attempt has ended."""

    def __init__(self, settings: SslContext | None = None) -> None:
        self.loop = Loop()
        self.outcomes: dict[Any, Outcome] = {}
        self.dialler = Dialler(self.loop, self._done, lambda: None, TlsFactory(settings))

    def _done(self, checker: Any, outcome: Outcome) -> None:
        self.outcomes[checker] = outcome

    def call(self, *attempts: Attempt) -> list[Outcome]:
        self.outcomes.clear()
        for number, attempt in enumerate(attempts):
            self.dialler.start(number, attempt)
        return self.finish(len(attempts))

    def finish(self, attempts: int) -> list[Outcome]:
        """Wait for so many outcomes."""
        end = self.loop.now() + 20 * SECOND
        while len(self.outcomes) < attempts and self.loop.now() < end:
            self.loop.run_once(until=end)
        return [self.outcomes[number] for number in range(attempts)]

    def close(self) -> None:
        self.dialler.close()
        self.loop.close()


@pytest.fixture
def phone() -> Iterator[Phone]:
    phone = Phone()
    yield phone
    phone.close()


@contextlib.contextmanager
def listener(
    serve: Callable[[socket.socket], object] | None = None, backlog: int = 8, peers: list[Any] | None = None
) -> Iterator[int]:
    """A server on loopback: `serve` gets every connection, in a thread; None never accepts. `peers` notes who came."""
    server = socket.create_server(("127.0.0.1", 0), backlog=backlog)

    def work() -> None:
        while True:
            try:
                peer, address = server.accept()
            except OSError:
                return
            if peers is not None:
                peers.append(address)
            with peer, contextlib.suppress(OSError):
                assert serve is not None
                serve(peer)

    thread = threading.Thread(target=work, daemon=True)
    if serve is not None:
        thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def where(port: int, **words: Any) -> Connection:
    words.setdefault("timeout_us", 5_000_000)
    return Connection(address=Ip.parse(words.pop("address", "127.0.0.1")), port=port, **words)


def tcp(connection: Connection, exchange: Any = None, tls: Tls | None = None) -> Attempt:
    return Attempt(Transport.TCP, connection, exchange, tls, timeout_us=connection.timeout_us)


def udp(connection: Connection, exchange: Any) -> Attempt:
    return Attempt(Transport.UDP, connection, exchange, timeout_us=connection.timeout_us)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_an_open_and_a_closed_port(phone: Phone) -> None:
    with listener() as port:
        good, bad = phone.call(tcp(where(port)), tcp(where(unused_port())))
    assert good.ok
    assert (bad.reason, bad.value) == (Reason.CONNECT_FAILED, errno.ECONNREFUSED)
    assert phone.dialler.open == 0


def test_many_attempts_at_once(phone: Phone) -> None:
    with listener(lambda peer: None, backlog=512) as port:
        attempt = tcp(where(port))
        assert all(outcome.ok for outcome in phone.call(*[attempt] * 300))


@pytest.mark.keyword("virtual_server/real_server/TCP_CHECK/bindto")
@pytest.mark.keyword("virtual_server/real_server/TCP_CHECK/bind_port")
def test_a_fixed_local_port_works_again_and_again(phone: Phone) -> None:
    peers: list[Any] = []
    heard = threading.Semaphore(0)
    with listener(lambda peer: heard.release(), peers=peers) as port:
        connection = where(port, bind_address=Ip.parse("127.0.0.9"), bind_port=unused_port())
        for _ in range(3):
            assert phone.call(tcp(connection))[0].ok
            assert heard.acquire(timeout=10)
    assert peers == [("127.0.0.9", connection.bind_port)] * 3


@pytest.mark.keyword("virtual_server/real_server/TCP_CHECK/bind_if")
def test_local_errors_are_no_verdict(phone: Phone) -> None:
    port = unused_port()
    away = phone.call(tcp(where(port, bind_address=Ip.parse("192.0.2.99"))))[0]
    assert (away.reason, away.text) == (Reason.SKIPPED, "Checker bind failed: Cannot assign requested address")
    device = phone.call(tcp(where(port, bind_interface="nosuchif0")))[0]
    assert (device.reason, device.text) == (Reason.SKIPPED, "Checker can't bind to device nosuchif0: No such device")


@pytest.mark.keyword("virtual_server/real_server/TCP_CHECK/connect_timeout")
def test_time_limits_of_connecting_and_reading(phone: Phone) -> None:
    with listener(backlog=0) as port:
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # fill the backlog: the next connection stays half open
                extra = stack.enter_context(socket.socket())
                extra.setblocking(False)
                extra.connect_ex(("127.0.0.1", port))
            connecting = phone.call(tcp(where(port, timeout_us=200_000)))[0]
        assert connecting.reason == Reason.CONNECT_TIMEOUT
    with listener() as port:
        reading = phone.call(tcp(where(port, timeout_us=100_000), SmtpExchange("x")))[0]
    assert (reading.reason, reading.text) == (Reason.READ_TIMEOUT, "Read timeout from server")


def test_what_came_in_time_counts_however_late_it_is_noticed(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process stands still for longer than the time limit, with more connections waiting than it takes at once."""
    monkeypatch.setattr(dial, "_EVENTS", 32)
    with listener(backlog=512) as port:
        attempt = tcp(where(port, timeout_us=500_000))
        silent = tcp(where(port, timeout_us=500_000), SmtpExchange("x"))
        for number in range(300):
            phone.dialler.start(number, attempt if number else silent)
        assert phone.outcomes == {}
        time.sleep(0.8)
        assert len(phone.finish(300)) == 300
    assert phone.outcomes[0].reason == Reason.READ_TIMEOUT
    assert all(outcome.ok for number, outcome in phone.outcomes.items() if number)


def test_a_time_limit_that_fires_first_hears_what_is_there(phone: Phone) -> None:
    """A stall between looking at the sockets and looking at the clock."""
    with listener() as port:
        phone.dialler.start(0, tcp(where(port, timeout_us=1000)))
        time.sleep(0.01)
        phone.dialler._expire(1_000_000)
    assert phone.outcomes[0].ok


def test_smtp(phone: Phone) -> None:
    heard = []

    def serve(peer: socket.socket) -> None:
        peer.send(b"220 ")
        peer.send(b"ready\r\n")
        heard.append(peer.recv(100))
        peer.send(b"250 hello\r\n")
        heard.append(peer.recv(100))
        peer.send(b"221 bye\r\n")

    with listener(serve) as port:
        assert phone.call(tcp(where(port), SmtpExchange("me")))[0].ok
    assert heard == [b"HELO me\r\n", b"QUIT\r\n"]


def page(body: bytes) -> Callable[[socket.socket], object]:
    def serve(peer: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = peer.recv(1000)
            if not part:
                return
            data += part
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return serve


def test_http_with_a_large_body(phone: Phone) -> None:
    exchange = HttpExchange(Url(path="/"), request("/", "x", "1.0"), False)
    with listener(page(b"x" * 700_000)) as port:
        outcome = phone.call(tcp(where(port), exchange))[0]
    assert outcome.ok
    assert exchange.mismatch is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=rs.example"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(words, check=True, capture_output=True)
    return folder


@pytest.mark.keyword("virtual_server/real_server/SSL_GET")
@pytest.mark.parametrize("notify", [True, False])
def test_https_with_sni_however_the_server_closes(phone: Phone, certificate: Path, notify: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def serve(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as secure:
            page(b"body" * 20_000)(secure)
            if notify:
                secure.unwrap()

    exchange = HttpExchange(Url(path="/"), request("/", "x", "1.0"), True)
    with listener(serve) as port:
        assert phone.call(tcp(where(port), exchange, Tls("sni.example")))[0].ok
    assert names == ["sni.example"]


@pytest.mark.keyword("SSL/certificate")
@pytest.mark.keyword("SSL/key")
@pytest.mark.keyword("SSL/ca")
def test_a_client_certificate_is_shown(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    context.load_verify_locations(certificate / "cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as secure:
            page(b"secret")(secure)

    cert, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    outcomes = []
    with listener(serve) as port:
        for settings in (SslContext(certificate=cert, key=key, ca=cert), None):
            phone = Phone(settings)
            exchange = HttpExchange(Url(path="/"), request("/", "x", "1.0"), True)
            outcomes.append(phone.call(tcp(where(port), exchange, Tls(compliant=True)))[0].ok)
            phone.close()
    assert outcomes == [True, False]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (SslContext(certificate="/none/cert.pem", key="/none/key.pem"), "SSL error : Cant load certificate file..."),
        (SslContext(key="/none/key.pem"), "SSL error : Cant load key file..."),
        (SslContext(ca="/none/ca.pem"), "SSL error : Cant load CA file..."),
    ],
)
def test_files_that_cannot_be_loaded(settings: SslContext, text: str) -> None:
    with pytest.raises(TlsError, match=text):
        TlsFactory(settings).prepare()


def test_no_tls_at_the_other_end(phone: Phone) -> None:
    with listener(lambda peer: peer.send(b"220 plain\r\n")) as port:
        exchange = HttpExchange(Url(path="/"), b"", True)
        assert phone.call(tcp(where(port), exchange, Tls()))[0].reason == Reason.TLS_FAILED


def test_udp_replies_and_closed_ports(phone: Phone) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            data, peer = server.recvfrom(100)
            server.sendto(b"\0\0" + data[2:], peer)
            server.sendto(data[:2] + b"\x81\x80" + data[4:], peer)

        thread = threading.Thread(target=answer)
        thread.start()
        asked = question("example.test", "A")
        good = phone.call(udp(where(server.getsockname()[1]), DnsExchange(513, asked)))[0]
        thread.join()
    assert good.ok
    bad = phone.call(udp(where(unused_port()), DnsExchange(513, asked)))[0]
    assert bad.text == "failed to read socket; errno 111 (Connection refused)"


class Endless:
    """A server that sends more whenever something has been read: `turns` counts the receptions of each turn."""

    rearm = True

    def __init__(self, kind: int) -> None:
        self.server = socket.socket(socket.AF_INET, kind)
        self.server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            self.server.listen()
        self.peer = self.server
        self.turns = [0]

    def opened(self) -> bytes:
        return b"go"

    def begin(self) -> None:
        """Answer the request with more than one read takes."""
        if self.server.type == socket.SOCK_STREAM:
            self.peer, _ = self.server.accept()
        else:
            self.peer.connect(self.peer.recvfrom(9)[1])
        self.more()

    def more(self) -> None:
        self.peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(200 if self.peer is not self.server else 2):
                if sum(self.turns) < 5000:
                    self.peer.send(bytes(65000))

    def received(self, data: bytes) -> bytes:
        self.turns[-1] += 1
        self.more()
        return b""

    def ended(self) -> Outcome:
        return Outcome(True, Reason.ANSWER)

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        return Outcome(False, reason, text, error)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_server_that_never_stops_sending_does_not_keep_the_others_waiting(phone: Phone, kind: int) -> None:
    endless = Endless(kind)
    with listener() as port, contextlib.closing(endless.server):
        connect = where(endless.server.getsockname()[1])
        phone.dialler.start(1, tcp(connect, endless) if kind == socket.SOCK_STREAM else udp(connect, endless))
        phone.loop.run_once(until=phone.loop.now() + SECOND)
        endless.begin()
        phone.dialler.start(0, tcp(where(port)))
        for _ in range(20):
            endless.turns.append(0)
            phone.loop.run_once(until=phone.loop.now() + SECOND)
        endless.peer.close()
    assert phone.outcomes[0].ok
    assert 0 < max(endless.turns) <= 64


def test_dropped_attempts_are_not_answered(phone: Phone) -> None:
    with listener() as port:
        phone.dialler.start(0, tcp(where(port, timeout_us=50_000), SmtpExchange("x")))
        phone.dialler.drop_all()
        end = phone.loop.now() + SECOND // 5
        while phone.loop.now() < end:
            phone.loop.run_once(until=end)
    assert phone.outcomes == {}


class Stumbling:
    """An exchange that cannot bear to be spoken to."""

    rearm = False

    def opened(self) -> bytes:
        return b""

    def received(self, data: bytes) -> bytes:
        raise KeyError(data)

    def ended(self) -> Outcome:
        raise KeyError("end")

    def failed(self, reason: Reason, code: int, text: str) -> Outcome:
        raise KeyError("failed")


def test_an_error_over_one_server_is_no_verdict_and_costs_no_other_server_its_own(phone: Phone) -> None:
    told: list[Exception] = []
    phone.loop.on_error = told.append

    def speak(peer: socket.socket) -> None:
        peer.sendall(b"220 here\r\n")
        peer.recv(100)

    with listener(speak) as talking, listener(lambda peer: peer.recv(1)) as silent:
        connections = [where(silent, timeout_us=200_000), *[where(talking)] * 20]
        outcomes = phone.call(
            *(tcp(connection, Stumbling()) for connection in connections), *(tcp(where(talking)) for _ in range(20))
        )
    assert [outcome.ok for outcome in outcomes] == [False] * 21 + [True] * 20
    assert {outcome.reason for outcome in outcomes[:21]} == {Reason.SKIPPED}
    assert outcomes[1].text == "internal error KeyError: b'220 here\\r\\n'"
    assert len(told) == 21
    assert phone.dialler.open == 0
