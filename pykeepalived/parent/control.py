"""The operator's commands in the parent: status, why, plan, reload, record, metrics, version.

Their socket is observe/control.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pykeepalived.config.diff import diff
from pykeepalived.observe.control import ControlServer, Reply, failure, result
from pykeepalived.observe.snapshot import BfdSnapshot, IpvsSnapshot, VrrpSnapshot
from pykeepalived.observe.status import Snapshot, known_names, status_view, why_view
from pykeepalived.parent.daemon import Daemon
from pykeepalived.parent.launch import fork_worker
from pykeepalived.parent.parts import wanted_children
from pykeepalived.parent.paths import RunPaths
from pykeepalived.parent.reload import ReloadOutcome, unchangeable
from pykeepalived.runtime.messages import ChildKind

ANSWER_NS = 2_000_000_000
_MAX_PLAN = 16 << 20
_SUGGESTIONS, _COMPARED = 8, 500

Collected = Callable[[list[Snapshot], list[str]], None]


class ControlExtension:
    """Plugs the control socket into a daemon. Without a socket (the directory is read-only) the daemon works on."""

    def __init__(self, daemon: Daemon, paths: RunPaths) -> None:
        self._daemon = daemon
        self._server: ControlServer | None = None
        self._commands: dict[str, Callable[[tuple[str, ...], Reply], None]] = {
            "status": self._status,
            "why": self._why,
            "plan": self._plan,
            "reload": self._reload,
            "record": self._record,
            "metrics": self._metrics,
            "version": self._version,
        }
        try:
            self._server = ControlServer(daemon.loop, paths.control_socket, self._handle)
        except OSError as error:
            daemon.log.warning(f"Unable to make control socket {paths.control_socket} - {error.strerror}")

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _handle(self, command: str, arguments: tuple[str, ...], reply: Reply) -> None:
        perform = self._commands.get(command)
        if perform is None:
            reply(failure(f"unknown command; known are {', '.join(self._commands)}"))
        else:
            perform(arguments, reply)

    # commands

    def _version(self, _arguments: tuple[str, ...], reply: Reply) -> None:
        daemon = self._daemon
        reply(result({"product": daemon.product, "pid": os.getpid(), "generation": daemon.children.generation}))

    def _status(self, _arguments: tuple[str, ...], reply: Reply) -> None:
        daemon = self._daemon
        now = daemon.loop.now()

        def collected(snapshots: list[Snapshot], silent: list[str]) -> None:
            view: dict[str, Any] = {
                "product": daemon.product,
                "pid": os.getpid(),
                "phase": daemon.phase.value,
                "generation": daemon.children.generation,
                "uptime_s": round((now - daemon.started_ns) / 1e9, 3),
                "instance": daemon.config.globals.instance,
                "namespace": daemon.config.globals.net_namespace,
                "last_reload": daemon.last_reload,
                "last_reload_s": round((now - daemon.last_reload_ns) / 1e9, 3) if daemon.last_reload else None,
                "log_lines_lost": daemon.log.dropped,
                "processes": [
                    {
                        "kind": str(child.kind),
                        "pid": child.pid,
                        "ready": child.ready,
                        "generation": child.generation,
                        "uptime_s": round((now - child.started_ns) / 1e9, 3),
                        "restarts": daemon.children.deaths[child.kind],
                        "answers": str(child.kind) not in silent,
                    }
                    for child in daemon.children.running
                ],
            }
            reply(result(view | status_view(snapshots)))

        self._collect(collected)

    def _why(self, arguments: tuple[str, ...], reply: Reply) -> None:
        name = arguments[0] if arguments else ""

        def collected(snapshots: list[Snapshot], silent: list[str]) -> None:
            found = why_view(name, snapshots, self._daemon.config)
            if found or not name:
                reply(result(found))
            else:
                reply(failure(_nothing_called(name, known_names(snapshots), silent)))

        self._collect(collected)

    def _metrics(self, _arguments: tuple[str, ...], reply: Reply) -> None:
        from pykeepalived.observe.metrics import render

        def collected(snapshots: list[Snapshot], _silent: list[str]) -> None:
            reply(result({"text": render(self._daemon.config, snapshots)}))

        self._collect(collected)

    def _reload(self, _arguments: tuple[str, ...], reply: Reply) -> None:
        daemon = self._daemon

        def done(outcome: ReloadOutcome) -> None:
            summary = {str(child.kind): list(child.summary) for child in daemon.children.running}
            if outcome.accepted:
                messages = list(outcome.messages)
                generation = daemon.children.generation
                reply(result({"generation": generation, "changes": summary, "messages": messages}))
            else:
                reply(failure("\n".join((outcome.reason, *outcome.messages))))

        daemon.reloader.request(done)

    def _record(self, arguments: tuple[str, ...], reply: Reply) -> None:
        """Have a child write its flight record: kind, absolute path, and "secrets" if they are wanted."""
        children = self._daemon.children
        kind = next((child.kind for child in children.running if arguments and str(child.kind) == arguments[0]), None)
        if kind is None:
            reply(failure("no such process runs"))
            return
        loop = self._daemon.loop
        asked: list[int] = []
        finished = False

        def finish(body: dict[str, Any] | None) -> None:
            nonlocal finished
            if finished:
                return
            finished = True
            timer.cancel()
            for number in asked:
                children.forget(number)
            path = (body or {}).get("path")
            reply(result({"path": path}) if path else failure((body or {}).get("error", f"{kind} does not answer")))

        timer = loop.call_at(loop.now() + ANSWER_NS, lambda: finish(None))
        asked.append(children.ask(kind, ("record", *arguments[1:]), finish))

    def _collect(self, done: Collected) -> None:
        """Ask every child for its snapshot; those that do not answer in time are named instead."""
        children = self._daemon.children
        loop = self._daemon.loop
        asked = [child.kind for child in children.running]
        waiting = {str(kind) for kind in asked}
        snapshots: list[Snapshot] = []
        numbers: list[int] = []
        finished = False

        def finish() -> None:
            nonlocal finished
            if not finished:
                finished = True
                timer.cancel()
                for number in numbers:
                    children.forget(number)
                done(snapshots, sorted(waiting))

        timer = loop.call_at(loop.now() + ANSWER_NS, finish)

        def answered(kind: str, body: dict[str, Any] | None) -> None:
            snapshot = (body or {}).get("snapshot")
            if isinstance(snapshot, (VrrpSnapshot, IpvsSnapshot, BfdSnapshot)):
                snapshots.append(snapshot)
            if body is not None:
                waiting.discard(kind)
            pending.discard(kind)
            if not pending:
                finish()

        pending = {str(kind) for kind in asked}
        for kind in asked:
            name = str(kind)
            numbers.append(children.ask(kind, ("snapshot",), lambda body, name=name: answered(name, body)))  # type: ignore[misc]
        if not pending:
            finish()

    # plan

    def _plan(self, arguments: tuple[str, ...], reply: Reply) -> None:
        """Load a candidate file in a process of its own and tell what a reload would change."""
        daemon = self._daemon
        if len(arguments) != 1 or not os.path.isabs(arguments[0]):
            reply(failure("plan needs the absolute path of one file"))
            return
        path = arguments[0]
        _Worker(daemon, lambda: plan(daemon, path), reply)


def _nothing_called(name: str, known: list[str], silent: list[str]) -> str:
    """Why there is nothing to explain, and what there is instead: the most similar first."""
    from difflib import get_close_matches

    text = f"nothing is called {name}"
    similar = get_close_matches(name, known[:_COMPARED], _SUGGESTIONS, 0)
    if similar:
        text += f"; there are {', '.join(similar)}{' and others' if len(similar) < len(known) else ''}"
    return f"{text} ({', '.join(silent)} did not answer)" if silent else text


def plan(daemon: Daemon, path: str) -> dict[str, Any]:
    """What a reload with the file at `path` would do, as an answer. Slow: reads the file."""
    loaded = daemon.make_loader(replace(daemon.options, config_file=path))()
    view: dict[str, Any] = {
        "messages": list(loaded.messages),
        "check_status": loaded.check_status,
        "refused": "",
        "starts": [],
        "changes": [],
        "kernel": [],
    }
    if loaded.config is None:
        return result(view | {"refused": "the file cannot be used"})
    fixed = unchangeable(daemon.config, loaded.config)
    if fixed:
        view["refused"] = f"a restart is needed to change {', '.join(fixed)}"
    running = {child.kind for child in daemon.children.running}
    wanted = wanted_children(loaded.config, daemon.enabled, daemon.options.run_all)
    view["starts"] = [str(kind) for kind in wanted if kind not in running]
    view["changes"] = [
        {
            "kind": str(change.kind),
            "section": change.section,
            "name": change.name,
            "path": change.path,
            "text": str(change),
            "file": change.at.file if change.at else "",
            "line": change.at.line if change.at else 0,
        }
        for change in diff(daemon.config, loaded.config)
    ]
    if ChildKind.VRRP in running:
        from pykeepalived.vrrp.process import kernel_forecast

        with contextlib.suppress(OSError):
            view["kernel"] = kernel_forecast(daemon.config, loaded.config)
    return result(view)


class _Worker:
    """Runs a function in a forked process and replies with what it returns, without holding up the parent."""

    _LIMIT_NS = 60_000_000_000

    def __init__(self, daemon: Daemon, work: Callable[[], dict[str, Any]], reply: Reply) -> None:
        self._loop = daemon.loop
        self._reply = reply
        self._data = bytearray()
        self._fd, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._pid = fork_worker(lambda: _write_all(write_end, work()))
        except OSError as error:
            os.close(self._fd)
            reply(failure(f"no process for it - {error.strerror}"))
            return
        finally:
            os.close(write_end)
        self._loop.add_reader(self._fd, self._read)
        self._timer = self._loop.call_at(self._loop.now() + self._LIMIT_NS, self._time_out)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        self._data += data
        if not data or len(self._data) > _MAX_PLAN:
            try:
                answer = json.loads(self._data)
            except ValueError:
                answer = failure("the planning process failed")
            self._finish(answer)

    def _time_out(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._finish(failure("timed out"))

    def _finish(self, answer: dict[str, Any]) -> None:
        if self._fd < 0:
            return
        self._timer.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._reply(answer)


def _write_all(fd: int, answer: dict[str, Any]) -> None:
    os.set_blocking(fd, True)
    view = memoryview(json.dumps(answer, default=str).encode())
    while view:
        view = view[os.write(fd, view) :]
