"""Random configurations, failures, reloads, thefts and deaths: the kernel always holds what health asks for."""

from __future__ import annotations

import random

import pytest

from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import (
    Forwarding,
    GroupEntry,
    LvsMethod,
    SorryServer,
    VirtualServer,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import Ip
from tests.ipvs.harness import Lab, config, real, virtual

SERVERS = [f"10.10.0.{number}" for number in range(11, 16)]


def random_virtual(dice: random.Random, address: str | None, group: str = "") -> VirtualServer:
    method = LvsMethod(forwarding=dice.choice([Forwarding.NAT, Forwarding.DR]))
    chosen = dice.sample(SERVERS, dice.randint(1, 4))
    servers = [
        real(
            server,
            weight=dice.choice([0, 1, 1, 2, 5]),
            inhibit_on_failure=dice.random() < 0.4,
            alpha=dice.random() < 0.3,
            method=method,
            check={"retry": dice.choice([0, 0, 1])},
        )
        for server in chosen
    ]
    sorry = None
    if dice.random() < 0.6:
        place = dice.choice([*SERVERS, "10.10.0.99"])
        twin = next((server for server in servers if str(server.address) == place), None)
        inhibit = twin.inhibit_on_failure if twin is not None else dice.random() < 0.4
        sorry = SorryServer(address=Ip.parse(place), port=80, inhibit=inhibit, method=method)
    total = sum(server.weight for server in servers)
    quorum = dice.randint(1, max(1, total))
    return virtual(
        *servers,
        address=address,
        group=group,
        quorum=quorum,
        hysteresis=dice.randint(0, quorum - 1),
        sorry_server=sorry,
        method=method,
        scheduler=dice.choice(["rr", "wrr", "sh"]),
    )


def random_config(dice: random.Random) -> Config:
    services = [random_virtual(dice, f"10.99.0.{number}") for number in range(1, 4) if dice.random() < 0.7]
    groups = ()
    if dice.random() < 0.5:
        firsts = dice.sample(range(1, 6), dice.randint(1, 3))
        entries = [GroupEntry(first=Ip.parse(f"10.99.1.{n}"), last=Ip.parse(f"10.99.1.{n}"), port=80) for n in firsts]
        if dice.random() < 0.5:
            entries.append(GroupEntry(fwmark=dice.choice([7, 8])))
        groups = (VirtualServerGroup(name="G", entries=tuple(entries)),)
        services.append(random_virtual(dice, None, "G"))
    return config(*services, virtual_server_groups=groups)


def steal(dice: random.Random, lab: Lab) -> None:
    """Somebody deletes an entry behind our back."""
    if not lab.kernel.services:
        return
    service = dice.choice(list(lab.kernel.services))
    if dice.random() < 0.3 or not lab.kernel.destinations[service]:
        del lab.kernel.services[service], lab.kernel.destinations[service]
    else:
        del lab.kernel.destinations[service][dice.choice(list(lab.kernel.destinations[service]))]


@pytest.mark.parametrize("seed", range(150))
def test_the_table_follows_health(seed: int) -> None:
    dice = random.Random(seed)
    wanted = random_config(dice)
    lab = Lab(wanted)
    lab.up = set(dice.sample(SERVERS, dice.randint(0, 5)))
    lab.start()
    lab.check_table()
    for _ in range(25):
        event = dice.random()
        if event < 0.6:
            lab.up ^= {dice.choice(SERVERS)}
        elif event < 0.8:
            wanted = random_config(dice)
            lab.reload(wanted)
            lab.check_table()
        elif event < 0.9:
            steal(dice, lab)
            lab.run(5)
        else:
            lab = successor(lab, wanted)
        lab.run(dice.choice([0.5, 1, 2.5]))
        lab.check_table()
        check_health(lab)
    lab.run(6)
    lab.stop()
    assert lab.kernel.services == {}


def successor(lab: Lab, wanted: Config) -> Lab:
    """The process died; the next one takes over."""
    new = Lab(wanted, lab.kernel)
    new.up = lab.up
    return new.start(respawned=True)


def check_health(lab: Lab) -> None:
    """Counters agree with what they count."""
    for service in lab.core.director.virtuals:
        for server in service.reals:
            down = [check for check in server.checks if not check.is_up]
            assert server.failed == len(down)
            assert server.alive == (not down)
        if service.sorry is not None and service.quorum_up:
            assert not service.sorry.in_use
