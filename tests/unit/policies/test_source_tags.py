"""Which clients the conditions on the header of tags mean."""

from __future__ import annotations

import re

from ursa.ir.routes import HeaderMatcher
from ursa.policies.core.source_tags import from_one_of, from_source, not_from

WEB = "&kuma.io/protocol=http,tcp&&kuma.io/service=admin,web&&team=a&"


def fits(matcher: HeaderMatcher, header: str) -> bool:
    return (re.fullmatch(matcher.value, header) is not None) is not matcher.inverted


def test_every_tag_counts_and_a_tag_may_have_several_values() -> None:
    assert fits(from_source({"kuma.io/service": "web", "team": "a"}), WEB)
    assert fits(from_source({"kuma.io/service": "admin"}), WEB)
    assert not fits(from_source({"kuma.io/service": "web", "team": "b"}), WEB)


def test_any_value_asks_for_the_tag_only() -> None:
    assert fits(from_source({"team": "*"}), WEB)
    assert not fits(from_source({"version": "*"}), WEB)


def test_one_of_several_sources_is_enough() -> None:
    assert fits(from_one_of([{"kuma.io/service": "x"}, {"team": "a"}]), WEB)
    assert not fits(from_one_of([{"kuma.io/service": "x"}, {"team": "b"}]), WEB)


def test_the_contrary_holds_when_one_tag_is_missing() -> None:
    assert not fits(not_from({"kuma.io/service": "web", "team": "a"}), WEB)
    assert fits(not_from({"kuma.io/service": "web", "team": "b"}), WEB)
