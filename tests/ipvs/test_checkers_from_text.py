"""Words of checkers, from the text of a file to verdicts and lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.runtime.tracked_files import write_initial
from tests.ipvs.harness import Lab
from tests.ipvs.test_from_text import SERVER, lab

CHECKED = "real_server 10.10.0.11 80 {{\n {} {{\n warmup 0\n delay_loop 2\n {}\n }}\n}}\n"


def checked(kind: str, words: str, before: str = "") -> Lab:
    """One server with this checker, which runs a second after the start and every two seconds."""
    return lab("protocol TCP\nlvs_sched rr\nlvs_method NAT", servers=CHECKED.format(kind, words), before=before)


@pytest.mark.keyword(f"{SERVER}/HTTP_GET/url/regex_stack")
@pytest.mark.keyword(f"{SERVER}/SSL_GET/url/regex_stack")
@pytest.mark.parametrize("kind", ["HTTP_GET", "SSL_GET"])
@pytest.mark.parametrize("stack", ["", "regex_stack 1024 2048", "regex_stack 65536 4194304"])
def test_a_regex_that_needs_much_stack_finds_what_it_looks_for(kind: str, stack: str) -> None:
    running = checked(kind, f'url {{\n path /\n regex "(?:(a)|b)*c"\n {stack}\n }}')
    outcomes = []

    def serve(begun: effects.StartCheck) -> Outcome:
        exchange = begun.attempt.exchange
        assert exchange is not None
        for body in pages:
            exchange.received(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        outcomes.append(exchange.ended())
        return outcomes[-1]

    running.answer = serve
    pages = [b"ab" * 1500 + b"c end"]
    running.run(1)
    pages = [b"ab" * 1500 + b"d end"]
    running.run(2)
    assert [outcome.ok for outcome in outcomes] == [True, False]


@pytest.mark.keyword(f"{SERVER}/MISC_CHECK")
def test_a_script_decides() -> None:
    running = checked("MISC_CHECK", 'misc_path "/bin/true --now"', "global_defs {\n script_user root\n}")
    (check,) = running.core.checks
    assert check.model.script.words == ("/bin/true", "--now")
    running.answer = lambda _begun: Outcome(False, Reason.SCRIPT_ENDED, "", 1)
    running.run(1)
    assert running.weights() == {}
    running.answer = lambda _begun: Outcome(True, Reason.SCRIPT_ENDED, "", 0)
    running.run(2)
    assert running.weights() == {"10.10.0.11:80": 1}


@pytest.mark.keyword(f"{SERVER}/SMTP_CHECK/host/alpha")
def test_alpha_in_a_host_block_is_that_of_the_checker_around_it() -> None:
    """keepalived puts the word where the real server's own checker finds it: both are alpha then, or neither."""
    for words, there in (("alpha", False), ("alpha off", True)):
        running = checked("SMTP_CHECK", f"connect_timeout 1\n host {{\n connect_ip 10.10.0.98\n {words}\n }}")
        assert bool(running.weights()) == there
        running.up = {"10.10.0.11", "10.10.0.98"}
        running.run(1)
        assert running.weights() == {"10.10.0.11:80": 1}


@pytest.mark.keyword(f"{SERVER}/SMTP_CHECK/host/log_all_failures")
def test_log_all_failures_in_a_host_block_is_that_of_the_checker_around_it() -> None:
    counts = []
    for words in ("", "log_all_failures"):
        running = checked("SMTP_CHECK", f"retry 3\n connect_timeout 1\n host {{\n connect_ip 10.10.0.98\n {words}\n }}")
        running.run(3.5)
        counts.append([line.startswith("SMTP_CHECK") for line in running.lines].count(True))
    assert counts == [0, 6]


@pytest.mark.keyword("global_defs/checker_log_all_failures")
@pytest.mark.parametrize(
    ("everywhere", "own", "count"),
    [
        ("", "", 0),
        ("checker_log_all_failures", "", 2),
        ("", "log_all_failures", 2),
        ("checker_log_all_failures off", "", 0),
    ],
)
def test_all_failures_of_all_checkers(everywhere: str, own: str, count: int) -> None:
    settings = f"global_defs {{\n{everywhere}\n}}\n"
    running = checked("TCP_CHECK", f"retry 5\n delay_before_retry 1\n{own}", settings)
    running.up = {"10.10.0.11"}
    running.run(1)
    running.up = set()
    running.run(3.5)
    assert running.lines.count("TCP connection to [10.10.0.11]:tcp:80 failed.") == count


@pytest.mark.keyword("track_file")
@pytest.mark.keyword("track_file/file")
@pytest.mark.keyword("track_file/weight")
@pytest.mark.keyword("vrrp_track_file")
@pytest.mark.keyword("vrrp_track_file/file")
@pytest.mark.keyword("vrrp_track_file/weight")
@pytest.mark.parametrize("word", ["track_file", "vrrp_track_file"])
def test_the_file_of_a_file_check(word: str) -> None:
    running = checked_file(word, "weight 3")
    (file,) = running.core.config.track_files
    assert (file.name, file.path) == ("F1", "/tmp/f1")
    assert running.weights() == {"10.10.0.11:80": 1}
    running.say(effects.FileRead("F1", 2))
    assert running.weights() == {"10.10.0.11:80": 7}


@pytest.mark.keyword("track_file/init_file")
@pytest.mark.keyword("vrrp_track_file/init_file")
@pytest.mark.parametrize("word", ["track_file", "vrrp_track_file"])
def test_the_file_can_be_written_at_start(word: str, tmp_path: Path) -> None:
    for words, before, after in (
        ("init_file", None, "0\n"),
        ("init_file 5", None, "5\n"),
        ("init_file 5", "7\n", "7\n"),
        ("init_file 5 overwrite", "7\n", "5\n"),
        ("", None, None),
    ):
        (file,) = checked_file(word, words).core.config.track_files
        path = tmp_path / "f1"
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_text(before)
        write_initial(replace(file, path=str(path)), lambda _line: None)
        assert (path.read_text() if path.exists() else None) == after


def checked_file(word: str, words: str) -> Lab:
    """One server whose weight depends on a file."""
    servers = "real_server 10.10.0.11 80 {\n FILE_CHECK {\n track_file F1\n }\n}\n"
    return lab("protocol TCP", servers=servers, before=f"{word} F1 {{\n file /tmp/f1\n {words}\n}}\n")


@pytest.mark.keyword(f"{SERVER}/HTTP_GET/log_all_failures")
@pytest.mark.keyword(f"{SERVER}/SSL_GET/log_all_failures")
@pytest.mark.parametrize(
    ("kind", "received", "reason", "text"),
    [
        ("HTTP_GET", None, Reason.CONNECT_FAILED, "Connection failed"),
        ("SSL_GET", None, Reason.CONNECT_FAILED, "Connection failed"),
        ("HTTP_GET", None, Reason.CONNECT_TIMEOUT, "Timeout connecting"),
        ("HTTP_GET", b"", Reason.READ_TIMEOUT, "Timeout WEB read"),
        ("SSL_GET", b"", Reason.READ_TIMEOUT, "Timeout SSL read"),
        ("HTTP_GET", b"HTTP/1.0 200 OK\r\n", Reason.READ_TIMEOUT, "Timeout HTTP read"),
        ("SSL_GET", b"HTTP/1.0 200 OK\r\n", Reason.READ_TIMEOUT, "Timeout SSL read"),
    ],
)
def test_why_a_page_could_not_be_read(kind: str, received: bytes | None, reason: Reason, text: str) -> None:
    running = checked(kind, "log_all_failures\n url {\n path /\n }")

    def serve(begun: effects.StartCheck) -> Outcome:
        exchange = begun.attempt.exchange
        if received is None or exchange is None:
            return Outcome(False, reason)
        exchange.received(received)
        return exchange.failed(reason, 110, "Connection timed out")

    running.answer = serve
    running.run(1)
    assert f"{text} server [10.10.0.11]:tcp:80." in running.lines


@pytest.mark.keyword(f"{SERVER}/TCP_CHECK/log_all_failures")
@pytest.mark.keyword(f"{SERVER}/UDP_CHECK/log_all_failures")
@pytest.mark.keyword(f"{SERVER}/PING_CHECK/log_all_failures")
@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("TCP_CHECK", ["TCP_CHECK on service [10.10.0.11]:tcp:80 failed."]),
        (
            "UDP_CHECK",
            ["UDP connect error 113 - No route to host", "UDP_CHECK on service [10.10.0.11]:tcp:80 failed."],
        ),
        ("PING_CHECK", ["send ICMP packet fail", "ICMP CHECK on service [10.10.0.11]:tcp:80 failed."]),
    ],
)
def test_a_server_without_a_route(kind: str, lines: list[str]) -> None:
    running = checked(kind, "log_all_failures")
    running.answer = lambda _begun: Outcome(False, Reason.UNREACHABLE, "No route to host", 113)
    running.take_lines()
    running.run(1)
    assert running.take_lines()[: len(lines)] == lines


@pytest.mark.keyword(f"{SERVER}/SMTP_CHECK/log_all_failures")
def test_a_mail_server_that_is_down_is_not_told_again_and_again() -> None:
    running = checked("SMTP_CHECK", "retry 1\n delay_before_retry 0.5\n log_all_failures")
    running.run(30)
    assert [line.startswith("SMTP_CHECK") for line in running.lines].count(True) == 2
