"""Random lives of clusters, as scenarios: nodes, configurations, network and faults. The same seed, the same life.

Everything the simulator can do happens here: reloads with other files, killed children, refusing kernels, BFD sessions,
real servers. At the end all is healed, every node has the same generation of files, and everything must be in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from pykeepalived.cli import simulate
from pykeepalived.sim.lan import Quality
from pykeepalived.sim.play import Play
from pykeepalived.sim.scenario import Action, Scenario

MS = 1_000_000
SECOND = 1_000_000_000
FAULTS_FROM, FAULTS_UNTIL = 8 * SECOND, 45 * SECOND
HEALED = 50 * SECOND
END = 82 * SECOND
NAMES = ("a", "b", "c")
SERVERS = tuple(f"10.1.0.{number}" for number in range(1, 6))


@dataclass(frozen=True)
class Kind:
    """What all nodes of a life have in common."""

    nodes: int
    count: int
    version: int
    family: int
    advert_ms: int
    unicast: bool
    grouped: bool
    bfd: str
    services: int

    @classmethod
    def choose(cls, random: Random) -> Kind:
        nodes, count, family = random.choice((2, 2, 3)), random.choice((1, 1, 2)), random.choice((4, 4, 6))
        version = 3 if family == 6 else random.choice((2, 3))
        return cls(
            nodes=nodes,
            count=count,
            version=version,
            family=family,
            advert_ms=random.choice((1000, 2000)) if version == 2 else random.choice((200, 1000)),
            unicast=random.random() < 0.3,
            grouped=count == 2 and random.random() < 0.5,
            bfd=random.choice(("", "", "", "router", "peers")) if family == 4 else "",
            services=random.choice((0, 0, 1, 2)),
        )


def prefix(family: int, number: int) -> str:
    """The subnet of the interface of this number, up to the host part."""
    return f"192.0.{2 + number}." if family == 4 else f"2001:db8:{number + 1}::"


class Generation:
    """One generation of the files of all nodes: what a reload may change, chosen once for the whole cluster."""

    def __init__(self, kind: Kind, random: Random) -> None:
        self.kind = kind
        self.priorities = random.sample(range(1, 255), kind.nodes)
        self.vips = [random.sample(range(100, 104), random.choice((1, 2))) for _ in range(kind.count)]
        self.nopreempt = random.random() < 0.2
        self.preempt_delay = random.choice((0, 0, 5))
        self.vmac = random.random() < 0.25 and not kind.unicast
        self.script_weight = None if kind.grouped else random.choice((None, 0, -30, 40))
        self.bfd_weight = random.choice((0, -30))
        self.bfd_ms = random.choice((150, 300))
        self.route = random.random() < 0.2
        self.services = "".join(self._service(number, random) for number in range(kind.services))

    def text(self, node: int) -> str:
        """The file of one node."""
        kind = self.kind
        parts = []
        if self.script_weight is not None:
            parts.append('vrrp_script chk {\n script "/bin/true"\n interval 1\n}\n')
        if kind.bfd:
            parts += [self._session(node, neighbor) for neighbor in self._neighbors(node)]
        parts += [self._instance(node, number) for number in range(kind.count)]
        if kind.grouped:
            parts.append("vrrp_sync_group G {\n group {\n  VI_0\n  VI_1\n }\n}\n")
        return "".join(parts) + self.services

    def _neighbors(self, node: int) -> list[int]:
        others = [each + 1 for each in range(self.kind.nodes) if each != node]
        return [254] if self.kind.bfd == "router" else others

    def _session(self, node: int, neighbor: int) -> str:
        here = prefix(self.kind.family, 0)
        times = f" min_tx {self.bfd_ms}\n min_rx {self.bfd_ms}\n multiplier 3\n"
        return f"bfd_instance B{neighbor} {{\n neighbor_ip {here}{neighbor}\n source_ip {here}{node + 1}\n{times}}}\n"

    def _instance(self, node: int, number: int) -> str:
        kind, here = self.kind, prefix(self.kind.family, number)
        words = [
            f"interface eth{number}",
            f"virtual_router_id {50 + number}",
            f"version {kind.version}",
            f"priority {self.priorities[node]}",
            f"advert_int {kind.advert_ms / 1000:g}",
        ]
        words += ["nopreempt"] if self.nopreempt else []
        words += [f"preempt_delay {self.preempt_delay}"] if self.preempt_delay and not self.nopreempt else []
        words += ["use_vmac"] if self.vmac else []
        if kind.unicast:
            peers = "".join(f"  {here}{other + 1}\n" for other in range(kind.nodes) if other != node)
            words += [f"unicast_src_ip {here}{node + 1}", f"unicast_peer {{\n{peers} }}"]
        if self.script_weight is not None:
            words.append(f"track_script {{\n  chk weight {self.script_weight}\n }}")
        if kind.bfd and number == 0 and not kind.grouped:
            weight = self.bfd_weight if kind.bfd == "router" else -30
            tracked = "".join(f"  B{neighbor} weight {weight}\n" for neighbor in self._neighbors(node))
            words.append(f"track_bfd {{\n{tracked} }}")
        length = 24 if kind.family == 4 else 64
        addresses = "".join(f"  {here}{host}/{length}\n" for host in self.vips[number])
        words.append(f"virtual_ipaddress {{\n{addresses} }}")
        if self.route and kind.family == 4:
            words.append(f"virtual_routes {{\n  198.51.{100 + number}.0/24 via {here}254 dev eth{number}\n }}")
        return "".join([f"vrrp_instance VI_{number} {{\n", *(f" {word}\n" for word in words), "}\n"])

    def _service(self, number: int, random: Random) -> str:
        places = random.sample(SERVERS, random.randint(1, 4))
        weights = [random.choice((0, 1, 1, 2, 5)) for _ in places]
        quorum = random.randint(1, max(1, sum(weights)))
        words = [
            f"delay_loop {random.choice((2, 5))}",
            "lb_algo wrr",
            f"lb_kind {random.choice(('NAT', 'DR'))}",
            "protocol TCP",
            "warmup 1",
            f"retry {random.choice((0, 1, 2))}",
            "delay_before_retry 1",
            f"quorum {quorum}",
            f"hysteresis {random.randint(0, quorum - 1)}",
        ]
        words += ["alpha"] if random.random() < 0.3 else []
        words += ["omega"] if random.random() < 0.3 else []
        words += ["ha_suspend"] if random.random() < 0.2 else []
        words += ["inhibit_on_failure"] if random.random() < 0.3 else []
        words += [f"sorry_server {random.choice((*SERVERS, '10.1.0.9'))} 80"] if random.random() < 0.5 else []
        for place, weight in zip(places, weights, strict=True):
            words.append(f"real_server {place} 80 {{\n  weight {weight}\n{self._checks(random)} }}")
        address = f"192.0.2.{100 + number}" if self.kind.family == 4 else f"10.0.0.{number + 1}"
        where = f"fwmark {number + 1}" if random.random() < 0.2 else f"{address} 80"
        return "".join([f"virtual_server {where} {{\n", *(f" {word}\n" for word in words), "}\n"])

    def _checks(self, random: Random) -> str:
        checks = "  TCP_CHECK {\n   connect_timeout 1\n  }\n"
        if random.random() < 0.2:
            checks += '  MISC_CHECK {\n   misc_path "/bin/true"\n  }\n'
        if self.kind.bfd == "router" and random.random() < 0.3:
            checks += "  BFD_CHECK {\n   name B254\n  }\n"
        return checks


def life(seed: int) -> Scenario:
    """The life of this number."""
    random = Random(seed)
    kind = Kind.choose(random)
    quality = Quality(
        loss=random.choice((0.0, 0.0, 0.05, 0.2)),
        duplicate=random.choice((0.0, 0.1)),
        jitter_ns=random.choice((0, 300_000, 30_000_000)),
    )
    generations = [Generation(kind, random) for _ in range(random.choice((1, 1, 2, 3)))]
    nodes = NAMES[: kind.nodes]
    texts = {name: generations[0].text(place) for place, name in enumerate(nodes)}
    files = {
        f"{name}{number}": generation.text(place)
        for number, generation in enumerate(generations)
        for place, name in enumerate(nodes)
    }
    actions = [Action("start", name, random.randrange(3000) * MS) for name in nodes]
    faults = [_fault(kind, generations, nodes, random) for _ in range(random.randrange(1, 12))]
    faults += [_meanwhile(action, kind, generations, nodes, random) for action in faults if action.kind == "refuse"]
    actions += sorted(_without_refused_stops(faults), key=lambda action: action.at)
    actions.append(Action("heal-all", "", HEALED))
    if len(generations) > 1:
        last = len(generations) - 1
        actions += [
            Action("reload", name, HEALED + (place + 1) * 100 * MS, 0, f"{name}{last}")
            for place, name in enumerate(nodes)
        ]
        actions.append(Action("expect-fresh", "", END))
    actions.append(Action("expect-settled", "", END))
    used = {action.file for action in actions}
    return Scenario(
        texts, tuple(actions), {name: text for name, text in files.items() if name in used}, quality, seed, END
    )


def _fault(kind: Kind, generations: list[Generation], nodes: tuple[str, ...], random: Random) -> Action:
    at = random.randrange(FAULTS_FROM // MS, FAULTS_UNTIL // MS) * MS
    name, number = random.choice(nodes), random.randrange(kind.count)
    other = random.choice([each for each in nodes if each != name])
    interface = f"eth{number}"
    choices = [
        Action("kill", name, at),
        Action("start", name, at),
        Action("stop", name, at),
        Action("kill-child", f"{name}:vrrp", at),
        Action("heal", name, at),
        Action("stall", name, at, random.randrange(1, 8000) * MS),
        Action("step-clock", name, at, random.choice((-3600, 3600)) * SECOND),
        Action("refuse", name, at, random.randrange(1, 4000) * MS),
        Action("down", f"{name}:{interface}", at),
        Action("up", f"{name}:{interface}", at),
        Action("cut", f"{name}-{other}", at),
        Action("oneway", f"{name}-{other}", at),
        Action("cut", name, at),
        _deletion(kind, generations, f"{name}:{interface}", number, at, random),
    ]
    if generations[0].script_weight is not None:
        choices += [Action("fail-script", f"{name}:chk", at), Action("pass-script", f"{name}:chk", at)]
    if kind.bfd:
        choices += [Action("kill-child", f"{name}:bfd", at)]
    if kind.bfd == "router":
        choices += [Action("bfd-down", f"{name}:B254", at), Action("bfd-up", f"{name}:B254", at)]
    if kind.services:
        server = random.choice(_known_servers(generations))
        choices += [
            Action("server-down", server, at),
            Action("server-down", server, at),
            Action("server-slow", server, at, random.choice((500, 3000)) * MS),
            Action("server-up", server, at),
            Action("kill-child", f"{name}:checker", at),
            Action("clear-services", name, at),
        ]
    if len(generations) > 1:
        choices += [Action("reload", name, at, 0, f"{name}{random.randrange(len(generations))}")] * 4
    return random.choice(choices)


def _meanwhile(
    refusal: Action, kind: Kind, generations: list[Generation], nodes: tuple[str, ...], random: Random
) -> Action:
    """Something that makes a kernel change happen while changes are refused."""
    return replace(_fault(kind, generations, nodes, random), at=refusal.at + random.randrange(refusal.amount))


def _without_refused_stops(faults: list[Action]) -> list[Action]:
    """Of servers that a stop cannot remove, a later daemon with another file knows nothing."""
    refusals = [(fault.what, fault.at, fault.at + fault.amount) for fault in faults if fault.kind == "refuse"]
    return [
        fault
        for fault in faults
        if fault.kind != "stop"
        or not any(what == fault.what and begin <= fault.at <= end for what, begin, end in refusals)
    ]


def _deletion(kind: Kind, generations: list[Generation], where: str, number: int, at: int, random: Random) -> Action:
    host = random.choice(generations[0].vips[number])
    length = 24 if kind.family == 4 else 64
    return Action("delete-address", f"{where}:{prefix(kind.family, number)}{host}/{length}", at)


def _known_servers(generations: list[Generation]) -> list[str]:
    return [server for server in SERVERS if f"real_server {server} " in generations[0].services]


def play(scenario: Scenario) -> Play:
    """Live it. Raises what a core raises."""
    made = simulate.prepare(scenario)
    made.run(scenario.duration, scenario.actions)
    return made
