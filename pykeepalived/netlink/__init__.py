"""Kernel objects: facts, desired state and the operations between them; kernel.py alone speaks netlink."""
