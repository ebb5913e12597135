"""Telling clients apart by the header in which their proxies say their tags: `&key=value,value&` for every tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ursa.ir.naming import TAGS_HEADER
from ursa.ir.routes import REGEX, HeaderMatcher

ANY_VALUE = "*"


def from_source(tags: Mapping[str, str]) -> HeaderMatcher:
    """A request from a client with all of these tags; `*` stands for any value."""
    return HeaderMatcher(TAGS_HEADER, REGEX, _pattern(tags))


def from_one_of(sources: Iterable[Mapping[str, str]]) -> HeaderMatcher:
    """A request from a client with all tags of at least one of the sets."""
    patterns = [_pattern(tags) for tags in sources]
    return HeaderMatcher(TAGS_HEADER, REGEX, patterns[0] if len(patterns) == 1 else f"({'|'.join(patterns)})")


def not_from(tags: Mapping[str, str]) -> HeaderMatcher:
    """A request from a client that lacks one of these tags."""
    return HeaderMatcher(TAGS_HEADER, REGEX, _pattern(tags), inverted=True)


def _pattern(tags: Mapping[str, str]) -> str:
    # The header lists tags by key, so they follow each other in this order.
    return ".*" + "".join(f"&{key}={_value(value)}.*" for key, value in sorted(tags.items()))


def _value(value: str) -> str:
    return "" if value == ANY_VALUE else f"[^&]*{value}[,&]"
