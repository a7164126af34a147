"""From script words to scripts that may run: splitting, accounts, and the security check of each process."""

from __future__ import annotations

import dataclasses

from pykeepalived.config import values
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.model.values import Account, Fifo, Script
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.schema.script_words import FifoDraft, ScriptWords
from pykeepalived.config.scripts import Problem, ScriptPolicy, Verdict, default_account, split_command, split_line
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault


class Scripts:
    """Prepares the scripts of one process. `exists` and `insecure` collect what the security finding needs."""

    def __init__(self, reading: Reading) -> None:
        owner = reading.draft.globals
        environment = reading.environment
        self._reading = reading
        self._policy = ScriptPolicy(
            environment.files, environment.path, owner.enable_script_security, owner.use_symlink_paths
        )
        self._default: Account | Fault | None = None
        self._verdicts: dict[tuple[tuple[str, ...], Account], Verdict] = {}
        self.exists = False
        self.insecure = False

    def default_account(self, statement: Statement | None, what: str) -> Account | None:
        """The account of a script without a user of its own; None (reported) when there is none."""
        owner = self._reading.draft.globals
        if owner.script_user_failed:
            return None
        if self._default is None:
            environment = self._reading.environment
            own = Account(environment.uid, environment.gid)
            self._default = default_account(
                owner.script_user,
                environment.accounts,
                own,
                security=owner.enable_script_security,
                supplementary=owner.set_supplementary_groups,
            )
        if isinstance(self._default, Fault):
            text = f"{self._default.text}: {what} is dropped"
            self._reading.report(statement, self._default.code, text, word=0, upstream=self._default.text)
            return None
        return self._default

    def notify(self, words: ScriptWords | None, what: str, *, strict: bool = False) -> Script | None:
        """A notify, quorum or FIFO script: whatever is wrong with it is only logged, and it is dropped.

        `strict` (startup and shutdown script): an empty command or an unknown user is an error.
        """
        if words is None:
            return None
        parts = self.parts(words.statement, what, strict=strict)
        if parts is None:
            return None
        command, user, group = parts
        account = self._account(words.statement, user, group, what, strict=strict)
        return None if account is None else self.judge(command, account, words.statement, what)

    def parts(
        self, statement: Statement, what: str, *, strict: bool = False
    ) -> tuple[tuple[str, ...], str | None, str | None] | None:
        """Command words, user and group of a script line; None (reported) when its quotes or escapes are wrong.

        An empty command is an error only if `strict`.
        """
        line = split_line(statement.raw)
        command = line if isinstance(line, Fault) else split_command(line[1]) if len(line) > 1 else ()
        if isinstance(line, Fault) or isinstance(command, Fault) or not command:
            fault = line if isinstance(line, Fault) else command if isinstance(command, Fault) else None
            code = fault.code if fault is not None else "script-empty"
            empty = FindingClass.GENERAL if strict else FindingClass.NONE
            kind = fault.kind if fault is not None else empty
            reason = fault.text if fault is not None else "empty script"
            self._reading.report(statement, code, f"{what}: {reason} - script dropped", word=1, kind=kind)
            return None
        return command, line[2] if len(line) > 2 else None, line[3] if len(line) > 3 else None

    def _account(
        self, statement: Statement, user: str | None, group: str | None, what: str, *, strict: bool = False
    ) -> Account | None:
        if user is None:
            return self.default_account(statement, what)
        owner = self._reading.draft.globals
        found = values.account(
            user, group, self._reading.environment.accounts, supplementary=owner.set_supplementary_groups
        )
        if isinstance(found, Fault):
            kind = FindingClass.GENERAL if strict else FindingClass.NONE
            text = f"{found.text}: {what} is dropped"
            self._reading.report(statement, found.code, text, word=2, kind=kind, severity=Severity.WARNING)
            return None
        return found

    def _check(self, command: tuple[str, ...], account: Account, statement: Statement) -> Verdict:
        """The verdict on a command; files are looked at once, the place is the statement's own.

        set_supplementary_groups holds for the whole file, wherever the account was named.
        """
        if self._reading.draft.globals.set_supplementary_groups and not account.supplementary:
            account = dataclasses.replace(account, supplementary=True)
        key = (command, account)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._policy.check(command, account)
        self.exists |= verdict.exists
        self.insecure |= verdict.insecure
        if verdict.script is None:
            return verdict
        return dataclasses.replace(verdict, script=dataclasses.replace(verdict.script, at=statement.span(1)))

    def judge(self, command: tuple[str, ...], account: Account, statement: Statement, what: str) -> Script | None:
        """The script if it may run; problems are only logged."""
        verdict = self._check(command, account, statement)
        if verdict.text:
            self._log(statement, "script-check", f"{what}: {verdict.text}", verdict.text, verdict.mend)
        return verdict.script

    def _log(self, statement: Statement, code: str, text: str, upstream: str, mend: str = "") -> None:
        none, warning = FindingClass.NONE, Severity.WARNING
        self._reading.report(
            statement, code, text, word=1, kind=none, severity=warning, upstream=upstream, suggestion=mend
        )

    def misc(self, command: tuple[str, ...], account: Account, statement: Statement) -> Script | None:
        """The command of a MISC_CHECK: without it the checker is dropped, which keepalived logs."""
        verdict = self._check(command, account, statement)
        if verdict.text:
            self._log(statement, "script-check", f"misc_path: {verdict.text}", verdict.text, verdict.mend)
        if verdict.script is None and verdict.problem is not Problem.NOT_EXECUTABLE:
            words = " ".join(f"'{word}'" for word in command)
            found = verdict.problem is not Problem.NOT_FOUND
            text = f"Disabling misc script {words} {'due to insecure' if found else 'since not found/accessible'}"
            self._log(statement, "misc-disabled", text, text)
        return verdict.script

    def track(self, words: ScriptWords, account: Account | None, name: str) -> Script | None:
        """The command of a vrrp_script: a missing or insecure file is an error, what cannot run is only logged."""
        what = f"vrrp_script {name}"
        parts = self.parts(words.statement, what)
        if parts is None:
            return None
        own = account or self.default_account(words.statement, what)
        if own is None:
            text = f"Unable to set default user for vrrp script {name} - removing"
            self._reading.report(words.statement, "script-user-default", text, word=0)
            return None
        verdict = self._check(parts[0], own, words.statement)
        if verdict.script is None and verdict.problem is not Problem.NOT_EXECUTABLE:
            missing = verdict.problem is Problem.NOT_FOUND
            reason = "since not found/accessible" if missing else "due to insecure or unusable path"
            text = f"Disabling track script {name} {reason}"
            long = f"{text}: {verdict.text}"
            self._reading.report(
                words.statement, "script-disabled", long, word=1, upstream=text, suggestion=verdict.mend
            )
        elif verdict.text:
            self._log(words.statement, "script-check", f"{what}: {verdict.text}", verdict.text, verdict.mend)
        return verdict.script

    def fifo(self, draft: FifoDraft, what: str) -> Fifo | None:
        """A FIFO with its owner and its reader."""
        if draft.fifo is None:
            return None
        words = draft.fifo.words
        if len(words) > 2:
            account = self._account(draft.fifo, words[2], words[3] if len(words) > 3 else None, what)
            if account is None:
                return None
        else:
            account = self.default_account(draft.fifo, what)
        script = self.notify(draft.script, f"{what}_script")
        return Fifo(path=words[1], account=account, script=script, at=draft.fifo.span(1))

    def security(self, kind: str) -> None:
        """Without enable_script_security the execution of any script is a finding of its own class (status 6)."""
        owner = self._reading.draft.globals
        if owner.enable_script_security or not self.exists:
            return
        text = f"SECURITY VIOLATION - {kind} are being executed but script_security not enabled."
        if self.insecure:
            text += " There are insecure scripts."
        hint = "write enable_script_security into global_defs"
        self._reading.report(None, "script-security", text, kind=FindingClass.SECURITY, suggestion=hint)
