"""global_defs: the scheduling keywords every child has under its own prefix."""

from __future__ import annotations

from pykeepalived.config.schema import globals_handlers as handlers
from pykeepalived.config.schema.base import Keyword
from pykeepalived.config.schema.types import Flag, Word


def process_keywords(prefix: str) -> list[Keyword]:
    """The scheduling keywords of one process."""
    old = "lvs" if prefix == "checker" else ""
    name = Word(longest=15, cut=True)
    keywords = [
        Keyword(name=f"{prefix}_process_name", process=prefix, type=name, take=handlers.process_name(prefix)),
        Keyword(
            name=f"{prefix}_priority",
            process=prefix,
            values="-20..19 (nice value)",
            default="0",
            type=handlers.NICE,
            take=handlers.process_field(prefix, "priority", handlers.NICE),
        ),
        Keyword(
            name=f"{prefix}_no_swap",
            process=prefix,
            type=Flag(),
            default="off",
            take=handlers.process_field(prefix, "no_swap", Flag()),
        ),
        Keyword(
            name=f"{prefix}_rt_priority",
            process=prefix,
            type=handlers.REAL_TIME,
            default="0 (not real time)",
            values="SCHED_RR 1..99",
            take=handlers.real_time(prefix),
        ),
        Keyword(
            name=f"{prefix}_cpu_affinity",
            process=prefix,
            type=Word("U..."),
            default="all CPUs",
            values="0..online CPUs-1",
            since="~2.0.17",
            take=handlers.cpu_affinity(prefix),
        ),
        Keyword(
            name=f"{prefix}_rlimit_rttime",
            process=prefix,
            type=handlers.RTTIME,
            default="10000",
            values="1..4294967295 microseconds, 1 becomes 2",
            take=handlers.rttime(prefix),
        ),
        Keyword(
            name=f"{prefix}_rlimit_rtime",
            process=prefix,
            type=handlers.RTTIME,
            default="10000",
            deprecated=f"use {prefix}_rlimit_rttime",
            take=handlers.rttime(prefix, old=True),
        ),
    ]
    if old:
        keywords.append(
            Keyword(
                name=f"{old}_process_name",
                process=prefix,
                type=name,
                since="~2.2.0",
                deprecated=f"use {prefix}_process_name",
                take=handlers.process_name(prefix, old=True),
            )
        )
    return keywords
