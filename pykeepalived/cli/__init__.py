"""The keepalived command line and the operator's commands."""
