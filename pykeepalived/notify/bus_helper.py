"""The D-Bus helper: a process of its own that holds the connection to the system bus, so that VRRP never waits for it.

It is forked by bus_fork.py, which imports this module only then, and is fed over a socket (dbus.py). It decides
nothing: bus_objects.py says what the objects are, requests are passed on to the owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import socket
from typing import Any

from pykeepalived.notify.bus_fork import MAX_MESSAGE
from pykeepalived.notify.bus_objects import (
    INSTANCE_INTERFACE,
    VRRP_INTERFACE,
    BusError,
    BusInstance,
    BusTree,
    Reply,
)

RETRY_S = 5.0
"""Between two attempts to reach the bus."""


def serve(connection: socket.socket) -> None:
    """Hold the bus connection until the owner is gone."""
    asyncio.run(_Helper(connection).serve())


class _Helper:
    def __init__(self, owner: socket.socket) -> None:
        self._owner = owner
        self._tree = BusTree()
        self._name = ""
        self._bus: Any = None
        self._coming: list[BusInstance] = []
        self._ready = asyncio.Event()
        self._stopped = asyncio.Event()

    async def serve(self) -> None:
        self._owner.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._owner.fileno(), self._read_owner)
        keeper = asyncio.create_task(self._keep_connected())
        await self._stopped.wait()
        keeper.cancel()
        if self._bus is not None:
            self._emit(self._tree.vrrp_path, VRRP_INTERFACE, "VrrpStopped")
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._bus.release_name(self._name), 1)
            self._bus.disconnect()

    # the owner

    def _read_owner(self) -> None:
        while True:
            try:
                data = self._owner.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._stopped.set()
                asyncio.get_running_loop().remove_reader(self._owner.fileno())
                return
            self._take(*marshal.loads(data))

    def _take(self, kind: str, *values: Any) -> None:
        if kind == "configure":
            self._name, self._tree.namespace, self._tree.daemon_instance, self._tree.no_interface = values
            self._coming = []
        elif kind == "instances":
            self._coming += [BusInstance(*instance) for instance in values[0]]
        elif kind == "ready":
            self._tree.replace(self._coming)
            if self._ready.is_set():
                self._emit(self._tree.vrrp_path, VRRP_INTERFACE, "VrrpReloaded")
            self._ready.set()
        elif kind == "state":
            name, state = values
            path = self._tree.set_state(name, state)
            if path:
                self._emit(path, INSTANCE_INTERFACE, "VrrpStatusChange", "u", [state])

    def _tell(self, *message: str) -> None:
        with contextlib.suppress(OSError):
            self._owner.send(marshal.dumps(message))

    # the bus

    async def _keep_connected(self) -> None:
        try:
            from dbus_fast.aio import MessageBus
            from dbus_fast.constants import BusType
        except ImportError:
            self._tell("log", "DBus is enabled, but the package dbus-fast is not installed - not using DBus")
            return
        await self._ready.wait()
        complained = False
        while True:
            bus = None
            try:
                bus = MessageBus(bus_type=BusType.SYSTEM)
                await bus.connect()
                await self._take_name(bus)
            except Exception as error:
                if bus is not None:
                    bus.disconnect()
                if not complained:
                    self._tell("log", f"Failed to connect to DBus: {error}")
                complained = True
                await asyncio.sleep(RETRY_S)
                continue
            complained = False
            with contextlib.suppress(Exception):
                await bus.wait_for_disconnect()
            self._bus = None
            self._tell("log", f"Lost the name {self._name} on the session bus")
            await asyncio.sleep(RETRY_S)

    async def _take_name(self, bus: Any) -> None:
        bus.add_message_handler(self._handle)
        self._tell("log", f"Acquired DBus bus {self._name}")
        await bus.request_name(self._name)
        self._bus = bus
        self._tell("log", f"Acquired the name {self._name} on the session bus")
        self._emit(self._tree.vrrp_path, VRRP_INTERFACE, "VrrpStarted")
        for path, instance in self._tree.instances.items():
            self._emit(path, INSTANCE_INTERFACE, "VrrpStatusChange", "u", [instance.state])

    def _emit(self, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None) -> None:
        if self._bus is None:
            return
        from dbus_fast import Message

        with contextlib.suppress(Exception):
            self._bus.send(Message.new_signal(path, interface, member, signature, body or []))

    def _handle(self, message: Any) -> Any:
        """Answer a method call; None leaves it to the library (Peer, unknown interfaces)."""
        from dbus_fast import Message
        from dbus_fast.constants import MessageType

        if message.message_type != MessageType.METHOD_CALL:
            return None
        try:
            reply = self._tree.call(message.path, message.interface or "", message.member, tuple(message.body))
        except BusError as error:
            return Message.new_error(message, error.name, error.text)
        for method, name in self._tree.requests:
            self._tell("request", method, name)
        self._tree.requests.clear()
        if reply is None:
            return None
        return Message.new_method_return(message, reply.signature, _wire_values(reply))


def _wire_values(reply: Reply) -> list[Any]:
    from dbus_fast import Variant

    if reply.signature == "v":
        return [Variant(*value) for value in reply.values if isinstance(value, tuple)]
    if reply.signature == "a{sv}":
        tables = [value for value in reply.values if isinstance(value, dict)]
        return [{name: Variant(*value) for name, value in table.items()} for table in tables]
    return list(reply.values)
