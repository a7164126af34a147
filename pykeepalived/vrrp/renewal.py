"""What a reload changes in an instance that stays: another configuration of the same virtual router, the same state."""

from __future__ import annotations

from pykeepalived.config.model.vrrp import VrrpInstance
from pykeepalived.observe.cause import Cause
from pykeepalived.vrrp.advertiser import Advertiser
from pykeepalived.vrrp.effects import NotifyInstance
from pykeepalived.vrrp.holdings import Change, InterfaceOf
from pykeepalived.vrrp.instance import Instance
from pykeepalived.vrrp.receive import Receiver
from pykeepalived.vrrp.table import State


def reconfigure(
    instance: Instance, config: VrrpInstance, interface: str, interface_of: InterfaceOf, change: Change
) -> None:
    """Give the instance another configuration; its state stays. What a MASTER owns goes into `change`. The caller
    then sets source and trackers, and calls `resume`."""
    instance.forget_repeat()
    instance.notices.clear()
    own_interval = instance.master_interval_us == instance.config.advert_int_us
    instance.config = config
    instance.interface = interface
    receiver, advertiser = instance.receiver, instance.advertiser
    instance.receiver = Receiver(config, instance.counters, instance.ah, instance.group4)
    if instance.receiver.verifier is not None and receiver.verifier is not None:
        instance.receiver.verifier.inherit(receiver.verifier)
    instance.advertiser = Advertiser(config, instance.ah, instance.group4)
    instance.advertiser.inherit(advertiser)
    instance.estate.reconfigure(config, interface, interface_of, change)
    if own_interval or instance.state is State.MASTER or config.version == 2:
        instance.master_interval_us = config.advert_int_us
    instance.total = config.priority + sum(instance.contributions.values())
    former_down = instance.down_ns
    instance.compute_down()
    if instance.state is State.BACKUP and instance.timer.when is not None:
        instance.timer.set(max(instance.timer.when + instance.down_ns - former_down, 0))


def resume(instance: Instance, now: int) -> None:
    """After a reload that changed it: a MASTER says at once what is new, and announces new addresses."""
    instance.update_priority(Cause("reload", "", "", now, instance.config.at), now)
    if instance.state is State.MASTER:
        instance.send_extra_advert(now)
        instance.estate.reloaded(now)
    elif instance.state is State.BACKUP and instance.timer.when is not None:
        instance.timer.set(max(instance.timer.when, now))


def repeat_notice(instance: Instance) -> None:
    """Write the present state to the FIFOs once more (fifo_write_vrrp_states_on_reload)."""
    notice = NotifyInstance(instance.config, instance.state.name, instance.effective, instance.cause, fifo_only=True)
    instance.context.outbox.later(notice)
