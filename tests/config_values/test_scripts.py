"""Script text, and which scripts may run, over a file system made of data."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykeepalived.config.files import FileKind, FileStat, FileTable
from pykeepalived.config.model.values import Account
from pykeepalived.config.scripts import (
    ESCAPE_FAULT,
    QUOTE_FAULT,
    Problem,
    ScriptPolicy,
    default_account,
    regex_text,
    resolve,
    split_command,
    split_line,
)
from pykeepalived.config.values import Accounts, Fault, User

ROOT, WEB = Account(0, 0), Account(33, 33)
DIR, FILE = FileKind.DIRECTORY, FileKind.FILE


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('script "/bin/x -f a"', ("script", "/bin/x -f a")),
        ("script /bin/x -f", ("script", "/bin/x", "-f")),
        ("""script '"/my dir/x" "a b"'""", ("script", '"/my dir/x" "a b"')),
        ('script a"b c"d', ("script", "ab cd")),
        (r'script "a\"b"', ("script", r"a\"b")),
        ('notify "/bin/x" web staff', ("notify", "/bin/x", "web", "staff")),
        ('script ""', ("script", "")),
    ],
)
def test_stage_one(raw: str, words: tuple[str, ...]) -> None:
    assert split_line(raw) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/bin/x a b", ("/bin/x", "a", "b")),
        ('"/my dir/x" "a b"', ("/my dir/x", "a b")),
        (r"a\.b 'c\.d'", ("a.b", "c.d")),
        (r"a\x41\101\cA\E\q\n", ("aAA\x01\x1bq\n",)),
        (r"\x4 \xg \0101", ("\x04", "xg", "\x081")),
        ("'it''s'", ("its",)),
        ("'' \"\"", ("", "")),
        (r"a\ b", ("a b",)),
        (r"\xff", ("\udcff",)),
    ],
)
def test_stage_two(text: str, words: tuple[str, ...]) -> None:
    assert split_command(text) == words


@pytest.mark.parametrize(
    ("text", "fault"), [('"abc', QUOTE_FAULT), ("'abc", QUOTE_FAULT), ("abc\\", ESCAPE_FAULT), (r"\0", ESCAPE_FAULT)]
)
def test_text_that_crashes_keepalived_is_a_fault(text: str, fault: Fault) -> None:
    assert split_command(text) is fault


def test_regex_is_one_string() -> None:
    assert regex_text('regex "a b\\\\.c"') == r"a b\.c"
    assert isinstance(regex_text("regex a b"), Fault)
    assert isinstance(regex_text("regex"), Fault)


@given(st.text(alphabet="ab\\\"' \txc0179", max_size=20))
def test_any_text_splits_or_faults(text: str) -> None:
    for split in (split_line, split_command):
        words = split(text)
        assert isinstance(words, Fault) or all(isinstance(word, str) and "\0" not in word for word in words)


def table(**changes: FileStat) -> FileTable:
    entries = {
        "/bin": FileStat(FileKind.LINK, 0o777, target="usr/bin"),
        "/usr": FileStat(DIR),
        "/usr/bin": FileStat(DIR),
        "/usr/bin/true": FileStat(FILE),
        "/etc": FileStat(DIR),
        "/etc/check.sh": FileStat(FILE),
        "/etc/link.sh": FileStat(FileKind.LINK, 0o777, target="/etc/check.sh"),
        "/etc/private": FileStat(DIR, 0o700),
        "/etc/private/x.sh": FileStat(FILE),
        "/tmp": FileStat(DIR, 0o1777),
        "/tmp/x.sh": FileStat(FILE),
        "/open": FileStat(DIR, 0o777),
        "/open/x.sh": FileStat(FILE),
        "/etc/into": FileStat(FileKind.LINK, 0o777, target="../open/x.sh"),
        "/etc/loop": FileStat(FileKind.LINK, 0o777, target="loop"),
        "/etc/plain.txt": FileStat(FILE, 0o644),
        "/etc/alien.sh": FileStat(FILE, 0o755, uid=33),
        "/etc/group.sh": FileStat(FILE, 0o775, gid=50),
        "/etc/rootgroup.sh": FileStat(FILE, 0o775),
        "/etc/setuid": FileStat(FILE, 0o4755),
        "/dev": FileStat(DIR),
        "/dev/null": FileStat(FileKind.OTHER, 0o666),
    }
    entries.update({f"/{key.replace('_', '/')}": value for key, value in changes.items()})
    return FileTable(entries, {"/etc/check.sh": b"#!/bin/sh\n", "/etc/plain2.sh": b"echo hello"})


def policy(**options: bool) -> ScriptPolicy:
    return ScriptPolicy(
        table(), "/usr/sbin:/bin", security=options.get("security", False), symlink_paths=options.get("links", False)
    )


@pytest.mark.parametrize(
    ("path", "user", "problem", "exists"),
    [
        ("/etc/check.sh", ROOT, Problem.NONE, True),
        ("/etc/missing", ROOT, Problem.NOT_FOUND, False),
        ("/etc/private/x.sh", WEB, Problem.NOT_FOUND, False),
        ("/etc/private/x.sh", ROOT, Problem.NONE, True),
        ("/etc/plain.txt", ROOT, Problem.NOT_EXECUTABLE, True),
        ("/tmp/x.sh", ROOT, Problem.NONE, True),
        ("/open/x.sh", ROOT, Problem.INSECURE, True),
        ("/open/x.sh", WEB, Problem.NONE, True),
        ("/etc/into", ROOT, Problem.INSECURE, True),
        ("/etc/alien.sh", ROOT, Problem.INSECURE, True),
        ("/etc/group.sh", ROOT, Problem.INSECURE, True),
        ("/etc/rootgroup.sh", ROOT, Problem.NONE, True),
        ("/dev/null", ROOT, Problem.WRONG_TYPE, True),
        ("/etc/check.sh/x", ROOT, Problem.NOT_FOUND, False),
        ("/etc", ROOT, Problem.WRONG_TYPE, True),
    ],
)
def test_verdict(path: str, user: Account, problem: Problem, exists: bool) -> None:
    verdict = policy().check((path,), user)
    assert (verdict.problem, verdict.exists) == (problem, exists)


@pytest.mark.keyword("global_defs/enable_script_security")
def test_security_drops_what_others_could_change() -> None:
    kept = policy().check(("/open/x.sh",), ROOT)
    assert kept.script is not None
    assert kept.script.insecure
    dropped = policy(security=True).check(("/open/x.sh",), ROOT)
    assert dropped.script is None
    assert dropped.insecure
    assert dropped.text == "Unsafe permissions found for script '/open/x.sh' - disabling."


@pytest.mark.parametrize(
    ("path", "mend"),
    [
        ("/open/x.sh", "everybody may write to /open: chmod go-w /open"),
        ("/etc/into", "everybody may write to /open: chmod go-w /open"),
        ("/etc/alien.sh", "/etc/alien.sh belongs to user 33: chown root /etc/alien.sh"),
        ("/etc/group.sh", "group 50 may write to /etc/group.sh: chmod g-w /etc/group.sh"),
        ("/etc/plain.txt", "chmod a+x /etc/plain.txt"),
        ("/etc/check.sh", ""),
    ],
)
def test_the_element_at_fault_and_its_mend_are_named(path: str, mend: str) -> None:
    assert policy(security=True).check((path,), ROOT).mend == mend


def test_setuid_root_files_are_protected_whoever_runs_them() -> None:
    files = table(open_s=FileStat(FILE, 0o4755))
    verdict = ScriptPolicy(files, "").check(("/open/s",), WEB)
    assert verdict.problem is Problem.INSECURE


def test_a_symbolic_link_to_a_directory_is_fine() -> None:
    """On merged-usr systems /bin is a link; keepalived 2.4.3 refuses such scripts, 2.2.7 does not."""
    verdict = policy(security=True).check(("/bin/true", "x"), ROOT)
    assert verdict.script is not None
    assert (verdict.script.path, verdict.script.words, verdict.script.insecure) == (
        "/usr/bin/true",
        ("/bin/true", "x"),
        False,
    )


@pytest.mark.keyword("global_defs/use_symlink_paths")
def test_symlink_paths_executes_the_given_path() -> None:
    resolved = policy().check(("/etc/link.sh",), ROOT).script
    given_path = policy(links=True).check(("/etc/link.sh",), ROOT).script
    assert resolved is not None
    assert given_path is not None
    assert (resolved.path, given_path.path) == ("/etc/check.sh", "/etc/link.sh")


def test_bare_names_are_searched() -> None:
    verdict = policy().check(("true",), WEB)
    assert verdict.script is not None
    assert verdict.script.path == "/usr/bin/true"
    assert verdict.text == "WARNING - script `true` resolved by path search to `/bin/true`. Please specify full path."
    assert policy().check(("nothing",), WEB).text == "Cannot find script nothing in path - disabling"


def test_file_test_is_never_executed() -> None:
    for words in (("</etc/none",), ("<", "/etc/none")):
        script = policy().check(words, ROOT).script
        assert script is not None
        assert (script.file_test, script.path) == (True, "/etc/none")


def test_text_without_interpreter_needs_the_shell() -> None:
    files = table(etc_plain2=FileStat(FILE))
    contents = FileTable(
        {"/etc": FileStat(DIR), "/etc/a": FileStat(FILE), "/etc/b": FileStat(FILE)},
        {"/etc/a": b"echo", "/etc/b": b"#!x"},
    )
    assert isinstance(files, FileTable)
    one, two = (ScriptPolicy(contents, "").check((path,), ROOT).script for path in ("/etc/a", "/etc/b"))
    assert one is not None
    assert two is not None
    assert (one.shell, two.shell) == (True, False)


def test_resolve() -> None:
    assert resolve("/etc/loop", table(), ROOT) == errno.ELOOP
    assert resolve("/etc/private/x.sh", table(), WEB) == errno.EACCES
    assert resolve("/etc/../bin/./true", table(), WEB) == "/usr/bin/true"


def test_default_account() -> None:
    accounts = Accounts([User("keepalived_script", 900, 901)])
    chosen = Account(5, 5)
    assert default_account(chosen, accounts, ROOT, security=True) is chosen
    assert default_account(None, accounts, ROOT, security=True) == Account(900, 901, False, "keepalived_script")
    assert default_account(None, Accounts(), ROOT, security=False) is ROOT
    fault = default_account(None, Accounts(), ROOT, security=True)
    assert isinstance(fault, Fault)
    assert fault.text == "Unable to set default user keepalived_script for script"
