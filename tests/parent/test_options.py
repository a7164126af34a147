"""The command line: getopt_long rules, messages, exit statuses."""

from __future__ import annotations

import pytest

from pykeepalived.cli.options import Action, parse, read_number, usage
from pykeepalived.parent.options import Options


def options(*words: str) -> Options:
    parsed = parse(["keepalived", *words])
    assert parsed.action is Action.RUN, parsed.messages
    assert not parsed.messages
    return parsed.options


def failed(*words: str) -> str:
    parsed = parse(["keepalived", *words])
    assert parsed.action is Action.EXIT
    assert parsed.exit_status == 1
    assert {stream for stream, _ in parsed.messages} == {2}
    return "".join(text for _, text in parsed.messages)


def test_defaults():
    result = options()
    assert (result.run_vrrp, result.run_checker, result.run_bfd, result.run_all) == (True, True, True, False)
    assert result.log_facility == 3
    assert result.umask is None
    assert result.config_file == ""


def test_clusters_and_glued_arguments():
    result = options("-nlDDf/etc/x", "-p/run/a.pid")
    assert (result.dont_fork, result.log_console, result.log_detail) == (True, True, 2)
    assert (result.config_file, result.pid_file) == ("/etc/x", "/run/a.pid")


@pytest.mark.parametrize(
    "words",
    [
        ("-f", "/x"),
        ("-f/x",),
        ("--use-file", "/x"),
        ("--use-file=/x",),
        ("--use-f=/x",),
        ("--us", "/x"),
        ("--", "-f", "/x")[1:],
    ],
)
def test_ways_to_give_an_argument(words):
    assert options(*words).config_file == "/x"


def test_a_word_that_looks_like_an_option_is_an_argument_where_one_is_due():
    assert options("-f", "-n").config_file == "-n"


def test_an_exact_long_name_wins_over_longer_ones():
    assert options("--vrrp").run_checker is False
    assert options("--check").run_vrrp is False


@pytest.mark.parametrize(
    ("words", "running"),
    [
        (("-P",), (True, False, True)),
        (("-C",), (False, True, True)),
        (("-B",), (True, True, False)),
        (("-P", "-C"), (False, False, True)),
        (("-P", "--all"), (True, True, True)),
        (("--all", "-P"), (True, False, True)),
    ],
)
def test_choice_of_children(words, running):
    result = options(*words)
    assert (result.run_vrrp, result.run_checker, result.run_bfd) == running


def test_optional_arguments_are_only_glued():
    parsed = parse(["keepalived", "-t", "FILE"])
    assert parsed.options.config_test
    assert parsed.options.config_test_file == ""
    assert parsed.messages == [(1, "Unexpected argument(s): FILE \n")]
    assert options("-tFILE").config_test_file == "FILE"
    assert options("-tDl").config_test_file == "Dl"
    assert options("--config-test=FILE").config_test_file == "FILE"
    assert options("-g").log_file == ""
    assert options("-gFILE").log_file == "FILE"
    assert options("-M").core_dump_pattern == "core"
    assert options("--core-dump-pattern=%p").core_dump_pattern == "%p"


def test_a_config_test_stays_in_the_foreground_quietly():
    result = options("-t")
    assert (result.dont_respawn, result.dont_fork, result.no_syslog) == (True, True, True)


def test_stray_words_are_reported_on_stdout_and_ignored():
    parsed = parse(["keepalived", "a", "-n", "b", "--", "-l"])
    assert parsed.action is Action.RUN
    assert parsed.options.dont_fork
    assert not parsed.options.log_console
    assert parsed.messages == [(1, "Unexpected argument(s): a b -l \n")]


def test_unknown_and_missing():
    assert failed("-Z") == "Unknown option -Z\n"
    assert failed("--bogus") == "Unknown option --bogus\n"
    assert failed("--log") == "Unknown option --log\n"
    assert failed("--vrrp=1") == "Unknown option --vrrp=1\n"
    assert failed("-f") == "Missing parameter for option -f\n"
    assert failed("--use-file") == "Missing parameter for option --use-file\n"
    assert failed("--use-file=") == "Missing parameter for option --use-file\n"


def test_parsing_goes_on_to_the_end_after_an_error():
    assert failed("-Z", "--bogus", "-nY") == "Unknown option -Z\nUnknown option --bogus\nUnknown option -Y\n"


@pytest.mark.parametrize(
    ("word", "action"), [("-v", Action.VERSION), ("-h", Action.HELP), ("--version", Action.VERSION)]
)
def test_version_and_help_end_the_parsing_where_they_stand(word, action):
    parsed = parse(["keepalived", "-Z", word, "--bogus"])
    assert parsed.action is action
    assert parsed.messages == [(2, "Unknown option -Z\n")]


@pytest.mark.parametrize(
    ("name", "number"),
    [("STOP", 15), ("RELOAD", 1), ("DATA", 10), ("STATS", 12), ("STATS_CLEAR", 63), ("JSON", 36)],
)
def test_signal_numbers(name, number):
    parsed = parse(["keepalived", f"--signum={name}"])
    assert (parsed.action, parsed.exit_status) == (Action.EXIT, 0)
    assert parsed.messages == [(1, f"{number}\n")]


@pytest.mark.parametrize("name", ["stop", "TDUMP", "x"])
def test_unknown_signals(name):
    assert failed("--signum", name) == f"Unknown sigfunc {name}\n"


@pytest.mark.parametrize(("word", "facility"), [("0", 16), ("7", 23), ("local3", 19), ("user", 1), ("daemon", 3)])
def test_log_facilities(word, facility):
    assert options("-S", word).log_facility == facility


@pytest.mark.parametrize("word", ["8", "mail", "local8", "LOCAL0"])
def test_a_bad_facility_is_told_and_ignored(word):
    parsed = parse(["keepalived", "-S", word])
    assert parsed.action is Action.RUN
    assert parsed.options.log_facility == 3
    assert parsed.messages == [(2, f"Invalid log facility '{word}'\n")]


@pytest.mark.parametrize(("word", "mask"), [("022", 0o22), ("0x12", 0x12), ("18", 18), ("0", 0), ("0777", 0o777)])
def test_umask_in_c_notation(word, mask):
    assert options("-u", word).umask == mask


@pytest.mark.parametrize("word", ["01000", "8x", "09", "-1", "u=rw"])
def test_a_bad_umask_is_told_without_line_end_and_ignored(word):
    parsed = parse(["keepalived", f"--umask={word}"])
    assert parsed.options.umask is None
    assert parsed.messages == [(2, f"Invalid --umask option {word}\n")]


def test_genhash_takes_the_rest():
    parsed = parse(["keepalived", "--genhash", "-s", "127.0.0.1"])
    assert (parsed.action, parsed.rest, parsed.messages) == (Action.GENHASH, ("-s", "127.0.0.1"), [])
    parsed = parse(["keepalived", "-n", "-T", "-s", "x"])
    assert parsed.rest == ("-s", "x")
    assert parsed.messages == [(2, "Warning -- `-T` not used as first option, previous options ignored\n")]


def test_every_documented_option_is_known():
    words = (
        "-l -D -G -X -V -I -R -n -d -a -x -m -e --flush-log-file --ignore-sigint --no_bfd --dump-conf "
        "--address-monitoring --dont-release-vrrp --dont-release-ipvs --release-vips --dont-respawn"
    )
    result = options(*words.split())
    assert all(
        (
            result.log_console,
            result.no_syslog,
            result.release_vips,
            result.dont_release_vrrp,
            result.dont_release_ipvs,
            result.dont_respawn,
            result.dump_conf,
            result.address_monitoring,
            result.snmp,
            result.core_dump,
            result.include_check,
            result.ignore_sigint,
            result.flush_log_file,
        )
    )
    result = options("-r", "v", "-c", "c", "-b", "b", "-A", "udp:1", "-s", "ns", "-i", "id", "--config-fd=7")
    assert (result.vrrp_pid_file, result.checkers_pid_file, result.bfd_pid_file) == ("v", "c", "b")
    assert (result.snmp_agent_socket, result.namespace, result.config_id, result.config_fd) == ("udp:1", "ns", "id", 7)


def test_numbers_in_c_notation():
    assert [read_number(text) for text in ("0", "010", "0x10", "10")] == [0, 8, 16, 10]
    for text in ("", "1_0", " 1", "0b1", "08"):
        with pytest.raises(ValueError):
            read_number(text)


def test_usage_names_every_option():
    text = usage("keepalived")
    for word in ("-f, --use-file=FILE", "-t, --config-test[=FILE]", "--signum=FUNC", "-P, --vrrp", "    --all"):
        assert word in text
