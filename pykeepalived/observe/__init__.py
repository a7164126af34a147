"""Causes, snapshots, metrics and keepalived's dump files; the control socket is the only shell here."""
