"""virtual_server_group and virtual_server with its real servers: keywords, limits, defaults (keepalived.conf(5))."""

from __future__ import annotations

from pykeepalived.config.model.ipvs import Protocol
from pykeepalived.config.schema import lvs_handlers as handlers
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Block, Keyword, Reading, Take, ValueBlock, table
from pykeepalived.config.schema.checker_words import CHECKER, CONNECT_TIMEOUT, DELAY, PERIOD
from pykeepalived.config.schema.checkers import CHECKERS
from pykeepalived.config.schema.script_words import take_script
from pykeepalived.config.schema.types import Flag, Integer, Switch, Word
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U31, U32

PERSISTENCE_MAX_S = 2_678_400
ENGINE_NAME_LENGTH = 15
RETRY = Integer(1, U32, notation="U32", strict=True)
_SCHEDULERS = "|".join(handlers.SCHEDULERS)
_METHOD = "NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]"


class _Protocol(ArgumentType):
    """TCP, UDP or SCTP in any case."""

    def __init__(self) -> None:
        super().__init__("TCP|UDP|SCTP", "TCP|UDP|SCTP (any case)")

    def read(self, statement: Statement, reading: Reading) -> object:
        words = statement.words
        if len(words) < 2:
            reading.missing(statement, "TCP, UDP or SCTP")
            return REJECTED
        protocol = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "sctp": Protocol.SCTP}.get(words[1].lower())
        if protocol is None:
            text = f"Unknown protocol {words[1]} - ignoring"
            reading.report(statement, "word-unknown", text, word=1, suggestion="TCP, UDP or SCTP")
            return REJECTED
        return protocol


def _word(
    name: str, take: Take, values: str, *, default: str = "", inherits: str = "", since: str = "", note: str = ""
) -> Keyword:
    return Keyword(
        name=name,
        process=CHECKER,
        take=take,
        values=values,
        default=default,
        inherits=inherits,
        since=since,
        note=note,
    )


def _value(
    name: str, target: str, argument: ArgumentType, *, default: str = "", inherits: str = "", since: str = ""
) -> Keyword:
    return Keyword(
        name=name,
        process=CHECKER,
        type=argument,
        target=target,
        default=default,
        inherits=inherits,
        since=since,
    )


def _flag(name: str, take: Take, note: str = "") -> Keyword:
    return Keyword(name=name, process=CHECKER, type=Flag(), take=take, default="off", note=note)


def _script(name: str) -> Keyword:
    take = take_script(name)
    return _word(
        name, take, "QSTR USER? GROUP?", default="none", inherits="script_user", note="a second one is ignored"
    )


def _timing(level: str) -> tuple[Keyword, ...]:
    """Timing words of a virtual server and, inherited from it, of a real server."""
    inner = level == "real_server"
    return tuple(
        _value(
            name,
            target,
            argument,
            default="virtual server" if inner else default,
            inherits=f"virtual_server/{name}" if inner else "",
        )
        for name, target, argument, default in (
            ("retry", "retry", RETRY, "per checker"),
            ("delay_before_retry", "delay_before_retry_us", DELAY, "per checker"),
            ("warmup", "warmup_us", DELAY, "delay_loop"),
            ("connect_timeout", "connect_timeout_us", CONNECT_TIMEOUT, "5"),
            ("delay_loop", "delay_loop_us", PERIOD, "60"),
        )
    )


_WEIGHT = Integer(0, U31, notation="U31")
_DEFAULT_WEIGHT = Integer(1, U31, notation="U31")
_THRESHOLD = Integer(0, U32, notation="U32")
_SWITCH = Switch()

_REAL_SERVER = (
    _value("weight", "weight", _WEIGHT, default="1", inherits="virtual_server/weight"),
    _word("lvs_method", handlers.lvs_method, _METHOD, default="virtual server", inherits="virtual_server/lvs_method"),
    _value("uthreshold", "upper_threshold", _THRESHOLD, default="0"),
    _value("lthreshold", "lower_threshold", _THRESHOLD, default="0"),
    _value(
        "inhibit_on_failure",
        "inhibit_on_failure",
        _SWITCH,
        default="virtual server",
        inherits="virtual_server/inhibit_on_failure",
    ),
    _script("notify_up"),
    _script("notify_down"),
    _value("alpha", "alpha", _SWITCH, default="virtual server", inherits="virtual_server/alpha"),
    *_timing("real_server"),
    _value("smtp_alert", "smtp_alert", _SWITCH, default="yes", inherits="smtp_alert_checker, smtp_alert"),
    _word(
        "virtualhost",
        handlers.text_setting("virtualhost", "a host name"),
        "STR",
        default="none",
        inherits="virtual_server/virtualhost",
    ),
    _word("snmp_name", handlers.text_setting("snmp_name", "a name", exact=True), "STR", default="none"),
    *CHECKERS,
)

_VIRTUAL_SERVER = (
    _word("ip_family", handlers.ip_family, "inet|inet6", default="from addresses", since="~1.2.20"),
    *_timing("virtual_server"),
    Keyword(
        name="inhibit_on_failure",
        process=CHECKER,
        type=Flag(),
        target="inhibit_on_failure",
        default="no",
        note="default of the real servers; a parameter is ignored",
    ),
    _word("lb_algo", handlers.scheduler, _SCHEDULERS, default="wlc", since="~2.0.7", note="old name of lvs_sched"),
    _word("lvs_sched", handlers.scheduler, _SCHEDULERS, default="wlc", since="~1.1.5"),
    _flag("hashed", handlers.scheduler_flag("", 0), "no effect"),
    Keyword(name="ops", process=CHECKER, type=Flag(), target="ops", default="off", note="one packet scheduling, UDP"),
    _flag("flag-1", handlers.flag(handlers.FLAG_1)),
    _flag("flag-2", handlers.flag(handlers.FLAG_2)),
    _flag("flag-3", handlers.flag(handlers.FLAG_3)),
    _flag("sh-port", handlers.scheduler_flag("sh", handlers.FLAG_2), "after lvs_sched sh"),
    _flag("sh-fallback", handlers.scheduler_flag("sh", handlers.FLAG_1), "after lvs_sched sh"),
    _flag("mh-port", handlers.scheduler_flag("mh", handlers.FLAG_2), "after lvs_sched mh"),
    _flag("mh-fallback", handlers.scheduler_flag("mh", handlers.FLAG_1), "after lvs_sched mh"),
    _word("lb_kind", handlers.lvs_method, _METHOD, default="NAT", since="~1.1.5", note="old name of lvs_method"),
    _word("lvs_method", handlers.lvs_method, _METHOD, default="NAT"),
    _value("persistence_engine", "persistence_engine", Word(longest=ENGINE_NAME_LENGTH, cut=True), default="none"),
    _value(
        "persistence_timeout",
        "persistence_timeout_s",
        Integer(1, PERSISTENCE_MAX_S, unit="s", strict=True, absent=handlers.PERSISTENCE_TIMEOUT_S),
        default="0; without a value 360",
        since="~1.2.24",
    ),
    _word(
        "persistence_granularity",
        handlers.persistence_granularity,
        "IPv4 mask or IPv6 prefix length 1..128",
        default="255.255.255.255 / 128",
        since="~1.2.24",
        note="switches persistence on",
    ),
    _value("protocol", "protocol", _Protocol(), default="UDP"),
    Keyword(name="ha_suspend", process=CHECKER, type=Flag(), target="ha_suspend", default="off", since="~1.0.0"),
    _value("smtp_alert", "smtp_alert", _SWITCH, default="no", inherits="smtp_alert_checker, smtp_alert"),
    _word("virtualhost", handlers.text_setting("virtualhost", "a host name"), "STR", default="none"),
    _word("snmp_name", handlers.text_setting("snmp_name", "a name", exact=True), "STR", default="none"),
    Keyword(
        name="alpha",
        process=CHECKER,
        type=Flag(),
        target="alpha",
        default="off",
        note="a parameter is ignored",
    ),
    Keyword(name="omega", process=CHECKER, type=Flag(), target="omega", default="off"),
    _script("quorum_up"),
    _script("quorum_down"),
    _value("quorum", "quorum", Integer(1, U32, notation="U32", fallback=1), default="1"),
    _value("hysteresis", "hysteresis", _THRESHOLD, default="0"),
    _value("weight", "weight", _DEFAULT_WEIGHT, default="1"),
    _word(
        "sorry_server", handlers.sorry_server, "IP PORT?", default="none", since="~0.6.4", note="the last one counts"
    ),
    _flag("sorry_server_inhibit", handlers.sorry_server_inhibit, "after sorry_server"),
    _word(
        "sorry_server_lvs_method",
        handlers.sorry_server_method,
        _METHOD,
        default="virtual server",
        inherits="lvs_method",
        note="after sorry_server",
    ),
    Keyword(
        name="real_server",
        process=CHECKER,
        values="IP PORT?",
        since="~0.6.8",
        block=Block(table(_REAL_SERVER), handlers.begin_real, handlers.end_real),
    ),
)

_GROUP_WORDS = (
    Keyword(name="ADDRESS", process=CHECKER, values="IP[-END|/LEN] PORT?"),
    Keyword(name="fwmark", process=CHECKER, values="0..4294967295 [inet|inet6]"),
)

KEYWORDS = (
    Keyword(
        name="virtual_server_group",
        process=CHECKER,
        values="STR",
        since="~1.0.2",
        block=ValueBlock(
            entry=handlers.group_entry,
            begin=handlers.begin_group,
            end=handlers.end_group,
            names=1,
            words=_GROUP_WORDS,
            notation="entries",
        ),
        note="may be defined after its users",
    ),
    Keyword(
        name="virtual_server",
        process=CHECKER,
        starts=CHECKER,
        values="IP PORT? | fwmark U32 | group STR",
        since="~1.0.0",
        block=Block(
            table(_VIRTUAL_SERVER), handlers.begin_virtual, handlers.end_virtual, recall=handlers.recall_virtual
        ),
    ),
)
