"""HTTP_GET and SSL_GET: the request, the judgement of responses as recorded from keepalived, the sequence of URLs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.ipvs import Connection, HttpCheck, RealServer, Regex, Url, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason
from pykeepalived.ipvs.checks.http import HttpExchange, HttpState, request
from pykeepalived.ipvs.checks.regex import OPTIONS, BlockMatcher, RegexError, compiled
from pykeepalived.ipvs.state import Real, Virtual

RS, VS = "[10.10.0.11]:tcp:80", "[10.99.0.1]:tcp:80"
OK = b"HTTP/1.0 200 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def md5(data: bytes) -> bytes:
    return hashlib.md5(data).digest()


def regex(pattern: str, *options: str, **words: Any) -> Regex:
    return Regex(pattern=pattern, options=options, **words)


def judge(url: Url, *parts: bytes) -> Outcome:
    exchange = HttpExchange(url, b"", False)
    for part in parts:
        answer = exchange.received(part)
        if isinstance(answer, Outcome):
            return answer
    return exchange.ended()


def page(body: bytes) -> bytes:
    return OK % len(body)


@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/http_protocol")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/http_protocol")
def test_request() -> None:
    head = b"GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\n"
    assert request("/a", "www", "1.0") == head + b"Host: www\r\n\r\n"
    assert request("/a", "www", "1.0C") == head + b"Connection: close\r\nHost: www\r\n\r\n"
    assert request("/a", "www", "1.1") == head.replace(b"1.0", b"1.1") + b"Connection: close\r\nHost: www\r\n\r\n"
    assert len(request("/" + "x" * 3000, "www", "1.0")) == 2047


PLAIN = Url(path="/")
CASES: list[tuple[str, Url, tuple[bytes, ...], bool]] = [
    ("no reason phrase", PLAIN, (b"HTTP/1.1 200\r\n\r\n",), False),
    ("blank after the status", PLAIN, (b"HTTP/1.1 200 \r\n\r\n",), True),
    ("not HTTP", PLAIN, (b"ICY 200 OK\r\n\r\n",), True),
    ("bare newlines", PLAIN, (b"HTTP/1.0 200 OK\nContent-Length: 5\n\n", b"hello"), False),
    ("redirect", PLAIN, (b"HTTP/1.0 301 Moved\r\nLocation: x\r\n\r\n",), False),
    ("redirect allowed", Url(path="/", status_codes=((301, 302), (404, 404))), (b"HTTP/1.0 301 M\r\n\r\n",), True),
    ("no data", PLAIN, (), False),
    ("headers beyond the first block", PLAIN, (b"HTTP/1.0 200 OK\r\nX: " + b"y" * 5000 + b"\r\n\r\n",), False),
    (
        "length in small letters",
        Url(path="/", digest=md5(b"hello")),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhello",),
        True,
    ),
    (
        "digest up to the length",
        Url(path="/", digest=md5(b"hello")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello world",),
        True,
    ),
    (
        "chunks are data",
        Url(path="/", digest=md5(b"5\r\nhello\r\n0\r\n\r\n")),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        True,
    ),
    ("wrong digest", Url(path="/", digest=md5(b"x")), (page(b"y") + b"y",), False),
    ("body alone", Url(path="/", regex=regex("^body")), (page(b"body text"), b"body text"), True),
    ("body with headers", Url(path="/", regex=regex("^hello")), (page(b"hello") + b"hello",), False),
    ("the status line matches", Url(path="/", regex=regex("^HTTP/1.0 200")), (page(b"x") + b"x",), True),
    ("a header matches", Url(path="/", regex=regex("Content-Length", no_match=True)), (page(b"x") + b"x",), False),
    ("options", Url(path="/", regex=regex("HELLO", "caseless")), (page(b"x") + b"say Hello there",), True),
    ("offsets", Url(path="/", regex=regex("5", min_offset=3, max_offset=5)), (page(b"x"), b"0123456789"), True),
    ("below the offset", Url(path="/", regex=regex("5", min_offset=6)), (page(b"x"), b"0123456789"), False),
    ("above the offset", Url(path="/", regex=regex("5", max_offset=4)), (page(b"x"), b"0123456789"), False),
    ("across blocks", Url(path="/", regex=regex("hello world")), (page(b"x"), b"hello ", b"world again"), True),
    ("open end", Url(path="/", regex=regex("end+")), (page(b"x"), b"abcend"), False),
    ("closed end", Url(path="/", regex=regex("end+")), (page(b"x"), b"abcend\n"), True),
    ("no look at the end", Url(path="/", regex=regex("end")), (page(b"x"), b"abcend"), True),
    ("dollar", Url(path="/", regex=regex("hello\n$")), (page(b"x"), b"hello\n"), False),
    ("multiline", Url(path="/", regex=regex("^second", "multiline")), (page(b"x"), b"first\nsecond\n"), True),
    ("no match wanted and none there", Url(path="/", regex=regex("foo", no_match=True)), (page(b"x"), b"bar"), True),
    ("bad pattern", Url(path="/", regex=regex("(a")), (page(b"x"), b"a"), False),
]


@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/regex")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/digest")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/status_code")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/regex_no_match")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/regex_options")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/regex_min_offset")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/regex_max_offset")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/regex")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/digest")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/status_code")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/regex_no_match")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/regex_options")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/regex_min_offset")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/regex_max_offset")
@pytest.mark.parametrize(("url", "parts", "ok"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_responses(url: Url, parts: tuple[bytes, ...], ok: bool) -> None:
    assert judge(url, *parts).ok == ok


def test_a_large_body_in_any_portions_has_its_digest() -> None:
    body = bytes(range(256)) * 1200
    url = Url(path="/", digest=md5(body))
    data = page(body) + body
    for size in (1, 700, 4095, 65536):
        assert judge(url, *[data[at : at + size] for at in range(0, len(data), size)]).ok


def test_a_length_that_was_not_kept_is_noticed() -> None:
    exchange = HttpExchange(PLAIN, b"", False)
    exchange.received(b"HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nshort")
    assert exchange.ended().ok
    assert exchange.mismatch == (50, 5)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_responses_never_raise(parts: list[bytes]) -> None:
    judge(Url(path="/", digest=md5(b""), regex=regex("a+b")), *parts)


def test_regex_errors_and_options() -> None:
    with pytest.raises(RegexError) as caught:
        compiled("(a", ())
    assert caught.value.offset == 2
    assert len(OPTIONS) == 24
    compiled("a", tuple(name for name in OPTIONS if name not in ("utf", "ucp", "never_utf", "never_ucp")))


def test_a_lookbehind_sees_the_block_before() -> None:
    matcher = BlockMatcher(regex("(?<=ab)c"))
    matcher.feed(b"xab")
    matcher.feed(b"c")
    assert matcher.verdict()


def state(*urls: Url, server_host: str = "", service_host: str = "", **words: Any) -> HttpState:
    where = Connection(address=Ip.parse("10.10.0.11"), port=80)
    words = {"delay_loop_us": 2_000_000, "delay_before_retry_us": 500_000, "retry": 0, **words}
    virtual = Virtual(VirtualServer(address=Ip.parse("10.99.0.1"), port=80, virtualhost=service_host), None)
    real = Real(RealServer(address=Ip.parse("10.10.0.11"), port=80, virtualhost=server_host), virtual)
    return HttpState(HttpCheck(connection=where, urls=urls, **words), real, RS, VS)


def fetch(check: HttpState, now: int = 0, ok: bool = True) -> Any:
    attempt = check.attempt()
    assert isinstance(attempt.exchange, HttpExchange)
    path = attempt.exchange.opened().split()[1].decode()
    outcome = (
        Outcome(True, Reason.SUCCESS, "HTTP status code")
        if ok
        else Outcome(False, Reason.ANSWER, "HTTP status code error to")
    )
    conclusion = check.conclude(outcome, now)
    if conclusion is not None and conclusion.verdict is not None:
        check.is_up, check.has_run = conclusion.verdict, True
    return path, conclusion


A, B, C = Url(path="/a"), Url(path="/b"), Url(path="/c")
FAILED = f"HTTP_CHECK on service {RS} failed"


@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/path")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/path")
def test_urls_in_turn_the_failed_one_first_then_a_whole_round() -> None:
    check = state(A, B, C, retry=1)
    assert [fetch(check)[0] for _ in range(2)] == ["/a", "/b"]
    path, done = fetch(check)
    assert (path, done.lines, done.verdict) == ("/c", (f"Remote Web server {RS} succeed on service.",), True)
    assert fetch(check, ok=False) == ("/a", None)
    assert check.due == 500_000_000
    path, down = fetch(check, ok=False)
    assert (path, down.lines, down.verdict) == ("/a", (f"{FAILED} after 1 retries.",), False)
    assert check.due == 2_000_000_000
    assert fetch(check, ok=False) == ("/a", None)
    note = f"HTTP status code success to {RS} url(/a)"
    for _ in range(2):
        path, back = fetch(check)
        assert (path, back.lines, back.verdict) == ("/a", (note,), None)
    assert fetch(check, ok=False)[0] == "/b"
    assert fetch(check, ok=False)[0] == "/b"
    assert fetch(check)[0] == "/b"
    path, up = fetch(check)
    assert path == "/c"
    assert up.lines == (f"HTTP status code success to {RS} url(/c)", f"Remote Web server {RS} succeed on service.")
    assert up.verdict is True


def test_the_first_failure_decides_and_names_retries_that_were_not_made() -> None:
    assert fetch(state(A, retry=3), ok=False)[1].lines == (f"{FAILED} after 3 retries.",)
    assert fetch(state(A), ok=False)[1].lines == (f"{FAILED}.",)


def test_the_first_failure_with_alpha_is_silent() -> None:
    check = state(A)
    check.is_up = False
    assert fetch(check, ok=False)[1] is None


@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/fast_recovery")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/fast_recovery")
def test_fast_recovery_does_not_wait_between_urls() -> None:
    check = state(A, B, fast_recovery=True)
    fetch(check, 5)
    assert check.due == 5
    fetch(check, 6)
    assert check.due == 2_000_000_006
    fetch(check, 7)
    assert check.due == 2_000_000_007
    fetch(check, 8, ok=False)
    assert check.due == 2_000_000_008
    fetch(check, 9)
    assert check.due == 9


@pytest.mark.keyword("virtual_server/virtualhost")
@pytest.mark.keyword("virtual_server/real_server/virtualhost")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/virtualhost")
@pytest.mark.keyword("virtual_server/real_server/HTTP_GET/url/virtualhost")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/virtualhost")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/virtualhost")
def test_the_first_virtualhost_that_is_set_is_the_host() -> None:
    def host(check: HttpState) -> str:
        exchange = check.attempt().exchange
        assert exchange is not None
        return exchange.opened().split(b"Host: ")[1].strip().decode()

    assert host(state(A)) == "10.10.0.11:80"
    assert host(state(A, service_host="vs")) == "vs"
    assert host(state(A, service_host="vs", server_host="rs")) == "rs"
    assert host(state(A, service_host="vs", server_host="rs", virtualhost="checker")) == "checker"
    assert host(state(Url(path="/", virtualhost="url"), server_host="rs", virtualhost="checker")) == "url"


@pytest.mark.keyword("virtual_server/real_server/SSL_GET/enable_sni")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/sni_name")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/tls_compliant")
@pytest.mark.keyword("virtual_server/real_server/SSL_GET/url/tls_compliant")
def test_sni_takes_no_notice_of_the_real_servers_virtualhost() -> None:
    def name(check: HttpState) -> str:
        tls = check.attempt().tls
        assert tls is not None
        return tls.name

    assert name(state(A, tls=True, server_host="rs")) == ""
    assert name(state(A, tls=True, sni=True, server_host="rs")) == ""
    assert name(state(A, tls=True, sni=True, server_host="rs", service_host="vs")) == "vs"
    assert name(state(Url(path="/", virtualhost="url"), tls=True, sni=True, virtualhost="checker")) == "url"
    assert name(state(A, tls=True, sni=True, sni_name="sni", virtualhost="checker")) == "sni"
    compliant = state(Url(path="/", tls_compliant=True), tls=True).attempt().tls
    assert compliant is not None
    assert compliant.compliant
    assert fetch(state(A, tls=True), ok=False)[1].lines == (f"SSL_CHECK on service {RS} failed.",)


def test_a_length_mismatch_is_told_once() -> None:
    check = state(A)
    told = []
    for _ in range(2):
        exchange = check.attempt().exchange
        assert exchange is not None
        exchange.received(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello world")
        conclusion = check.conclude(exchange.ended(), 0)
        if conclusion is not None:
            told.append(conclusion.lines[0])
            check.is_up = check.has_run = True
    line = f"http_check for RS {RS} VS {VS} url /a: content_length (5) does not match received bytes (11)"
    assert told == [line]
    assert SUCCESS.ok


def test_a_wrong_status_is_told() -> None:
    exchange = HttpExchange(A, b"GET", None)
    exchange.received(b"HTTP/1.1 503 Busy\r\n\r\n")
    outcome = exchange.ended()
    check = state(A)
    conclusion = check.conclude(outcome, 0)
    assert check.text == f"HTTP status code error to server {RS}. Its status was 503."
    assert conclusion is not None
    assert not any("503" in line for line in conclusion.lines), "the log has keepalived's words"
