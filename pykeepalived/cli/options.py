"""The daemon's command line as keepalived(8) has it: getopt_long(3) rules, upstream's messages and exit statuses.

Pure: words in, options and texts out. Nothing here prints, exits or looks at the machine.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import field
from enum import Enum

from pykeepalived.light_dataclasses import dataclass
from pykeepalived.parent.options import Options

_FACILITIES = {"user": 1, "daemon": 3, **{f"local{n}": 16 + n for n in range(8)}, **{str(n): 16 + n for n in range(8)}}

_SIGNALS = {
    "STOP": signal.SIGTERM,
    "RELOAD": signal.SIGHUP,
    "DATA": signal.SIGUSR1,
    "STATS": signal.SIGUSR2,
    "STATS_CLEAR": signal.SIGRTMAX - 1,
    "JSON": signal.SIGRTMIN + 2,
}


class Action(Enum):
    """What the command line asks for; only RUN leads to a daemon (or a config test)."""

    RUN = "run"
    EXIT = "exit"
    VERSION = "version"
    HELP = "help"
    GENHASH = "genhash"


@dataclass(slots=True)
class Parsed:
    """The outcome. `messages` are (stream, text) in order, stream 1 = stdout, 2 = stderr, line ends included."""

    options: Options
    action: Action = Action.RUN
    exit_status: int = 0
    messages: list[tuple[int, str]] = field(default_factory=list)
    rest: tuple[str, ...] = ()

    def error(self, text: str) -> None:
        self.messages.append((2, text))


class _Argument(Enum):
    NONE = 0
    REQUIRED = 1
    OPTIONAL = 2


Handler = Callable[[Parsed, str | None], None]


@dataclass(frozen=True, slots=True)
class _Option:
    long: str
    short: str
    argument: _Argument
    handler: Handler
    help: str = ""
    value: str = ""


def parse(argv: Sequence[str]) -> Parsed:
    """Parse a whole command line; argv[0] is the program's name.

    Errors do not end the parsing; they end in exit status 1. `-v`, `-h`, `--signum` and `-T` end it where they stand.
    """
    parsed = Parsed(Options(command_line=tuple(argv)))
    stray: list[str] = []
    failed = False
    words = list(argv[1:])
    position = 0
    while position < len(words) and parsed.action is Action.RUN:
        word = words[position]
        position += 1
        if word == "--":
            stray += words[position:]
            break
        if word.startswith("--"):
            position, good = _long(parsed, word, words, position)
        elif word.startswith("-") and len(word) > 1:
            position, good = _cluster(parsed, word, words, position)
        else:
            stray.append(word)
            continue
        failed |= not good
    if parsed.action is not Action.RUN:
        return parsed
    if stray:
        parsed.messages.append((1, f"Unexpected argument(s): {' '.join(stray)} \n"))
    if failed:
        parsed.action, parsed.exit_status = Action.EXIT, 1
    return parsed


def _long(parsed: Parsed, word: str, words: list[str], position: int) -> tuple[int, bool]:
    name, equals, value = word[2:].partition("=")
    option = _find_long(name)
    if option is None or (equals and option.argument is _Argument.NONE):
        parsed.error(f"Unknown option {word}\n")
        return position, False
    argument: str | None = value if equals else None
    if option.argument is _Argument.REQUIRED:
        if argument is None and position < len(words):
            argument = words[position]
            position += 1
        if not argument:
            parsed.error(f"Missing parameter for option --{option.long}\n")
            return position, False
    _perform(parsed, option, argument, words[position:])
    return position, True


def _find_long(name: str) -> _Option | None:
    exact = _BY_LONG.get(name)
    if exact is not None:
        return exact
    candidates = [option for option in OPTIONS if option.long.startswith(name)] if name else []
    return candidates[0] if len(candidates) == 1 else None


def _cluster(parsed: Parsed, word: str, words: list[str], position: int) -> tuple[int, bool]:
    good = True
    place = 1
    while place < len(word) and parsed.action is Action.RUN:
        letter = word[place]
        place += 1
        option = _BY_SHORT.get(letter)
        if option is None:
            parsed.error(f"Unknown option -{letter}\n")
            good = False
            continue
        argument: str | None = None
        if option.argument is not _Argument.NONE:
            argument, place = word[place:] or None, len(word)
            if argument is None and option.argument is _Argument.REQUIRED:
                if position >= len(words):
                    parsed.error(f"Missing parameter for option -{letter}\n")
                    return position, False
                argument = words[position]
                position += 1
        _perform(parsed, option, argument, words[position:])
    return position, good


def _perform(parsed: Parsed, option: _Option, argument: str | None, following: list[str]) -> None:
    option.handler(parsed, argument)
    if parsed.action is Action.GENHASH:
        parsed.rest = tuple(following)


def read_number(text: str) -> int:
    """A non-negative integer in C notation (022 octal, 0x12, 18); raises ValueError."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", text):
        return int(text, 16)
    if re.fullmatch(r"0[0-7]*", text):
        return int(text, 8)
    if re.fullmatch(r"[1-9][0-9]*", text):
        return int(text)
    raise ValueError(text)


def _flag(name: str) -> Handler:
    def handler(parsed: Parsed, _argument: str | None) -> None:
        setattr(parsed.options, name, True)

    return handler


def _text(name: str) -> Handler:
    def handler(parsed: Parsed, argument: str | None) -> None:
        setattr(parsed.options, name, argument or "")

    return handler


def _without(name: str) -> Handler:
    def handler(parsed: Parsed, _argument: str | None) -> None:
        setattr(parsed.options, name, False)

    return handler


def _all(parsed: Parsed, _argument: str | None) -> None:
    options = parsed.options
    options.run_all = options.run_vrrp = options.run_checker = options.run_bfd = True


def _detail(parsed: Parsed, _argument: str | None) -> None:
    parsed.options.log_detail += 1


def _facility(parsed: Parsed, argument: str | None) -> None:
    facility = _FACILITIES.get(argument or "")
    if facility is None:
        parsed.error(f"Invalid log facility '{argument}'\n")
    else:
        parsed.options.log_facility = facility


def _umask(parsed: Parsed, argument: str | None) -> None:
    try:
        mask = read_number(argument or "")
        if mask > 0o777:
            raise ValueError(argument)
    except ValueError:
        parsed.error(f"Invalid --umask option {argument}\n")
    else:
        parsed.options.umask = mask


def _core_pattern(parsed: Parsed, argument: str | None) -> None:
    parsed.options.core_dump = True
    parsed.options.core_dump_pattern = argument or "core"


def _snmp_socket(parsed: Parsed, argument: str | None) -> None:
    parsed.options.snmp_agent_socket = argument or ""


def _config_test(parsed: Parsed, argument: str | None) -> None:
    options = parsed.options
    options.config_test = options.dont_respawn = options.dont_fork = options.no_syslog = True
    if argument:
        options.config_test_file = argument


def _config_fd(parsed: Parsed, argument: str | None) -> None:
    try:
        parsed.options.config_fd = read_number(argument or "")
    except ValueError:
        parsed.error(f"Invalid --config-fd option {argument}\n")


def _signum(parsed: Parsed, argument: str | None) -> None:
    number = _SIGNALS.get(argument or "")
    parsed.action = Action.EXIT
    if number is None:
        parsed.error(f"Unknown sigfunc {argument}\n")
        parsed.exit_status = 1
    else:
        parsed.messages.append((1, f"{int(number)}\n"))


def _genhash(parsed: Parsed, _argument: str | None) -> None:
    if len(parsed.options.command_line) > 1 and parsed.options.command_line[1] not in ("-T", "--genhash"):
        parsed.error("Warning -- `-T` not used as first option, previous options ignored\n")
    parsed.action = Action.GENHASH


def _ending(action: Action) -> Handler:
    def handler(parsed: Parsed, _argument: str | None) -> None:
        parsed.action = action

    return handler


_NONE, _REQUIRED, _OPTIONAL = _Argument.NONE, _Argument.REQUIRED, _Argument.OPTIONAL

OPTIONS: tuple[_Option, ...] = (
    _Option("use-file", "f", _REQUIRED, _text("config_file"), "Configuration file to use, may be a pattern", "FILE"),
    _Option("vrrp", "P", _NONE, _without("run_checker"), "Do not run the health checkers"),
    _Option("check", "C", _NONE, _without("run_vrrp"), "Do not run VRRP"),
    _Option("no_bfd", "B", _NONE, _without("run_bfd"), "Do not run BFD"),
    _Option("all", "", _NONE, _all, "Run all child processes, configured or not"),
    _Option("log-console", "l", _NONE, _flag("log_console"), "Also log to the console (with -n)"),
    _Option("log-detail", "D", _NONE, _detail, "Log in more detail, twice for still more"),
    _Option("log-facility", "S", _REQUIRED, _facility, "syslog facility: 0-7, local0-local7, user, daemon", "FAC"),
    _Option("log-file", "g", _OPTIONAL, _text("log_file"), "Also log to a file", "FILE"),
    _Option("flush-log-file", "", _NONE, _flag("flush_log_file"), "Flush the log file after each line"),
    _Option("no-syslog", "G", _NONE, _flag("no_syslog"), "Do not log to syslog or the journal"),
    _Option("all-config", "e", _NONE, _flag("include_check"), "A missing included file is an error"),
    _Option("umask", "u", _REQUIRED, _umask, "umask for created files", "MASK"),
    _Option("release-vips", "X", _NONE, _flag("release_vips"), "Remove VIPs when leaving MASTER on a signal"),
    _Option("dont-release-vrrp", "V", _NONE, _flag("dont_release_vrrp"), "Keep VIPs and routes at stop"),
    _Option("dont-release-ipvs", "I", _NONE, _flag("dont_release_ipvs"), "Keep the IPVS table at stop"),
    _Option("dont-respawn", "R", _NONE, _flag("dont_respawn"), "End when a child process dies"),
    _Option("dont-fork", "n", _NONE, _flag("dont_fork"), "Stay in the foreground"),
    _Option("dump-conf", "d", _NONE, _flag("dump_conf"), "Log the configuration at start"),
    _Option("pid", "p", _REQUIRED, _text("pid_file"), "pid file of the parent", "FILE"),
    _Option("vrrp_pid", "r", _REQUIRED, _text("vrrp_pid_file"), "pid file of the VRRP child", "FILE"),
    _Option("checkers_pid", "c", _REQUIRED, _text("checkers_pid_file"), "pid file of the checker child", "FILE"),
    _Option("bfd_pid", "b", _REQUIRED, _text("bfd_pid_file"), "pid file of the BFD child", "FILE"),
    _Option("genhash", "T", _NONE, _genhash, "Be genhash; has to be the first option"),
    _Option("address-monitoring", "a", _NONE, _flag("address_monitoring"), "Log changes of addresses"),
    _Option("snmp", "x", _NONE, _flag("snmp"), "Serve SNMP"),
    _Option("snmp-agent-socket", "A", _REQUIRED, _snmp_socket, "AgentX socket", "SOCKET"),
    _Option("core-dump", "m", _NONE, _flag("core_dump"), "Allow core dumps"),
    _Option("core-dump-pattern", "M", _OPTIONAL, _core_pattern, "Also set the core dump pattern", "PATTERN"),
    _Option("namespace", "s", _REQUIRED, _text("namespace"), "Run in a network namespace", "NAME"),
    _Option("config-id", "i", _REQUIRED, _text("config_id"), "Select the @ID lines of the configuration", "ID"),
    _Option("signum", "", _REQUIRED, _signum, f"Print the number of a signal: {', '.join(_SIGNALS)}", "FUNC"),
    _Option("config-test", "t", _OPTIONAL, _config_test, "Check the configuration, messages to stderr or FILE", "FILE"),
    _Option("config-fd", "", _REQUIRED, _config_fd, "", "N"),
    _Option("ignore-sigint", "", _NONE, _flag("ignore_sigint"), "Do not stop on SIGINT"),
    _Option("version", "v", _NONE, _ending(Action.VERSION), "Show the version"),
    _Option("help", "h", _NONE, _ending(Action.HELP), "Show this help"),
)
_BY_LONG = {option.long: option for option in OPTIONS}
_BY_SHORT = {option.short: option for option in OPTIONS if option.short}


def usage(program: str) -> str:
    """The text of -h."""
    lines = [f"Usage: {program} [OPTION...]"]
    for option in OPTIONS:
        if not option.help:
            continue
        value = f"={option.value}" if option.value else ""
        if option.argument is _OPTIONAL:
            value = f"[{value}]"
        left = f"  {f'-{option.short},' if option.short else '   '} --{option.long}{value}"
        lines.append(f"{left:<36}{option.help}")
    return "\n".join(lines) + "\n"
