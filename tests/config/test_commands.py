"""The operator's commands: check, fmt, schema, explain, completion; and the config test's output."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from pykeepalived.cli import config_commands
from pykeepalived.cli.config_test import config_test
from pykeepalived.config.codes import codes, markdown
from pykeepalived.config.describe import candidates, explain, json_schema, nearest, paths
from pykeepalived.config.excerpt import masked
from pykeepalived.config.fmt import format_text
from pykeepalived.config.messages import config_test_lines
from pykeepalived.config.schema.base import OURS
from pykeepalived.config.schema.root import ROOT
from pykeepalived.parent.options import Options
from tests.config.support import SHARED, instance_text, run
from tests.config.test_corpus import statements

BAD = "global_defs {\n    router_idd x\n}\n"
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "k.conf"
    path.write_text(BAD)
    return str(path)


def test_check_shows_place_line_caret_and_suggestion(bad: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.check([bad]) == 5
    assert capfdbinary.readouterr().out.decode() == (
        f"{bad}:2:5: error keyword-unknown unknown keyword 'router_idd'\n"
        "        router_idd x\n"
        "        ^~~~~~~~~~\n"
        "    = did you mean 'router_id'?\n"
    )


def test_check_as_json(bad: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.check(["--json", bad]) == 5
    data = json.loads(capfdbinary.readouterr().out)
    assert data["exit_status"] == 5
    assert data["findings"] == [
        {
            "code": "keyword-unknown",
            "severity": "error",
            "class": "unknown_keyword",
            "message": "unknown keyword 'router_idd'",
            "suggestion": "did you mean 'router_id'?",
            "file": bad,
            "line": 2,
            "column": 5,
            "length": 10,
        }
    ]


def test_strict_check_fails_on_warnings(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "k.conf"
    path.write_text("include missing.conf\n")
    assert config_commands.check([str(path)]) == 0
    assert config_commands.check(["--strict", str(path)]) == 5
    assert b"include-missing" in capfdbinary.readouterr().out


def test_cluster_check_compares_nodes(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = "global_defs {\n dynamic_interfaces\n}\n" + instance_text("")
    one, two = tmp_path / "one.conf", tmp_path / "two.conf"
    one.write_text(text)
    two.write_text(text.replace("10.0.0.1", "10.0.0.2"))
    config_commands.check(["--cluster", str(one), str(two)])
    assert b"cluster-addresses" in capfdbinary.readouterr().out


def test_each_file_of_a_cluster_may_have_an_id(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """One file for both nodes: only the conditions make them differ."""
    path = tmp_path / "both.conf"
    text = instance_text("@a priority 100\n@b priority 90")
    path.write_text("global_defs {\n dynamic_interfaces\n}\n" + text)
    both, apart = ["--cluster", str(path), str(path)], ["-i", "a", "-i", "b"]
    config_commands.check([*both, "-i", "c", "-i", "d"])
    assert b"cluster-priority" in capfdbinary.readouterr().out
    assert config_commands.check([*both, *apart]) == 0
    assert b"cluster-" not in capfdbinary.readouterr().out
    with pytest.raises(SystemExit):
        config_commands.check([str(path), *apart])


def test_secrets_are_masked_in_source_lines() -> None:
    assert masked("  auth_pass s3cret # x") == "  auth_pass ****** * *"
    assert masked('auth_type PASS auth_pass "a b"') == "auth_type PASS auth_pass *****"
    assert masked("key 1 abcdef") == "key * ******"
    assert masked("keyword 1") == "keyword 1"


def test_config_test_writes_to_its_file(bad: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert config_test(Options(config_file=bad, config_test_file=str(log))) == 5
    assert config_test(Options(config_file=bad, config_test_file=str(log))) == 5
    assert log.read_text() == f"({bad}: Line 2) Unknown keyword 'router_idd'\n" * 2
    assert log.stat().st_mode & 0o777 == 0o600
    assert config_test(Options(config_file=bad, config_test_file="/none/log")) == 1


def test_config_test_says_nothing_that_keepalived_only_logs() -> None:
    result = run(instance_text("no_accept"))
    assert [finding.code for finding in result.findings] == ["firewall-default"]
    assert config_test_lines(result.findings) == []


# --- fmt --------------------------------------------------------------------------------------------------------------

UGLY = """! Configuration
global_defs   {
router_id    x   # comment
notification_email{ a b
 c }
}


vrrp_instance A {
state MASTER
  virtual_ipaddress { 10.0.0.1 }
   @main priority   9
 $X= a \\
     b { \\

 c }
   key "a   b"
   include   x  y
}
"""


def test_fmt_shapes_and_keeps_the_meaning() -> None:
    shaped = format_text(UGLY)
    assert shaped.split("\n")[:8] == [
        "! Configuration",
        "global_defs {",
        "    router_id x  # comment",
        "    notification_email{ a b",
        "        c }",
        "}",
        "",
        "vrrp_instance A {",
    ]
    assert statements(shaped) == statements(UGLY)
    assert format_text(shaped) == shaped


def test_fmt_leaves_definitions_alone() -> None:
    text = "$A=x \\\n      y   z \\\n\n   k $A\n"
    assert format_text(text) == "$A=x \\\n      y   z \\\n\nk $A\n"


def test_fmt_command(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "k.conf"
    path.write_text(UGLY)
    path.chmod(0o640)
    assert config_commands.fmt(["--check", str(path)]) == 1
    assert config_commands.fmt([str(path)]) == 0
    assert capfdbinary.readouterr().out.decode() == f"{path}\n" + format_text(UGLY)
    assert config_commands.fmt(["--write", str(path)]) == 0
    assert path.read_text() == format_text(UGLY)
    assert path.stat().st_mode & 0o777 == 0o640
    assert config_commands.fmt(["--check", str(path)]) == 0
    assert config_commands.fmt(["/none"]) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["k.conf"]


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_has_exactly_the_keywords_of_keepalived() -> None:
    reference = SHARED / "reference" / "keywords.tsv"
    if not reference.exists():
        pytest.skip("the reference is not here")
    with reference.open() as stream:
        wanted = {row["path"] for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)}
    assert {path for path, keyword in paths(ROOT).items() if keyword.since != OURS} == wanted
    assert len(wanted) == 637


def test_every_keyword_says_who_acts_on_it() -> None:
    assert [path for path, keyword in paths(ROOT).items() if not keyword.process] == []


def test_explain() -> None:
    assert explain(ROOT, "vrrp_instance/preempt_delay") == (
        "vrrp_instance/preempt_delay TIMER\n"
        "  values     0..1000 s\n"
        "  default    0\n"
        "  process    vrrp\n"
        "  since      ~1.1.8\n"
    )
    assert explain(ROOT, "nonsense") == ""
    assert explain(ROOT, "advert_int").startswith("vrrp_instance/advert_int TIMER\n")
    assert nearest(ROOT, "advert_it") == ["advert_int"]


def test_explain_command(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.explain(["priority", "line-nul"]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert "vrrp_instance/priority U" in out
    assert "line-nul: the line contains a NUL byte - text before it ignored\n" in out
    assert config_commands.explain(["prority"]) == 1


def test_explain_tells_what_to_do_about_a_word_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert config_commands.explain(["prority", "xyzzy", ""]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "'prority' is no keyword, path or finding; did you mean priority, bfd_priority, vrrp_priority?",
        "'xyzzy' is no keyword, path or finding; `pykeepalived schema --text` lists all keywords",
        "'' is no keyword, path or finding; `pykeepalived schema --text` lists all keywords",
    ]


def test_json_schema() -> None:
    schema = json_schema(ROOT)
    instance = schema["properties"]["vrrp_instance"]["properties"]
    assert instance["priority"]["minimum"] == 1
    assert instance["priority"]["maximum"] == 255
    assert instance["advert_int"] | {} == {
        "type": "number",
        "minimum": 0.01,
        "maximum": 255.0,
        "x-arguments": "TIMER",
        "x-values": "0.01..255 s",
        "x-default": "1",
        "x-process": "vrrp",
        "x-since": "~0.7.1",
        "description": "version 2: whole seconds; version 3: multiples of 10 ms up to 40.95 s",
    }
    assert instance["authentication"]["properties"]["auth_pass"]["writeOnly"]
    assert instance["virtual_ipaddress"]["type"] == "array"
    json.dumps(schema)


def test_json_schema_is_one_and_judges() -> None:
    schema = json_schema(ROOT)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"vrrp_instance": {"interface": "eth0", "virtual_router_id": 51, "priority": 100, "advert_int": 1}}
    assert list(validator.iter_errors(good)) == []
    for keyword, value in (("priority", 256), ("virtual_router_id", "x"), ("prio", 1), ("advert_int", 300)):
        bad = {"vrrp_instance": {**good["vrrp_instance"], keyword: value}}
        assert [error.absolute_path[0] for error in validator.iter_errors(bad)] == ["vrrp_instance"], keyword


def test_schema_command(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.schema([]) == 0
    assert json.loads(capfdbinary.readouterr().out)["title"] == "keepalived.conf"
    assert config_commands.schema(["--text"]) == 0
    assert len(capfdbinary.readouterr().out.splitlines()) == len(paths(ROOT))


def test_completion(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert candidates(ROOT, ["vrrp_instance", "prio"]) == ["priority"]
    assert candidates(ROOT, ["nonsense", "x"]) == []
    assert config_commands.completion([]) == 0
    script = capfdbinary.readouterr().out.decode()
    assert "virtual_router_id" in script
    assert "{{" not in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pykeepalived", "expl"], ["explain"]),
        (["pykeepalived", "explain", "virtual_router"], ["virtual_router_id"]),
        (["pykeepalived", "completion", "f"], ["fish"]),
    ],
)
def test_the_bash_script_completes(
    words: list[str], expected: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert config_commands.completion(["bash"]) == 0
    script = capfdbinary.readouterr().out.decode()
    script += f'COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _pykeepalived; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == expected


def test_the_zsh_script_is_that_of_bash(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.completion(["bash"]) == 0
    bash = capfdbinary.readouterr().out
    assert config_commands.completion(["zsh"]) == 0
    assert capfdbinary.readouterr().out == b"autoload -U +X bashcompinit && bashcompinit\n" + bash


def run_in(shell: str, script: str) -> list[str]:
    """What a script prints in a real shell; passed over where the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    return subprocess.run([shell, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout.split()


def test_zsh_loads_its_script(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.completion(["zsh"]) == 0
    script = "autoload -Uz compinit && compinit -D\n" + capfdbinary.readouterr().out.decode()
    assert run_in("zsh", script + "\necho $_comps[pykeepalived]")[-2:] == ["-F", "_pykeepalived"]


def test_fish_loads_its_script(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.completion(["fish"]) == 0
    script = capfdbinary.readouterr().out.decode() + "\ncomplete -C 'pykeepalived expl'"
    assert run_in("fish", script)[0] == "explain"


def test_the_fish_script_names_everything(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert config_commands.completion(["fish"]) == 0
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert all(line.startswith("complete -c pykeepalived ") for line in lines)
    first, explain = lines[0], next(line for line in lines if "explain'" in line)
    assert "__fish_use_subcommand" in first
    assert " simulate" in first
    assert " virtual_router_id " in explain
    assert "{" not in "".join(lines)


def test_codes_are_collected_from_the_sources() -> None:
    known = codes()
    assert known["line-nul"] == ("the line contains a NUL byte - text before it ignored",)
    assert "unknown keyword {...}" in known["keyword-unknown"]
    assert len(known) > 200
    assert [code for code, messages in known.items() if not messages] == []


def test_the_page_of_findings_has_every_code() -> None:
    page = (DOCS / "findings.md").read_text()
    assert [code for code in codes() if f"`{code}`" not in page] == []
    assert markdown().startswith("# Findings\n")


def test_what_a_terminal_would_obey_is_shown_as_escapes(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "k.conf"
    file.write_bytes(b"\x1b]0;x\x07word\xff 1\n")
    config_commands.check([str(file)])
    assert rb"unknown keyword '\x1b]0;x\x07word\udcff'" in capfdbinary.readouterr().out


def test_a_byte_order_mark_is_named(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file = tmp_path / "k.conf"
    file.write_bytes(b"\xef\xbb\xbfglobal_defs {\n}\n")
    config_commands.check([str(file)])
    out = capfdbinary.readouterr().out
    assert rb"unknown keyword '\ufeffglobal_defs'" in out
    assert b"= the file begins with a byte order mark" in out


def test_fmt_takes_no_longer_for_lines_and_depths_that_nobody_writes() -> None:
    """Lines longer than keepalived reads stay as they are, indentation ends where such lines would begin."""
    line = "{" * 300_000
    assert format_text(f"{line}\n") == f"{line}\n"
    deep = "a {\n" * 20_000
    assert format_text(deep).count("\n") == 20_000
    assert max(map(len, format_text(deep).split("\n"))) <= 1022


def test_a_node_cannot_be_compared_with_itself(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        config_commands.check(["--cluster", bad, bad])
    assert f"{bad} is named twice" in capsys.readouterr().err
