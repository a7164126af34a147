"""Records scenarios in the simulator: `python -m tests.scenarios.make` writes those of this list that are missing.

Records of real daemons (`pykeepalived record`) are welcome beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.model.vrrp import Tracker, Trackers, VrrpScript
from pykeepalived.sim import machine
from pykeepalived.sim.cluster import SECOND, Cluster
from tests.bfd.test_recording import lived
from tests.ipvs import test_recording as checkers
from tests.ipvs.test_recording import RecordedLab
from tests.sim.test_cluster import config, pair
from tests.vrrp.test_recording import Recorded

HERE = Path(__file__).parent


def _scripted(priority: int) -> Config:
    plain = config(priority)
    instance = replace(plain.vrrp_instances[0], track=Trackers(scripts=(Tracker(name="chk", weight=-60),)))
    script = Script(words=("/bin/true",), account=Account(0, 0), path="/bin/true")
    return replace(
        plain, vrrp_instances=(instance,), vrrp_scripts=(VrrpScript(name="chk", script=script, rise=2, fall=2),)
    )


def _takeover(cluster: Cluster) -> None:
    cluster.at(8 * SECOND, lambda: cluster.kill("a"))
    cluster.at(16 * SECOND, lambda: cluster.heal("a"))


def _cable(cluster: Cluster) -> None:
    cluster.at(8 * SECOND, lambda: cluster.set_carrier("b", "eth0", False))
    cluster.at(10 * SECOND, lambda: cluster.kill("a"))
    cluster.at(14 * SECOND, lambda: cluster.set_carrier("b", "eth0", True))


def _child_killed(cluster: Cluster) -> None:
    cluster.at(6 * SECOND, lambda: cluster.kill("a"))
    cluster.at(14 * SECOND, lambda: cluster.kill_child("b"))
    cluster.at(18 * SECOND, lambda: cluster.heal("a"))


def _address_deleted(cluster: Cluster) -> None:
    cluster.at(4 * SECOND, lambda: cluster.kill("a"))
    cluster.at(14 * SECOND, lambda: cluster.remove_address("b", "eth0", "192.0.2.100", 24))


def _script_fails(cluster: Cluster) -> None:
    for name, priority in (("a", 150), ("b", 100)):
        cluster.at(5 * SECOND, lambda name=name, priority=priority: cluster.reload(name, _scripted(priority)))  # type: ignore[misc]
    cluster.at(10 * SECOND, lambda: cluster.set_script("a", "chk", 1))
    cluster.at(18 * SECOND, lambda: cluster.set_script("a", "chk", 0))


def _priority_reloaded(cluster: Cluster) -> None:
    cluster.at(8 * SECOND, lambda: cluster.reload("b", config(200)))
    cluster.at(16 * SECOND, lambda: cluster.reload("b", config(50)))


SCENARIOS: dict[str, Callable[[Cluster], None]] = {
    "takeover": _takeover,
    "cable": _cable,
    "child_killed": _child_killed,
    "address_deleted": _address_deleted,
    "script_fails": _script_fails,
    "priority_reloaded": _priority_reloaded,
}
"""What happens to a (150) and b (100); the record is that of b's last VRRP process."""


CHECKERS: dict[str, Callable[[], RecordedLab]] = {
    "checker_fails": lambda: checkers.lived(1, 1_000_000),
    "checker_taken_over": lambda: checkers.lived(3, 1_000_000),
    "checker_long_life": lambda: checkers.scripted(2, 60),
}
"""Lives of the checker process: from its start, after the death of a predecessor, and the end of a long one."""


def main() -> None:
    machine.Router = Recorded  # type: ignore[misc]
    for name, plan in SCENARIOS.items():
        path = HERE / f"{name}.record"
        if path.exists():
            continue
        Recorded.made = []
        cluster = pair()
        plan(cluster)
        cluster.run(25 * SECOND)
        router = cluster.nodes["b"].machine.router
        assert isinstance(router, Recorded)
        path.write_text(router.recorder.text())
    bad_line = HERE / "bfd_bad_line.record"
    if not bad_line.exists():
        bad_line.write_text(lived(4, 150)[1].recorder.text())
    for name, lab in CHECKERS.items():
        path = HERE / f"{name}.record"
        if not path.exists():
            path.write_text(lab().recorder.text())


if __name__ == "__main__":
    main()
