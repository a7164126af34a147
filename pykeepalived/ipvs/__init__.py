"""IPVS services and their health checkers: pure decisions and exchanges, and their shell (process, dial)."""
