"""The VRRP state machine as a table. A transition that is not in it cannot happen.

Rows name the section of RFC 9568 they come from (RFC 3768 has the same machine), or keepalived.conf(5) where the
protocol is silent. What is done on the way is instance.py.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from pykeepalived.light_dataclasses import dataclass


class State(IntEnum):
    """States; the numbers are seen in JSON dumps, SNMP and D-Bus. INIT lasts until the first decision."""

    INIT = 0
    BACKUP = 1
    MASTER = 2
    FAULT = 3
    STOP = 98


class Event(Enum):
    """Everything that can move an instance."""

    STARTUP = "startup"
    STARTUP_OWNER = "startup as address owner"
    ADOPT = "going on as killed predecessor"
    FAULT = "own fault"
    RECOVER = "last fault gone"
    RECOVER_OWNER = "last fault of an address owner gone"
    DOWN_TIMER = "master down timer"
    ADVERT_TIMER = "advert timer"
    PRIORITY_ZERO = "priority 0 advert"
    ADVERT_ACCEPTED = "advert that keeps us backup"
    ADVERT_DISCARDED = "advert of lower priority"
    ADVERT_HIGHER = "advert of a better router"
    ADVERT_LOWER = "advert of a worse router"
    ADVERT_OWN_ADDRESS = "advert with our own address"
    ADVERT_ROGUE = "advert of a second address owner"
    OBJECT_LOST = "address, route or rule deleted by somebody"
    LATE = "timer_expired_backup"
    GROUP_MASTER = "sync group goes master"
    GROUP_BACKUP = "sync group goes backup"
    GROUP_FAULT = "sync group goes to fault"
    STOP = "end of the instance"


@dataclass(frozen=True, slots=True)
class Row:
    """Where an event leads, and who says so."""

    following: State
    source: str


class IllegalTransition(Exception):  # noqa: N818
    """The table has no such row: a defect of the caller."""


_CONF = "keepalived.conf(5)"

TABLE: dict[tuple[State, Event], Row] = {
    # RFC 9568 6.4.1 Initialize
    (State.INIT, Event.STARTUP): Row(State.BACKUP, "RFC 9568 6.4.1"),
    (State.INIT, Event.STARTUP_OWNER): Row(State.MASTER, "RFC 9568 6.4.1"),
    (State.INIT, Event.ADOPT): Row(State.MASTER, "RFC 9568 6.4.3: the virtual router was Active"),
    (State.INIT, Event.FAULT): Row(State.FAULT, f"{_CONF}: track_*"),
    (State.INIT, Event.GROUP_FAULT): Row(State.FAULT, f"{_CONF}: vrrp_sync_group"),
    (State.INIT, Event.STOP): Row(State.STOP, "RFC 9568 6.4.1"),
    # RFC 9568 6.4.2 Backup
    (State.BACKUP, Event.DOWN_TIMER): Row(State.MASTER, "RFC 9568 6.4.2"),
    (State.BACKUP, Event.PRIORITY_ZERO): Row(State.BACKUP, "RFC 9568 6.4.2"),
    (State.BACKUP, Event.ADVERT_ACCEPTED): Row(State.BACKUP, "RFC 9568 6.4.2"),
    (State.BACKUP, Event.ADVERT_DISCARDED): Row(State.BACKUP, "RFC 9568 6.4.2"),
    (State.BACKUP, Event.FAULT): Row(State.FAULT, f"{_CONF}: track_*"),
    (State.BACKUP, Event.GROUP_MASTER): Row(State.MASTER, f"{_CONF}: vrrp_sync_group"),
    (State.BACKUP, Event.GROUP_FAULT): Row(State.FAULT, f"{_CONF}: vrrp_sync_group"),
    (State.BACKUP, Event.STOP): Row(State.STOP, "RFC 9568 6.4.2"),
    # RFC 9568 6.4.3 Active
    (State.MASTER, Event.ADVERT_TIMER): Row(State.MASTER, "RFC 9568 6.4.3"),
    (State.MASTER, Event.PRIORITY_ZERO): Row(State.MASTER, "RFC 9568 6.4.3"),
    (State.MASTER, Event.ADVERT_LOWER): Row(State.MASTER, "RFC 9568 6.4.3"),
    (State.MASTER, Event.ADVERT_OWN_ADDRESS): Row(State.MASTER, "RFC 9568 6.4.3"),
    (State.MASTER, Event.ADVERT_ROGUE): Row(State.MASTER, f"{_CONF}: priority 255"),
    (State.MASTER, Event.ADVERT_HIGHER): Row(State.BACKUP, "RFC 9568 6.4.3"),
    (State.MASTER, Event.OBJECT_LOST): Row(State.BACKUP, f"{_CONF}: virtual_ipaddress, no_track"),
    (State.MASTER, Event.LATE): Row(State.BACKUP, f"{_CONF}: timer_expired_backup"),
    (State.MASTER, Event.FAULT): Row(State.FAULT, f"{_CONF}: track_*"),
    (State.MASTER, Event.GROUP_BACKUP): Row(State.BACKUP, f"{_CONF}: vrrp_sync_group"),
    (State.MASTER, Event.GROUP_FAULT): Row(State.FAULT, f"{_CONF}: vrrp_sync_group"),
    (State.MASTER, Event.STOP): Row(State.STOP, "RFC 9568 6.4.3"),
    # keepalived's own state: something this router needs is missing
    (State.FAULT, Event.RECOVER): Row(State.BACKUP, f"{_CONF}: track_*"),
    (State.FAULT, Event.RECOVER_OWNER): Row(State.MASTER, "RFC 9568 6.4.1"),
    (State.FAULT, Event.GROUP_BACKUP): Row(State.BACKUP, f"{_CONF}: vrrp_sync_group"),
    (State.FAULT, Event.GROUP_MASTER): Row(State.MASTER, f"{_CONF}: vrrp_sync_group"),
    (State.FAULT, Event.STOP): Row(State.STOP, "RFC 9568 6.4.1"),
}


def follow(state: State, event: Event) -> Row:
    """The row of an event in a state. Raises IllegalTransition if the table has none."""
    row = TABLE.get((state, event))
    if row is None:
        raise IllegalTransition(f"no transition from {state.name} on {event.value}")
    return row
