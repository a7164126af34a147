"""Loading a configuration: files to findings and a finished model. The one door to config/ for parent and tools.

Nothing here prints or exits. What the result means for a start, a reload or a config test is decided by the caller with
`exit_status` and `refused`.
"""

from __future__ import annotations

import dataclasses
import gc
from dataclasses import field
from typing import TYPE_CHECKING

from pykeepalived.config.environment import Environment
from pykeepalived.config.findings import (
    EXIT_OK,
    EXIT_STOPPED,
    Finding,
    FindingClass,
    Severity,
    exit_status,
)
from pykeepalived.config.includes import ALL_CHECKS, NO_CHECKS, ConfigFiles, DiskFiles, alternatives
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Span
from pykeepalived.config.source import Source, SourceOptions
from pykeepalived.light_dataclasses import dataclass

if TYPE_CHECKING:
    from pykeepalived.config.memo import BlockMemo

EXIT_NO_CONFIG = 6
"""Status of the daemon without a configuration file, and of anything that violated an include check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the command line says about loading: -t, -e (all include checks), the number of -D, -s.

    `findings_only`: the caller looks at findings and exit status, not at the model, which then lacks its largest parts.
    `memo` remembers blocks from one loading to the next; the file system may change in between, other options may not.
    """

    config_test: bool = False
    findings_only: bool = False
    all_config: bool = False
    log_detail: int = 0
    net_namespace: str = ""
    files: ConfigFiles = field(default_factory=DiskFiles)
    memo: BlockMemo | None = None


_USUAL = LoadOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """`config` None: a word was missing, an include check was violated, or there is no file.

    `refused`: the VRRP process would refuse this configuration (its part of `config` is empty). `files` are the files
    read, in order; `texts` their contents; `net_namespace` what they say, whatever -s says. `exit_status` is that
    of keepalived's config test, or 6 of a daemon that has nothing to read.
    """

    config: Config | None
    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    net_namespace: str = ""
    exit_status: int = EXIT_OK
    refused: bool = False

    @property
    def usable(self) -> bool:
        """A daemon can start with it."""
        return self.config is not None and not self.refused


def load(path: str, environment: Environment, options: LoadOptions = _USUAL) -> LoadResult:
    """Read, check and complete the configuration at `path` (a shell pattern). Never raises for what a file says."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return _load(path, environment, options)
    finally:
        if enabled:
            gc.enable()


def _load(path: str, environment: Environment, options: LoadOptions) -> LoadResult:
    source = Source(
        options.files,
        SourceOptions(
            config_id=environment.config_id,
            variables=environment.variables,
            include_checks=ALL_CHECKS if options.all_config else NO_CHECKS,
        ),
    )
    paths, findings = _main_files(path, options)
    if not paths:
        status = exit_status(findings) if options.config_test else EXIT_NO_CONFIG
        return LoadResult(config=None, findings=tuple(findings), exit_status=status)
    for name in paths:
        source.read_file(name)
    source.finish()
    findings += source.findings
    if source.include_violated:
        return LoadResult(
            config=None,
            findings=tuple(findings),
            files=tuple(source.texts),
            texts=source.texts,
            exit_status=EXIT_NO_CONFIG,
        )
    return _read(source, findings, environment, options)


def _main_files(pattern: str, options: LoadOptions) -> tuple[list[str], list[Finding]]:
    """The main files a pattern names; several are read, but that is an error. None counts as one with -e only."""
    files = options.files
    absent = FindingClass.FILE_NOT_FOUND if options.all_config else FindingClass.NONE
    findings: list[Finding] = []
    found: list[str] = []
    for name in alternatives(pattern):
        for path in files.find(name):
            objection = files.objection(path)
            if objection:
                findings.append(Finding("file-unusable", objection, None, Severity.ERROR, absent))
            else:
                found.append(path)
    if not found and not findings:
        text = f"Config files missing '{pattern}'."
        findings.append(Finding("file-missing", text, None, Severity.ERROR, absent))
    if len(found) > 1:
        text = f"WARNING, multiple configuration file matches of {pattern}, starting with {found[0]}"
        findings.append(Finding("files-several", text, None, Severity.ERROR, FindingClass.MULTIPLE_FILES))
    return found, findings


def _read(source: Source, findings: list[Finding], environment: Environment, options: LoadOptions) -> LoadResult:
    # The keyword table is made when the first file is read, not when the parent starts.
    from pykeepalived.config.build import build
    from pykeepalived.config.schema.base import Reading
    from pykeepalived.config.schema.draft import ConfigDraft
    from pykeepalived.config.schema.globals_draft import GlobalsDraft
    from pykeepalived.config.schema.root import PARENT_KEYWORDS, ROOT
    from pykeepalived.config.views import read_children, read_parent

    reading = Reading(ConfigDraft(globals=GlobalsDraft()), environment, lenient=not options.config_test)
    reading.source_directory = options.files.directory
    reading.findings += findings
    # keepalived's parent reads global_defs before the children read the rest, wherever it stands.
    read_parent(ROOT, PARENT_KEYWORDS, reading, source.statements)
    configured = reading.draft.globals.net_namespace or ""
    namespace = options.net_namespace or configured
    if namespace:
        interfaces = environment.namespace_interfaces(namespace)
        if interfaces is None:
            return _no_namespace(namespace, configured, reading.findings, source)
        reading.environment = dataclasses.replace(environment, interfaces=interfaces)
    if options.net_namespace:
        reading.draft.globals.net_namespace = options.net_namespace
    if options.memo is not None and not options.findings_only:
        options.memo.begin(reading)
        reading.memo = options.memo
    read_children(ROOT, PARENT_KEYWORDS, reading, source.statements)
    built = build(reading, detailed=options.log_detail > 0, findings_only=options.findings_only)
    status = exit_status(reading.findings)
    stopped = status == EXIT_STOPPED
    return LoadResult(
        config=None if stopped else built.config,
        findings=tuple(reading.findings),
        files=tuple(source.texts),
        texts=source.texts,
        net_namespace=configured,
        exit_status=status,
        refused=built.refused,
    )


def _no_namespace(name: str, configured: str, findings: list[Finding], source: Source) -> LoadResult:
    """A namespace that cannot be entered ends keepalived before the children read anything, with status 0."""
    text = f"Cannot enter network namespace {name}"
    findings.append(Finding("namespace-unknown", text, Span("", 0), Severity.ERROR, FindingClass.NONE))
    return LoadResult(
        config=None,
        findings=tuple(findings),
        files=tuple(source.texts),
        texts=source.texts,
        net_namespace=configured,
        exit_status=EXIT_OK,
    )
