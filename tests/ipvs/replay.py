"""A recorded scenario (tests/vm/scenarios) on a virtual clock: the core with a kernel and real servers in memory.

The steps are those that tests/vm/tools/lab.py plays in the test machine; the result is the same timeline of events,
which tests/vm/tools/golden.py turns into phases and compares with the recording. What BFD sessions do is taken from the
recording.
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

from pykeepalived.config.environment import Environment
from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.includes import MemoryFiles
from pykeepalived.config.interfaces import Interface
from pykeepalived.config.load import LoadOptions, load
from pykeepalived.config.memo import BlockMemo
from pykeepalived.config.model import Config
from pykeepalived.config.model.ipvs import FileCheck
from pykeepalived.config.model.values import Ip
from pykeepalived.ipvs import effects
from pykeepalived.ipvs.checks.attempt import Outcome, Reason, Transport
from pykeepalived.ipvs.core import IpvsCore
from pykeepalived.ipvs.surroundings import file_number
from pykeepalived.netlink.fake_ipvs import FakeIpvs
from pykeepalived.netlink.services import (
    Command,
    DestinationKey,
    DestinationSettings,
    Operation,
    ServiceKey,
    ServiceSettings,
    delete_destination,
    new_destination,
    new_service,
)
from pykeepalived.notify.messages import real_server_event, real_server_mail, virtual_server_event
from pykeepalived.notify.queue import Notification
from pykeepalived.observe.cause import LogLine
from pykeepalived.parent.loading import judge
from tests.ipvs.as_recorded import daemon_line, operation_event, table_lines
from tests.ipvs.scripted import Call, World

SECOND = 1_000_000_000


START_NS = 3 * SECOND // 10


"""How long the recorded daemon took to start: its first pause is that much shorter."""


CONFIG = "/tmp/lab/keepalived.conf"


_EXECUTABLE = ("notify.sh", "misc.sh")


_BFD_EVENT = re.compile(r"Received BFD event: instance (\w+) is in state (\w+)")


class UntranslatableError(Exception):
    """A step needs something that is not in memory."""


def machine() -> Environment:
    entries = {path: FileStat(FileKind.DIRECTORY) for path in ("/tmp", "/tmp/lab", "/bin", "/etc")}
    entries |= {f"/tmp/lab/{name}": FileStat(FileKind.FILE) for name in _EXECUTABLE}
    interfaces = {name: Interface(name=name, index=index) for index, name in enumerate(("lo", "br0", "vip0"), start=1)}
    return Environment(interfaces=interfaces, hostname="vm", config_id="vm", files=FileTable(entries))


# ------------------------------------------------------------------ the guest


class Replay:
    """One scenario. `run` plays it; `events` is the timeline."""

    def __init__(self, scenario: Path) -> None:
        self.scenario = scenario
        self.events: list[dict[str, Any]] = []
        self.world = World()
        self.kernel = FakeIpvs()
        self.core: IpvsCore | None = None
        self.config = Config()
        self.now = 0
        self._conf = "keepalived.conf"
        self._memo = BlockMemo()
        self._later: list[tuple[int, int, Any]] = []
        self._numbers = itertools.count()
        self._attempts = 0
        self._recorded = json.loads((scenario / "expect.json").read_text())
        self._phase, self._acted, self._daemon, self._waited = 0, False, False, False
        self._lead = 0
        self._mark = 0
        self._table: list[str] | None = None

    def run(self) -> list[dict[str, Any]]:
        for step in json.loads((self.scenario / "scenario.json").read_text())["steps"]:
            self._step(dict(step))
        self._pass(SECOND // 2)
        return self.events

    # time

    def _plan_sessions(self) -> None:
        """The BFD process tells the core what it told keepalived in this phase."""
        for after, line in self._recorded[self._phase]["log"]:
            if found := _BFD_EVENT.match(line):
                event = effects.BfdChanged(found[1], found[2] == "Up")
                self._after(int(after * SECOND), lambda event=event: self._tell_session(event))

    def _tell_session(self, event: effects.BfdChanged) -> None:
        assert self.core is not None
        self.core.receive(event, self.now)

    def _after(self, delay: int, function: Any) -> None:
        heapq.heappush(self._later, (self.now + delay, next(self._numbers), function))

    def _next(self) -> int | None:
        due = self.core.deadline() if self.core is not None else None
        if self._later and (due is None or self._later[0][0] < due):
            return self._later[0][0]
        return due

    def _advance(self, limit: int) -> bool:
        """To the next moment at which something happens, at most to `limit`; False when that is reached."""
        due = self._next()
        if due is None or due > limit:
            self.now = limit
            return False
        self.now = max(self.now, due)
        if self._later and self._later[0][0] <= self.now:
            heapq.heappop(self._later)[2]()
        elif self.core is not None:
            self.core.tick(self.now)
        self._settle()
        return True

    def _pass(self, nanoseconds: int) -> None:
        end = self.now + nanoseconds
        while self._advance(end):
            pass

    def _until(self, condition: Any, step: dict[str, Any], what: str) -> None:
        end = self.now + step.get("timeout", 20) * SECOND
        while not condition():
            if not self._advance(end):
                self._add("action", what=f"TIMEOUT waiting for {what}")
                return

    # events

    def _add(self, kind: str, **words: Any) -> None:
        self.events.append({"t": self.now / SECOND, "kind": kind, **words})

    def _act(self, what: str, reading: bool = False) -> None:
        self._add("action", what=what, phase=self._phase, **({"read": True} if reading else {}))

    def _look(self) -> None:
        lines = table_lines(self.kernel)
        if lines != self._table:
            self._table = lines
            self._add("state", lines=lines)

    # steps

    def _step(self, step: dict[str, Any]) -> None:
        kind = step["do"]
        reading = (
            kind == "daemon"
            or (kind == "sh" and step.get("record", False))
            or (kind == "backend" and step["op"] in ("requests", "sni"))
        )
        if kind in ("sleep", "wait_log", "wait_state"):
            if self._acted and not self._waited:
                self._plan_sessions()
            self._waited = self._acted
        elif not reading:
            daemon = kind in ("start", "signal", "child_signal", "stop")
            if self._acted and (self._waited or (daemon and self._daemon)):
                self._look()
                self._phase, self._daemon, self._waited = self._phase + 1, False, False
            self._acted, self._daemon = True, self._daemon or daemon
        getattr(self, f"_do_{kind}")(step, reading)

    def _do_start(self, step: dict[str, Any], reading: bool) -> None:
        self._conf = step.get("conf", "keepalived.conf")
        self._look()
        self._act(f"start {self._conf}")
        self.now += START_NS
        self._lead = START_NS
        self._begin(respawned=False)

    def _begin(self, respawned: bool) -> None:
        if not respawned:
            self.config = self._load()
        self.core = IpvsCore(self.config, lambda _limit: 0)
        self._tell_files()
        left = self.kernel.table() if respawned else None
        self.core.receive(effects.Start(self.kernel.timeouts(), left), self.now)
        self._settle()

    def _load(self) -> Config:
        text = (self.scenario / self._conf).read_text()
        files = MemoryFiles({CONFIG: text})
        result = load(CONFIG, machine(), LoadOptions(log_detail=1, files=files, memo=self._memo))
        verdict = judge(result)
        for line in verdict.lines:
            self._add("log", line=line.text)
        assert verdict.config is not None
        return verdict.config

    def _tell_files(self) -> None:
        assert self.core is not None
        checks = [check for vs in self.config.virtual_servers for rs in vs.real_servers for check in rs.checkers]
        names = {check.track_file for check in checks if isinstance(check, FileCheck)}
        for file in self.config.track_files:
            if file.name in names:
                content = self.world.files.get(Path(file.path).name, "")
                self.core.receive(effects.FileRead(file.name, file_number(content.encode()) or 0), self.now)
        for virtual in self.config.virtual_servers:
            if virtual.ha_suspend and virtual.address is not None:
                self.core.receive(effects.AddressChanged(virtual.address, 0), self.now)
        self._settle()

    def _do_conf(self, step: dict[str, Any], reading: bool) -> None:
        self._conf = step["conf"]
        self._act(f"install {self._conf}")

    def _do_signal(self, step: dict[str, Any], reading: bool) -> None:
        if step["sig"] != "HUP" or self.core is None:
            raise UntranslatableError(f"signal {step['sig']}")
        self._act("signal HUP to parent")
        self.config = self._load()
        self._tell_files()
        self.core.receive(effects.Reload(self.config, self.kernel.timeouts()), self.now)
        self._settle()

    def _do_child_signal(self, step: dict[str, Any], reading: bool) -> None:
        self._act(f"signal {step['sig']} to checker")
        self._later.clear()
        self._begin(respawned=True)

    def _do_stop(self, step: dict[str, Any], reading: bool) -> None:
        assert self.core is not None
        self._act("signal TERM to parent")
        self.core.receive(effects.Stop(), self.now)
        self._settle()

    def _do_sleep(self, step: dict[str, Any], reading: bool) -> None:
        self._pass(max(0, int(step["s"] * SECOND) - self._lead))
        self._lead = 0

    def _do_wait_log(self, step: dict[str, Any], reading: bool) -> None:
        wanted = re.compile(step["re"])

        def found() -> bool:
            while self._mark < len(self.events):
                event = self.events[self._mark]
                self._mark += 1
                if event["kind"] == "log" and wanted.search(event["line"]):
                    return True
            return False

        if step.get("any"):
            self._mark = 0
        self._until(found, step, f"log /{step['re']}/")

    def _do_wait_state(self, step: dict[str, Any], reading: bool) -> None:
        def found() -> bool:
            lines = "\n".join(table_lines(self.kernel))
            return bool(re.search(step["re"], lines, re.M)) != bool(step.get("absent"))

        self._until(found, step, f"state {step['re']}")

    def _do_backend(self, step: dict[str, Any], reading: bool) -> None:
        words = {key: value for key, value in step.items() if key != "do"}
        self._act(f"backend {json.dumps(words, sort_keys=True)}", reading)
        found = self.world.do(words)
        if reading:
            self._add("backend", what=step["op"], rs=step["rs"], data=found)

    def _do_daemon(self, step: dict[str, Any], reading: bool) -> None:
        self._add("syncd", lines=[daemon_line(daemon) for daemon in sorted(self.kernel.daemons.values())])

    def _do_sh(self, step: dict[str, Any], reading: bool) -> None:
        command = step["cmd"]
        self._act(f"sh {command}", reading)
        output = "".join(self._shell(part.strip()) for part in command.split(";"))
        self._settle()
        if step.get("record"):
            self._add("sh", cmd=command, rc=0, out=output)
        self._look()

    def _shell(self, command: str) -> str:
        if found := re.fullmatch(r"echo (-?\d+) > /tmp/lab/(\w+)", command):
            self._write(found[2], found[1])
        elif found := re.fullmatch(r"rm /tmp/lab/(\w+)", command):
            self._write(found[1], "")
        elif found := re.fullmatch(r"ip -n (rs\d) addr (add|del) \S+ dev eth0", command):
            (self.world.down.add if found[2] == "del" else self.world.down.discard)(found[1])
        elif found := re.fullmatch(r"ip addr (add|del) (\S+)/32 dev vip0", command):
            assert self.core is not None
            self.core.receive(effects.AddressChanged(Ip.parse(found[2]), int(found[1] == "add")), self.now)
        elif command == "ipvsadm -Sn":
            return "".join(f"{line}\n" for line in table_lines(self.kernel))
        elif command == "ipvsadm -Ln --timeout":
            return f"Timeout (tcp tcpfin udp): {' '.join(map(str, self.kernel.timeouts()))}\n"
        elif command.startswith("ipvsadm "):
            self._ipvsadm(shlex.split(command)[1:])
        else:
            raise UntranslatableError(command)
        return ""

    def _write(self, name: str, content: str) -> None:
        self.world.files[name] = content
        if self.core is not None:
            for file in self.config.track_files:
                if Path(file.path).name == name:
                    number = file_number(content.encode())
                    assert number is not None
                    self.core.receive(effects.FileRead(file.name, number), self.now)

    def _ipvsadm(self, words: list[str]) -> None:
        """What somebody else does to the table; the recorder sees it too."""
        values = dict(itertools.pairwise(words))
        if words[0] == "-C":
            operation = Operation(Command.FLUSH)
        else:
            host, _, port = values["-t"].rpartition(":")
            service = ServiceKey(4, 6, bytes(Ip.parse(host)), int(port))
            server, _, port = values.get("-r", "0.0.0.0:0").rpartition(":")
            key = DestinationKey(bytes(Ip.parse(server)), int(port))
            match words[0]:
                case "-A":
                    operation = new_service(service, ServiceSettings(values["-s"]))
                case "-a":
                    operation = new_destination(service, key, DestinationSettings(int(values["-w"])))
                case "-d":
                    operation = delete_destination(service, key)
                case other:
                    raise UntranslatableError(f"ipvsadm {other}")
        self._operate((operation,))

    # the core

    def _operate(self, operations: tuple[Operation, ...]) -> tuple[Any, ...]:
        failures = self.kernel.perform(operations)
        errors = {failure.position: failure.error for failure in failures}
        for position, operation in enumerate(operations):
            self.events.append({"t": self.now / SECOND, **operation_event(operation, errors.get(position, 0))})
        self._look()
        return tuple(failures)

    def _settle(self) -> None:
        while self.core is not None and (wanted := self.core.drain()):
            for effect in wanted:
                self._perform(self.core, effect)

    def _perform(self, core: IpvsCore, effect: effects.Effect) -> None:
        settings = self.config.globals
        match effect:
            case LogLine():
                self._add("log", line=effect.text)
            case effects.Operate(operations):
                core.receive(effects.Operated(self._operate(operations)), self.now)
            case effects.StartCheck():
                self._start_check(core, effect)
            case effects.CancelChecks():
                self._attempts += 1
            case effects.ReadTable():
                core.receive(effects.TableRead(self.kernel.table()), self.now)
            case effects.Tell(trap_only=False, real=None):
                up, body = effect.up, effect.body
                self._tell(virtual_server_event(settings, effect.virtual, effect.virtual_name, up, body))
            case effects.Tell(trap_only=False):
                assert effect.real is not None
                self._tell(real_server_event(effect.real, effect.real_name, effect.virtual_name, effect.up))
            case effects.MailReal():
                names = effect.real_name, effect.virtual_name
                self._tell(real_server_mail(settings, *names, effect.up, effect.body))
            case effects.Tell() | effects.Stopped():
                pass
            case _:
                raise UntranslatableError(type(effect).__name__)

    def _tell(self, told: Notification) -> None:
        settings = self.config.globals
        for call in told.scripts:
            self._add("notify", args=" ".join((*call.script.words[1:], *call.arguments)))
        if told.fifo and (settings.notify_fifo or settings.lvs_notify_fifo):
            self._add("fifo", data=told.fifo)
        if told.mail is not None and settings.smtp.server is not None and settings.smtp.recipients:
            self._add("mail", dialogue=["HELO x", f"| Subject: {told.mail.subject}", "| ", f"| {told.mail.body}"])

    def _start_check(self, core: IpvsCore, effect: effects.StartCheck) -> None:
        attempt, generation = effect.attempt, self._attempts
        connection = attempt.connection
        if connection is not None and (connection.bind_address or connection.bind_interface or connection.fwmark):
            raise UntranslatableError("options of the socket")

        def end(outcome: Outcome) -> None:
            if self.core is core and self._attempts == generation:
                core.receive(effects.CheckEnded(effect.checker, outcome), self.now)

        if attempt.transport is Transport.SCRIPT:
            assert attempt.script is not None
            status = self.world.status(attempt.script.words[0], attempt.script.words[1:])
            end(Outcome(status == 0, Reason.SCRIPT_ENDED, "", status))
        else:
            Call(self.world, attempt, self._after, end)
