"""Telling the outside world: the order of notifications, and scripts, FIFOs, mail, D-Bus, SNMP. Knows no protocol."""
