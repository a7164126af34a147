"""What each SNMP trap of the VRRP process carries. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pykeepalived.config.model import Config
from pykeepalived.notify.agentx import Oid, Syntax, Value, VarBind
from pykeepalived.notify.mib import integer, octets, text
from pykeepalived.notify.mib_rfc import VRRP_MIB, VRRPV3_MIB
from pykeepalived.notify.mib_vrrp import GLOBAL, VRRP, state_number
from pykeepalived.notify.queue import Trap
from pykeepalived.observe.snapshot import VrrpSnapshot, VrrpState

TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
_MASTER_NO_RESPONSE = 3


def trap_bindings(config: Config, snapshot: VrrpSnapshot, trap: Trap) -> Iterator[list[VarBind]]:
    """The traps for one event, in order: KEEPALIVED-MIB's, then newMaster of the RFC trees that are enabled.

    Objects are named by their columns without a row, as keepalived sends them.
    """
    snmp = config.globals.snmp
    if not snmp.traps:
        return
    router = VarBind((*GLOBAL, 2, 0), text(config.globals.router_id))
    state = integer(state_number(trap.state))
    if trap.kind == "group":
        if snmp.vrrp:
            table = (*VRRP, 1, 1)
            yield _trap((*VRRP, 10, 0, 1), VarBind((*table, 2), text(trap.name)), VarBind((*table, 3), state), router)
        return
    instance = next((entry for entry in config.vrrp_instances if entry.name == trap.name), None)
    if trap.kind != "instance" or instance is None:
        return
    if snmp.vrrp:
        table = (*VRRP, 3, 1)
        initial = integer(2 if instance.state.value == "MASTER" else 1)
        yield _trap(
            (*VRRP, 10, 0, 2),
            VarBind((*table, 2), text(trap.name)),
            VarBind((*table, 4), state),
            VarBind((*table, 5), initial),
            router,
        )
    now = next((entry for entry in snapshot.instances if entry.name == trap.name), None)
    if trap.state != VrrpState.MASTER or now is None or now.source_address is None:
        return
    vrid = instance.virtual_router_id
    if snmp.rfcv2 and instance.version == 2 and instance.family == 4:
        name = (*VRRP_MIB, 1, 3, 1, 7, now.interface_index, vrid)
        yield _trap((*VRRP_MIB, 0, 1), VarBind(name, Value(Syntax.IP_ADDRESS, bytes(now.source_address))))
    if snmp.rfcv3:
        index = (now.interface_index, vrid, 1 if instance.family == 4 else 2)
        yield _trap(
            (*VRRPV3_MIB, 0, 1),
            VarBind((*VRRPV3_MIB, 1, 1, 1, 1, 3, *index), octets(now.source_address)),
            VarBind((*VRRPV3_MIB, 1, 2, 5, 1, 2, *index), integer(_MASTER_NO_RESPONSE)),
        )


def _trap(name: Oid, *bindings: VarBind) -> list[VarBind]:
    return [VarBind(TRAP_OID, Value(Syntax.OID, name)), *bindings]
