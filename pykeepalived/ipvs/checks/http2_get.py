"""HTTP_GET and SSL_GET over HTTP/2 (`http_protocol 2`): the response is judged as over HTTP/1. Pure."""

from __future__ import annotations

from pykeepalived.config.model.ipvs import Url
from pykeepalived.ipvs.checks.attempt import Outcome, Reason
from pykeepalived.ipvs.checks.http import BLOCK, HttpExchange
from pykeepalived.ipvs.checks.http2 import Http2Error, Http2Request


class Http2Exchange(HttpExchange):
    """One URL. A regex sees the body alone."""

    def __init__(self, url: Url, host: str, tls: bool) -> None:
        super().__init__(url, b"", tls)
        words = (":method", "GET"), (":scheme", "https" if tls else "http"), (":authority", host), (":path", url.path)
        headers = [*words, ("user-agent", "KeepAliveClient")]
        self._http2 = Http2Request(
            [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        )

    def opened(self) -> bytes:
        return self._http2.opened()

    def received(self, data: bytes) -> bytes | Outcome:
        http2 = self._http2
        try:
            said = http2.received(data)
        except Http2Error as error:
            return Outcome(False, Reason.ANSWER, f"HTTP/2 {error} with")
        if http2.headers and not self._in_body:
            self._in_body = True
            status, length = http2.headers[b":status"], http2.headers.get(b"content-length", b"")
            self._status = int(status) if len(status) == 3 and status.isdigit() else 0
            self._length = int(length) if length.isdigit() and len(length) < 20 else None
        body = http2.body()
        for start in range(0, len(body), BLOCK):
            block = body[start : start + BLOCK]
            self._take(block, block)
        return super().ended() if http2.ended else said

    def ended(self) -> Outcome:
        """The peer has closed in the middle."""
        return Outcome(False, Reason.CLOSED, "HTTP/2 response incomplete from")
