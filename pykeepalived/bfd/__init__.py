"""BFD: the pure session (RFC 5880) and its shell (process, sockets)."""
