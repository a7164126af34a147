"""bfd_instance and SSL: values, limits, faults, and the checks at the end of the block."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_ERRORS, EXIT_STOPPED
from pykeepalived.config.load import LoadResult
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from tests.config_lvs.loading import errors, finding, notes, read

NEIGHBOR = "neighbor_ip 10.0.0.2\n"


def bfd(words: str, name: str = "b") -> LoadResult:
    return read(f"bfd_instance {name} {{\n{words}\n}}\n")


def instances(result: LoadResult) -> tuple[BfdInstance, ...]:
    assert result.config is not None
    return result.config.bfd_instances


def test_defaults() -> None:
    (found,) = instances(bfd(NEIGHBOR))
    assert found == BfdInstance(name="b", neighbor=Ip.parse("10.0.0.2"))
    (six,) = instances(bfd("neighbor_ip 2001:db8::2"))
    assert (six.ttl, six.max_hops) == (64, 0)


def keyword(name: str) -> pytest.MarkDecorator:
    return pytest.mark.keyword(f"bfd_instance/{name}")


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        pytest.param(
            "neighbour_ip 10.0.0.3/24",
            "neighbor",
            Ip.parse("10.0.0.3"),
            marks=[keyword("neighbour_ip"), keyword("neighbor_ip")],
        ),
        pytest.param("source_ip 10.0.0.1", "source", Ip.parse("10.0.0.1"), marks=keyword("source_ip")),
        pytest.param("min_rx 12.5", "min_rx_us", 12_500, marks=keyword("min_rx")),
        pytest.param("min_tx 4294967", "min_tx_us", 4_294_967_000, marks=keyword("min_tx")),
        pytest.param("idle_tx 1000", "idle_tx_us", 1_000_000, marks=keyword("idle_tx")),
        pytest.param("multiplier 255", "multiplier", 255, marks=keyword("multiplier")),
        pytest.param("passive", "passive", True, marks=keyword("passive")),
        pytest.param("ttl 5", "ttl", 5, marks=keyword("ttl")),
        pytest.param("ttl 5\nhoplimit 6", "ttl", 6, marks=keyword("hoplimit")),
        pytest.param("max_hops 3", "max_hops", 3, marks=keyword("max_hops")),
        ("max_hops -1", "max_hops", 255),
        pytest.param("multihop", "multihop", True, marks=keyword("multihop")),
        ("multihop no", "multihop", False),
        pytest.param("weight -253 reverse", "weight", -253, marks=keyword("weight")),
        ("weight 5 reverse", "reverse", True),
        pytest.param("vrrp", "to_checker", False, marks=keyword("vrrp")),
        pytest.param("checker", "to_vrrp", False, marks=keyword("checker")),
        ("checker\nvrrp", "to_vrrp", True),
        ("checker\nvrrp", "to_checker", True),
    ],
)
def test_keyword(words: str, attribute: str, value: object) -> None:
    result = bfd(NEIGHBOR + words)
    assert errors(result) == []
    assert getattr(instances(result)[0], attribute) == value


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("min_rx 0", "number-range"),
        ("min_rx 5x", "number-invalid"),
        ("min_tx 10.1234", "number-decimals"),
        ("idle_tx 999", "number-range"),
        ("multiplier 256", "number-range"),
        ("ttl 0", "number-range"),
        ("max_hops -2", "number-range"),
        ("multihop maybe", "bool-invalid"),
        ("weight 254", "number-range"),
        ("weight 5 forward", "word-unknown"),
        ("source_ip 10.0.0", "address-invalid"),
    ],
)
def test_fault_keeps_the_instance(words: str, code: str) -> None:
    result = bfd(NEIGHBOR + words)
    assert errors(result) == [code]
    assert result.exit_status == EXIT_ERRORS
    assert len(instances(result)) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", "bfd-no-neighbor"),
        ("neighbor_ip 10.0.0.300", "address-invalid"),
        ("neighbor_ip fe80::1%eth0", "address-invalid"),
        (NEIGHBOR + "source_ip 2001:db8::1", "bfd-family"),
    ],
)
def test_fault_drops_the_instance(words: str, code: str) -> None:
    result = bfd(words)
    assert errors(result) == [code]
    assert instances(result) == ()


def test_spelling_of_the_neighbour() -> None:
    result = bfd("neighbour_ip x")
    text = "Configuration error: BFD instance b has malformed neighbour address x, ignoring instance"
    assert finding(result, "address-invalid").message == text


@pytest.mark.keyword("bfd_instance")
def test_names() -> None:
    assert errors(bfd(NEIGHBOR, "x" * 31)) == []
    assert errors(bfd(NEIGHBOR, "x" * 32)) == ["word-long"]
    assert errors(bfd(NEIGHBOR, "")) == ["word-absent"]
    twice = read(f"bfd_instance b {{\n{NEIGHBOR}}}\nbfd_instance b {{\nnonsense\n}}\n")
    assert errors(twice) == ["name-repeated"]
    assert len(instances(twice)) == 1


@pytest.mark.parametrize(
    ("first", "second", "duplicate"),
    [
        ("", "", True),
        ("source_ip 10.0.0.1", "", True),
        ("source_ip 10.0.0.1", "source_ip 10.0.0.1", True),
        ("source_ip 10.0.0.1", "source_ip 10.0.0.5", False),
        ("", "multihop", False),
    ],
)
def test_same_session_twice(first: str, second: str, duplicate: bool) -> None:
    result = read(f"bfd_instance a {{\n{NEIGHBOR}{first}\n}}\nbfd_instance b {{\n{NEIGHBOR}{second}\n}}\n")
    assert errors(result) == (["bfd-duplicate"] if duplicate else [])
    assert len(instances(result)) == (1 if duplicate else 2)


def test_max_hops_above_ttl() -> None:
    result = bfd(NEIGHBOR + "ttl 5\nmax_hops 6")
    assert errors(result) == ["bfd-max-hops"]
    assert instances(result)[0].max_hops == 5
    six = bfd("neighbor_ip 2001:db8::2\nmax_hops -1")
    assert errors(six) == ["bfd-max-hops"]
    assert instances(six)[0].max_hops == 64


def test_large_intervals_are_only_logged() -> None:
    result = bfd(NEIGHBOR + "min_rx 10001")
    assert (errors(result), notes(result)) == ([], ["bfd-interval"])
    assert instances(result)[0].min_rx_us == 10_001_000


@pytest.mark.parametrize("word", ["min_rx", "multiplier", "ttl", "weight", "source_ip", "max_hops"])
def test_missing_word_stops(word: str) -> None:
    assert bfd(word).exit_status == EXIT_STOPPED


@pytest.mark.keyword("SSL")
@pytest.mark.keyword("SSL/password")
@pytest.mark.keyword("SSL/ca")
@pytest.mark.keyword("SSL/certificate")
@pytest.mark.keyword("SSL/key")
def test_ssl() -> None:
    result = read("SSL {\npassword hush\nca /a\ncertificate /b\nkey /c\n}\n")
    assert errors(result) == []
    assert result.config is not None
    context = result.config.ssl
    assert context is not None
    assert (context.password, context.ca, context.certificate, context.key) == ("hush", "/a", "/b", "/c")
    assert "hush" not in repr(context)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("SSL {\nca\n}\n", ["word-absent"]),
        ("SSL {\npassword one\npassword two\n}\n", ["keyword-repeated"]),
        ("SSL {\nca /a\n}\nSSL {\nkey /c\n}\n", ["keyword-repeated"]),
    ],
)
def test_ssl_faults_tell_no_secrets(text: str, codes: list[str]) -> None:
    result = read(text)
    assert errors(result) == codes
    assert not any("one" in found.message or "two" in found.message for found in result.findings)
