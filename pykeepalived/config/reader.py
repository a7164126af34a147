"""Walks statements with the keyword table: blocks, value blocks, skipped blocks, and every fault of structure.

Keywords are known only in their block, an unknown block is not skipped as a unit, braces are counted over the whole
input: what keepalived makes of a damaged file is what this makes of it. What the keywords mean belongs to schema/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pykeepalived.config.findings import FindingClass
from pykeepalived.config.schema.base import Block, Keyword, Reading, ValueBlock
from pykeepalived.config.statement import CLOSE, OPEN, Statement

Acts = Callable[[Keyword], bool]
_MOST_SUGGESTIONS = 50


_Level = tuple[Keyword, Block, Any]
"""A block being read: its keyword, the block, and its draft."""


class Reader:
    """Reads statements into drafts. `walk` may be called several times with different root keywords acted upon.

    `damaged` tells that braces did not match, stood among entries, or that a block was unknown.
    """

    def __init__(self, root: Mapping[str, Keyword], reading: Reading) -> None:
        self._root = root
        self._reading = reading
        self._suggested = 0
        self._suggestions: dict[tuple[int, str], str] = {}
        self.damaged = False

    def walk(self, statements: Sequence[Statement], acts: Acts) -> None:
        """Read all statements; root keywords for which `acts` is false are passed over, blocks and all."""
        reading = self._reading
        root_draft: Any = reading.draft
        stack: list[_Level] = []
        keywords: Mapping[str, Keyword] = self._root
        draft = root_draft
        index, count = 0, len(statements)
        while index < count:
            statement = statements[index]
            index += 1
            if statement.brace == CLOSE and stack:
                reading.last = statement
                keywords, draft = self._close(stack)
                continue
            keyword = keywords.get(statement.words[0])
            if keyword is None or statement.brace:
                self._odd(statement, keywords)
                continue
            if not stack and keyword.starts:
                reading.draft.started.add(keyword.starts)
            block = keyword.block
            if block is None:
                if stack or acts(keyword):
                    reading.last = statement
                    keyword.handler(draft, statement, reading)
                if statement.opens:
                    self._unexpected_open(statement)
                continue
            if not stack and not acts(keyword):
                index = self._skip(statements, index) if statement.opens else index
                continue
            if not stack and statement.opens and self._recalled(block, statements, index):
                index = self._skip(statements, index)
                continue
            reading.last = statement
            if isinstance(block, ValueBlock):
                index = self._value_block(block, draft, statements, index)
                continue
            inner = block.begin(draft, statement, reading)
            if inner is None:
                index = self._skip(statements, index) if statement.opens else index
                continue
            if not statement.opens:
                self._missing_open(statement)
            stack.append((keyword, block, inner))
            keywords, draft = block.keywords, inner
        self._finish(stack, statements)

    # --- ends -------------------------------------------------------------------------------------------------------

    def _close(self, stack: list[_Level]) -> tuple[Mapping[str, Keyword], Any]:
        _, block, draft = stack.pop()
        if stack:
            _, around, outer = stack[-1]
            keywords = around.keywords
        else:
            keywords, outer = self._root, self._reading.draft
        if block.end is not None:
            block.end(draft, outer, self._reading)
        return keywords, outer

    def _finish(self, stack: list[_Level], statements: Sequence[Statement]) -> None:
        """The end of the input ends all blocks; what was read so far exists."""
        if not stack and not self.damaged:
            return
        missing = sum(statement.opens or statement.brace == OPEN for statement in statements) - sum(
            statement.brace == CLOSE for statement in statements
        )
        if stack or missing > 0:
            number = max(missing, len(stack))
            at = statements[-1] if statements else None
            names = ", ".join(keyword.name for keyword, _, _ in stack)
            self._reading.report(
                at,
                "brace-missing-close",
                f"the input ends inside a block: {number} closing braces are missing"
                + (f" ({names})" if names else ""),
                kind=FindingClass.MISSING_CLOSE,
                upstream=f"There are {number} missing '}}'s or extra '{{'s",
            )
        while stack:
            self._close(stack)

    def _skip(self, statements: Sequence[Statement], index: int) -> int:
        """Index behind the closing brace of a block whose opening brace has been seen."""
        depth = 1
        count = len(statements)
        while index < count:
            statement = statements[index]
            index += 1
            if statement.opens or statement.brace == OPEN:
                depth += 1
            elif statement.brace:
                depth -= 1
                if not depth:
                    break
        else:
            self.damaged = True
        return index

    def _recalled(self, block: Block | ValueBlock, statements: Sequence[Statement], index: int) -> bool:
        """Whether the block whose opening brace has been seen is known from an earlier loading."""
        if self._reading.memo is None or not isinstance(block, Block) or block.recall is None:
            return False
        end = self._skip(statements, index)
        return block.recall(statements[index - 1 : end], self._reading)

    # --- value blocks -----------------------------------------------------------------------------------------------

    def _value_block(self, block: ValueBlock, outer: Any, statements: Sequence[Statement], index: int) -> int:
        header = statements[index - 1]
        reading = self._reading
        draft = block.begin(outer, header, reading)
        if draft is None:
            return self._skip(statements, index) if header.opens else index
        if len(header.words) > 1 + block.names:
            extra = header.words[1 + block.names]
            reading.report(
                header,
                "words-extra",
                f"words between {header.words[0]} and its opening brace",
                word=1 + block.names,
                upstream=f"Block {header.words[0]} has extra parameters {extra} ...",
            )
        if not header.opens:
            self._missing_open(header)
        entries, count = 0, len(statements)
        while index < count:
            statement = statements[index]
            index += 1
            reading.last = statement
            if statement.brace == CLOSE:
                break
            block.entry(draft, statement, reading)
            entries += 1
            if statement.opens or statement.brace:
                # Who passes over the block with its braces finds another end of it.
                self.damaged = True
            if statement.opens:
                brace = Statement(
                    (OPEN,), OPEN, statement.file, statement.line, statement.column, fixed=statement.fixed
                )
                block.entry(draft, brace, reading)
        else:
            reading.report(
                header,
                "brace-missing-close",
                f"the block {header.words[0]} is not closed",
                kind=FindingClass.MISSING_CLOSE,
                upstream="There are 1 missing '}'s or extra '{'s",
            )
        if not entries and block.empty_is_error:
            name = header.words[0]
            reading.report(header, "block-empty", f"empty {name} block", upstream=f"Warning - empty {name} block")
        if block.end is not None:
            block.end(draft, outer, reading)
        return index

    # --- faults -----------------------------------------------------------------------------------------------------

    def _odd(self, statement: Statement, keywords: Mapping[str, Keyword]) -> None:
        self.damaged = True
        if statement.brace == OPEN:
            self._unexpected_open(statement)
        elif statement.brace == CLOSE:
            self._reading.report(
                statement,
                "brace-extra-close",
                "a closing brace without an opening one",
                kind=FindingClass.UNEXPECTED_CLOSE,
                upstream="Extra '}' found",
            )
        else:
            self._unknown(statement, keywords)
            if statement.opens:
                self._unexpected_open(statement)

    def _unknown(self, statement: Statement, keywords: Mapping[str, Keyword]) -> None:
        word = statement.words[0]
        self._reading.report(
            statement,
            "keyword-unknown",
            f"unknown keyword {word!r}",
            word=0,
            kind=FindingClass.UNKNOWN_KEYWORD,
            suggestion=self._suggestion(word, keywords),
            upstream=f"Unknown keyword '{word}'",
        )

    def _suggestion(self, word: str, keywords: Mapping[str, Keyword]) -> str:
        key = (id(keywords), word)
        if key not in self._suggestions:
            self._suggested += 1
            if self._suggested > _MOST_SUGGESTIONS or len(word) > 60:
                return ""
            self._suggestions[key] = suggest_keyword(word, keywords, self._root)
        return self._suggestions[key]

    def _unexpected_open(self, statement: Statement) -> None:
        self.damaged = True
        self._reading.report(
            statement,
            "brace-unexpected-open",
            "an opening brace where a keyword is expected - ignored; its closing brace closes the enclosing block",
            kind=FindingClass.UNEXPECTED_OPEN,
            upstream="Unexpected '{' - ignoring",
        )

    def _missing_open(self, statement: Statement) -> None:
        self.damaged = True
        self._reading.report(
            statement,
            "brace-missing-open",
            f"{statement.words[0]} is a block: an opening brace must follow",
            word=len(statement.words),
            kind=FindingClass.MISSING_OPEN,
            upstream="Missing '{' at beginning of configuration block",
        )


_BYTE_ORDER_MARK = "\ufeff"


def suggest_keyword(word: str, keywords: Mapping[str, Keyword], root: Mapping[str, Keyword]) -> str:
    """The nearest keyword of this block, or the block in which the word would be known."""
    if word.startswith(_BYTE_ORDER_MARK):
        return "the file begins with a byte order mark, which makes the first word another one: save it without"
    # Found out only where something is wrong: the import takes longer than reading a small file.
    import difflib

    close = difflib.get_close_matches(word, keywords, 1, 0.75)
    if close:
        return f"did you mean {close[0]!r}?"
    homes = [path for path, keyword in walk_table(root) if keyword.name == word]
    if homes:
        where = homes[0].rpartition("/")[0]
        return f"it belongs into {where.replace('/', ' > ')}" if where else "it stands outside of all blocks"
    return ""


def walk_table(keywords: Mapping[str, Keyword], prefix: str = "") -> list[tuple[str, Keyword]]:
    """All keywords of a table with their paths, blocks opened."""
    found = []
    for name, keyword in keywords.items():
        path = f"{prefix}/{name}" if prefix else name
        found.append((path, keyword))
        if isinstance(keyword.block, Block):
            found += walk_table(keyword.block.keywords, path)
        elif isinstance(keyword.block, ValueBlock):
            found += [(f"{path}:{word.name}", word) for word in keyword.block.words]
    return found
