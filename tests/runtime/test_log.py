"""Where lines go and in which form; that a stuck reader costs lines, never time."""

from __future__ import annotations

import os
import re
import select
import socket
import stat
from pathlib import Path

import pytest

from pykeepalived.observe.cause import LogLine, Priority
from pykeepalived.runtime.log import (
    ConsoleSink,
    FileSink,
    JournalSink,
    Log,
    LogOptions,
    SyslogSink,
    ident_for,
    log_file_name,
    open_log,
)


class ListSink:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.open = True

    def emit(self, line: LogLine) -> bool:
        if self.open:
            self.lines.append(line)
        return self.open

    def close(self) -> None:
        pass


@pytest.fixture
def daemon_socket(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(5)
        yield sock, str(tmp_path / "log")


def test_identifiers_carry_namespace_then_instance():
    assert ident_for("Keepalived_vrrp") == "Keepalived_vrrp"
    assert ident_for("Keepalived_vrrp", "ns1", "a") == "Keepalived_vrrp_ns1_a"
    assert ident_for("Keepalived", instance="a") == "Keepalived_a"


def test_log_file_names_of_the_children():
    assert log_file_name("/tmp/keepalived.log") == "/tmp/keepalived.log"
    assert log_file_name("/tmp/keepalived.log", "vrrp") == "/tmp/keepalived_vrrp.log"
    assert log_file_name("/tmp/k.d/x", "check", "ns", "i") == "/tmp/k.d/x_check_ns_i"


def test_detail_decides_what_is_written():
    sink = ListSink()
    log = Log([sink], detail=1)
    log.info("always")
    log.info("with -D", detail=1)
    log.info("with -D -D", detail=2)
    assert [line.text for line in sink.lines] == ["always", "with -D"]


def test_syslog_datagrams_have_the_classic_form(daemon_socket):
    sock, path = daemon_socket
    sink = SyslogSink("Keepalived_vrrp", 16, path)
    assert sink.emit(LogLine("(VI_1) Entering MASTER STATE", Priority.INFO))
    text = sock.recv(1000).decode()
    pattern = r"<134>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d Keepalived_vrrp\[(\d+)\]: \(VI_1\) Entering MASTER STATE"
    match = re.fullmatch(pattern, text)
    assert match and int(match[1]) == os.getpid()
    sink.close()


def test_journal_datagrams_carry_fields_and_newlines(daemon_socket):
    sock, path = daemon_socket
    sink = JournalSink("Keepalived_vrrp", 3, path)
    assert sink.emit(LogLine("one\ntwo", Priority.ALERT, fields={"INSTANCE": "VI_1"}))
    data = sock.recv(10_000)
    assert data.startswith(b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n")
    assert b"\nPRIORITY=1\n" in data
    assert b"\nSYSLOG_IDENTIFIER=Keepalived_vrrp\n" in data
    assert b"\nSYSLOG_FACILITY=3\n" in data
    assert b"\nSYSLOG_PID=%d\n" % os.getpid() in data
    assert data.endswith(b"\nPYKEEPALIVED_INSTANCE=VI_1\n")
    sink.close()


def test_a_stalled_log_daemon_costs_lines_and_they_are_counted(daemon_socket):
    sock, path = daemon_socket
    log = Log([JournalSink("Keepalived", 3, path)])
    for number in range(5000):
        log.info(f"line {number}")
    lost = log.dropped
    assert lost > 0
    received = 0
    sock.setblocking(False)
    while select.select([sock], [], [], 0)[0]:
        sock.recv(1000)
        received += 1
    assert received + lost == 5000
    log.info("after")
    assert b"%d log lines were lost" % lost in sock.recv(1000)
    assert b"MESSAGE=after\n" in sock.recv(1000)
    assert log.dropped == lost
    log.close()


def test_the_console_has_local_time_before_the_text():
    read_end, write_end = os.pipe()
    assert ConsoleSink(write_end).emit(LogLine("text"))
    line = os.read(read_end, 1000).decode()
    assert re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}: text\n", line)
    os.close(read_end)
    os.close(write_end)


def test_a_console_nobody_reads_does_not_block():
    read_end, write_end = os.pipe()
    sink = ConsoleSink(write_end)
    taken = 0
    while sink.emit(LogLine("x" * 1000)):
        taken += 1
        assert taken < 1000
    assert taken >= 10
    os.read(read_end, 65536)
    assert sink.emit(LogLine("again"))
    os.close(read_end)
    assert not sink.emit(LogLine("nobody"))
    os.close(write_end)


def test_log_files_are_appended_private_and_have_nanoseconds(tmp_path):
    path = str(tmp_path / "k.log")
    for text in ("one", "two"):
        sink = FileSink(path)
        assert sink.emit(LogLine(text))
        sink.close()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    lines = (tmp_path / "k.log").read_text().splitlines()
    pattern = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{9} \d{4}: (one|two)"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["one", "two"]


def test_internal_errors_are_told_with_their_place_and_with_more_detail_the_way_to_it():
    def stumble():
        raise KeyError("missing")

    texts = []
    for detail in (0, 1):
        sink = ListSink()
        try:
            stumble()
        except KeyError as error:
            Log([sink], detail).internal_error(error, " in somebody")
        texts.append([line.text for line in sink.lines])
    place = f"{Path(__file__).name}:{stumble.__code__.co_firstlineno + 1}"
    assert texts[0] == [f"Internal error in somebody at {place}: KeyError: 'missing'"]
    assert texts[1][0] == texts[0][0]
    assert texts[1][-1] == "KeyError: 'missing'"


def test_a_fifo_in_place_of_a_log_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="No such device or address"):
        FileSink(str(tmp_path / "fifo"))


def test_log_files_are_never_followed_through_links(tmp_path):
    (tmp_path / "k.log").symlink_to(tmp_path / "target")
    log = open_log(LogOptions(syslog=False, file=str(tmp_path / "k.log")))
    log.info("text")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("options", "sinks"),
    [
        (LogOptions(syslog=False), []),
        (LogOptions(syslog=False, console=True), []),
        (LogOptions(syslog=False, console=True, foreground=True), ["ConsoleSink"]),
        (LogOptions(console=True, foreground=True), ["SyslogSink", "ConsoleSink"]),
        (LogOptions(foreground=True), ["SyslogSink"]),
        (LogOptions(), ["SyslogSink"]),
    ],
)
def test_options_choose_the_sinks(daemon_socket, options, sinks):
    _, path = daemon_socket
    log = open_log(options, sockets={"journal": "/nonexistent", "syslog": path})
    assert [type(sink).__name__ for sink in log._sinks] == sinks
    log.close()


def test_the_journal_comes_before_syslog(daemon_socket):
    _, path = daemon_socket
    log = open_log(LogOptions(), sockets={"journal": path, "syslog": path})
    assert [type(sink).__name__ for sink in log._sinks] == ["JournalSink"]
    log.close()


def test_in_the_foreground_without_any_log_daemon_lines_go_to_standard_error():
    nowhere = {"journal": "/nonexistent", "syslog": "/nonexistent"}
    foreground = open_log(LogOptions(foreground=True), sockets=nowhere)
    assert [type(sink).__name__ for sink in foreground._sinks] == ["ConsoleSink"]
    assert not open_log(LogOptions(), sockets=nowhere)._sinks
