"""The `encap` words of a route or a nexthop: lightweight tunnels (ip-route(8), ENCAPTYPE)."""

from __future__ import annotations

from pykeepalived.config import values
from pykeepalived.config.entries.common import Words
from pykeepalived.config.iproute_names import IprouteNames
from pykeepalived.config.model.network import Encap
from pykeepalived.config.model.values import Ip
from pykeepalived.config.values import Fault

_IP_WORDS = {"ip": {"id", "dst", "src", "tos", "ttl", "flags"}, "ip6": {"id", "dst", "src", "tc", "hoplimit", "flags"}}
MPLS_LABEL_MAX = 0xFFFFF


def take_encap(words: Words, names: IprouteNames) -> Encap | None:
    """Read what follows `encap`. A bad value drops the route, an incomplete tunnel only the encapsulation."""
    if not words.more:
        raise words.drop("encap-missing", "Missing encap type")
    kind = words.take()
    if kind == "mpls":
        return _mpls(words)
    if kind == "ila":
        return _ila(words)
    if kind in _IP_WORDS:
        return _ip(words, kind, names)
    words.report("encap-type", f"Unknown encap type - {kind}", suggestion="ip, ip6, mpls or ila")
    return None


def _mpls(words: Words) -> Encap | None:
    if not words.more:
        words.report("encap-incomplete", "missing address for MPLS encapsulation")
        return None
    text = words.value()
    labels = [values.integer(part, 0, MPLS_LABEL_MAX) if part else None for part in text.split("/")]
    if not all(isinstance(label, int) for label in labels) or len(labels) > 16:
        words.report("encap-mpls", f"invalid mpls address {text} for encapsulation")
        return None
    return Encap(kind="mpls", labels=tuple(label for label in labels if isinstance(label, int)))


def _ila(words: Words) -> Encap | None:
    if not words.more:
        words.report("encap-incomplete", "missing locator for ILA encapsulation")
        return None
    text = words.value()
    parts = text.split(":")
    if len(parts) != 4 or not all(0 < len(part) <= 4 and set(part) <= set("0123456789abcdefABCDEF") for part in parts):
        words.report("encap-ila", f"invalid locator {text} for ila encapsulation")
        return None
    locator = 0
    for part in parts:
        locator = locator << 16 | int(part, 16)
    return Encap(kind="ila", locator=locator)


def _ip(words: Words, kind: str, names: IprouteNames) -> Encap | None:
    numbers: dict[str, int] = {}
    addresses: dict[str, Ip] = {}
    # A word that ends the line without its value is none of ours: the route then complains of it.
    while words.peek() in _IP_WORDS[kind] and words.index + 2 < len(words.words):
        word = words.take()
        if word in ("dst", "src"):
            addresses[word] = _address(words, kind)
        elif word == "id":
            numbers["id"] = words.number(0, values.U64, "encap id %s value is invalid")
        elif word in ("tos", "tc"):
            text = f"dsfield %s not valid for {kind} encapsulation"
            numbers["tos"] = words.name_or_number(names.dsfields, values.U8, text)
        elif word in ("ttl", "hoplimit"):
            numbers["ttl"] = words.number(0, values.U8, f"{word} %s is not valid for {kind} encapsulation")
        else:
            numbers["flags"] = words.number(0, values.U16, f"flags %s is not valid for {kind} encapsulation")
    if "dst" not in addresses and "id" not in numbers:
        words.report("encap-incomplete", f"address or id missing for {kind} encapsulation")
        return None
    return Encap(
        kind=kind,
        id=numbers.get("id"),
        dst=addresses.get("dst"),
        src=addresses.get("src"),
        tos=numbers.get("tos"),
        ttl=numbers.get("ttl"),
        flags=numbers.get("flags"),
    )


def _address(words: Words, kind: str) -> Ip:
    word = words.value()
    address = values.ip(word)
    if isinstance(address, Fault):
        raise words.drop("encap-address", f"Invalid address {word} for {kind} encapsulation")
    if address.family != (4 if kind == "ip" else 6):
        raise words.drop("encap-family", f"IPv{address.family} address {word} not valid for {kind} encapsulation")
    return address
