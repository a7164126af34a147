"""The systemd units: they verify, and they say what the daemon needs of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "systemd"
NAMES = ["pykeepalived.service", "pykeepalived-nonroot@.service"]


def settings(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_units_verify(name, tmp_path):
    target = tmp_path / name.replace("@.", "@x.")
    target.write_text((UNITS / name).read_text().replace("@SBIN@/pykeepalived", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(target)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert name.split("@")[0] not in result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_units_notify_reload_and_stop_in_order(name):
    unit = settings(UNITS / name)
    assert unit["Type"] == ["notify"]
    assert unit["KillMode"] == ["mixed"]
    assert unit["ExecReload"] == ["@SBIN@/pykeepalived reload --main-pid $MAINPID"]
    assert "--dont-fork" in unit["ExecStart"][0]


def test_both_distributions_variables_are_read():
    unit = settings(UNITS / "pykeepalived.service")
    assert unit["EnvironmentFile"] == ["-/etc/default/keepalived", "-/etc/sysconfig/keepalived"]
    assert unit["ExecStart"][0].endswith("$DAEMON_ARGS $KEEPALIVED_OPTIONS")


def test_scripts_of_the_main_unit_stay_in_the_hosts_mount_namespace():
    unit = settings(UNITS / "pykeepalived.service")
    private = {
        "ProtectSystem",
        "ProtectHome",
        "PrivateTmp",
        "ProtectControlGroups",
        "PrivateDevices",
        "ProtectKernelLogs",
    }
    assert not private & unit.keys()


def test_the_unprivileged_unit_asks_for_few_capabilities():
    unit = settings(UNITS / "pykeepalived-nonroot@.service")
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"]
    forbidden = {"CAP_SYS_ADMIN", "CAP_SETUID", "CAP_DAC_OVERRIDE", "CAP_SYS_MODULE"}
    assert not forbidden & set(unit["AmbientCapabilities"][0].split())
    assert unit["NoNewPrivileges"] == ["yes"]
