"""The memo of unchanged blocks: a reload gives what a fresh start gives, with the old objects where nothing changed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.load import LoadOptions, LoadResult, load
from pykeepalived.config.memo import BlockMemo
from tests.config.support import ENVIRONMENT, MAIN, SHARED

CHECKS = (
    "TCP_CHECK {\n connect_timeout 3\n}",
    "HTTP_GET {\n url {\n path /\n status_code 200\n}\n}",
    "UDP_CHECK {\n payload 01\n}",
    "DNS_CHECK {\n name example.net\n}",
    "SMTP_CHECK {\n helo_name h\n}",
    "PING_CHECK {\n}",
    "MISC_CHECK {\n misc_path /opt/good\n}",
    "FILE_CHECK {\n track_file f\n}",
    "BFD_CHECK {\n name b\n}",
)
# Words that keepalived does not know are told once a file: such blocks are not on their own.
OURS = ("REDIS_CHECK {\n}", "cert_min_days 9", "send x")
SETTINGS = ("", "smtp_alert off", "smtp_alert_checker true", "checker_log_all_failures true", "router_id x")


def virtual(number: int, checks: tuple[str, ...] = CHECKS[:1]) -> str:
    servers = "".join(
        f"real_server 10.1.{number}.{n + 1} 80 {{\nweight {n + 1}\n{check}\n}}\n" for n, check in enumerate(checks)
    )
    return (
        f"virtual_server 10.0.0.{number + 1} 80 {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\ndelay_loop 9\n{servers}}}\n"
    )


def text() -> str:
    return "".join(
        (
            "global_defs {\n#settings\n}\ntrack_file f {\n file /tmp/f\n}\n",
            "bfd_instance b {\n neighbor_ip 10.9.9.9\n}\n",
            "virtual_server_group g {\n 10.0.1.1 80\n}\n",
            *(virtual(number) for number in range(4)),
            virtual(4, CHECKS),
            virtual(5, CHECKS[:6]),
            virtual(6).replace("10.0.0.7 80", "group g"),
            virtual(7).replace("delay_loop 9", "quorum_up /opt/good\nquorum 1"),
            virtual(8).replace("lb_algo rr\n", ""),
            "$W=7\n$MORE=lb_algo rr \\\n lb_kind DR\n",
            virtual(9).replace("weight 1", "weight $W").replace("lb_algo rr\n", "$MORE\n"),
            "~SEQ(N, 1, 3) virtual_server 10.0.2.$N 80 { lb_algo rr \n lb_kind NAT\n",
            "protocol TCP\nreal_server 10.3.0.1 80 { \n weight 1\n}\n}\n",
        )
    )


def read(lines: list[str], memo: BlockMemo | None = None) -> LoadResult:
    files = MemoryFiles({MAIN: "\n".join(lines)})
    return load(MAIN, ENVIRONMENT, LoadOptions(files=files, memo=memo))


def edited(lines: list[str], dice: random.Random) -> list[str]:
    """The file with one edit somewhere."""
    lines = list(lines)
    at = dice.randrange(len(lines))
    match dice.randrange(6):
        case 0:
            lines.insert(at, "")
        case 1:
            del lines[at]
        case 2:
            lines.insert(at, dice.choice(lines))
        case 3:
            lines = [f"{dice.choice(SETTINGS)} #settings" if "#settings" in line else line for line in lines]
        case 4:
            lines[at] = "".join(str(dice.randrange(10)) if sign.isdigit() else sign for sign in lines[at])
        case _:
            lines.insert(
                at, dice.choice(("}", "{", "nonsense", '"', "weight 3", "@other weight 4", "smtp_alert", *OURS))
            )
    return lines


def same(one: LoadResult, other: LoadResult) -> bool:
    """Alike in everything, places of the values included."""
    return (repr(one.config), one.findings, one.exit_status, one.refused) == (
        repr(other.config),
        other.findings,
        other.exit_status,
        other.refused,
    )


@pytest.mark.parametrize("seed", range(20))
def test_reloads_give_what_a_fresh_start_gives(seed: int) -> None:
    dice, memo, lines = random.Random(seed), BlockMemo(), text().splitlines()
    for _ in range(15):
        assert same(read(lines, memo), read(lines))
        # Not all edits add up: a file that is broken beyond use says nothing about the next ones.
        lines = edited(lines if dice.randrange(4) else text().splitlines(), dice)


def test_unchanged_blocks_stay_the_same_objects() -> None:
    memo = BlockMemo()
    lines = "".join(virtual(number, CHECKS[:6]) for number in range(20)).splitlines()
    before = read(lines, memo).config
    lines[lines.index("weight 3", 100)] = "weight 44"
    after = read(lines, memo).config
    assert before is not None
    assert after is not None
    changed = [
        number
        for number, (old, new) in enumerate(zip(before.virtual_servers, after.virtual_servers, strict=True))
        if old is not new
    ]
    assert len(changed) == 1
    assert after.virtual_servers[changed[0]].real_servers[2].weight == 44


@pytest.mark.parametrize("setting", ["smtp_alert", "smtp_alert_checker on", "checker_log_all_failures on"])
def test_a_setting_that_servers_inherit_voids_the_memo(setting: str) -> None:
    memo = BlockMemo()
    plain = ["", *virtual(0).splitlines()]
    changed = [f"global_defs {{ {setting} }}", *plain[1:]]
    first, second = read(plain, memo), read(changed, memo)
    assert same(second, read(changed))
    assert first.config is not None
    assert second.config is not None
    assert first.config.virtual_servers != second.config.virtual_servers or setting.endswith("failures on")


def test_what_a_script_is_allowed_to_do_is_asked_each_time() -> None:
    """A block with a script depends on the disk, so it is built anew."""
    memo = BlockMemo()
    lines = virtual(0, CHECKS[6:7]).splitlines()
    first, second = read(lines, memo).config, read(lines, memo).config
    assert first is not None
    assert second is not None
    assert first.virtual_servers[0] == second.virtual_servers[0]
    assert first.virtual_servers[0] is not second.virtual_servers[0]


# A file with random values is another one each time.
WILD = [path for path in sorted((SHARED / "corpus/wild").glob("*.conf")) if b"_RANDOM" not in path.read_bytes()]


@pytest.mark.skipif(not WILD, reason="no corpus")
@pytest.mark.parametrize("start", range(8))
def test_reloads_of_files_of_the_corpus(start: int) -> None:
    """One memo over many different files, each twice."""
    memo = BlockMemo()
    for path in WILD[start::8]:
        lines = Path(path).read_text("utf-8", "surrogateescape").split("\n")
        for _ in range(2):
            assert same(read(lines, memo), read(lines)), path.name
