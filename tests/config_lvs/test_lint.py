"""Every lint rule speaks when it should, is silent when it should not, and never changes the exit status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pykeepalived.cli import config_commands
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.load import LoadResult
from pykeepalived.config.rules.lint import lint
from tests.config_lvs.loading import MACHINE, errors, notes, read

HEAD = "global_defs {\nenable_script_security\nscript_user web\nvrrp_version 3\n}\n"
VIPS = "virtual_ipaddress {\n10.0.0.50/24\n}\n"


def instance(words: str = "", name: str = "v", vips: str = VIPS, vrid: int = 5) -> str:
    return f"vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{words}\n{vips}}}\n"


def virtual(server: str = "TCP_CHECK {\n}\n", head: str = "10.0.0.1 80", words: str = "") -> str:
    body = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\n" + words
    return f"virtual_server {head} {{\n{body}\nreal_server 10.0.1.10 80 {{\n{server}}}\n}}\n"


def loaded(text: str) -> LoadResult:
    result = read(HEAD + text)
    assert result.config is not None
    return result


def codes(text: str) -> list[str]:
    result = loaded(text)
    assert result.config is not None
    found = lint(result.config, MACHINE)
    assert all(one.kind == FindingClass.NONE and one.at is not None for one in found)
    return [one.code for one in found]


def test_a_good_configuration_is_clean() -> None:
    text = instance() + virtual()
    assert errors(loaded(text)) == []
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (instance("unicast_peer {\n10.0.0.1\n}\n"), "lint-peer-own"),
        (instance("unicast_src_ip 10.0.0.77\nunicast_peer {\n10.0.0.77\n}\n"), "lint-peer-own"),
        (instance(vips="virtual_ipaddress {\n10.0.0.50\n}\n"), "lint-vip-prefix"),
        (instance(vips="virtual_ipaddress {\n10.9.0.50/24\n}\n"), "lint-vip-subnet"),
        (instance() + instance(name="w", vrid=6), "lint-vip-twice"),
        (instance("nopreempt\ntrack_interface {\neth1 weight 10\n}\n"), "lint-nopreempt-weight"),
        (instance("advert_int 20"), "lint-slow-failover"),
        (
            instance("priority 90")
            + instance("priority 80", "w", VIPS.replace("50", "51"), 6)
            + "vrrp_sync_group g {\ngroup {\nv\nw\n}\n}\n",
            "lint-group-priorities",
        ),
        (
            instance("track_interface {\neth1 weight 10\n}\n")
            + instance("", "w", VIPS.replace("50", "51"), 6)
            + "vrrp_sync_group g {\nsync_group_tracking_weight\ngroup {\nv\nw\n}\n}\n",
            "lint-group-weights",
        ),
        (
            "vrrp_script s {\nscript /bin/true\ninterval 1\ntimeout 5\n}\n" + instance("track_script {\ns\n}\n"),
            "lint-script-timeout",
        ),
        (virtual("MISC_CHECK {\nmisc_path /bin/true\ndelay_loop 2\nmisc_timeout 9\n}\n"), "lint-script-timeout"),
        (instance('notify "/bin/true > /tmp/log"'), "lint-script-shell"),
        (virtual('MISC_CHECK {\nmisc_path "/bin/true a | b"\n}\n'), "lint-script-shell"),
        (virtual("notify_up '/bin/true $(date)'\nTCP_CHECK {\n}\n"), "lint-script-shell"),
        (virtual(words="quorum_up '/bin/true a && b'"), "lint-script-shell"),
        (virtual(""), "lint-no-checker"),
        (virtual("TCP_CHECK {\ndelay_loop 2\nconnect_timeout 3\n}\n"), "lint-checker-timeout"),
        (virtual("weight 65536\nTCP_CHECK {\n}\n"), "lint-weight"),
        (virtual(head="10.0.0.99 80"), "lint-address-foreign"),
        (virtual().replace("10.0.1.10 80", "10.0.1.10"), "lint-checker-port"),
        (
            virtual(head="group g") + "virtual_server_group g {\n10.0.0.99 80\n}\n",
            "lint-address-foreign",
        ),
    ],
)
def test_rule_speaks(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize(
    "text",
    [
        instance("unicast_peer {\n10.0.0.2\n}\n"),
        instance("nopreempt\ntrack_interface {\neth1\n}\n"),
        instance("track_interface {\neth1 weight 10\n}\n"),
        instance("advert_int 19"),
        instance("priority 90") + instance("priority 80", "w", VIPS.replace("50", "51"), 6),
        instance("notify \"/bin/true -c 'a | b'\""),
        "vrrp_script s {\nscript /bin/true\ninterval 5\ntimeout 5\n}\n" + instance("track_script {\ns\n}\n"),
        instance() + virtual(head="10.0.0.50 80"),
        "static_ipaddress {\n10.0.0.60/24 dev eth0\n}\n" + virtual(head="10.0.0.60 80"),
        virtual("weight 65535\nTCP_CHECK {\n}\n"),
        virtual("PING_CHECK {\n}\n"),
    ],
)
def test_rules_are_silent(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (instance("notify_master /bin/none"), "script-check"),
        (instance("notify_master /bin/plain"), "script-check"),
        ("vrrp_script s {\nscript /bin/true\n}\n" + instance(), "script-unused"),
    ],
)
def test_loading_itself_notes(text: str, code: str) -> None:
    result = loaded(text)
    assert code in notes(result)
    assert result.exit_status == 0


@pytest.mark.parametrize(
    "text",
    [
        instance("nopreempt\nstate MASTER\npriority 200"),
        instance("unicast_peer {\n}\n"),
    ],
)
def test_loading_itself_reports(text: str) -> None:
    """nopreempt with state MASTER, and unicast without peers, are errors of keepalived too."""
    assert loaded(text).exit_status == 5


GROUP = "vrrp_sync_group g {\nsync_group_tracking_weight\ngroup {\nv\nw\n}\n}\n"
SECOND = instance("", "w", VIPS.replace("50", "51"), 6)
MISTAKES = {
    "peer equal to own address": (instance("unicast_peer {\n10.0.0.1\n}\n"), "lint-peer-own"),
    "VIP without prefix": (instance(vips="virtual_ipaddress {\n10.0.0.50\n}\n"), "lint-vip-prefix"),
    "VIP outside every local subnet": (instance(vips="virtual_ipaddress {\n10.9.0.50/24\n}\n"), "lint-vip-subnet"),
    "same VIP in two instances": (instance() + instance(name="w", vrid=6), "lint-vip-twice"),
    "nopreempt with a weighted tracker": (
        instance("nopreempt\ntrack_interface {\neth1 weight 10\n}\n"),
        "lint-nopreempt-weight",
    ),
    "missing notify script": (instance("notify_master /bin/none"), "script-check"),
    "notify script that cannot be executed": (instance("notify_master /bin/plain"), "script-check"),
    "script never used": ("vrrp_script s {\nscript /bin/true\n}\n" + instance(), "script-unused"),
    "script timeout longer than interval": (
        "vrrp_script s {\nscript /bin/true\ninterval 1\ntimeout 5\n}\n" + instance("track_script {\ns\n}\n"),
        "lint-script-timeout",
    ),
    "shell metacharacters": (instance('notify "/bin/true > /tmp/log"'), "lint-script-shell"),
    "real server without checker": (virtual("") + instance(), "lint-no-checker"),
    "checker timeout longer than delay_loop": (
        virtual("TCP_CHECK {\ndelay_loop 2\nconnect_timeout 3\n}\n"),
        "lint-checker-timeout",
    ),
    "weight out of the kernel's range": (virtual("weight 65536\nTCP_CHECK {\n}\n"), "lint-weight"),
    "virtual server on an address nobody owns": (virtual(head="10.0.0.99 80"), "lint-address-foreign"),
    "nopreempt with state MASTER": (instance("nopreempt\nstate MASTER\npriority 200"), "nopreempt-master"),
    "advert_int so long that failover takes minutes": (instance("advert_int 20"), "lint-slow-failover"),
    "empty unicast_peer": (instance("unicast_peer {\n}\n"), "unicast-no-peers"),
    "unequal weights in sync groups": (
        instance("track_interface {\neth1 weight 10\n}\n") + SECOND + GROUP,
        "lint-group-weights",
    ),
}
"""What keepalived takes without a word, or nearly, and what is nearly always a mistake."""
ERRORS_OF_KEEPALIVED = {"nopreempt-master", "unicast-no-peers"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_command_tells_every_mistake(
    mistake: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status is keepalived's, `--strict` fails, and the page of findings knows the code."""
    monkeypatch.setattr("pykeepalived.config.environment.gather", lambda name: MACHINE)
    text, code = MISTAKES[mistake]
    file = tmp_path / "k.conf"
    file.write_text(HEAD + text)
    assert config_commands.check([str(file)]) == (5 if code in ERRORS_OF_KEEPALIVED else 0)
    said = re.findall(rf"^{file}:(\d+):\d+: (\w+) {code} .", capfdbinary.readouterr().out.decode(), re.MULTILINE)
    assert len(said) == 1, said
    assert int(said[0][0]) > HEAD.count("\n")
    assert config_commands.check(["--strict", str(file)]) == 5
    page = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text()
    assert re.search(rf"^\| `{code}` \| .+ \|$", page, re.MULTILINE)
