"""Least privilege: a child keeps the capabilities its work needs and gives up the others (capabilities(7)).

Nothing here may break a script. Scripts of the root user get back at their exec what the bounding set holds, and those
of others may call sudo. So scripts are run by helpers (notify/spawner.py) that give up only what they hold themselves;
the children give up everything for good, and the chance of getting anything by executing a program.
"""

from __future__ import annotations

import ctypes
import os

from pykeepalived.runtime.log import Log

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAPABILITIES = 64
"""More there cannot be: the kernel's sets have so many bits."""
_CAPABILITY_VERSION_3 = 0x20080522

CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID = 0, 1, 3, 5, 6, 7
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK = 10, 12, 13, 14
CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE = 19, 21, 23, 24

BFD_CAPABILITIES = frozenset(
    {
        CAP_DAC_OVERRIDE,
        CAP_FOWNER,
        CAP_NET_BIND_SERVICE,
        CAP_NET_ADMIN,
        CAP_NET_RAW,
        CAP_IPC_LOCK,
        CAP_SYS_NICE,
        CAP_SYS_RESOURCE,
    }
)
"""Sockets, low ports and kernel tables; scheduling class and locked memory; pid and dump files beside those of others
(in a sticky directory too)."""

CHECKER_CAPABILITIES = BFD_CAPABILITIES | {CAP_CHOWN}
"""And FIFOs that belong to other users."""

VRRP_CAPABILITIES = CHECKER_CAPABILITIES | {CAP_SYS_PTRACE}
"""And the processes of others for vrrp_track_process, where /proc hides them (hidepid)."""

SCRIPT_CAPABILITIES = CHECKER_CAPABILITIES | {CAP_SETUID, CAP_SETGID, CAP_KILL}
"""What a script helper keeps: scripts of other users and their end. Without root, what its scripts inherit."""

NAMESPACE_CAPABILITIES = frozenset({CAP_SYS_ADMIN, CAP_SYS_PTRACE})
"""What entering another network namespace takes."""


# Looked up in the parent: each child needs them at its start.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl, _capget, _capset = _libc.prctl, _libc.capget, _libc.capset


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_Sets = _Data * 2


def keep_only(capabilities: frozenset[int], log: Log) -> None:
    """Give up every other capability that this process holds; a program it executes may get it back."""
    header = _Header(_CAPABILITY_VERSION_3, 0)
    data = _Sets()
    if _capget(ctypes.byref(header), data) == 0:
        for word in range(2):
            mask = sum(1 << (bit - 32 * word) for bit in capabilities if 0 <= bit - 32 * word < 32)
            data[word].effective &= mask
            data[word].permitted &= mask
            data[word].inheritable &= mask
        if _capset(ctypes.byref(header), data) == 0:
            return
    log.warning(f"Unable to drop capabilities - {os.strerror(ctypes.get_errno())}")


def refuse_others(capabilities: frozenset[int], log: Log) -> None:
    """Give up every other capability for good, and the chance of getting one by executing a setuid program."""
    zero = ctypes.c_ulong(0)
    for number in range(_CAPABILITIES):
        if number not in capabilities and _prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), zero, zero, zero) < 0:
            break  # not allowed, or beyond the last one that this kernel knows
    _prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero)
    keep_only(capabilities, log)
