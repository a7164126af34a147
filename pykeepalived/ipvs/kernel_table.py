"""The kernel's IPVS table as the checker process has it: opened as soon as it can be, and anew after an error. Shell.

The conversation with the kernel is in netlink/kernel_ipvs.py; what the table should hold is decided in desired.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.netlink.kernel_ipvs import IpvsKernel, IpvsUnavailableError
from pykeepalived.netlink.services import Operation, OperationFailure, Table, Timeouts
from pykeepalived.runtime.log import Log

_Answer = TypeVar("_Answer")


class KernelTable:
    """The table of the namespace that the settings name. While there is none nothing is done, and nothing is known."""

    def __init__(self, settings: GlobalDefs, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._kernel: IpvsKernel | None = None
        self._missing = False
        self.version = ""
        """Of IPVS in the kernel, "" as long as it is not known."""

    def open(self) -> None:
        """Connect to IPVS unless connected. Without it servers are still checked and people told; it may come later."""
        if self._kernel is not None:
            return
        settings = self._settings
        try:
            self._kernel = IpvsKernel.open(settings.net_namespace_ipvs)
        except IpvsUnavailableError as error:
            if not self._missing:
                self._log.error(f"IPVS: Can't initialize ipvs: {error.strerror}")
            self._missing = True
            return
        buffer = settings.lvs_netlink_cmd_rcv_bufs
        try:
            if buffer.size:
                self._kernel.set_receive_buffer(buffer.size, buffer.force)
            self.version = self._kernel.version()
        except OSError as error:
            self._log.warning(f"IPVS: {error.strerror}")
        if self._missing:
            self._log.info("IPVS is available now")
            self._missing = False

    def configure(self, settings: GlobalDefs) -> None:
        """Take over the settings of a reload: another namespace has another table."""
        if settings.net_namespace_ipvs != self._settings.net_namespace_ipvs:
            self.close()
        self._settings = settings
        self.open()

    def perform(self, operations: Sequence[Operation]) -> Sequence[OperationFailure]:
        """Change the table; returns what the kernel refused."""
        return self._ask(lambda kernel: kernel.perform(operations)) or ()

    def read(self) -> Table | None:
        """What the table holds, None if that cannot be known."""
        return self._ask(lambda kernel: kernel.table())

    def timeouts(self) -> Timeouts | None:
        """The kernel's connection timeouts, None if they cannot be known."""
        return self._ask(lambda kernel: kernel.timeouts())

    def close(self) -> None:
        """Disconnect; the table stays."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _ask(self, question: Callable[[IpvsKernel], _Answer]) -> _Answer | None:
        if self._kernel is None:
            return None
        try:
            return question(self._kernel)
        except OSError as error:
            # The socket is unusable: with a new one the next look at the table mends what is missing.
            self._log.error(f"IPVS: netlink error: {error.strerror}")
            self.close()
            self.open()
            return None
