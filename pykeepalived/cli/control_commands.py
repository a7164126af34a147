"""`pykeepalived status | why | plan | reload | record | metrics`: asks the running daemon, shows text or JSON."""

from __future__ import annotations

import argparse
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from pykeepalived.parent.paths import control_socket

EXIT_ANSWERED, EXIT_FAILED, EXIT_NO_DAEMON = 0, 1, 2
_TIMEOUT_S = 90.0
_WRITING_S = 20.0

View = dict[str, Any]


class NoDaemonError(Exception):
    """Nobody answers on the control socket."""


def ask(path: str, command: str, arguments: Sequence[str] = ()) -> View:
    """One request to the daemon behind the socket at `path`. Raises NoDaemonError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(path)
            connection.sendall(json.dumps({"command": command, "arguments": list(arguments)}).encode() + b"\n")
            with connection.makefile("rb") as answer:
                view = json.loads(answer.readline())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "; -p, --instance and -s find one with a pid file, instance or namespace of its own"
        if isinstance(error, FileNotFoundError):
            reason += hint
        elif isinstance(error, PermissionError):
            reason += "; the socket is root's"
        raise NoDaemonError(f"no daemon answers on {path}: {reason}") from None
    if not isinstance(view, dict):
        raise NoDaemonError(f"no daemon answers on {path}: not our protocol")
    return view


def run(command: str, argv: Sequence[str], out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run one control command with its arguments; return the exit status."""
    out, err = out or sys.stdout, err or sys.stderr
    options = _parser(command).parse_args(list(argv))
    path = options.socket or _find_socket(options)
    if not path:
        err.write(f"no daemon answers: process {options.main_pid} has no control socket\n")
        return EXIT_NO_DAEMON
    arguments: tuple[str, ...] = ()
    if command == "why" and options.object:
        arguments = (options.object,)
    elif command == "plan":
        arguments = (os.path.abspath(options.file),)
    elif command == "record":
        arguments = (options.process, os.path.abspath(options.file), *(["secrets"] if options.secrets else []))
    before = _stamp(arguments[1]) if command == "record" else None
    try:
        answer = ask(path, command, arguments)
        if command == "record" and answer.get("ok"):
            answer = _await_file(answer, before)
    except NoDaemonError as error:
        err.write(f"{error}\n")
        return EXIT_NO_DAEMON
    if options.json:
        out.write(json.dumps(answer, indent=2) + "\n")
    elif answer.get("ok"):
        out.writelines(f"{line}\n" for line in _SHOW[command](answer["result"]))
    else:
        err.write(f"{answer.get('error')}\n")
    refused = command == "plan" and answer.get("ok") and answer["result"]["refused"]
    return EXIT_ANSWERED if answer.get("ok") and not refused else EXIT_FAILED


def _parser(command: str) -> argparse.ArgumentParser:
    about = {
        "status": "What the running daemon does: every instance, virtual server and session.",
        "why": "Why an object is in its state: the facts, since when, and the configuration lines.",
        "plan": "What a reload with FILE would change. Nothing is changed.",
        "reload": "Reload and wait for the outcome.",
        "metrics": "Counters and states in the text format of Prometheus, for the textfile collector of node_exporter.",
        "record": "Write the last inputs of a process to FILE, for `pykeepalived replay`. Mode 0600.",
    }
    parser = argparse.ArgumentParser(prog=f"pykeepalived {command}", description=about[command])
    if command == "why":
        parser.add_argument(
            "object",
            nargs="?",
            default="",
            help="name of an instance, group, server, session or script, or an address or interface",
        )
    elif command == "plan":
        parser.add_argument("file", nargs="?", default="/etc/keepalived/keepalived.conf")
    elif command == "record":
        parser.add_argument("file")
        parser.add_argument("--process", choices=("vrrp", "bfd", "checker"), default="vrrp", help="default vrrp")
        parser.add_argument(
            "--secrets", action="store_true", help="with passwords and keys: AH and auth_hmac can then be replayed too"
        )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument("--socket", default="", help="control socket of the daemon")
    parser.add_argument("-p", "--pid", default="", help="pid file the daemon was given with -p")
    parser.add_argument("--instance", default="", help="instance name of the daemon")
    parser.add_argument("--main-pid", type=int, default=0, help="process id of the daemon (systemd's $MAINPID)")
    parser.add_argument("-s", "--namespace", default="", help="network namespace of the daemon")
    return parser


def _stamp(path: str) -> tuple[int, int] | None:
    """What changes when a file is written anew; None while there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _await_file(answer: View, before: tuple[int, int] | None) -> View:
    """The answer, once the record is there; another process writes it."""
    path = answer["result"]["path"]
    end = time.monotonic() + _WRITING_S
    while _stamp(path) in (None, before):
        if time.monotonic() > end:
            return {"ok": False, "error": f"{path} was not written, the daemon's log tells why"}
        time.sleep(0.02)
    return answer


def _find_socket(options: argparse.Namespace) -> str:
    if options.main_pid:
        return socket_of(options.main_pid)
    path = control_socket(options.instance, options.pid)
    if options.namespace and not options.pid:
        directory, _, name = path.rpartition("/")
        return f"{directory}/{options.namespace}/{name}"
    return path


def socket_of(pid: int) -> str:
    """Where the daemon with this process id listens, as seen from here; "" if it does not.

    Whatever its instance, namespace and pid file are: the kernel knows which sockets it has.
    """
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="replace") as file:
            sockets = [line.split() for line in file]
    except OSError:
        return ""
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    for words in sockets:
        if len(words) == 8 and words[6] in inodes and words[7].endswith(".sock"):
            return f"/proc/{pid}/root{words[7]}"
    return ""


# showing

_KINDS = ("vrrp", "checker", "bfd")
"""The parts of a status that are a process' own."""


def _status(view: View) -> Iterable[str]:
    yield f"{view['product']}, pid {view['pid']}, {view['phase']}, up {_duration(view['uptime_s'])}"
    if view.get("last_reload"):
        yield f"last reload {_duration(view['last_reload_s'])} ago: {view['last_reload']}"
    lost = sum(part.get("log_lines_lost", 0) for part in (view, *(view.get(kind, {}) for kind in _KINDS)))
    if lost:
        yield f"{lost} log lines lost: the journal or syslog did not take them"
    vrrp, checker, bfd = (view.get(kind, {}) for kind in _KINDS)
    yield from _section(("PROCESS", "PID", "UP", "RESTARTS", ""), map(_process_row, view.get("processes", ())))
    heading = ("INSTANCE", "STATE", "FOR", "PRIORITY", "INTERFACE", "MASTER", "WHY")
    yield from _section(heading, map(_instance_row, vrrp.get("instances", ())))
    groups = (
        (group["name"], group["state"], _duration(group["for_s"]), group["why"]) for group in vrrp.get("groups", ())
    )
    yield from _section(("SYNC GROUP", "STATE", "FOR", "WHY"), groups)
    yield from _section(("TRACKED", "NAME", "STATE", ""), _tracked(vrrp))
    if checker.get("virtual_servers") and not checker["ipvs"]:
        yield ""
        yield "IPVS is not there (no ip_vs in the kernel): servers are checked, nothing is balanced"
    yield from _section(("SERVER", "STATE", "FOR", "WEIGHT", "WHY"), _server_rows(checker))
    workers = ((each["pid"] or "(starting)", each["checkers"], each["restarts"]) for each in checker.get("workers", ()))
    yield from _section(("CHECK WORKER", "CHECKERS", "RESTARTS"), workers)
    yield from _section(("BFD SESSION", "STATE", "FOR", "PEER", "WHY"), map(_session_row, bfd.get("sessions", ())))


def _section(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """A blank line and a table, or nothing without rows."""
    found = list(rows)
    if found:
        yield ""
        yield from table(heading, found)


def _process_row(process: View) -> tuple[object, ...]:
    silent = "" if process["answers"] else "does not answer"
    return process["kind"], process["pid"], _duration(process["uptime_s"]), process["restarts"], silent


def _instance_row(instance: View) -> tuple[object, ...]:
    master = "this node" if instance["state"] == "MASTER" else instance["master"]
    state = (instance["name"], instance["state"], _duration(instance["for_s"]), instance["priority"])
    return (*state, instance["interface"], master, instance["why"])


def _server_rows(checker: View) -> Iterable[tuple[object, ...]]:
    """A row for each virtual server, and one for each of its real servers."""
    for virtual in checker.get("virtual_servers", ()):
        for indent, one in (("", virtual), *(("  ", real) for real in virtual["real_servers"])):
            yield f"{indent}{one['name']}", one["state"], _duration(one["for_s"]), one["weight"], one["why"]


def _session_row(session: View) -> tuple[object, ...]:
    return session["name"], session["state"], _duration(session["for_s"]), session["remote_state"], session["why"]


def _tracked(vrrp: View) -> Iterable[tuple[object, ...]]:
    """A row for each script, file and process that instances depend on."""
    for script in vrrp.get("scripts", ()):
        yield "script", script["name"], "good" if script["good"] else "bad", script["ending"] or "has not run yet"
    for file in vrrp.get("files", ()):
        yield "file", file["name"], file["value"], ""
    for process in vrrp.get("processes", ()):
        yield "process", process["name"], "good" if process["quorum"] else "bad", f"{process['running']} running"


def _why(found: list[View]) -> Iterable[str]:
    for view in found:
        since = f" since {_moment(view['since'])}" if view.get("since") else ""
        before = f", before that {view['before']}" if view.get("before") else ""
        of = f" of {view['of']}" if view.get("of") else ""
        yield f"{view['kind']} {view['name']}{of}: {view['state']}{since}{before}"
        yield from (f"  {fact}" for fact in view["facts"])


def _plan(view: View) -> Iterable[str]:
    yield from view["messages"]
    if view["refused"]:
        yield f"A reload would be refused: {view['refused']}"
    yield from (f"process {kind}: would be started" for kind in view["starts"])
    yield from (change["text"] for change in view["changes"])
    yield from (f"kernel: {operation}" for operation in view.get("kernel", ()))
    if not (view["refused"] or view["changes"] or view["starts"]):
        yield "A reload would change nothing."


def _reload(view: View) -> Iterable[str]:
    yield from view["messages"]
    yield f"Reload complete, generation {view['generation']}"
    for kind, summary in view["changes"].items():
        yield from (f"  {kind}: {line}" for line in summary)


def _record(view: View) -> Iterable[str]:
    yield f"Recorded in {view['path']}"


_SHOW: dict[str, Callable[[Any], Iterable[str]]] = {
    "status": _status,
    "why": _why,
    "plan": _plan,
    "reload": _reload,
    "record": _record,
    "metrics": lambda answer: answer["text"].splitlines(),
}


def table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterable[str]:
    """Columns as wide as their widest cell, two blanks apart."""
    cells = [tuple(heading), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heading))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _duration(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    if seconds is None:
        return ""
    left = int(seconds)
    if left < 60:
        return f"{seconds:.1f}s"
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if left >= size:
            return f"{left // size}{unit}{left % size // smaller_size}{smaller}"
    return ""


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
