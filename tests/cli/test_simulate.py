"""The simulate command: exit status, timeline, data, picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from pathlib import Path

import pytest

from pykeepalived.cli.simulate import main

CONFIG = """
vrrp_script chk {{
  script "/bin/true"
  interval 1
  weight -60
}}
vrrp_instance VI_1 {{
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int 1
  {extra}
  track_script {{
    chk
  }}
  virtual_ipaddress {{
    192.0.2.100/24
  }}
}}
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, priority in (("a", 150), ("b", 100)):
        (tmp_path / f"{name}.conf").write_text(CONFIG.format(priority=priority, extra=""))
    return [str(tmp_path / "a.conf"), str(tmp_path / "b.conf")]


def test_a_rehearsal_that_goes_well(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--kill", "a@10", "--heal", "a@40", "--cut", "a-b@60", "--heal", "b@70", "--fail-script", "a:chk@80"]
    expected = [
        "--expect-master",
        "b@14",
        "--expect-master",
        "a@50",
        "--expect-master",
        "b@90",
        "--expect-backup",
        "a@90",
    ]
    assert main([*files, *words, *expected]) == 0
    out = capsys.readouterr().out
    assert "13.0235 s  b  VI_1 MASTER (advert_timeout" in out
    assert out.count("holds: ") == 4


def test_an_expectation_that_fails_is_an_exit_status(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--kill", "a@10", "--expect-master", "b@12", "--expect-master", "b:VI_1@14"]) == 1
    out = capsys.readouterr().out
    assert "FAILS: expect-master b@12 (VI_1 is BACKUP)" in out
    assert "holds: expect-master b:VI_1@14 (MASTER)" in out


def test_two_masters_are_not_what_was_expected(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--cut", "a@10", "--expect-master", "b@20"]) == 1
    assert "VI_1 is also MASTER on a" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--kill", "z@1"],
        ["--kill", "a"],
        ["--down", "a:eth7@1"],
        ["--fail-script", "nothing@1"],
        ["--cut", "a-z@1"],
        ["--expect-master", "a:VI_9@1"],
        ["--no-such-option"],
    ],
)
def test_wrong_words_are_a_usage_error(files: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, *words]) == 2
    assert capsys.readouterr().err


def test_a_file_that_no_daemon_would_run_with_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing.conf")]) == 2
    assert "cannot be used" in capsys.readouterr().err


def test_a_reload_with_another_file(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "new.conf").write_text(CONFIG.format(priority=200, extra=""))
    assert main([*files, "--reload", f"b@10={tmp_path}/new.conf", "--expect-master", "b@20"]) == 0


def test_data_and_picture(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "run.svg"
    assert (
        main([*files, "--kill", "a@10", "--expect-master", "b@14", "--json", "--svg", str(picture), "--for", "20"]) == 0
    )
    data = json.loads(capsys.readouterr().out)
    assert data["duration"] == 20
    assert data["expectations"] == [{"text": "expect-master b@14", "holds": True, "found": "MASTER", "why": []}]
    assert {"at": 10.0, "node": "a", "instance": "VI_1", "state": "DEAD"} in data["states"]
    root = xml.etree.ElementTree.parse(picture).getroot()
    titles = [item.text for item in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(text and text.startswith("MASTER 3.414 s - 10.000 s") for text in titles)


def test_unicast_nodes_that_do_not_name_their_own_address_find_each_other(tmp_path: Path) -> None:
    for name, priority, peer in (("a", 150, 2), ("b", 100, 1)):
        extra = f"unicast_peer {{\n 192.0.2.{peer}\n }}"
        (tmp_path / f"{name}.conf").write_text(CONFIG.format(priority=priority, extra=extra))
    words = [str(tmp_path / "a.conf"), str(tmp_path / "b.conf"), "--expect-master", "a@10", "--expect-backup", "b@10"]
    assert main(words) == 0


def test_the_same_words_give_the_same_run(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*files, "--loss", "0.3", "--jitter", "5", "--seed", "4", "--for", "120", "--json"]
    runs = []
    for _ in range(2):
        main(words)
        runs.append(capsys.readouterr().out)
    assert runs[0] == runs[1]
    main([*words, "--seed", "5"])
    assert capsys.readouterr().out != runs[0]


AUTH = "authentication {{\n auth_type PASS\n auth_pass {}\n }}"


@pytest.mark.parametrize(
    ("extra", "words", "said"),
    [
        (
            ("nopreempt", "nopreempt"),
            ("--fail-script", "a:chk@10", "--expect-master", "b@20"),
            "b: VI_1: nopreempt 192.0.2.1 (it stays master as long as it is heard; our priority is 100, its 90)",
        ),
        (
            ("priority 200", ""),
            ("--fail-script", "a:chk@10", "--expect-master", "b@20"),
            "b: VI_1: the master is 192.0.2.1 with priority 140, ours is 100",
        ),
        (
            (AUTH.format("one"), AUTH.format("two")),
            ("--expect-master", "a@20"),
            "a: VI_1: advert_refused 192.0.2.2 (its auth_pass is not ours: ",
        ),
        (
            ("", ""),
            ("--oneway", "a-b@10", "--expect-master", "a@20"),
            "a: VI_1: other_master 192.0.2.2 (it is master too, with priority 100, and does not hear our adverts",
        ),
        (("", ""), ("--down", "b:eth0@10", "--expect-backup", "b@20"), "b: VI_1: interface_down eth0 ["),
        (
            ("", ""),
            ("--fail-script", "a:chk@10", "--expect-master", "a@20"),
            "a: VI_1: trackers change the priority 150 to 90: script chk -60",
        ),
    ],
)
def test_a_failed_expectation_tells_why(
    extra: tuple[str, str], words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, priority, more in (("a", 150, extra[0]), ("b", 100, extra[1])):
        (tmp_path / f"{name}.conf").write_text(CONFIG.format(priority=priority, extra=more))
    assert main([str(tmp_path / "a.conf"), str(tmp_path / "b.conf"), *words]) == 1
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("    ") and said in line], out
