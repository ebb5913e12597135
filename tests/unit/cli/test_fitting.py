"""Tables fit terminals, and what is not shown there is named."""

from __future__ import annotations

import pytest

from ursa.cli import output
from ursa.cli.fitting import fitting

HEADER = ("NAME", "TAGS", "STATUS", "TOTAL ERRORS", "CERT BACKEND", "VERSION")
ROWS = [("web-1", "kuma.io/service=web", "Online", "0", "-", "2.13.10"), ("db", "a=b", "Offline", "0", "-", "2.13.9")]


def titles(width: int) -> list[str]:
    return [HEADER[column] for column in fitting(HEADER, ROWS, width)]


def test_a_table_that_fits_is_whole() -> None:
    whole = len("web-1   kuma.io/service=web   Offline   TOTAL ERRORS   CERT BACKEND   2.13.10")
    assert titles(whole) == list(HEADER)
    assert titles(whole - 1) == ["NAME", "TAGS", "STATUS", "TOTAL ERRORS", "VERSION"]


def test_what_says_nothing_goes_first_then_what_is_large_then_from_the_right() -> None:
    assert titles(47) == ["NAME", "TAGS", "STATUS", "VERSION"]
    assert titles(46) == ["NAME", "STATUS", "VERSION"]
    assert titles(1) == ["NAME", "STATUS"]
    numbers = ("NAME", "ONE", "TWO", "THREE")
    assert [numbers[column] for column in fitting(numbers, [("web", "1", "2", "3")], 16)] == ["NAME", "ONE", "TWO"]


def test_a_fault_is_no_empty_column() -> None:
    rows = [*ROWS, ("api", "c=d", "Online", "3", "-", "2.13.10")]
    assert HEADER.index("TOTAL ERRORS") in fitting(HEADER, rows, 62)


@pytest.mark.parametrize(("width", "left_out"), [(None, ""), (200, ""), (47, "TOTAL ERRORS, CERT BACKEND")])
def test_what_is_left_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None, left_out: str
) -> None:
    monkeypatch.setattr(output, "terminal_width", lambda: width)
    output.print_table(HEADER, ROWS)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[0] == "NAME" and shown[1].startswith("web-1   kuma.io/service=web   Online")
    assert shown[3:] == (["", f"The terminal is too narrow for: {left_out}"] if left_out else [])


def test_an_empty_table_has_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(HEADER, [])
    assert capsys.readouterr().out == "   ".join(HEADER) + "\n"
