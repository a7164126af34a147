"""`pykeepalived lab FILE...`: the user's own files as real daemons in namespaces, to be broken and mended."""

from __future__ import annotations

import argparse
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pykeepalived.lab.net import LabError
from pykeepalived.lab.running import Laboratory

HELP = """\
  status            who is master of what
  kill NODE         SIGKILL all its processes, as if the power went (addresses stay on its interfaces)
  down NODE         kill, and take its cables: the machine is really gone
  stop NODE         SIGTERM
  start NODE        start it (again)
  reload NODE       SIGHUP
  cut NODE          the switch drops its frames; carrier stays
  heal NODE         the switch passes them again
  unplug NODE IF    pull the cable of one interface
  plug NODE IF      put it back
  run NODE WORDS    a command inside the node (ip address, tcpdump ...)
  wait SECONDS      let time pass
  timeline          what happened so far
  quit              stop everything and remove it"""


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pykeepalived lab", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="one configuration per node; one file makes two nodes")
    parser.add_argument("--demo", action="store_true", help="kill the master, show the failover, end")
    parser.add_argument("--do", metavar="COMMANDS", help="commands separated by `;` instead of standard input")
    parser.add_argument(
        "--program", metavar="NODE=WORDS", action="append", default=[], help="run another daemon on a node"
    )
    parser.add_argument("--seconds", type=float, default=600, help="end after this time at the latest (default 600)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, 1 when a demonstration failed, 2 for a laboratory that could not be built."""
    arguments = _arguments(argv)
    files = [Path(name).resolve() for name in arguments.files]
    nodes = {f"node{number + 1}": file for number, file in enumerate(files * 2 if len(files) == 1 else files)}
    programs = {
        name: tuple(shlex.split(words)) for name, _, words in (item.partition("=") for item in arguments.program)
    }
    try:
        with (
            tempfile.TemporaryDirectory(prefix="pykeepalived-lab-") as scratch,
            Laboratory(nodes, Path(scratch), programs, prefix=f"pk{os.getpid() % 100000}") as lab,
        ):
            if arguments.demo:
                return demonstrate(lab)
            return converse(lab, arguments.do, time.monotonic() + arguments.seconds)
    except (LabError, subprocess.TimeoutExpired) as error:
        print(f"pykeepalived lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def demonstrate(lab: Laboratory) -> int:
    """The main job in a picture: an address moves when its master is killed."""
    print("Two daemons, one address, one client that pings it every 10 ms.\n")
    lab.start_all()
    lab.start_probe(interval_ms=10)
    if not lab.wait_for(lab.settled, 30):
        print("No master was elected within 30 s:\n" + lab.story())
        return 1
    lab.wait_for(lambda: False, 1.0)
    print(lab.table() + "\n")
    victim = lab.master()
    print(f"kill -9 {victim}: the master and all its processes die, without a word to the other node.\n")
    lab.kill(victim, take_cables=True)
    moved = lab.wait_for(lambda: lab.settled() and lab.master() != victim, 30)
    lab.wait_for(lambda: False, 1.0)
    print(lab.table() + "\n")
    print(lab.story() + "\n")
    lines, bridged = lab.verdict(victim)
    print("\n".join(lines))
    return 0 if moved and bridged else 1


def converse(lab: Laboratory, commands: str | None, until: float) -> int:
    """Read commands until `quit`, the end of input, or the time limit."""
    lab.start_all()
    lab.start_probe(interval_ms=20)
    if commands is not None:
        for line in commands.split(";"):
            _perform(lab, line, until)
        print(lab.story())
        return 0
    print(f"{lab.table()}\n\nhelp lists the commands.")
    while time.monotonic() < until:
        print("lab> ", end="", flush=True)
        if not lab.wait_for(_input_ready, until - time.monotonic()):
            break
        line = sys.stdin.readline()
        if not line or line.strip() in ("quit", "exit"):
            break
        _perform(lab, line, until)
    return 0


def _input_ready() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _perform(lab: Laboratory, line: str, until: float) -> None:
    try:
        words = shlex.split(line)
    except ValueError as error:
        print(f"{line.strip()}: {error}")
        return
    if not words:
        return
    verb, rest = words[0], words[1:]
    actions: dict[str, Callable[..., object]] = {
        "kill": lab.kill,
        "down": lambda node: lab.kill(node, take_cables=True),
        "stop": lab.stop,
        "start": lab.start,
        "reload": lab.reload,
        "cut": lab.cut,
        "heal": lab.heal,
        "unplug": lambda node, interface: lab.carrier(node, interface, False),
        "plug": lambda node, interface: lab.carrier(node, interface, True),
        "run": lambda node, *command: print(lab.nodes[node].namespace.run(*command, check=False), end=""),
        "wait": lambda seconds: lab.wait_for(lambda: False, min(float(seconds), until - time.monotonic())),
        "status": lambda: print(lab.table()),
        "timeline": lambda: print(lab.story()),
        "help": lambda: print(HELP),
    }
    if verb not in actions:
        print(f"no such command: {verb} (help lists them)")
        return
    try:
        actions[verb](*rest)
    except (TypeError, KeyError, ValueError, LabError) as error:
        print(f"{verb}: {error}")
