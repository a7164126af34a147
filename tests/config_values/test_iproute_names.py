"""Names in the files of iproute2."""

from __future__ import annotations

import pytest

from pykeepalived.config.iproute_names import build_names

NAMED = "# comment\n0 unspec\n1\tkernel_lo\n2 kernel_ra\n3 kernel_ll\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (NAMED + "0x4d keepalived # ours\n", 77),
        (NAMED, 18),
        ("", 18),
        (NAMED + "18 somebody\n", 4),
        (NAMED + "18 somebody\n4 else\n", 5),
        (NAMED + "300 keepalived\n", 18),
        ("".join(f"{number} p{number}\n" for number in range(256)), 0),
    ],
)
def test_number_of_our_addresses(text: str, number: int) -> None:
    """That of the name, else the one of our routes unless somebody has it, else the first free one, else none."""
    assert build_names({"rt_addrprotos": [text]}).address_protocol("keepalived") == number
