"""What adverts and silence mean: RFC 9568 section 6.4.2 for a BACKUP, 6.4.3 for a MASTER, and keepalived's additions.

These functions decide; carrying out a transition is instance.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykeepalived.config.model.vrrp import OWNER
from pykeepalived.observe.cause import Cause
from pykeepalived.runtime.contract import NANOSECONDS_PER_MICROSECOND
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.circumstances import MISSED, OTHER_MASTER
from pykeepalived.vrrp.receive import Heard
from pykeepalived.vrrp.table import Event, State, follow
from pykeepalived.vrrp.timers import Timer

if TYPE_CHECKING:
    from pykeepalived.vrrp.instance import Instance


def down_timer(instance: Instance, now: int) -> None:
    """The master has been silent for the master down time: take over, if the sync group does."""
    _detail(instance, messages.TIMEOUT % instance.name)
    instance.want = State.MASTER
    instance.forget_repeat()
    group = instance.group
    if group is not None and not group.lets_go_master(instance):
        instance.timer.set(now + instance.down_ns)
        return
    cause = _why_silent(instance)
    instance.become_master(Event.DOWN_TIMER, cause, now)
    if group is not None:
        group.member_became_master(instance, cause, now)


def rehearse(instance: Instance) -> None:
    """What `down_timer` works out, thrown away."""
    _why_silent(instance)
    follow(instance.state, Event.DOWN_TIMER)


def _why_silent(instance: Instance) -> Cause:
    subject = str(instance.master_source or "")
    if instance.resigned:
        return Cause("master_resigned", subject, "priority 0 heard", instance.last_heard, instance.config.at)
    detail = "no advert in the master down time"
    return Cause("advert_timeout", subject, detail, instance.last_heard, instance.config.at)


# BACKUP


def hear_as_backup(instance: Instance, heard: Heard, now: int) -> None:
    """A good advert for a BACKUP."""
    priority = heard.advert.priority
    if priority == 0:
        follow(instance.state, Event.PRIORITY_ZERO)
        _detail(instance, messages.BACKUP_ZERO % instance.name)
        instance.resigned = True
        instance.forget_repeat()
        instance.timer.set(now + instance.skew_ns, rehearsed=True)
        return
    instance.resigned = False
    if instance.config.is_owner and instance.effective != OWNER:
        instance.rogue.heard_as_backup(heard, now)
    if not _is_accepted(instance, priority, now):
        follow(instance.state, Event.ADVERT_DISCARDED)
        _note_master(instance, heard)
        _log(instance, messages.LOWER_DISCARDED % (instance.name, priority, heard.source))
        return
    follow(instance.state, Event.ADVERT_ACCEPTED)
    _adopt_interval(instance, heard)
    instance.timer.set(now + instance.down_ns)
    _note_master(instance, heard)
    _run_preempt_delay(instance, priority, now)
    instance.want = State.BACKUP


def _is_accepted(instance: Instance, priority: int, now: int) -> bool:
    """Whether the advert keeps us BACKUP; a lower one does while preemption is off or delayed."""
    if instance.config.nopreempt or priority >= instance.effective:
        return True
    if not instance.config.preempt_delay_us:
        return False
    return instance.preempt_until is None or now < instance.preempt_until


def _run_preempt_delay(instance: Instance, priority: int, now: int) -> None:
    delay_us = instance.config.preempt_delay_us
    if not delay_us:
        return
    if priority >= instance.effective:
        if instance.preempt_until is not None:
            instance.preempt_until = None
            _log(instance, messages.PREEMPT_STOP % instance.name)
    elif instance.preempt_until is None:
        instance.preempt_until = now + delay_us * 1000
        seconds, microseconds = divmod(delay_us, 1_000_000)
        _log(instance, messages.PREEMPT_START % (instance.name, seconds, microseconds))


def _note_master(instance: Instance, heard: Heard) -> None:
    former, source = instance.master_source, heard.source
    instance.master_priority = heard.advert.priority
    instance.highest_other = max(instance.highest_other, heard.advert.priority)
    if source == former:
        return
    instance.master_source = source
    instance.limits.clear()
    if former is None:
        _detail(instance, messages.MASTER_SET % (instance.name, source))
    else:
        _detail(instance, messages.MASTER_CHANGED % (instance.name, former, source))


def _adopt_interval(instance: Instance, heard: Heard) -> None:
    """Version 3 follows the interval of the master it accepts."""
    interval_us = heard.advert.interval_us
    if instance.config.version != 3 or interval_us == instance.master_interval_us or not interval_us:
        return
    words = (instance.name, instance.master_interval_us // 1000, interval_us // 1000)
    _detail(instance, messages.INTERVAL_UPDATED % words)
    instance.set_master_interval(interval_us)


def may_repeat(instance: Instance, heard: Heard) -> bool:
    """Whether the same advert again would only restart the timer."""
    return (
        instance.state is State.BACKUP
        and heard.repeatable
        and not instance.resigned
        and (heard.advert.priority >= instance.effective or instance.config.nopreempt)
        and instance.preempt_until is None
        and instance.want is State.BACKUP
    )


def is_answered(instance: Instance, heard: Heard) -> bool:
    """Whether the same advert, sent before the answer to this one, would say nothing new."""
    lower = 0 < heard.advert.priority < instance.effective
    return instance.state is State.MASTER and heard.repeatable and lower


# MASTER


def hear_as_master(instance: Instance, heard: Heard, now: int, waited: int) -> None:
    """A good advert for a MASTER."""
    advert, source = heard.advert, heard.source
    ours, own = instance.effective, instance.source
    if advert.priority == 0:
        follow(instance.state, Event.PRIORITY_ZERO)
        _detail(instance, messages.MASTER_ZERO % instance.name)
        instance.send_extra_advert(now)
        return
    equal = advert.priority == ours
    better = advert.priority > ours or (equal and own is not None and source > own)
    if better and instance.config.higher_prio_send_advert:
        instance.send_extra_advert(now)
    if equal and source == own:
        follow(instance.state, Event.ADVERT_OWN_ADDRESS)
        _log(instance, messages.SAME_ADDRESS % instance.name)
        _note_rival(instance, heard, now)
    elif equal and ours == OWNER and not better:
        follow(instance.state, Event.ADVERT_ROGUE)
        instance.rogue.heard_as_master(heard, now)
    elif better:
        _yield(instance, heard, now)
    else:
        _defend(instance, heard, now, waited)


def _yield(instance: Instance, heard: Heard, now: int) -> None:
    """A better router has taken over: no priority-0 advert, its own advert is on the wire already."""
    priority, source, name, ours = heard.advert.priority, heard.source, instance.name, instance.effective
    if priority == ours == OWNER:
        _log(instance, messages.ROGUE % (name, source))
    if priority > ours:
        text = messages.HIGHER % (name, source, priority, ours)
    else:
        text = messages.SAME_HIGHER_ADDRESS % (name, source, ours)
    _log(instance, text)
    _adopt_interval(instance, heard)
    instance.master_source = source
    instance.master_priority = priority
    cause = Cause("higher_priority", str(source), f"priority {priority}, ours {ours}", now, instance.config.at)
    instance.become_backup(Event.ADVERT_HIGHER, cause, now)
    if instance.group is not None:
        instance.group.member_left(instance, cause, now)


def _defend(instance: Instance, heard: Heard, now: int, waited: int) -> None:
    """A worse router believes to be MASTER: tell it and everybody else that we are.

    Adverts that it sent before our last answer are no news. A MASTER that was late and finds hundreds of them would
    answer itself out of time for its own adverts, and cause what it answers.
    """
    follow(instance.state, Event.ADVERT_LOWER)
    if now - waited < instance.answered:
        return
    instance.answered = now
    priority, source, name = heard.advert.priority, heard.source, instance.name
    answer = not instance.config.lower_prio_no_advert
    words = (name, source, priority, instance.effective, messages.FORCING if answer else "")
    _log(instance, messages.LOWER % words)
    _note_rival(instance, heard, now)
    if instance.uses_ah:
        instance.ah.value = heard.ah_sequence + 1
        _log(instance, messages.AH_SYNC % name)
    first = instance.answered_batch != instance.context.outbox.batch
    if answer:
        instance.send_extra_advert(now)
    if first or not answer:
        members = [instance] if instance.group is None else instance.group.members
        for member in members:
            if member.state is State.MASTER:
                member.estate.schedule.answer_lower_priority(now, now - waited)
    instance.notify_lower_priority(Cause("lower_priority", str(source), f"priority {priority}", now))


def _note_rival(instance: Instance, heard: Heard, now: int) -> None:
    """Two masters that go on hearing each other's adverts would soon be one; a rival that stays cannot hear ours."""
    if heard.source == instance.source:
        text = "another router has our own address"
    else:
        text = f"it is master too, with priority {heard.advert.priority}, and does not hear our adverts or refuses them"
    longest_us = max(instance.config.advert_int_us, heard.advert.interval_us)
    instance.notices.note(OTHER_MASTER, heard.source, "", text, now, MISSED * longest_us * NANOSECONDS_PER_MICROSECOND)


# two address owners


class Rogue:
    """What an address owner (priority 255) does about another one with a lower address: complain, give it time to go
    away, then lower its own priority so that one of the two remains."""

    ADVERTS_BEFORE_TIMER = 2

    __slots__ = ("_instance", "_timer", "adverts_left", "interval_us", "priority")

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._timer = Timer(instance.context.timers, self._gone)
        self.priority = OWNER
        self.adverts_left: int | None = None
        self.interval_us = 0

    @property
    def timer_expires(self) -> int | None:
        return self._timer.when

    def heard_as_master(self, heard: Heard, now: int) -> None:
        instance = self._instance
        self.interval_us = heard.advert.interval_us
        if self._timer.when is not None:
            self._timer.cancel()
            self.adverts_left = None
            _log(instance, messages.ROGUE_AGAIN % (instance.name, heard.source))
            self._set_priority(OWNER - 1, Cause("rogue_owner", str(heard.source), "", now), now)
        elif self.adverts_left is None:
            _log(instance, messages.ROGUE % (instance.name, heard.source))
            self.adverts_left = self.ADVERTS_BEFORE_TIMER

    def advert_sent(self, now: int) -> None:
        """Our advert timer has run; after two of them the other owner must have gone."""
        if not self.adverts_left:
            return
        self.adverts_left -= 1
        if not self.adverts_left:
            longest_us = max(self._instance.config.advert_int_us, self.interval_us)
            self._timer.set(now + longest_us * 1200)

    def _gone(self, now: int, due: int) -> None:
        self.adverts_left = None
        _log(self._instance, messages.ROGUE_GONE % self._instance.name)

    def heard_as_backup(self, heard: Heard, now: int) -> None:
        """Lowered to 254, we hear another sender than the rogue, or one that is no owner: all is well again."""
        if heard.source != self._instance.master_source or heard.advert.priority != OWNER:
            self._set_priority(OWNER, Cause("rogue_owner_gone", str(heard.source), "", now), now)

    def became_master(self) -> None:
        self._set_priority(OWNER, Cause("became_master"), 0)

    def stop(self) -> None:
        self._timer.cancel()
        self.adverts_left = None

    def _set_priority(self, priority: int, cause: Cause, now: int) -> None:
        if priority != self.priority:
            self.priority = priority
            if self._instance.config.is_owner:
                self._instance.update_priority(cause, now)


def _log(instance: Instance, text: str) -> None:
    instance.context.outbox.log(text, INSTANCE=instance.name)


def _detail(instance: Instance, text: str) -> None:
    instance.context.outbox.log(text, detail=messages.DETAIL, INSTANCE=instance.name)
