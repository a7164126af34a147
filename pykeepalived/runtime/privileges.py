"""Least privilege: what a child will never need is taken from its capability bounding set (capabilities(7)).

Nothing here may break a script: a child that may run scripts of other users keeps what setuid programs and the root
user's scripts need, which is everything. So only the BFD child, which runs no scripts, is bounded.
"""

from __future__ import annotations

import ctypes
import os

from pykeepalived.runtime.log import Log

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 23, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522

CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 1, 10, 12, 13
CAP_IPC_LOCK, CAP_SYS_NICE, CAP_SYS_RESOURCE = 14, 23, 24

BFD_CAPABILITIES = frozenset(
    {
        CAP_DAC_OVERRIDE,
        CAP_NET_BIND_SERVICE,
        CAP_NET_ADMIN,
        CAP_NET_RAW,
        CAP_IPC_LOCK,
        CAP_SYS_NICE,
        CAP_SYS_RESOURCE,
    }
)
"""Sockets bound to an interface, scheduling class, locked memory; pid and dump files in directories of others."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def keep_only(capabilities: frozenset[int], log: Log) -> None:
    """Give up every other capability for good, and the chance of getting one by executing a setuid program."""
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    number = 0
    while (held := libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(number), zero, zero, zero)) >= 0:
        if held and number not in capabilities:
            libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), zero, zero, zero)
        number += 1
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)()
    if libc.capget(ctypes.byref(header), data) == 0:
        for word in range(2):
            mask = sum(1 << (bit - 32 * word) for bit in capabilities if 0 <= bit - 32 * word < 32)
            data[word].effective &= mask
            data[word].permitted &= mask
            data[word].inheritable = 0
        if libc.capset(ctypes.byref(header), data) == 0:
            return
    log.warning(f"Unable to drop capabilities - {os.strerror(ctypes.get_errno())}")
