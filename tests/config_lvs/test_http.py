"""HTTP_GET and SSL_GET: values, limits, faults."""

from __future__ import annotations

import pytest

from pykeepalived.config.findings import EXIT_STOPPED
from pykeepalived.config.model.ipvs import (
    HttpCheck,
)
from tests.config_lvs.loading import (
    checker,
    errors,
    notes,
    the_checker,
)

KINDS = ("HTTP_GET", "SSL_GET")


def web(name: str) -> list[pytest.MarkDecorator]:
    """Marks of a word that both blocks have, but for tls_compliant."""
    kinds = KINDS[1:] if "tls" in name else KINDS
    return [pytest.mark.keyword(f"virtual_server/real_server/{kind}/{name}") for kind in kinds]


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        pytest.param("virtualhost h", "virtualhost", "h", marks=web("virtualhost")),
        pytest.param("http_protocol 1.1", "http_protocol", "1.1", marks=web("http_protocol")),
        ("http_protocol 1.0c", "http_protocol", "1.0C"),
        pytest.param("enable_sni", "sni", True, marks=web("enable_sni")),
        pytest.param("sni_name n", "sni_name", "n", marks=web("sni_name")),
        ("sni_name", "sni", True),
        pytest.param("fast_recovery", "fast_recovery", True, marks=web("fast_recovery")),
        pytest.param("tls_compliant", "tls_compliant", True, marks=web("tls_compliant")),
    ],
)
def test_http_keyword(words: str, attribute: str, value: object) -> None:
    for kind in KINDS[1:] if "tls" in words else KINDS:
        result = checker(kind, words + "\nurl {\npath /\n}\n")
        assert errors(result) == []
        found = the_checker(result)
        assert isinstance(found, HttpCheck)
        assert found.tls == (kind == "SSL_GET")
        assert getattr(found, attribute) == value


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        pytest.param(
            "nb_get_retry 3",
            ["keyword-deprecated"],
            marks=web("nb_get_retry"),
        ),
        ("http_protocol", ["word-absent"]),
        ("http_protocol 3", ["word-unknown"]),
        ("sni_name n\nsni_name", ["sni-name"]),
        ("virtualhost", ["word-absent"]),
        ("virtualhost a\nvirtualhost b", ["keyword-repeated"]),
        ("tls_compliant", ["keyword-unknown"]),
    ],
)
def test_http_faults(words: str, codes: list[str]) -> None:
    for kind in KINDS[:1] if "tls" in words else KINDS:
        result = checker(kind, words + "\nurl {\npath /\n}\n")
        assert errors(result) == codes
        assert the_checker(result).retry == (3 if "retry" in words else 1)


def url(words: str, kind: str = "HTTP_GET") -> object:
    return the_checker(checker(kind, f"url {{\npath /\n{words}\n}}\n")).urls[0]


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        pytest.param("", "status_codes", ((200, 299),), marks=web("url")),
        pytest.param(
            "status_code 200 301-302\nstatus_code 404",
            "status_codes",
            ((200, 200), (301, 302), (404, 404)),
            marks=web("url/status_code"),
        ),
        ("status_code", "status_codes", ((200, 299),)),
        pytest.param(
            "digest 00112233445566778899aabbccddeeff",
            "digest",
            bytes.fromhex("00112233445566778899aabbccddeeff"),
            marks=web("url/digest"),
        ),
        pytest.param("virtualhost u", "virtualhost", "u", marks=web("url/virtualhost")),
        pytest.param("path /b", "path", "/b", marks=web("url/path")),
        pytest.param("tls_compliant", "tls_compliant", True, marks=web("url/tls_compliant")),
    ],
)
def test_url(words: str, attribute: str, value: object) -> None:
    for kind in KINDS[1:] if "tls" in words else KINDS:
        assert getattr(url(words, kind), attribute) == value


def test_tls_compliant_is_inherited() -> None:
    assert (
        the_checker(checker("SSL_GET", "tls_compliant\nurl {\npath /\n}\nurl {\npath /b\ntls_compliant no\n}\n"))
        .urls[1]
        .tls_compliant
        is False
    )


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            marks=[
                pytest.mark.keyword(f"virtual_server/real_server/{kind}/url/regex{suffix}")
                for suffix in ("", "_no_match", "_options", "_min_offset", "_max_offset", "_stack")
            ],
        )
        for kind in KINDS
    ],
)
def test_regex(kind: str) -> None:
    words = 'regex "a b\\\\.c"\nregex_no_match\nregex_options caseless nonsense utf\n'
    words += "regex_min_offset 5\nregex_max_offset 9\nregex_stack 10 20"
    found = url(words, kind).regex
    assert (found.pattern, found.no_match, found.options) == (r"a b\.c", True, ("caseless", "utf"))
    assert (found.min_offset, found.max_offset, found.stack) == (5, 9, (10, 20))


@pytest.mark.parametrize(
    ("words", "codes", "log"),
    [
        ("regex a b", ["regex-words"], []),
        ('regex ""', [], []),
        ("regex a\nregex b", ["keyword-repeated"], []),
        ("regex x\nregex_min_offset 9\nregex_max_offset 5", [], ["url-offsets"]),
        ("regex x\nregex_max_offset x", [], ["regex-offset"]),
        ("regex x\nregex_stack 1", [], ["regex-stack"]),
        ("regex_no_match", [], ["url-no-regex"]),
        ("digest abc", ["digest-length"], []),
        ("status_code 99", ["status-code"], []),
        ("status_code 200-100 abc 600 200x", ["status-code"] * 4, []),
        ("path /b", ["keyword-repeated"], []),
    ],
)
def test_url_faults(words: str, codes: list[str], log: list[str]) -> None:
    result = checker("HTTP_GET", f"url {{\npath /\n{words}\n}}\n")
    assert (errors(result), notes(result)) == (codes, log)


def test_urls_need_a_path_and_checkers_an_url() -> None:
    assert errors(checker("HTTP_GET")) == ["http-no-url"]
    assert errors(checker("HTTP_GET", "url {\n}\n")) == ["url-no-path", "http-no-url"]
    assert checker("HTTP_GET", "url {\npath\n}\n").exit_status == EXIT_STOPPED
    two = checker("HTTP_GET", "url {\n}\nurl {\npath /\n}\n")
    assert errors(two) == ["url-no-path"]
    assert len(the_checker(two).urls) == 1
