"""A drop-in replacement for keepalived: VRRP, IPVS health checking and BFD. docs/design.md is the map."""
