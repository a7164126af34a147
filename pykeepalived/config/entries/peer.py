"""Lines of unicast_peer (keepalived.conf(5), unicast_peer). Family and duplicates are the instance's business."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.entries.common import Words
from pykeepalived.config.model.vrrp import UnicastPeer
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault


def parse_peer(statement: Statement, reading: Reading, owner: str) -> UnicastPeer | None:
    """Read `IP [min_ttl 0..255] [max_ttl 0..255]` for the instance `owner`; None when the address is bad.

    A bad option is reported and the peer kept.
    """
    if not statement.words:
        return None
    words = Words(statement, reading)
    text = words.take()
    address = values.socket_ip(text)
    if isinstance(address, Fault):
        message = f"Configuration error: VRRP instance[{owner}] malformed unicast peer address[{text}]. Skipping..."
        words.report("peer-address", message)
        return None
    limits = {"min_ttl": -1, "max_ttl": -1}
    while words.more:
        option = words.take()
        if option not in limits:
            words.report(
                "peer-option", f"({owner}) unknown unicast_peer option {option}", suggestion="min_ttl, max_ttl"
            )
            break
        if not words.more:
            words.report("peer-option", f"({owner}) {option} value missing for unicast peer {text}")
            break
        word = words.take()
        limit = values.integer(word, 0, values.U8, lenient=reading.lenient)
        if isinstance(limit, Fault):
            words.report(
                limit.code, f"({owner}) {option} {word} of unicast peer {text} invalid - {limit.text}", limit.kind
            )
            limit = limit.value if limit.value is not None else -1
        limits[option] = limit
    low, high = limits["min_ttl"], limits["max_ttl"]
    if low > high >= 0:
        words.report("peer-ttl", f"({owner}) min_ttl {low} > max_ttl {high} - all packets will be discarded")
    return UnicastPeer(address=address, min_ttl=low, max_ttl=high, at=statement.span())
