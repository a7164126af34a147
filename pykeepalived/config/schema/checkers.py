"""The checker blocks of a real_server: their keywords, limits and defaults (keepalived.conf(5), real server)."""

from __future__ import annotations

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema import checker_drafts as drafts
from pykeepalived.config.schema import checker_handlers as handlers
from pykeepalived.config.schema import extra_checkers as extra
from pykeepalived.config.schema import http_handlers
from pykeepalived.config.schema.base import Block, Keyword, table
from pykeepalived.config.schema.checker_drafts import CheckerKind
from pykeepalived.config.schema.checker_words import CHECKER, LENGTH, RETRY, SWITCH, connecting, switch, timing
from pykeepalived.config.schema.lvs_handlers import text_setting
from pykeepalived.config.schema.types import Flag, Integer

_TCP = Keyword(
    name="TCP_CHECK",
    process=CHECKER,
    since="~0.5.8",
    block=Block(
        table((*connecting(drafts.TCP), *extra.TCP_WORDS)), handlers.begin(drafts.TCP, drafts.TcpDraft), handlers.end
    ),
)

_PING = Keyword(
    name="PING_CHECK",
    process=CHECKER,
    since="~2.1.0",
    block=Block(table(connecting(drafts.PING)), handlers.begin(drafts.PING), handlers.end),
)

_UDP = Keyword(
    name="UDP_CHECK",
    process=CHECKER,
    since="~2.1.0",
    block=Block(
        table(
            (
                *connecting(drafts.UDP),
                Keyword(
                    name="payload",
                    process=CHECKER,
                    take=handlers.udp_payload,
                    values="hex digits, spaces free",
                    default="random data",
                ),
                Keyword(
                    name="require_reply",
                    process=CHECKER,
                    take=handlers.udp_reply,
                    values="hex digits, x or X = any nibble",
                    default="off",
                ),
                Keyword(name="min_reply_length", process=CHECKER, type=LENGTH, target="min_reply_length", default="0"),
                Keyword(
                    name="max_reply_length", process=CHECKER, type=LENGTH, target="max_reply_length", default="255"
                ),
            )
        ),
        handlers.begin(drafts.UDP, drafts.UdpDraft),
        handlers.end_udp,
    ),
)

_DNS = Keyword(
    name="DNS_CHECK",
    process=CHECKER,
    since="~1.3.7",
    block=Block(
        table(
            (
                *connecting(drafts.DNS),
                Keyword(
                    name="type",
                    process=CHECKER,
                    take=handlers.dns_type,
                    values="|".join(handlers.DNS_TYPES),
                    default="SOA",
                ),
                Keyword(name="name", process=CHECKER, take=handlers.dns_name, values="STR", default="root (.)"),
            )
        ),
        handlers.begin(drafts.DNS, drafts.DnsDraft),
        handlers.end,
    ),
)

_SMTP = Keyword(
    name="SMTP_CHECK",
    process=CHECKER,
    since="~1.1.12",
    block=Block(
        table(
            (
                *connecting(drafts.SMTP),
                Keyword(
                    name="helo_name",
                    process=CHECKER,
                    take=text_setting("helo_name", "a host name"),
                    values="STR",
                    default="smtpchecker.keepalived.org",
                    since="~1.3.7",
                ),
                Keyword(
                    name="host",
                    process=CHECKER,
                    block=Block(table(connecting(drafts.SMTP)), handlers.begin_host),
                    deprecated="write more SMTP_CHECK blocks",
                    note="adds a checker for the real server; its words land on the enclosing block",
                ),
            )
        ),
        handlers.begin(drafts.SMTP, drafts.SmtpDraft),
        handlers.end_smtp,
    ),
)

_MISC_TIMEOUT = Integer(0, 4294, unit="s")

_MISC = Keyword(
    name="MISC_CHECK",
    process=CHECKER,
    since="~0.5.8",
    block=Block(
        table(
            (
                *timing(drafts.MISC),
                Keyword(name="misc_path", process=CHECKER, take=handlers.misc_path, values="QSTR", since="~1.3.7"),
                Keyword(
                    name="misc_timeout",
                    process=CHECKER,
                    type=_MISC_TIMEOUT,
                    target="timeout_s",
                    default="delay_loop of the virtual server",
                    since="~1.1.0",
                ),
                Keyword(
                    name="misc_dynamic",
                    process=CHECKER,
                    type=Flag(),
                    target="dynamic",
                    default="off",
                    since="~1.1.8",
                    note="the exit status changes the weight",
                ),
                Keyword(
                    name="user",
                    process=CHECKER,
                    take=handlers.misc_user,
                    values="USER GROUP?",
                    default="script_user",
                    inherits="script_user",
                ),
            )
        ),
        handlers.begin(drafts.MISC, drafts.MiscDraft),
        handlers.end_misc,
    ),
)

_FILE = Keyword(
    name="FILE_CHECK",
    process=CHECKER,
    since="~2.1.0",
    block=Block(
        table(
            (
                Keyword(
                    name="track_file",
                    process=CHECKER,
                    take=handlers.file_track_file,
                    values="STR",
                    note="must be defined earlier",
                ),
                Keyword(
                    name="weight",
                    process=CHECKER,
                    take=handlers.file_weight,
                    values="-2147483647..2147483647 [reverse|noreverse]",
                    default="weight of the track_file",
                    inherits="track_file/weight",
                ),
            )
        ),
        handlers.begin(drafts.FILE, drafts.FileDraft),
        handlers.end_file,
    ),
)

_BFD = Keyword(
    name="BFD_CHECK",
    process=CHECKER,
    since="~2.0.8",
    block=Block(
        table(
            (
                Keyword(
                    name="name", process=CHECKER, take=handlers.bfd_name, values="STR", note="must be defined earlier"
                ),
                switch("alpha", inherits="real_server/alpha", default="real server"),
            )
        ),
        handlers.begin(drafts.BFD, drafts.BfdDraft),
        handlers.end_bfd,
    ),
)

_TLS_SINCE = "2.2.8 debian2.2.7=no"

_URL = (
    Keyword(name="path", process=CHECKER, take=http_handlers.url_path, values="STR"),
    Keyword(
        name="digest", process=CHECKER, take=http_handlers.url_digest, values="32 hex digits (MD5)", default="none"
    ),
    Keyword(
        name="status_code", process=CHECKER, take=http_handlers.url_status_code, values="100..599", default="200-299"
    ),
    Keyword(
        name="virtualhost",
        process=CHECKER,
        take=text_setting("virtualhost", "a host name"),
        values="STR",
        default="checker, real server, virtual server",
        inherits="HTTP_GET/virtualhost",
    ),
    Keyword(name="regex", process=CHECKER, take=http_handlers.url_regex, values="QSTR, PCRE2", default="none"),
    Keyword(name="regex_no_match", process=CHECKER, type=Flag(), target="regex_no_match", default="off"),
    Keyword(
        name="regex_options",
        process=CHECKER,
        take=http_handlers.url_regex_options,
        values=" ".join(sorted(http_handlers.REGEX_OPTIONS)),
        default="none",
    ),
    Keyword(
        name="regex_min_offset",
        process=CHECKER,
        take=http_handlers.url_offset("regex_min_offset"),
        values="bytes",
        default="0",
    ),
    Keyword(
        name="regex_max_offset",
        process=CHECKER,
        take=http_handlers.url_offset("regex_max_offset"),
        values="bytes",
        default="none",
    ),
    Keyword(
        name="regex_stack",
        process=CHECKER,
        take=http_handlers.url_regex_stack,
        values="start and maximum bytes",
        default="none",
    ),
)


_WEB = (
    Keyword(
        name="nb_get_retry",
        process=CHECKER,
        type=RETRY,
        take=http_handlers.deprecated_retry(RETRY),
        deprecated="retry",
        deprecated_status=FindingClass.DEPRECATED,
        default="real server, else 1",
    ),
    Keyword(
        name="virtualhost",
        process=CHECKER,
        take=text_setting("virtualhost", "a host name"),
        values="STR",
        default="none",
        inherits="real_server/virtualhost",
    ),
    Keyword(
        name="http_protocol",
        process=CHECKER,
        take=http_handlers.http_protocol,
        values="1.0|1.0C|1.0c|1.1|2",
        default="1.0",
        note="keepalived does not know 2",
    ),
    Keyword(name="enable_sni", process=CHECKER, type=SWITCH, take=handlers.stored("sni", SWITCH), default="no"),
    Keyword(
        name="sni_name",
        process=CHECKER,
        take=http_handlers.sni_name,
        values="STR?",
        default="virtualhost or address",
        since="debian2.2.7=no",
    ),
    switch("fast_recovery"),
)


def _web(kind: CheckerKind, tls: tuple[Keyword, ...], url: tuple[Keyword, ...]) -> Keyword:
    """HTTP_GET or SSL_GET; `tls` and `url` are the words only the latter has."""
    urls = Block(table((*_URL, *url)), http_handlers.begin_url, http_handlers.end_url)
    words = table((*connecting(kind), *tls, *_WEB, Keyword(name="url", process=CHECKER, block=urls)))
    block = Block(words, handlers.begin(kind, drafts.HttpDraft), http_handlers.end_http)
    return Keyword(name=kind.keyword, process=CHECKER, since="~0.4.9", block=block)


_HTTP = _web(drafts.HTTP, (), ())
_SSL = _web(
    drafts.SSL,
    (switch("tls_compliant", since=_TLS_SINCE), *extra.SSL_WORDS),
    (
        Keyword(
            name="tls_compliant",
            process=CHECKER,
            type=SWITCH,
            target="tls_compliant",
            default="checker",
            inherits="SSL_GET/tls_compliant",
            since=_TLS_SINCE,
        ),
    ),
)

CHECKERS = (_MISC, _SMTP, _TCP, _PING, _UDP, _HTTP, _SSL, _DNS, _FILE, _BFD, *extra.CHECKERS)
