"""The machinery of the one keyword table: keywords, blocks, value blocks, and what a handler may use while it reads.

Every keyword of the language is one `Keyword` record; a section file lists its records in a tuple and root.py joins
them. The records carry what people and programs want to know (type, limits, default, heirs, process, since, note), so
the JSON schema, `explain`, completion and the coverage report come from the same table as the parser. Argument types
live in types.py, the sections in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pykeepalived.config.findings import Finding, FindingClass, Severity
from pykeepalived.config.model.values import Span
from pykeepalived.config.statement import Statement
from pykeepalived.light_dataclasses import dataclass

if TYPE_CHECKING:
    from pykeepalived.config.environment import Environment
    from pykeepalived.config.iproute_names import IprouteNames
    from pykeepalived.config.memo import BlockMemo
    from pykeepalived.config.schema.draft import ConfigDraft
    from pykeepalived.config.values import Fault


OURS: Final = "pykeepalived"
"""`since` of the keywords that keepalived does not have."""


class Rejected:
    """The type of REJECTED: the words gave no value, the keyword is ignored and the old value stays."""

    __slots__ = ()


REJECTED: Final = Rejected()

Take = Callable[[Any, Statement, "Reading"], None]
"""Handler of a keyword: (draft of the enclosing block, statement, reading)."""

Begin = Callable[[Any, Statement, "Reading"], Any]
"""Opens a block: (draft of the enclosing block, header, reading) -> draft of the block, or None to skip the block."""

End = Callable[[Any, Any, "Reading"], None]
"""Closes a block: (draft of the block, draft of the enclosing block, reading). Also run at the end of the input."""

Recall = Callable[[Sequence[Statement], "Reading"], bool]
"""Puts in place what an earlier loading made of the same block; False when it has to be read."""

Entry = Callable[[Any, Statement, "Reading"], None]
"""Reads one line of a value block: (what `begin` returned, entry line, reading)."""


def _directory_of(file: str) -> str:
    return file.rpartition("/")[0] or "/"


class Reading:
    """What is known while one configuration is read, and the place where findings are collected.

    `draft` is the root draft, `environment` the machine. `lenient`: numbers with trailing garbage are used with a
    warning (not in a config test). `memo` knows blocks of an earlier loading. `last` is the statement being read:
    block ends report there.
    """

    __slots__ = ("_iproute", "_seen", "draft", "environment", "findings", "last", "lenient", "memo", "source_directory")

    def __init__(self, draft: ConfigDraft, environment: Environment, *, lenient: bool = False) -> None:
        self.draft = draft
        self.environment = environment
        self.lenient = lenient
        self.memo: BlockMemo | None = None
        self.findings: list[Finding] = []
        self.last: Statement | None = None
        self.source_directory: Callable[[str], str] = _directory_of
        self._seen: set[tuple[object, ...]] = set()
        self._iproute: IprouteNames | None = None

    @property
    def iproute(self) -> IprouteNames:
        """Names of the iproute2 files, read when the first one is wanted (all of global_defs is known then)."""
        if self._iproute is None:
            owner = self.draft.globals
            self._iproute = self.environment.iproute(owner.iproute_usr_dir, owner.iproute_etc_dir)
        return self._iproute

    def directory(self, file: str) -> str:
        """Absolute directory of a configuration file: relative paths in it start there if its name has a `/`."""
        return self.source_directory(file)

    def report(
        self,
        at: Statement | Span | None,
        code: str,
        message: str,
        *,
        word: int | None = None,
        kind: FindingClass = FindingClass.GENERAL,
        severity: Severity = Severity.ERROR,
        suggestion: str = "",
        upstream: str = "",
        stop: bool = False,
    ) -> None:
        """Record a finding. `word` marks one word of the statement; the same finding at the same place counts once.

        Secrets must not be part of `message`, `suggestion` or `upstream`.
        """
        span = at.span(word) if isinstance(at, Statement) else at
        key = (code, span, message)
        if key in self._seen:
            return
        self._seen.add(key)
        self.findings.append(Finding(code, message, span, severity, kind, suggestion, upstream, stop))

    def forget(self, known: int) -> None:
        """Drop all findings after the first `known`: what they are about is read again."""
        for finding in self.findings[known:]:
            self._seen.discard((finding.code, finding.at, finding.message))
        del self.findings[known:]

    def note(self, at: Statement | Span | None, code: str, message: str, *, word: int | None = None) -> None:
        """Record what keepalived only writes to its log: a warning that leaves the exit status alone."""
        self.report(at, code, message, word=word, kind=FindingClass.NONE, severity=Severity.WARNING)

    def ours(self, statement: Statement, word: int = 0) -> None:
        """Record, once, that keepalived does not know this word: a hint for files that are to serve both."""
        text = f"keepalived does not know {' '.join(statement.words[: word + 1])}"
        if self.memo is not None:
            self.memo.doubt(statement)
        if not any(finding.message == text for finding in self.findings):
            self.report(statement, "keyword-ours", text, word=word, kind=FindingClass.NONE, severity=Severity.HINT)

    def missing(self, statement: Statement, what: str = "", *, after: str = "") -> None:
        """Record a missing word that makes keepalived end at once with status 2; `after` is the word it belongs to."""
        name = statement.words[0]
        self.report(
            statement,
            "word-missing",
            f"{after or name} needs {what or 'a value'}",
            word=len(statement.words),
            kind=FindingClass.MISSING_PARAMETER,
            upstream=f"*** Configuration line starting `{name}` is missing a parameter"
            f" after keyword `{after or name}` at word position {len(statement.words) + 1}",
            stop=True,
        )

    def fault(
        self, statement: Statement, index: int, fault: Fault, effect: str = "ignored", *, secret: bool = False
    ) -> None:
        """Record what a word parser of config/values.py found. `effect` says what becomes of the keyword."""
        name = statement.words[0]
        shown = "" if secret else f" {statement.words[index]!r}"
        detail = f": {fault.text}" if fault.text and not secret else ""
        self.report(
            statement,
            fault.code,
            f"{name}: invalid value{shown}{detail} - {effect}",
            word=index,
            kind=fault.kind,
            severity=fault.severity,
        )


class ArgumentType:
    """The type of a keyword's arguments: reads them from the statement, reports, returns the value or REJECTED.

    `notation` and `limits` describe the type in the words of the keyword reference (U8, TIMER, BOOL?, "1..255").
    """

    __slots__ = ("limits", "notation", "unit")

    def __init__(self, notation: str, limits: str = "", unit: str = "") -> None:
        self.notation = notation
        self.limits = limits
        self.unit = unit

    def read(self, statement: Statement, reading: Reading) -> Any:
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of keywords. `begin` returns the draft the keywords work on; None skips the block, braces balanced.

    `recall` gets all statements of a root block before it is read and tells whether that can be spared.
    """

    keywords: Mapping[str, Keyword]
    begin: Begin
    end: End | None = None
    recall: Recall | None = None


@dataclass(frozen=True, slots=True)
class ValueBlock:
    """A block of entry lines. `entry` gets each logical line up to the closing brace; `words` are its inner words.

    `names` is the number of words the header takes before its brace (1 for a block with a name).
    """

    entry: Entry
    begin: Begin = lambda parent, statement, reading: parent
    end: End | None = None
    names: int = 0
    words: tuple[Keyword, ...] = ()
    notation: str = ""
    empty_is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """One keyword. Give `type` and `target` (the attribute of the draft that takes the value), or a `take` of its own.

    `once`: a second use is ignored with an error (the attribute must start as None). `process` is who acts on it.
    `since` is the first release that has it (OURS: keepalived has not), `deprecated` what to write instead,
    `deprecated_status` the class a use of it counts as (NONE for a log line only). `secret`: the words are never shown.
    `starts` (root keywords): the process that runs because of this keyword (vrrp, checker, bfd).
    """

    name: str
    process: str = ""
    type: ArgumentType | None = None
    target: str = ""
    take: Take | None = None
    block: Block | ValueBlock | None = None
    default: str = ""
    values: str = ""
    inherits: str = ""
    since: str = ""
    deprecated: str = ""
    deprecated_status: FindingClass = FindingClass.NONE
    once: bool = False
    secret: bool = False
    starts: str = ""
    note: str = ""
    handler: Take = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "handler", self.take or _generic(self))

    @property
    def notation(self) -> str:
        if self.type is not None:
            return self.type.notation
        return "BLOCK" if self.block is not None else ""

    @property
    def limits(self) -> str:
        return self.values or (self.type.limits if self.type is not None else "")


def _generic(keyword: Keyword) -> Take:
    """The handler of a keyword without one of its own: read the type, store the value."""
    argument, name = keyword.type, keyword.target
    if argument is None:
        return lambda draft, statement, reading: None
    read = argument.read

    def store(draft: Any, statement: Statement, reading: Reading) -> None:
        value = read(statement, reading)
        if value is not REJECTED:
            setattr(draft, name, value)

    if not keyword.once and not keyword.deprecated:
        return store

    def guarded(draft: Any, statement: Statement, reading: Reading) -> None:
        if keyword.deprecated:
            deprecated(keyword, statement, reading)
        if keyword.once and getattr(draft, name) is not None:
            duplicate(statement, reading)
            return
        store(draft, statement, reading)

    return guarded


def deprecated(keyword: Keyword, statement: Statement, reading: Reading) -> None:
    """Report the use of an old name or of a keyword that should not be used any more."""
    reading.report(
        statement,
        "keyword-deprecated",
        f"{keyword.name} is deprecated",
        word=0,
        kind=keyword.deprecated_status,
        severity=Severity.WARNING,
        suggestion=keyword.deprecated,
    )


def duplicate(statement: Statement, reading: Reading) -> None:
    """Report a second use of a keyword that may be given once; the first one stays."""
    name = statement.words[0]
    reading.report(statement, "keyword-repeated", f"{name} was already given - ignored", word=0)


def table(keywords: Iterable[Keyword]) -> dict[str, Keyword]:
    """Index keywords by name; two records of one name are a defect of the table."""
    index: dict[str, Keyword] = {}
    for keyword in keywords:
        if keyword.name in index:
            raise ValueError(f"keyword {keyword.name} is in the table twice")
        index[keyword.name] = keyword
    return index
