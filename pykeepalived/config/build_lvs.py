"""Completed drafts of virtual servers, checkers, BFD and SSL to the model: silent inheritance happens here.

What a checker or server does not say comes from the level above (keepalived.conf(5), real server).
"""

from __future__ import annotations

from typing import Any

from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.ipvs import (
    BfdCheck,
    Checker,
    Connection,
    DnsCheck,
    FileCheck,
    HttpCheck,
    MiscCheck,
    PingCheck,
    Protocol,
    RealServer,
    Regex,
    SmtpCheck,
    SorryServer,
    SslContext,
    TcpCheck,
    UdpCheck,
    Url,
    VirtualServer,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import MICROSECONDS_PER_SECOND, Script
from pykeepalived.config.rules.scripts import Scripts
from pykeepalived.config.schema import checker_drafts as kinds
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.checker_drafts import (
    BfdDraft,
    CheckerDraft,
    DnsDraft,
    FileDraft,
    HttpDraft,
    MiscDraft,
    SmtpDraft,
    TcpDraft,
    UdpDraft,
    UrlDraft,
)
from pykeepalived.config.schema.extra_drafts import ExtraDraft
from pykeepalived.config.schema.lvs_drafts import RealDraft, VirtualDraft
from pykeepalived.config.schema.lvs_handlers import FLAG_OPS
from pykeepalived.config.statement import Statement

_DEFAULT_HELO = "smtpchecker.keepalived.org"
_DEFAULT_STATUS = ((200, 299),)


def build_lvs(
    reading: Reading, scripts: Scripts | None = None
) -> tuple[tuple[VirtualServerGroup, ...], tuple[VirtualServer, ...], SslContext | None]:
    """Groups, virtual servers and the SSL context of a completed draft.

    The scripts of the checker process are resolved on the way; they are looked at only if there is a virtual server.
    """
    draft = reading.draft
    scripts = scripts or Scripts(reading)
    servers = tuple(
        virtual.finished or _Builder(virtual, reading, scripts).build() for virtual in draft.virtual_servers
    )
    if servers:
        scripts.security("check scripts")
    groups = tuple(
        VirtualServerGroup(name=group.name, entries=tuple(group.entries), at=group.statement.span())
        for group in draft.virtual_server_groups
    )
    return groups, servers, None if draft.ssl is None else draft.ssl.model()


def check_lvs_scripts(reading: Reading) -> None:
    """Report what building would report about scripts, without building: a config test needs no more."""
    scripts = Scripts(reading)
    for virtual in reading.draft.virtual_servers:
        builder = _Builder(virtual, reading, scripts)
        scripts.notify(virtual.quorum_up, "quorum_up")
        scripts.notify(virtual.quorum_down, "quorum_down")
        for real in virtual.real_servers:
            for checker in real.checkers:
                if isinstance(checker, MiscDraft) and checker.script is not None:
                    builder.misc_script(checker, checker.script)
            scripts.notify(real.notify_up, "notify_up")
            scripts.notify(real.notify_down, "notify_down")
    if reading.draft.virtual_servers:
        scripts.security("check scripts")


def build_bfd(reading: Reading) -> tuple[BfdInstance, ...]:
    """The BFD instances of a draft."""
    return tuple(draft.model() for draft in reading.draft.bfd_instances)


class _Builder:
    """Builds one virtual server."""

    def __init__(self, virtual: VirtualDraft, reading: Reading, scripts: Scripts) -> None:
        self.virtual = virtual
        self.reading = reading
        self.scripts = scripts
        self.log_all_failures = bool(reading.draft.globals.checker_log_all_failures)

    def build(self) -> VirtualServer:
        draft = self.virtual
        sorry = draft.sorry_server
        granularity = draft.persistence_granularity
        if granularity is None:
            granularity = 0xFFFFFFFF if draft.family == 4 else 128
        return VirtualServer(
            address=draft.address,
            port=draft.port,
            fwmark=draft.fwmark,
            group=draft.group,
            group_index=draft.group_index,
            family=draft.family,
            protocol=draft.protocol or Protocol.NONE,
            scheduler=draft.scheduler or "wlc",
            flags=draft.flags | (FLAG_OPS if draft.ops else 0),
            persistence_timeout_s=draft.persistence_timeout_s,
            persistence_granularity=granularity,
            persistence_engine=draft.persistence_engine,
            method=draft.method,
            delay_loop_us=draft.delay_loop_us,
            connect_timeout_us=draft.connect_timeout_us,
            retry=draft.retry,
            delay_before_retry_us=draft.delay_before_retry_us,
            warmup_us=draft.warmup_us,
            weight=draft.weight,
            ha_suspend=draft.ha_suspend,
            alpha=draft.alpha,
            omega=draft.omega,
            inhibit_on_failure=draft.inhibit_on_failure,
            quorum=draft.quorum,
            hysteresis=draft.hysteresis,
            quorum_up=self.scripts.notify(draft.quorum_up, "quorum_up"),
            quorum_down=self.scripts.notify(draft.quorum_down, "quorum_down"),
            smtp_alert=bool(draft.smtp_alert),
            virtualhost=draft.virtualhost,
            snmp_name=draft.snmp_name,
            sorry_server=None
            if sorry is None
            else SorryServer(
                address=sorry.address,
                port=sorry.port,
                method=sorry.method,
                inhibit=sorry.inhibit,
                at=sorry.statement.span(),
            ),
            real_servers=tuple([self.real(real) for real in draft.real_servers]),
            at=draft.at,
        )

    def real(self, draft: RealDraft) -> RealServer:
        virtual = self.virtual
        checkers = [self.checker(draft, checker) for checker in draft.checkers]
        return RealServer(
            address=draft.address,
            port=draft.port,
            weight=virtual.weight if draft.weight is None else draft.weight,
            method=draft.method,
            upper_threshold=draft.upper_threshold,
            lower_threshold=draft.lower_threshold,
            inhibit_on_failure=bool(draft.inhibit_on_failure),
            alpha=virtual.alpha if draft.alpha is None else draft.alpha,
            smtp_alert=bool(draft.smtp_alert),
            delay_loop_us=_first(draft.delay_loop_us, virtual.delay_loop_us),
            connect_timeout_us=_first(draft.connect_timeout_us, virtual.connect_timeout_us),
            retry=_first(draft.retry, virtual.retry),
            delay_before_retry_us=_first(draft.delay_before_retry_us, virtual.delay_before_retry_us),
            warmup_us=_first(draft.warmup_us, virtual.warmup_us),
            notify_up=self.scripts.notify(draft.notify_up, "notify_up"),
            notify_down=self.scripts.notify(draft.notify_down, "notify_down"),
            virtualhost=draft.virtualhost,
            snmp_name=draft.snmp_name,
            checkers=tuple([checker for checker in checkers if checker is not None]),
            at=draft.statement.span(),
        )

    # --- checkers -----------------------------------------------------------------------------------------------------

    def checker(self, real: RealDraft, draft: CheckerDraft) -> Checker | None:
        """The finished checker; None when its script is dropped."""
        common = self.common(real, draft)
        if isinstance(draft, TcpDraft):
            return TcpCheck(connection=self.connection(real, draft), send=draft.send, expect=draft.expect, **common)
        if isinstance(draft, ExtraDraft):
            return draft.model(self.connection(real, draft), common)
        if isinstance(draft, HttpDraft):
            return self.http(real, draft, common)
        if isinstance(draft, MiscDraft):
            return self.misc(draft, common)
        if isinstance(draft, UdpDraft):
            return UdpCheck(
                connection=self.connection(real, draft),
                payload=draft.payload,
                require_reply=draft.require_reply,
                reply=draft.reply,
                reply_mask=draft.reply_mask,
                min_reply_length=draft.min_reply_length,
                max_reply_length=draft.max_reply_length,
                **common,
            )
        if isinstance(draft, DnsDraft):
            return DnsCheck(connection=self.connection(real, draft), type=draft.type, name=draft.name or ".", **common)
        if isinstance(draft, SmtpDraft):
            return SmtpCheck(
                connection=self.connection(real, draft), helo_name=draft.helo_name or _DEFAULT_HELO, **common
            )
        if isinstance(draft, FileDraft):
            return self.file(draft, common)
        if isinstance(draft, BfdDraft):
            return BfdCheck(name=draft.name, **common)
        return PingCheck(connection=self.connection(real, draft), **common)

    def common(self, real: RealDraft, draft: CheckerDraft) -> dict[str, Any]:
        """What every checker has; each value from the checker, its server, the virtual server, or its kind."""
        virtual, kind = self.virtual, draft.kind
        delay_loop = _first(draft.delay_loop_us, real.delay_loop_us, virtual.delay_loop_us)
        return {
            "delay_loop_us": delay_loop,
            "warmup_us": _first(draft.warmup_us, real.warmup_us, virtual.warmup_us, delay_loop),
            "retry": _first(draft.retry, real.retry, virtual.retry, kind.retry),
            "delay_before_retry_us": _first(
                draft.delay_before_retry_us,
                real.delay_before_retry_us,
                virtual.delay_before_retry_us,
                kind.delay_before_retry_us,
                delay_loop,
            ),
            "alpha": _first(draft.alpha, real.alpha, virtual.alpha),
            "log_all_failures": self.log_all_failures or bool(draft.log_all_failures),
            "at": draft.statement.span(),
        }

    def connection(self, real: RealDraft, draft: CheckerDraft) -> Connection:
        """Where to connect. A server without a port of its own is checked at port 0, unless connect_port is given."""
        return Connection(
            address=draft.destination,
            port=real.written_port if draft.port is None else draft.port,
            bind_address=draft.bind_address,
            bind_port=draft.bind_port,
            bind_interface=draft.bind_interface,
            timeout_us=_first(draft.connect_timeout_us, real.connect_timeout_us, self.virtual.connect_timeout_us),
            fwmark=draft.fwmark,
        )

    def http(self, real: RealDraft, draft: HttpDraft, common: dict[str, Any]) -> HttpCheck:
        return HttpCheck(
            connection=self.connection(real, draft),
            urls=tuple([_url(url, draft) for url in draft.urls]),
            tls=draft.kind is kinds.SSL,
            http_protocol=draft.http_protocol,
            virtualhost=draft.virtualhost,
            sni=draft.sni,
            sni_name=draft.sni_name,
            fast_recovery=draft.fast_recovery,
            tls_compliant=draft.tls_compliant,
            cert_min_days=draft.cert_min_days,
            **common,
        )

    def misc(self, draft: MiscDraft, common: dict[str, Any]) -> MiscCheck | None:
        """A script check; without its script there is none, and the real server is up without it."""
        assert draft.script is not None, "a MISC_CHECK without a script is dropped at the end of its block"
        script = self.misc_script(draft, draft.script)
        if script is None:
            return None
        timeout_us = draft.timeout_s * MICROSECONDS_PER_SECOND or self.virtual.delay_loop_us
        return MiscCheck(script=script, timeout_us=timeout_us, dynamic=draft.dynamic, **common)

    def misc_script(self, draft: MiscDraft, statement: Statement) -> Script | None:
        parts = self.scripts.parts(statement, "misc_path")
        if parts is None:
            return None
        account = draft.account or self.scripts.default_account(statement, "misc_path")
        return None if account is None else self.scripts.misc(parts[0], account, statement)

    def file(self, draft: FileDraft, common: dict[str, Any]) -> FileCheck:
        """A file check; weight and reversal of the track_file unless the checker has its own."""
        file = self.reading.draft.find("track_file", draft.track_file)
        return FileCheck(
            track_file=draft.track_file,
            weight=_first(draft.weight, file.weight),
            reverse=bool(_first(draft.reverse, file.reverse)),
            **common,
        )


def _first(*candidates: Any) -> Any:
    """The first value that was given."""
    for candidate in candidates:
        if candidate is not None:
            return candidate
    return None


def _url(draft: UrlDraft, checker: HttpDraft) -> Url:
    regex = None
    if draft.regex is not None:
        regex = Regex(
            pattern=draft.regex,
            options=draft.regex_options,
            no_match=draft.regex_no_match,
            min_offset=draft.regex_min_offset,
            max_offset=draft.regex_max_offset,
            stack=draft.regex_stack,
        )
    return Url(
        path=draft.path or "",
        digest=draft.digest,
        status_codes=tuple(draft.status_codes) or _DEFAULT_STATUS,
        virtualhost=draft.virtualhost,
        regex=regex,
        tls_compliant=checker.tls_compliant if draft.tls_compliant is None else draft.tls_compliant,
    )
