"""A checker that died is started again: the table it left is taken over without a ripple."""

from __future__ import annotations

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import SorryServer
from pykeepalived.config.model.values import Ip
from tests.ipvs.harness import Lab, config, real, virtual

VS = "[10.99.0.1]:tcp:80"
S = "10.99.0.1:tcp:80"
SORRY = SorryServer(address=Ip.parse("10.10.0.14"), port=80)


def respawned(first: Lab, *virtuals: object, **words: object) -> Lab:
    """The successor of a core that died as it is."""
    lab = Lab(config(*virtuals, **words), first.kernel)  # type: ignore[arg-type]
    lab.up = set(first.up)
    lab.operations()
    return lab.start(respawned=True)


def test_nothing_happens_when_nothing_changed() -> None:
    service = virtual(real("10.10.0.11"), real("10.10.0.12", alpha=True), real("10.10.0.13"))
    first = Lab(config(service))
    first.up = {"10.10.0.11", "10.10.0.12"}
    first.start().run(1.5)
    lab = respawned(first, service, globals=GlobalDefs(lvs_flush=True))
    lab.run(3)
    assert lab.operations() == []
    assert lab.told == []
    assert lab.lines == ["Activating BFD healthchecker"]
    assert lab.weights() == {"10.10.0.11:80": 1, "10.10.0.12:80": 1}
    lab.check_table()


def test_what_changed_meanwhile_is_found_by_the_checks() -> None:
    service = virtual(real("10.10.0.11"), real("10.10.0.12"))
    first = Lab(config(service))
    first.up = {"10.10.0.11"}
    first.start().run(1.5)
    first.up = {"10.10.0.12"}
    lab = respawned(first, service)
    assert lab.operations() == []
    lab.run(1)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.11:80", f"NEW_DEST {S} -> 10.10.0.12:80 weight 1"]
    lab.stop()
    assert lab.kernel.services == {}


def test_a_sorry_server_in_use_stays_until_the_quorum_is_back() -> None:
    service = virtual(real("10.10.0.11"), sorry_server=SORRY)
    first = Lab(config(service)).start().run(1.5)
    assert first.weights() == {"10.10.0.14:80": 1}
    lab = respawned(first, service)
    lab.run(1)
    assert lab.operations() == []
    lab.up = {"10.10.0.11"}
    lab.run(1)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.14:80", f"NEW_DEST {S} -> 10.10.0.11:80 weight 1"]
    lab.check_table()


def test_an_inhibited_server_gets_its_weight_back_when_it_recovers() -> None:
    service = virtual(real("10.10.0.11", inhibit_on_failure=True, weight=5), real("10.10.0.12"))
    first = Lab(config(service))
    first.up = {"10.10.0.12"}
    first.start().run(1.5)
    assert first.weights() == {"10.10.0.11:80": 0, "10.10.0.12:80": 1}
    first.up.add("10.10.0.11")
    lab = respawned(first, service)
    assert lab.operations() == []
    lab.run(1)
    assert lab.weights() == {"10.10.0.11:80": 5, "10.10.0.12:80": 1}


def test_a_weight_that_the_file_no_longer_says_is_corrected() -> None:
    first = Lab(config(virtual(real("10.10.0.11"))))
    first.up = {"10.10.0.11"}
    first.start().run(1.5)
    lab = respawned(first, virtual(real("10.10.0.11", weight=7), real("10.10.0.12", checkers=())))
    assert lab.operations() == [
        f"SET_DEST {S} -> 10.10.0.11:80 weight 7",
        f"NEW_DEST {S} -> 10.10.0.12:80 weight 1",
    ]
    lab.check_table()


def test_a_service_that_is_not_there_is_made() -> None:
    lab = Lab(config(virtual(real("10.10.0.11")))).start(respawned=True)
    assert lab.operations() == [f"NEW_SERVICE {S}", f"NEW_DEST {S} -> 10.10.0.11:80 weight 1"]
    assert lab.told == [f"VS {VS} UP"]


def test_a_reload_after_an_adoption_changes_what_the_file_does_and_nothing_else() -> None:
    """What the entries carry is known since the adoption: they are not written again."""
    first = Lab(config(virtual(real("10.10.0.11", weight=3), real("10.10.0.12"))))
    first.up = {"10.10.0.11", "10.10.0.12"}
    first.start().run(1.5)
    lab = respawned(first, virtual(real("10.10.0.11", weight=3), real("10.10.0.12")))
    lab.run(1.5)
    lab.reload(config(virtual(real("10.10.0.11", weight=3), real("10.10.0.12"), real("10.10.0.13"))))
    assert lab.operations() == [f"NEW_DEST {S} -> 10.10.0.13:80 weight 1"]
    lab.check_table()
