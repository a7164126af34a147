"""Statistics of one instance: what keepalived.stats, the JSON dump and metrics show. Only numbers, no decisions."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Names are the keys of keepalived's JSON dump. `vers_err`, `chk_err` and `vrid_err` are seen by SNMP only
    (RFC 6527). Sent adverts are counted once for all unicast peers. `vrid_err`: adverts for no instance at all; the
    first instance that listens where they came in counts them."""

    advert_rcvd: int = 0
    advert_sent: int = 0
    become_master: int = 0
    release_master: int = 0
    packet_len_err: int = 0
    advert_interval_err: int = 0
    ip_ttl_err: int = 0
    invalid_type_rcvd: int = 0
    addr_list_err: int = 0
    invalid_authtype: int = 0
    authtype_mismatch: int = 0
    auth_failure: int = 0
    auth_ext_missing: int = 0
    auth_ext_malformed: int = 0
    auth_ext_unknown_key: int = 0
    auth_ext_invalid_hmac: int = 0
    auth_ext_stale: int = 0
    auth_ext_replay: int = 0
    pri_zero_rcvd: int = 0
    pri_zero_sent: int = 0
    vers_err: int = 0
    chk_err: int = 0
    vrid_err: int = 0

    def add(self, name: str) -> None:
        """Count one; "" counts nothing."""
        if name:
            setattr(self, name, getattr(self, name) + 1)

    def clear(self) -> None:
        for field in fields(self):
            setattr(self, field.name, 0)

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
