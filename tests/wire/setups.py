"""The configurations behind the recordings in pcap/, as models: what hosts A and B ran."""

from __future__ import annotations

import dataclasses

from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import Garp, GlobalDefs, VrrpDefaults
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import (
    AuthHmac,
    AuthType,
    HmacKey,
    State,
    UnicastChecksum,
    UnicastPeer,
    Vmac,
    VrrpInstance,
)
from pykeepalived.vrrp import inputs
from tests.vrrp.lan import address, config, instance, interface, ip, view, vip

HMAC = AuthHmac(keys=(HmacKey(id=1, secret=bytes(range(32))),), active_key=1)
PASSWORD = {"auth_type": AuthType.PASS, "auth_pass": b"secret12"}
AH = {"auth_type": AuthType.AH, "auth_pass": b"secret12"}
IPV6 = {
    "family": 6,
    "version": 3,
    "mcast_dst_ip": ip("ff02::12"),
    "virtual_addresses": (vip("fe80::100"), vip("2001:db8:77::100/64")),
}

COMMON: dict[str, dict[str, object]] = {
    "v2-mcast": {},
    "v2-pass": PASSWORD,
    "v2-pass-short": {"auth_type": AuthType.PASS, "auth_pass": b"abc"},
    "v2-ah": AH,
    "v2-ah-unicast": {**AH, "unicast": True},
    "v2-unicast": {"unicast": True},
    "v3-mcast-100ms": {"version": 3, "advert_int_us": 100_000},
    "v3-unicast": {"version": 3, "unicast": True},
    "v3-unicast-old-checksum": {"version": 3, "unicast": True},
    "v3-checksum-as-v2": {"version": 3, "v3_checksum_as_v2": True},
    "v3-ipv6-mcast": IPV6,
    "v3-ipv6-unicast": {**IPV6, "unicast": True, "virtual_addresses": (vip("2001:db8:77::100/64"),)},
    "hmac-v3-mcast": {"version": 3, "auth_hmac": HMAC},
    "hmac-v2-unicast": {"unicast": True, "auth_hmac": HMAC},
    "hmac-v3-ipv6-mcast": {**IPV6, "auth_hmac": HMAC},
    "multi-vip-evip-route-rule": {
        "virtual_addresses": (
            vip("192.0.2.100"),
            vip("192.0.2.101/24", label="eth0:1"),
            vip("192.0.2.102"),
            vip("198.51.100.1"),
        ),
        "excluded_addresses": (
            vip("192.0.2.200"),
            vip("2001:db8:77::200/64"),
            vip("2001:db8:77::201/64"),
        ),
    },
    "vmac-v2": {"vmac": Vmac()},
    "vmac-v3-ipv6": {**IPV6, "vmac": Vmac()},
    "vmac-xmit-base": {"vmac": Vmac(xmit_base=True)},
}
"""What instances of both hosts have in common, by recording."""

VMACS = {"vmac-v2": "00005e000133", "vmac-v3-ipv6": "00005e000233", "vmac-xmit-base": "00005e000133"}

_MACHINE = {
    "A": ("02000000000a", "192.0.2.1", "fe80::a", "2001:db8:77::1"),
    "B": ("02000000000b", "192.0.2.2", "fe80::b", "2001:db8:77::2"),
}


def model(name: str, host: str, **more: object) -> VrrpInstance:
    """The instance of a host in a recording."""
    values: dict[str, object] = {"priority": 150 if host == "A" else 100, **COMMON[name]}
    if values.get("unicast"):
        place = 3 if values.get("family") == 6 else 1
        peer = "B" if host == "A" else "A"
        values["source_address"] = ip(_MACHINE[host][place])
        values["unicast_peers"] = (UnicastPeer(address=ip(_MACHINE[peer][place])),)
    if name == "v3-unicast-old-checksum" and host == "A":
        values["unicast_checksum"] = UnicastChecksum.OLD
    values.update(more)
    return instance(**values)


def machine(name: str, host: str) -> inputs.View:
    """The interfaces and addresses of a host."""
    mac, four, local, six = _MACHINE[host]
    interfaces = [interface(mac=mac)]
    addresses = [address(f"{four}/24"), address(f"{local}/64"), address(f"{six}/64")]
    attachments = {}
    if name in VMACS:
        family = 6 if name == "vmac-v3-ipv6" else 4
        interfaces.append(interface("vrrp.51", 7, VMACS[name], parent="eth0"))
        addresses.append(address(f"{local}/64", "vrrp.51", 0x80))
        attachments[("VI_1", "eth0", family)] = "vrrp.51"
    return view(*addresses, interfaces=tuple(interfaces), attachments=attachments)


def paced() -> Config:
    """The configuration of garp-interval-refresh."""
    garp = Garp(master_delay_s=2, master_repeat=3, master_refresh_s=4, master_refresh_repeat=2)
    addresses = (vip("192.0.2.100"), vip("192.0.2.101"), vip("192.0.2.102"))
    defaults = VrrpDefaults(garp=garp, garp_interval_us=50_000)
    return dataclasses.replace(
        config(instance(priority=150, garp=garp, virtual_addresses=addresses, state=State.BACKUP)),
        globals=GlobalDefs(vrrp_defaults=defaults),
    )


def source(host: str, family: int) -> Ip:
    return ip(_MACHINE[host][1 if family == 4 else 2])
