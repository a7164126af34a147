"""HTTP_GET and SSL_GET: one request, read to the end, and status, digest and regex of what came. Pure.

The response is judged as keepalived does: HTTP/1.0 style, no redirects, no chunked decoding, end of data = close.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from pykeepalived.config.model.ipvs import Connection, HttpCheck, Url
from pykeepalived.ipvs.checks.attempt import HTTP2, Attempt, Outcome, Reason, Tls, Transport
from pykeepalived.ipvs.checks.framework import CheckState, Conclusion, skipped
from pykeepalived.ipvs.checks.regex import BlockMatcher, RegexError

BLOCK = 4095
"""How much of a response is looked at together; the headers must end within the first block."""
MAX_REQUEST = 2047

_LENGTH = re.compile(rb"Content-Length:[ \t]*(\d+)")
_NO_DATA = "Read, no data received from "
_STATUS, _DIGEST, _MATCH = "HTTP status code", "MD5 digest", "Regex match"


def request(path: str, host: str, protocol: str) -> bytes:
    """The request, at most 2047 bytes; `protocol` is 1.0, 1.0C (with Connection: close) or 1.1."""
    version = "1.1" if protocol == "1.1" else "1.0"
    close = "" if protocol == "1.0" else "Connection: close\r\n"
    text = f"GET {path} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n"
    return text.encode("utf-8", "surrogateescape")[:MAX_REQUEST]


def default_host(connection: Connection) -> str:
    """The Host header without any virtualhost: address and port, the port always present."""
    address = f"[{connection.address}]" if connection.address.family == 6 else str(connection.address)
    return f"{address}:{connection.port}"


def status_code(head: bytes) -> int:
    """The status of a response: three digits and a blank after the first blank of the first line, else 0."""
    line = head.partition(b"\n")[0]
    _version, blank, rest = line.partition(b" ")
    if not blank or len(rest) < 4 or not rest[:3].isdigit() or rest[3:4] != b" ":
        return 0
    return int(rest[:3])


class HttpExchange:
    """One URL. After the end, `mismatch` is (Content-Length, received bytes) when they differ.

    The regex sees the status line and headers if they came in one block with the first bytes of the body.
    """

    rearm = True

    def __init__(self, url: Url, text: bytes, tls: bool) -> None:
        self._url = url
        self._request = text
        self._tls = tls
        self._head = b""
        self._in_body = False
        self._status = 0
        self._length: int | None = None
        self._received = 0
        self._digest = hashlib.md5(usedforsecurity=False) if url.digest is not None else None
        self._matcher: BlockMatcher | None = None
        self._broken = ""
        self.mismatch: tuple[int, int] | None = None
        if url.regex is not None:
            try:
                self._matcher = BlockMatcher(url.regex)
            except RegexError as error:
                self._broken = str(error)

    def opened(self) -> bytes:
        return self._request

    def received(self, data: bytes) -> bytes | Outcome:
        if not self._in_body:
            room = BLOCK - len(self._head)
            self._head += data[:room]
            data = data[room:]
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._head) >= BLOCK:
                    return Outcome(False, Reason.ANSWER, _NO_DATA)
                return b""
            self._in_body = True
            self._status = status_code(self._head)
            length = _LENGTH.search(self._head)
            self._length = int(length[1]) if length else None
            body = self._head[end + 4 :]
            if body:
                self._take(body, self._head)
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK]
            self._take(block, block)
        return b""

    def _take(self, body: bytes, subject: bytes) -> None:
        if self._digest is not None:
            room = len(body) if self._length is None else max(0, self._length - self._received)
            self._digest.update(body[:room])
        self._received += len(body)
        if self._matcher is not None:
            self._matcher.feed(subject)

    def ended(self) -> Outcome:
        """The peer has closed: judge status, digest, regex, in this order."""
        if not self._in_body:
            return Outcome(False, Reason.ANSWER, _NO_DATA)
        if self._length is not None and self._length != self._received:
            self.mismatch = (self._length, self._received)
        url = self._url
        criterion = _STATUS
        if not any(low <= self._status <= high for low, high in url.status_codes):
            return Outcome(False, Reason.ANSWER, "HTTP status code error to", self._status)
        if self._digest is not None:
            criterion = _DIGEST
            if self._digest.digest() != url.digest:
                return Outcome(False, Reason.ANSWER, "MD5 digest error to")
        if url.regex is not None:
            criterion = _MATCH
            if self._matcher is None or not self._matcher.verdict():
                return Outcome(False, Reason.ANSWER, "Regex match failed", 0)
        return Outcome(True, Reason.SUCCESS, criterion)

    def failed(self, reason: Reason, error: int, text: str) -> Outcome:
        if reason == Reason.READ_TIMEOUT:
            kind = "SSL" if self._tls else "HTTP" if self._head else "WEB"
            return Outcome(False, reason, f"Timeout {kind} read")
        if reason == Reason.WRITE_FAILED:
            return Outcome(False, reason, "Cannot send get request to", error)
        return Outcome(False, reason, "SSL read error from" if self._tls else "Read error with", error)


class _Place(NamedTuple):
    """What every attempt of one URL has in common."""

    url: Url
    host: str
    text: bytes
    tls: Tls | None


class HttpState(CheckState[HttpCheck]):
    """One HTTP_GET or SSL_GET: the URLs in turn, one an attempt.

    When a URL fails for good it becomes the failed one: it alone is tried until it succeeds, then all from the first.
    """

    __slots__ = ("_exchange", "_mismatches", "_places", "failed_url", "index")
    reported = (*CheckState.reported, "failed_url", "index", "_mismatches")

    def __init__(self, model: HttpCheck, real: Any, real_name: str, virtual_name: str) -> None:
        super().__init__(model, real, real_name, virtual_name)
        self.index = 0
        self.failed_url: int | None = None
        self._exchange: HttpExchange | None = None
        self._mismatches: dict[int, tuple[int, int]] = {}
        virtual = real.virtual.model if real is not None else None
        server_host = real.model.virtualhost if real is not None else ""
        service_host = virtual.virtualhost if virtual is not None else ""
        self._places = [self._place(url, server_host, service_host) for url in model.urls]

    def _place(self, url: Url, server_host: str, service_host: str) -> _Place:
        model = self.model
        host = url.virtualhost or model.virtualhost or server_host or service_host or default_host(model.connection)
        tls = None
        if model.tls:
            name = model.sni_name or url.virtualhost or model.virtualhost or service_host if model.sni else ""
            alpn = HTTP2 if model.http_protocol == "2" else ""
            tls = Tls(name, model.tls_compliant or url.tls_compliant, model.cert_min_days, alpn)
        return _Place(url, host, request(url.path, host, model.http_protocol), tls)

    @property
    def current(self) -> int:
        """Number of the URL that the next attempt fetches."""
        return self.index if self.failed_url is None else self.failed_url

    def attempt(self) -> Attempt:
        place = self._places[self.current]
        self._exchange = self._new_exchange(place)
        connection = self.model.connection
        timeout = connection.timeout_us
        return Attempt(Transport.TCP, connection, self._exchange, place.tls, timeout_us=timeout)

    def _new_exchange(self, place: _Place) -> HttpExchange:
        model = self.model
        if model.http_protocol == "2":
            from pykeepalived.ipvs.checks.http2_get import Http2Exchange  # few need it, and it needs this module

            return Http2Exchange(place.url, place.host, model.tls)
        return HttpExchange(place.url, place.text, model.tls)

    def same_as(self, old: CheckState[Any]) -> bool:
        if not isinstance(old, HttpState) or old.model.tls != self.model.tls:
            return False
        one, two = self.model, old.model
        if (one.connection, one.virtualhost, one.sni_name) != (two.connection, two.virtualhost, two.sni_name):
            return False
        return [_identity(url) for url in one.urls] == [_identity(url) for url in two.urls]

    def adopt(self, old: CheckState[Any]) -> None:
        super().adopt(old)
        if isinstance(old, HttpState):
            self.failed_url = old.failed_url

    def conclude(self, outcome: Outcome, now: int) -> Conclusion | None:
        if outcome.reason == Reason.SKIPPED:
            self.due = now + self.delay_loop
            return skipped(outcome, "WEB", "")
        notes = self._length_note()
        if outcome.ok:
            return self._succeeded(outcome, notes, now)
        return self._failed(outcome, notes, now)

    def _length_note(self) -> tuple[str, ...]:
        """A Content-Length that was not kept is told once per pair of numbers."""
        mismatch = self._exchange.mismatch if self._exchange is not None else None
        self._exchange = None
        if mismatch is None or self._mismatches.get(self.current) == mismatch:
            return ()
        self._mismatches[self.current] = mismatch
        place = self._places[self.current]
        where = f"{place.url.virtualhost}{place.url.path}"
        return (
            f"http_check for RS {self.real_name} VS {self.virtual_name} url {where}: "
            f"content_length ({mismatch[0]}) does not match received bytes ({mismatch[1]})",
        )

    def _succeeded(self, outcome: Outcome, notes: tuple[str, ...], now: int) -> Conclusion | None:
        self.retry_it = 0
        path = self._places[self.current].url.path
        lines = notes
        if not self.is_up:
            lines += (f"{outcome.text} success to {self.real_name} url({path})",)
        complete = False
        if self.failed_url is not None:
            self.failed_url = None
            self.index = 0
        else:
            self.index += 1
            complete = self.index == len(self._places)
        if complete:
            self.index = 0
        hurry = self.model.fast_recovery and not complete and (not self.has_run or not self.is_up)
        self.due = now if hurry else now + self.delay_loop
        if complete and not (self.is_up and self.has_run):
            lines += (f"Remote Web server {self.real_name} succeed on service.",)
            return Conclusion(lines, True, "=> CHECK succeed on service <=")
        return Conclusion(lines) if lines else None

    def _failed(self, outcome: Outcome, notes: tuple[str, ...], now: int) -> Conclusion | None:
        self.failures += 1
        text = f"{self._describe(outcome)} server {self.real_name}."
        status = outcome.value if outcome.reason == Reason.ANSWER else 0
        self.text = f"{text} Its status was {status}." if status else text
        lines = notes + ((text,) if self.model.log_all_failures and self.is_up else ())
        if self.failed_url is None and self.retry_it < self.model.retry:
            self.retry_it += 1
            self.due = now + self.delay_retry
            return Conclusion(lines) if lines else None
        self.retry_it = 0
        self.due = now + max(self.delay_retry, self.delay_loop)
        if not self.is_up:  # the first failure of an alpha checker is silent too
            self.has_run = True
            return Conclusion(lines) if lines else None
        self.failed_url = self.current
        if outcome.reason == Reason.CERTIFICATE and text not in lines:
            lines += (text,)
        kind = "SSL" if self.model.tls else "HTTP"
        after = f" after {self.model.retry} retries" if self.model.retry else ""
        lines += (f"{kind}_CHECK on service {self.real_name} failed{after}.",)
        return Conclusion(lines, False, "=> CHECK failed on service : HTTP/SSL request failed <=")

    def _describe(self, outcome: Outcome) -> str:
        match outcome.reason:
            case Reason.CONNECT_TIMEOUT:
                return "Timeout connecting"
            case Reason.CONNECT_FAILED:
                return "Connection failed"
            case Reason.UNREACHABLE:
                return "HTTP/SSL_CHECK - network unreachable"
            case Reason.TLS_FAILED:
                return "SSL handshake/communication error connecting to"
        return outcome.text


def _identity(url: Url) -> tuple[object, ...]:
    return (url.path, url.digest, url.status_codes, url.virtualhost, url.regex)
