"""bfd_instance: keywords, limits and the checks at the end of the block (keepalived.conf(5), BFD CONFIGURATION)."""

from __future__ import annotations

from typing import Any

from pykeepalived.config import values
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import Block, Keyword, Reading, Take, table
from pykeepalived.config.schema.types import Decimal, Flag, Integer, Switch
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

NAME_LENGTH = 31
DEFAULT_TTL_IPV4, DEFAULT_TTL_IPV6 = 255, 64
SENSIBLE_INTERVAL_MS = 10_000
_MAX_INTERVAL_MS = 4_294_967


class BfdDraft:
    """What one bfd_instance said; times in microseconds."""

    neighbor: Ip | None = None
    source: Ip | None = None
    min_rx_us = 10_000
    min_tx_us = 10_000
    idle_tx_us = 1_000_000
    multiplier = 5
    passive = False
    ttl = 0
    max_hops = 0
    multihop = False
    weight = 0
    reverse = False
    only_vrrp = False
    only_checker = False
    malformed = False

    def __init__(self, name: str, statement: Statement) -> None:
        self.name = name
        self.statement = statement
        self.spelling = "neighbor"

    @property
    def to_vrrp(self) -> bool:
        """Events go to the VRRP process: neither restriction given, or its own."""
        return self.only_vrrp or not self.only_checker

    @property
    def to_checker(self) -> bool:
        return self.only_checker or not self.only_vrrp

    def model(self) -> BfdInstance:
        """The finished instance; the neighbor is set."""
        assert self.neighbor is not None, "an instance without neighbor is dropped at the end of its block"
        return BfdInstance(
            name=self.name,
            neighbor=self.neighbor,
            source=self.source,
            min_rx_us=self.min_rx_us,
            min_tx_us=self.min_tx_us,
            idle_tx_us=self.idle_tx_us,
            multiplier=self.multiplier,
            passive=self.passive,
            ttl=self.ttl,
            max_hops=self.max_hops,
            multihop=self.multihop,
            weight=self.weight,
            reverse=self.reverse,
            to_vrrp=self.to_vrrp,
            to_checker=self.to_checker,
            at=self.statement.span(),
        )


def _begin(parent: Any, statement: Statement, reading: Reading) -> BfdDraft | None:
    words = statement.words
    if len(words) < 2:
        reading.report(statement, "word-absent", "bfd_instance needs a name - ignored", word=1)
        return None
    name = words[1]
    if len(name.encode("utf-8", "surrogateescape")) > NAME_LENGTH:
        text = f"Configuration error: BFD instance {name} name too long (maximum length is {NAME_LENGTH} characters)"
        reading.report(statement, "word-long", f"{text} - ignoring", word=1)
        return None
    draft = BfdDraft(name, statement)
    if not reading.draft.register("bfd_instance", name, draft):
        text = f"Configuration error: BFD instance {name} already configured - ignoring"
        reading.report(statement, "name-repeated", text, word=1)
        return None
    return draft


def _end(draft: BfdDraft, parent: Any, reading: Reading) -> None:
    """Keep the instance when it has a neighbor of its source's family that no earlier instance has."""
    if draft.malformed:
        return
    prefix = f"Configuration error: BFD instance {draft.name}"
    at, spelling = draft.statement, draft.spelling
    if draft.neighbor is None:
        reading.report(at, "bfd-no-neighbor", f"{prefix} has no {spelling} address set, disabling instance", word=1)
        return
    if draft.source is not None and draft.source.family != draft.neighbor.family:
        text = (
            f"{prefix} source address {draft.source} and {spelling} address {draft.neighbor}"
            " are not of the same family, disabling instance"
        )
        reading.report(at, "bfd-family", text, word=1)
        return
    if any(_same_session(draft, other) for other in reading.draft.bfd_instances):
        which = f"{spelling} address {draft.neighbor}"
        if draft.source is not None:
            which = f"source/{spelling} address {draft.source}/{draft.neighbor}"
        reading.report(at, "bfd-duplicate", f"{prefix} has duplicate {which}, ignoring instance", word=1)
        return
    draft.ttl = draft.ttl or (DEFAULT_TTL_IPV4 if draft.neighbor.family == 4 else DEFAULT_TTL_IPV6)
    if draft.max_hops > draft.ttl:
        text = f"BFD instance {draft.name}: max_hops exceeds ttl/hoplimit - setting to ttl/hoplimit"
        reading.report(at, "bfd-max-hops", text, word=1)
        draft.max_hops = draft.ttl
    reading.draft.bfd_instances.append(draft)


def _same_session(draft: BfdDraft, other: BfdDraft) -> bool:
    """Packets of the peer could not be told apart."""
    return (
        draft.neighbor == other.neighbor
        and draft.multihop == other.multihop
        and (draft.source is None or other.source is None or draft.source == other.source)
    )


def _neighbor(draft: BfdDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "an address")
        return
    draft.spelling = "neighbour" if words[0] == "neighbour_ip" else "neighbor"
    address = values.socket_ip(words[1])
    if isinstance(address, Fault):
        text = f"Configuration error: BFD instance {draft.name} has malformed {draft.spelling} address {words[1]}"
        reading.report(statement, "address-invalid", f"{text}, ignoring instance", word=1)
        draft.malformed = True
        return
    draft.neighbor = address


def _source(draft: BfdDraft, statement: Statement, reading: Reading) -> None:
    words = statement.words
    if len(words) < 2:
        reading.missing(statement, "an address")
        return
    address = values.socket_ip(words[1])
    if isinstance(address, Fault):
        text = f"Configuration error: BFD instance {draft.name} has malformed source address {words[1]}, ignoring"
        reading.report(statement, "address-invalid", text, word=1)
        return
    draft.source = address


def _interval(target: str, low_ms: int) -> tuple[Decimal, Take]:
    """Milliseconds with 3 decimals, kept as microseconds."""
    argument = Decimal(low_ms * 1000, _MAX_INTERVAL_MS * 1000, places=3, notation="DEC", unit="ms")

    def take(draft: BfdDraft, statement: Statement, reading: Reading) -> None:
        value = argument.read(statement, reading)
        if not isinstance(value, int):
            return
        if value > SENSIBLE_INTERVAL_MS * 1000:
            text = (
                f"Configuration warning: BFD instance {draft.name} {statement.words[0]} value {statement.words[1]}"
                f" is larger than max sensible ({SENSIBLE_INTERVAL_MS})"
            )
            reading.note(statement, "bfd-interval", text, word=1)
        setattr(draft, target, value)

    return argument, take


_MAX_HOPS = Integer(-1, 255, notation="I", strict=True)


def _max_hops(draft: BfdDraft, statement: Statement, reading: Reading) -> None:
    """Hops a received packet may have made; -1 means 255, which no packet exceeds."""
    value = _MAX_HOPS.read(statement, reading)
    if isinstance(value, int):
        draft.max_hops = value if value >= 0 else 255


_WEIGHT = Integer(-253, 253, notation="I")


def _weight(draft: BfdDraft, statement: Statement, reading: Reading) -> None:
    value = _WEIGHT.read(statement, reading)
    if not isinstance(value, int):
        return
    draft.weight = value
    if len(statement.words) > 2:
        if statement.words[2] != "reverse":
            text = f"Configuration error: BFD instance {draft.name} unknown weight option {statement.words[2]}"
            reading.report(statement, "word-unknown", text, word=2, suggestion="reverse")
            return
        draft.reverse = True


_MIN_RX, _take_min_rx = _interval("min_rx_us", 1)
_MIN_TX, _take_min_tx = _interval("min_tx_us", 1)
_IDLE_TX, _take_idle_tx = _interval("idle_tx_us", 1000)
_BYTE = Integer(1, 255, strict=True)

_INSTANCE = (
    Keyword(name="source_ip", process="bfd", take=_source, values="IP", default="none"),
    Keyword(name="neighbor_ip", process="bfd", take=_neighbor, values="IP", note="required"),
    Keyword(name="neighbour_ip", process="bfd", take=_neighbor, values="IP", note="synonym of neighbor_ip"),
    Keyword(name="min_rx", process="bfd", type=_MIN_RX, take=_take_min_rx, default="10"),
    Keyword(name="min_tx", process="bfd", type=_MIN_TX, take=_take_min_tx, default="10"),
    Keyword(name="idle_tx", process="bfd", type=_IDLE_TX, take=_take_idle_tx, default="1000", since="~2.2.0"),
    Keyword(name="multiplier", process="bfd", type=_BYTE, target="multiplier", default="5"),
    Keyword(name="passive", process="bfd", type=Flag(), target="passive", default="off"),
    Keyword(name="ttl", process="bfd", type=_BYTE, target="ttl", default="255 (IPv4), 64 (IPv6)"),
    Keyword(name="hoplimit", process="bfd", type=_BYTE, target="ttl", default="255 (IPv4), 64 (IPv6)"),
    Keyword(name="max_hops", process="bfd", type=_MAX_HOPS, take=_max_hops, default="0"),
    Keyword(
        name="multihop",
        process="bfd",
        type=Switch(),
        target="multihop",
        default="no",
        since="2.2.8 debian2.2.7=no",
        note="port 4784 instead of 3784",
    ),
    Keyword(name="weight", process="vrrp", type=_WEIGHT, take=_weight, values="-253..253 [reverse]", default="0"),
    Keyword(
        name="vrrp",
        process="vrrp,bfd",
        type=Flag(),
        target="only_vrrp",
        default="both",
        note="events to vrrp only (with checker: both)",
    ),
    Keyword(
        name="checker",
        process="checker,bfd",
        type=Flag(),
        target="only_checker",
        default="both",
        note="events to checker only (with vrrp: both)",
    ),
)

KEYWORDS = (
    Keyword(
        name="bfd_instance",
        process="bfd,vrrp,checker",
        starts="bfd",
        values=f"name up to {NAME_LENGTH} characters",
        since="~2.0.7",
        block=Block(table(_INSTANCE), _begin, _end),
        note="must precede its users",
    ),
)
