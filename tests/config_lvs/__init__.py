"""Tests of the LVS, checker, BFD and SSL sections, of their rules, of lint and of the comparison of nodes."""
