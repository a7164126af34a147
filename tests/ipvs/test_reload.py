"""Reload: what stays keeps its state, what changed costs only its difference; exact operations and lines."""

from __future__ import annotations

import dataclasses

import pytest

from pykeepalived.config.model.globals import Firewall, GlobalDefs, LvsSyncDaemon, LvsTimeouts
from pykeepalived.config.model.ipvs import (
    FileCheck,
    Forwarding,
    GroupEntry,
    LvsMethod,
    SorryServer,
    VirtualServerGroup,
)
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.report import snapshot
from pykeepalived.netlink.services import Timeouts
from tests.ipvs.harness import Lab, config, real, tcp_check, virtual

VS = "[10.99.0.1]:tcp:80"
S = "10.99.0.1:tcp:80"


def rs(number: int, port: int = 80) -> str:
    return f"[10.10.0.1{number}]:tcp:{port}"


def started(*virtuals: object, up: tuple[int, ...] = (1, 2, 3, 4), **words: object) -> Lab:
    lab = Lab(config(*virtuals, **words))  # type: ignore[arg-type]
    lab.up = {f"10.10.0.1{number}" for number in up}
    lab.start().run(1.5)
    lab.operations(), lab.take_lines(), lab.told.clear(), lab.mails.clear()
    return lab


def test_servers_removed_added_and_reweighted() -> None:
    lab = started(virtual(real("10.10.0.11"), real("10.10.0.12", weight=2), real("10.10.0.14", weight=4)), up=(1, 2, 3))
    lab.reload(
        config(virtual(real("10.10.0.12", weight=7), real("10.10.0.13", weight=3), real("10.10.0.14", weight=4)))
    )
    assert lab.operations() == [
        f"DEL_DEST {S} -> 10.10.0.11:80",
        f"SET_DEST {S} -> 10.10.0.12:80 weight 7",
        f"NEW_DEST {S} -> 10.10.0.13:80 weight 3",
    ]
    assert lab.take_lines() == [
        f"service {rs(1)} no longer exist",
        f"Removing service {rs(1)} from VS {VS}",
        f"Changing weight from 2 to 7 for active service {rs(2)} of VS {VS}",
        f"Activating healthchecker for service {rs(3)} for VS {VS}",
        "Activating BFD healthchecker",
    ]
    assert lab.told == [f"RS {rs(1)} {VS} DOWN"]
    assert lab.mails == [f"{rs(1)} DOWN => Removing <="]
    lab.run(1)
    assert lab.take_lines() == [f"TCP connection to {rs(3)} success."]
    lab.check_table()


def test_an_equal_configuration_changes_nothing_and_keeps_the_objects() -> None:
    first = virtual(real("10.10.0.11"), real("10.10.0.12"))
    lab = started(first, up=(1,))
    before = lab.core.director.virtuals[0]
    lab.reload(config(virtual(real("10.10.0.11"), real("10.10.0.12"))))
    assert lab.operations() == []
    assert lab.take_lines() == ["Activating BFD healthchecker"]
    assert lab.core.director.virtuals[0] is before
    assert lab.told == []
    lab.up.add("10.10.0.12")
    lab.run(1)
    assert lab.operations() == [f"NEW_DEST {S} -> 10.10.0.12:80 weight 1"]


def test_services_edited_removed_added_and_a_method_changed() -> None:
    direct = LvsMethod(forwarding=Forwarding.DR)
    lab = started(
        virtual(real("10.10.0.11")),
        virtual(real("10.10.0.12"), address="10.99.0.2"),
        virtual(real("10.10.0.13"), address="10.99.0.3"),
    )
    lab.reload(
        config(
            virtual(real("10.10.0.11"), scheduler="sh", persistence_timeout_s=50),
            virtual(real("10.10.0.13", method=direct), address="10.99.0.3", method=direct),
            virtual(real("10.10.0.11", weight=9), address="10.99.0.4"),
        )
    )
    assert lab.operations() == [
        f"SET_SERVICE {S}",
        "DEL_DEST 10.99.0.2:tcp:80 -> 10.10.0.12:80",
        "DEL_SERVICE 10.99.0.2:tcp:80",
        "SET_DEST 10.99.0.3:tcp:80 -> 10.10.0.13:80 weight 1",
        "NEW_SERVICE 10.99.0.4:tcp:80",
        "NEW_DEST 10.99.0.4:tcp:80 -> 10.10.0.11:80 weight 9",
    ]
    assert lab.take_lines() == [
        "Removing Virtual Server [10.99.0.2]:tcp:80",
        f"Removing service {rs(2)} from VS [10.99.0.2]:tcp:80",
        "Gained quorum 1+0=1 <= 9 for VS [10.99.0.4]:tcp:80",
        f"Activating healthchecker for service {rs(1)} for VS [10.99.0.4]:tcp:80",
        "Activating BFD healthchecker",
    ]
    assert lab.told == [
        f"RS {rs(2)} [10.99.0.2]:tcp:80 DOWN",
        "VS [10.99.0.2]:tcp:80 DOWN",
        "VS [10.99.0.4]:tcp:80 UP",
    ]
    lab.check_table()


def test_a_method_that_changes_the_port_moves_the_destination() -> None:
    lab = started(virtual(real("10.10.0.11", 8080)))
    lab.reload(config(virtual(real("10.10.0.11", 8080, method=LvsMethod(forwarding=Forwarding.DR)))))
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.11:8080", f"NEW_DEST {S} -> 10.10.0.11:80 weight 1"]
    lab.check_table()


def test_a_sorry_server_in_use_is_replaced_and_then_removed() -> None:
    def with_sorry(number: int | None) -> object:
        sorry = SorryServer(address=Ip.parse(f"10.10.0.1{number}"), port=80) if number else None
        return virtual(real("10.10.0.11"), real("10.10.0.12"), sorry_server=sorry)

    lab = started(with_sorry(3), up=())
    lab.reload(config(with_sorry(4)))  # type: ignore[arg-type]
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.13:80", f"NEW_DEST {S} -> 10.10.0.14:80 weight 1"]
    assert lab.take_lines() == [
        f"Removing sorry server {rs(3)} from VS {VS}",
        f"Starting with quorum down 1-0=1 > 0 for VS {VS}",
        f"Adding sorry server {rs(4)} to VS {VS}",
        f"Removing alive servers from the pool for VS {VS}",
        "Activating BFD healthchecker",
    ]
    assert lab.told == [f"VS {VS} DOWN"]
    lab.reload(config(with_sorry(None)))  # type: ignore[arg-type]
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.14:80"]
    assert lab.take_lines() == [
        f"Removing sorry server {rs(4)} from VS {VS}",
        f"Adding alive servers to the pool for VS {VS}",
        "Activating BFD healthchecker",
    ]
    assert lab.kernel.destinations[next(iter(lab.kernel.services))] == {}


def test_details_order_thresholds_inhibit_and_a_new_alpha_server() -> None:
    a = real("10.10.0.11", upper_threshold=10)
    b = real("10.10.0.12", weight=2, inhibit_on_failure=True)
    c = real("10.10.0.13")
    lab = started(virtual(a, b, c), up=(1, 3))
    a2 = dataclasses.replace(a, upper_threshold=20, lower_threshold=3)
    b2 = dataclasses.replace(b, weight=8)
    lab.reload(config(virtual(dataclasses.replace(c, weight=5), a2, b2, quorum=6)))
    assert lab.operations() == [f"SET_DEST {S} -> 10.10.0.13:80 weight 5"]
    assert lab.take_lines()[:2] == [
        f"Changing weight from 1 to 5 for active service {rs(3)} of VS {VS}",
        f"Changing weight from 2 to 8 for inactive service {rs(2)} of VS {VS}",
    ]
    new = real("10.10.0.14", weight=3, alpha=True, inhibit_on_failure=True)
    b3 = dataclasses.replace(b2, inhibit_on_failure=False)
    c3 = dataclasses.replace(c, weight=0, inhibit_on_failure=True)
    lab.reload(config(virtual(dataclasses.replace(a2, weight=4), b3, c3, new)))
    assert lab.operations() == [
        f"DEL_DEST {S} -> 10.10.0.12:80",
        f"SET_DEST {S} -> 10.10.0.11:80 weight 4",
        f"SET_DEST {S} -> 10.10.0.13:80 weight 0",
        f"NEW_DEST {S} -> 10.10.0.14:80 weight 0",
    ]
    values = {str(key): found for key, found in lab.kernel.destinations[next(iter(lab.kernel.services))].items()}
    assert (values["10.10.0.11:80"].upper, values["10.10.0.11:80"].lower) == (20, 3)
    lab.up |= {"10.10.0.12", "10.10.0.14"}
    lab.run(1)
    assert lab.weights() == {"10.10.0.11:80": 4, "10.10.0.13:80": 0, "10.10.0.14:80": 3, "10.10.0.12:80": 8}


def test_a_failed_server_keeps_its_state_unless_its_checker_changed() -> None:
    lab = started(virtual(real("10.10.0.11")), up=())
    lab.reload(config(virtual(real("10.10.0.11"), weight=2)))
    assert lab.operations() == []
    changed = real("10.10.0.11", check={"delay_loop_us": 1_000_000}, checkers=())
    lab.reload(config(virtual(changed)))
    assert lab.operations() == [f"NEW_DEST {S} -> 10.10.0.11:80 weight 1"]
    assert f"Adding service {rs(1)} to VS {VS}" in lab.lines


def group(*entries: GroupEntry) -> VirtualServerGroup:
    return VirtualServerGroup(name="G1", entries=entries)


def addresses(first: str, last: str | None = None, port: int = 80) -> GroupEntry:
    return GroupEntry(first=Ip.parse(first), last=Ip.parse(last or first), port=port)


@pytest.mark.keyword("virtual_server_group")
def test_lines_of_a_group_that_go_and_come() -> None:
    server = virtual(real("10.10.0.11"), real("10.10.0.12", weight=2), address=None, group="G1")
    lab = Lab(
        config(
            server,
            virtual_server_groups=(group(addresses("10.99.1.1", "10.99.1.2"), GroupEntry(fwmark=77)),),
        )
    )
    lab.up = {"10.10.0.11"}
    lab.start()
    assert lab.operations() == [
        "NEW_SERVICE 10.99.1.1:tcp:80",
        "NEW_SERVICE 10.99.1.2:tcp:80",
        "NEW_SERVICE Fwm 77",
        "NEW_DEST 10.99.1.1:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST 10.99.1.2:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST Fwm 77 -> 10.10.0.11:80 weight 1",
        "NEW_DEST 10.99.1.1:tcp:80 -> 10.10.0.12:80 weight 2",
        "NEW_DEST 10.99.1.2:tcp:80 -> 10.10.0.12:80 weight 2",
        "NEW_DEST Fwm 77 -> 10.10.0.12:80 weight 2",
    ]
    lab.run(1.5)
    lab.operations(), lab.take_lines()
    entries = group(addresses("10.99.1.1", "10.99.1.2"), addresses("10.99.3.1"), GroupEntry(fwmark=78))
    lab.reload(config(server, virtual_server_groups=(entries,)))
    assert lab.operations() == [
        "DEL_DEST Fwm 77 -> 10.10.0.11:80",
        "DEL_SERVICE Fwm 77",
        "NEW_SERVICE 10.99.3.1:tcp:80",
        "NEW_SERVICE Fwm 78",
        "NEW_DEST 10.99.3.1:tcp:80 -> 10.10.0.11:80 weight 1",
        "NEW_DEST Fwm 78 -> 10.10.0.11:80 weight 1",
    ]
    assert lab.take_lines()[:3] == [
        "VS [77] in group G1 no longer exists",
        "VS [[10.99.3.1]:tcp:80] added into group G1",
        "VS [FWM 78] added into group G1",
    ]
    lab.check_table()
    lab.up.add("10.10.0.12")
    lab.run(1)
    assert len(lab.operations()) == 4
    lab.check_table()
    lab.stop()
    assert lab.kernel.services == {}


def test_two_virtual_servers_share_the_fwmark_of_their_group() -> None:
    from pykeepalived.config.model.ipvs import Protocol

    entries = group(addresses("10.99.1.1"), GroupEntry(fwmark=77))
    one = virtual(real("10.10.0.11"), address=None, group="G1")
    two = virtual(real("10.10.0.13"), address=None, group="G1", group_index=1, protocol=Protocol.UDP)
    lab = Lab(config(one, two, virtual_server_groups=(entries,)))
    lab.up = {"10.10.0.11", "10.10.0.13"}
    lab.start()
    assert lab.operations().count("NEW_SERVICE Fwm 77") == 1
    lab.stop()
    done = lab.operations()
    assert done.count("DEL_SERVICE Fwm 77") == 1
    assert done[-1] == "DEL_SERVICE Fwm 77"
    assert lab.kernel.services == {}


@pytest.mark.keyword("global_defs/lvs_timeouts")
@pytest.mark.keyword("global_defs/lvs_sync_daemon")
def test_timeouts_and_sync_daemons() -> None:
    def settings(sync_id: int, tcp: int | None) -> GlobalDefs:
        daemon = LvsSyncDaemon(interface="br0", sync_id=sync_id)
        return GlobalDefs(lvs_sync_daemon=daemon, lvs_timeouts=LvsTimeouts(tcp_s=tcp))

    server = virtual(real("10.10.0.11"))
    lab = Lab(config(server, globals=settings(7, 600))).start()
    assert lab.operations()[:5] == [
        "SET_CONFIG",
        "DEL_DAEMON errno 3",
        "DEL_DAEMON errno 3",
        "NEW_DAEMON",
        "NEW_DAEMON",
    ]
    assert not [line for line in lab.take_lines() if "IPVS cmd" in line]
    assert lab.kernel.timeouts() == Timeouts(600, 120, 300)
    assert [daemon.sync_id for daemon in lab.kernel.daemons.values()] == [7, 7]
    lab.reload(config(server, globals=settings(7, 600)))
    assert lab.operations() == []
    lab.reload(config(server, globals=settings(8, None)))
    assert lab.operations() == ["SET_CONFIG", "DEL_DAEMON", "DEL_DAEMON", "NEW_DAEMON", "NEW_DAEMON"]
    assert lab.kernel.timeouts() == Timeouts(900, 120, 300)
    lab.reload(config(server))
    assert lab.kernel.daemons == {}


@pytest.mark.keyword("global_defs/lvs_timeouts")
def test_timeouts_are_put_back_at_stop() -> None:
    lab = Lab(config(virtual(real("10.10.0.11")), globals=GlobalDefs(lvs_timeouts=LvsTimeouts(udp_s=5)))).start()
    assert lab.kernel.timeouts() == Timeouts(900, 120, 5)
    lab.stop()
    assert lab.kernel.timeouts() == Timeouts(900, 120, 300)


@pytest.mark.keyword("global_defs/lvs_flush")
def test_lvs_flush_comes_before_the_first_service_and_not_at_a_reload() -> None:
    lab = Lab(config(virtual(real("10.10.0.11")), globals=GlobalDefs(lvs_flush=True))).start()
    assert lab.operations()[:2] == ["FLUSH", f"NEW_SERVICE {S}"]
    lab.reload(config(virtual(real("10.10.0.11", weight=3)), globals=GlobalDefs(lvs_flush=True)))
    assert "FLUSH" not in lab.operations()


@pytest.mark.keyword("virtual_server/real_server/FILE_CHECK")
def test_tracked_files_move_weights_switch_servers_and_survive_reloads() -> None:
    def server(number: int, **words: object) -> object:
        return real(f"10.10.0.1{number}", weight=10, checkers=(FileCheck(track_file="F1", **words),))  # type: ignore[arg-type]

    lab = Lab(config(virtual(server(1, weight=2), server(2, weight=0))))  # type: ignore[arg-type]
    lab.say(effects.FileRead("F1", 3)).start()
    assert lab.weights() == {"10.10.0.11:80": 16}
    lab.operations(), lab.take_lines()
    lab.say(effects.FileRead("F1", -1))
    assert lab.operations() == [f"SET_DEST {S} -> 10.10.0.11:80 weight 8"]
    assert lab.take_lines() == [f"Changing weight from 16 to 8 for active service {rs(1)} of VS {VS}"]
    lab.say(effects.FileRead("F1", 0))
    assert lab.take_lines() == [
        f"Changing weight from 8 to 10 for active service {rs(1)} of VS {VS}",
        f"({rs(2)}): tracked file F1 leaving FAULT state",
        f"Adding service {rs(2)} to VS {VS}",
    ]
    lab.say(effects.FileRead("F1", -1_200_000_000))
    assert f"({rs(1)}): tracked file F1 now FAULT state" in lab.lines
    assert lab.weights() == {}
    lab.say(effects.FileRead("F1", 3))
    lab.operations(), lab.take_lines()
    lab.reload(config(virtual(server(1, weight=5), server(2, weight=0, reverse=True))))  # type: ignore[arg-type]
    assert lab.operations() == [
        f"NEW_DEST {S} -> 10.10.0.12:80 weight 10",
        f"SET_DEST {S} -> 10.10.0.11:80 weight 25",
    ]
    assert lab.take_lines()[:3] == [
        f"Adding service {rs(2)} to VS {VS}",
        f"({rs(2)}): tracked file F1 leaving FAULT state",
        f"Changing weight from 16 to 25 for active service {rs(1)} of VS {VS}",
    ]


@pytest.mark.keyword("virtual_server/ha_suspend")
def test_ha_suspend_checks_only_while_the_address_is_here() -> None:
    address = Ip.parse("10.99.0.1")
    lab = Lab(config(virtual(real("10.10.0.11"), ha_suspend=True)))
    lab.say(effects.AddressChanged(address, 0)).start()
    assert f"Deactivating healthchecker for service {rs(1)} for VS {VS}" in lab.take_lines()
    lab.run(5)
    assert lab.checks == []
    assert lab.weights() == {"10.10.0.11:80": 1}
    lab.say(effects.AddressChanged(address, 1))
    assert lab.take_lines() == [
        "Netlink reflector reports IP 10.99.0.1 added",
        f"Activating healthchecker for service {rs(1)} for VS {VS}",
    ]
    lab.run(1)
    assert lab.weights() == {}
    lab.say(effects.AddressChanged(address, 2))
    lab.say(effects.AddressChanged(address, 1))
    lab.take_lines()
    lab.say(effects.AddressChanged(address, 0))
    assert lab.take_lines() == [
        "Netlink reflector reports IP 10.99.0.1 removed",
        f"Suspending healthchecker for service {rs(1)} for VS {VS}",
    ]


PATIENT = {"retry": 2, "delay_before_retry_us": 300_000}


def test_what_a_reload_brings_has_its_retries_from_the_beginning() -> None:
    """Unlike what the daemon starts with, where the first failure decides."""
    lab = started(virtual(real("10.10.0.11", check=PATIENT)), up=(1,))
    new = virtual(real("10.10.0.13", check=PATIENT), address="10.99.0.2")
    lab.reload(config(virtual(real("10.10.0.11", check=PATIENT), real("10.10.0.12", check=PATIENT)), new))
    lab.operations(), lab.take_lines()
    lab.run(1.5)
    assert lab.operations() == []
    lab.run(0.1)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.12:80", "DEL_DEST 10.99.0.2:tcp:80 -> 10.10.0.13:80"]
    assert [line for line in lab.take_lines() if "failed" in line] == [
        f"TCP_CHECK on service {rs(2)} failed after 2 retries.",
        f"TCP_CHECK on service {rs(3)} failed after 2 retries.",
    ]


def test_a_changed_checker_has_its_retries_unless_the_server_was_down() -> None:
    lab = started(virtual(real("10.10.0.11", check=PATIENT), real("10.10.0.12", check=PATIENT)), up=(1,))
    lab.up = set()
    changed = [
        real(f"10.10.0.1{number}", checkers=(tcp_check(f"10.10.0.1{number}", 81, **PATIENT),)) for number in (1, 2)
    ]
    lab.reload(config(virtual(*changed)))
    lab.operations(), lab.take_lines()
    lab.run(1)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.12:80"]
    assert f"TCP_CHECK on service {rs(2)} failed." in lab.take_lines()
    lab.run(0.6)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.11:80"]
    assert f"TCP_CHECK on service {rs(1)} failed after 2 retries." in lab.take_lines()


def test_a_lost_quorum_is_not_told_again_when_its_virtual_server_goes() -> None:
    sorry = SorryServer(address=Ip.parse("10.10.0.14"), port=80)
    lost = virtual(real("10.10.0.12"), address="10.99.0.2", sorry_server=sorry)
    lab = started(virtual(real("10.10.0.11")), lost, up=(1,))
    assert lab.core.director.virtuals[1].displaced
    other = virtual(real("10.10.0.13"), address="10.99.0.3")
    lab.reload(config(other))
    assert lab.told == [f"RS {rs(1)} {VS} DOWN", f"VS {VS} DOWN", "VS [10.99.0.3]:tcp:80 UP"]
    assert list(map(str, lab.kernel.services)) == ["10.99.0.3:tcp:80"]


def test_inhibited_servers_go_with_a_word_of_it() -> None:
    idle = real("10.10.0.12", inhibit_on_failure=True)
    lab = started(virtual(real("10.10.0.11"), idle), virtual(idle, address="10.99.0.2"), up=(1,))
    lab.reload(config(virtual(real("10.10.0.11"))))
    assert [line for line in lab.take_lines() if line.startswith("Removing")] == [
        f"Removing (inhibited) service {rs(2)} from VS {VS}",
        "Removing Virtual Server [10.99.0.2]:tcp:80",
        f"Removing (inhibited) service {rs(2)} from VS [10.99.0.2]:tcp:80",
    ]


def test_a_range_of_a_group_is_named_with_its_end() -> None:
    server = virtual(real("10.10.0.11"), address=None, group="G1")
    lab = Lab(
        config(server, virtual_server_groups=(group(addresses("10.99.1.1", "10.99.1.2"), addresses("10.99.3.1")),))
    )
    lab.start()
    lab.take_lines()
    lab.reload(config(server, virtual_server_groups=(group(addresses("10.99.4.1", "10.99.4.3")),)))
    assert [line for line in lab.take_lines() if "group G1" in line] == [
        "VS [[10.99.1.1]:tcp:80-10.99.1.2] in group G1 no longer exists",
        "VS [[10.99.3.1]:tcp:80] in group G1 no longer exists",
        "VS [[10.99.4.1]:tcp:80-10.99.4.3] added into group G1",
    ]
    lab.check_table()
    lab.stop()
    lab.check_table()


def test_the_last_address_of_a_family_takes_the_marked_service_of_that_family_along() -> None:
    """nftables_ipvs: one fwmark service a family, as long as the group has an address of it."""
    settings = GlobalDefs(firewall=Firewall(nftables_ipvs_table="t", nftables_ipvs_start_fwmark=1000))
    both = group(addresses("10.99.1.1"), addresses("2001:db8::1"))
    server = virtual(real("10.10.0.11"), address=None, group="G1")
    lab = Lab(config(server, globals=settings, virtual_server_groups=(both,))).start()
    assert [service.family for service in lab.kernel.services] == [4, 6]
    lab.operations()
    lab.reload(config(server, globals=settings, virtual_server_groups=(group(addresses("10.99.1.1")),)))
    assert [service.family for service in lab.kernel.services] == [4]
    lab.check_table()


def test_the_granularity_of_a_group_with_both_families() -> None:
    """persistence_granularity is one word for both: an IPv6 prefix has at most 128 bits, an IPv4 mask is as given."""
    mask = 0xFFFFFF00
    both = group(addresses("10.99.1.1"), addresses("2001:db8::1"))
    server = virtual(
        real("10.10.0.11"), address=None, group="G1", persistence_timeout_s=50, persistence_granularity=mask
    )
    lab = Lab(config(server, virtual_server_groups=(both,))).start()
    assert [(key.family, of.netmask, of.timeout) for key, of in lab.kernel.services.items()] == [
        (4, mask, 50),
        (6, 128, 50),
    ]


def test_an_alive_server_stays_so_until_a_new_checker_has_judged_it() -> None:
    """Also with `alpha`, which is about servers nobody knows: this one was alive before the reload."""
    lab = started(virtual(real("10.10.0.11"), real("10.10.0.12")))
    other = real("10.10.0.11", checkers=(tcp_check("10.10.0.11", 81, alpha=True),))
    lab.reload(config(virtual(other, real("10.10.0.12"))))
    assert lab.operations() == []
    assert lab.told == []
    lab.run(0.5)
    seen = snapshot(lab.core).virtual_servers[0]
    assert seen.reloaded and seen.real_servers[0].alive and seen.real_servers[0].reloaded
    lab.up.discard("10.10.0.11")
    lab.run(1)
    assert lab.operations() == [f"DEL_DEST {S} -> 10.10.0.11:80"]
    assert lab.told == [f"RS {rs(1)} {VS} DOWN"]


def test_two_virtual_servers_of_one_address_share_its_service() -> None:
    """keepalived lets a file say so; each keeps its own servers over a reload, and nothing stays behind."""
    both = virtual(real("10.10.0.11")), virtual(real("10.10.0.12"))
    lab = started(*both, up=(1, 2))
    lab.reload(config(*both, virtual(real("10.10.0.13"), address="10.99.0.3")))
    assert lab.operations() == [
        "NEW_SERVICE 10.99.0.3:tcp:80",
        "NEW_DEST 10.99.0.3:tcp:80 -> 10.10.0.13:80 weight 1",
    ]
    lab.reload(config(both[1]))
    assert lab.weights() == {"10.10.0.12:80": 1}
    lab.reload(config(*both))
    assert lab.weights() == {"10.10.0.11:80": 1, "10.10.0.12:80": 1}
    lab.stop()
    assert lab.kernel.services == {}
