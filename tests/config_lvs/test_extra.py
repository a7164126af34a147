"""Checkers and words that keepalived does not have: values, limits, faults, and the hint that they are ours."""

from __future__ import annotations

import pytest

from pykeepalived.config.describe import explain, json_schema, paths
from pykeepalived.config.findings import EXIT_ERRORS, EXIT_OK, Severity
from pykeepalived.config.model.ipvs import HttpCheck, TcpCheck
from pykeepalived.config.schema.base import OURS
from pykeepalived.config.schema.root import ROOT
from tests.config_lvs.loading import checker, errors, finding, notes, real, the_checker

PREFIX = "virtual_server/real_server"


@pytest.mark.keyword(f"{PREFIX}/TCP_CHECK/send")
@pytest.mark.keyword(f"{PREFIX}/TCP_CHECK/expect")
def test_tcp_send_and_expect() -> None:
    result = checker("TCP_CHECK", 'send "PING\\r\\n\\xff"\nexpect +PONG\n')
    assert (errors(result), notes(result), result.exit_status) == ([], ["keyword-ours"] * 2, EXIT_OK)
    found = the_checker(result)
    assert isinstance(found, TcpCheck)
    assert (found.send, found.expect) == (b"PING\r\n\xff", b"+PONG")


@pytest.mark.parametrize("words", ["send", "send a b", 'send ""', "expect", "expect \\0"])
def test_tcp_faults(words: str) -> None:
    result = checker("TCP_CHECK", words)
    assert (errors(result), result.exit_status) == (["string-invalid"], EXIT_ERRORS)
    found = the_checker(result)
    assert isinstance(found, TcpCheck)
    assert (found.send, found.expect) == (b"", b"")


URL = "url {\npath /\n}\n"


@pytest.mark.keyword(f"{PREFIX}/SSL_GET/cert_min_days")
def test_cert_min_days() -> None:
    result = checker("SSL_GET", URL + "cert_min_days 30\n")
    assert (errors(result), notes(result), result.exit_status) == ([], ["keyword-ours"], EXIT_OK)
    found = the_checker(result)
    assert isinstance(found, HttpCheck)
    assert found.cert_min_days == 30
    assert errors(checker("SSL_GET", URL + "cert_min_days 99999\n")) == ["number-range"]
    assert errors(checker("HTTP_GET", URL + "cert_min_days 1\n")) == ["keyword-unknown"]


def test_the_hint_comes_once() -> None:
    result = real("TCP_CHECK {\nsend a\n}\nTCP_CHECK {\nsend b\n}\n")
    hint = finding(result, "keyword-ours")
    assert (hint.severity, hint.message) == (Severity.HINT, "keepalived does not know send")


def test_our_words_are_marked_as_ours() -> None:
    ours = [path for path, keyword in paths(ROOT).items() if keyword.since == OURS]
    assert f"{PREFIX}/TCP_CHECK/send" in ours
    for path in ours:
        assert "since      pykeepalived\n" in explain(ROOT, path)
    schema = json_schema(ROOT)
    for name in ("virtual_server", "real_server", "TCP_CHECK", "send"):
        schema = schema["properties"][name]
    assert schema["x-since"] == OURS
