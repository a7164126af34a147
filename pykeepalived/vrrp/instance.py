"""One VRRP instance: its state, its timer, its faults, its priority, and what is done when the state changes.

What a received advert means is election.py; what a MASTER owns is estate.py; sync groups are group.py; where faults
come from is track.py; another configuration for it is renewal.py.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pykeepalived.config.model.values import Ip
from pykeepalived.config.model.vrrp import OWNER, AuthType, VrrpInstance
from pykeepalived.config.model.vrrp import State as Wish
from pykeepalived.observe.cause import Cause
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import election, messages
from pykeepalived.vrrp.advertiser import Advertiser
from pykeepalived.vrrp.announce import Announced
from pykeepalived.vrrp.auth import AhSequence
from pykeepalived.vrrp.circumstances import DIFFERS, REFUSED, Notices
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.counters import Counters
from pykeepalived.vrrp.effects import NotifyInstance, SyncDaemon
from pykeepalived.vrrp.election import Rogue
from pykeepalived.vrrp.estate import Estate
from pykeepalived.vrrp.holdings import InterfaceOf
from pykeepalived.vrrp.packet import VrrpPacketError
from pykeepalived.vrrp.receive import Datagram, Heard, Receiver
from pykeepalived.vrrp.repeats import Key, Repeats
from pykeepalived.vrrp.table import Event, State, follow
from pykeepalived.vrrp.timers import Timer

if TYPE_CHECKING:
    from pykeepalived.vrrp.group import Group

SKEW_DENOMINATOR = 256

FaultKey = tuple[str, str]
"""Kind (interface, base, missing, source, config, vrid, pool, script, file, process, bfd) and subject of a fault."""


class Instance:
    """The router of one VRID on this node. Times are nanoseconds, intervals microseconds.

    `want` is the state it would take if its group let it. `waiting` are scripts whose first result must be known
    before the first decision, `waited` that there were some. `timer` is the master down timer of a BACKUP and the
    advert timer of a MASTER.
    `answered` is when a router of lower priority that believes to be MASTER was last told of us.
    `resigned`: the last advert heard had priority 0. `paced`: the phase of a MASTER's adverts has been chosen.
    """

    __slots__ = (
        "advertiser",
        "ah",
        "answered",
        "answered_batch",
        "cause",
        "config",
        "context",
        "contributions",
        "counters",
        "down_ns",
        "effective",
        "estate",
        "faults",
        "group",
        "highest_other",
        "interface",
        "last_heard",
        "last_sent",
        "last_source",
        "last_transition",
        "limits",
        "master_interval_us",
        "master_priority",
        "master_source",
        "notices",
        "paced",
        "preempt_until",
        "previous",
        "receiver",
        "repeat_key",
        "repeat_ttl",
        "repeats",
        "resigned",
        "rogue",
        "state",
        "timer",
        "total",
        "waited",
        "waiting",
        "want",
    )

    def __init__(self, config: VrrpInstance, context: Context, interface: str, interface_of: InterfaceOf) -> None:
        """`interface` carries the adverts: the VMAC where there is one (the parent with vmac_xmit_base)."""
        self.config = config
        self.context = context
        self.interface = interface
        self.group: Group | None = None
        self.state = State.INIT
        self.previous = State.INIT
        self.want = State.MASTER if config.state is Wish.MASTER else State.BACKUP
        self.cause = Cause("startup")
        self.last_transition = 0
        self.faults: dict[FaultKey, Cause] = {}
        self.waiting: set[str] = set()
        self.waited = False
        self.contributions: dict[FaultKey, int] = {}
        self.rogue = Rogue(self)
        self.total = self.effective = config.priority
        self.counters = Counters()
        self.ah = AhSequence()
        self.receiver = Receiver(config, self.counters, self.ah, self.group4)
        self.advertiser = Advertiser(config, self.ah, self.group4)
        self.estate = Estate(config, context, interface, interface_of)
        self.timer = Timer(context.timers, self._expired, self._rehearse)
        self.master_source: Ip | None = None
        self.master_priority = 0
        self.master_interval_us = config.advert_int_us
        self.preempt_until: int | None = None
        self.highest_other = 0
        self.last_sent = 0
        self.last_heard = 0
        self.last_source: Ip | None = None
        self.answered = 0
        self.answered_batch = -1
        self.limits: set[str] = set()
        self.notices = Notices()
        self.repeats: Repeats | None = None
        self.repeat_key: Key = b""
        self.repeat_ttl = 0
        self.resigned = False
        self.paced = False
        self.down_ns = 0
        self.compute_down()

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def group4(self) -> Ip:
        return self.context.globals.vrrp_defaults.mcast_group4

    @property
    def source(self) -> Ip | None:
        return self.advertiser.source

    @property
    def interval_ns(self) -> int:
        return self.config.advert_int_us * NANOSECONDS_PER_MICROSECOND

    # timers: RFC 9568 section 6.1

    def skew_us(self, priority: int) -> int:
        """Skew time for a priority; of one second in version 2, of the master's interval in version 3."""
        interval_us = 1_000_000 if self.config.version == 2 else self.master_interval_us
        return (SKEW_DENOMINATOR - priority) * interval_us // SKEW_DENOMINATOR

    @property
    def timer_priority(self) -> int:
        """The priority timers are computed from: an owner's stays 255 even while it is lowered."""
        return OWNER if self.config.is_owner else self.effective

    @property
    def skew_ns(self) -> int:
        return self.skew_us(self.timer_priority) * NANOSECONDS_PER_MICROSECOND

    def compute_down(self) -> None:
        """Recompute the master down interval after a change of priority or of the master's interval."""
        down_us = self.config.down_timer_adverts * self.master_interval_us + self.skew_us(self.timer_priority)
        self.down_ns = down_us * NANOSECONDS_PER_MICROSECOND

    def set_master_interval(self, interval_us: int) -> None:
        if interval_us != self.master_interval_us:
            self.master_interval_us = interval_us
            self.compute_down()
            self.context.interval_changed()

    def _expired(self, now: int, due: int) -> None:
        if self.state is State.MASTER:
            follow(self.state, Event.ADVERT_TIMER)
            self.send_advert(now)
            following = due + self.interval_ns
            if not self.paced:
                self.paced = True
                following -= self.context.pacer.shift(due, self.interval_ns)
            self.timer.set(following if following > now else now + self.interval_ns)
            self.rogue.advert_sent(now)
        else:
            election.down_timer(self, now)

    def _rehearse(self, now: int) -> None:
        """A master is about to be replaced: go through what the first advert takes, without effect. Code and data that
        have rested for an interval cost several times their time otherwise. One instance does it for all."""
        outbox = self.context.outbox
        if self.state is State.BACKUP and self.advertiser.flows and outbox.rehearsed_batch != outbox.batch:
            election.rehearse(self)
            outbox.rehearse(self.advertiser.flows[0])

    # adverts

    def send_advert(self, now: int) -> None:
        """Send one advert with the effective priority. The timer is the caller's business."""
        self.advertiser.send(self.context.outbox, self.context.wall)
        self.counters.advert_sent += 1
        self.last_sent = now

    def send_extra_advert(self, now: int) -> None:
        """Send an advert out of turn; the next one follows an interval later. One for each batch is enough."""
        batch = self.context.outbox.batch
        if self.answered_batch != batch:
            self.answered_batch = batch
            self.send_advert(now)
        self.timer.set(now + self.interval_ns)

    def send_zero(self, now: int, times: int = 1) -> None:
        """Tell that we give up: priority 0 (RFC 9568 section 6.4.3). Without sockets or source address, and on an
        interface that is gone, nothing can be said."""
        pool = self.advertiser.pool
        gone = pool is not None and pool.interface and not self.context.machine.link(pool.interface).exists
        if gone or not self.advertiser.ready:
            return
        for _ in range(times):
            self.advertiser.send_farewell(self.context.outbox, self.context.wall)
            self.counters.advert_sent += 1
        self.counters.pri_zero_sent += 1
        self.last_sent = now
        self._log(messages.SENT_ZERO % self.name, detail=messages.DETAIL)

    def hear(self, datagram: Datagram, now: int, waited: int) -> Heard | None:
        """Judge an advert for this instance, which came `waited` nanoseconds ago, and act on it; returns it if it was
        good. A refused one changes nothing but a counter."""
        self.last_source = datagram.source
        checksum_mode = self.receiver.old_checksum
        try:
            heard = self.receiver.check(
                datagram,
                wall=self.context.wall,
                ignore_as_owner=self.config.owner_ignore_adverts and self.effective == OWNER,
                compare_addresses=self._compare_addresses,
                report=lambda kind, text: self._report(kind, text, DIFFERS, now),
            )
        except VrrpPacketError as error:
            self.counters.add(error.counter)
            if error.text:
                self._report(error.kind, error.text, REFUSED, now)
            return None
        self.notices.accepted(heard.source, now)
        if self.receiver.old_checksum != checksum_mode:
            self.advertiser.old_checksum = True
            self.advertiser.build(self.effective)
        self.last_heard = now
        if self.state is State.BACKUP:
            election.hear_as_backup(self, heard, now)
        else:
            election.hear_as_master(self, heard, now, waited)
        return heard

    def _compare_addresses(self, sender: Ip) -> bool:
        return self.state is State.MASTER or sender != self.master_source or not self.config.skip_check_adv_addr

    def _report(self, kind: str, text: str, fact: str, now: int) -> None:
        """Log what is wrong with an advert, once a kind until something changes; "" is not limited. It is noticed
        every time."""
        self.notices.complain(fact, self.last_source, kind, text, now)
        if kind and kind in self.limits:
            return
        if kind:
            self.limits.add(kind)
        self._log(f"({self.name}) {text}")

    def keep_repeat(self, repeats: Repeats, key: Key, ttl: int) -> None:
        """An advert that need not be looked at when it comes again, until `forget_repeat`; it replaces another one."""
        self.forget_repeat()
        self.repeats, self.repeat_key, self.repeat_ttl = repeats, key, ttl

    def forget_repeat(self) -> None:
        """The next advert must be looked at, even if it is the same as the last one."""
        if self.repeats is not None:
            self.repeats.remove(self.repeat_key)
            self.repeats = None

    # transitions

    def move(self, event: Event, cause: Cause, now: int) -> State:
        """Follow the table; returns the former state. Raises IllegalTransition."""
        former = self.state
        following = follow(former, event).following
        if following is not former:
            self.previous = former
            self.state = following
            self.timer.pressing = following is State.MASTER
            self.cause = cause
            self.last_transition = now
            self.forget_repeat()
        return former

    def become_master(self, event: Event, cause: Cause, now: int) -> None:
        """The advert leaves first, so that the old master drops its addresses before ours appear; the rest is worked
        out when it is on its way."""
        self.move(event, cause, now)
        self.want = State.MASTER
        self.limits.clear()
        self.ah.become_master()
        self.preempt_until = None
        self.resigned = False
        self.paced = False
        self.set_master_interval(self.config.advert_int_us)
        self.send_advert(now)
        self.timer.set(now + self.interval_ns)
        self.context.unfinished.append(partial(self._complete_master, cause, now))

    def _complete_master(self, cause: Cause, now: int) -> None:
        self._log_state(messages.ENTERING, "MASTER", cause)
        self.counters.become_master += 1
        self.advertiser.prepare_farewell()
        self.rogue.became_master()
        self.estate.take(now)
        self._notify("MASTER", cause)
        self._sync_daemon("MASTER")

    def become_backup(self, event: Event, cause: Cause, now: int, *, wait_ns: int | None = None, zero: int = 0) -> None:
        """Leave MASTER or FAULT for BACKUP; the timer runs for `wait_ns`, the master down time if not given.
        `zero` adverts of priority 0 go ahead."""
        self.context.finish()
        was_master = self.state is State.MASTER
        was_fault = self.state is State.FAULT
        self._log_state(messages.ENTERING, "BACKUP", cause)
        if zero:
            self.send_zero(now, zero)
        self.move(event, cause, now)
        self.want = State.BACKUP
        if was_fault:
            self.set_master_interval(self.config.advert_int_us)
            self.preempt_until = None
        if was_master:
            self._release()
        self.timer.set(now + (self.down_ns if wait_ns is None else wait_ns))
        self._notify("BACKUP", cause)
        self._sync_daemon("BACKUP")
        if was_fault:
            self._announce_source(now)

    def enter_fault(self, event: Event, cause: Cause, now: int, *, zero: int = 0, init: bool = False) -> None:
        """Something we need is missing: no timer runs, nothing is heard."""
        self.context.finish()
        was_master = self.state is State.MASTER
        self._log_state(messages.ENTERING_INIT if init else messages.ENTERING, "FAULT", cause)
        if was_master:
            self.send_zero(now, zero)
        self.move(event, cause, now)
        self.want = State.FAULT
        self.timer.cancel()
        if was_master:
            self._release()
        self._notify("FAULT", cause)
        self._sync_daemon("BACKUP")

    def start(self, now: int, cause: Cause) -> None:
        """The first decision of an instance without faults: BACKUP, or MASTER at once for an address owner."""
        delay_until = max(now, self.context.delay_until)
        if self.config.is_owner and self.want is State.MASTER and not self.context.delay_until > now:
            self.become_master(Event.STARTUP_OWNER, cause, now)
            return
        self.move(Event.STARTUP, cause, now)
        owner = self.config.is_owner and self.want is State.MASTER
        self.timer.set(delay_until + (0 if owner else self.down_ns))
        if owner:
            return
        self.want = State.BACKUP
        self._log_state(messages.ENTERING if self.waited else messages.ENTERING_INIT, "BACKUP", cause)
        self._notify("BACKUP", cause)
        self._sync_daemon("BACKUP")
        if self.waited:
            self._announce_source(now)

    def stop(self, event_cause: Cause, now: int, *, release: bool = True, farewell: bool = True) -> None:
        """The end of the instance: the daemon stops, or a reload has removed it. Notifying is the caller's business,
        and without `farewell` the priority-0 advert is too."""
        self.context.finish()
        was_master = self.state is State.MASTER
        if was_master and farewell:
            self.send_zero(now)
        self.move(Event.STOP, event_cause, now)
        self.timer.cancel()
        self.rogue.stop()
        self.estate.give_up(release=was_master and release)
        if was_master:
            self._sync_daemon("BACKUP")

    def _release(self) -> None:
        self.rogue.stop()
        self.estate.give_up()
        self.counters.release_master += 1
        self.limits.clear()

    def _announce_source(self, now: int) -> None:
        """A unicast instance that comes back tells where its own address is, so that the master finds it."""
        if not self.config.unicast or not self.config.interface or self.source is None:
            return
        what = "ARP" if self.config.family == 4 else "NA"
        words = (self.name, what, self.source)
        self._log(messages.OWN_ADDRESS_GARP % words, detail=messages.DETAIL)
        self.context.announcer.send(Announced(self.source, self.config.interface), 1, now)

    # faults: FAULT is left when none remains

    def add_fault(self, key: FaultKey, cause: Cause, now: int) -> None:
        """Something the instance needs is missing."""
        if key in self.faults:
            return
        self.faults[key] = cause
        if self.state not in (State.BACKUP, State.MASTER):
            return
        self.enter_fault(Event.FAULT, cause, now, zero=2)
        if self.group is not None:
            self.group.member_fault(self, cause, now)

    def remove_fault(self, key: FaultKey, now: int) -> None:
        """It is there again. The last fault gone ends FAULT, if the sync group agrees."""
        former = self.faults.pop(key, None)
        if former is None or self.faults or self.waiting or self.state is not State.FAULT:
            return
        cause = Cause("recovered", key[1] or key[0], f"after {former.fact}", now, former.at)
        self.recover(cause, now)

    def recover(self, cause: Cause, now: int) -> None:
        if self.group is not None:
            self.group.member_recovered(self, cause, now)
        elif self.config.is_owner and self.config.state is Wish.MASTER:
            self.become_master(Event.RECOVER_OWNER, cause, now)
        else:
            self.become_backup(Event.RECOVER, cause, now)

    # priority

    def contribute(self, key: FaultKey, amount: int, cause: Cause, now: int) -> None:
        """Set what one tracker adds to the priority."""
        former = self.contributions.get(key, 0)
        if amount == former:
            return
        self.contributions[key] = amount
        self.total += amount - former
        self.update_priority(cause, now)

    def forget_contribution(self, key: FaultKey, now: int) -> None:
        """A reload took the tracker away."""
        self.contribute(key, 0, Cause("reload", key[1], "", now), now)
        self.contributions.pop(key, None)

    def update_priority(self, cause: Cause, now: int) -> None:
        """Recompute the effective priority: 1..254, except that an owner's is fixed."""
        if self.config.is_owner:
            effective = self.rogue.priority
        else:
            effective = min(max(self.total, 1), 254)
        if effective == self.effective:
            return
        former_down = self.down_ns
        if self.state is not State.INIT:
            self._log(messages.EFFECTIVE % (self.name, self.effective, effective))
        self.effective = effective
        self.compute_down()
        self.forget_repeat()
        self.advertiser.build(effective)
        if self.state is State.BACKUP and self.timer.when is not None:
            self.timer.set(max(self.timer.when + self.down_ns - former_down, now))
        if self.config.notify_priority_changes and self.state is not State.INIT:
            state = "MASTER_PRIORITY" if self.state is State.MASTER else "BACKUP_PRIORITY"
            self._notify(state, cause)

    # telling

    def _log(self, text: str, *, detail: int = 0) -> None:
        self.context.outbox.log(text, detail=detail, INSTANCE=self.name, VRID=str(self.config.virtual_router_id))

    def _log_state(self, text: str, state: str, cause: Cause) -> None:
        vrid = str(self.config.virtual_router_id)
        self.context.outbox.log(text % (self.name, state), INSTANCE=self.name, VRID=vrid, STATE=state, CAUSE=str(cause))

    def _notify(self, state: str, cause: Cause) -> None:
        self.context.outbox.later(NotifyInstance(self.config, state, self.effective, cause))

    def notify_lower_priority(self, cause: Cause) -> None:
        self._notify("MASTER_RX_LOWER_PRI", cause)

    def _sync_daemon(self, state: str) -> None:
        daemon = self.context.globals.lvs_sync_daemon
        if daemon is not None and daemon.instance == self.name:
            self.context.outbox.later(SyncDaemon(self.name, state))

    @property
    def uses_ah(self) -> bool:
        return self.config.auth_type is AuthType.AH
