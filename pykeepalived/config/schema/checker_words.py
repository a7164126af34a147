"""The words that most checker blocks share: where to connect and how often (keepalived.conf(5), real server).

The blocks themselves are in checkers.py and extra_checkers.py.
"""

from __future__ import annotations

from pykeepalived.config.schema import checker_handlers as handlers
from pykeepalived.config.schema.base import Keyword
from pykeepalived.config.schema.checker_drafts import CheckerKind
from pykeepalived.config.schema.types import Integer, Switch, seconds
from pykeepalived.config.values import U16, U32, U64

CHECKER = "checker"
TIMER_MAX = (U64 - 1) / 1_000_000
DELAY = seconds(0, TIMER_MAX)
PERIOD = seconds(0.000001, TIMER_MAX)
CONNECT_TIMEOUT = seconds(0.000001, 4294.967295)
RETRY = Integer(0, U32, notation="U32")
PORT = Integer(1, U16)
MARK = Integer(0, U32, notation="U32")
LENGTH = Integer(0, U16, notation="U16", strict=True)
SWITCH = Switch()


def switch(name: str, *, inherits: str = "", since: str = "", default: str = "no") -> Keyword:
    take = handlers.stored(name, SWITCH)
    return Keyword(name=name, process=CHECKER, type=SWITCH, take=take, default=default, inherits=inherits, since=since)


def timing(kind: CheckerKind) -> tuple[Keyword, ...]:
    """The words of every checker that runs in periods."""
    delay = kind.delay_before_retry_us
    before = "delay_loop" if delay is None else str(delay // 1_000_000)
    words = (
        ("retry", "retry", RETRY, f"real server, else {kind.retry}", "real_server/retry"),
        (
            "delay_before_retry",
            "delay_before_retry_us",
            DELAY,
            f"real server, else {before}",
            "real_server/delay_before_retry",
        ),
        ("warmup", "warmup_us", DELAY, "real server, else delay_loop", "real_server/warmup"),
        ("delay_loop", "delay_loop_us", PERIOD, "real server", "real_server/delay_loop"),
    )
    return (
        *(
            Keyword(
                name=name,
                process=CHECKER,
                type=argument,
                take=handlers.stored(target, argument),
                default=default,
                inherits=inherits,
            )
            for name, target, argument, default, inherits in words
        ),
        switch("alpha", inherits="real_server/alpha", default="real server"),
        switch("log_all_failures", inherits="checker_log_all_failures"),
    )


_CONNECTION = (
    Keyword(
        name="connect_ip",
        process=CHECKER,
        take=handlers.connect_ip,
        values="IP",
        default="real server",
        inherits="real_server",
    ),
    Keyword(
        name="connect_port",
        process=CHECKER,
        type=PORT,
        take=handlers.connection("port", PORT),
        default="real server",
        inherits="real_server",
    ),
    Keyword(name="bindto", process=CHECKER, take=handlers.bindto, values="IP", default="none"),
    Keyword(name="bind_port", process=CHECKER, type=PORT, take=handlers.connection("bind_port", PORT), default="none"),
    Keyword(
        name="bind_if",
        process=CHECKER,
        take=handlers.bind_interface,
        values="IFNAME, up to 15 characters",
        default="none",
        note="required for an IPv6 link-local destination",
    ),
    Keyword(
        name="connect_timeout",
        process=CHECKER,
        type=CONNECT_TIMEOUT,
        take=handlers.connection("connect_timeout_us", CONNECT_TIMEOUT),
        default="real server",
        inherits="real_server/connect_timeout",
    ),
    Keyword(name="fwmark", process=CHECKER, type=MARK, take=handlers.connection("fwmark", MARK), default="0"),
)


def connecting(kind: CheckerKind) -> tuple[Keyword, ...]:
    return (*_CONNECTION, *timing(kind))
