"""Why a token was refused, as far as the token itself tells."""

from __future__ import annotations

import jwt
import pytest

from ursa.cli.token_check import flaw

NOW = 1_800_000_000
SECOND = 1_000_000_000


def token(**claims: object) -> str:
    return jwt.encode(claims, "0123456789abcdef0123456789abcdef", algorithm="HS256")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (token(exp=NOW + 1), ""),
        (token(), ""),
        (token(exp="soon"), ""),
        (token(exp=NOW - 7200), "the token expired 2h ago, at 2027-01-15T06:00:00Z"),
        (token(nbf=NOW + 3600), "the token is not good before 2027-01-15T09:00:00Z: is the clock right?"),
        ("abc", "the token is not a JSON web token: was it copied as a whole?"),
        ("a.b.c", "the token is not a JSON web token: was it copied as a whole?"),
        ("ä.ä.ä", "the token is not a JSON web token: was it copied as a whole?"),
    ],
)
def test_the_flaw_of_a_token(given: str, expected: str) -> None:
    assert flaw(given, NOW * SECOND) == expected
