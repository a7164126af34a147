"""Mail: the exchange as pure bytes, and deliveries to a real server on loopback."""

from __future__ import annotations

import re
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.globals import Smtp
from pykeepalived.config.model.values import Ip
from pykeepalived.notify.mail import MAX_CONNECTIONS, Mailer
from pykeepalived.notify.queue import Mail
from pykeepalived.notify.smtp import Exchange, Stage, address_of, compose

from .smtp_server import SmtpServer

MESSAGE = compose("Sun, 22 Nov 2026 15:00:00 +0000", "from@x", "[R] S", ("a@x", "B <b@x>"), "=> body <=")


def exchange() -> Exchange:
    return Exchange("host", "from@x", ("a@x", "B <b@x>"), MESSAGE)


def test_message_layout():
    assert MESSAGE == (
        "Date: Sun, 22 Nov 2026 15:00:00 +0000\r\nFrom: from@x\r\nSubject: [R] S\r\nX-Mailer: Keepalived\r\n"
        "To: a@x,\r\n B <b@x>\r\n\r\n=> body <=\r\n\r\n"
    )


def test_whole_dialogue():
    client = exchange()
    assert client.feed(b"220-hello\r\n220 there\r\n") == b"HELO host\r\n"
    assert client.feed(b"250 ok\r\n") == b"MAIL FROM:<from@x>\r\n"
    assert client.feed(b"250 ok\r\n") == b"RCPT TO:<a@x>\r\n"
    assert client.feed(b"250 ok\r\n") == b"RCPT TO:<b@x>\r\n"
    assert client.feed(b"251 will forward\r\n") == b"DATA\r\n"
    assert client.feed(b"354 go\r\n") == MESSAGE.encode() + b".\r\n"
    assert not client.delivered
    assert client.feed(b"250 taken\r\n") == b"QUIT\r\n"
    assert client.delivered
    assert client.feed(b"221 bye\r\n") == b""
    assert (client.finished, client.error) == (True, None)


@pytest.mark.parametrize(
    ("replies", "stage", "code"),
    [
        (["421 no"], Stage.GREETING, 421),
        (["220 hi", "500 no"], Stage.HELO, 500),
        (["220 hi", "250 ok", "501 no"], Stage.MAIL, 501),
        (["220 hi", "250 ok", "250 ok", "550 no"], Stage.RCPT, 550),
        (["220 hi", "250 ok", "250 ok", "250 ok", "250 ok", "451 no"], Stage.DATA, 451),
        (["220 hi", "250 ok", "250 ok", "250 ok", "250 ok", "354 go", "452 no"], Stage.BODY, 452),
        (["220 hi", "garbage"], Stage.HELO, 0),
    ],
)
def test_refusal_is_followed_by_quit(replies, stage, code):
    client = exchange()
    for reply in replies:
        answer = client.feed(reply.encode() + b"\r\n")
    assert answer == b"QUIT\r\n"
    assert client.error == (stage, code)
    client.feed(b"221 bye\r\n")
    assert (client.finished, client.delivered) == (True, False)


def test_words_of_the_stages():
    assert [stage.value for stage in Stage] == ["(E)SMTP", "HELO", "MAIL", "RCPT", "DATA", "BODY", "QUIT"]


def test_dots_are_stuffed_and_line_breaks_cannot_smuggle_commands():
    message = compose("d", "f\r\nEvil: 1", "s\nEvil: 2", ("a@x\r\nRCPT TO:<evil>",), ".\n..x\ny\r.")
    assert "\r\nEvil" not in message
    client = Exchange("h", "f@x", ("a@x>\r\nDATA\r\n",), message)
    client.feed(b"220 x\r\n250 x\r\n")
    assert client.feed(b"250 x\r\n").count(b"\r\n") == 1
    data = client.feed(b"250 x\r\n354 x\r\n").split(b"\r\n\r\n", 1)[1]
    assert data == b"..\r\n...x\r\ny\r\n..\r\n\r\n.\r\n"


def test_address_of():
    assert [address_of(text) for text in ("a@b", " a@b ", "N <a@b>", "<a@b>", '"x, y" <a@b>')] == ["a@b"] * 5


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_survived(chunks):
    client = exchange()
    for chunk in chunks:
        client.feed(chunk)
    assert client.stage in Stage


def test_endless_line_is_no_smtp():
    client = exchange()
    assert client.feed(b"2" * 5000) == b"QUIT\r\n"
    assert client.error == (Stage.GREETING, 0)


def settings(server: SmtpServer, **more) -> Smtp:
    words = {"helo_name": "helo.example", "email_from": "Kee <k@example.com>", "connect_timeout_s": 30, **more}
    return Smtp(
        server=Ip.parse("127.0.0.1"), port=server.port, recipients=("Joe <joe@example.com>", "b@example.com"), **words
    )


@pytest.fixture
def serve():
    servers: list[SmtpServer] = []

    def make(replies=None, family=socket.AF_INET) -> SmtpServer:
        servers.append(SmtpServer(replies, family))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.mark.keyword("global_defs/smtp_server")
@pytest.mark.keyword("global_defs/smtp_helo_name")
@pytest.mark.keyword("global_defs/notification_email")
@pytest.mark.keyword("global_defs/notification_email_from")
def test_delivery(driver, log, serve):
    server = serve()
    mailer = Mailer(driver.loop, log, settings(server))
    mailer.send(Mail("[R] VRRP Instance V - Entering MASTER state", "=> VRRP Instance is now owning VRRP VIPs <="))
    driver.until(lambda: server.sessions)
    session = server.sessions[0]
    stamp = session.pop(5)
    assert re.fullmatch(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", stamp)
    assert session == [
        "HELO helo.example",
        "MAIL FROM:<k@example.com>",
        "RCPT TO:<joe@example.com>",
        "RCPT TO:<b@example.com>",
        "DATA",
        "From: Kee <k@example.com>",
        "Subject: [R] VRRP Instance V - Entering MASTER state",
        "X-Mailer: Keepalived",
        "To: Joe <joe@example.com>,",
        " b@example.com",
        "",
        "=> VRRP Instance is now owning VRRP VIPs <=",
        "",
        ".",
        "QUIT",
    ]
    driver.until(lambda: mailer.pending == 0)
    assert log.texts == [
        f"Remote SMTP server [127.0.0.1]:{server.port} connected.",
        "SMTP alert successfully sent.",
    ]
    assert [line.detail for line in log.lines] == [1, 1]


def test_delivery_over_ipv6(driver, log, serve):
    server = serve(family=socket.AF_INET6)
    mailer = Mailer(driver.loop, log, Smtp(server=Ip.parse("::1"), port=server.port, recipients=("a@x",)))
    mailer.send(Mail("s", "b"))
    driver.until(lambda: mailer.pending == 0)
    assert log.texts == [f"Remote SMTP server [::1]:{server.port} connected.", "SMTP alert successfully sent."]


def test_refused_recipient(driver, log, serve):
    server = serve({"RCPT": "550 nobody"})
    mailer = Mailer(driver.loop, log, settings(server))
    mailer.send(Mail("s", "b"))
    driver.until(lambda: server.sessions and mailer.pending == 0)
    assert server.sessions[0][2:] == ["RCPT TO:<joe@example.com>", "QUIT"]
    assert log.texts[1:] == [
        f"Error processing RCPT cmd on SMTP server [127.0.0.1]:{server.port}. SMTP status code = 550"
    ]


def test_nobody_listens(driver, log):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        mailer = Mailer(driver.loop, log, Smtp(server=Ip.parse("127.0.0.1"), port=port, recipients=("a@x",)))
        mailer.send(Mail("s", "b"))
        driver.until(lambda: mailer.pending == 0)
    assert log.texts == [f"SMTP connection ERROR to [127.0.0.1]:{port}."]


@pytest.mark.keyword("global_defs/smtp_connect_timeout")
def test_silent_server_times_out(driver, log, serve):
    server = serve({"HELO": None})
    mailer = Mailer(driver.loop, log, settings(server, connect_timeout_s=1))
    begin = time.monotonic()
    mailer.send(Mail("s", "b"))
    driver.until(lambda: mailer.pending == 0)
    assert time.monotonic() - begin >= 1
    assert log.texts[1:] == [f"Timeout reading data to remote SMTP server [127.0.0.1]:{server.port}."]


def test_server_that_hangs_up(driver, log, serve):
    server = serve({"MAIL": ""})
    mailer = Mailer(driver.loop, log, settings(server))
    mailer.send(Mail("s", "b"))
    driver.until(lambda: mailer.pending == 0)
    assert log.texts[1:] == [f"Remote SMTP server [127.0.0.1]:{server.port} has closed the connection."]


def test_many_mails_share_few_connections(driver, log, serve):
    server = serve()
    mailer = Mailer(driver.loop, log, settings(server))
    for number in range(40):
        mailer.send(Mail(f"s{number}", "b"))
    idle: list[int] = []
    mailer.when_idle(lambda: idle.append(mailer.pending))
    driver.until(lambda: len(server.sessions) == 40)
    driver.until(lambda: idle)
    assert server.most_open <= MAX_CONNECTIONS + 2, "connections the server has not seen closed yet"
    subjects = sorted(line for session in server.sessions for line in session if line.startswith("Subject"))
    assert subjects == sorted(f"Subject: s{number}" for number in range(40))


def test_long_mails_are_not_cut(driver, log, serve):
    server = serve()
    mailer = Mailer(driver.loop, log, settings(server))
    body = "\n".join("x" * 70 for _ in range(5000))
    mailer.send(Mail("s", body))
    driver.until(lambda: server.sessions)
    assert server.sessions[0].count("x" * 70) == 5000


def test_without_server_or_recipients_nothing_is_sent(driver, log, serve):
    server = serve()
    for incomplete in (Smtp(), Smtp(server=Ip.parse("127.0.0.1"), port=server.port), Smtp(recipients=("a@x",))):
        mailer = Mailer(driver.loop, log, incomplete)
        mailer.send(Mail("s", "b"))
        assert mailer.pending == 0
    driver.for_seconds(0.2)
    assert server.sessions == []
    assert log.texts == []


def test_close_cuts_off(driver, log, serve):
    server = serve({"": None})
    mailer = Mailer(driver.loop, log, settings(server))
    mailer.send(Mail("s", "b"))
    driver.for_seconds(0.1)
    mailer.close()
    assert mailer.pending == 0
    driver.until(lambda: server.sessions)
