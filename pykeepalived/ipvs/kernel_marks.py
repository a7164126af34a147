"""nftables_ipvs in the kernel: runs the commands of marks.py, in the namespace of the IPVS table. Shell."""

from __future__ import annotations

from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.ipvs.effects import DropMarks, SetMarks
from pykeepalived.ipvs.marks import MarkTables
from pykeepalived.netlink.kernel_ipvs import IpvsUnavailableError, inside
from pykeepalived.netlink.nft import Nftables, NftError
from pykeepalived.runtime.log import Log


class KernelMarks:
    """The tables of one process; opened when the first mark is set. A refusal is told."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tables: MarkTables | None = None
        self._nft: Nftables | None = None
        self.settings = GlobalDefs()
        """Those in force; to be set before the first effect and after each reload."""

    def set(self, effect: SetMarks) -> None:
        if self._tables is None:
            self._tables = MarkTables(self.settings.firewall)
        self._run(self._tables.change(effect.add, effect.remove))

    def drop(self, _effect: DropMarks) -> None:
        if self._tables is not None:
            self._run(self._tables.drop())

    def _run(self, commands: str) -> None:
        if not commands:
            return
        try:
            if self._nft is None:
                with inside(self.settings.net_namespace_ipvs):
                    self._nft = Nftables()
            self._nft.run(commands)
        except (NftError, IpvsUnavailableError) as error:
            self._log.error(f"nftables_ipvs: {error}")
