"""Sync groups: members change state together (keepalived.conf(5), vrrp_sync_group)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pykeepalived.config.model.vrrp import State as Wish
from pykeepalived.config.model.vrrp import VrrpSyncGroup
from pykeepalived.observe.cause import Cause
from pykeepalived.vrrp import messages
from pykeepalived.vrrp.context import Context
from pykeepalived.vrrp.effects import NotifyGroup
from pykeepalived.vrrp.table import Event, State

if TYPE_CHECKING:
    from pykeepalived.vrrp.instance import Instance


class Group:
    """One sync group. Members call it after they have changed; it makes the others follow."""

    def __init__(self, config: VrrpSyncGroup, members: list[Instance], context: Context) -> None:
        self.config = config
        self.members = members
        self.context = context
        self.state = State.INIT
        self.cause = Cause("startup")
        self.last_transition = 0

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def all_owners(self) -> bool:
        """Every member is an address owner that wants to be MASTER: the only group that begins as MASTER."""
        return all(member.config.is_owner and member.config.state is Wish.MASTER for member in self.members)

    @property
    def faulty_members(self) -> int:
        return sum(1 for member in self.members if member.faults)

    @property
    def waiting_members(self) -> int:
        return sum(1 for member in self.members if member.waiting)

    def lets_go_master(self, member: Instance) -> bool:
        """Whether a member whose timer ran out may take over: the group is MASTER, or all others want it too."""
        return self.state is State.MASTER or all(
            other is member or other.want is State.MASTER for other in self.members
        )

    # what members report

    def member_became_master(self, member: Instance, cause: Cause, now: int) -> None:
        follow = Cause("group_master", self.name, f"with {member.name}", now, self.config.at)
        if self.state is State.MASTER and all(other.state is State.MASTER for other in self.members):
            return
        self._syncing("MASTER")
        for other in self.members:
            if other is not member and other.state in (State.BACKUP, State.FAULT) and not other.faults:
                other.become_master(Event.GROUP_MASTER, follow, now)
        self._enter(State.MASTER, cause, now)

    def member_left(self, member: Instance, cause: Cause, now: int) -> None:
        """A member is BACKUP by its own decision: the others leave MASTER without a priority-0 advert."""
        if self.state is State.BACKUP and all(other.state is State.BACKUP for other in self.members):
            return
        self._syncing("BACKUP")
        follow = Cause("group_backup", self.name, f"with {member.name}", now, self.config.at)
        for other in self.members:
            if other is not member and other.state in (State.MASTER, State.FAULT) and not other.faults:
                other.become_backup(Event.GROUP_BACKUP, follow, now)
        self._enter(State.BACKUP, cause, now)

    def member_fault(self, member: Instance, cause: Cause, now: int) -> None:
        """The group is as healthy as its sickest member."""
        working = any(other.state in (State.MASTER, State.BACKUP) for other in self.members)
        if self.state is State.FAULT and not working:
            return
        self._syncing("FAULT")
        follow = Cause("group_fault", self.name, f"with {member.name}", now, self.config.at)
        for other in self.members:
            if other is not member and other.state in (State.MASTER, State.BACKUP):
                other.enter_fault(Event.GROUP_FAULT, follow, now, zero=1)
        self._enter(State.FAULT, cause, now)

    def member_recovered(self, member: Instance, cause: Cause, now: int) -> None:
        """A member has no fault any more; the last one brings the group back."""
        if any(other.faults or other.waiting for other in self.members):
            return
        if self.all_owners:
            member.become_master(Event.RECOVER_OWNER, cause, now)
            self.member_became_master(member, cause, now)
            return
        if member.state is State.FAULT:
            member.become_backup(Event.RECOVER, cause, now)
        self.member_left(member, cause, now)

    def lose_object(self, cause: Cause, now: int) -> None:
        """An address, route or rule of a member was deleted by somebody: all of them start again, soon."""
        for member in self.members:
            if member.state is State.MASTER:
                member.become_backup(Event.OBJECT_LOST, cause, now, wait_ns=member.skew_ns, zero=1)
        self._enter(State.BACKUP, cause, now)

    # start, reload and end

    def adopt(self, now: int) -> None:
        """All members go on as MASTER for a killed predecessor."""
        self._enter(State.MASTER, Cause("adopted", self.name, "", now), now)

    def inherit(self, former: Group | None) -> None:
        """After a reload: go on with the state of the group of that name."""
        if former is not None:
            self.state, self.cause, self.last_transition = former.state, former.cause, former.last_transition

    def agree(self, now: int) -> None:
        """A reload has put members together that may be in different states: bring in those that have not begun, then
        make all of them one. Nothing is decided while somebody waits for a script."""
        states = {member.state for member in self.members}
        if states == {State.INIT}:
            self.state = State.INIT
        if states == {State.INIT} or any(member.waiting for member in self.members):
            return
        cause = Cause("reload", self.name, "", now, self.config.at)
        self._include_new(cause, now)
        states = {member.state for member in self.members}
        faulty = next((member for member in self.members if member.faults), None)
        if faulty is not None:
            self.member_fault(faulty, cause, now)
        elif states == {State.MASTER}:
            self._enter(State.MASTER, cause, now)
        elif State.MASTER in states or State.FAULT in states:
            first = min(self.members, key=lambda member: (State.BACKUP, State.FAULT, State.MASTER).index(member.state))
            if first.state is State.FAULT:
                first.become_backup(Event.RECOVER, cause, now)
            self.member_left(first, cause, now)
        else:
            self._enter(State.BACKUP, cause, now)

    def _include_new(self, cause: Cause, now: int) -> None:
        """Members that have not begun do so as the others are."""
        working = {member.state for member in self.members if member.state is not State.INIT}
        for member in [member for member in self.members if member.state is State.INIT]:
            own = next(iter(member.faults.values()), None)
            if own is not None:
                member.enter_fault(Event.FAULT, own, now, init=True)
                continue
            if not self.all_owners:
                member.want = State.BACKUP
            member.start(now, cause)
            if working == {State.MASTER} and member.want is State.BACKUP:
                member.become_master(Event.GROUP_MASTER, cause, now)

    def begin(self, now: int) -> None:
        """The first decision for all members at once, when nobody waits for a script any more."""
        faulty = next((member for member in self.members if member.faults), None)
        cause = Cause("startup", self.name, "", now, self.config.at)
        if faulty is not None:
            cause = next(iter(faulty.faults.values()))
            self._enter(State.FAULT, cause, now)
            for member in self.members:
                own = next(iter(member.faults.values()), None)
                event = Event.FAULT if own is not None else Event.GROUP_FAULT
                member.enter_fault(event, own or cause, now, init=True)
            return
        if self.all_owners and not self.context.delay_until > now:
            for member in self.members:
                member.start(now, cause)
            self._enter(State.MASTER, cause, now)
            return
        if not self.all_owners:
            for member in self.members:
                member.want = State.BACKUP
            self._enter(State.BACKUP, cause, now)
        waited = any(member.waited for member in self.members)
        for member in self.members:
            member.waited = waited
            member.start(now, cause)

    def stop(self, cause: Cause) -> None:
        self.state = State.STOP
        self.context.outbox.later(NotifyGroup(self.config, "STOP", cause))

    def _enter(self, state: State, cause: Cause, now: int) -> None:
        if state is self.state:
            return
        self.state = state
        self.cause = cause
        self.last_transition = now
        self._in_turn(lambda: self.context.outbox.later(NotifyGroup(self.config, state.name, cause)))

    def _syncing(self, state: str) -> None:
        text = messages.SYNCING % (self.name, state)
        self._in_turn(lambda: self.context.outbox.log(text, GROUP=self.name, STATE=state))

    def _in_turn(self, action: Callable[[], None]) -> None:
        """Tell it behind what members that are becoming MASTER still have to tell."""
        if self.context.unfinished:
            self.context.unfinished.append(action)
        else:
            action()
