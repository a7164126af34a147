"""Virtual servers and quorum: exact operations, lines and notifications. All histories: test_every_history.py."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.ipvs import Forwarding as Fwd
from pykeepalived.config.model.ipvs import LvsMethod, Protocol, SorryServer
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.report import snapshot
from pykeepalived.ipvs.state import Virtual
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import Command, Operation, OperationFailure
from tests.ipvs.harness import SECOND, Lab, config, real, tcp_check, virtual

VS = "[10.99.0.1]:tcp:80"


def rs(number: int) -> str:
    return f"[10.10.0.1{number}]:tcp:80"


@pytest.mark.keyword("virtual_server/real_server/weight")
def test_servers_without_alpha_are_there_before_any_check_and_one_failure_removes() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"), real("10.10.0.12", weight=2))))
    lab.up = {"10.10.0.12"}
    lab.start()
    assert lab.operations() == [
        "NEW_SERVICE 10.99.0.1:tcp:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80 weight 2",
    ]
    assert lab.take_lines() == [
        f"Gained quorum 1+0=1 <= 3 for VS {VS}",
        f"Activating healthchecker for service {rs(1)} for VS {VS}",
        f"Activating healthchecker for service {rs(2)} for VS {VS}",
        "Activating BFD healthchecker",
    ]
    lab.run(0.99)
    assert lab.checks == []
    lab.run(0.01)
    assert lab.operations() == ["DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80"]
    assert lab.take_lines() == [
        f"TCP_CHECK on service {rs(1)} failed.",
        f"Removing service {rs(1)} from VS {VS}",
        f"TCP connection to {rs(2)} success.",
    ]
    assert lab.told == [f"VS {VS} UP", f"RS {rs(1)} {VS} DOWN"]
    lab.check_table()
    lab.stop()
    assert lab.take_lines() == [
        f"Shutting down service {rs(1)} from VS {VS}",
        f"Shutting down service {rs(2)} from VS {VS}",
    ]
    assert lab.operations() == [
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80",
        "DEL_SERVICE 10.99.0.1:tcp:80",
    ]
    assert lab.stopped
    assert lab.told == [f"VS {VS} UP", f"RS {rs(1)} {VS} DOWN"]


@pytest.mark.keyword("virtual_server/alpha")
@pytest.mark.keyword("virtual_server/real_server/alpha")
def test_alpha_starts_empty_and_an_alpha_server_failing_first_is_told_down() -> None:
    lab = Lab(config(virtual(real("10.10.0.11", alpha=True), real("10.10.0.12", alpha=True))))
    lab.up = {"10.10.0.11"}
    lab.start()
    assert lab.operations() == ["NEW_SERVICE 10.99.0.1:tcp:80"]
    lab.take_lines()
    lab.run(1)
    assert lab.operations() == ["NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1"]
    assert lab.take_lines() == [
        f"TCP connection to {rs(1)} success.",
        f"Adding service {rs(1)} to VS {VS}",
        f"Gained quorum 1+0=1 <= 1 for VS {VS}",
        f"TCP_CHECK on service {rs(2)} failed.",
    ]
    assert lab.told == [f"RS {rs(1)} {VS} UP", f"VS {VS} UP", f"RS {rs(2)} {VS} DOWN"]


@pytest.mark.keyword("virtual_server/quorum")
@pytest.mark.keyword("virtual_server/hysteresis")
@pytest.mark.keyword("virtual_server/sorry_server")
def test_quorum_with_hysteresis_and_sorry_server() -> None:
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    servers = [real(f"10.10.0.1{n}", weight=n) for n in (1, 2, 3)]
    lab = Lab(config(virtual(*servers, quorum=5, hysteresis=1, sorry_server=sorry)))
    lab.up = {"10.10.0.11", "10.10.0.12", "10.10.0.13"}
    lab.start()
    assert f"Gained quorum 5+1=6 <= 6 for VS {VS}" in lab.take_lines()
    lab.run(1.5)
    lab.operations(), lab.take_lines(), lab.told.clear()
    lab.up.discard("10.10.0.11")
    lab.run(1)
    assert lab.operations() == ["DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80"]
    lab.take_lines()
    lab.up.discard("10.10.0.12")
    lab.run(1)
    assert lab.operations() == [
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80",
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.13:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.14:80 weight 1",
    ]
    assert lab.take_lines() == [
        f"TCP_CHECK on service {rs(2)} failed.",
        f"Removing service {rs(2)} from VS {VS}",
        f"Lost quorum 5-1=4 > 3 for VS {VS}",
        f"Adding sorry server {rs(4)} to VS {VS}",
        f"Removing alive servers from the pool for VS {VS}",
    ]
    lab.check_table()
    lab.up.add("10.10.0.12")
    lab.run(1)
    assert lab.operations() == []
    assert lab.take_lines() == [
        f"TCP connection to {rs(2)} success.",
        f"Adding service {rs(2)} to VS {VS}",
    ]
    lab.up.add("10.10.0.11")
    lab.run(1)
    assert lab.operations() == [
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.14:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80 weight 2",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.13:80 weight 3",
    ]
    assert lab.take_lines()[2:] == [
        f"Gained quorum 5+1=6 <= 6 for VS {VS}",
        f"Removing sorry server {rs(4)} from VS {VS}",
        f"Adding alive servers to the pool for VS {VS}",
    ]
    assert lab.told == [
        f"RS {rs(1)} {VS} DOWN",
        f"RS {rs(2)} {VS} DOWN",
        f"VS {VS} DOWN",
        f"RS {rs(2)} {VS} UP",
        f"RS {rs(1)} {VS} UP",
        f"VS {VS} UP",
    ]


@pytest.mark.keyword("virtual_server/sorry_server_inhibit")
def test_inhibited_sorry_server_is_there_with_weight_0() -> None:
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80, inhibit=True)
    lab = Lab(config(virtual(real("10.10.0.11"), sorry_server=sorry)))
    lab.up = {"10.10.0.11"}
    lab.start().run(1)
    assert lab.weights() == {"10.10.0.11:80": 1, "10.10.0.14:80": 0}
    lab.operations(), lab.take_lines()
    lab.up.clear()
    lab.run(1)
    assert lab.operations() == [
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80",
        "SET_DEST 10.99.0.1:tcp:80 -> 10.10.0.14:80 weight 1",
    ]
    assert f"Enabling sorry server {rs(4)} to VS {VS}" in lab.take_lines()
    lab.stop()
    assert lab.operations() == [
        "DEL_DEST 10.99.0.1:tcp:80 -> 10.10.0.14:80",
        "DEL_SERVICE 10.99.0.1:tcp:80",
    ]


@pytest.mark.keyword("virtual_server/inhibit_on_failure")
@pytest.mark.keyword("virtual_server/real_server/inhibit_on_failure")
def test_inhibit_on_failure_sets_the_weight_to_0() -> None:
    lab = Lab(config(virtual(real("10.10.0.11", inhibit_on_failure=True), real("10.10.0.12"))))
    lab.up = {"10.10.0.12"}
    lab.start()
    lab.operations()
    lab.run(1)
    assert lab.operations() == ["SET_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 0"]
    assert f"Disabling service {rs(1)} of VS {VS}" in lab.lines
    lab.up.add("10.10.0.11")
    lab.run(1)
    assert lab.operations() == ["SET_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1"]
    assert f"Enabling service {rs(1)} of VS {VS}" in lab.lines


def test_a_server_with_two_checkers_is_up_only_while_both_pass() -> None:
    both = (tcp_check("10.10.0.11"), tcp_check("10.10.0.21"))
    lab = Lab(config(virtual(real("10.10.0.11", checkers=both))))
    lab.up = {"10.10.0.11", "10.10.0.21"}
    lab.start().run(1)
    lab.operations()
    lab.up.discard("10.10.0.21")
    lab.run(1)
    assert lab.weights() == {}
    lab.up.discard("10.10.0.11")
    lab.run(1)
    lab.up.add("10.10.0.21")
    lab.run(1)
    assert lab.weights() == {}
    lab.up.add("10.10.0.11")
    lab.run(1)
    assert lab.weights() == {"10.10.0.11:80": 1}
    assert [line for line in lab.told if line.startswith("RS")] == [f"RS {rs(1)} {VS} DOWN", f"RS {rs(1)} {VS} UP"]


@pytest.mark.keyword("virtual_server/retry")
@pytest.mark.keyword("virtual_server/delay_before_retry")
@pytest.mark.keyword("virtual_server/delay_loop")
def test_retries_come_delay_before_retry_apart_and_the_first_failure_needs_none() -> None:
    words = {"retry": 2, "delay_before_retry_us": 300_000, "delay_loop_us": 2_000_000, "log_all_failures": True}
    lab = Lab(config(virtual(real("10.10.0.11", check=words))))
    lab.up = {"10.10.0.11"}
    lab.start().run(1)
    lab.up.clear()
    lab.take_lines()
    lab.run(2)
    assert lab.take_lines() == [f"TCP connection to {rs(1)} failed."]
    lab.run(0.29)
    assert lab.take_lines() == []
    lab.run(0.01)
    assert lab.take_lines() == [f"TCP connection to {rs(1)} failed."]
    lab.run(0.3)
    assert lab.take_lines() == [
        f"TCP connection to {rs(1)} failed.",
        f"TCP_CHECK on service {rs(1)} failed after 2 retries.",
        f"Removing service {rs(1)} from VS {VS}",
        f"Lost quorum 1-0=1 > 0 for VS {VS}",
    ]
    lab.run(20)
    assert lab.take_lines() == []


@pytest.mark.keyword("virtual_server/omega")
def test_stop_with_omega_tells_and_without_does_not() -> None:
    one = virtual(real("10.10.0.11"), omega=True, smtp_alert=True)
    two = virtual(real("10.10.0.12", smtp_alert=False), address="10.99.0.2")
    lab = Lab(config(one, two))
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(1)
    lab.told.clear()
    lab.stop()
    assert lab.told == [f"RS {rs(1)} {VS} DOWN", f"VS {VS} DOWN"]
    assert lab.mails == [f"{rs(1)} DOWN => Shutting down <="]


@pytest.mark.keyword("global_defs/lvs_flush_on_stop")
@pytest.mark.parametrize(
    ("how", "expected"), [("all", ["FLUSH"]), ("VS", ["DEL_SERVICE 10.99.0.1:tcp:80"]), ("", None)]
)
def test_flush_on_stop(how: str, expected: list[str] | None) -> None:
    lab = Lab(config(virtual(real("10.10.0.11")), globals=GlobalDefs(lvs_flush_on_stop=how)))
    lab.start()
    lab.operations(), lab.take_lines()
    lab.stop()
    done = lab.operations()
    assert done == expected if expected is not None else len(done) == 2
    assert bool(lab.take_lines()) == (how == "")


def test_dont_release_ipvs_leaves_the_table() -> None:
    lab = Lab(config(virtual(real("10.10.0.11")))).start()
    lab.operations()
    lab.stop(keep=True)
    assert lab.operations() == []
    assert lab.stopped


@pytest.mark.keyword("global_defs/rs_init_notifies")
def test_rs_init_notifies_tells_servers_of_the_start() -> None:
    lab = Lab(config(virtual(real("10.10.0.11")), globals=GlobalDefs(rs_init_notifies=True))).start()
    assert lab.told == [f"RS {rs(1)} {VS} UP", f"VS {VS} UP"]


def test_a_quorum_that_cannot_be_gained_says_nothing() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"), quorum=1, hysteresis=1))).start()
    assert [line for line in lab.lines if "quorum" in line] == []
    assert lab.told == []


def test_starting_below_the_quorum_with_a_sorry_server() -> None:
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    lab = Lab(config(virtual(real("10.10.0.11", alpha=True), quorum=5, hysteresis=1, sorry_server=sorry))).start()
    assert lab.lines[:3] == [
        f"Starting with quorum down 5-1=6 > 0 for VS {VS}",
        f"Adding sorry server {rs(4)} to VS {VS}",
        f"Removing alive servers from the pool for VS {VS}",
    ]
    assert lab.told == [f"VS {VS} DOWN"]
    lab.check_table()


def test_mail_follows_a_change_of_the_checker_only() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"))))
    lab.up = {"10.10.0.11"}
    lab.start().run(3)
    assert lab.mails == []
    lab.up.clear()
    lab.run(1)
    lab.up = {"10.10.0.11"}
    lab.run(1)
    assert lab.mails == [
        f"{rs(1)} DOWN => TCP CHECK failed on service <=",
        f"{rs(1)} UP => TCP CHECK succeed on service <=",
    ]


def test_a_refused_addition_changes_nothing_and_is_tried_again() -> None:
    bad = real("10.10.0.11", alpha=True, upper_threshold=1, lower_threshold=2)
    lab = Lab(config(virtual(bad, real("10.10.0.12"))))
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(2)
    refused = "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1 errno 34"
    assert lab.operations().count(refused) == 2
    error = "Numerical result out of range(34) (10.99.0.1:tcp:80 -> 10.10.0.11:80)"
    assert f"IPVS cmd IP_VS_SO_SET_ADDDEST(1159) error: {error}" in lab.lines
    assert not [line for line in lab.told if line.startswith(f"RS {rs(1)}")]
    lab.check_table()


def test_errors_of_the_first_additions_change_nothing() -> None:
    bad = real("10.10.0.11", upper_threshold=1, lower_threshold=2)
    lab = Lab(config(virtual(bad))).start()
    assert f"Gained quorum 1+0=1 <= 1 for VS {VS}" in lab.lines


def test_what_somebody_deletes_comes_back_and_what_is_not_ours_stays() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"), real("10.10.0.12"))))
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(2)
    lab.operations(), lab.take_lines()
    service = next(iter(lab.kernel.services))
    foreign = service._replace(port=99)
    lab.kernel.services[foreign] = lab.kernel.services[service]
    lab.kernel.destinations[foreign] = {}
    first, second = lab.kernel.destinations[service]
    lab.kernel.destinations[service][second] = lab.kernel.destinations[service][second]._replace(weight=7)
    del lab.kernel.destinations[service][first]
    lab.run(5)
    assert lab.operations() == ["NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1"]
    assert lab.weights() == {"10.10.0.11:80": 1, "10.10.0.12:80": 7}
    lab.kernel.services.clear()
    lab.kernel.destinations.clear()
    lab.run(5)
    assert lab.operations() == [
        "NEW_SERVICE 10.99.0.1:tcp:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80 weight 1",
    ]
    assert lab.told == [f"VS {VS} UP"]


def test_a_recovery_that_meets_a_missing_service_restores_it_at_once() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"), real("10.10.0.12"))))
    lab.up = {"10.10.0.12"}
    lab.start().run(1.5)
    lab.kernel.services.clear()
    lab.kernel.destinations.clear()
    lab.up.add("10.10.0.11")
    lab.operations()
    lab.run(1)
    assert lab.operations() == [
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1 errno 3",
        "NEW_SERVICE 10.99.0.1:tcp:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.12:80 weight 1",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 1",
    ]
    lab.check_table()


@pytest.mark.keyword("virtual_server/lvs_method")
def test_ports_of_nat_and_direct_destinations() -> None:
    direct = LvsMethod(forwarding=Fwd.DR)
    one = virtual(real("10.10.0.11", 8080), address="10.99.0.1", port=80)
    two = virtual(real("10.10.0.12", 0, method=direct), address=None, fwmark=5, protocol=Protocol.NONE)
    lab = Lab(config(one, two)).start()
    assert lab.operations() == [
        "NEW_SERVICE 10.99.0.1:tcp:80",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:8080 weight 1",
        "NEW_SERVICE Fwm 5",
        "NEW_DEST Fwm 5 -> 10.10.0.12:0 weight 1",
    ]
    assert "Gained quorum 1+0=1 <= 1 for VS FWM 5" in lab.lines


def test_set_weight_moves_the_kernel_and_the_quorum() -> None:
    lab = Lab(config(virtual(real("10.10.0.11"))))
    lab.up = {"10.10.0.11"}
    lab.start().run(1)
    lab.operations(), lab.take_lines()
    lab.say(effects.SetWeight(VS, rs(1), 0))
    assert lab.operations() == ["SET_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 0"]
    assert lab.take_lines() == [
        f"Changing weight from 1 to 0 for active service {rs(1)} of VS {VS}",
        f"Lost quorum 1-0=1 > 0 for VS {VS}",
    ]


def test_a_look_at_a_large_table_that_takes_long_is_repeated_less_often() -> None:
    lab = Lab(config(virtual(real("10.10.0.11", checkers=())))).start()
    lab.core.tick(5 * SECOND)
    lab.core.receive(effects.TableRead(lab.kernel.table()), 5 * SECOND + SECOND // 5)
    assert lab.core.deadline() == 25 * SECOND + SECOND // 5


def test_a_verdict_does_not_look_at_the_whole_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of servers may die together: only a quorum that changes is added up."""
    servers = [f"10.10.{number // 200}.{number % 200 + 1}" for number in range(400)]
    lab = Lab(config(virtual(*(real(server) for server in servers))))
    lab.up = set(servers)
    lab.start().run(2)
    sums = 0
    add_up = Virtual.weight_sum

    def counted(self: Virtual) -> int:
        nonlocal sums
        sums += 1
        return add_up(self)

    monkeypatch.setattr(Virtual, "weight_sum", counted)
    lab.up = set()
    lab.run(1.5)
    assert lab.weights() == {}
    assert sums == 1
    lab.up = set(servers)
    lab.run(1.5)
    assert len(lab.weights()) == 400
    assert sums == 2


def test_why_a_quorum_came_and_went() -> None:
    """What `why` shows: the fact, the arithmetic and the moment."""
    lab = Lab(config(virtual(real("10.10.0.11", weight=3), real("10.10.0.12", weight=2), quorum=4, hysteresis=1)))
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start()
    seen = snapshot(lab.core).virtual_servers[0]
    assert seen.cause is not None
    assert (seen.cause.fact, seen.cause.subject) == ("quorum_gained", VS)
    assert seen.cause.detail == "live servers weigh 5, quorum 4, hysteresis 1"
    lab.up.discard("10.10.0.12")
    lab.run(1)
    assert snapshot(lab.core).virtual_servers[0].quorum_up, "3 is not below 4 - 1"
    lab.up.discard("10.10.0.11")
    lab.run(1)
    seen = snapshot(lab.core).virtual_servers[0]
    assert seen.cause is not None
    assert (seen.cause.fact, seen.cause.detail) == ("quorum_lost", "live servers weigh 0, quorum 4, hysteresis 1")
    assert seen.last_change_ns == seen.cause.since == 2 * SECOND


def test_an_entry_to_be_changed_that_has_vanished_is_made_anew_at_once() -> None:
    lab = Lab(config(virtual(real("10.10.0.11", inhibit_on_failure=True), real("10.10.0.12"))))
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(1)
    (entries,) = lab.kernel.destinations.values()
    gone = next(key for key in entries if str(key).startswith("10.10.0.11"))
    del entries[gone]
    lab.operations(), lab.take_lines()
    lab.up.discard("10.10.0.11")
    lab.run(1)
    assert lab.operations()[:2] == [
        "SET_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 0 errno 2",
        "NEW_DEST 10.99.0.1:tcp:80 -> 10.10.0.11:80 weight 0",
    ]
    assert not [line for line in lab.take_lines() if "rror" in line]
    lab.check_table()


def test_an_entry_that_cannot_be_made_anew_is_a_verdict_not_carried_out() -> None:
    """The server stays what it was, nobody is told, and the next check tries again."""

    class Full(FakeIpvs):
        full = False

        def perform(self, operations: Sequence[Operation]) -> list[OperationFailure]:
            if self.full and operations[0].command is Command.NEW_DEST:
                return [OperationFailure(0, errno.ENOMEM)]
            return super().perform(operations)

    kernel = Full()
    lab = Lab(config(virtual(real("10.10.0.11", inhibit_on_failure=True), real("10.10.0.12"))), kernel)
    lab.up = {"10.10.0.11", "10.10.0.12"}
    lab.start().run(1)
    kernel.full = True
    (entries,) = kernel.destinations.values()
    entries.clear()
    lab.up.discard("10.10.0.11")
    lab.told.clear()
    lab.run(1)
    assert lab.told == []
    assert snapshot(lab.core).virtual_servers[0].real_servers[0].alive
    kernel.full = False
    lab.run(10)
    assert lab.told == [f"RS {rs(1)} {VS} DOWN"]
    lab.check_table()


def test_after_a_stop_no_sorry_server_is_in_use() -> None:
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    lab = Lab(config(virtual(real("10.10.0.11"), sorry_server=sorry))).start().run(1)
    assert snapshot(lab.core).virtual_servers[0].sorry_in_use
    lab.stop()
    assert lab.kernel.services == {}
    assert not snapshot(lab.core).virtual_servers[0].sorry_in_use


def test_a_quorum_of_nothing_is_never_gained() -> None:
    """What becomes of a quorum when all weights of the file are 0: nobody alive is still nobody."""
    lab = Lab(config(virtual(real("10.10.0.11", weight=0), quorum=0)))
    lab.up = {"10.10.0.11"}
    lab.start().run(1)
    lab.up.clear()
    lab.run(1)
    assert [line for line in lab.take_lines() if "quorum" in line] == []
    lab.say(effects.SetWeight(VS, rs(1), 3))
    lab.up = {"10.10.0.11"}
    lab.run(1)
    assert f"Gained quorum 0+0=0 <= 3 for VS {VS}" in lab.take_lines()
    lab.up.clear()
    lab.run(1)
    assert f"Lost quorum 0-0=0 > 0 for VS {VS}" in lab.take_lines()
    assert not snapshot(lab.core).virtual_servers[0].quorum_up
