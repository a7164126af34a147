"""The program: decides between the daemon, keepalived's other personalities and our own subcommands.

Everything is imported where it is needed, so that -v and a config test do not pay for the daemon. Signals that come
meanwhile wait until there is a daemon that can stop in order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from pykeepalived.runtime import early_signals, standard_files

Command = Callable[[Sequence[str]], int]


def _config_command(name: str) -> Command:
    def run(argv: Sequence[str]) -> int:
        from pykeepalived.cli import config_commands

        command: Command = getattr(config_commands, name)
        return command(argv)

    return run


def _control_command(name: str) -> Command:
    def run(argv: Sequence[str]) -> int:
        from pykeepalived.cli import control_commands

        return control_commands.run(name, argv)

    return run


def _scan(argv: Sequence[str]) -> int:
    from pykeepalived.cli.scan import main as scan

    return scan(argv)


def _lab(argv: Sequence[str]) -> int:
    from pykeepalived.lab.command import main as lab

    return lab(list(argv))


def _simulate(argv: Sequence[str]) -> int:
    from pykeepalived.cli.simulate import main as simulate

    return simulate(argv)


def _replay(argv: Sequence[str]) -> int:
    from pykeepalived.cli.replay import main as replay

    return replay(argv)


SUBCOMMANDS: dict[str, tuple[Command, str]] = {
    "check": (_config_command("check"), "findings in a configuration, each with its place and a suggestion"),
    "fmt": (_config_command("fmt"), "a configuration in canonical layout"),
    "schema": (_config_command("schema"), "the configuration language as data"),
    "explain": (_config_command("explain"), "what a keyword or a finding means"),
    "completion": (_config_command("completion"), "completion for bash, zsh or fish"),
    "status": (_control_command("status"), "what the running daemon does"),
    "why": (_control_command("why"), "why an object is in its state"),
    "plan": (_control_command("plan"), "what a reload with a file would change"),
    "reload": (_control_command("reload"), "reload and wait for the outcome"),
    "record": (_control_command("record"), "write down the last inputs of the running daemon"),
    "metrics": (_control_command("metrics"), "counters and states for Prometheus"),
    "replay": (_replay, "run a record again"),
    "scan": (_scan, "who speaks VRRP on a link or in a capture file"),
    "lab": (_lab, "configurations as real daemons in network namespaces"),
    "simulate": (_simulate, "configurations in virtual time"),
}
"""Name -> what runs it, what it is for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with a whole command line (argv[0] is its name); return the exit status."""
    own_process = argv is None
    if own_process:
        standard_files.open_closed()
    argv = list(sys.argv if argv is None else argv)
    program = os.path.basename(argv[0]) if argv else "keepalived"
    if program == "genhash":
        return _genhash(argv[1:])
    if program != "keepalived" and len(argv) > 1 and argv[1] in SUBCOMMANDS:
        try:
            return SUBCOMMANDS[argv[1]][0](argv[2:])
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 1
        except KeyboardInterrupt:
            return 130
    if program != "keepalived" and len(argv) > 1 and argv[1][:1] not in ("", "-"):
        # keepalived would start, and a mistyped command is no wish for another daemon
        sys.stderr.write(f"{program}: no command {argv[1]!r}; there are\n{_commands()}")
        return 1
    return _keepalived(argv, program, own_process)


def _commands() -> str:
    """The subcommands, a line each."""
    return "".join(f"  {name:<12}{what}\n" for name, (_, what) in SUBCOMMANDS.items())


def _keepalived(argv: list[str], program: str, own_process: bool) -> int:
    before = early_signals.hold() if own_process else None
    from pykeepalived.cli.options import Action, parse, usage

    parsed = parse(argv)
    for stream, text in parsed.messages:
        (sys.stdout if stream == 1 else sys.stderr).write(text)
    sys.stdout.flush()
    runs = parsed.action is Action.RUN and not parsed.options.config_test
    if before is not None and not runs:
        early_signals.let_go(before)
    if parsed.action is Action.EXIT:
        return parsed.exit_status
    if parsed.action is Action.VERSION:
        from pykeepalived.cli.version import version_text

        sys.stderr.write(version_text())
        return 0
    if parsed.action is Action.HELP:
        sys.stderr.write(usage(program))
        if program != "keepalived":
            sys.stderr.write(f"\nUsage: {program} COMMAND ...\n{_commands()}")
        return 0
    if parsed.action is Action.GENHASH:
        return _genhash(list(parsed.rest))
    if parsed.options.config_test:
        from pykeepalived.cli.config_test import config_test

        status = config_test(parsed.options)
        if own_process:
            # Taking everything apart object by object takes longer than reading a large file does.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        return status
    from pykeepalived.cli.daemon import run_daemon

    return run_daemon(parsed.options)


def _genhash(arguments: list[str]) -> int:
    from pykeepalived.cli.genhash import genhash

    return genhash(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
