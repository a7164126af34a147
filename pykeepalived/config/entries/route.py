"""Lines of virtual_routes and static_routes, in the words of ip-route(8) (keepalived.conf(5), static routes)."""

from __future__ import annotations

from collections.abc import Callable

from pykeepalived.config import values
from pykeepalived.config.entries.common import EntryDroppedError, Words, nearest
from pykeepalived.config.entries.encap import take_encap
from pykeepalived.config.entries.metrics import METRICS, Metrics
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.iproute_names import IprouteNames, number_or_name
from pykeepalived.config.model.network import RTPROT_KEEPALIVED, Encap, IpRoute, NextHop
from pykeepalived.config.model.values import Ip
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault

RTN_UNICAST = 1
_TYPES = {
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "brd": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
    "throw": 9,
    "nat": 10,
    "xresolve": 11,
}
"""Route types (rtnetlink(7), RTN_*)."""

_DEFAULTS = frozenset({"default", "any", "all"})
_PREFERENCES = {"low": 3, "medium": 0, "high": 1}
"""Router preference (RFC 4191 section 2.1)."""


def parse_route(statement: Statement, reading: Reading, names: IprouteNames, *, static: bool = False) -> IpRoute | None:
    """Read one route line; None when it cannot be used. `static` allows track_group."""
    if not statement.words:
        return None
    try:
        line = _Line(Words(statement, reading), names, static)
        while line.words.more:
            line.word()
        return line.finish()
    except EntryDroppedError:
        return None


class _Line:
    """One route line being read."""

    def __init__(self, words: Words, names: IprouteNames, static: bool) -> None:
        self.words = words
        self.names = names
        self.static = static
        self.family = 0
        self.has_destination = False
        self.destination: Ip | None = None
        self.length = 0
        self.type = RTN_UNICAST
        self.src: Ip | None = None
        self.via: Ip | None = None
        self.second: Ip | None = None
        self.source: values.Prefix | None = None
        self.tos: int | None = None
        self.table = 254
        self.protocol = RTPROT_KEEPALIVED
        self.scope: int | None = None
        self.metric: int | None = None
        self.interface = ""
        self.onlink = False
        self.encap: Encap | None = None
        self.expires: int | None = None
        self.metrics = Metrics(words)
        self.realms: int | None = None
        self.pref: int | None = None
        self.ttl_propagate: bool | None = None
        self.mode = "prepend"
        self.nexthops: list[NextHop] = []
        self.no_track = False
        self.track_group = ""

    # --- words --------------------------------------------------------------------------------------------------------

    def word(self) -> None:
        word = self.words.take()
        if word == "track_group" and self.static:
            self.take_track_group()
        elif (take := _WORDS.get(word)) is not None:
            take(self)
        elif word in METRICS:
            self.metrics.take(word)
        else:
            self.take_destination(word)

    def use_family(self, family: int) -> None:
        """All addresses of a route are of one family."""
        if self.family not in (0, family):
            raise self.words.drop("route-family", "Cannot mix IPv4 and IPv6 addresses for route")
        self.family = family

    def take_inet(self) -> None:
        self.use_family(4)

    def take_inet6(self) -> None:
        self.use_family(6)

    def take_to(self) -> None:
        self.set_destination(self.words.value())

    def take_destination(self, word: str) -> None:
        kind = number_or_name(word, _TYPES, values.U8)
        if isinstance(kind, Fault):
            self.set_destination(word)
            return
        self.type = kind
        self.set_destination(self.words.value())

    def set_destination(self, word: str) -> None:
        self.has_destination = True
        if word in _DEFAULTS or word == "default6":
            if word == "default6":
                self.words.note("route-default6", '"default6" for routes is deprecated. Please use "default"')
                self.use_family(6)
            self.destination, self.length = None, 0
            return
        prefix = values.prefix(word)
        if isinstance(prefix, Fault):
            raise self.words.drop(
                "route-word", f"unknown route keyword {word}", nearest(word, dict.fromkeys((*_WORDS, *METRICS)))
            )
        self.use_family(prefix.address.family)
        report_length(self.words, word, prefix)
        self.destination, self.length = prefix.address, prefix.length

    def address(self, what: str) -> Ip:
        word = self.words.value()
        address = values.ip(word)
        if isinstance(address, Fault):
            raise self.words.drop("route-address", f"Invalid {what} address {word} for route")
        self.use_family(address.family)
        return address

    def take_src(self) -> None:
        self.src = self.address("source")

    def take_via(self) -> None:
        self.via = self.gateway()

    def gateway(self) -> Ip:
        if self.words.peek() in ("inet", "inet6"):
            self.use_family(4 if self.words.take() == "inet" else 6)
        return self.address("gateway")

    def take_gw(self) -> None:
        self.words.report(
            "route-gw", '"gw" for routes is deprecated. Please use "via"', FindingClass.DEPRECATED, "write via"
        )
        self.via = self.gateway()

    def take_or(self) -> None:
        text = '"or" for routes is deprecated. Please use "nexthop"'
        self.words.report("route-or", text, FindingClass.DEPRECATED, "write nexthop via ADDRESS")
        self.second = self.address("gateway")

    def take_as(self) -> None:
        if self.words.peek() == "to":
            self.words.take()
        self.words.value()
        self.words.report("route-as", '"as to" for MPLS only - ignoring')

    def take_from(self) -> None:
        word = self.words.value()
        prefix = values.prefix(word)
        if isinstance(prefix, Fault):
            raise self.words.drop("route-address", f"Invalid from address {word} for route")
        if prefix.address.family != 6:
            raise self.words.drop("route-from", f"route from address only supported with IPv6 ({word})")
        self.use_family(6)
        report_length(self.words, word, prefix)
        self.source = prefix

    def take_tos(self) -> None:
        self.tos = self.words.name_or_number(self.names.dsfields, values.U8, "TOS value %s is invalid")

    def take_table(self) -> None:
        self.table = self.words.name_or_number(self.names.tables, values.U32, "Routing table %s not found for route")

    def take_protocol(self) -> None:
        text = "Protocol %s not found or invalid for route"
        self.protocol = self.words.name_or_number(self.names.protocols, values.U8, text)

    def take_scope(self) -> None:
        text = "Scope %s not found or invalid for route"
        self.scope = self.words.name_or_number(self.names.scopes, values.U8, text)

    def take_metric_number(self) -> None:
        self.metric = self.words.number(0, values.U32, "Invalid metric %s specified for route")

    def take_dev(self) -> None:
        self.interface = self.words.interface("VROUTE nexthop")

    def take_onlink(self) -> None:
        self.onlink = True

    def take_encap(self) -> None:
        self.encap = take_encap(self.words, self.names)

    def take_expires(self) -> None:
        if self.family == 4:
            raise self.words.drop("route-expires", "expires is only valid for IPv6")
        self.expires = self.words.number(0, values.U32, "Invalid expires time %s specified for route")
        self.family = 6

    def take_realms(self) -> None:
        self.realms = parse_realms(self.words, self.names, "Invalid realms %s for route")
        if self.family == 6:
            raise self.words.drop("route-realms", "realms are only valid for IPv4")
        self.family = 4

    def take_pref(self) -> None:
        pref = self.words.name_or_number(_PREFERENCES, values.U8, "Invalid pref value %s specified for route")
        if self.family == 4:
            raise self.words.drop("route-pref", "pref is only valid for IPv6")
        self.family, self.pref = 6, pref

    def take_ttl_propagate(self) -> None:
        word = self.words.value()
        if word not in ("enabled", "disabled"):
            raise self.words.drop("route-ttl", f"ttl-propagate value {word} not recognised", "enabled or disabled")
        self.ttl_propagate = word == "enabled"

    def take_add(self) -> None:
        self.mode = "add"

    def take_prepend(self) -> None:
        self.mode = "prepend"

    def take_append(self) -> None:
        self.mode = "append"

    def take_no_track(self) -> None:
        self.no_track = True

    def take_track_group(self) -> None:
        self.track_group = self.words.track_group(self.track_group)

    def take_vrf(self) -> None:
        name = self.words.interface("VROUTE vrf")
        interface = self.words.reading.environment.interfaces.get(name)
        if interface is None or not interface.vrf_table:
            raise self.words.drop("route-vrf", f"Route specified VRF {name} is not a VRF")
        self.table = interface.vrf_table

    # --- nexthops -----------------------------------------------------------------------------------------------------

    def take_nexthop(self) -> None:
        """Everything from the first `nexthop` to the end of the line."""
        words = self.words
        self.nexthops.append(self.one_nexthop())
        while words.more:
            if words.take() != "nexthop":
                words.report(
                    "route-trailing", f"Route has trailing nonsense after nexthops - {words.words[words.index]}"
                )
                words.skip()
                return
            self.nexthops.append(self.one_nexthop())

    def one_nexthop(self) -> NextHop:
        words = self.words
        via, interface, weight, given, onlink = None, "", 1, False, False
        encap: Encap | None = None
        realms: int | None = None
        while words.peek() in _NEXTHOP_WORDS:
            word = words.take()
            if word == "via":
                via = self.nexthop_gateway()
            elif word == "dev":
                interface = words.interface("VROUTE nexthop")
            elif word == "weight":
                weight, given = words.number(1, 256, "Invalid weight %s specified for route"), True
            elif word == "onlink":
                onlink = True
            elif word == "encap":
                encap = take_encap(words, self.names)
            else:
                realms = parse_realms(words, self.names, "Invalid realms %s for route")
        return NextHop(
            via=via,
            interface=interface,
            weight=weight,
            weight_given=given,
            onlink=onlink,
            encap=encap,
            realms=realms,
        )

    def nexthop_gateway(self) -> Ip:
        if self.words.peek() in ("inet", "inet6"):
            self.words.take()
        word = self.words.value()
        via = values.ip(word)
        if isinstance(via, Fault):
            raise self.words.drop("route-nexthop", f"invalid nexthop address {word}")
        if self.family not in (0, via.family):
            raise self.words.drop("route-family", "Address family mismatch for next hop")
        self.family = via.family
        return via

    # --- the whole ----------------------------------------------------------------------------------------------------

    def finish(self) -> IpRoute:
        words = self.words
        if not self.has_destination:
            raise words.drop("route-destination", "Route must have a destination")
        if self.source is not None or self.expires is not None or self.pref is not None:
            self.use_family(6)
        if self.realms is not None and self.family == 6:
            raise words.drop("route-realms", "realms are only valid for IPv4")
        if self.protocol != RTPROT_KEEPALIVED and not self.no_track:
            text = "Route cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol"
            words.report("route-protocol", text, suggestion="give no_track as well")
            self.protocol = RTPROT_KEEPALIVED
        if self.track_group and not self.interface:
            words.report("track-group-interface", "Static route cannot have track_group if dev not specified")
            self.track_group = ""
        if self.track_group and self.no_track:
            words.note("track-group-untracked", "route: track_group without tracking - not tracked")
        if self.second is not None:
            hops = [NextHop(via=self.via)] if self.via is not None else []
            self.nexthops = [*hops, NextHop(via=self.second), *self.nexthops]
            self.via = None
        return IpRoute(
            family=self.family or 4,
            destination=self.destination,
            prefix_length=self.length,
            type=self.type,
            src=self.src,
            via=self.via,
            from_address=self.source.address if self.source else None,
            from_length=self.source.length if self.source else 0,
            tos=self.tos,
            table=self.table,
            protocol=self.protocol,
            scope=self.scope,
            metric=self.metric,
            interface=self.interface,
            onlink=self.onlink,
            encap=self.encap,
            expires_s=self.expires,
            metrics=self.metrics.numbered(),
            locks=self.metrics.locks,
            realms=self.realms,
            pref=self.pref,
            ttl_propagate=self.ttl_propagate,
            mode=self.mode,
            nexthops=tuple(self.nexthops),
            no_track=self.no_track,
            track_group=self.track_group,
            at=words.statement.span(),
        )


_NEXTHOP_WORDS = frozenset({"via", "dev", "weight", "onlink", "encap", "realms"})

_WORDS: dict[str, Callable[[_Line], None]] = {
    "inet": _Line.take_inet,
    "inet6": _Line.take_inet6,
    "to": _Line.take_to,
    "src": _Line.take_src,
    "as": _Line.take_as,
    "via": _Line.take_via,
    "gw": _Line.take_gw,
    "or": _Line.take_or,
    "from": _Line.take_from,
    "tos": _Line.take_tos,
    "dsfield": _Line.take_tos,
    "table": _Line.take_table,
    "protocol": _Line.take_protocol,
    "scope": _Line.take_scope,
    "metric": _Line.take_metric_number,
    "priority": _Line.take_metric_number,
    "preference": _Line.take_metric_number,
    "dev": _Line.take_dev,
    "oif": _Line.take_dev,
    "onlink": _Line.take_onlink,
    "encap": _Line.take_encap,
    "expires": _Line.take_expires,
    "realms": _Line.take_realms,
    "pref": _Line.take_pref,
    "ttl-propagate": _Line.take_ttl_propagate,
    "add": _Line.take_add,
    "prepend": _Line.take_prepend,
    "append": _Line.take_append,
    "nexthop": _Line.take_nexthop,
    "no_track": _Line.take_no_track,
    "vrf": _Line.take_vrf,
}


def report_length(words: Words, text: str, prefix: values.Prefix) -> None:
    """Report a bad prefix length; the host length stands for it."""
    if prefix.fault is not None:
        length = text.partition("/")[2]
        message = f"Invalid address prefix len {length} for address {text} - using {prefix.length}"
        words.report(prefix.fault.code, message, prefix.fault.kind)


def parse_realms(words: Words, names: IprouteNames, text: str) -> int:
    """`REALM` or `FROM/TO`, numbers 0..255 or names of rt_realms, as source << 16 | destination."""
    word = words.value()
    parts = word.split("/")
    numbers = [number_or_name(part, names.realms, values.U8) for part in parts]
    realms = 0
    for number in numbers:
        if isinstance(number, Fault) or len(parts) > 2 or "" in parts:
            raise words.drop("realms-invalid", text.replace("%s", word))
        realms = realms << 16 | number
    return realms
