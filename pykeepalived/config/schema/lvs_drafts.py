"""What virtual_server_group, virtual_server and real_server blocks said, before inheritance (rules/lvs.py).

None means "not given". The defaults are class attributes: a file has many servers, and most give few of the words.
"""

from __future__ import annotations

from pykeepalived.config.model.ipvs import Forwarding, GroupEntry, LvsMethod, Protocol, VirtualServer
from pykeepalived.config.model.values import Ip, Span
from pykeepalived.config.schema.checker_drafts import CheckerDraft
from pykeepalived.config.schema.script_words import ScriptWords
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import late_dataclass


@late_dataclass(slots=True)
class GroupDraft:
    """One virtual_server_group."""

    name: str
    statement: Statement
    entries: list[GroupEntry]


class MethodDraft:
    """lvs_method and its tunnel words, shared by virtual, real and sorry servers."""

    role = ""
    forwarding: Forwarding | None = None
    tunnel = "ipip"
    tunnel_port = 0
    checksum = "nocsum"

    def copy_method(self, other: MethodDraft) -> None:
        """Take the forwarding method and tunnel words of another server."""
        if other.forwarding is not None:
            self.forwarding = other.forwarding
            self.tunnel, self.tunnel_port, self.checksum = other.tunnel, other.tunnel_port, other.checksum

    @property
    def method(self) -> LvsMethod:
        """The method as the model has it, NAT when none was given."""
        forwarding = self.forwarding or Forwarding.NAT
        if self.tunnel == "ipip" and self.checksum == "nocsum":
            return _PLAIN[forwarding]
        return LvsMethod(forwarding=forwarding, tunnel=self.tunnel, port=self.tunnel_port, checksum=self.checksum)


_PLAIN = {forwarding: LvsMethod(forwarding=forwarding) for forwarding in Forwarding}


class SorryDraft(MethodDraft):
    """The sorry server of a virtual server."""

    role = "sorry"
    inhibit = False

    def __init__(self, statement: Statement, address: Ip, port: int) -> None:
        self.statement = statement
        self.address = address
        self.port = port

    @property
    def text(self) -> str:
        return f"[{self.address}]:{self.port}"


class RealDraft(MethodDraft):
    """One real_server."""

    role = "real"
    weight: int | None = None
    upper_threshold = 0
    lower_threshold = 0
    inhibit_on_failure: bool | None = None
    alpha: bool | None = None
    retry: int | None = None
    delay_before_retry_us: int | None = None
    warmup_us: int | None = None
    connect_timeout_us: int | None = None
    delay_loop_us: int | None = None
    smtp_alert: bool | None = None
    notify_up: ScriptWords | None = None
    notify_down: ScriptWords | None = None
    virtualhost = ""
    snmp_name = ""

    def __init__(self, virtual: VirtualDraft, statement: Statement, address: Ip, port: int) -> None:
        self.virtual = virtual
        self.statement = statement
        self.address = address
        self.port = port
        self.written_port = port
        """The port as written: checkers connect there, whatever becomes of `port`."""
        self.checkers: list[CheckerDraft] = []
        self.copy_method(virtual)

    @property
    def text(self) -> str:
        """The server as log lines name it: [address]:protocol:port."""
        return f"[{self.address}]:{self.virtual.protocol_text}:{self.port}"


class VirtualDraft(MethodDraft):
    """One virtual_server: exactly one of `address`, `fwmark` and `group` is set. `family` 0 = not known yet."""

    role = "virtual"
    address: Ip | None = None
    port = 0
    fwmark: int | None = None
    group = ""
    group_index = 0
    family = 0
    protocol: Protocol | None = None
    scheduler: str | None = None
    flags = 0
    persistence_timeout_s = 0
    persistence_granularity: int | None = None
    persistence_engine = ""
    delay_loop_us = 60_000_000
    connect_timeout_us = 5_000_000
    retry: int | None = None
    delay_before_retry_us: int | None = None
    warmup_us: int | None = None
    weight = 1
    ha_suspend = False
    alpha = False
    omega = False
    ops = False
    inhibit_on_failure = False
    quorum = 1
    hysteresis = 0
    quorum_up: ScriptWords | None = None
    quorum_down: ScriptWords | None = None
    smtp_alert: bool | None = None
    virtualhost = ""
    snmp_name = ""
    sorry_server: SorryDraft | None = None
    finished: VirtualServer | None = None
    """What an earlier loading made of the same block (config/memo.py); nothing else of the draft is filled in then."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.at: Span = statement.span()
        self.real_servers: list[RealDraft] = []

    @property
    def protocol_text(self) -> str:
        return self.protocol.value if self.protocol else "none"

    @property
    def text(self) -> str:
        """The server as log lines name it: FWM 5, [address]:protocol:port, or [group]:index."""
        if self.fwmark is not None:
            return f"FWM {self.fwmark}"
        if self.group:
            return f"[{self.group}]:{self.group_index}"
        return f"[{self.address}]:{self.protocol_text}:{self.port}"

    name = text
