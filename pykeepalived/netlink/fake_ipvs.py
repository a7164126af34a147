"""An IPVS table in memory that answers like the kernel's: for tests and simulation. No I/O."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from pykeepalived.netlink.services import (
    FLAG_PERSISTENT,
    FORWARD_TUNNEL,
    Command,
    DestinationKey,
    DestinationSettings,
    Operation,
    OperationFailure,
    ServiceKey,
    ServiceSettings,
    SyncDaemon,
    Table,
    Timeouts,
)

SCHEDULERS = frozenset(["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"])


class FakeIpvs:
    """The interface of kernel_ipvs.IpvsKernel. `log` keeps every operation with its errno (0 = done)."""

    def __init__(self) -> None:
        self.services: dict[ServiceKey, ServiceSettings] = {}
        self.destinations: dict[ServiceKey, dict[DestinationKey, DestinationSettings]] = {}
        self.daemons: dict[int, SyncDaemon] = {}
        self.log: list[tuple[Operation, int]] = []
        self._timeouts = Timeouts(900, 120, 300)
        self._do: dict[Command, Callable[[Operation], int]] = {
            Command.NEW_SERVICE: self._new_service,
            Command.SET_SERVICE: self._set_service,
            Command.DEL_SERVICE: self._delete_service,
            Command.NEW_DEST: self._new_destination,
            Command.SET_DEST: self._set_destination,
            Command.DEL_DEST: self._delete_destination,
            Command.NEW_DAEMON: self._new_daemon,
            Command.DEL_DAEMON: self._delete_daemon,
            Command.SET_CONFIG: self._set_timeouts,
            Command.FLUSH: self._flush,
        }

    def perform(self, operations: Sequence[Operation]) -> list[OperationFailure]:
        """Do them in order; returns the refusals."""
        failures = []
        for position, operation in enumerate(operations):
            error = self._do[operation.command](operation)
            self.log.append((operation, error))
            if error:
                failures.append(OperationFailure(position, error))
        return failures

    def table(self) -> Table:
        return Table(dict(self.services), {key: dict(found) for key, found in self.destinations.items()})

    def timeouts(self) -> Timeouts:
        return self._timeouts

    def _new_service(self, operation: Operation) -> int:
        service, settings = _service(operation)
        if service in self.services:
            return errno.EEXIST
        if settings.scheduler not in SCHEDULERS:
            return errno.ENOENT
        if service.address and not service.port and not settings.flags & FLAG_PERSISTENT:
            return errno.EINVAL
        self.services[service] = settings
        self.destinations[service] = {}
        return 0

    def _set_service(self, operation: Operation) -> int:
        service, settings = _service(operation)
        if service not in self.services:
            return errno.ESRCH
        if settings.scheduler not in SCHEDULERS:
            return errno.ENOENT
        self.services[service] = settings
        return 0

    def _delete_service(self, operation: Operation) -> int:
        if self.services.pop(operation.service or _NO_SERVICE, None) is None:
            return errno.ESRCH
        self.destinations.pop(operation.service or _NO_SERVICE)
        return 0

    def _new_destination(self, operation: Operation) -> int:
        found = self.destinations.get(operation.service or _NO_SERVICE)
        if found is None:
            return errno.ESRCH
        key, values = _destination(operation)
        refused = self._unacceptable(operation, key, values)
        if refused:
            return refused
        if key in found:
            return errno.EEXIST
        found[key] = values
        return 0

    def _set_destination(self, operation: Operation) -> int:
        found = self.destinations.get(operation.service or _NO_SERVICE)
        if found is None:
            return errno.ESRCH
        key, values = _destination(operation)
        refused = self._unacceptable(operation, key, values)
        if refused:
            return refused
        if key not in found:
            return errno.ENOENT
        found[key] = values
        return 0

    def _unacceptable(self, operation: Operation, key: DestinationKey, values: DestinationSettings) -> int:
        if values.lower > values.upper or values.weight < 0:
            return errno.ERANGE
        family = 4 if len(key.address) == 4 else 6
        service = operation.service
        if service is not None and family != service.family and values.forwarding != FORWARD_TUNNEL:
            return errno.EINVAL
        return 0

    def _delete_destination(self, operation: Operation) -> int:
        found = self.destinations.get(operation.service or _NO_SERVICE)
        if found is None:
            return errno.ESRCH
        if operation.destination is None or found.pop(operation.destination, None) is None:
            return errno.ENOENT
        return 0

    def _new_daemon(self, operation: Operation) -> int:
        assert operation.daemon is not None
        if operation.daemon.state in self.daemons:
            return errno.EEXIST
        self.daemons[operation.daemon.state] = operation.daemon
        return 0

    def _delete_daemon(self, operation: Operation) -> int:
        assert operation.daemon is not None
        return 0 if self.daemons.pop(operation.daemon.state, None) is not None else errno.ESRCH

    def _set_timeouts(self, operation: Operation) -> int:
        assert operation.timeouts is not None
        wanted, have = operation.timeouts, self._timeouts
        self._timeouts = Timeouts(*(new or old for new, old in zip(wanted, have, strict=True)))
        return 0

    def _flush(self, _operation: Operation) -> int:
        self.services.clear()
        self.destinations.clear()
        return 0


_NO_SERVICE = ServiceKey(0, 0, b"", 0)


def _service(operation: Operation) -> tuple[ServiceKey, ServiceSettings]:
    assert operation.service is not None
    assert operation.settings is not None
    return operation.service, operation.settings


def _destination(operation: Operation) -> tuple[DestinationKey, DestinationSettings]:
    assert operation.destination is not None
    assert operation.values is not None
    return operation.destination, operation.values
