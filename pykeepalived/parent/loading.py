"""Reading the configuration on behalf of the parent: what config/load.py found, as log lines and a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pykeepalived.config.environment import gather
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.load import LoadOptions, LoadResult, load
from pykeepalived.config.memo import BlockMemo
from pykeepalived.config.messages import line
from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.parent.loaded import Loaded, Loader
from pykeepalived.parent.options import DEFAULT_CONFIG_FILE, Options
from pykeepalived.runtime.child_loop import EXIT_CONFIG

_MENDED_IN_THE_LOG = frozenset({"script-check", "script-disabled"})
"""Findings that a running daemon explains: the file is fine, the machine is not."""


def make_loader(options: Options) -> Loader:
    """A function that reads the file of these options afresh, each time it is called."""
    path = os.path.abspath(options.config_file or DEFAULT_CONFIG_FILE)
    memo = BlockMemo()

    def read() -> Loaded:
        result = load(
            path,
            gather(options.config_id),
            LoadOptions(
                all_config=options.include_check,
                log_detail=options.log_detail,
                net_namespace=options.namespace,
                memo=memo,
            ),
        )
        return judge(result, options.namespace)

    return read


def judge(result: LoadResult, namespace: str = "") -> Loaded:
    """The verdict of the parent: what cannot be started is refused, everything else is run with its errors told.

    `namespace` is that of -s.
    """
    config = result.config if result.usable else None
    refusal = EXIT_CONFIG if result.refused else result.exit_status
    texts = tuple(line(finding) for finding in result.findings)
    return Loaded(
        config=config,
        refusal=refusal,
        check_status=result.exit_status,
        lines=tuple(_lines(result, texts, namespace)),
        messages=texts,
        texts=result.texts,
    )


def _lines(result: LoadResult, texts: tuple[str, ...], namespace: str) -> Iterable[LogLine]:
    if result.files:
        yield LogLine(f"Configuration file {result.files[0]}")
    for file in result.files:
        yield LogLine(f"Opening file '{file}'.", detail=1)
    if namespace and result.net_namespace:
        yield LogLine(
            f"Overriding config net_namespace '{result.net_namespace}' with command line namespace '{namespace}'"
        )
    for finding, text in zip(result.findings, texts, strict=True):
        fields = {"CODE": finding.code}
        if finding.at is not None and finding.at.line:
            fields |= {"CONFIG_FILE": finding.at.file, "CONFIG_LINE": str(finding.at.line)}
        own_hint = finding.kind is FindingClass.NONE and finding.at is not None and not finding.upstream
        if finding.code == "namespace-unknown":
            name = text.rpartition(" ")[2]
            yield LogLine(f"Failed to open /run/netns/{name}", Priority.ERROR)
            yield LogLine(f"Unable to set network namespace {name} - exiting", Priority.ERROR)
        else:
            yield LogLine(text, Priority.INFO, int(own_hint), fields)
            if finding.suggestion and finding.code in _MENDED_IN_THE_LOG:
                yield LogLine(f"    {finding.suggestion}", Priority.INFO, 0, fields)
