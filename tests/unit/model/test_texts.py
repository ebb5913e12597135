"""Forms of texts that rules ask for: addresses, URLs, paths, regular expressions."""

from __future__ import annotations

import pytest

from ursa.model.validation.addresses import (
    Url,
    host_and_port,
    is_cidr,
    is_dns_name,
    is_file_path,
    is_url,
    is_wildcard_domain,
    parse_url,
)
from ursa.model.validation.patterns import pattern_error


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_cidr, ("10.0.0.0/8", "fe80::/10", "1.1.1.1/32"), ("10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "1.1.1.1/")),
        (is_dns_name, ("a", "a_b.c", "1a.com", "a.b.", "_x.y"), ("", "1.1.1.1", "a b", "-a", "a..b", ".", "é.com")),
        (is_wildcard_domain, ("*.a.com",), ("*", "*a.com", "a.com", "*.A")),
        (is_file_path, ("/", "/tmp/a b", "C:\\logs\\a.txt"), ("", "tmp", "./a")),
        (
            is_url,
            ("1.1.1.1:1", "http://a.b/c?d=e", "logs:5000", "tcp://u:p@a.com:1/x", "http://[::1]:80"),
            ("", "a b", "a.b", "http://", "nope://a.com", "a:x", "http://a.com:123456", "http:// a"),
        ),
    ],
)
def test_forms(check: object, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    assert callable(check)
    assert [text for text in good if not check(text)] == []
    assert [text for text in bad if check(text)] == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://u@a:1/p%20q?x", Url("http", "", "u", "a", "1", "/p q", "x")),
        ("mailto:a", Url("mailto", "a", "", "", "", "", "")),
        ("/p?q#f", Url("", "", "", "", "", "/p", "q#f")),
        ("http://[::1]:80", Url("http", "", "", "::1", "80", "", "")),
        ("a", None),
        ("http://a:b", None),
        ("http://a b", None),
        ("http://a/%zz", None),
        ("/a\n", None),
    ],
)
def test_urls_are_taken_apart(text: str, url: Url | None) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a:1", ("a", "1")),
        ("[::1]:80", ("::1", "80")),
        ("a", None),
        ("::1:80", None),
        ("[::1]", None),
        (":1", ("", "1")),
    ],
)
def test_host_and_port_must_both_be_there(text: str, parts: tuple[str, str] | None) -> None:
    assert host_and_port(text) == parts


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a+b*?",
        r"\d{2,3}",
        "(?i)a",
        "a(?s-U)b(?i:c)",
        "(?P<n>a)",
        "(?<n>a)",
        "[[:alpha:]_]+",
        "[^]a[]+",
        "[+*]+",
        r"\+\+",
        r"a\z",
        r"\p{Greek}\pL",
        r"\Qa++(\E",
    ],
)
def test_patterns_that_envoy_takes(pattern: str) -> None:
    assert pattern_error(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[", "missing closing ]: `[`"),
        ("a(b", "missing closing ): `a(b`"),
        ("a)", "unexpected ): `a)`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)b", "invalid or unsupported Perl syntax: `(?<!`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        (r"\y", r"invalid escape sequence: `\y`"),
        ("[b-a]", "invalid character class range: `b-a`"),
    ],
)
def test_patterns_that_envoy_refuses(pattern: str, reason: str) -> None:
    assert pattern_error(pattern) == f"error parsing regexp: {reason}"
