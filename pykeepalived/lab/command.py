"""`pykeepalived lab FILE...`: the user's own files as real daemons in namespaces, to be broken and mended."""

from __future__ import annotations

import argparse
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pykeepalived.lab.net import COMMAND_TIMEOUT_SECONDS, LabError
from pykeepalived.lab.node import OURS
from pykeepalived.lab.running import Laboratory
from pykeepalived.lab.seconds import seconds

_ASK = ("status", "why", "metrics", "plan", "reload", "record")


@dataclass(frozen=True, slots=True)
class _Verb:
    """A command: what follows its name (NODE, INTERFACE, SECONDS, "..." = anything), what it is for, what it does."""

    form: str
    help: str
    perform: Callable[[Laboratory, list[str], float], object]


_VERBS: dict[str, _Verb] = {
    "status": _Verb("", "who is master of what", lambda lab, words, until: print(lab.table())),
    "ask": _Verb(
        "NODE COMMAND ...",
        f"an operator's command to its daemon: {', '.join(_ASK)}",
        lambda lab, words, until: _ask(lab, *words),
    ),
    "kill": _Verb(
        "NODE",
        "SIGKILL all its processes, as if the power went (addresses stay on its interfaces)",
        lambda lab, words, until: lab.kill(words[0]),
    ),
    "down": _Verb(
        "NODE",
        "kill, and take its cables: the machine is really gone",
        lambda lab, words, until: lab.kill(words[0], take_cables=True),
    ),
    "stop": _Verb("NODE", "SIGTERM", lambda lab, words, until: lab.stop(words[0])),
    "start": _Verb("NODE", "start it (again)", lambda lab, words, until: lab.start(words[0])),
    "reload": _Verb("NODE", "SIGHUP", lambda lab, words, until: lab.reload(words[0])),
    "cut": _Verb("NODE", "the switch drops its frames; carrier stays", lambda lab, words, until: lab.cut(words[0])),
    "heal": _Verb("NODE", "the switch passes them again", lambda lab, words, until: lab.heal(words[0])),
    "unplug": _Verb(
        "NODE INTERFACE",
        "pull the cable of one interface",
        lambda lab, words, until: lab.carrier(words[0], words[1], False),
    ),
    "plug": _Verb("NODE INTERFACE", "put it back", lambda lab, words, until: lab.carrier(words[0], words[1], True)),
    "run": _Verb(
        "NODE WORD ...",
        "a command inside the node (ip address, tcpdump ...)",
        lambda lab, words, until: _run(lab.nodes[words[0]].namespace.command(*words[1:])),
    ),
    "wait": _Verb(
        "SECONDS",
        "let time pass",
        lambda lab, words, until: lab.wait_for(lambda: False, min(float(words[0]), until - time.monotonic())),
    ),
    "timeline": _Verb("", "what happened so far", lambda lab, words, until: print(lab.story())),
    "help": _Verb("", "these lines", lambda lab, words, until: print(_help())),
    "quit": _Verb("", "stop everything and remove it", lambda lab, words, until: None),
}


def _help() -> str:
    return "\n".join(f"  {f'{name} {verb.form}':<22}{verb.help}" for name, verb in _VERBS.items())


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pykeepalived lab", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="one configuration per node; one file makes two nodes")
    parser.add_argument("--demo", action="store_true", help="kill the master, show the failover, end")
    parser.add_argument("--do", metavar="COMMANDS", help="commands separated by `;` instead of standard input")
    parser.add_argument(
        "--program", metavar="NODE=WORDS", action="append", default=[], help="run another daemon on a node"
    )
    parser.add_argument("--seconds", type=seconds, default=600, help="end after this time at the latest (default 600)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Exit status: 0, 1 when a demonstration failed, 2 for a laboratory that could not be built."""
    arguments = _arguments(argv)
    files = [Path(name).resolve() for name in arguments.files]
    nodes = {f"node{number + 1}": file for number, file in enumerate(files * 2 if len(files) == 1 else files)}
    try:
        programs = _programs(arguments.program, nodes)
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


def _programs(items: Sequence[str], nodes: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    """Node -> words of its daemon, from NODE=WORDS. Raises LabError."""
    programs = {}
    for item in items:
        name, _, text = item.partition("=")
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise LabError(f"--program {item}: {error}") from None
        if name not in nodes or not words:
            raise LabError(f"--program {item}: expected NODE=WORDS, the nodes are {', '.join(nodes)}")
        if shutil.which(words[0]) is None:
            raise LabError(f"--program {item}: there is no program {words[0]}")
        programs[name] = words
    return programs


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
            if not _perform(lab, line, until):
                break
        print(lab.story())
        return 0
    print(f"{lab.table()}\n\nhelp lists the commands.")
    while time.monotonic() < until:
        print("lab> ", end="", flush=True)
        if not lab.wait_for(_input_ready, until - time.monotonic()):
            break
        line = sys.stdin.readline()
        if not line or not _perform(lab, line, until):
            break
    return 0


def _input_ready() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _perform(lab: Laboratory, line: str, until: float) -> bool:
    """Do what a line says, or say what is wrong with it; False to end."""
    try:
        name, *words = shlex.split(line) or [""]
    except ValueError as error:
        print(f"{line.strip()}: {error}")
        return True
    if not name:
        return True
    verb = _VERBS.get(name)
    wrong = f"no such command; help lists them: {', '.join(_VERBS)}" if verb is None else _misused(lab, verb, words)
    if wrong or verb is None:
        print(f"{name}: {wrong}")
        return True
    try:
        verb.perform(lab, words, until)
    except LabError as error:
        print(f"{name}: {error}")
    except subprocess.TimeoutExpired:
        print(f"{name}: it took too long and was killed")
    return name != "quit"


def _misused(lab: Laboratory, verb: _Verb, words: list[str]) -> str:
    """What is wrong with the words behind a command, "" if nothing is."""
    *form, last = verb.form.split() or [""]
    wanted = form if last == "..." else [*form, last] if last else []
    if len(words) < len(wanted) or (len(words) > len(wanted) and last != "..."):
        return f"expected {verb.form or 'nothing'}"
    given = dict(zip(wanted, words, strict=False))
    node = given.get("NODE")
    if node is not None and node not in lab.nodes:
        return f"no node {node}, only {', '.join(lab.nodes)}"
    if "INTERFACE" in given and given["INTERFACE"] not in lab.nodes[words[0]].namespace.cables:
        return f"{node} has no interface {given['INTERFACE']}, only {', '.join(lab.nodes[words[0]].namespace.cables)}"
    if "COMMAND" in given and given["COMMAND"] not in _ASK:
        return f"no command {given['COMMAND']}, only {', '.join(_ASK)}"
    if "SECONDS" in given and not re.fullmatch(r"\d+(\.\d*)?", given["SECONDS"]):
        return f"expected a number of seconds, not {given['SECONDS']}"
    return ""


def _ask(lab: Laboratory, name: str, command: str, *words: str) -> None:
    """Let the node's daemon answer one of the operator's commands, as `pykeepalived COMMAND ...` would."""
    _run([*OURS, command, *words, "--socket", str(lab.nodes[name].control_socket)])


def _run(words: Sequence[str]) -> None:
    """Run a program, which says what it says where the rest of the output goes. Raises LabError."""
    sys.stdout.flush()
    try:
        subprocess.run(
            words, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=COMMAND_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"ended after {COMMAND_TIMEOUT_SECONDS} s") from None
