"""The state machine: every pair of state and event, as RFC 5880 section 6.8.6 has it."""

from __future__ import annotations

import pytest

from pykeepalived.bfd.table import TABLE, Diagnostic, Event, State, diagnostic_text

D, N, U, X = State.DOWN, State.INIT, State.UP, State.ADMIN_DOWN
EXPECTED = {
    #                          AdminDown Down  Init  Up
    Event.HEARD_ADMIN_DOWN: {X: X, D: D, N: D, U: D},
    Event.HEARD_DOWN: {X: X, D: N, N: N, U: D},
    Event.HEARD_INIT: {X: X, D: U, N: U, U: U},
    Event.HEARD_UP: {X: X, D: D, N: U, U: U},
    Event.EXPIRED: {X: X, D: D, N: D, U: D},
    Event.SOCKET_LOST: {X: X, D: X, N: X, U: X},
    Event.SOCKET_READY: {X: D, D: D, N: N, U: U},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair(state: State, event: Event) -> None:
    row = TABLE.get((state, event))
    assert (row.next if row else state) is EXPECTED[event][state]
    assert row is None or row.next is not state


def test_rows_name_their_source_and_diagnostic() -> None:
    for (_, event), row in TABLE.items():
        assert row.source.startswith("RFC 5880")
        expected = {
            Event.EXPIRED: Diagnostic.DETECTION_TIME_EXPIRED,
            Event.SOCKET_LOST: Diagnostic.ADMINISTRATIVELY_DOWN,
        }.get(event, Diagnostic.NONE)
        if row.next is State.DOWN and event in (Event.HEARD_DOWN, Event.HEARD_ADMIN_DOWN):
            expected = Diagnostic.NEIGHBOR_SIGNALED_DOWN
        assert row.diagnostic is expected


def test_diagnostics_have_names_and_reserved_ones_numbers() -> None:
    assert [diagnostic_text(number) for number in (0, 1, 3, 7, 8)] == [
        "No Diagnostic",
        "Control Detection Time Expired",
        "Neighbor Signaled Session Down",
        "Administratively Down",
        "Reverse Concatenated Path Down",
    ]
    assert diagnostic_text(31) == "Unknown (31)"
    assert len({diagnostic_text(number) for number in range(32)}) == 32
