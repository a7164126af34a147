"""The program as a command: personalities, exit statuses, what is printed where, and what is not imported."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading

import pytest

from pykeepalived.cli import main as front
from pykeepalived.cli.genhash import Request, hex_lines, read_arguments, request_text, split_answer
from pykeepalived.cli.version import version_text
from pykeepalived.parent.process import wrap_command_line

RUN = [sys.executable, "-m", "pykeepalived"]


def run(*words, **more):
    return subprocess.run([*RUN, *words], capture_output=True, text=True, timeout=120, check=False, **more)


def test_version_goes_to_standard_error_and_can_be_parsed():
    result = run("-v")
    assert (result.returncode, result.stdout) == (0, "")
    paragraphs = result.stderr.split("\n\n")
    assert paragraphs[0].startswith("Keepalived v2.4.3 (")
    assert [paragraph.split()[0] for paragraph in paragraphs[1:]] == [
        *("Copyright(C)", "Built", "configure", "Config", "System"),
    ]
    assert "Config options:  NFTABLES LVS REGEX VRRP " in result.stderr


def test_distribution_line(tmp_path):
    path = tmp_path / "os-release"
    path.write_text('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    assert "Distro: Debian GNU/Linux 12 (bookworm)\n" in version_text(str(path))
    assert "Distro:" not in version_text(str(tmp_path / "none"))


def test_help_signum_and_errors():
    result = run("--help")
    assert (result.returncode, result.stdout) == (0, "")
    assert "--use-file=FILE" in result.stderr
    result = run("--signum=JSON")
    assert (result.returncode, result.stdout, result.stderr) == (0, "36\n", "")
    result = run("--bogus", "x")
    assert (result.returncode, result.stdout) == (1, "Unexpected argument(s): x \n")
    assert result.stderr == "Unknown option --bogus\n"


def test_a_missing_configuration_file_is_status_6(tmp_path):
    result = run("-n", "-l", "-G", "-f", str(tmp_path / "none"), "-p", str(tmp_path / "p"))
    assert result.returncode == 6
    assert f"Config files missing '{tmp_path}/none'." in result.stderr


@pytest.mark.parametrize(("words", "status"), [((), 0), (("-e",), 4)])
def test_a_config_test_without_a_file_fails_only_where_files_are_checked(tmp_path, words, status):
    result = run("-t", *words, "-f", str(tmp_path / "none.conf"))
    assert (result.returncode, result.stderr) == (status, f"Config files missing '{tmp_path}/none.conf'.\n")


def test_a_small_config_test_is_quiet_and_0(tmp_path):
    path = tmp_path / "k.conf"
    path.write_text("global_defs {\n router_id x\n}\n")
    result = run("-t", "-f", str(path))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_subcommands_are_only_ours(monkeypatch):
    seen = []
    monkeypatch.setitem(front.SUBCOMMANDS, "status", (lambda argv: seen.append(list(argv)) or 7, ""))
    monkeypatch.setattr(front, "_keepalived", lambda argv, program, own_process: seen.append(program) or 0)
    assert front.main(["/usr/bin/pykeepalived", "status", "--json"]) == 7
    assert front.main(["/usr/sbin/keepalived", "status"]) == 0
    assert front.main(["/usr/bin/pykeepalived", "-n", "status"]) == 0
    assert front.main(["pykeepalived"]) == 0
    assert seen == [["--json"], "keepalived", "pykeepalived", "pykeepalived"]


def test_a_mistyped_command_starts_no_daemon(monkeypatch, capsys):
    monkeypatch.setattr(front, "_keepalived", lambda argv, program, own_process: pytest.fail("started"))
    assert front.main(["pykeepalived", "stauts"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("pykeepalived: no command 'stauts'; there are\n")
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(front.SUBCOMMANDS)


@pytest.mark.parametrize("words", [("-v",), ("-t", "-f", "/dev/null"), ("--signum=STOP",)])
def test_what_starts_fast_imports_little(words):
    heavy = ("pyroute2", "scapy", "systemd", "asyncio", "dbus_fast", "pykeepalived.vrrp", "pykeepalived.parent.daemon")
    code = (
        "import sys\nfrom pykeepalived.cli.main import main\n"
        f"main({['pykeepalived', *words]!r})\n"
        f"bad = [name for name in {heavy!r} if name in sys.modules]\n"
        "print('imported:', bad)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.endswith("imported: []\n"), result.stdout + result.stderr


def test_the_daemon_does_not_import_what_it_does_not_use():
    heavy = ("scapy", "asyncio", "dbus_fast", "systemd.journal", "ssl", "pyroute2.iproute")
    code = (
        "import sys, pykeepalived.cli.daemon, pykeepalived.vrrp.process, pykeepalived.bfd.process\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == "[]\n", result.stdout + result.stderr


def test_the_command_line_is_told_in_lines_of_a_hundred_columns():
    assert wrap_command_line(("keepalived", "-n", "a b")) == ("Command line: 'keepalived' '-n' 'a b'",)
    lines = wrap_command_line(("keepalived", *["x" * 30] * 6))
    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert lines[1].startswith(" " * 14 + "'x")
    assert wrap_command_line(("y" * 300,)) == (f"Command line: '{'y' * 300}'",)


# genhash


@pytest.fixture
def web():
    """A server that answers every request with the same bytes and records what it was asked."""
    answers, asked = [b""], []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                asked.append(client.recv(65536))
                client.sendall(answers[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], answers, asked
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(60)


def test_genhash_prints_the_digest_of_the_body_within_its_length(web):
    port, answers, asked = web
    answers[0] = b"HTTP/1.0 404 Not Found\r\nContent-Length: 6\r\n\r\nhello\nEXTRA"
    result = run("--genhash", "-s", "127.0.0.1", "-p", str(port), "-u", "/x")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{hashlib.md5(b'hello' + bytes([10])).hexdigest()}\n"
    expected = f"GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    assert asked == [expected.encode()]


def test_genhash_without_length_hashes_to_the_end_with_chunks_as_they_are(web):
    port, answers, _ = web
    answers[0] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    result = run("-T", "-s", "127.0.0.1", "-p", str(port), "-u", "/", "-P", "1.1")
    assert (
        result.stdout
        == f"{hashlib.md5(b'2' + bytes([13, 10]) + b'ab' + bytes([13, 10]) + b'0' + bytes([13, 10]) * 2).hexdigest()}\n"
    )


def test_genhash_failures():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        result = run("-T", "-s", "127.0.0.1", "-p", port, "-u", "/")
    assert (result.returncode, result.stdout) == (0, "Connection failed\n")
    result = run("-T", "-s", "localhost", "-p", "80", "-u", "/")
    assert result.returncode == 1
    assert result.stderr.startswith("server should be an IP, not localhost\nUsage: genhash")
    assert run("-T", "-p", "80").returncode == 1
    assert run("-T", "-h").returncode == 1


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("-p", "http", "port should be a number from 1 to 65535, not http"),
        ("-p", "65536", "port should be a number from 1 to 65535, not 65536"),
        ("-m", "-1", "fwmark should be a number from 0 to 4294967295, not -1"),
        ("-t", "nan", "timeout should be seconds, more than 0 and at most 86400, not nan"),
        ("-t", "inf", "timeout should be seconds, more than 0 and at most 86400, not inf"),
        ("-t", "0", "timeout should be seconds, more than 0 and at most 86400, not 0"),
    ],
)
def test_genhash_names_the_number_that_is_wrong(option, value, said):
    with pytest.raises(ValueError) as raised:
        read_arguments(["-s", "127.0.0.1", "-p", "80", "-u", "/", option, value])
    assert str(raised.value) == said


def test_genhash_of_an_empty_answer(web):
    port, _, _ = web
    result = run("-T", "-s", "127.0.0.1", "-p", str(port), "-u", "/")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "no data received from remote webserver\n"


def test_genhash_as_a_program_name(web, tmp_path):
    port, answers, _ = web
    answers[0] = b"HTTP/1.0 200 OK\r\n\r\nx"
    program = tmp_path / "genhash"
    program.write_text(f"#!{sys.executable}\nfrom pykeepalived.cli.main import main\nraise SystemExit(main())\n")
    os.chmod(program, 0o755)
    result = subprocess.run(
        [str(program), "-v", "-s", "127.0.0.1", "-p", str(port), "-u", "/"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "-----------------------[    HTTP Header Buffer    ]-----------------------"
    assert hashlib.md5(b"x").hexdigest() in lines
    assert lines[-1].startswith("Global response time for [/] = ")


def test_genhash_requests():
    def text(**more):
        return request_text(Request(server="192.0.2.1", port=80, url="/u", **more)).decode()

    assert text() == "GET /u HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 192.0.2.1\r\n\r\n"
    assert text(virtualhost="v").endswith("\r\nHost: v\r\n\r\n")
    assert text(tls=True).endswith("Host: 192.0.2.1:80\r\n\r\n")
    assert "HTTP/1.0\r\n" in text(protocol="1.0c")
    assert "Connection: close\r\n" in text(protocol="1.0c")
    assert text(protocol="1.1").startswith("GET /u HTTP/1.1\r\n")
    assert "Host: [2001:db8::1]\r\n" in request_text(Request(server="2001:db8::1", port=80, url="/")).decode()


@pytest.mark.parametrize(
    "words",
    ["-s 1.2.3.4 -p x -u /", "-s 1.2.3.4 -p 0 -u /", "-s 1.2.3.4 -p 1 -u / -P 2", "-s 1.2.3.4 -p 1 -u / -t 0", "-Z"],
)
def test_genhash_arguments_that_are_refused(words):
    with pytest.raises(ValueError):
        read_arguments(words.split())


def test_genhash_dump_lines():
    assert list(hex_lines(bytes(range(17)))) == [
        "0000  00 01 02 03 04 05 06 07 - 08 09 0a 0b 0c 0d 0e 0f   ................",
        "0016  10                      -                           .               ",
    ]
    assert split_answer(b"A: b\r\nContent-Length: 1\r\n\r\nxyz") == (b"A: b\r\nContent-Length: 1\r\n\r\n", b"x")


@pytest.mark.parametrize(("words", "status"), [(["-v"], 0), (["-t", "-f", "/nonexistent"], 0), (["-x", "--nosuch"], 1)])
def test_closed_descriptors_change_nothing(words: list[str], status: int):
    program = [sys.executable, "-m", "pykeepalived", *words]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *program]
    assert subprocess.run(program, capture_output=True, check=False).returncode == status
    assert subprocess.run(closing, check=False).returncode == status
