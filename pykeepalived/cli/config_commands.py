"""The operator's commands that need no daemon: check, fmt, schema, explain, completion."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykeepalived.parent.options import DEFAULT_CONFIG_FILE

if TYPE_CHECKING:
    from pykeepalived.config.findings import Finding
    from pykeepalived.config.load import LoadResult
    from pykeepalived.config.model import Config

EXIT_CHANGED = 1
EXIT_WARNINGS = 5


def _write(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


# --- check ------------------------------------------------------------------------------------------------------------


def check(argv: Sequence[str]) -> int:
    """`check [FILE...]`: every finding with its line; the status of keepalived's config test."""
    parser = argparse.ArgumentParser(prog="pykeepalived check", description="Check a configuration.")
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"default: {DEFAULT_CONFIG_FILE}")
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.add_argument("--strict", action="store_true", help="warnings fail the check too (status 5)")
    parser.add_argument("--cluster", action="store_true", help="compare the files as the nodes of one cluster")
    parser.add_argument(
        "-i",
        "--config-id",
        action="append",
        default=[],
        metavar="ID",
        help="config id for conditions; given several times, one for each file in their order",
    )
    options = parser.parse_args(list(argv))
    files = options.files or [DEFAULT_CONFIG_FILE]
    if len(options.config_id) > 1 and len(options.config_id) != len(files):
        parser.error(f"{len(options.config_id)} config ids for {len(files)} files")
    ids = options.config_id if len(options.config_id) > 1 else (options.config_id or [""]) * len(files)
    results = [_checked(file, name, elsewhere=options.cluster) for file, name in zip(files, ids, strict=True)]
    findings = [finding for result in results for finding in result.findings]
    status = max((result.exit_status for result in results), default=0)
    if options.cluster:
        names = [
            f"{file} (-i {name})" if name and files.count(file) > 1 else file
            for file, name in zip(files, ids, strict=True)
        ]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            parser.error(f"{twice} is named twice: every node has a file, or an id (-i), of its own")
        compared = _cluster(names, results)
        findings += compared
        if status == 0 and any(finding.severity == "error" for finding in compared):
            status = EXIT_WARNINGS
    if status == 0 and options.strict and findings:
        status = EXIT_WARNINGS
    texts = {name: text for result in results for name, text in result.texts.items()}
    _show(findings, texts, status, options.json)
    return status


def _checked(file: str, config_id: str, *, elsewhere: bool = False) -> LoadResult:
    """The file with lint findings. `elsewhere`: it may be another machine's, of which nothing else is known."""
    import dataclasses

    from pykeepalived.config.elsewhere import elsewhere as of_another_machine
    from pykeepalived.config.environment import gather
    from pykeepalived.config.load import LoadOptions, load
    from pykeepalived.config.rules.lint import lint

    environment = gather(config_id)
    if elsewhere:
        environment = of_another_machine(environment)
    result = load(file, environment, LoadOptions(config_test=True))
    if result.config is None or elsewhere:
        return result
    return dataclasses.replace(result, findings=(*result.findings, *lint(result.config, environment)))


def _cluster(names: Sequence[str], results: Sequence[LoadResult]) -> list[Finding]:
    from pykeepalived.config.rules.cluster import compare

    nodes: dict[str, Config] = {
        name: result.config for name, result in zip(names, results, strict=True) if result.config is not None
    }
    return list(compare(nodes))


def _show(findings: Sequence[Finding], texts: dict[str, str], status: int, as_json: bool) -> None:
    from pykeepalived.config.excerpt import as_data, report

    if as_json:
        data = {"exit_status": status, "findings": [as_data(finding) for finding in findings]}
        _write(json.dumps(data, indent=2, ensure_ascii=True) + "\n")
        return
    _write(report(findings, texts))


# --- fmt --------------------------------------------------------------------------------------------------------------


def fmt(argv: Sequence[str]) -> int:
    """`fmt [--check] [--write] FILE...`: the files in shape; includes are not followed."""
    from pykeepalived.config.fmt import format_text

    parser = argparse.ArgumentParser(prog="pykeepalived fmt", description="Format configuration files.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="- reads standard input")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="only tell which files would change (status 1)")
    group.add_argument("--write", action="store_true", help="change the files in place")
    options = parser.parse_args(list(argv))
    status = 0
    for file in options.files:
        try:
            text = _read(file)
        except OSError as error:
            sys.stderr.write(f"{file}: {error.strerror}\n")
            status = 2
            continue
        shaped = format_text(text)
        if options.check:
            if shaped != text:
                _write(f"{file}\n")
                status = status or EXIT_CHANGED
        elif options.write and file != "-":
            if shaped != text:
                _replace(file, shaped)
        else:
            _write(shaped)
    return status


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    with open(file, "rb") as stream:
        return stream.read().decode("utf-8", "surrogateescape")


def _replace(file: str, text: str) -> None:
    """Write a file anew so that there is always a whole one; mode and owner stay."""
    target = os.path.realpath(file)
    entry = os.stat(target)
    temporary = f"{target}.fmt.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
            os.fchown(stream.fileno(), entry.st_uid, entry.st_gid)
            os.fchmod(stream.fileno(), entry.st_mode & 0o7777)
        os.replace(temporary, target)
    except OSError:
        os.unlink(temporary)
        raise


# --- schema, explain, completion --------------------------------------------------------------------------------------


def schema(argv: Sequence[str]) -> int:
    """`schema [--text]`: the keyword table as a JSON schema, or as a list of paths with their arguments."""
    from pykeepalived.config.describe import json_schema, paths
    from pykeepalived.config.schema.root import ROOT

    parser = argparse.ArgumentParser(prog="pykeepalived schema", description="Print the keyword table.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="a JSON schema (the default)")
    group.add_argument("--text", action="store_true", help="one keyword a line: path, arguments, values, default")
    options = parser.parse_args(list(argv))
    if options.text:
        rows = [
            "\t".join((path, keyword.notation, keyword.limits, keyword.default))
            for path, keyword in paths(ROOT).items()
        ]
        _write("".join(f"{row}\n" for row in rows))
        return 0
    _write(json.dumps(json_schema(ROOT), indent=2) + "\n")
    return 0


def explain(argv: Sequence[str]) -> int:
    """`explain WORD...`: what a keyword, a path of keywords or the code of a finding means."""
    from pykeepalived.config.codes import codes
    from pykeepalived.config.describe import explain as explained
    from pykeepalived.config.describe import nearest
    from pykeepalived.config.schema.root import ROOT

    parser = argparse.ArgumentParser(prog="pykeepalived explain", description="Explain keywords and findings.")
    parser.add_argument("words", nargs="+", metavar="WORD", help="keyword, path (vrrp_instance/priority) or code")
    status = 0
    for word in parser.parse_args(list(argv)).words:
        text = explained(ROOT, word)
        if not text and "-" in word:
            text = "".join(f"{word}: {message}\n" for message in codes().get(word, ()))
        if not text:
            status = 1
            close = ", ".join(nearest(ROOT, word))
            hint = f"did you mean {close}?" if close else "`pykeepalived schema --text` lists all keywords"
            sys.stderr.write(f"{word!r} is no keyword, path or finding; {hint}\n")
        _write(text)
    return status


_BASH = """_pykeepalived() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=( $(compgen -W "{commands}" -- "$word") )
    elif [ "${{COMP_WORDS[1]}}" = explain ]; then
        COMPREPLY=( $(compgen -W "{keywords}" -- "$word") )
    elif [ "${{COMP_WORDS[1]}}" = completion ]; then
        COMPREPLY=( $(compgen -W "{shells}" -- "$word") )
    else
        COMPREPLY=( $(compgen -f -- "$word") )
    fi
}}
complete -o filenames -F _pykeepalived pykeepalived
"""

_FISH = """complete -c pykeepalived -f -n __fish_use_subcommand -a '{commands}'
complete -c pykeepalived -f -n '__fish_seen_subcommand_from explain' -a '{keywords}'
complete -c pykeepalived -f -n '__fish_seen_subcommand_from completion' -a '{shells}'
"""

_SHELLS = ("bash", "zsh", "fish")


def completion(argv: Sequence[str]) -> int:
    """`completion`: a completion script for bash, zsh (with bashcompinit) or fish."""
    from pykeepalived.cli.main import SUBCOMMANDS
    from pykeepalived.config.describe import paths
    from pykeepalived.config.schema.root import ROOT

    parser = argparse.ArgumentParser(prog="pykeepalived completion", description="Print a completion script.")
    parser.add_argument("shell", nargs="?", choices=_SHELLS, default="bash")
    options = parser.parse_args(list(argv))
    names = sorted({keyword.name for keyword in paths(ROOT).values()})
    form = _FISH if options.shell == "fish" else _BASH
    script = form.format(commands=" ".join(SUBCOMMANDS), keywords=" ".join(names), shells=" ".join(_SHELLS))
    _write(("autoload -U +X bashcompinit && bashcompinit\n" if options.shell == "zsh" else "") + script)
    return 0
