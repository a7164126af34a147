"""One request over a new HTTP/2 connection, with prior knowledge or ALPN (RFC 9113). Bytes in, bytes out: pure."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from pykeepalived.ipvs.checks.hpack import Decoder, Header, HpackError, encode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_MAX = 16384
_HEAD_MAX = 65536
_HEAD = Struct("!HBBBI")
"""Length (its upper 16 and lower 8 bits), type, flags, stream."""
_SETTING = Struct("!HI")
_DATA, _HEADERS, _RESET, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
_ACK = _END_STREAM = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_ENABLE_PUSH, _INITIAL_WINDOW = 2, 4
_WINDOW_MAX, _WINDOW_START = 2**31 - 1, 65535
_STREAM = 1
_ERRORS = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
]


class Http2Error(Exception):
    """The connection or the stream cannot go on; the text says why."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    length = len(payload)
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def error_name(code: int) -> str:
    """An error code by name (RFC 9113 section 7)."""
    return _ERRORS[code] if code < len(_ERRORS) else f"error {code}"


class Http2Request:
    """A request and its response. The windows are open as wide as they go, so no more is ever granted.

    `headers` are those of the final response, `trailers` those behind the body; `ended`: the response is complete.
    """

    def __init__(self, headers: Sequence[Header], body: bytes = b"") -> None:
        self._request = headers
        self._request_body = body
        self._buffer = b""
        self._decoder = Decoder()
        self._greeted = False
        self._block: bytes | None = None
        self._block_ends_stream = False
        self._body = bytearray()
        self.headers: dict[bytes, bytes] = {}
        self.trailers: dict[bytes, bytes] = {}
        self.ended = False

    def opened(self) -> bytes:
        """Everything there is to send: preface, settings, request."""
        settings = _SETTING.pack(_ENABLE_PUSH, 0) + _SETTING.pack(_INITIAL_WINDOW, _WINDOW_MAX)
        window = (_WINDOW_MAX - _WINDOW_START).to_bytes(4, "big")
        said = PREFACE + frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW, 0, 0, window)
        block = encode(self._request)
        parts = [block[at : at + FRAME_MAX] for at in range(0, len(block), FRAME_MAX)]
        last_data = 0 if self._request_body else _END_STREAM
        for number, part in enumerate(parts):
            kind, flags = (_CONTINUATION, 0) if number else (_HEADERS, last_data)
            said += frame(kind, flags | (_END_HEADERS if number == len(parts) - 1 else 0), _STREAM, part)
        if self._request_body:
            said += frame(_DATA, _END_STREAM, _STREAM, self._request_body)
        return said

    def received(self, data: bytes) -> bytes:
        """Take in what came; what is to be said now. Raises Http2Error."""
        self._buffer += data
        said = b""
        while len(self._buffer) >= _HEAD.size and not self.ended:
            high, low, kind, flags, stream = _HEAD.unpack_from(self._buffer)
            length = high << 8 | low
            if not self._greeted and (kind != _SETTINGS or flags & _ACK or stream):
                raise Http2Error("not spoken")
            if length > FRAME_MAX:
                raise Http2Error("frame too large")
            if len(self._buffer) < _HEAD.size + length:
                break
            self._greeted = True
            payload = self._buffer[_HEAD.size : _HEAD.size + length]
            self._buffer = self._buffer[_HEAD.size + length :]
            said += self._take(kind, flags, stream & _WINDOW_MAX, payload)
        return said

    def body(self) -> bytes:
        """The part of the body that came since the last call."""
        found = bytes(self._body)
        self._body.clear()
        return found

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        if (self._block is not None) != (kind == _CONTINUATION):
            raise Http2Error("headers broken")
        if kind == _SETTINGS and not flags & _ACK:
            return frame(_SETTINGS, _ACK, 0)
        if kind == _PING and not flags & _ACK:
            return frame(_PING, _ACK, 0, payload)
        if kind == _GOAWAY:
            if int.from_bytes(payload[:4], "big") & _WINDOW_MAX < _STREAM:
                raise Http2Error(f"refused by {error_name(int.from_bytes(payload[4:8], 'big'))}")
        elif kind == _PUSH:
            raise Http2Error("push not allowed")
        elif stream == _STREAM:
            self._take_stream(kind, flags, payload)
        return b""

    def _take_stream(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _RESET:
            raise Http2Error(f"stream reset by {error_name(int.from_bytes(payload[:4], 'big'))}")
        if kind == _DATA:
            if not self.headers:
                raise Http2Error("body without headers")
            self._body += _unpadded(flags, payload)
            self.ended = bool(flags & _END_STREAM)
        elif kind == _HEADERS:
            part = _unpadded(flags, payload)
            self._block = part[5:] if flags & _PRIORITY else part
            self._block_ends_stream = bool(flags & _END_STREAM)
        elif kind == _CONTINUATION:
            self._block = (self._block or b"") + payload
        if self._block is not None:
            if len(self._block) > _HEAD_MAX:
                raise Http2Error("headers too long")
            if flags & _END_HEADERS:
                self._take_headers(self._block)
                self._block = None

    def _take_headers(self, block: bytes) -> None:
        try:
            found = dict(self._decoder.decode(block))
        except HpackError as error:
            raise Http2Error(f"headers broken ({error})") from error
        if self.headers:
            self.trailers = found
        elif not found.get(b":status", b"").startswith(b"1"):
            if b":status" not in found:
                raise Http2Error("headers without a status")
            self.headers = found
        self.ended = self._block_ends_stream and bool(self.headers)


def _unpadded(flags: int, payload: bytes) -> bytes:
    """The payload without its padding (RFC 9113 section 6.1)."""
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error("padding broken")
    return payload[1 : len(payload) - payload[0]]
