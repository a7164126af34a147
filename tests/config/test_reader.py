"""Structure: unknown keywords, braces, blocks, value blocks, repetition, skipped blocks; exit classes of each."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import FindingClass
from tests.config.support import codes, config, counted, instance_text, noted, run


def test_a_clean_file_says_nothing() -> None:
    result = run("global_defs {\n router_id x\n}\n" + instance_text(""))
    assert result.exit_status == 0
    assert result.findings == ()
    assert result.config is not None
    assert result.config.wants_vrrp
    assert not result.config.wants_checker


def test_unknown_keyword_has_place_and_suggestion() -> None:
    result = run(instance_text(" virtul_router_id 3"))
    (finding,) = counted(result)
    assert finding.code == "keyword-unknown"
    assert (finding.at.line, finding.at.column, finding.at.length) == (4, 2, 16)  # type: ignore[union-attr]
    assert finding.suggestion == "did you mean 'virtual_router_id'?"
    assert finding.upstream == "Unknown keyword 'virtul_router_id'"
    assert result.exit_status == 5


def test_keyword_of_another_block_says_where_it_belongs() -> None:
    (finding,) = counted(run("auth_pass x\n"))
    assert finding.suggestion == "it belongs into vrrp_instance > authentication"
    (finding,) = counted(run("global_defs {\n net_namespace x\n}\n"))
    assert finding.suggestion == "it stands outside of all blocks"


def test_unknown_block_closes_the_enclosing_one() -> None:
    text = "vrrp_instance A {\n foo {\n bar\n }\n priority 9\n}\n"
    result = run(text + instance_text("", name="B"))
    assert codes(result) == [
        "keyword-unknown",
        "brace-unexpected-open",
        "keyword-unknown",
        "keyword-unknown",
        "brace-extra-close",
        "vrid-missing",
    ]
    assert result.exit_status == 5


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("}\n", "brace-extra-close", FindingClass.UNEXPECTED_CLOSE),
        ("{\n", "brace-unexpected-open", FindingClass.UNEXPECTED_OPEN),
        ("global_defs\nrouter_id x\n}\n", "brace-missing-open", FindingClass.MISSING_OPEN),
        ("global_defs {\nrouter_id x\n", "brace-missing-close", FindingClass.MISSING_CLOSE),
        ("global_defs {\n router_id x {\n}\n", "brace-unexpected-open", FindingClass.UNEXPECTED_OPEN),
    ],
)
def test_brace_faults(text: str, code: str, kind: FindingClass) -> None:
    result = run(text)
    assert (code, kind) in [(finding.code, finding.kind) for finding in counted(result)]
    assert result.exit_status == 5


def test_block_without_brace_is_read_as_if_it_had_one() -> None:
    assert config("global_defs\nrouter_id x\n}\n").globals.router_id == "x"


def test_an_unfinished_instance_exists() -> None:
    result = run(instance_text("")[:-2])
    assert result.exit_status == 5
    assert [instance.name for instance in config(instance_text("")[:-2]).vrrp_instances] == ["A"]


def test_global_defs_count_wherever_they_stand() -> None:
    loaded = config(instance_text("") + "global_defs {\n vrrp_version 3\n}\nglobal_defs {\n vrrp_strict\n}\n")
    assert (loaded.vrrp_instances[0].version, loaded.vrrp_instances[0].strict_mode) == (3, True)


def test_last_of_a_repeated_keyword_counts() -> None:
    assert config(instance_text(" priority 7\n priority 8")).vrrp_instances[0].priority == 8


def test_value_blocks_add_up() -> None:
    text = "global_defs {\n notification_email { a b\n c\n }\n notification_email { d }\n}\n"
    assert config(text).globals.smtp.recipients == ("a", "b", "c", "d")


def test_empty_value_block() -> None:
    assert codes(run("global_defs {\n notification_email {\n }\n}\n")) == ["block-empty"]


def test_words_before_the_brace_of_a_value_block() -> None:
    result = run("global_defs {\n notification_email x {\n a\n }\n}\n")
    assert codes(result) == ["words-extra"]
    assert config("global_defs {\n notification_email x {\n a\n }\n}\n").globals.smtp.recipients == ("a",)


def test_brace_in_a_value_block_is_an_entry() -> None:
    text = "global_defs {\n notification_email {\n a {\n b\n }\n}\n"
    assert config(text).globals.smtp.recipients == ("a", "{", "b")


@pytest.mark.parametrize("loop", ["", "~LST(I, 1, 2) "])
def test_a_brace_among_entries_hides_what_follows_from_the_other_processes(loop: str) -> None:
    inner = f" {loop}notification_email {{\n a\n }}\n" if loop else " notification_email {\n a {\n }\n"
    result = run(f"global_defs {{\n{inner}}}\n" + instance_text(""))
    assert codes(result) == ["brace-missing-close"]
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.vrrp_instances == ()


def test_a_skipped_block_must_be_closed_too() -> None:
    assert codes(run("vrrp_instance {\n foo {\n}\n")) == ["brace-missing-close", "name-missing"]
    assert codes(run("vrrp_instance {\n foo {\n}\n}\n")) == ["name-missing"]


@pytest.mark.parametrize("header", ["vrrp_instance", "vrrp_instance a b", "vrrp_sync_group", "track_group x y"])
def test_bad_headers_skip_the_block(header: str) -> None:
    result = run(f"{header} {{\n foo {{\n bar\n }}\n}}\nglobal_defs {{\n router_id z\n}}\n")
    assert codes(result) == ["name-missing"]


@pytest.mark.keyword("vrrp_instance")
def test_a_second_instance_of_a_name_is_skipped() -> None:
    text = instance_text(" priority 7") + instance_text(" priority 8\n nonsense")
    result = run(text)
    assert codes(result) == ["name-repeated"]
    assert config(text).vrrp_instances[0].priority == 7


def test_missing_word_is_status_2_whatever_else_is_wrong() -> None:
    result = run("global_defs {\n process_name\n nonsense\n}\n")
    assert result.exit_status == 2
    assert result.config is None
    assert codes(result) == ["word-missing", "keyword-unknown"]
    assert counted(result)[0].upstream == (
        "*** Configuration line starting `process_name` is missing a parameter"
        " after keyword `process_name` at word position 2"
    )


def test_extra_words_are_ignored() -> None:
    assert run("global_defs {\n router_id a b c\n lvs_flush yes please\n}\n").exit_status == 0


def test_main_file_missing() -> None:
    from pykeepalived.config.load import LoadOptions, load
    from tests.config.support import ENVIRONMENT, MemoryFiles

    files = MemoryFiles({})
    assert load("/no", ENVIRONMENT, LoadOptions(files=files, config_test=True)).exit_status == 0
    assert load("/no", ENVIRONMENT, LoadOptions(files=files)).exit_status == 6


def test_several_main_files_are_all_read() -> None:
    from pykeepalived.config.load import LoadOptions, load
    from tests.config.support import ENVIRONMENT, MemoryFiles

    files = MemoryFiles({"/a.conf": "$X=1\n", "/b.conf": "global_defs {\n router_id r${X}\n}\n"})
    result = load("/*.conf", ENVIRONMENT, LoadOptions(files=files, config_test=True))
    assert result.exit_status == 5
    assert result.config is not None
    assert result.config.globals.router_id == "r1"


def test_include_check_violation_is_status_6() -> None:
    result = run("include missing.conf\n", all_config=True)
    assert result.exit_status == 6
    assert result.config is None
    assert run("include missing.conf\n").exit_status == 0


def test_lenient_numbers_in_the_daemon() -> None:
    text = "global_defs {\n vrrp_garp_master_delay 7x\n}\n"
    assert config(text, config_test=False).globals.vrrp_defaults.garp.master_delay_s == 7
    assert config(text).globals.vrrp_defaults.garp.master_delay_s == 5


def test_secrets_are_not_shown() -> None:
    result = run(instance_text(" authentication {\n  auth_type PASS\n  auth_pass verysecretword\n }"))
    assert codes(result) == ["password-long"]
    assert "verysecret" not in repr(result.config)
    assert "verysecret" not in repr([finding.message for finding in result.findings])


def test_net_namespace_that_cannot_be_entered_ends_with_0() -> None:
    result = run("net_namespace gone\nnonsense\n")
    assert result.exit_status == 0
    assert "namespace-unknown" in noted(result)
    assert result.config is None


SERVER = "virtual_server 10.1.1.%d 80 {\n protocol TCP\n real_server 10.2.0.1 80 {\n }\n}\n"


def test_a_missing_brace_hides_what_follows_from_the_other_processes() -> None:
    broken = instance_text("")[:-2]
    result = run(broken + SERVER % 1 + SERVER % 2)
    assert result.exit_status == 5
    assert result.config is not None
    assert [instance.name for instance in result.config.vrrp_instances] == ["A"]
    assert result.config.virtual_servers == ()


def test_an_unknown_block_does_not_hide_anything_from_them() -> None:
    result = run("vrrp_instance A {\n foo {\n }\n}\n" + SERVER % 1)
    assert result.config is not None
    assert len(result.config.virtual_servers) == 1
    assert run(SERVER % 1 + "}\n" + SERVER % 2).config.virtual_servers[1].port == 80  # type: ignore[union-attr]


def test_a_damaged_file_is_reported_once() -> None:
    result = run("nonsense {\n}\n" + instance_text(" priority x"))
    assert codes(result).count("number-invalid") == 1
    assert codes(result).count("keyword-unknown") == 1
