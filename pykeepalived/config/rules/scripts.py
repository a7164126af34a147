"""Scripts after reading: their words, the account they run as, and whether they may run (keepalived(8), scripts).

One resolver serves one process (parent, vrrp, checker); what the check itself looks at is in config/scripts.py.
"""

from __future__ import annotations

from pykeepalived.config import scripts
from pykeepalived.config.findings import FindingClass, Severity
from pykeepalived.config.model.values import Account, Script
from pykeepalived.config.schema.base import Reading
from pykeepalived.config.scripts import Problem, ScriptPolicy, Verdict
from pykeepalived.config.statement import Statement
from pykeepalived.config.values import Fault, account


class ScriptResolver:
    """Resolves the scripts of one process and remembers what the security report needs."""

    def __init__(self, reading: Reading) -> None:
        settings, environment = reading.draft.globals, reading.environment
        self._reading = reading
        self._policy = ScriptPolicy(
            environment.files,
            environment.path,
            security=settings.enable_script_security,
            symlink_paths=settings.use_symlink_paths,
        )
        self._default: Account | Fault | None = None
        self._verdicts: dict[tuple[str, Account], Verdict | Fault] = {}
        self.exists = False
        """Some script's file exists, so that scripts are executed."""
        self.insecure = False

    def resolve(
        self,
        statement: Statement,
        *,
        strict: bool = False,
        own_account: Account | None = None,
        account_words: bool = True,
        user_failed: bool = False,
    ) -> Script | None:
        """The script of a statement `KEYWORD COMMAND [USER [GROUP]]`, None when it is dropped.

        `strict` (vrrp_script) makes a missing or insecure script an error; it is a log line otherwise. `account_words`:
        user and group may follow the command. `own_account` comes from a keyword of its own; `user_failed` tells that
        such a keyword was wrong, which drops the script.
        """
        line = scripts.split_line(statement.raw)
        if isinstance(line, Fault):
            self._fault(statement, line)
            return None
        if len(line) < 2:
            return None
        user = own_account
        if account_words and len(line) > 2:
            user = self._named_account(statement, line[2], line[3] if len(line) > 3 else None)
            if user is None:
                return None
        elif user is None:
            user = None if user_failed else self._default_account(statement)
            if user is None:
                return None
        verdict = self._check(line[1], user)
        if isinstance(verdict, Fault):
            self._fault(statement, verdict)
            return None
        self._report(statement, verdict, strict)
        self.exists = self.exists or verdict.exists
        self.insecure = self.insecure or verdict.insecure
        script = verdict.script
        if script is None:
            return None
        return Script(
            script.words, script.account, script.path, script.shell, script.insecure, script.file_test, statement.span()
        )

    def finish(self, what: str = "scripts") -> None:
        """Report scripts that run although enable_script_security is off. `what` is the wording of the process."""
        settings = self._reading.draft.globals
        if not self.exists or settings.enable_script_security:
            return
        text = f"SECURITY VIOLATION - {what} are being executed but script_security not enabled."
        if self.insecure:
            text += " There are insecure scripts."
        self._reading.report(
            settings.at,
            "script-security",
            text,
            kind=FindingClass.SECURITY,
            severity=Severity.WARNING,
            suggestion="set enable_script_security in global_defs",
        )

    def _check(self, text: str, user: Account) -> Verdict | Fault:
        key = (text, user)
        verdict = self._verdicts.get(key)
        if verdict is None:
            words = scripts.split_command(text)
            verdict = words if isinstance(words, Fault) else self._policy.check(words, user)
            self._verdicts[key] = verdict
        return verdict

    def _named_account(self, statement: Statement, user: str, group: str | None) -> Account | None:
        settings = self._reading.draft.globals
        found = account(
            user,
            group,
            self._reading.environment.accounts,
            supplementary=settings.set_supplementary_groups,
        )
        if isinstance(found, Fault):
            text = f"Invalid user/group for {statement.words[0]} script {statement.words[1]} - ignoring ({found.text})"
            self._reading.note(statement, found.code, text, word=2)
            return None
        return found

    def _default_account(self, statement: Statement) -> Account | None:
        settings, environment = self._reading.draft.globals, self._reading.environment
        if settings.script_user_failed:
            text = f"{statement.words[0]} script dropped: script_user is wrong"
            self._reading.note(statement, "script-user-failed", text, word=1)
            return None
        if self._default is None:
            self._default = scripts.default_account(
                settings.script_user,
                environment.accounts,
                Account(environment.uid, environment.gid),
                security=settings.enable_script_security,
                supplementary=settings.set_supplementary_groups,
            )
        if isinstance(self._default, Fault):
            self._fault(statement, self._default)
            return None
        return self._default

    def _fault(self, statement: Statement, fault: Fault) -> None:
        text = f"{statement.words[0]} script dropped: {fault.text}"
        self._reading.report(statement, fault.code, text, word=1, kind=fault.kind, upstream=fault.text)

    def _report(self, statement: Statement, verdict: Verdict, strict: bool) -> None:
        if not verdict.text:
            return
        code = "script-" + (verdict.problem.value.replace(" ", "-") or "searched")
        logged_only = verdict.script is not None or verdict.problem is Problem.NOT_EXECUTABLE
        if strict and not logged_only:
            self._reading.report(statement, code, verdict.text, word=1)
        else:
            self._reading.note(statement, code, verdict.text, word=1)
