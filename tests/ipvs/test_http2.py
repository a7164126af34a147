"""HTTP/2: header compression by the examples of RFC 7541, frames, HTTP_GET over it, GRPC_CHECK, and any bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.model.extra_checks import GrpcCheck
from pykeepalived.config.model.ipvs import Connection, HttpCheck, Regex, Url
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs.checks.attempt import HTTP2, SUCCESS, Outcome, Reason
from pykeepalived.ipvs.checks.dialogue import LIMIT
from pykeepalived.ipvs.checks.factory import make
from pykeepalived.ipvs.checks.grpc import GrpcExchange, health, request_message
from pykeepalived.ipvs.checks.hpack import Decoder, Header, HpackError, encode, huffman
from pykeepalived.ipvs.checks.http2 import PREFACE, Http2Error, Http2Request, frame
from pykeepalived.ipvs.checks.http2_get import Http2Exchange
from tests.ipvs.test_extra_checks import PARTS, any_bytes_will_do, bytewise, failure, lines, play

WHERE = Connection(address=Ip.parse("10.10.0.11"), port=80)
DATA, HEADERS, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 0x20
HELLO = frame(SETTINGS, 0, 0)
THANKS = frame(SETTINGS, 1, 0)
OK = frame(HEADERS, END_HEADERS, 1, b"\x88")


# --- header compression -----------------------------------------------------------------------------------------------


def test_huffman() -> None:
    assert huffman(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff")) == b"www.example.com"
    assert huffman(bytes.fromhex("9d29ad171863c78f0b97c8e9ae82ae43d3")) == b"https://www.example.com"
    assert huffman(b"") == b""
    for bad in ("ff", "fe", "ffffffff", "f1e3c2e5f23a6ba0ab90f4fe"):
        with pytest.raises(HpackError):
            huffman(bytes.fromhex(bad))


@pytest.mark.parametrize(
    "blocks",
    [
        # RFC 7541 C.5 and C.6, without and with Huffman
        [
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
            "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "4803333037c1c0bf",
        ],
        [
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
        ],
    ],
)
def test_examples_of_the_rfc(blocks: list[str]) -> None:
    decoder = Decoder()
    rest: list[Header] = [
        (b"cache-control", b"private"),
        (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        (b"location", b"https://www.example.com"),
    ]
    assert decoder.decode(bytes.fromhex(blocks[0])) == [(b":status", b"302"), *rest]
    assert decoder.decode(bytes.fromhex(blocks[1])) == [(b":status", b"307"), *rest]


def test_the_table_forgets() -> None:
    decoder = Decoder()
    kept = b"\x40\x01a\x01b"
    assert decoder.decode(kept + b"\xbe") == [(b"a", b"b")] * 2
    for evicting in (b"\x20", b"\x3f\x02"):  # a size of 0, and of 33: one octet too small
        with pytest.raises(HpackError):
            Decoder().decode(kept + evicting + b"\xbe")
    assert Decoder().decode(kept + b"\x3f\x03\xbe") == [(b"a", b"b")] * 2
    for bad in (b"\x80", b"\xbf", b"\x3f\xe2\x1f", b"\x40", b"\x40\x05ab", b"\x7f", b"\xff\xff\xff\xff\xff\xff"):
        with pytest.raises(HpackError):
            decoder.decode(bad)


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=5))
def test_what_is_encoded_is_decoded(headers: list[Header]) -> None:
    assert Decoder().decode(encode(headers)) == headers


@given(st.binary(max_size=200))
def test_any_block(block: bytes) -> None:
    try:
        Decoder().decode(block)
    except HpackError:
        pass


# --- frames -----------------------------------------------------------------------------------------------------------


def ask(*parts: bytes) -> Http2Request:
    request = Http2Request([(b":method", b"GET")])
    for part in parts:
        request.received(part)
    return request


def fault(*parts: bytes) -> str:
    with pytest.raises(Http2Error) as caught:
        ask(*parts)
    return str(caught.value)


def test_what_is_said() -> None:
    said = Http2Request([(b":method", b"GET")]).opened()
    settings = frame(SETTINGS, 0, 0, b"\0\2\0\0\0\0\0\4\x7f\xff\xff\xff") + frame(WINDOW, 0, 0, b"\x7f\xff\0\0")
    block = b"\0\7:method\3GET"
    assert said == PREFACE + settings + frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
    said = Http2Request([(b":method", b"POST")], b"x").opened()
    block = b"\0\7:method\4POST"
    assert said == PREFACE + settings + frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, b"x")
    said = Http2Request([(b"long", b"x" * 20_000)]).opened()
    first = said.removeprefix(PREFACE + settings)
    assert first.startswith(b"\x00\x40\x00\x01\x01\0\0\0\1")
    assert first[9 + 16384 :].startswith(frame(CONTINUATION, END_HEADERS, 1, b"x" * (len(first) - 18 - 16384)))


def test_what_is_answered() -> None:
    request = Http2Request([])
    assert request.received(HELLO) == THANKS
    assert request.received(THANKS) == b""
    assert request.received(frame(PING, 0, 0, b"12345678")) == frame(PING, 1, 0, b"12345678")
    assert request.received(frame(WINDOW, 0, 0, b"\0\0\0\1") + frame(0x77, 0, 0, b"?")) == b""


def test_a_response_in_parts() -> None:
    request = ask(
        HELLO,
        frame(HEADERS, END_HEADERS, 1, encode([(b":status", b"103")])),
        frame(HEADERS, PADDED | PRIORITY, 1, b"\2" + b"\0\0\0\0\7" + b"\x88" + b"\0\0"),
        frame(CONTINUATION, END_HEADERS, 1, encode([(b"a", b"b")])),
        frame(DATA, PADDED, 1, b"\1one\0") + frame(DATA, 0, 3, b"of another stream"),
    )
    assert (request.body(), request.ended) == (b"one", False)
    request.received(frame(DATA, 0, 1, b"two"))
    request.received(frame(HEADERS, END_HEADERS | END_STREAM, 1, encode([(b"t", b"u")])) + b"rest")
    assert (request.body(), request.ended) == (b"two", True)
    assert (request.headers, request.trailers) == ({b":status": b"200", b"a": b"b"}, {b"t": b"u"})


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n"], "not spoken"),
        ([THANKS], "not spoken"),
        ([HELLO, frame(DATA, 0, 1, b"x" * 16385)], "frame too large"),
        ([HELLO, frame(RESET, 0, 1, b"\0\0\0\7")], "stream reset by REFUSED_STREAM"),
        ([HELLO, frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0b")], "refused by ENHANCE_YOUR_CALM"),
        ([HELLO, frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\1\0")], "refused by error 256"),
        ([HELLO, frame(PUSH, 0, 1)], "push not allowed"),
        ([HELLO, frame(DATA, 0, 1, b"x")], "body without headers"),
        ([HELLO, OK, frame(DATA, PADDED, 1, b"\1")], "padding broken"),
        ([HELLO, OK, frame(DATA, PADDED, 1)], "padding broken"),
        ([HELLO, frame(HEADERS, 0, 1, b"\x88"), frame(PING, 0, 0)], "headers broken"),
        ([HELLO, frame(CONTINUATION, END_HEADERS, 1)], "headers broken"),
        ([HELLO, frame(HEADERS, END_HEADERS, 1, b"\x80")], "headers broken (no such table entry)"),
        ([HELLO, frame(HEADERS, END_HEADERS, 1, b"\x90")], "headers without a status"),
        ([HELLO, frame(HEADERS, 0, 1), *[frame(CONTINUATION, 0, 1, b"x" * 16384)] * 5], "headers too long"),
    ],
)
def test_faults(parts: list[bytes], text: str) -> None:
    assert fault(*parts) == text


def test_a_server_that_leaves_in_peace() -> None:
    assert ask(HELLO, frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0"), OK, frame(DATA, END_STREAM, 1, b"x")).ended


# --- HTTP_GET ---------------------------------------------------------------------------------------------------------


def get(url: Url, *parts: bytes) -> Outcome:
    return play(Http2Exchange(url, "h", False), HELLO, *parts)[1]


PAGE = frame(DATA, 0, 1, b"ab") + frame(DATA, END_STREAM, 1, b"cd")


def test_get() -> None:
    said = Http2Exchange(Url(path="/p"), "h:80", True).opened()
    for header in ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"h:80"), (b":path", b"/p")):
        assert encode([header]) in said
    assert get(Url(path="/"), OK, PAGE) == (True, Reason.SUCCESS, "HTTP status code", 0)
    assert play(Http2Exchange(Url(path="/"), "h", False), *bytewise(HELLO + OK + PAGE))[1].ok
    assert get(Url(path="/"), frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88")).ok
    assert get(Url(path="/"), frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x8d")).text == "HTTP status code error to"
    assert get(Url(path="/", digest=hashlib.md5(b"abcd").digest()), OK, PAGE).ok
    assert get(Url(path="/", digest=bytes(16)), OK, PAGE).text == "MD5 digest error to"
    assert get(Url(path="/", regex=Regex(pattern="bcd")), OK, PAGE[:11], frame(DATA, 1, 1, b"bcd")).ok
    assert get(Url(path="/", regex=Regex(pattern="status")), OK, PAGE).text == "Regex match failed"
    assert get(Url(path="/"), OK, PAGE[:-1]).text == "HTTP/2 response incomplete from"
    assert get(Url(path="/"), b"x" * 9).text == "HTTP/2 frame too large with"
    exchange = Http2Exchange(Url(path="/"), "h", False)
    length = frame(HEADERS, END_HEADERS, 1, b"\x88" + encode([(b"content-length", b"5")]))
    assert play(exchange, HELLO, length, PAGE)[1].ok
    assert exchange.mismatch == (5, 4)


def test_the_protocol_of_the_model() -> None:
    model = HttpCheck(connection=WHERE, urls=(Url(path="/"),), http_protocol="2", tls=True)
    attempt = make(model, None, "rs", "vs", lambda _limit: 0).attempt()
    assert isinstance(attempt.exchange, Http2Exchange)
    assert attempt.tls is not None
    assert attempt.tls.alpn == HTTP2


@given(PARTS, st.integers(0, len(HELLO + OK + PAGE)))
def test_get_takes_anything(parts: list[bytes], cut: int) -> None:
    for start in (HELLO, (HELLO + OK + PAGE)[:cut]):
        any_bytes_will_do(lambda: Http2Exchange(Url(path="/"), "h", False), parts, start)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 3), st.binary(max_size=40))))
def test_any_frames(frames: list[tuple[int, int, int, bytes]]) -> None:
    parts = [frame(*words) for words in frames]
    any_bytes_will_do(lambda: Http2Exchange(Url(path="/"), "h", False), parts, HELLO)
    any_bytes_will_do(lambda: GrpcExchange("s", "h", False), parts, HELLO + OK)


# --- GRPC_CHECK -------------------------------------------------------------------------------------------------------

FINE = frame(HEADERS, END_HEADERS | END_STREAM, 1, encode([(b"grpc-status", b"0")]))


def call(*parts: bytes) -> str:
    return failure(GrpcExchange("", "h", False), HELLO, *parts)


def says(status: bytes) -> bytes:
    return frame(DATA, 0, 1, b"\0\0\0\0" + bytes([len(status)]) + status)


def test_grpc() -> None:
    said, outcome = play(GrpcExchange("my.Service", "h:1", False), HELLO, OK, says(b"\x08\1"), FINE)
    assert outcome == SUCCESS
    assert frame(DATA, END_STREAM, 1, b"\0\0\0\0\x0c\x0a\x0amy.Service") in said
    assert encode([(b":path", b"/grpc.health.v1.Health/Check")]) in said
    assert play(GrpcExchange("", "h", True), *bytewise(HELLO + OK + says(b"\x08\1") + FINE))[1].ok
    assert call(OK, says(b"\x08\2"), FINE) == "NOT_SERVING"
    assert call(OK, says(b"\x08\3"), FINE) == "SERVICE_UNKNOWN"
    assert call(OK, says(b""), FINE) == "UNKNOWN"
    assert call(OK, says(b"\x08\x09"), FINE) == "health 9"
    assert call(OK, says(b"\x10\1"), FINE) == "unexpected answer"
    assert call(OK, FINE) == "unexpected answer"
    only = [(b":status", b"200"), (b"grpc-status", b"12"), (b"grpc-message", b"no such method")]
    assert call(frame(HEADERS, END_HEADERS | END_STREAM, 1, encode(only))) == "UNIMPLEMENTED (no such method)"
    odd = frame(HEADERS, END_HEADERS | END_STREAM, 1, encode([(b"grpc-status", b"99")]))
    assert call(OK, odd) == "status 99"
    assert call(OK, frame(DATA, END_STREAM, 1)) == "status unknown"
    assert call(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x8d")) == "HTTP status 404"
    assert call(OK, *[frame(DATA, 0, 1, b"x" * 16000)] * (LIMIT // 16000 + 1)) == "too much data"
    assert call(OK) == "connection closed by the server"
    assert call(b"HTTP/1.1 400 Bad") == "HTTP/2 frame too large"


def test_grpc_messages() -> None:
    assert request_message("") == bytes(5)
    assert request_message("x" * 200)[:8] == b"\0\0\0\0\xcb\x0a\xc8\x01"
    assert [health(data) for data in (b"", b"\1\0\0\0\0", b"\0\0\0\0\1", bytes(5))] == [None, None, None, 0]


def test_grpc_lines_and_identity() -> None:
    def new(**words: Any) -> Any:
        return make(GrpcCheck(connection=WHERE, **words), None, "rs", "vs", lambda _limit: 0)

    assert lines(GrpcCheck(connection=WHERE), SUCCESS) == ("GRPC_CHECK on service [10.10.0.11]:tcp:80 succeed.",)
    assert new().same_as(new(authority="x"))
    assert not new().same_as(new(service="x"))
    assert new().attempt().tls is None
    tls = new(tls=True, authority="x.example:1").attempt().tls
    assert (tls.name, tls.alpn) == ("x.example", HTTP2)


@given(PARTS, st.integers(0, 60))
def test_grpc_takes_anything(parts: list[bytes], cut: int) -> None:
    whole = HELLO + OK + says(b"\x08\1") + FINE
    for start in (HELLO, whole[:cut]):
        any_bytes_will_do(lambda: GrpcExchange("s", "h", False), parts, start)
