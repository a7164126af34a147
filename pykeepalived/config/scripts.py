"""Script and regex text to words, and whether a script may run: path search, resolution, permissions.

Pure: the file system and the accounts come as views (config/files.py, config/values.py). Running scripts is notify/'s
business. keepalived.conf(5), quoted strings and scripts; keepalived(8), security.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Sequence
from enum import StrEnum

from pykeepalived.config.files import FileKind, FileStat, FileView
from pykeepalived.config.findings import FindingClass
from pykeepalived.config.model.values import Account, Script, Span
from pykeepalived.config.values import Accounts, Fault, account
from pykeepalived.light_dataclasses import dataclass

DEFAULT_SCRIPT_USER = "keepalived_script"
_BLANKS = " \t\n\v\f\r"
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HEX = "0123456789abcdefABCDEF"
_LINKS_MAX = 40

QUOTE_FAULT = Fault("quote-unmatched", "Unmatched quote", FindingClass.UNMATCHED_QUOTE)
ESCAPE_FAULT = Fault("escape-invalid", "Backslash without a character, or a NUL character", FindingClass.GENERAL)


# --- text -------------------------------------------------------------------------------------------------------------


def split_line(raw: str) -> tuple[str, ...] | Fault:
    """Stage 1: a logical line to words, quotes of both kinds removed, a backslash and the next character kept.

    Word 1 is the command text, words 2 and 3 are user and group.
    """
    return _split(raw, escapes=False)


def split_command(text: str) -> tuple[str, ...] | Fault:
    """Stage 2: the command text to the words of the command, quotes removed and escapes resolved."""
    return _split(text, escapes=True)


def regex_text(raw: str) -> str | Fault:
    """The regular expression of a logical line: exactly one string after the keyword, quotes and escapes in one go."""
    words = _split(raw, escapes=True)
    if isinstance(words, Fault):
        return words
    if len(words) != 2:
        return Fault("regex-words", "regex must be exactly one string", FindingClass.GENERAL)
    return words[1]


def _split(text: str, *, escapes: bool) -> tuple[str, ...] | Fault:
    words: list[str] = []
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in _BLANKS:
            position += 1
        if position == end:
            return tuple(words)
        word: list[str] = []
        quote = ""
        while position < end:
            character = text[position]
            if character == "\\":
                if position + 1 == end:
                    return ESCAPE_FAULT
                if escapes:
                    resolved, position = _escape(text, position + 1)
                    if resolved == "\0":
                        return ESCAPE_FAULT
                    word.append(resolved)
                    continue
                word.append(text[position : position + 2])
                position += 2
                continue
            if quote:
                if character == quote:
                    quote = ""
                else:
                    word.append(character)
            elif character in "\"'":
                quote = character
            elif character in _BLANKS:
                break
            else:
                word.append(character)
            position += 1
        if quote:
            return QUOTE_FAULT
        words.append("".join(word))


def _escape(text: str, position: int) -> tuple[str, int]:
    """The character an escape stands for and the position behind it; `position` is just behind the backslash."""
    character = text[position]
    if character in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[character], position + 1
    if character == "x" and text[position + 1 : position + 2] in tuple(_HEX):
        end = position + 2
        if text[end : end + 1] in tuple(_HEX):
            end += 1
        return _octet(int(text[position + 1 : end], 16)), end
    if character in "01234567":
        end = position + 1
        while end < position + 3 and text[end : end + 1] in tuple("01234567"):
            end += 1
        return _octet(int(text[position:end], 8) & 0xFF), end
    if character == "c" and position + 1 < len(text):
        return chr(ord(text[position + 1]) & 0x1F), position + 2
    return character, position + 1


def _octet(number: int) -> str:
    """One byte as text, so that encoding a command for the kernel gives this byte again."""
    return bytes((number,)).decode("utf-8", "surrogateescape")


# --- accounts ---------------------------------------------------------------------------------------------------------


def default_account(
    script_user: Account | None, accounts: Accounts, own: Account, *, security: bool, supplementary: bool = False
) -> Account | Fault:
    """Who runs a script without a user of its own: script_user, else keepalived_script, else the daemon's user.

    With enable_script_security the last one is not allowed.
    """
    if script_user is not None:
        return script_user
    found = account(DEFAULT_SCRIPT_USER, None, accounts, supplementary=supplementary)
    if not isinstance(found, Fault):
        return found
    if security:
        text = f"Unable to set default user {DEFAULT_SCRIPT_USER} for script"
        return Fault("script-user-default", text, FindingClass.GENERAL)
    return own


# --- permissions ------------------------------------------------------------------------------------------------------


class Problem(StrEnum):
    """Why a script cannot be used as it stands."""

    NONE = ""
    NOT_FOUND = "not found"
    NOT_EXECUTABLE = "not executable"
    WRONG_TYPE = "wrong file type"
    INSECURE = "insecure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check of one script found. `script` None = it is dropped; `text` is keepalived's message, may be "".

    `exists`: there is such a file, executable or not, so scripts are executed here. `insecure`: somebody other than
    root can change what root would run. `mend` names the element of the path that is at fault and what would help.
    """

    script: Script | None
    problem: Problem = Problem.NONE
    text: str = ""
    exists: bool = False
    insecure: bool = False
    mend: str = ""


@dataclass(frozen=True, slots=True)
class ScriptPolicy:
    """What decides whether a script may run: the view of files, the search path, and two keywords of global_defs."""

    files: FileView
    search_path: str
    security: bool = False
    symlink_paths: bool = False

    def check(self, words: Sequence[str], user: Account, at: Span | None = None) -> Verdict:
        """Judge a command that is to run as `user`."""
        if not words or not words[0]:
            return Verdict(None, Problem.NOT_FOUND, "Empty script")
        if words[0].startswith("<"):
            path = words[0][1:] if len(words[0]) > 1 else words[1] if len(words) > 1 else ""
            if path.startswith("/"):
                return Verdict(Script(tuple(words), user, path=path, file_test=True, at=at))
        name = words[0]
        if self.files.assumed:
            return Verdict(Script(tuple(words), user, path=name, at=at))
        notice = ""
        if "/" not in name:
            found = self._search(name, user)
            if isinstance(found, int):
                text = (
                    f"Permissions failure for script {name} in path - disabling"
                    if found == errno.EACCES
                    else f"Cannot find script {name} in path - disabling"
                )
                return Verdict(None, Problem.NOT_FOUND, text)
            notice = f"WARNING - script `{name}` resolved by path search to `{found}`. Please specify full path."
            name = found
        # The daemon runs in the root directory, so that is where relative paths begin.
        given = posixpath.normpath("/" + name.lstrip("/"))
        real = resolve(given, self.files, user)
        if isinstance(real, int):
            return Verdict(None, Problem.NOT_FOUND, f"Script {name} cannot be accessed - {_reason(real)}")
        return self._judge(tuple(words), user, given, real, notice, at)

    def _judge(
        self, words: tuple[str, ...], user: Account, given: str, real: str, notice: str, at: Span | None
    ) -> Verdict:
        entry = self.files.lstat(real)
        if isinstance(entry, int):
            return Verdict(None, Problem.NOT_FOUND, f"Script {given} cannot be accessed - {_reason(entry)}")
        if entry.kind != FileKind.FILE:
            return Verdict(None, Problem.WRONG_TYPE, f"Script {given} is not a regular file", exists=True)
        if not executable(entry, user):
            text = f"WARNING - script '{given}' is not executable for uid:gid {user.uid}:{user.gid} - disabling."
            return Verdict(None, Problem.NOT_EXECUTABLE, text, exists=True, mend=f"chmod a+x {real}")
        problem, mend = Problem.NONE, ""
        if needs_protection(entry, user):
            problem, mend = self._weakness(given)
            if problem is Problem.NONE:
                problem, mend = self._weakness(real)
            if problem is Problem.WRONG_TYPE:
                text = f"Wrong file type found in script path '{given}'."
                return Verdict(None, problem, text, exists=True, mend=mend)
        insecure = problem is Problem.INSECURE
        path = given if self.symlink_paths else real
        if insecure and self.security:
            text = f"Unsafe permissions found for script '{given}' - disabling."
            return Verdict(None, Problem.INSECURE, text, exists=True, insecure=True, mend=mend)
        script = Script(words, user, path=path, shell=self._needs_shell(real), insecure=insecure, at=at)
        text = f"Unsafe permissions found for script '{given}'." if insecure else notice
        return Verdict(script, problem, text, exists=True, insecure=insecure, mend=mend)

    def _search(self, name: str, user: Account) -> str | int:
        """Path of the first executable of this name in the search path, or an errno."""
        failure = errno.ENOENT
        for directory in self.search_path.split(":"):
            path = posixpath.join(directory or ".", name)
            real = resolve(path, self.files, user) if path.startswith("/") else errno.ENOENT
            if isinstance(real, int):
                failure = errno.EACCES if real == errno.EACCES else failure
                continue
            entry = self.files.lstat(real)
            if isinstance(entry, FileStat) and entry.kind == FileKind.FILE:
                if executable(entry, user):
                    return path
                failure = errno.EACCES
        return failure

    def _weakness(self, path: str) -> tuple[Problem, str]:
        """Look at every element of the path: who could change what is run? The problem, and its first mend.

        A symbolic link to a directory is followed, not refused: on merged-usr systems /bin is one.
        """
        found, mend = Problem.NONE, ""
        parts = path.strip("/").split("/")
        for count in range(len(parts) + 1):
            element = "/" + "/".join(parts[:count])
            entry = self.files.lstat(element)
            if isinstance(entry, int):
                return Problem.WRONG_TYPE, f"{element} is missing"
            last = count == len(parts)
            if entry.kind == FileKind.OTHER or (not last and entry.kind == FileKind.FILE):
                return Problem.WRONG_TYPE, f"{element} is neither a directory nor a script"
            if entry.uid != 0 or (_writable_by_others(entry) and not _is_safe_kind(entry)):
                found, mend = Problem.INSECURE, mend or _mend(element, entry)
        return found, mend

    def _needs_shell(self, path: str) -> bool:
        """True for a file that the kernel cannot execute: neither a binary nor started by `#!`."""
        head = self.files.head(path, 4)
        return isinstance(head, bytes) and head[:2] != b"#!" and head != b"\x7fELF"


def _mend(path: str, entry: FileStat) -> str:
    """Who else may change this element of a path, and the command that ends it."""
    if entry.uid != 0:
        return f"{path} belongs to user {entry.uid}: chown root {path}"
    if entry.mode & 0o002:
        return f"everybody may write to {path}: chmod go-w {path}"
    return f"group {entry.gid} may write to {path}: chmod g-w {path}"


def _writable_by_others(entry: FileStat) -> bool:
    return bool(entry.mode & 0o002 or (entry.mode & 0o020 and entry.gid != 0))


def _is_safe_kind(entry: FileStat) -> bool:
    """Links have no permissions of their own; in a sticky directory nobody can replace another's file."""
    return entry.kind == FileKind.LINK or (entry.kind == FileKind.DIRECTORY and bool(entry.mode & 0o1000))


def executable(entry: FileStat, user: Account) -> bool:
    """May this user and group execute the file? By mode bits only, as keepalived looks at them."""
    if user.uid == 0:
        return bool(entry.mode & 0o111)
    if entry.uid == user.uid:
        return bool(entry.mode & 0o100)
    if entry.gid == user.gid:
        return bool(entry.mode & 0o010)
    return bool(entry.mode & 0o001)


def needs_protection(entry: FileStat, user: Account) -> bool:
    """Will the file run with root's rights: as root, in group root, or set-id to either?"""
    return (
        user.uid == 0
        or user.gid == 0
        or (entry.uid == 0 and bool(entry.mode & 0o4000))
        or (entry.gid == 0 and bool(entry.mode & 0o2000))
    )


def resolve(path: str, files: FileView, user: Account) -> str | int:
    """The real path as this user can reach it, or an errno (ENOENT, EACCES, ELOOP, ENOTDIR)."""
    pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while pending:
        directory = files.lstat("/" + "/".join(done))
        if isinstance(directory, int):
            return directory
        if directory.kind != FileKind.DIRECTORY:
            return errno.ENOTDIR
        if user.uid != 0 and not executable(directory, user):
            return errno.EACCES
        part = pending.pop()
        if part == "..":
            done = done[:-1]
            continue
        entry = files.lstat("/" + "/".join([*done, part]))
        if isinstance(entry, int):
            return entry
        if entry.kind != FileKind.LINK:
            done.append(part)
            continue
        links += 1
        if links > _LINKS_MAX:
            return errno.ELOOP
        if entry.target.startswith("/"):
            done = []
        pending += [part for part in reversed(entry.target.split("/")) if part not in ("", ".")]
    return "/" + "/".join(done)


def _reason(number: int) -> str:
    """The words of strerror(3) for what a path lookup can meet."""
    return {
        errno.ENOENT: "No such file or directory",
        errno.EACCES: "Permission denied",
        errno.ELOOP: "Too many levels of symbolic links",
        errno.ENOTDIR: "Not a directory",
    }.get(number, f"error {number}")
