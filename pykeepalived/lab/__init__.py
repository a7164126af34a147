"""A laboratory: real daemons in network namespaces on bridges, to be killed, cut off and healed."""
