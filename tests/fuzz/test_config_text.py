"""Any text whatever loads or gives findings: no exception, no endless work, formatting keeps what was read."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pykeepalived.config import source
from pykeepalived.config.describe import paths
from pykeepalived.config.diff import diff
from pykeepalived.config.excerpt import report
from pykeepalived.config.fmt import format_text
from pykeepalived.config.messages import config_test_lines
from pykeepalived.config.schema.root import ROOT
from tests.config.support import instance_text, run
from tests.config.test_corpus import statements

NAMES = sorted({keyword.name for keyword in paths(ROOT).values()})
ARGUMENTS = [
    *("", "0", "-1", "1", "255", "256", "99999999999999999999", "1.5", "x", "on", "off", "MASTER", "eth0", "eth9", "A"),
    *("10.0.0.1", "10.0.0.1/24", "::1", "fe80::1/64", "224.0.0.1", "80", "weight", "reverse", '"', '"a b"', "'", "\\"),
    *("$X", "${X}", "${_ENV}", "${_RANDOM 1 2}", "$X=", "@main", "@^x", "~SEQ(K,2)", "~LST(K,a,b)", "#", "!", "\0"),
    *("{", "}", "include", "x.conf", "via", "dev", "table", "from", "to", "nexthop", "encap", "mpls", "/opt/good"),
]
WORD = st.one_of(st.sampled_from(NAMES), st.sampled_from(ARGUMENTS), st.text(max_size=6))
LINE = st.lists(WORD, max_size=6).map(" ".join)
TEXT = st.one_of(
    st.lists(LINE, max_size=25).map("\n".join),
    st.text(max_size=200),
    st.lists(st.sampled_from([*NAMES, *ARGUMENTS]), max_size=40).map(" ".join),
)


def consistent(text: str) -> None:
    """Load the text and look at it in every way there is."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    result = run(text)
    assert result.exit_status in (0, 2, 4, 5, 6)
    config_test_lines(result.findings)
    report(result.findings, result.texts)
    if result.config is not None:
        assert diff(result.config, result.config) == ()
        hash(result.config.vrrp_instances)


SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text(text: str) -> None:
    consistent(text)


@SETTINGS
@given(TEXT.filter(lambda text: text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)))
def test_text_that_looks_like_a_configuration(text: str) -> None:
    consistent(text)


@SETTINGS
@given(st.lists(LINE, max_size=12), st.sampled_from(["vrrp_instance A", "virtual_server 10.0.0.1 80", "global_defs"]))
def test_lines_inside_a_block(lines: list[str], header: str) -> None:
    consistent(header + " {\n" + "\n".join(lines) + "\n}\n")


@SETTINGS
@given(TEXT)
def test_formatting_keeps_the_statements(text: str) -> None:
    shaped = format_text(text)
    assert statements(shaped) == statements(text)
    assert format_text(shaped) == shaped


def test_mutations_of_a_real_configuration() -> None:
    text = instance_text("priority 9\nauthentication {\n auth_type PASS\n auth_pass x\n}")
    text += "virtual_server 10.1.1.1 80 {\n protocol TCP\n real_server 10.2.0.1 80 {\n TCP_CHECK {\n }\n }\n}\n"
    chance = random.Random(7)
    for _ in range(400):
        signs = list(text)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(signs))
            signs[at : at + chance.randint(0, 3)] = chance.choice(["", "{", "}", '"', "\n", " ", "$", "x", "\0", "#"])
        consistent("".join(signs))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "router_id " + "a " * 500_000 + "\n",
        '"' * 1_000_000,
        "{" * 100_000,
        "}" * 100_000,
        "vrrp_instance A {\n" * 20_000,
        "virtual_server_group x {\n" * 2_000,
        "$A=" + "${A}" * 200 + "\n${A}\n",
        "\n".join(f"$A{n}=$A{n + 1} $A{n + 1}" for n in range(100)) + "\n$A0\n",
        "~SEQ(A, 1, 2000000000) router_id $A\n",
        "~LST(A" + ",x" * 100_000 + ") k\n",
        "global_defs {\n" + "unknown_word 1\n" * 20_000 + "}\n",
        "\0" * 100_000,
        "vrrp_sync_group G {\n group {\n" + "".join(f"  M{n}\n" for n in range(20_000)) + " }\n}\n",
        "@" * 10_000 + "\n" + "@x " * 300,
        "\\" * 1000,
        "include " + "{a,b}" * 200 + "\n",
        "include " + "[" * 900 + "\n",
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.slow
def test_huge_and_deep_texts_end(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A fifth of what one line may become, to be done sooner.
    monkeypatch.setattr(source, "MOST_LINES_OF_ONE", 200_000)
    consistent(text)
