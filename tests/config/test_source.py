"""The language below keywords: lines, comments, quotes, braces, definitions, conditions, loops, includes."""

from __future__ import annotations

import pytest

from pykeepalived.config import source
from pykeepalived.config.includes import ALL_CHECKS, NO_CHECKS, MemoryFiles, alternatives, matches
from pykeepalived.config.lines import brace, c_integer, sequence, strip_comment, value_list
from pykeepalived.config.source import Source, SourceOptions

FILE = "/etc/k.conf"


def read(text: str, files: dict[str, str] | None = None, **options: object) -> Source:
    options.setdefault("config_id", "main")
    options.setdefault("variables", {"SITE": "north"})
    options.setdefault("random", lambda low, high: high)
    made = Source(MemoryFiles({FILE: text, **(files or {})}), SourceOptions(**options))  # type: ignore[arg-type]
    made.read_file(FILE)
    made.finish()
    return made


def words(text: str, **more: object) -> list[str]:
    """Logical lines as text, words joined by |, `{` behind a line it follows."""
    return [
        "|".join(statement.words) + (" {" if statement.opens else "")
        for statement in read(text, **more).statements  # type: ignore[arg-type]
    ]


def codes(text: str, **more: object) -> list[str]:
    return [finding.code for finding in read(text, **more).findings]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "stripped", "unbalanced"),
    [
        ("router_id abc#d", "router_id abc", False),
        ("  a ! b", "a", False),
        ('a "b # c" d # e', 'a "b # c" d', False),
        (r"a \# b \! c", "a # b ! c", False),
        (r'a "\#" b', r'a "\#" b', False),
        (r"a \\# b", r"a \\", False),
        ("'a#b'", "'a", False),
        ("a   \\", "a\\", False),
        ("$A=x # note \\", "$A=x", False),
        ('a "b', 'a "b', True),
        (r'a "b\" c"', r'a "b\" c"', False),
    ],
)
def test_comments(line: str, stripped: str, unbalanced: bool) -> None:
    assert strip_comment(line) == (stripped, unbalanced)


def test_words_end_at_quotes() -> None:
    assert words('k aa"bb cc"dd ""\n') == ["k|aa|bb cc|dd|"]


def test_non_ascii_blanks_are_no_blanks() -> None:
    assert words("a\u00a0b c\n") == ["a\u00a0b|c"]
    assert words("a\x1cb c\n") == ["a\x1cb|c"]


def test_single_backslash_is_no_continuation() -> None:
    assert words("router_id \\\nnext\n") == ["router_id\\", "next"]


def test_braces_split_lines_and_belong_to_the_line_before() -> None:
    assert words("vrrp_instance a{state BACKUP\n}\n") == ["vrrp_instance|a {", "state|BACKUP", "}"]
    assert words("a\n# comment\n\n{\nb\n}\n") == ["a {", "b", "}"]
    assert words('a "x{y}" z\n') == ["a|x{y}|z"]
    assert words("{\n}\n") == ["{", "}"]


def test_carriage_returns_and_missing_newline() -> None:
    assert words('a b\r\r\nc "d"\r\ne') == ["a|b", "c|d", "e"]


def test_positions_of_words() -> None:
    statement = read('x\n  key  "a b"  c\n').statements[1]
    assert [(statement.span(i).line, statement.span(i).column, statement.span(i).length) for i in range(3)] == [
        (2, 3, 3),
        (2, 8, 5),
        (2, 15, 1),
    ]


def test_positions_survive_substitution_as_place_of_the_reference() -> None:
    source = read("$B=x { \\\n y 1 \\\n}\n\n  go ${B}\n")
    assert [(s.line, s.column) for s in source.statements] == [(5, 3)] * 3


def test_worked_example() -> None:
    text = """$NAME=edge
$NETS=virtual_ipaddress { \\
  ${P}.7/24 \\
  ${P}.8/24 dev eth1 }
$ONE=vrrp_instance V_${K} { \\
  virtual_router_id ${K} \\
}
global_defs { router_id ${NAME}-$NAME # host
  notification_email{ a@x.org b@x.org
    "c d@x.org" }
  $P=10.7.0
  vrrp_notify_fifo"/tmp/a b"root
}
vrrp_instance W{state BACKUP
  $NETS
  @^nohost priority 90
  @nohost priority 80
}
~SEQ(K, 21, 22) $ONE
"""
    assert words(text) == [
        "global_defs {",
        "router_id|edge-edge",
        "notification_email {",
        "a@x.org|b@x.org",
        "c d@x.org",
        "}",
        "vrrp_notify_fifo|/tmp/a b|root",
        "}",
        "vrrp_instance|W {",
        "state|BACKUP",
        "virtual_ipaddress {",
        "10.7.0.7/24",
        "10.7.0.8/24|dev|eth1",
        "}",
        "priority|90",
        "}",
        "vrrp_instance|V_21 {",
        "virtual_router_id|21",
        "}",
        "vrrp_instance|V_22 {",
        "virtual_router_id|22",
        "}",
    ]


# --- definitions ------------------------------------------------------------------------------------------------------


def test_references_without_braces_need_an_end() -> None:
    assert words('$A=v\nk $A, $A) $A $A/24 "$A"\n') == ["k|v,|v)|v|$A/24|$A"]


def test_definitions_are_expanded_late_and_the_newest_counts() -> None:
    assert words("$A=${B}\n$B=1\nk $A\n$B=2\nk $A\n") == ["k|1", "k|2"]


def test_blank_before_equal_sign_is_no_definition() -> None:
    assert words("$A =x\n") == ["$A|=x"]


def test_unknown_reference_splits_the_line_at_its_braces() -> None:
    assert words("router_id x${NO}\n") == ["router_id|x$ {", "NO", "}"]
    assert words('router_id "x${NO}"\n') == ["router_id|x${NO}"]


def test_multiline_reference_must_be_last() -> None:
    assert words("$A=x \\\n y\nk $A\nk $A z\n") == ["k|x", "y", "k|$A|z"]


def test_empty_line_ends_a_definition_comment_lines_do_not() -> None:
    assert words("$A=x \\\n # note\n  \n y \\\n\nz\nk $A\n") == ["z", "k|x", "y"]


def test_definition_in_a_definition_takes_effect_when_reached() -> None:
    assert words("$A= \\\n$X=1 \\\nk ${X} \\\n$X=2 \\\nk ${X}\n$A\n") == ["k|1", "k|2"]


def test_conditions_and_loops_out_of_a_definition_are_recognised() -> None:
    assert words("$A=@main k 1 \\\n @other k 2 \\\n ~SEQ(N,2) k ${N}\n$A\n") == ["k|1", "k|1", "k|2"]


def test_value_is_stripped_of_comments_again() -> None:
    assert words("$A=x \\# y\nk $A\n") == ["k|x"]
    assert words('k "${_HASH} ${_BANG}" ${_HASH} z\n') == ["k|# !"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k ${_PWD}\n", ["k|/etc"]),
        ("k ${_INSTANCE}\n", ["k|main"]),
        ("k ${_ENV SITE} ${_ENV NONE}x\n", ["k|north|x"]),
        ("k ${_RANDOM} ${_RANDOM 5} ${_RANDOM 5 9}\n", ["k|32767|32767|9"]),
        ("$_PWD=/x\nk ${_PWD}\n", ["k|/x"]),
    ],
)
def test_predefined_names(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_predefined_names_used_wrongly() -> None:
    assert codes("k ${_ENV}\n") == ["env-name-missing"]
    assert codes("k ${_RANDOM 9 5}\n") == ["random-range"]
    assert words("k ${_RANDOM 9 5}\n") == ["k|9"]


@pytest.mark.parametrize("text", ["$A=x${A}\nk ${A}\n", "$A=${A}\nk ${A}\n", "$A=${B}\n$B=${A}\nk ${A}\n"])
def test_self_references_end(text: str) -> None:
    assert "substitution-long" in codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "$A=x \\\n$A\nk $A\n",
        "$A=~SEQ(N,2) $A\n$A\n",
        "~SEQ(A,1000000) ~SEQ(B,1000000) k\n",
        "".join(f"$L{n}=$L{n + 1} \\\n $L{n + 1}\n" for n in range(60)) + "$L60=x\n$L0\n",
    ],
)
def test_endless_expansion_is_given_up(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_LINES_OF_ONE", 100_000)
    assert "expansion-endless" in codes(text)


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@main a b\n", ["a|b"]),
        ("@mai a b\n", []),
        ("@^main a b\n", []),
        ("@^other a b\n", ["a|b"]),
        ("@main\n", []),
        ("@main @main b\n", ["@main|b"]),
        ("global_defs { @main router_id x\n}\n", ["global_defs {", "router_id|x", "}"]),
        ("k a@main\n", ["k|a@main"]),
        ("block {\n    @main 10.1.0.3\n    @backup 10.1.0.4\n}\n", ["block {", "10.1.0.3", "}"]),
    ],
)
def test_conditions(text: str, expected: list[str]) -> None:
    assert words(text) == expected


# --- loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "numbers"),
    [
        ("A, 3", [1, 2, 3]),
        ("A, -3", [-1, -2, -3]),
        ("A, 0", [1, 0]),
        ("A,", [1, 0]),
        ("A, 5, 7", [5, 6, 7]),
        ("A, 7, 5", [7, 6, 5]),
        ("A, 0, 5, 12", [0, 5, 10]),
        ("A, 0x10, 020", [16]),
    ],
)
def test_sequences(head: str, numbers: list[int]) -> None:
    loop = sequence("SEQ", head, "t")
    assert not isinstance(loop, str)
    assert list(loop.rounds) == numbers


@pytest.mark.parametrize("head", ["A", "A, x", "A, 1, 0, 5", "A, 1, -1, 5", "A, 1 2", "A,1,2,3,4"])
def test_bad_sequences(head: str) -> None:
    assert isinstance(sequence("SEQ", head, "t"), str)


def test_loops_nest_and_leave_their_last_value() -> None:
    assert words("~SEQ(A,2) ~SEQ(B,2) k ${A}${B}\nl ${A}${B}\n") == ["k|11", "k|12", "k|21", "k|22", "l|22"]
    assert words("~SEQx(A, 9, 11) k ${A}\n") == ["k|9", "k|a", "k|b"]


def test_lists() -> None:
    assert words("~LST(A, x, y) k ${A}\n") == ["k|x", "k|y"]
    assert words("~LST({A, B}, {1, 2}, {3}, 4) k ${A}-${B}.\n") == ["k|1-2.", "k|3-.", "k|4-."]
    assert isinstance(value_list("A", "t"), str)
    assert isinstance(value_list("{A}, {1, 2}", "t"), str)


@pytest.mark.parametrize("line", ["~SEQ(A,1", "~SEQ(A 1) k", "~SEQx(A,-1,1) k", "~SEQ(A," + "1" * 64 + ") k"])
def test_bad_loops_are_dropped(line: str) -> None:
    assert codes(line + "\n") == ["loop-invalid"]
    assert words(line + "\nx\n") == ["x"]


def test_other_tilde_lines_are_not_substituted() -> None:
    assert words("$A=1\n~x $A\n") == ["~x|$A"]


def test_c_notation() -> None:
    assert [c_integer(word) for word in ("", "017", "0x1f", "-3", "08", "x", "0")] == [0, 15, 31, -3, None, None, 0]


def test_brace_search_skips_quotes() -> None:
    assert brace('a "{" b } c') == 8
    assert brace('a "{}"') == -1


# --- lines ------------------------------------------------------------------------------------------------------------


def test_long_lines_lose_their_first_part() -> None:
    source = read("k " + "x" * 1030 + "\n")
    assert [finding.code for finding in source.findings] == ["line-long"]
    assert [statement.words for statement in source.statements] == [("xxxxxxxxx",)]
    assert not codes("k " + "x" * 1020 + "\n")


def test_nul_bytes() -> None:
    source = read("bad\0good 1\n")
    assert [finding.code for finding in source.findings] == ["line-nul"]
    assert [statement.words for statement in source.statements] == [("good", "1")]


def test_unmatched_quotes() -> None:
    source = read('k "a b\nnext\n')
    assert [finding.code for finding in source.findings] == ["quote-unmatched"]
    assert [statement.words for statement in source.statements] == [("k",), ("next",)]


# --- includes ---------------------------------------------------------------------------------------------------------


def test_includes_are_read_in_place() -> None:
    files = {"/etc/a.conf": "x\ninclude b.conf\ny\n", "/etc/b.conf": "z\n"}
    assert words("1\ninclude a.conf\n2\n", files=files) == ["1", "x", "z", "y", "2"]
    assert words("@main include b.conf\n", files=files) == ["z"]
    assert words("$F=b\ninclude ${F}.conf\n", files=files) == ["z"]
    assert words("g { include b.conf\n}\n", files=files) == ["g {", "z", "}"]
    assert words("include {b,a}.conf\n", files=files) == ["z", "x", "z", "y"]


def test_definitions_of_an_included_file_stay() -> None:
    assert words("include d.conf\nk ${A}\n", files={"/etc/d.conf": "$A=1\n"}) == ["k|1"]


def test_include_loops_are_detected() -> None:
    assert codes("include a.conf\n", files={"/etc/a.conf": "include a.conf\n"}) == ["include-loop"]


def nested(depth: int) -> dict[str, str]:
    """Files that include each other, the last one with a keyword."""
    files = {f"/etc/n{level}.conf": f"include n{level + 1}.conf\nlevel {level}\n" for level in range(depth)}
    return files | {f"/etc/n{depth}.conf": "innermost\n"}


def test_files_may_be_nested_as_deep_as_keepalived_has_descriptors() -> None:
    statements = words("include n0.conf\n", files=nested(990))
    assert statements == ["innermost", *(f"level|{level}" for level in reversed(range(990)))]
    assert codes("include n0.conf\n", files=nested(1200)) == ["include-deep"]


def test_files_that_double_each_other_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_READ_AGAIN", 1024 * 1024)
    doubling = {f"/etc/d{level}.conf": f"include d{level + 1}.conf\n" * 2 for level in range(40)}
    found = codes("include d0.conf\n", files=doubling | {"/etc/d40.conf": "k\n"})
    assert set(found) == {"include-endless"}


@pytest.mark.parametrize(
    ("line", "violated"),
    [
        ("include no.conf", False),
        ("includer no.conf", False),
        ("includem no.conf", True),
        ("includew no*.conf", True),
        ("includem no*.conf", False),
        ("includeb {no,b}.conf", True),
        ("includea {b,b}.conf", False),
    ],
)
@pytest.mark.keyword("global_defs/include_check")
def test_include_letters(line: str, violated: bool) -> None:
    assert read(line + "\n", files={"/etc/b.conf": "z\n"}).include_violated is violated


@pytest.mark.keyword("global_defs/include_check")
def test_include_check_lasts_to_the_end_of_its_file() -> None:
    setting = "global_defs {\n include_check match\n}\n"
    files = {"/etc/c.conf": setting + "include no1.conf\n"}
    assert read("include c.conf\n", files=files).include_violated
    source = read("include c.conf\ninclude no2.conf\n", files={"/etc/c.conf": setting})
    assert not source.include_violated
    assert read("include no.conf\n", include_checks=ALL_CHECKS).include_violated


def test_include_check_words() -> None:
    assert NO_CHECKS.changed([]) == ALL_CHECKS
    assert NO_CHECKS.changed(["match"]).names == {"read", "match"}
    assert ALL_CHECKS.changed(["-match"]).names == {"read", "wildcard_match", "brace_match"}
    assert NO_CHECKS.changed(["+match", "+brace_match"]).names == {"match", "brace_match"}


def test_alternatives() -> None:
    assert alternatives("a{b,c}{d,e}") == ["abd", "abe", "acd", "ace"]
    assert len(alternatives("{a,b}" * 30)) <= 1002


def test_patterns_are_sorted_and_relative() -> None:
    files = MemoryFiles({"/x/b.conf": "", "/x/a.conf": "", "/x/c.txt": ""})
    assert matches(files, "*.conf", "/x").paths == ("/x/a.conf", "/x/b.conf")
