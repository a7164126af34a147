"""keepalived's dump files as text, made from the configuration and a snapshot: one module a part of a file.

Layout, labels and order are keepalived 2.4's, because exporters and scripts read them. Pure: who asks for a dump and
where the text goes is observe/dump_files.py.
"""
