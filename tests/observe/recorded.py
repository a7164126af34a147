"""The configuration of a recorded host (a sync group of an IPv4 and an IPv6 instance) as a model, and its snapshot."""

from __future__ import annotations

from datetime import UTC, datetime

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs, VrrpDefaults
from pykeepalived.config.model.network import IpAddress, IpRoute, IpRule
from pykeepalived.config.model.values import Account, Fifo, Ip, Script
from pykeepalived.config.model.vrrp import (
    Notify,
    Tracker,
    Trackers,
    TrackFile,
    VrrpInstance,
    VrrpScript,
    VrrpSyncGroup,
)
from pykeepalived.observe.snapshot import (
    InterfaceSnapshot,
    SocketSnapshot,
    Taken,
    TrackFileSnapshot,
    TrackScriptSnapshot,
    VrrpCounters,
    VrrpGroupSnapshot,
    VrrpInstanceSnapshot,
    VrrpSnapshot,
    VrrpState,
)

ROOT = Account(0, 0)
LAB = "/etc/keepalived/lab"
WALL_NS = int(datetime(2026, 11, 22, 15, 31, 48, tzinfo=UTC).timestamp()) * 10**9
NOW_NS = 5_000_000_000_000


def at(text: str) -> int:
    """The monotonic moment of a wall-clock time SEC.USEC."""
    seconds, microseconds = text.split(".")
    return NOW_NS + int(seconds) * 10**9 + int(microseconds) * 1000 - WALL_NS


def log(*words: str) -> Script:
    return Script(words=(f"{LAB}/log.sh", *words), account=ROOT, path=f"{LAB}/log.sh")


def vip(text: str, length: int, lft: int | None = None) -> IpAddress:
    return IpAddress(address=Ip.parse(text), prefix_length=length, interface="eth0", preferred_lft=lft)


CONFIG = Config(
    globals=GlobalDefs(
        router_id="LAB_A",
        script_user=ROOT,
        enable_script_security=True,
        vrrp_notify_fifo=Fifo(f"{LAB}/fifo", ROOT),
        vrrp_defaults=VrrpDefaults(notify_priority_changes=True),
        json_version=2,
    ),
    track_files=(TrackFile(name="f1", path=f"{LAB}/f1", weight=2, init_value=0, overwrite=True),),
    vrrp_scripts=(
        VrrpScript(
            name="s1",
            script=Script(words=(f"{LAB}/okk.sh",), account=ROOT, path=f"{LAB}/okk.sh"),
            interval_us=2_000_000,
            weight=10,
            rise=2,
            fall=3,
        ),
    ),
    vrrp_sync_groups=(
        VrrpSyncGroup(
            name="G1",
            members=("VI_1", "VI_6"),
            tracking_weight=True,
            notify=Notify(generic=log("grp"), master=log("grp_master"), stop=log("grp_stop")),
        ),
    ),
    vrrp_instances=(
        VrrpInstance(
            name="VI_1",
            interface="eth0",
            virtual_router_id=51,
            priority=150,
            track=Trackers(scripts=(Tracker(name="s1", weight=10),), files=(Tracker(name="f1", weight=2),)),
            notify=Notify(
                generic=log("generic"),
                master=log("master"),
                backup=log("backup"),
                fault=log("fault"),
                stop=log("stop"),
            ),
            virtual_addresses=(vip("192.0.2.100", 32),),
            excluded_addresses=(vip("192.0.2.200", 32), vip("2001:db8:77::200", 64)),
            virtual_routes=(
                IpRoute(
                    family=4,
                    destination=Ip.parse("203.0.113.0"),
                    prefix_length=24,
                    via=Ip.parse("192.0.2.254"),
                    interface="eth0",
                    src=Ip.parse("192.0.2.100"),
                    metric=7,
                ),
            ),
            virtual_rules=(
                IpRule(
                    family=4,
                    from_address=Ip.parse("192.0.2.100"),
                    from_length=32,
                    table=100,
                    priority=1000,
                ),
            ),
            notify_priority_changes=True,
        ),
        VrrpInstance(
            name="VI_6",
            interface="eth0",
            virtual_router_id=61,
            family=6,
            version=3,
            priority=150,
            native_ipv6=True,
            mcast_dst_ip=Ip.parse("ff02::12"),
            virtual_addresses=(vip("fe80::100", 128, 0), vip("2001:db8:77::100", 64)),
            notify_priority_changes=True,
        ),
    ),
    wants_vrrp=True,
)

SNAPSHOT = VrrpSnapshot(
    taken=Taken(NOW_NS, WALL_NS),
    instances=(
        VrrpInstanceSnapshot(
            name="VI_1",
            group="G1",
            state=VrrpState.MASTER,
            wantstate=VrrpState.MASTER,
            last_transition_ns=at("1795361506.397493"),
            timer_expires_ns=at("1795361508.396540"),
            last_advert_sent_ns=at("1795361507.396501"),
            master_down_us=3414062,
            interface="eth0",
            interface_index=2,
            source_address=Ip.parse("192.0.2.1"),
            base_priority=150,
            effective_priority=150,
            total_priority=150,
            vips_set=True,
            addresses_set=(True,),
            excluded_set=(True, True),
            fd_in=16,
            fd_out=17,
            counters=VrrpCounters(advert_sent=3, become_master=1),
        ),
        VrrpInstanceSnapshot(
            name="VI_6",
            group="G1",
            state=VrrpState.MASTER,
            wantstate=VrrpState.MASTER,
            last_transition_ns=at("1795361506.396445"),
            timer_expires_ns=at("1795361508.402133"),
            last_advert_sent_ns=at("1795361507.402081"),
            master_down_us=3414062,
            interface="eth0",
            interface_index=2,
            source_address=Ip.parse("fe80::a"),
            base_priority=150,
            effective_priority=150,
            total_priority=150,
            vips_set=True,
            addresses_set=(True, True),
            fd_in=18,
            fd_out=19,
            counters=VrrpCounters(advert_sent=3, become_master=1),
        ),
    ),
    groups=(VrrpGroupSnapshot(name="G1", state=VrrpState.MASTER),),
    scripts=(TrackScriptSnapshot(name="s1", result=4, good=True),),
    files=(TrackFileSnapshot(name="f1", value=-5),),
    interfaces=(
        InterfaceSnapshot(
            name="lo",
            index=1,
            ipv4=Ip.parse("127.0.0.1"),
            mac=bytes(6),
            flags=0x10049,
            seen_up=True,
            mtu=65536,
            hw_type=772,
        ),
        InterfaceSnapshot(
            name="eth0",
            index=2,
            ipv4=Ip.parse("192.0.2.1"),
            ipv6=Ip.parse("fe80::a"),
            mac=bytes.fromhex("02000000000a"),
            mac_broadcast=b"\xff" * 6,
            flags=0x11043,
            seen_up=True,
            mtu=1500,
            hw_type=1,
            ipv6_forwarding=False,
            forwarding_checked_ns=at("1795361506.396330"),
        ),
    ),
    sockets=(
        SocketSnapshot(fd_in=16, fd_out=17, interface="eth0", instances=("VI_1",)),
        SocketSnapshot(fd_in=18, fd_out=19, interface="eth0", family=6, instances=("VI_6",)),
    ),
)
