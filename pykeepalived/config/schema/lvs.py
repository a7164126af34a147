"""virtual_server_group and virtual_server with its real servers: keywords, limits, defaults (keepalived.conf(5))."""

from __future__ import annotations

from pykeepalived.config.model.ipvs import Protocol
from pykeepalived.config.schema import lvs_handlers as handlers
from pykeepalived.config.schema.base import REJECTED, ArgumentType, Reading
from pykeepalived.config.schema.types import Integer
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import U32

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
