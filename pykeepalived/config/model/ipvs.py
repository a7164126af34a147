"""virtual_server_group, virtual_server, real_server and the checkers, after completion (keepalived.conf(5)).

Inheritance (virtual server > real server > checker) has been applied; times are microseconds.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from pykeepalived.config.model.values import Ip, Script, Span
from pykeepalived.light_dataclasses import late_dataclass


class Protocol(StrEnum):
    """Transport of a virtual server; NONE for pure fwmark services."""

    NONE = "none"
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Forwarding(StrEnum):
    """lvs_method."""

    NAT = "NAT"
    DR = "DR"
    TUN = "TUN"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class LvsMethod:
    """Forwarding with the tunnel words: `tunnel` is ipip, gue or gre; `checksum` nocsum, csum or remcsum."""

    forwarding: Forwarding = Forwarding.NAT
    tunnel: str = "ipip"
    port: int = 0
    checksum: str = "nocsum"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntry:
    """One line of a virtual_server_group: an address range with a port, or a fwmark.

    `first` and `last` are both set for addresses (equal for a single one); `fwmark` otherwise, with `family` 0 when
    the virtual server decides.
    """

    first: Ip | None = None
    last: Ip | None = None
    port: int = 0
    fwmark: int | None = None
    family: int = 0
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerGroup:
    name: str
    entries: tuple[GroupEntry, ...]
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where and from where a checker connects; `port` 0 only for PING_CHECK or a port-less real server."""

    address: Ip
    port: int = 0
    bind_address: Ip | None = None
    bind_port: int = 0
    bind_interface: str = ""
    timeout_us: int = 5_000_000
    fwmark: int = 0


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """What every checker has. Subclasses add the words of their block; the class name tells the kind."""

    delay_loop_us: int = 60_000_000
    warmup_us: int = 60_000_000
    retry: int = 1
    delay_before_retry_us: int = 1_000_000
    alpha: bool = False
    log_all_failures: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class TcpCheck(Checker):
    """`send` goes out first and `expect` must come back; b"" = no such word."""

    connection: Connection
    send: bytes = b""
    expect: bytes = b""


@late_dataclass(frozen=True, slots=True, kw_only=True)
class PingCheck(Checker):
    connection: Connection


@late_dataclass(frozen=True, slots=True, kw_only=True)
class UdpCheck(Checker):
    """`payload` None = random data. `reply` None = any; else octets, with `reply_mask` 0 bits as wildcards."""

    connection: Connection
    payload: bytes | None = None
    require_reply: bool = False
    reply: bytes | None = None
    reply_mask: bytes | None = None
    min_reply_length: int = 0
    max_reply_length: int = 255


@late_dataclass(frozen=True, slots=True, kw_only=True)
class DnsCheck(Checker):
    """`type` is the upper-case name of the record type; `name` "." = the root."""

    connection: Connection
    type: str = "SOA"
    name: str = "."


@late_dataclass(frozen=True, slots=True, kw_only=True)
class SmtpCheck(Checker):
    connection: Connection
    helo_name: str = "smtpchecker.keepalived.org"


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """A PCRE2 pattern with its option names and the window of start offsets; `stack` is (start, maximum) bytes."""

    pattern: str
    options: tuple[str, ...] = ()
    no_match: bool = False
    min_offset: int = 0
    max_offset: int | None = None
    stack: tuple[int, int] | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """One url of HTTP_GET / SSL_GET: `status_codes` are inclusive ranges; `digest` the MD5 of the body."""

    path: str
    digest: bytes | None = None
    status_codes: tuple[tuple[int, int], ...] = ((200, 299),)
    virtualhost: str = ""
    regex: Regex | None = None
    tls_compliant: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(Checker):
    """HTTP_GET, or SSL_GET when `tls`. `sni_name` "" with `sni` = the virtual host or address.

    `cert_min_days`: days the certificate must still be good for, None = any certificate will do.
    """

    connection: Connection
    urls: tuple[Url, ...]
    tls: bool = False
    http_protocol: str = "1.0"
    virtualhost: str = ""
    sni: bool = False
    sni_name: str = ""
    fast_recovery: bool = False
    tls_compliant: bool = False
    cert_min_days: int | None = None


@late_dataclass(frozen=True, slots=True, kw_only=True)
class MiscCheck(Checker):
    """`timeout_us` already has its default (delay_loop of the virtual server)."""

    script: Script
    timeout_us: int = 0
    dynamic: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck(Checker):
    """`track_file` names a TrackFile; weight and reverse are those in force."""

    track_file: str
    weight: int = 1
    reverse: bool = False


@late_dataclass(frozen=True, slots=True, kw_only=True)
class BfdCheck(Checker):
    name: str


@late_dataclass(frozen=True, slots=True, kw_only=True)
class RealServer:
    """One real_server. Identity on reload: address, port and family.

    Its timing words, inherited from the virtual server, are kept for dumps; checkers have their own.
    """

    address: Ip
    port: int = 0
    weight: int = 1
    method: LvsMethod = LvsMethod()
    upper_threshold: int = 0
    lower_threshold: int = 0
    inhibit_on_failure: bool = False
    alpha: bool = False
    smtp_alert: bool = True
    delay_loop_us: int = 60_000_000
    connect_timeout_us: int = 5_000_000
    retry: int | None = None
    delay_before_retry_us: int | None = None
    warmup_us: int | None = None
    notify_up: Script | None = None
    notify_down: Script | None = None
    virtualhost: str = ""
    snmp_name: str = ""
    checkers: tuple[Checker, ...] = ()
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class SorryServer:
    address: Ip
    port: int = 0
    method: LvsMethod = LvsMethod()
    inhibit: bool = False
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServer:
    """One virtual_server: exactly one of `address`, `fwmark`, `group` is set.

    `flags` are IP_VS_SVC_F_* scheduler bits (0x08 0x10 0x20) and one-packet 0x04. `persistence_timeout_s` 0 = off;
    `persistence_granularity` is the IPv4 mask as number or the IPv6 prefix length. `group_index` counts the virtual
    servers that use the same group, in file order. Identity on reload: group name and
    index, or family with fwmark, or protocol, address and port.
    """

    address: Ip | None = None
    port: int = 0
    fwmark: int | None = None
    group: str = ""
    group_index: int = 0
    family: int = 4
    protocol: Protocol = Protocol.UDP
    scheduler: str = "wlc"
    flags: int = 0
    persistence_timeout_s: int = 0
    persistence_granularity: int = 0xFFFFFFFF
    persistence_engine: str = ""
    method: LvsMethod = LvsMethod()
    delay_loop_us: int = 60_000_000
    connect_timeout_us: int = 5_000_000
    retry: int | None = None
    delay_before_retry_us: int | None = None
    warmup_us: int | None = None
    weight: int = 1
    ha_suspend: bool = False
    alpha: bool = False
    omega: bool = False
    inhibit_on_failure: bool = False
    quorum: int = 1
    hysteresis: int = 0
    quorum_up: Script | None = None
    quorum_down: Script | None = None
    smtp_alert: bool = False
    virtualhost: str = ""
    snmp_name: str = ""
    sorry_server: SorryServer | None = None
    real_servers: tuple[RealServer, ...] = ()
    at: Span | None = field(default=None, compare=False)


@late_dataclass(frozen=True, slots=True, kw_only=True)
class SslContext:
    """The SSL block: client certificate, key with its password, and CA file."""

    password: str = field(default="", repr=False)
    ca: str = ""
    certificate: str = ""
    key: str = ""
