"""`pykeepalived replay FILE`: run a flight record through the core in virtual time, and compare what comes about.

Shell: reads the file, prints. What a record means is the recording module of its core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pykeepalived.observe.codec import CodecError
from pykeepalived.observe.recorder import Moment, Replay, Shown, head_of, read_lines

EXIT_SAME, EXIT_DIFFERENT, EXIT_UNREADABLE = 0, 1, 2


def replay_text(text: str) -> Replay:
    """Replay a record of any core. Raises CodecError."""
    core = head_of(read_lines(text), lambda head: head.get("core"))
    if core == "vrrp":
        from pykeepalived.vrrp import recording

        return recording.replay(*recording.decode(text))
    if core == "bfd":
        from pykeepalived.bfd import recording as bfd_recording

        return bfd_recording.replay(*bfd_recording.decode(text))
    if core == "checker":
        from pykeepalived.ipvs import recording as checker_recording

        return checker_recording.replay(*checker_recording.decode(text))
    raise CodecError(f"records of {core!r} cannot be replayed")


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="pykeepalived replay",
        description="Run a record made by `pykeepalived record` again, and compare the states that come about.",
        epilog="Exit status: 0 the same states, 1 others, 2 the file cannot be used.",
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--log", action="store_true", help="show the log lines too")
    parser.add_argument("--json", action="store_true", help="print data instead of text")
    words = parser.parse_args(list(argv))
    try:
        done = replay_text(Path(words.file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, CodecError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        if isinstance(error, UnicodeDecodeError):
            reason = "not a record (no UTF-8 text)"
        sys.stderr.write(f"pykeepalived replay: {words.file}: {reason}\n")
        return EXIT_UNREADABLE
    if words.json:
        print(json.dumps(_data(done), indent=2))
    else:
        for moment in done.replayed:
            if words.log or isinstance(moment.what, Shown):
                print(_line(moment))
        for moment in done.missing:
            print(f"recorded, not replayed: {_line(moment).strip()}")
        for moment in done.extra:
            print(f"replayed, not recorded: {_line(moment).strip()}")
        print(f"{done.entries} inputs, {done.seconds:.3f} s: {'the same states' if done.same else 'OTHER STATES'}")
    return EXIT_SAME if done.same else EXIT_DIFFERENT


def _line(moment: Moment) -> str:
    what = moment.what
    text = f"{what.kind} {what.name} {what.state}" if isinstance(what, Shown) else what
    return f"{moment.at / 1e9:12.6f}  {text}"


def _data(done: Replay) -> dict[str, Any]:
    def plain(moments: Sequence[Moment]) -> list[dict[str, Any]]:
        return [
            {"at": moment.at, "kind": moment.what.kind, "name": moment.what.name, "state": moment.what.state}
            for moment in moments
            if isinstance(moment.what, Shown)
        ]

    return {
        "same": done.same,
        "exact": done.exact,
        "inputs": done.entries,
        "seconds": done.seconds,
        "recorded": plain(done.recorded),
        "replayed": plain(done.replayed),
    }
