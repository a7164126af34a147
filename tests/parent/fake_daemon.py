"""The real parent with children that do as a JSON file says: `python -m tests.parent.fake_daemon [OPTIONS]`.

The file given with -f holds {"wants": [...], "globals": {...}, "children": {"vrrp": {...}}, "bad": "why"}. A child
understands: `exit` (status, at once), `crash` (signal, at once), `hang` (answers nothing), `stop_ms` (time to leave),
`refuse_reload` (raises on reload), `script` (words, run when ready and after each reload, as user `uid`). `look_at` has
the loader tell whether that path exists.
"""

# ruff: noqa: E402
from __future__ import annotations

from pykeepalived.runtime import standard_files

standard_files.open_closed()

import json
import os
import sys
import time
from typing import Any

from pykeepalived.cli.options import parse
from pykeepalived.config.model import Config
from pykeepalived.config.model.globals import GlobalDefs
from pykeepalived.config.model.values import Account, Script
from pykeepalived.notify.scripts import ScriptResult, ScriptRunner
from pykeepalived.observe.cause import LogLine
from pykeepalived.parent.control import ControlExtension
from pykeepalived.parent.launch import RunChild
from pykeepalived.parent.loaded import Loaded, Loader
from pykeepalived.parent.options import Options
from pykeepalived.parent.start import Parts, start
from pykeepalived.runtime.child import ChildContext
from pykeepalived.runtime.child_loop import ChildService
from pykeepalived.runtime.loop import Loop
from pykeepalived.runtime.messages import ChildKind, Dump


class FakeChild:
    def __init__(self, context: ChildContext) -> None:
        self.context = context
        self.loop = Loop()
        self.service = ChildService(context, self.loop, self)
        self.runner = ScriptRunner(self.loop, context.log, self.service.fork_script_helper)

    def behaviour(self) -> dict[str, Any]:
        children: dict[str, dict[str, Any]] = json.loads(self.service.config.globals.router_id or "{}")
        return children.get(self.context.kind, {})

    def run(self) -> int:
        behaviour = self.behaviour()
        if self.context.respawned:
            self.context.log.info(f"{self.context.kind} respawned")
        if "exit" in behaviour:
            return int(behaviour["exit"])
        if "crash" in behaviour:
            os.kill(os.getpid(), behaviour["crash"])
        self.context.log.info(f"{self.context.kind} running generation {self.service.generation}")
        self.service.ready()
        self.run_script(behaviour)
        if behaviour.get("hang"):
            self.loop.call_at(self.loop.now(), lambda: time.sleep(600))
        return self.service.run()

    def run_script(self, behaviour: dict[str, Any]) -> None:
        if "script" not in behaviour:
            return
        words, uid = tuple(behaviour["script"]), behaviour.get("uid", os.geteuid())
        script = Script(words=words, account=Account(uid, uid or os.getegid()), path=words[0])

        def ended(result: ScriptResult) -> None:
            self.context.log.info(f"{self.context.kind} script ended with {result.status}")

        self.runner.start(script, done=ended)

    def on_reload(self, config: Config, generation: int) -> tuple[str, ...]:
        if self.behaviour().get("refuse_reload"):
            raise ValueError("told to refuse")
        self.context.log.info(f"{self.context.kind} adopted generation {generation}")
        self.run_script(self.behaviour())
        return (f"{self.context.kind} generation {generation}",)

    def on_stop(self) -> None:
        delay = self.behaviour().get("stop_ms", 0) * 1_000_000
        self.loop.call_at(self.loop.now() + delay, self.service.finish)

    def on_dump(self, kind: Dump) -> None:
        self.context.log.info(f"{self.context.kind} dump {kind}")

    def on_query(self, words: tuple[str, ...]) -> dict[str, Any]:
        return {"kind": str(self.context.kind), "words": list(words)}

    def on_peer_started(self, kind: ChildKind) -> None:
        self.context.log.info(f"{self.context.kind} peer {kind} started")


def make_loader(options: Options) -> Loader:
    def load() -> Loaded:
        try:
            with open(options.config_file, encoding="utf-8") as file:
                content = json.load(file)
        except (OSError, ValueError) as error:
            line = LogLine(f"cannot read: {error}")
            return Loaded(config=None, refusal=6, check_status=4, lines=(line,), messages=(line.text,))
        if "bad" in content:
            text = content["bad"]
            return Loaded(config=None, refusal=2, check_status=2, lines=(LogLine(text),), messages=(text,))
        settings = dict(content.get("globals", {}))
        for name in ("startup_script", "shutdown_script"):
            if name in settings:
                settings[name] = Script(words=tuple(settings[name]), account=Account(0, 0), path=settings[name][0])
        wants = content.get("wants", [])
        config = Config(
            globals=GlobalDefs(router_id=json.dumps(content.get("children", {})), **settings),
            wants_vrrp="vrrp" in wants,
            wants_checker="checker" in wants,
            wants_bfd="bfd" in wants,
        )
        messages = tuple(content.get("messages", ()))
        if "look_at" in content:
            messages += (f"look_at: {os.path.exists(content['look_at'])}",)
        return Loaded(
            config=config,
            check_status=5 if messages else 0,
            lines=tuple(LogLine(text) for text in messages),
            messages=messages,
        )

    return load


def find_child(kind: ChildKind) -> RunChild:
    if os.environ.get("FAKE_BROKEN") == kind:
        raise ImportError("told to fail")
    return lambda context: FakeChild(context).run()


def main() -> int:
    parsed = parse(sys.argv)
    parts = Parts(
        product="Fake v1.0.0 (01/01,2026)",
        loader=make_loader,
        run_child=find_child,
        extend=ControlExtension,
        clear_leftovers=lambda kind, options, log: None,
    )
    return start(parsed.options, parts)


if __name__ == "__main__":
    raise SystemExit(main())
