"""Which network the laboratory builds for a set of configurations."""

from pykeepalived.config.model import Config, IpAddress, VrrpInstance
from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import Tracker, Trackers, UnicastPeer
from pykeepalived.lab.plan import CLIENT, Plug, plan


def instance(vip: str, length: int = 24, **more: object) -> VrrpInstance:
    address = IpAddress(address=Ip.parse(vip), prefix_length=length, interface="eth0")
    return VrrpInstance(name="VI", interface="eth0", virtual_router_id=1, virtual_addresses=(address,), **more)  # type: ignore[arg-type]


def test_nodes_and_client_share_the_subnet_of_the_vip() -> None:
    config = Config(vrrp_instances=(instance("192.0.2.1"),))
    made = plan({"n1": config, "n2": config})
    assert made.targets == ("192.0.2.1",)
    assert made.plugs == (
        Plug("n1", "eth0", ("192.0.2.2/24",)),
        Plug("n2", "eth0", ("192.0.2.3/24",)),
        Plug(CLIENT, "eth0", ("192.0.2.4/24",)),
    )


def test_a_configured_source_address_is_kept_and_a_host_vip_stands_in_a_network() -> None:
    peer = UnicastPeer(address=Ip.parse("198.51.100.7"))
    first = Config(
        vrrp_instances=(instance("198.51.100.9", 32, source_address=Ip.parse("198.51.100.8"), unicast_peers=(peer,)),)
    )
    made = plan({"n1": first})
    assert made.plugs[0] == Plug("n1", "eth0", ("198.51.100.8/24",))
    assert made.plugs[1].addresses == ("198.51.100.1/24",)


def test_tracked_interfaces_exist_without_addresses_and_link_local_vips_are_not_pinged() -> None:
    config = Config(vrrp_instances=(instance("fe80::100", 64, track=Trackers(interfaces=(Tracker(name="eth1"),))),))
    made = plan({"n1": config})
    assert [plug.interface for plug in made.plugs] == ["eth0", "eth1"]
    assert made.targets == ()
