"""Every option of the simulate command does what its help says, and scenario files say the same as the command line."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree
from pathlib import Path

import pytest

from pykeepalived.cli.simulate import main
from pykeepalived.sim.scenario import EXPECTATIONS, FAULTS

NODE = """
vrrp_script chk {{
    script "/nowhere/script"
    interval 1
    weight -60
}}
track_file load {{
    file /nowhere/load
    weight -1
}}
bfd_instance GW {{
    neighbor_ip 192.0.2.254
    min_tx 100
    min_rx 100
}}
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority {priority}
    track_script {{
        chk
    }}
    track_file {{
        load
    }}
    track_bfd {{
        GW weight -60
    }}
    virtual_ipaddress {{
        192.0.2.100/24
    }}
}}
virtual_server 192.0.2.100 80 {{
    delay_loop 2
    protocol TCP
    real_server 10.1.0.1 80 {{
        TCP_CHECK {{
            connect_timeout 1
            warmup 0
            retry 0
        }}
    }}
}}
"""

EFFECTS = {
    "kill": (["--kill", "a@10", "--expect-master", "b@14"], "a  killed"),
    "start": (["--start", "b@20", "--kill", "a@10", "--expect-master", "b@24"], "20.0000 s  b  start"),
    "stop": (["--stop", "a@10", "--expect-master", "b@11"], "a  SIGTERM"),
    "kill-child": (["--kill-child", "a:checker@10", "--expect-master", "a@11"], "a  checker child killed"),
    "reload": (["--reload", "b@10={directory}/c.conf", "--expect-master", "b@15"], "b  reload"),
    "heal": (["--down", "a:eth0@10", "--heal", "a@20", "--expect-master", "a@25"], "a  healed"),
    "heal-all": (["--kill", "a@10", "--heal-all", "@20", "--expect-settled", "@30"], "b  healed"),
    "cut": (["--cut", "a-b@10", "--expect-master", "a@11", "--expect-backup", "b@11"], "a  is cut from b"),
    "oneway": (["--oneway", "a-b@10", "--expect-backup", "b@12"], "a  is not heard any more by b"),
    "down": (["--down", "a:eth0@10", "--expect-fault", "a@11"], "a  eth0 down"),
    "up": (["--down", "a:eth0@10", "--up", "a:eth0@20", "--expect-master", "a@25"], "a  eth0 up"),
    "fail-script": (["--fail-script", "a:chk@10", "--expect-master", "b@16"], "a  script chk fails"),
    "pass-script": (
        ["--fail-script", "a:chk@10", "--pass-script", "chk@20", "--expect-master", "a@30"],
        "chk succeeds",
    ),
    "write-file": (["--write-file", "a:load@10=70", "--expect-master", "b@15"], "a  file load says 70"),
    "bfd-down": (["--bfd-down", "a:GW@10", "--expect-master", "b@16"], "a  BFD GW down (detection_time_expired)"),
    "bfd-up": (["--bfd-down", "a:GW@10", "--bfd-up", "GW@20", "--expect-master", "a@30"], "BFD GW get through"),
    "stall": (["--stall", "a@10+5", "--expect-master", "b@14"], "a  stalls for 5 s"),
    "step-clock": (["--step-clock", "a@10-3600", "--expect-master", "a@20"], "a  wall clock set by -3600 s"),
    "refuse": (["--refuse", "a@0+6", "--expect-settled", "@20"], "a  kernel refuses changes for 6 s"),
    "delete-address": (["--delete-address", "a:eth0:192.0.2.100/24@10", "--expect-settled", "@20"], "deleted by hand"),
    "clear-services": (["--clear-services", "a@10", "--expect-in-use", "10.1.0.1:80@16"], "table cleared by hand"),
    "server-down": (
        ["--server-down", "10.1.0.1:80@10", "--expect-out-of-use", "10.1.0.1:80@13"],
        "10.1.0.1:80  is down",
    ),
    "server-slow": (
        ["--server-slow", "10.1.0.1@10+2", "--expect-out-of-use", "a:10.1.0.1:80@14"],
        "takes 2 s to answer",
    ),
    "server-up": (
        ["--server-down", "10.1.0.1@10", "--server-up", "10.1.0.1@20", "--expect-in-use", "b:10.1.0.1:80@23"],
        "10.1.0.1  is well",
    ),
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, priority in (("a", 150), ("b", 100), ("c", 200)):
        (tmp_path / f"{name}.conf").write_text(NODE.format(priority=priority))
    return [str(tmp_path / "a.conf"), str(tmp_path / "b.conf")]


def test_every_option_is_here() -> None:
    assert EFFECTS.keys() == FAULTS.keys()
    used = {word.removeprefix("--") for words, _ in EFFECTS.values() for word in words}
    assert EXPECTATIONS.keys() - used == {"expect-fresh"}


@pytest.mark.parametrize("kind", EFFECTS)
def test_fault(kind: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, shown = EFFECTS[kind]
    words = [word.format(directory=tmp_path) for word in words]
    assert main([*files, *words]) == 0, capsys.readouterr().out
    out = capsys.readouterr().out
    assert shown in out
    assert "holds: expect-" in out


@pytest.mark.parametrize("kind", EFFECTS)
def test_without_the_fault_something_else_is_found(
    kind: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is expected after a fault is not so anyway, unless the fault is one that changes nothing for others."""
    words, _ = EFFECTS[kind]
    place = words.index(f"--{kind}")
    fault, rest = words[place : place + 2], words[:place] + words[place + 2 :]
    if any(word.startswith("{") or "={" in word for word in fault):
        rest = ["--expect-master", "b@15"]
    harmless = (
        "start",
        "kill-child",
        "cut",
        "oneway",
        "stall",
        "step-clock",
        "refuse",
        "delete-address",
        "clear-services",
    )
    status = main([*files, *rest])
    if kind in (*harmless, "heal-all"):
        return
    assert status == 1, capsys.readouterr().out


def test_a_reload_that_keeps_everything_is_like_a_fresh_start(files: list[str], tmp_path: Path) -> None:
    assert main([*files, "--reload", f"a@10={files[0]}", "--expect-fresh", "@20"]) == 0


def test_expectations_fail(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        *("--expect-backup", "a@10", "--expect-fault", "b@10", "--expect-master", "b@10", "--expect-settled", "@1"),
        *("--expect-in-use", "10.1.0.9:80@10", "--expect-out-of-use", "a:10.1.0.1:80@10"),
    ]
    assert main([*files, *words]) == 1
    out = capsys.readouterr().out
    assert out.count("FAILS: ") == 6
    assert "FAILS: expect-settled @1 (1.000000 s VRID 51 on eth0: master is nobody)" in out
    assert "FAILS: expect-out-of-use a:10.1.0.1:80@10 (a sends it connections)" in out


def test_a_scenario_file_says_the_same_as_the_command_line(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "it.scenario"
    path.write_text(
        "# it\nseed 5\nnetwork loss 0.1 duplicate 0.2 delay 1 jitter 3\nfor 40\nkill a@10\nexpect-master b@20\n"
    )
    line = [
        *("--seed", "5", "--loss", "0.1", "--duplicate", "0.2", "--delay", "1", "--jitter", "3", "--for", "40"),
        *("--kill", "a@10", "--expect-master", "b@20", "--json"),
    ]
    assert main([*files, "--scenario", str(path), "--json"]) == 0
    from_file = json.loads(capsys.readouterr().out)
    assert main([*files, *line]) == 0
    assert json.loads(capsys.readouterr().out) == from_file
    assert from_file["packets"]["lost"] > 0
    assert main([*files, "--scenario", str(path), "--for", "12", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duration"] == 12


def test_a_scenario_file_may_hold_the_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    indented = {
        name: "\n".join(f"    {line}" for line in NODE.format(priority=priority).splitlines())
        for name, priority in (("x", 150), ("y", 100), ("new", 200))
    }
    path = tmp_path / "whole.scenario"
    text = "reload y@10=new\nexpect-master y@15\nexpect-fresh @20\n"
    text += f"node x\n{indented['x']}\nnode y\n{indented['y']}\nfile new\n{indented['new']}\n"
    path.write_text(text)
    assert main(["--scenario", str(path)]) == 0
    path.write_text(text.replace("file new", "file other"))
    assert main(["--scenario", str(path)]) == 2
    assert "new" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kil a@10", "line 1: kil a@10: no such event"),
        ("kill a", "line 1: kill a: expected NODE@T"),
        ("seed x", "line 1: "),
        ("network speed 3", "line 1: network: what is speed?"),
        ("for ever", "line 1: "),
        ("kill a@1\n    node", "line 2: indented, but not below a node or file"),
        ("kill z@1", "there is no node 'z'"),
    ],
)
def test_a_scenario_file_that_makes_no_sense(
    text: str, words: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.scenario"
    path.write_text(text)
    assert main([*files, "--scenario", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_nothing_to_run_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "no node" in capsys.readouterr().err


def test_gaps_overlaps_and_flaps_as_text_data_and_picture(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "run.svg"
    words = [*files, "--kill", "a@10", "--heal", "a@20", "--kill", "a@25", "--for", "40", "--svg", str(picture)]
    assert main(words) == 0
    gaps = "no master for 6.0470 s in 2 pieces of at most 3.0235 s"
    line = f"VRID 51 on eth0: 4 masterships, 1 flap, {gaps}, two masters for 0.0001 s"
    assert line in capsys.readouterr().out.splitlines()
    main([*words, "--json"])
    (router,) = json.loads(capsys.readouterr().out)["routers"]
    assert (router["interface"], router["family"], router["vrid"], router["flaps"]) == ("eth0", 4, 51, 1)
    assert [each["node"] for each in router["masterships"]] == ["a", "b", "a", "b"]
    assert [begin for begin, _ in router["gaps"]] == [10.0, 25.0]
    assert len(router["overlaps"]) == 1
    root = xml.etree.ElementTree.parse(picture).getroot()
    space = "{http://www.w3.org/2000/svg}"
    titles = [item.text or "" for item in root.iter(f"{space}title")]
    assert sum(title.startswith("no master ") for title in titles) == 2
    assert sum(title.startswith("two masters ") for title in titles) == 1
    assert {title.split()[0] for title in titles} == {"MASTER", "BACKUP", "DEAD", "no", "two"}
    labels = [item.text for item in root.iter(f"{space}text")]
    assert {"a VI_1", "b VI_1", "VRID 51 on eth0", "no master", "two masters"} <= set(labels)
    assert all(float(item.get("width", "0")) > 0 for item in root.iter(f"{space}rect"))


def test_help_names_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"--{kind} " in out for kind in (*FAULTS, *EXPECTATIONS))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "inf"), "inf: expected seconds, at most 10000000"),
        (("--for", "nan"), "nan: expected seconds, at most 10000000"),
        (("--for", "-5"), "-5: expected seconds, at most 10000000"),
        (("--for", "soon"), "soon: expected seconds, at most 10000000"),
        (("--loss", "7"), "loss is a share from 0 to 1, not 7"),
        (("--loss", "nan"), "loss is a share from 0 to 1, not nan"),
        (("--duplicate", "-1"), "duplicate is a share from 0 to 1, not -1"),
        (("--delay", "-3"), "delay is at least 0, not -3 ms"),
        (("--jitter", "-3"), "jitter is at least 0, not -3 ms"),
        (("--jitter", "inf"), "inf: expected milliseconds"),
        (("--delay", "long"), "long: expected milliseconds"),
        (("--svg", "/nonexistent/x.svg"), "/nonexistent/x.svg: No such file or directory"),
        (("--scenario", "/nonexistent"), "/nonexistent: No such file or directory"),
        (("/nonexistent/a.conf",), "a.conf and /nonexistent/a.conf are both node a; say NODE=FILE to name them"),
        (("=b.conf",), "=b.conf: expected FILE or NODE=FILE"),
        (("b=",), "b=: expected FILE or NODE=FILE"),
    ],
)
def test_arguments_that_cannot_be_meant(tmp_path, capsys, words, said):
    (tmp_path / "a.conf").write_text(NODE.format(priority=100))
    assert main([str(tmp_path / "a.conf"), *words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(str(tmp_path))]
    assert line.startswith("pykeepalived simulate: ")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\0" * 5000, "line 1: " + r"\x00" * 20 + "...: no such event"),
        (b"\xff\xfe", "x.scenario: not a scenario (no UTF-8 text)"),
        (b"for -1", "line 1: -1: expected seconds, at most 10000000"),
        (b"network loss 2", "line 1: loss is a share from 0 to 1, not 2"),
        (b"kill a@99999999999", "line 1: kill a@99999999999: expected NODE@T: power off"),
    ],
)
def test_scenario_files_that_are_none(tmp_path, capsys, text, said):
    (tmp_path / "a.conf").write_text(NODE.format(priority=100))
    (tmp_path / "x.scenario").write_bytes(text)
    assert main([str(tmp_path / "a.conf"), "--scenario", str(tmp_path / "x.scenario")]) == 2
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_a_file_with_errors_is_told(tmp_path, capsys):
    """A byte order mark makes another word of the first one: nothing is simulated, and that must not look well."""
    (tmp_path / "a.conf").write_bytes(b"\xef\xbb\xbf" + NODE.format(priority=100).strip().encode())
    assert main([str(tmp_path / "a.conf"), "--for", "1"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert re.search(r"a\.conf: `pykeepalived check` has \d+ complaints, the first: ", first)
    assert first.endswith(r"a.conf:1:1: unknown keyword '\ufeffvrrp_script'")
