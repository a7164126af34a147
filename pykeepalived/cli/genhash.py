"""genhash(1): fetch a page from a server and print the MD5 digest that HTTP_GET and SSL_GET compare with.

A blocking program of its own; the daemon's checkers share nothing with it but the arithmetic.
"""

from __future__ import annotations

import getopt
import hashlib
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TextIO

from pykeepalived.light_dataclasses import dataclass

_SO_MARK = 36
_USAGE = """\
Usage: {program} [OPTIONS] -s server-address -p port -u url

Options:
   --use-ssl         -S       Use SSL connection to remote server.
   --use-sni         -I       Use SNI during SSL handshake (uses virtualhost setting; see -V).
   --server          -s       Use the specified remote server address.
   --port            -p       Use the specified remote server port.
   --url             -u       Use the specified remote server url.
   --use-virtualhost -V       Use the specified virtualhost in GET query.
   --verbose         -v       Use verbose mode output.
   --help            -h       Display this short inlined help screen.
   --fwmark          -m       Use the specified FW mark.
   --protocol        -P       Use the specified HTTP protocol - '1.0', '1.0c', '1.1'.
                                1.0c means 1.0 with 'Connection: close'
   --timeout         -t       Timeout in seconds
"""
_SHORT_OF = {
    "--use-ssl": "-S",
    "--use-sni": "-I",
    "--server": "-s",
    "--port": "-p",
    "--url": "-u",
    "--use-virtualhost": "-V",
    "--verbose": "-v",
    "--help": "-h",
    "--fwmark": "-m",
    "--protocol": "-P",
    "--timeout": "-t",
}
_FLAGS = frozenset({"-S", "-I", "-v", "-h"})
_LONGEST_TIMEOUT_S = 86_400
_LONG = [long[2:] if short in _FLAGS else f"{long[2:]}=" for long, short in _SHORT_OF.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to fetch and how; `protocol` is 1.0, 1.0c or 1.1, `timeout_s` None = no limit."""

    server: str
    port: int
    url: str
    tls: bool = False
    sni: bool = False
    virtualhost: str = ""
    verbose: bool = False
    fwmark: int = 0
    protocol: str = "1.0"
    timeout_s: float | None = None


class FetchError(Exception):
    """The page could not be fetched; the text is what genhash prints."""


def genhash(arguments: Sequence[str], out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run genhash: 1 for a wrong command line, else 0, also when the page cannot be fetched."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        request = read_arguments(arguments)
    except ValueError as error:
        if str(error):
            err.write(f"{error}\n")
        err.write(_USAGE.format(program="genhash"))
        return 1
    begun = time.monotonic()
    try:
        answer = fetch(request)
    except FetchError as error:
        out.write(f"{error}\n")
        return 0
    if not answer:
        err.write("no data received from remote webserver\n")
        return 0
    head, body = split_answer(answer)
    digest = hashlib.md5(body, usedforsecurity=False)
    if request.verbose:
        out.write("\n".join(_verbose(head, body, digest.digest())) + "\n")
    out.write(f"{digest.hexdigest()}\n")
    if request.verbose:
        out.write(f"\nGlobal response time for [{request.url}] = {int((time.monotonic() - begun) * 1e6)} usecs\n")
    return 0


def _number(text: str, name: str, low: int, high: int) -> int:
    """A number in C notation where it is not decimal. Raises ValueError."""
    try:
        value = int(text, 0 if name == "fwmark" else 10)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"{name} should be a number from {low} to {high}, not {text}")
    return value


def _timeout(text: str) -> float:
    """Seconds. Raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT_S:
        raise ValueError(f"timeout should be seconds, more than 0 and at most {_LONGEST_TIMEOUT_S}, not {text}")
    return seconds


def read_arguments(arguments: Sequence[str]) -> Request:
    """The command line as a request. Raises ValueError with what is wrong ("" for a plain request for help)."""
    try:
        pairs, rest = getopt.gnu_getopt(list(arguments), "SIs:p:u:V:vhm:P:t:", _LONG)
    except getopt.GetoptError as error:
        raise ValueError(str(error)) from None
    given = {_SHORT_OF.get(name, name): value for name, value in pairs}
    if "-h" in given:
        raise ValueError("")
    if rest:
        raise ValueError(f"unexpected argument {rest[0]}")
    missing = [name for name in ("-s", "-p", "-u") if name not in given]
    if missing:
        raise ValueError(f"missing option {missing[0]}")
    if not _is_address(given["-s"]):
        raise ValueError(f"server should be an IP, not {given['-s']}")
    protocol = given.get("-P", "1.0").lower()
    if protocol not in ("1.0", "1.0c", "1.1"):
        raise ValueError(f"unknown protocol {protocol}")
    port = _number(given["-p"], "port", 1, 65535)
    fwmark = _number(given.get("-m", "0"), "fwmark", 0, (1 << 32) - 1)
    timeout_s = _timeout(given["-t"]) if "-t" in given else None
    return Request(
        server=given["-s"],
        port=port,
        url=given["-u"],
        tls="-S" in given,
        sni="-I" in given,
        virtualhost=given.get("-V", ""),
        verbose="-v" in given,
        fwmark=fwmark,
        protocol=protocol,
        timeout_s=timeout_s,
    )


def request_text(request: Request) -> bytes:
    """The HTTP request that the health checkers would send."""
    host = request.virtualhost or (f"[{request.server}]" if ":" in request.server else request.server)
    if not request.virtualhost and request.port != (443 if request.tls else 80):
        host += f":{request.port}"
    version = "1.1" if request.protocol == "1.1" else "1.0"
    close = "Connection: close\r\n" if request.protocol != "1.0" else ""
    head = f"GET {request.url} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n"
    return head.encode()


def fetch(request: Request) -> bytes:
    """Everything the server sends, up to the end of the body. Raises FetchError."""
    deadline = None if request.timeout_s is None else time.monotonic() + request.timeout_s
    connection = _connect(request)
    try:
        connection.settimeout(_left(deadline))
        connection.sendall(request_text(request))
        answer = bytearray()
        length: int | None = None
        while length is None or len(answer) < length:
            connection.settimeout(_left(deadline))
            data = connection.recv(65536)
            if not data:
                break
            answer += data
            if length is None:
                length = _whole_length(answer)
        return bytes(answer)
    except TimeoutError:
        raise FetchError("Timeout reading data") from None
    except OSError as error:
        raise FetchError(f"Read error: {error.strerror or error}") from None
    finally:
        connection.close()


def _connect(request: Request) -> socket.socket:
    family = socket.AF_INET6 if ":" in request.server else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        if request.fwmark:
            connection.setsockopt(socket.SOL_SOCKET, _SO_MARK, request.fwmark)
        connection.settimeout(request.timeout_s)
        connection.connect((request.server, request.port))
        if request.tls:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            name = (request.virtualhost or None) if request.sni else None
            return context.wrap_socket(connection, server_hostname=name)
    except TimeoutError:
        connection.close()
        raise FetchError("Timeout connecting") from None
    except OSError:
        connection.close()
        raise FetchError("Connection failed") from None
    return connection


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_address(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def split_answer(answer: bytes) -> tuple[bytes, bytes]:
    """Header and body; bytes beyond the Content-Length do not count, chunks are not undone."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _content_length(head)
    return head + end, body if length is None else body[:length]


def _whole_length(answer: bytearray) -> int | None:
    """How long header and body are together; None while that is not known."""
    end = answer.find(b"\r\n\r\n")
    length = _content_length(bytes(answer[:end])) if end >= 0 else None
    return None if length is None else end + 4 + length


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _verbose(head: bytes, body: bytes, digest: bytes) -> Iterator[str]:
    yield "-----------------------[    HTTP Header Buffer    ]-----------------------"
    yield from hex_lines(head)
    yield "-----------------------[ HTTP Header Ascii Buffer ]-----------------------"
    yield head.decode("latin-1")
    yield "-----------------------[        HTML Buffer        ]-----------------------"
    yield from hex_lines(body)
    yield ""
    yield "-----------------------[    HTML hash resulting    ]-----------------------"
    yield from hex_lines(digest)
    yield "-----------------------[ HTML hash final resulting ]-----------------------"


def hex_lines(data: bytes) -> Iterator[str]:
    """Offset in decimal, 16 bytes in hexadecimal with a dash after the eighth, the printable characters."""
    for offset in range(0, len(data), 16):
        part = data[offset : offset + 16]
        cells = [f"{byte:02x}" for byte in part] + ["  "] * (16 - len(part))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{offset:04d}  {' '.join(cells[:8])} - {' '.join(cells[8:])}   {text:<16}"
