"""Any words behind any keyword, and as any entry line, load or give findings: no exception, whatever they are."""

from __future__ import annotations

import random

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, EXIT_SECURITY, EXIT_STOPPED
from pykeepalived.config.schema.base import Block
from pykeepalived.config.schema.root import ROOT
from tests.config_lvs.loading import read
from tests.fuzz.configurations import PLACES, Change, text_with

PIECES = (
    *(
        "-",
        "/",
        ".",
        ":",
        "0",
        "9",
        "x",
        '"',
        "'",
        "\\",
        "a",
        "é",
        "\x00",
        "\udc80",
        "{",
        "}",
        "$",
        "~",
        "@",
        "#",
        "!",
        "%",
    ),
    *("fe80::1", "10.0.0.1", "group", "fwmark", "weight", "reverse", "lock", "encap", "nexthop", "via", "inet6", "dev"),
    *("eth0", "to", "type", "from", "table", "5", "1e9", "9" * 30, "0x10", "08", "٣", "²", "url", "path"),
)


def odd_line(chance: random.Random) -> Change:
    place = chance.choice(PLACES)
    keywords = ROOT
    for name in () if place == "root" else place.split("/"):
        block = keywords[name].block
        keywords = block.keywords if isinstance(block, Block) else {}
    words = ["".join(chance.choices(PIECES, k=chance.randint(1, 3))) for _ in range(chance.randint(0, 6))]
    first = [chance.choice(list(keywords))] if keywords else []
    return Change(place, " ".join([*first, *words]))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("config_test", [True, False])
def test_odd_lines_give_findings(seed: int, config_test: bool) -> None:
    chance = random.Random(seed)
    for _ in range(10):
        result = read(text_with(odd_line(chance)), config_test=config_test)
        assert result.exit_status in (EXIT_OK, EXIT_STOPPED, 4, EXIT_ERRORS, EXIT_SECURITY)
        assert all(finding.message for finding in result.findings)
