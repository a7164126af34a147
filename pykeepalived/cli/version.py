"""The version: ours, and that of the keepalived whose place we take. Scripts read the first line of -v."""

from __future__ import annotations

import os
import sys

VERSION = "0.1.0"
KEEPALIVED_VERSION = "2.4.3"
KEEPALIVED_DATE = "11/22,2026"

_FEATURES = (
    "NFTABLES LVS REGEX VRRP VRRP_AUTH VRRP_VMAC JSON BFD OLD_CHKSUM_COMPAT "
    "SNMP_VRRP SNMP_CHECKER SNMP_RFCV2 SNMP_RFCV3 DBUS INIT=systemd SYSTEMD_NOTIFY LOG_FILE"
)
_SYSTEM = "VSYSLOG MEMFD_CREATE IPV6_MULTICAST_ALL IPV4_DEVCONF RTA_ENCAP IFA_FLAGS VRRP_IPVLAN VRF SO_MARK"


def product() -> str:
    """The name and version as log lines have them."""
    return f"Keepalived v{KEEPALIVED_VERSION} ({KEEPALIVED_DATE})"


def version_text(os_release: str = "/etc/os-release") -> str:
    """The text of -v."""
    system = os.uname()
    lines = [
        f"{product()}, pykeepalived {VERSION}",
        "",
        "Copyright(C) 2026 the pykeepalived authors",
        "",
        f"Built for Python {'.'.join(map(str, sys.version_info[:3]))}",
        f"Running on {system.sysname} {system.release} {system.version}",
    ]
    distribution = _distribution(os_release)
    if distribution:
        lines.append(f"Distro: {distribution}")
    lines += [
        "",
        "configure options: (none)",
        "",
        f"Config options:  {_FEATURES}",
        "",
        f"System options:  {_SYSTEM}",
        "",
    ]
    return "\n".join(lines)


def _distribution(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.partition("=")[2].strip().strip("\"'")
    except OSError:
        pass
    return ""
