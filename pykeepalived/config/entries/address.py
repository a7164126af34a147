"""Lines of virtual_ipaddress, virtual_ipaddress_excluded and static_ipaddress (keepalived.conf(5), static addresses).

The family rules of an instance and duplicates are the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config import values
from pykeepalived.config.entries.common import EntryDroppedError, Words
from pykeepalived.config.iproute_names import IprouteNames, number_or_name
from pykeepalived.config.model.network import IpAddress
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

LABEL_LENGTH = 15
_FLAGS = {"home": 0x10, "mngtmpaddr": 0x100, "noprefixroute": 0x200, "autojoin": 0x400}


def parse_address(
    statement: Statement, reading: Reading, names: IprouteNames, *, static: bool = False
) -> IpAddress | None:
    """Read one address line; None when it cannot be used. `static` allows track_group and forbids use_vmac.

    `interface` stays "" without `dev`: which one stands for it depends on the instance.
    """
    if not statement.words:
        return None
    words = Words(statement, reading)
    try:
        parsed = _Line(words, names, static)
        while words.more:
            parsed.word()
        return parsed.finish()
    except EntryDroppedError:
        return None


class _Line:
    """One address line being read."""

    def __init__(self, words: Words, names: IprouteNames, static: bool) -> None:
        text = words.take()
        prefix = values.prefix(text)
        if isinstance(prefix, Fault):
            raise words.drop("address-invalid", f"VRRP parsed invalid IP {text}. skipping IP...")
        if prefix.fault is not None:
            length = text.partition("/")[2]
            message = f"Invalid address prefix len {length} for address {text} - using {prefix.length}"
            words.report(prefix.fault.code, message, prefix.fault.kind)
        self.words = words
        self.names = names
        self.static = static
        self.prefix = prefix
        self.ip = prefix.address
        self.length = prefix.length
        self.flags = 0
        self.interface = self.label = self.track_group = ""
        self.scope = 0
        self.broadcast: Ip | None = None
        self.peer: Ip | None = None
        self.dad = self.no_track = self.use_vmac = False
        # Without the word a /128 is deprecated at once, so that it is never chosen as a source address.
        self.lifetime: int | None = 0 if self.ip.family == 6 and self.length == 128 else None

    def word(self) -> None:
        words = self.words
        word = words.take()
        if word in _FLAGS:
            self.flags |= _FLAGS[word]
        elif word in _WITH_VALUE and (self.static or word != "track_group"):
            if not words.more:
                raise words.drop("word-absent", f"No {word} parameter specified for {self.ip}")
            _WITH_VALUE[word](self)
        elif word == "-nodad":
            self.dad = True
        elif word == "no_track":
            self.no_track = True
        elif word == "use_vmac" and not self.static:
            self.use_vmac = True
        else:
            words.report("word-unknown", f"Unknown configuration entry '{word}' for ip address - ignoring")

    def take_dev(self) -> None:
        if self.interface:
            text = f"Cannot specify ipaddress device more than once for {self.ip}"
            raise self.words.drop("word-repeated", text)
        self.interface = self.words.interface(f"ip address {self.words.words[0]}")

    def take_scope(self) -> None:
        word = self.words.take()
        scope = number_or_name(word, self.names.scopes, values.U8)
        if isinstance(scope, Fault):
            self.words.report("scope-unknown", f"Invalid scope '{word}' specified for {self.ip} - ignoring")
        elif self.ip.family == 6 and scope:
            text = f"Cannot specify scope for IPv6 addresses ({self.words.words[0]}) - ignoring scope"
            self.words.report("scope-ipv6", text)
        else:
            self.scope = scope

    def take_broadcast(self) -> None:
        word = self.words.take()
        if self.ip.family == 6:
            text = f"VRRP is trying to assign a broadcast {word} to the IPv6 address {self.ip} - skipping VIP"
            raise self.words.drop("broadcast-ipv6", text)
        if word in ("+", "-"):
            if self.length > 30:
                self.words.report("broadcast-length", f"Address prefix length {self.length} too long for broadcast")
                return
            host = (1 << 32 - self.length) - 1
            number = int.from_bytes(self.ip, "big")
            number = number | host if word == "+" else number & ~host
            self.broadcast = Ip(number.to_bytes(4, "big"))
            return
        broadcast = values.ip(word, 4)
        if isinstance(broadcast, Fault):
            text = f"VRRP is trying to assign invalid broadcast {word}. skipping VIP..."
            raise self.words.drop("broadcast-invalid", text)
        self.broadcast = broadcast

    def take_label(self) -> None:
        word = self.words.take()
        if self.ip.family == 6:
            text = f"Cannot specify label for IPv6 addresses ({self.ip}) - ignoring label"
            self.words.report("label-ipv6", text)
        elif len(word.encode("utf-8", "surrogateescape")) > LABEL_LENGTH:
            text = f"Address label {word} is longer than maximum length {LABEL_LENGTH} - removing address"
            raise self.words.drop("label-long", text)
        else:
            self.label = word

    def take_peer(self) -> None:
        word = self.words.take()
        peer = values.ip(word)
        if self.peer is not None:
            self.words.report("peer-repeated", f"Peer {word} - another peer has already been specified")
        elif isinstance(peer, Fault):
            self.words.report("peer-invalid", f"Invalid peer address {word}")
        elif peer.family != self.ip.family:
            self.words.report("peer-family", f"Peer address {word} does not match address family")
        else:
            self.peer = peer

    def take_preferred_lft(self) -> None:
        word = self.words.take()
        lifetime = None if word == "forever" else values.integer(word, 0, values.U32)
        if isinstance(lifetime, Fault):
            self.words.report(lifetime.code, f"preferred_lft {word} is invalid", lifetime.kind)
            return
        self.lifetime = None if lifetime == values.U32 else lifetime

    def take_track_group(self) -> None:
        if self.track_group:
            self.words.report("track-group-repeated", f"track_group {self.words.take()} is a duplicate")
            self.words.skip()
            return
        self.track_group = self.words.track_group()

    def finish(self) -> IpAddress:
        """Settle what depends on several words."""
        length, broadcast = self.length, self.broadcast
        if self.peer is not None:
            if self.prefix.given:
                text = "Cannot specify address prefix when specifying peer address - ignoring"
                self.words.report("peer-prefix", text)
            if broadcast is not None:
                text = "Cannot specify broadcast and peer addresses - ignoring broadcast address"
                self.words.report("peer-broadcast", text)
            length, broadcast = self.ip.bits, None
        if self.no_track and self.track_group:
            self.words.note("track-group-untracked", f"{self.ip}: track_group without tracking - not tracked")
        return IpAddress(
            address=self.ip,
            prefix_length=length,
            interface=self.interface,
            interface_given=bool(self.interface),
            scope=self.scope,
            broadcast=broadcast,
            label=self.label,
            peer=self.peer,
            flags=self.flags,
            dad=self.dad,
            preferred_lft=self.lifetime,
            no_track=self.no_track,
            use_vmac=self.use_vmac,
            track_group=self.track_group,
            at=self.words.statement.span(),
        )


_WITH_VALUE: dict[str, Callable[[_Line], None]] = {
    "dev": _Line.take_dev,
    "scope": _Line.take_scope,
    "broadcast": _Line.take_broadcast,
    "brd": _Line.take_broadcast,
    "label": _Line.take_label,
    "peer": _Line.take_peer,
    "preferred_lft": _Line.take_preferred_lft,
    "track_group": _Line.take_track_group,
}
