"""What the parent makes of a reading: a configuration or a refusal, log lines, saved copies."""

from __future__ import annotations

import stat

import pytest

from pykeepalived.config.findings import Finding, FindingClass
from pykeepalived.config.load import LoadResult
from pykeepalived.config.model import Config
from pykeepalived.config.model.values import Span
from pykeepalived.parent.copies import SavingLoader
from pykeepalived.parent.loading import judge, make_loader
from pykeepalived.parent.options import Options


def test_errors_do_not_keep_a_configuration_from_running():
    finding = Finding("unknown-keyword", "Unknown keyword 'x'", Span("k.conf", 3), kind=FindingClass.UNKNOWN_KEYWORD)
    loaded = judge(LoadResult(config=Config(), findings=(finding,), files=("k.conf",), exit_status=5))
    assert loaded.config == Config()
    assert loaded.check_status == 5
    assert loaded.messages == ("(k.conf: Line 3) Unknown keyword 'x'",)
    assert [(line.text, line.detail) for line in loaded.lines] == [
        ("Configuration file k.conf", 0),
        ("Opening file 'k.conf'.", 1),
        ("(k.conf: Line 3) Unknown keyword 'x'", 0),
    ]
    assert loaded.lines[-1].fields == {"CODE": "unknown-keyword", "CONFIG_FILE": "k.conf", "CONFIG_LINE": "3"}


def test_the_log_names_what_makes_a_script_insecure():
    words = {
        "at": Span("k.conf", 3),
        "kind": FindingClass.NONE,
        "upstream": "Unsafe permissions found for script '/x/y'.",
    }
    finding = Finding("script-check", "notify: ...", suggestion="everybody may write to /x: chmod go-w /x", **words)
    lines = judge(LoadResult(config=Config(), findings=(finding,))).lines
    assert [(line.text, line.detail) for line in lines] == [
        ("Unsafe permissions found for script '/x/y'.", 0),
        ("    everybody may write to /x: chmod go-w /x", 0),
    ]


@pytest.mark.parametrize(
    ("result", "refusal"),
    [
        (LoadResult(config=None, exit_status=6), 6),
        (LoadResult(config=None, exit_status=2), 2),
        (LoadResult(config=Config(), exit_status=5, refused=True), 2),
    ],
)
def test_what_cannot_be_started_has_keepaliveds_exit_status(result, refusal):
    loaded = judge(result)
    assert loaded.config is None
    assert loaded.refusal == refusal


def test_the_file_is_read_afresh_each_time(tmp_path):
    path = tmp_path / "k.conf"
    load = make_loader(Options(config_file=str(path)))
    assert load().refusal == 6
    path.write_text("global_defs {\n router_id one\n}\n")
    assert load().config.globals.router_id == "one"
    path.write_text("global_defs {\n router_id two\n}\n")
    assert load().config.globals.router_id == "two"


@pytest.mark.keyword("net_namespace")
def test_the_command_line_names_the_namespace(tmp_path):
    path = tmp_path / "k.conf"
    path.write_text("net_namespace other\nglobal_defs {\n router_id one\n}\n")
    loaded = make_loader(Options(config_file=str(path), namespace="pkrt-none"))()
    assert loaded.config is None
    assert loaded.refusal == 0
    assert [line.text for line in loaded.lines[-3:]] == [
        "Overriding config net_namespace 'other' with command line namespace 'pkrt-none'",
        "Failed to open /run/netns/pkrt-none",
        "Unable to set network namespace pkrt-none - exiting",
    ]


@pytest.mark.keyword("global_defs/config_save_dir")
def test_copies_of_what_was_read(tmp_path):
    saved = tmp_path / "saved"
    path = tmp_path / "k.conf"
    path.write_text(f"# a comment\nglobal_defs {{\n   router_id one # really\n\n config_save_dir {saved}\n}}\n")
    load = SavingLoader(make_loader(Options(config_file=str(path))))
    load()
    load()
    copies = sorted(saved.iterdir())
    assert [copy.name.rpartition(".")[2] for copy in copies] == ["0", "1"]
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    lines = copies[0].read_text().splitlines()
    assert lines[:3] == [f"# {path}", "global_defs {", "router_id one # really"]
    assert lines[-1] == "!"
