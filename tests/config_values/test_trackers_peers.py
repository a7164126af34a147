"""Lines of track_* and unicast_peer blocks: options, limits, and which faults drop the line."""

from __future__ import annotations

import pytest

from pykeepalived.config.entries.peer import parse_peer
from pykeepalived.config.entries.tracker import TrackerEntry, TrackerKind, parse_tracker
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.bfd import BfdDraft
from pykeepalived.config.schema.draft import ConfigDraft
from pykeepalived.config.schema.globals_draft import GlobalsDraft
from pykeepalived.config.statement import Statement
from tests.config_lvs.loading import MACHINE


def statement(text: str) -> Statement:
    return Statement(tuple(text.split()), text, "/f", 1, 1)


def reading() -> Reading:
    found = Reading(ConfigDraft(globals=GlobalsDraft()), MACHINE)
    for kind in ("vrrp_script", "track_file", "vrrp_track_process"):
        found.draft.register(kind, "x", object())
    found.draft.register("bfd_instance", "x", BfdDraft("x", statement("bfd_instance x")))
    private = BfdDraft("c", statement("bfd_instance c"))
    private.only_checker = True
    found.draft.register("bfd_instance", "c", private)
    return found


def track(kind: TrackerKind, text: str, seen: tuple[str, ...] = ()) -> tuple[TrackerEntry | None, list[str]]:
    place = reading()
    entry = parse_tracker(kind, statement(text), place, "v", seen)
    return entry, [found.message for found in place.findings]


NAMED = [TrackerKind.SCRIPT, TrackerKind.FILE, TrackerKind.PROCESS, TrackerKind.BFD]


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(
    ("text", "weight", "reverse"),
    [("x", None, None), ("x weight 5", 5, None), ("x weight -5 reverse", -5, True), ("x weight 5 noreverse", 5, False)],
)
def test_named_tracker(kind: TrackerKind, text: str, weight: int | None, reverse: bool | None) -> None:
    assert track(kind, text) == (TrackerEntry("x", weight, reverse), [])


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(TrackerKind.SCRIPT, 253), (TrackerKind.FILE, 254), (TrackerKind.PROCESS, 254)],
)
def test_the_largest_weight(kind: TrackerKind, limit: int) -> None:
    entry, texts = track(kind, "x weight -254")
    assert entry is not None
    assert entry.weight == -limit
    assert texts == ([] if limit == 254 else ["(v) weight for x cannot be +/-254. Setting to +/-253"])


@pytest.mark.parametrize(
    ("kind", "word", "message"),
    [
        (TrackerKind.BFD, "-254", "(v) weight for track bfd x must be in [-253..253] inclusive. Ignoring..."),
        (TrackerKind.FILE, "255", "(v) weight for track file x must be in [-254..254] inclusive. Ignoring..."),
        (TrackerKind.SCRIPT, "255", "(v) track script x: weight must be between [-253..253] inclusive, ignoring..."),
    ],
)
def test_a_weight_outside_is_that_of_the_object(kind: TrackerKind, word: str, message: str) -> None:
    entry, texts = track(kind, f"x weight {word}")
    assert entry == TrackerEntry("x", None, None)
    assert [text.partition(" - number")[0] for text in texts] == [message]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (TrackerKind.SCRIPT, "y", "(v) track script y not found, ignoring..."),
        (TrackerKind.BFD, "c", "(v) track bfd c not found, ignoring..."),
        (TrackerKind.FILE, "x weight", "(v) weight without value specified for track file x - ignoring"),
        (TrackerKind.FILE, "x foo", "(v) unknown track file option foo - ignoring"),
        (TrackerKind.PROCESS, "x weight 5 foo", "(v) unknown track_process x weight option foo - ignoring"),
        (
            TrackerKind.INTERFACE,
            "eth0 weight 5 noreverse",
            "(v) unknown track_interface eth0 weight option noreverse - ignoring",
        ),
        (TrackerKind.INTERFACE, "nosuch", "(v) tracked interface nosuch doesn't exist"),
    ],
)
def test_dropped_line(kind: TrackerKind, text: str, message: str) -> None:
    assert track(kind, text) == (None, [message])


def test_repeated_line() -> None:
    assert track(TrackerKind.SCRIPT, "x", ("x",)) == (None, ["(v) duplicate track_script x - ignoring"])


def test_bad_weight_keeps_the_line() -> None:
    entry, texts = track(TrackerKind.SCRIPT, "x weight 300")
    assert entry == TrackerEntry("x")
    assert len(texts) == 1
    assert "number '300' outside range [-254, 254]" in texts[0]


def test_unknown_interface_refuses() -> None:
    place = reading()
    assert parse_tracker(TrackerKind.INTERFACE, statement("nosuch"), place, "v") is None
    assert place.draft.refused
    place = reading()
    place.draft.globals.dynamic_interfaces = True
    assert parse_tracker(TrackerKind.INTERFACE, statement("nosuch"), place, "v") == TrackerEntry("nosuch")


def peer(text: str) -> tuple[tuple[str, int, int] | None, list[str]]:
    place = reading()
    found = parse_peer(statement(text), place, "v")
    shown = None if found is None else (str(found.address), found.min_ttl, found.max_ttl)
    return shown, [one.code for one in place.findings]


@pytest.mark.keyword("vrrp_instance/unicast_peer")
@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("10.0.0.2", ("10.0.0.2", -1, -1), []),
        ("10.0.0.2/24", ("10.0.0.2", -1, -1), []),
        ("fe80::2 min_ttl 250 max_ttl 255", ("fe80::2", 250, 255), []),
        ("10.0.0.2 min_ttl", ("10.0.0.2", -1, -1), ["peer-option"]),
        ("10.0.0.2 min_ttl x", ("10.0.0.2", -1, -1), ["number-invalid"]),
        ("10.0.0.2 max_ttl 300", ("10.0.0.2", -1, -1), ["number-range"]),
        ("10.0.0.2 foo", ("10.0.0.2", -1, -1), ["peer-option"]),
        ("10.0.0.2 min_ttl 9 max_ttl 8", ("10.0.0.2", 9, 8), ["peer-ttl"]),
        ("10.0.0.400", None, ["peer-address"]),
    ],
)
def test_peer(text: str, expected: tuple[str, int, int] | None, codes: list[str]) -> None:
    assert peer(text) == (expected, codes)
