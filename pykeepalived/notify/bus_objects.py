"""The D-Bus objects of the VRRP process: paths, introspection, properties, methods. Pure tables, no bus.

Interfaces org.keepalived.Vrrp1.Vrrp and .Instance are keepalived's, and so are paths, value types and error names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from pykeepalived.light_dataclasses import dataclass

PREFIX = "/org/keepalived/Vrrp1"
VRRP_INTERFACE = "org.keepalived.Vrrp1.Vrrp"
INSTANCE_INTERFACE = "org.keepalived.Vrrp1.Instance"
PROPERTIES_INTERFACE = "org.freedesktop.DBus.Properties"
INTROSPECTABLE_INTERFACE = "org.freedesktop.DBus.Introspectable"

_STATE_WORDS = {0: "Init", 1: "Backup", 2: "Master", 3: "Fault", 97: "Deleted", 98: "Stop"}
VRRP_METHODS = ("PrintData", "PrintStats", "PrintStatsClear", "ReloadConfig")

_HEAD = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    '"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)
_STANDARD = """\
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="out"/>
    </method>
    <method name="GetAll">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="a{sv}" name="properties" direction="out"/>
    </method>
    <method name="Set">
      <arg type="s" name="interface_name" direction="in"/>
      <arg type="s" name="property_name" direction="in"/>
      <arg type="v" name="value" direction="in"/>
    </method>
    <signal name="PropertiesChanged">
      <arg type="s" name="interface_name"/>
      <arg type="a{sv}" name="changed_properties"/>
      <arg type="as" name="invalidated_properties"/>
    </signal>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg type="s" name="xml_data" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg type="s" name="machine_uuid" direction="out"/>
    </method>
  </interface>
"""
_VRRP = """\
  <interface name="org.keepalived.Vrrp1.Vrrp">
    <method name="PrintData"/>
    <method name="PrintStats"/>
    <method name="PrintStatsClear"/>
    <method name="ReloadConfig"/>
    <signal name="VrrpStarted"/>
    <signal name="VrrpReloaded"/>
    <signal name="VrrpStopped"/>
  </interface>
"""
_INSTANCE = """\
  <interface name="org.keepalived.Vrrp1.Instance">
    <method name="SendGarp"/>
    <signal name="VrrpStatusChange">
      <arg type="u" name="status"/>
    </signal>
    <property type="s" name="Name" access="read"/>
    <property type="(us)" name="State" access="read"/>
  </interface>
"""


class BusError(Exception):
    """A call that fails: the D-Bus error name and its text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = f"org.freedesktop.DBus.Error.{name}"
        self.text = text


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call returns: the signature, and values in which a variant is a (signature, value) pair."""

    signature: str = ""
    values: tuple[object, ...] = ()


@dataclass(slots=True)
class BusInstance:
    """One instance on the bus; `interface` "" is shown as the configured word for "no interface"."""

    name: str
    interface: str
    virtual_router_id: int
    family: int
    state: int = 0


@dataclass(slots=True)
class BusTree:
    """All objects of this process. `requests` collects what callers asked for: (method, instance name)."""

    namespace: str = ""
    daemon_instance: str = ""
    no_interface: str = "none"
    instances: dict[str, BusInstance] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def root(self) -> str:
        parts = [PREFIX, *(_element(name) for name in (self.namespace, self.daemon_instance) if name)]
        return "/".join(parts)

    @property
    def vrrp_path(self) -> str:
        return f"{self.root}/Vrrp"

    def path_of(self, instance: BusInstance) -> str:
        """The object path of an instance: interface, VRID and family."""
        interface = _element(instance.interface or self.no_interface)
        return f"{self.root}/Instance/{interface}/{instance.virtual_router_id}/IPv{instance.family}"

    def replace(self, instances: Iterable[BusInstance]) -> None:
        """These are the instances from now on."""
        self.instances = {self.path_of(instance): instance for instance in instances}

    def set_state(self, name: str, state: int) -> str:
        """Note a new state; the path to signal from, "" for an unknown instance."""
        for path, instance in self.instances.items():
            if instance.name == name:
                instance.state = state
                return path
        return ""

    def call(self, path: str, interface: str, member: str, arguments: tuple[object, ...]) -> Reply | None:
        """A method call from the bus; None when it is not ours to answer. Raises BusError."""
        if interface == INTROSPECTABLE_INTERFACE and member == "Introspect":
            return Reply("s", (self.introspect(path),))
        if interface == PROPERTIES_INTERFACE:
            return self._properties(path, member, arguments)
        if interface == VRRP_INTERFACE and path == self.vrrp_path:
            if member not in VRRP_METHODS:
                raise BusError("UnknownMethod", f"No such method “{member}”")
            self.requests.append((member, ""))
            return Reply()
        if interface == INSTANCE_INTERFACE:
            instance = self._instance(path)
            if member != "SendGarp":
                raise BusError("UnknownMethod", f"No such method “{member}”")
            self.requests.append((member, instance.name))
            return Reply()
        return None

    def _instance(self, path: str) -> BusInstance:
        instance = self.instances.get(path)
        if instance is None:
            name = path.removeprefix(f"{self.root}/Instance/")
            raise BusError("InvalidArgs", f"Instance '{name}' not found")
        return instance

    def _properties(self, path: str, member: str, arguments: tuple[object, ...]) -> Reply:
        interface = arguments[0] if arguments else ""
        if path != self.vrrp_path and path not in self.instances:
            raise BusError("UnknownObject", f"Object does not exist at path “{path}”")
        if path == self.vrrp_path and interface == VRRP_INTERFACE:
            values: dict[str, tuple[str, object]] = {}
        elif interface == INSTANCE_INTERFACE:
            instance = self._instance(path)
            word = _STATE_WORDS.get(instance.state, "Unknown")
            values = {"Name": ("(s)", [instance.name]), "State": ("(us)", [instance.state, word])}
        else:
            raise BusError("InvalidArgs", f"No such interface “{interface}”")
        if member == "GetAll":
            return Reply("a{sv}", (values,))
        name = str(arguments[1]) if len(arguments) > 1 else ""
        if name not in values:
            raise BusError("InvalidArgs", f"No such property “{name}”")
        if member == "Set":
            raise BusError("InvalidArgs", f"Property “{name}” is not writable")
        return Reply("v", (values[name],))

    def introspect(self, path: str) -> str:
        """The XML of an object, or of a node above objects. Raises BusError for a path without either."""
        if path == self.vrrp_path:
            return f"{_HEAD}<node>\n{_STANDARD}{_VRRP}</node>\n"
        if path in self.instances:
            return f"{_HEAD}<node>\n{_STANDARD}{_INSTANCE}</node>\n"
        below = path.rstrip("/") + "/"
        paths = [self.vrrp_path, *self.instances]
        children = dict.fromkeys(other[len(below) :].split("/")[0] for other in paths if other.startswith(below))
        if not children:
            raise BusError("UnknownObject", f"Object does not exist at path “{path}”")
        nodes = "".join(f'  <node name="{child}"/>\n' for child in children)
        return f"{_HEAD}<node>\n{nodes}</node>\n"


def _element(text: str) -> str:
    """A path element: everything but ASCII letters and digits becomes an underscore."""
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in text)
