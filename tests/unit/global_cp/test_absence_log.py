"""The log says of every zone what became of its traffic, once."""

from __future__ import annotations

import logging

import pytest

from global_cp.absence import tell
from kds.absence import EJECTED, LAPSED, Absences

LAST = "zone is gone and nobody reaches its ingresses: others use them last"
NOT_AT_ALL = "zone is gone and nobody reaches its ingresses: others do not use them any more"
BACK = "zone has its traffic back"


@pytest.mark.parametrize(
    ("lapsed", "ejected", "verdicts", "expected"),
    [
        ("", "", {"east": LAPSED}, [("WARNING", "east", LAST)]),
        ("east", "", {"east": EJECTED, "west": LAPSED}, [("WARNING", "east", NOT_AT_ALL), ("WARNING", "west", LAST)]),
        ("east", "west", {"east": LAPSED, "west": EJECTED}, []),
        ("east", "west", {"west": EJECTED}, [("INFO", "east", BACK)]),
        ("", "west", {}, [("INFO", "west", BACK)]),
    ],
)
def test_what_is_new_is_told(
    caplog: pytest.LogCaptureFixture,
    lapsed: str,
    ejected: str,
    verdicts: dict[str, str],
    expected: list[tuple[str, str, str]],
) -> None:
    caplog.set_level(logging.INFO)
    tell(Absences(frozenset(lapsed.split()), frozenset(ejected.split())), verdicts)
    assert [(r.levelname, vars(r)["zone"], r.getMessage()) for r in caplog.records] == expected
