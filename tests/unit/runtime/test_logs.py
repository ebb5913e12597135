"""A log line is one line, whatever a peer sent, and never shows a secret."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from ursa.runtime.logs import FieldFormatter, configure


def line(message: str, *, as_json: bool = False, **fields: object) -> str:
    record = logging.makeLogRecord({"name": "room", "levelname": "INFO", "created": 1_700_000_000.86, "msg": message})
    vars(record).update(fields)
    return FieldFormatter(as_json=as_json).format(record)


def test_time_has_one_width() -> None:
    assert line("started") == "2023-11-14T22:13:20.860Z INFO    room: started"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("east", "east"),
        (7, "7"),
        ("", '""'),
        ("two words", '"two words"'),
        (["reader", "editor"], "reader,editor"),
        (("two words",), '"two words"'),
        ([], '""'),
        ("a=b", '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        ("x\n2023-11-14T22:13:20.860Z ERROR   room: forged", r'"x\n2023-11-14T22:13:20.860Z ERROR   room: forged"'),
        ("\udc80", "?"),
    ],
)
def test_a_field_cannot_pretend_to_be_a_line(value: object, shown: str) -> None:
    assert line("zone refused", zone=value).endswith(f"zone refused zone={shown}")


@pytest.mark.parametrize("as_json", [False, True])
def test_secrets_are_blanked(as_json: bool) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    token = "eyJhbGciOiJSUzI1NiJ9.eyJuYW1lIjoieCJ9.c2lnbmF0dXJl"
    shown = line("odd", as_json=as_json, body=f"{pem} {token}")
    assert "c2VjcmV0" not in shown and "c2lnbmF0dXJl" not in shown and "[redacted]" in shown


def test_libraries_do_not_print_headers_even_at_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    root, library = logging.getLogger(), logging.getLogger("hpack.hpack")
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)
    configure("debug")
    assert root.getEffectiveLevel() == logging.DEBUG
    assert library.getEffectiveLevel() == logging.WARNING


def test_machines_get_the_traceback_as_a_field() -> None:
    try:
        raise ValueError("bad")
    except ValueError:
        shown = json.loads(line("failed", as_json=True, exc_info=sys.exc_info()))
    assert shown["message"] == "failed" and "ValueError: bad" in shown["traceback"]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert json.loads(line("got \udcff", as_json=True, name_="\udc80"))["name_"] == "?"
