"""Words of single checkers, from the text of a file to what they do."""

from __future__ import annotations

import contextlib
import pwd
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from pykeepalived.config.environment import gather
from pykeepalived.config.load import load
from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import SslContext, Url
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome, Tls
from pykeepalived.ipvs.checks.http import HttpExchange, request
from tests.ipvs.harness import SECOND, Lab
from tests.ipvs.test_dial import Phone, listener, page, tcp, where
from tests.ipvs.test_words import PATH, Watched, read


def whole(folder: Path, before: str, checker: str) -> Config:
    """One real server of weight 10 with this checker; `before` are blocks of their own."""
    file = folder / "keepalived.conf"
    file.write_text(f"""
global_defs {{
    script_user root
}}
{before}
virtual_server 10.99.0.1 80 {{
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    real_server 10.10.0.11 80 {{
        weight 10
        {checker}
    }}
}}
""")
    config = load(str(file), gather()).config
    assert config is not None
    return config


@pytest.mark.keyword(f"{PATH}/MISC_CHECK/user")
def test_a_script_runs_as_its_user(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    accounts = []
    for words in ("", "user nobody"):
        lab = Watched(read(tmp_path, "MISC_CHECK", f"warmup 0\n{words}"))
        lab.start().run(1)
        accounts.append((lab.attempts[0].script.account.uid, lab.attempts[0].script.account.gid))
    assert accounts == [(0, 0), (nobody.pw_uid, nobody.pw_gid)]


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.keyword(f"{PATH}/{kind}/nb_get_retry")) for kind in ("HTTP_GET", "SSL_GET")],
)
def test_nb_get_retry_is_the_old_word_for_retry(tmp_path: Path, kind: str) -> None:
    lab = Watched(read(tmp_path, kind, "nb_get_retry 2\ndelay_before_retry 1\nwarmup 0\ndelay_loop 5"))
    lab.start().run(1)
    lab.good = False
    lab.run(6.5)
    assert (lab.times, len(lab.weights())) == ([1.0, 6.0, 7.0], 1)
    lab.run(1)
    assert lab.weights() == {}


@pytest.mark.keyword(f"{PATH}/HTTP_GET/enable_sni")
@pytest.mark.keyword(f"{PATH}/HTTP_GET/sni_name")
@pytest.mark.keyword(f"{PATH}/SSL_GET/sni_name")
def test_names_for_tls_are_used_with_tls_alone(tmp_path: Path) -> None:
    wishes = []
    for kind, words in (("HTTP_GET", "enable_sni\nsni_name a.test"), ("SSL_GET", "sni_name a.test"), ("SSL_GET", "")):
        lab = Watched(read(tmp_path, kind, f"{words}\nwarmup 0"))
        lab.start().run(1)
        tls = lab.attempts[0].tls
        wishes.append(None if tls is None else tls.name)
    assert wishes == [None, "a.test", ""]


@pytest.mark.keyword("SSL")
@pytest.mark.keyword("SSL/password")
def test_the_password_opens_the_key(tmp_path: Path) -> None:
    """A server that wants a client certificate, whose key is encrypted."""
    cert, key, plain = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "plain.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "9", "-subj", "/CN=rs.example"]
    protected = [*words, "-keyout", str(key), "-out", str(cert), "-passout", "pass:open sesame"]
    subprocess.run(protected, check=True, capture_output=True)
    opened = ["openssl", "rsa", "-in", str(key), "-passin", "pass:open sesame", "-out", str(plain)]
    subprocess.run(opened, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, plain)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED

    def serve(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as secure:
            page(b"secret")(secure)

    outcomes = []
    with listener(serve) as port:
        for password in ("open sesame", "close sesame"):
            phone = Phone(SslContext(certificate=str(cert), key=str(key), password=password))
            exchange = HttpExchange(Url(path="/"), request("/", "x", "1.0"), True)
            outcomes.append(phone.call(tcp(where(port), exchange, Tls()))[0])
            phone.close()
    assert [outcome.ok for outcome in outcomes] == [True, False]
    assert outcomes[1].text == "SSL error : Cant load certificate file..."


FILE = "track_file F1 {{\n file {}\n weight 3\n init_file 0\n}}"


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        pytest.param("", [10, 13, 4, None], id="the weight of the file"),
        pytest.param("weight 2", [10, 12, 6, None], id="its own weight"),
        pytest.param("weight 2 reverse", [10, 8, 14], id="reverse"),
        pytest.param("weight 0", [10, None, None, None], id="a switch"),
    ],
)
@pytest.mark.keyword(f"{PATH}/FILE_CHECK")
@pytest.mark.keyword(f"{PATH}/FILE_CHECK/track_file")
@pytest.mark.keyword(f"{PATH}/FILE_CHECK/weight")
def test_a_number_in_a_file_changes_the_weight(tmp_path: Path, words: str, weights: list[int | None]) -> None:
    lab = Lab(whole(tmp_path, FILE.format(tmp_path / "f1"), f"FILE_CHECK {{\n track_file F1\n {words}\n}}"))
    found = []
    lab.say(effects.FileRead("F1", 0)).start()
    for number in (0, 1, -2, -(2**31))[: len(weights)]:
        lab.say(effects.FileRead("F1", number))
        found.append(lab.weights().get("10.10.0.11:80"))
    assert found == weights


@pytest.mark.keyword(f"{PATH}/BFD_CHECK")
@pytest.mark.keyword(f"{PATH}/BFD_CHECK/name")
@pytest.mark.keyword(f"{PATH}/BFD_CHECK/alpha")
@pytest.mark.parametrize("alpha", [False, True])
def test_a_session_decides(tmp_path: Path, alpha: bool) -> None:
    sessions = "".join(
        f"bfd_instance {name} {{\n neighbor_ip 10.0.0.{n}\n}}\n" for n, name in enumerate(("B1", "B2"), 1)
    )
    words = "alpha" if alpha else ""
    lab = Lab(whole(tmp_path, sessions, f"BFD_CHECK {{\n name B1\n {words}\n}}")).start()
    found = []
    for name, up in ((None, False), ("B2", not alpha), ("B1", True), ("B2", False), ("B1", False)):
        if name is not None:
            lab.say(effects.BfdChanged(name, up, 1))
        found.append(lab.weights() != {})
    assert found == [not alpha, not alpha, True, True, False]


@pytest.mark.keyword(f"{PATH}/SMTP_CHECK/host")
@pytest.mark.keyword(f"{PATH}/SMTP_CHECK/host/retry")
@pytest.mark.keyword(f"{PATH}/SMTP_CHECK/host/delay_before_retry")
@pytest.mark.keyword(f"{PATH}/SMTP_CHECK/host/delay_loop")
@pytest.mark.keyword(f"{PATH}/SMTP_CHECK/host/warmup")
def test_times_in_a_host_block_are_those_of_the_checker_around_it(tmp_path: Path) -> None:
    words = "retry 1\ndelay_before_retry 0.5\nwarmup 4\ndelay_loop 3"
    lab = Watched(read(tmp_path, "SMTP_CHECK", f"host {{\n{words}\n}}"), warmup=0.5)
    times: list[float] = []
    note = lab.answer

    def only_around(begun: effects.StartCheck) -> Outcome | None:
        if begun.checker is lab.core.checks[0]:
            times.append(round(lab.now / SECOND, 2))
        return note(begun)

    lab.answer = only_around
    lab.start().run(3)
    lab.good = False
    lab.run(3.6)
    assert times == [3.0, 6.0, 6.5]
    assert lab.weights() == {}
