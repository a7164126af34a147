"""VRRP: the pure protocol (packet, table, instance, group, track, announce) and its shell (process, sockets)."""
