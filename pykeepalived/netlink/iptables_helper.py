"""The process that keeps iptables rules as they are wished: a small fork that runs iptables-save and iptables-restore.

Its owner only writes a few bytes a wish and hears of the outcome later, because a program that may wait for the lock
of all iptables users must not be waited for. The programs are the machine's own, so that rules stand where its
administrator's chains are, in nf_tables or in the older tables. Which rules are wished is iptables.py's business.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pykeepalived.netlink.iptables import Wish
from pykeepalived.netlink.journal import Journal
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.forking import fork
from pykeepalived.runtime.loop import Loop

PROGRAMS = {4: "iptables", 6: "ip6tables"}
_DIED = "iptables process died"
_BUILT_IN = ("INPUT", "OUTPUT", "FORWARD")
_LOCK_WAIT_S = 2
_PROGRAM_TIMEOUT_S = 10
_ANSWER_MAX = 65536
_SECOND_NS = 1_000_000_000
_LAST_RETRY_NS = 600 * _SECOND_NS
_STOP_NS = _SECOND_NS

_MATCHED_SET = re.compile(r"--match-set (\S+) ")

_Request = tuple[int, tuple[str, ...], tuple[tuple[str, str, bool], ...], frozenset[str]]
"""Family, chains, rules, known: a wish as marshal takes it."""


class RuleKeeper:
    """The owner's side. What cannot be done is told once, and tried again after 1, 2, 4 ... 600 s.

    `notes` has the rules that may be in place, for a successor.
    """

    def __init__(self, loop: Loop, log: Callable[[LogLine], object], notes: Journal | None = None) -> None:
        self._notes = notes
        self._noted = read_notes(notes)
        self._loop = loop
        self._log = log
        self._connection: socket.socket | None = None
        self._pid = 0
        self._wishes: dict[int, Wish] = {}
        self._fulfilled: dict[int, Wish] = {}
        self._refused: dict[int, Wish] = {}
        self._asked: tuple[int, Wish] | None = None
        self._told: set[str] = set()
        self._retry = loop.idle_timer(self._try_again)
        self._retry_ns = _SECOND_NS
        self._soon = loop.idle_timer(self._next)
        self._at_rest: Callable[[], object] | None = None
        self._limit = loop.idle_timer(self._rest)

    def want(self, wishes: Mapping[int, Wish]) -> None:
        """Let the filter tables become as wished; even the first fork comes after what is urgent now."""
        self._wishes = dict(wishes)
        self._soon.move(self._loop.now())

    def when_at_rest(self, done: Callable[[], object]) -> None:
        """Call `done` when all has been done that can be, but not later than in one second."""
        self._at_rest = done
        self._limit.move(self._loop.now() + _STOP_NS)
        self._next()

    def close(self) -> None:
        """The helper leaves when it has done what it was last asked."""
        self._soon.cancel()
        self._retry.cancel()
        self._limit.cancel()
        if self._connection is not None:
            self._loop.remove_reader(self._connection)
            self._connection.close()
            self._connection = None

    def reap(self) -> None:
        """To be called on SIGCHLD."""
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                    return
            self._pid = 0

    def _next(self) -> None:
        if self._asked is not None:
            return
        for family, wish in self._wishes.items():
            if self._refused.get(family) != wish and self._differs(family, wish):
                self._ask(family, wish)
                return
        if self._at_rest is not None:
            self._loop.call_at(self._loop.now(), self._rest)

    def _differs(self, family: int, wish: Wish) -> bool:
        """Whether there is anything to do; at first also what a predecessor may have left is to be removed."""
        before = self._fulfilled.get(family)
        if before is None:
            return bool(wish.rules or wish.known or self._noted[family])
        return before.rules != wish.rules or not wish.known <= before.known

    def _rest(self) -> None:
        done, self._at_rest = self._at_rest, None
        self._limit.cancel()
        if done is not None:
            done()

    def _ask(self, family: int, wish: Wish) -> None:
        rules = tuple((rule.chain, rule.match, rule.first) for rule in wish.rules)
        request: _Request = (family, wish.chains, rules, wish.known | self._noted[family])
        self._note(family, {*self._noted[family], *map(str, wish.rules)})
        try:
            connection = self._helper()
            fd = os.memfd_create("rules", os.MFD_CLOEXEC)
            try:
                os.write(fd, marshal.dumps(request))
                socket.send_fds(connection, [b"?"], [fd])
            finally:
                os.close(fd)
        except OSError as error:
            self._failed(family, wish, [f"iptables process: {error.strerror}"])
            return
        self._asked = (family, wish)

    def _helper(self) -> socket.socket:
        if self._connection is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                self._pid = fork(lambda: _serve(theirs))
            except OSError:
                ours.close()
                raise
            finally:
                theirs.close()
            ours.setblocking(False)
            self._connection = ours
            self._loop.add_reader(ours, self._read)
        return self._connection

    def _read(self) -> None:
        if self._connection is None:
            return
        try:
            data = self._connection.recv(_ANSWER_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        asked, self._asked = self._asked, None
        if not data:
            self._loop.remove_reader(self._connection)
            self._connection.close()
            self._connection = None
            self._fulfilled.clear()
        if asked is None:
            self._tell(_DIED)
            self._next()
            return
        family, wish = asked
        problems: list[str] = marshal.loads(data) if data else [_DIED]
        if problems:
            self._failed(family, wish, problems)
            return
        self._fulfilled[family] = wish
        self._note(family, set(map(str, wish.rules)))
        self._refused.pop(family, None)
        if not self._refused:
            self._retry_ns = _SECOND_NS
        self._next()

    def _note(self, family: int, rules: set[str]) -> None:
        if self._notes is not None and rules != self._noted[family]:
            self._noted[family] = rules
            self._notes.replace([f"{number}\t{rule}" for number, some in self._noted.items() for rule in sorted(some)])

    def _failed(self, family: int, wish: Wish, problems: Sequence[str]) -> None:
        """Try this again later; other wishes need not wait for it."""
        self._refused[family] = wish
        for problem in problems:
            self._tell(problem)
        if self._retry.when is None:
            self._retry.move(self._loop.now() + self._retry_ns)
            self._retry_ns = min(2 * self._retry_ns, _LAST_RETRY_NS)
        self._next()

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self._log(LogLine(problem, Priority.ERROR))

    def _try_again(self) -> None:
        self._refused.clear()
        self._next()


# without an owner


def read_notes(notes: Journal | None) -> dict[int, set[str]]:
    """The rules that a predecessor may have left, by family."""
    left: dict[int, set[str]] = {4: set(), 6: set()}
    for line in notes.read() if notes is not None else ():
        family, _, rule = line.partition("\t")
        if rule and family in ("4", "6"):
            left[int(family)].add(rule)
    return left


def remove_noted(notes: Journal) -> tuple[list[str], list[str]]:
    """Remove what a predecessor has left; returns what stands against it, and the sets that the rules used.

    Waits for the programs.
    """
    problems: list[str] = []
    sets: dict[str, None] = {}
    for family, rules in read_notes(notes).items():
        try:
            if rules:
                problems += _fulfil(PROGRAMS[family], (), (), frozenset(rules))
        except (OSError, subprocess.SubprocessError) as error:
            problems.append(f"{PROGRAMS[family]}: {error}")
            continue
        sets.update((name, None) for rule in sorted(rules) for name in _MATCHED_SET.findall(rule))
    if not problems:
        notes.remove()
    return problems, list(sets)


# the helper


def _serve(connection: socket.socket) -> int:
    """Fulfil wishes until the owner is gone; a stop of the whole group must not end it before that."""
    gc.disable()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _keep_only(connection.fileno())
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    while True:
        data, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if not data:
            return 0
        with open(descriptors[0], "rb") as file:
            file.seek(0)
            family, chains, rules, known = marshal.load(file)
        try:
            problems = _fulfil(PROGRAMS[family], chains, rules, known)
        except (OSError, subprocess.SubprocessError) as error:
            problems = [f"{PROGRAMS[family]}: {error}"]
        connection.send(marshal.dumps(problems))


def _keep_only(fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, fd)
    os.closerange(fd + 1, max(fd + 1, os.sysconf("SC_OPEN_MAX")))


def _fulfil(
    program: str, chains: tuple[str, ...], rules: tuple[tuple[str, str, bool], ...], known: frozenset[str]
) -> list[str]:
    """Compare with what there is and change the difference in one transaction; returns what stands against it."""
    present, existing = read_table(_run([f"{program}-save", "-t", "filter"], ""))
    missing = [chain for chain in chains if chain not in existing and chain not in _BUILT_IN]
    if missing:
        return [f"{program} chain {chain} doesn't exist" for chain in missing]
    commands = difference(present, rules, known)
    if commands:
        _run([f"{program}-restore", "--wait", str(_LOCK_WAIT_S), "--noflush"], "\n".join(commands) + "\n")
    return []


def read_table(text: str) -> tuple[Counter[str], set[str]]:
    """The rules (as `CHAIN MATCHES`) and chains in the output of iptables-save, protocols by name."""
    rules: Counter[str] = Counter()
    chains: set[str] = set()
    for line in text.splitlines():
        if line.startswith(":"):
            chains.add(line[1:].split(" ", 1)[0])
        elif line.startswith("-A "):
            rule = line[3:].rstrip()
            for number, name in (("58", "ipv6-icmp"), ("icmpv6", "ipv6-icmp"), ("2", "igmp")):
                rule = rule.replace(f" -p {number} ", f" -p {name} ")
            rules[rule] += 1
    return rules, chains


def difference(present: Counter[str], rules: tuple[tuple[str, str, bool], ...], known: frozenset[str]) -> list[str]:
    """The lines for iptables-restore that lead from what is present to `rules`; of the rest only `known` rules go."""
    wanted = {f"{chain} {match}" for chain, match, _ in rules}
    lines = [f"-D {rule}" for rule in sorted(known - wanted) for _ in range(present[rule])]
    added = [rule for rule in rules if not present[f"{rule[0]} {rule[1]}"]]
    lines += [f"-I {chain} {match}" for chain, match, first in reversed(added) if first]
    lines += [f"-A {chain} {match}" for chain, match, first in added if not first]
    return ["*filter", *lines, "COMMIT"] if lines else []


def _run(command: list[str], text: str) -> str:
    """Raises OSError or SubprocessError."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_PROGRAM_TIMEOUT_S, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("#")]
        raise OSError(f"{command[0]}: {said[0] if said else done.returncode}")
    return done.stdout
