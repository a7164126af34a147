"""Figures beside Debian's keepalived, in the same run, pair by pair. `python -m bench` runs all subjects."""
