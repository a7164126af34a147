"""An IPVS core with a kernel in memory and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import Connection, RealServer, TcpCheck, VirtualServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import desired, effects
from pykeepalived.ipvs.checks.attempt import SUCCESS, Outcome, Reason
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.observe.cause import LogLine

SECOND = 1_000_000_000
REFUSED = Outcome(False, Reason.CONNECT_FAILED, "Connection refused", 111)


def tcp_check(address: str, port: int = 80, **words: Any) -> TcpCheck:
    words = {"delay_loop_us": 1_000_000, "warmup_us": 0, "retry": 0, **words}
    return TcpCheck(connection=Connection(address=Ip.parse(address), port=port, timeout_us=1_000_000), **words)


def real(address: str, port: int = 80, *, check: dict[str, Any] | None = None, **words: Any) -> RealServer:
    checkers = words.pop("checkers", None)
    if checkers is None:
        checkers = (tcp_check(address, port, alpha=words.get("alpha", False), **(check or {})),)
    return RealServer(address=Ip.parse(address), port=port, checkers=checkers, **words)


def virtual(*reals: RealServer, address: str | None = "10.99.0.1", port: int = 80, **words: Any) -> VirtualServer:
    from pykeepalived.config.model.ipvs import Protocol

    words.setdefault("protocol", Protocol.TCP)
    words.setdefault("scheduler", "wrr")
    where = Ip.parse(address) if address else None
    words.setdefault("family", where.family if where else 4)
    return VirtualServer(address=where, port=port if where else 0, real_servers=reals, **words)


def config(*virtuals: VirtualServer, **words: Any) -> Config:
    return Config(virtual_servers=virtuals, globals=words.pop("globals", GlobalDefs()), **words)


class Lab:
    """Runs a core. `up` tells which checkers' servers answer, by (address, port); everything else refuses."""

    def __init__(self, configuration: Config, kernel: FakeIpvs | None = None) -> None:
        self.core = IpvsCore(configuration, lambda _limit: 0)
        self.kernel = kernel or FakeIpvs()
        self.now = 0
        self.up: set[str] = set()
        self.lines: list[str] = []
        self.told: list[str] = []
        self.tells: list[effects.Tell] = []
        self.mails: list[str] = []
        self.checks: list[Any] = []
        self.other: list[Any] = []
        self.stopped = False
        self.answer: Callable[[effects.StartCheck], Outcome | None] = self._answer

    def start(self, respawned: bool = False) -> Lab:
        left = self.kernel.table() if respawned else None
        self.core.receive(effects.Start(self.kernel.timeouts(), left), self.now)
        return self.settle()

    def reload(self, configuration: Config) -> Lab:
        self.core.receive(effects.Reload(configuration, self.kernel.timeouts()), self.now)
        return self.settle()

    def stop(self, keep: bool = False) -> Lab:
        self.core.receive(effects.Stop(keep), self.now)
        return self.settle()

    def say(self, message: Any) -> Lab:
        self.core.receive(message, self.now)
        return self.settle()

    def run(self, seconds: float) -> Lab:
        """Let time pass; every attempt is answered at once."""
        end = self.now + int(seconds * SECOND)
        while (deadline := self.core.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.core.tick(self.now)
            self.settle()
        self.now = end
        return self

    def settle(self) -> Lab:
        while wanted := self.core.drain():
            for effect in wanted:
                self._perform(effect)
        return self

    def _perform(self, effect: Any) -> None:
        match effect:
            case LogLine():
                self.lines.append(effect.text)
            case effects.Operate(operations):
                self.core.receive(effects.Operated(tuple(self.kernel.perform(operations))), self.now)
            case effects.StartCheck(checker):
                self.checks.append(checker)
                outcome = self.answer(effect)
                if outcome is not None:
                    self.core.receive(effects.CheckEnded(checker, outcome), self.now)
            case effects.ReadTable():
                self.core.receive(effects.TableRead(self.kernel.table()), self.now)
            case effects.Tell():
                self.tells.append(effect)
                if not effect.trap_only:
                    name = (
                        f"RS {effect.real_name} {effect.virtual_name}" if effect.real else f"VS {effect.virtual_name}"
                    )
                    self.told.append(f"{name} {'UP' if effect.up else 'DOWN'}")
            case effects.MailReal():
                self.mails.append(f"{effect.real_name} {'UP' if effect.up else 'DOWN'} {effect.body}")
            case effects.Stopped():
                self.stopped = True
            case _:
                self.other.append(effect)

    def _answer(self, effect: effects.StartCheck) -> Outcome | None:
        connection = effect.attempt.connection
        assert connection is not None
        return SUCCESS if str(connection.address) in self.up else REFUSED

    # looking

    def operations(self) -> list[str]:
        """What the kernel was asked since the last call."""
        done = [f"{operation}" + (f" errno {error}" if error else "") for operation, error in self.kernel.log]
        self.kernel.log.clear()
        return done

    def take_lines(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines

    def weights(self) -> dict[str, int]:
        """Destination to weight, of all services."""
        return {str(key): values.weight for found in self.kernel.destinations.values() for key, values in found.items()}

    def check_table(self) -> None:
        """The kernel holds what health asks for."""
        wanted = desired.table(self.core.director.virtuals)
        assert self.kernel.table() == wanted
