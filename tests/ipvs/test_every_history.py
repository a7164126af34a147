"""Every order of deaths and returns in small pools, against a model of keepalived.conf(5) in a few lines."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from pykeepalived.config.model.ipvs import SorryServer, VirtualServer
from pykeepalived.config.model.values import Ip
from tests.ipvs.harness import Lab, config, real, virtual

ADDRESSES = ("10.10.0.11", "10.10.0.12", "10.10.0.13")
SORRY = "10.10.0.14"
VS = "[10.99.0.1]:tcp:80"
POOLS = (
    ((1, 1, 1), 1, 0),
    ((1, 2, 3), 5, 1),
    ((1, 2, 3), 3, 2),
    ((2, 0, 3), 2, 0),
    ((1, 1, 1), 3, 2),
)
"""Weights, quorum, hysteresis."""
LENGTH = 4


@dataclass
class Words:
    """The words of one virtual server that the model knows; `sorry` is "", "plain" or "inhibit"."""

    weights: tuple[int, ...]
    quorum: int
    hysteresis: int
    sorry: str
    inhibit: bool
    alpha: bool
    omega: bool

    def virtual(self) -> VirtualServer:
        servers = [
            real(address, weight=weight, inhibit_on_failure=self.inhibit, alpha=self.alpha)
            for address, weight in zip(ADDRESSES, self.weights, strict=True)
        ]
        sorry = SorryServer(address=Ip.parse(SORRY), port=80, inhibit=self.sorry == "inhibit") if self.sorry else None
        return virtual(
            *servers,
            quorum=self.quorum,
            hysteresis=self.hysteresis,
            sorry_server=sorry,
            alpha=self.alpha,
            omega=self.omega,
        )


class Model:
    """Who carries traffic and who is told what."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.alive = [not words.alpha] * len(ADDRESSES)
        self.told: list[str] = []
        self.up = self._total() >= words.quorum + words.hysteresis
        self.in_use = bool(words.sorry) and not self.up
        if self.up or self.in_use:
            self._tell_quorum()

    def first(self, number: int, answers: bool) -> None:
        """The first check decides; that a server with alpha stays down is told too."""
        if answers == self.alive[number]:
            if not answers:
                self._tell(number)
        else:
            self.change(number, answers)

    def change(self, number: int, alive: bool) -> None:
        self.alive[number] = alive
        self._tell(number)
        total, words = self._total(), self.words
        if not self.up and total >= words.quorum + words.hysteresis:
            self.up, self.in_use = True, False
            self._tell_quorum()
        elif self.up and (total == 0 or total < words.quorum - words.hysteresis):
            self.up, self.in_use = False, bool(words.sorry)
            self._tell_quorum()

    def stop(self) -> None:
        """Only with omega anybody hears of it: servers that were alive, then the quorum."""
        self.up = False
        for number, alive in enumerate(self.alive):
            if alive and self.words.omega:
                self.alive[number] = False
                self._tell(number)
        if self.words.omega:
            self._tell_quorum()

    def pool(self) -> dict[str, int]:
        """The kernel's weights: of who carries traffic, and 0 of who is only inhibited."""
        found = {}
        for address, weight, alive in zip(ADDRESSES, self.words.weights, self.alive, strict=True):
            if alive and not self.in_use:
                found[f"{address}:80"] = weight
            elif self.words.inhibit:
                found[f"{address}:80"] = 0
        if self.in_use or self.words.sorry == "inhibit":
            found[f"{SORRY}:80"] = int(self.in_use)
        return found

    def _total(self) -> int:
        return sum(weight for weight, alive in zip(self.words.weights, self.alive, strict=True) if alive)

    def _tell(self, number: int) -> None:
        self.told.append(f"RS [{ADDRESSES[number]}]:tcp:80 {VS} {'UP' if self.alive[number] else 'DOWN'}")

    def _tell_quorum(self) -> None:
        self.told.append(f"VS {VS} {'UP' if self.up else 'DOWN'}")


def live(words: Words, begin: tuple[bool, ...], history: tuple[int, ...]) -> None:
    """One life: who answers at the start, then one server after the other changes."""
    lab, model = Lab(config(words.virtual())), Model(words)
    lab.up = {address for address, answers in zip(ADDRESSES, begin, strict=True) if answers}
    lab.start()
    assert (lab.weights(), lab.told) == (model.pool(), model.told)
    lab.run(1)
    for number, answers in enumerate(begin):
        model.first(number, answers)
    assert (lab.weights(), lab.told) == (model.pool(), model.told)
    for number in history:
        lab.up ^= {ADDRESSES[number]}
        lab.run(1)
        model.change(number, ADDRESSES[number] in lab.up)
        assert (lab.weights(), lab.told) == (model.pool(), model.told)
        assert lab.core.director.virtuals[0].quorum_up == model.up
        lab.check_table()
    lab.stop()
    model.stop()
    assert lab.told == model.told
    assert lab.kernel.services == {}


@pytest.mark.keyword("virtual_server/omega")
@pytest.mark.keyword("virtual_server/sorry_server_inhibit")
@pytest.mark.keyword("virtual_server/real_server/inhibit_on_failure")
@pytest.mark.parametrize("omega", [False, True], ids=["", "omega"])
@pytest.mark.parametrize("alpha", [False, True], ids=["", "alpha"])
@pytest.mark.parametrize("inhibit", [False, True], ids=["remove", "inhibit"])
@pytest.mark.parametrize("sorry", ["", "plain", "inhibit"])
def test_every_history_is_that_of_the_model(sorry: str, inhibit: bool, alpha: bool, omega: bool) -> None:
    for weights, quorum, hysteresis in POOLS:
        words = Words(weights, quorum, hysteresis, sorry, inhibit, alpha, omega)
        for history in itertools.product(range(len(ADDRESSES)), repeat=LENGTH):
            live(words, (True, True, True), history)
        for begin in itertools.product((False, True), repeat=len(ADDRESSES)):
            for history in itertools.product(range(len(ADDRESSES)), repeat=2):
                live(words, begin, history)
