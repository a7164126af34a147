"""keepalived_bfd.data and keepalived_parent.data: every line of a session, and what --dump-conf shows of it."""

from __future__ import annotations

from datetime import UTC

from pykeepalived.config.model import Config
from pykeepalived.config.model.bfd import BfdInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.observe.dump.bfd import bfd_data, bfd_lines
from pykeepalived.observe.dump.parent import parent_data
from pykeepalived.observe.snapshot import BfdSessionSnapshot, BfdSnapshot, Taken

WALL_NS = 1_795_361_506_000_000_000
NOW_NS = 1_000_000_000_000

CONFIG = Config(
    bfd_instances=(
        BfdInstance(name="b1", neighbor=Ip.parse("192.0.2.2"), source=Ip.parse("192.0.2.1"), to_checker=False),
        BfdInstance(name="b6", neighbor=Ip.parse("2001:db8::2"), passive=True, min_rx_us=50_000, ttl=64, max_hops=3),
    ),
    wants_bfd=True,
)
SNAPSHOT = BfdSnapshot(
    taken=Taken(NOW_NS, WALL_NS),
    fd_in=8,
    sessions=(
        BfdSessionSnapshot(
            name="b1",
            fd_out=10,
            transmit_timer_ns=NOW_NS + 5_000_000,
            detection_timer_ns=NOW_NS + 30_000_000,
            local_state="Up",
            remote_state="Up",
            local_discriminator=0x1234ABCD,
            remote_discriminator=7,
            remote_min_tx_us=10_000,
            remote_min_rx_us=20_000,
            remote_multiplier=3,
            poll=True,
            local_tx_us=20_000,
            remote_tx_us=10_000,
            local_detection_us=30_000,
            remote_detection_us=100_000,
            last_seen_ns=NOW_NS - 1_000,
        ),
    ),
)

EXPECTED = """\
------< BFD Data >------
 fd_in = 8
 thread_in = 0x0
------< BFD Topology >------
 BFD Instance = b1
   Neighbor IP = 192.0.2.2
   Source IP = 192.0.2.1
   Required min RX interval = 10000 us
   Desired min TX interval = 10000 us
   Desired idle TX interval = 1000000 us
   Detection multiplier = 5
   TTL = 255
   max_hops = 0
   passive = false
   send event to VRRP process = Yes
   send event to checker process = No
   fd_out 10
   thread_open_fd_out 0x0
   thread_out 0x0
   sands_out = 1795361506.005000 (Sun Nov 22 15:31:46.005000 2026)
   thread_exp 0x0
   sands_exp = 1795361506.030000 (Sun Nov 22 15:31:46.030000 2026)
   thread_rst 0x0
   sands_rst = [disabled]
   send error = false
   local state = Up
   remote state = Up
   local discriminator = 0x1234abcd
   remote discriminator = 0x7
   local diag = No Diagnostic
   remote diag = No Diagnostic
   remote min tx intv = 10000 us
   remote min rx intv = 20000 us
   local demand = 0
   remote demand = 0
   remote detect multiplier = 3
   poll, !final
   local tx intv = 20000 us
   remote tx intv = 10000 us
   local detection time = 30000 us
   remote detection time = 100000 us
   last seen = 1795361505.999999 (Sun Nov 22 15:31:45 2026.999999)
 BFD Instance = b6
   Neighbor IP = 2001:db8::2
   Required min RX interval = 50000 us
   Desired min TX interval = 10000 us
   Desired idle TX interval = 1000000 us
   Detection multiplier = 5
   hoplimit = 64
   max_hops = 3
   passive = true
   send event to VRRP process = Yes
   send event to checker process = Yes
"""


def test_sessions():
    text = bfd_data(CONFIG, SNAPSHOT, UTC)
    assert EXPECTED in text
    unknown = text.partition(EXPECTED)[2].splitlines()
    assert unknown[0] == "   fd_out -1"
    assert unknown[-1] == "   last_seen = [never]"


def test_configuration_only():
    lines = list(bfd_lines(CONFIG, BfdSnapshot(), UTC, state=False))
    assert lines[-1] == "   send event to checker process = Yes"
    assert not [line for line in lines if "fd_" in line or "BFD Data" in line]


def test_every_dump_begins_with_the_same_definitions():
    parent = parent_data(CONFIG)
    assert parent.startswith("------< Global definitions >------\n Network namespace = (default)\n")
    assert bfd_data(CONFIG, SNAPSHOT, UTC).startswith(parent)
    assert parent.count("\n") >= 66
