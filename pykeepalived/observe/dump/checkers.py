"""Health checks in keepalived_check.data."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model.extra_checks import GrpcCheck, MysqlCheck, PgsqlCheck, RoleCheck
from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Checker,
    Connection,
    DnsCheck,
    FileCheck,
    HttpCheck,
    MiscCheck,
    PingCheck,
    Regex,
    SmtpCheck,
    TcpCheck,
    UdpCheck,
    Url,
    VirtualServer,
)
from pykeepalived.observe.dump.text import Moments, command, ids, is_set, micro, on_off, yes_no
from pykeepalived.observe.snapshot import CheckerSnapshot

_HTTP_RETRY_DELAY_US = 3_000_000
_RETRY_DELAY_US = 1_000_000


def checker_lines(
    title: str, checker: Checker, now: CheckerSnapshot, virtual: VirtualServer, moments: Moments, logs_all: bool
) -> Iterator[str]:
    """One checker; `title` is `VS -> RS` in the form of log lines, `logs_all` tells of checker_log_all_failures."""
    yield f" {title}"
    for line in _lines(checker, now, virtual, moments, logs_all):
        yield f"   {line}"


def _lines(
    checker: Checker, now: CheckerSnapshot, virtual: VirtualServer, moments: Moments, logs_all: bool
) -> Iterator[str]:
    yield f"Enabled = {yes_no(now.enabled)}"
    yield f"Up = {yes_no(now.up)}"
    yield f"Has run = {yes_no(now.has_run)}"
    yield f"Current weight = {now.current_weight}"
    if not isinstance(checker, (FileCheck, BfdCheck)):
        yield f"Alpha = {yes_no(checker.alpha)}"
        yield f"Delay loop = {checker.delay_loop_us} us"
        yield f"Warmup = {checker.warmup_us} us"
        yield f"Retries = {checker.retry}"
        if checker.retry:
            yield f"Delay before retry = {checker.delay_before_retry_us} us"
            yield f"Retries iterations = {max(checker.retry - now.retries_done, 0)}"
        yield f"Default delay before retry = {_default_delay(checker)} us"
    # keepalived shows the checker's own word, not what holds for all.
    yield f"Log all failures = {yes_no(checker.log_all_failures and not logs_all)}"
    connection = getattr(checker, "connection", None)
    if isinstance(connection, Connection):
        yield from _connection(connection)
    yield from _kind(checker, now, virtual, moments)


def _default_delay(checker: Checker) -> int:
    if isinstance(checker, DnsCheck):
        return 0
    return _HTTP_RETRY_DELAY_US if isinstance(checker, HttpCheck) else _RETRY_DELAY_US


def _connection(connection: Connection) -> Iterator[str]:
    yield "Connection"
    yield f"  Dest = [{connection.address}]:{connection.port}"
    if connection.bind_address is not None:
        yield f"  Bind to = [{connection.bind_address}]:{connection.bind_port}"
    if connection.bind_interface:
        yield f"  Bind i/f = {connection.bind_interface}"
    if connection.fwmark:
        yield f"  Mark = {connection.fwmark}"
    yield f"  Timeout = {micro(connection.timeout_us)}"


def _kind(checker: Checker, now: CheckerSnapshot, virtual: VirtualServer, moments: Moments) -> Iterator[str]:
    match checker:
        case TcpCheck():
            yield "Keepalive method = TCP_CHECK"
            if checker.send:
                yield f"  Send len = {len(checker.send)}"
            if checker.expect:
                yield f"  Expect len = {len(checker.expect)}"
        case HttpCheck():
            yield from _http(checker)
        case SmtpCheck():
            yield "Keepalive method = SMTP_CHECK"
            yield f"helo = {checker.helo_name}"
        case DnsCheck():
            yield "Keepalive method = DNS_CHECK"
            yield f"Type = {checker.type}"
            yield f"Name = {'' if checker.name == '.' else checker.name}"
        case UdpCheck():
            yield from _udp(checker)
        case PingCheck():
            yield "Keepalive method = PING_CHECK"
            yield f"  ICMP seq no = {now.sequence}"
        case MiscCheck():
            yield from _misc(checker, now, virtual, moments)
        case RoleCheck():
            yield from _role(checker)
        case GrpcCheck():
            yield "Keepalive method = GRPC_CHECK"
            yield f"Service = {checker.service}"
            yield f"TLS {is_set(checker.tls)}"
        case FileCheck():
            yield "Keepalive method = FILE_CHECK"
            yield f"  Tracked file = {checker.track_file}"
            yield "  Reloaded = No"
        case BfdCheck():
            yield "Keepalive method = BFD_CHECK"
            yield f"Name = {checker.name}"
            yield f"Alpha is {on_off(checker.alpha)}"


def _role(checker: RoleCheck) -> Iterator[str]:
    yield f"Keepalive method = {type(checker).__name__.removesuffix('Check').upper()}_CHECK"
    yield f"Role = {checker.role}"
    if isinstance(checker, (PgsqlCheck, MysqlCheck)):
        yield f"User = {checker.user}"
    if isinstance(checker, PgsqlCheck):
        yield f"Database = {checker.database}"


def _http(checker: HttpCheck) -> Iterator[str]:
    yield f"Keepalive method = {'SSL' if checker.tls else 'HTTP'}_GET, http protocol {checker.http_protocol}"
    if checker.virtualhost:
        yield f"Virtualhost = {checker.virtualhost}"
    yield f"Enable SNI {is_set(checker.sni)}"
    if checker.sni_name:
        yield f"SNI name = {checker.sni_name}"
    yield f"Fast recovery {is_set(checker.fast_recovery)}"
    if checker.tls:
        yield f"tls_compliant {is_set(checker.tls_compliant)}"
    if checker.cert_min_days is not None:
        yield f"Certificate min days = {checker.cert_min_days}"
    for url in checker.urls:
        yield from _url(url)


def _url(url: Url) -> Iterator[str]:
    yield f"Checked url = {url.path}"
    if url.digest is not None:
        yield f"  digest = {url.digest.hex()}"
    yield f"  tls_compliant {is_set(url.tls_compliant)}"
    if url.status_codes:
        yield "  HTTP Status Code(s)"
        for first, last in url.status_codes:
            yield f"    {first}" if first == last else f"    {first}-{last}"
    if url.virtualhost:
        yield f"  Virtual host = {url.virtualhost}"
    if url.regex is not None:
        yield from _regex(url.regex)


def _regex(regex: Regex) -> Iterator[str]:
    yield f'  Regex = "{regex.pattern}"'
    if regex.no_match:
        yield "  Regex no match"
    if regex.options:
        yield f"  Regex options: {' '.join(regex.options)}"
    if regex.min_offset:
        yield f"  Regex min offset = {regex.min_offset}"
    if regex.max_offset is not None:
        yield f"  Regex max offset = {regex.max_offset}"
    if regex.stack is not None:
        yield f"  Regex stack start = {regex.stack[0]}, max = {regex.stack[1]}"
    yield "  Regex ref count = 1"


def _udp(checker: UdpCheck) -> Iterator[str]:
    yield "Keepalive method = UDP_CHECK"
    if checker.payload is None:
        yield "Payload specified = no"
    else:
        yield f"Payload len = {len(checker.payload)}"
    yield f"Require reply = {yes_no(checker.require_reply)}"
    if not checker.require_reply:
        return
    yield f"  Min reply length = {checker.min_reply_length}"
    yield f"  Max reply length = {checker.max_reply_length}"
    if checker.reply is not None:
        yield f"  Reply data len = {len(checker.reply)}"
        yield f"  Reply data mask = {yes_no(checker.reply_mask is not None)}"


def _misc(checker: MiscCheck, now: CheckerSnapshot, virtual: VirtualServer, moments: Moments) -> Iterator[str]:
    """A timeout that is the delay loop shows as 0: not configured."""
    timeout = 0 if checker.timeout_us in (checker.delay_loop_us, virtual.delay_loop_us) else checker.timeout_us
    yield "Keepalive method = MISC_CHECK"
    yield f"script = {command(checker.script)}"
    yield f"timeout = {timeout // 1_000_000}"
    yield f"dynamic = {'YES' if checker.dynamic else 'NO'}"
    yield f"uid:gid = {ids(checker.script.account)}"
    yield f"Last ran = {moments.year_first(now.last_run_ns)}"
    yield f"Last status = {now.last_status}"
