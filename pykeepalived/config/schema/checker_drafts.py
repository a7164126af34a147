"""What the checker blocks of a real_server said, before inheritance and completion (rules/lvs.py). None = not given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykeepalived.config.model.values import Account, Ip
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass

if TYPE_CHECKING:
    from pykeepalived.config.schema.lvs_drafts import RealDraft


@late_dataclass(frozen=True, slots=True)
class CheckerKind:
    """One kind of checker: name of the block, default retries and delay before a retry (None = delay_loop).

    `timed` checkers run in periods; `connects`: the connection words are known in the block.
    """

    keyword: str
    retry: int = 1
    delay_before_retry_us: int | None = 1_000_000
    timed: bool = True
    connects: bool = True


TCP = CheckerKind("TCP_CHECK")
PING = CheckerKind("PING_CHECK")
UDP = CheckerKind("UDP_CHECK")
SMTP = CheckerKind("SMTP_CHECK")
DNS = CheckerKind("DNS_CHECK", retry=3, delay_before_retry_us=None)
HTTP = CheckerKind("HTTP_GET", delay_before_retry_us=3_000_000)
SSL = CheckerKind("SSL_GET", delay_before_retry_us=3_000_000)
MISC = CheckerKind("MISC_CHECK", retry=0, connects=False)
FILE = CheckerKind("FILE_CHECK", timed=False, connects=False)
BFD = CheckerKind("BFD_CHECK", timed=False, connects=False)


class CheckerDraft:
    """The words every checker can have. `connection_given`: one of the connection words was written."""

    address: Ip | None = None
    port: int | None = None
    bind_address: Ip | None = None
    bind_port = 0
    bind_interface = ""
    connect_timeout_us: int | None = None
    fwmark = 0
    retry: int | None = None
    delay_before_retry_us: int | None = None
    warmup_us: int | None = None
    delay_loop_us: int | None = None
    alpha: bool | None = None
    log_all_failures: bool | None = None
    removed = False
    connection_given = False

    def __init__(self, kind: CheckerKind, real: RealDraft, statement: Statement) -> None:
        self.kind = kind
        self.real = real
        self.statement = statement

    @property
    def checker(self) -> CheckerDraft:
        """The checker that connection words belong to."""
        return self

    @property
    def destination(self) -> Ip:
        return self.address if self.address is not None else self.real.address


class TcpDraft(CheckerDraft):
    send = b""
    expect = b""


class UdpDraft(CheckerDraft):
    payload: bytes | None = None
    require_reply = False
    reply: bytes | None = None
    reply_mask: bytes | None = None
    min_reply_length = 0
    max_reply_length = 255


class DnsDraft(CheckerDraft):
    type = "SOA"
    name: str | None = None


class SmtpDraft(CheckerDraft):
    """`hosts` counts the deprecated host blocks: each is one more checker of the real server's own address."""

    helo_name = ""
    hosts = 0


class SmtpHostDraft:
    """A host block of SMTP_CHECK: its connection words land on the enclosing checker."""

    def __init__(self, checker: SmtpDraft) -> None:
        self.checker = checker

    @property
    def destination(self) -> Ip:
        return self.checker.destination


class MiscDraft(CheckerDraft):
    """`script` is the statement with the command, `account` the user given."""

    script: Statement | None = None
    timeout_s = 0
    dynamic = False
    account: Account | None = None


class FileDraft(CheckerDraft):
    """`weight` and `reverse` None = those of the track_file."""

    track_file = ""
    weight: int | None = None
    reverse: bool | None = None


class BfdDraft(CheckerDraft):
    """`name` of the bfd_instance."""

    name = ""


class UrlDraft:
    """One url block."""

    path: str | None = None
    digest: bytes | None = None
    virtualhost = ""
    regex: str | None = None
    regex_no_match = False
    regex_options: tuple[str, ...] = ()
    regex_min_offset = 0
    regex_max_offset: int | None = None
    regex_stack: tuple[int, int] | None = None
    tls_compliant: bool | None = None

    def __init__(self, checker: HttpDraft, statement: Statement) -> None:
        self.http = checker
        self.statement = statement
        self.status_codes: list[tuple[int, int]] = []


class HttpDraft(CheckerDraft):
    """HTTP_GET or SSL_GET."""

    virtualhost = ""
    http_protocol = "1.0"
    sni = False
    sni_name = ""
    fast_recovery = False
    tls_compliant = False
    cert_min_days: int | None = None

    def __init__(self, kind: CheckerKind, real: RealDraft, statement: Statement) -> None:
        super().__init__(kind, real, statement)
        self.urls: list[UrlDraft] = []
