"""`pykeepalived scan` on recordings of the wire, and on rubbish."""

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykeepalived.cli.frames import Sighting, decode, read_capture
from pykeepalived.cli.scan import main, survey

CAPTURES = Path(__file__).parents[1] / "wire" / "pcap"


def test_a_capture_becomes_a_table_of_speakers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CAPTURES / "v2-pass.pcapng")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "VRID  version  router     priority  interval  auth  addresses",
        "51    v2       192.0.2.1  leaving   1000 ms   PASS  192.0.2.100",
        "51    v2       192.0.2.2  100       1000 ms   PASS  192.0.2.100",
    ]


def test_frames_of_every_kind_are_told_apart() -> None:
    frames = [decode(frame) for _, frame in read_capture(CAPTURES / "multi-vip-evip-route-rule.pcapng")]
    kinds = {sighting.kind for sighting in frames if sighting}
    assert kinds == {"advert", "garp", "na"}
    first = next(sighting for sighting in frames if sighting and sighting.kind == "advert")
    assert (first.vrid, first.priority, first.version, len(first.addresses)) == (51, 150, 2, 4)


def test_two_masters_and_differing_lists_are_faults() -> None:
    def advert(source: str, *addresses: str) -> Sighting:
        return Sighting("advert", source, "02:00:00:00:00:01", vrid=7, priority=9, version=3, addresses=addresses)

    [router] = survey([advert("192.0.2.1", "192.0.2.9"), advert("192.0.2.2", "192.0.2.8")])
    assert router.faults == ["2 routers advertise at once", "the address lists differ"]
    assert survey([advert("192.0.2.1", "192.0.2.9")] * 3)[0].adverts == 3


def test_a_file_that_is_no_capture_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.pcap"
    file.write_text("nothing of the kind, but long enough for a header")
    assert main([str(file)]) == 2
    assert "neither an interface nor pcap nor pcapng" in capsys.readouterr().err


def test_a_capture_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = (CAPTURES / "v2-pass.pcapng").read_bytes()
    frames = len(list(read_capture(CAPTURES / "v2-pass.pcapng")))
    file = tmp_path / "cut.pcapng"
    for length in range(len(whole) - 300, len(whole)):
        file.write_bytes(whole[:length])
        assert 0 < len(list(read_capture(file))) < frames


@settings(max_examples=300, deadline=None)
@given(blocks=st.lists(st.tuples(st.sampled_from([1, 3, 6, 7]), st.integers(0, 60), st.binary(max_size=60))))
def test_any_blocks_are_frames_or_nothing(tmp_path_factory: pytest.TempPathFactory, blocks: list) -> None:
    head = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    file = tmp_path_factory.mktemp("capture") / "x.pcapng"
    file.write_bytes(head + b"".join(struct.pack("<II", kind, length) + data for kind, length, data in blocks))
    for _, frame in read_capture(file):
        assert len(frame) < file.stat().st_size


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_sighting_or_nothing(frame: bytes) -> None:
    head = bytes.fromhex("01005e00001202000000000a0800450000280001000000700000c0000201e0000012")
    for candidate in (frame, head + frame):
        found = decode(candidate)
        assert found is None or found.kind in ("advert", "garp", "na", "bfd")


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "soon"])
def test_a_time_to_listen_that_is_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lo", "--seconds", text])
    assert f"expected seconds, at most 10000000, not {text}" in capsys.readouterr().err
