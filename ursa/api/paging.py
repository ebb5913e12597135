"""One page of a list: where it starts, how long it is, and where the next one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from ursa.api.failures import Failure
from ursa.errors import Violation

T = TypeVar("T")

DEFAULT, MAXIMUM = 100, 1000
MAXIMUM_DIGITS = 18
"""Longer numbers do not fit what Kuma reads them into."""
TITLE = "Could not retrieve resources"


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a list that was asked for; a size of 0 means all of it, wherever it would start."""

    offset: int
    size: int

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """That part of a list."""
        return items[self.offset : self.offset + self.size] if self.size else items

    def next(self, total: int) -> int | None:
        """Offset of the next part, None at the end."""
        end = self.offset + self.size
        return end if self.size and end < total else None


def span_of(request: web.Request) -> Span:
    """The part that the query parameters `size` and `offset` name.

    Raises:
        Failure: they are not numbers in range.
    """
    return Span(_offset(request.query.get("offset", "")), _size(request.query.get("size", "")))


def page(request: web.Request, items: Sequence[Any], total: int, span: Span) -> dict[str, Any]:
    """The envelope of one page; `items` are already only those of the page."""
    following = span.next(total)
    return {"total": total, "items": items, "next": None if following is None else next_url(request, following)}


def next_url(request: web.Request, offset: int) -> str:
    """The same request for a later page, as the client reaches us."""
    scheme = "https" if request.secure else "http"
    query = urlencode(sorted({**request.query, "offset": str(offset)}.items()))
    return f"{scheme}://{request.host}{request.path}?{query}"


def _size(text: str) -> int:
    if not text:
        return DEFAULT
    if not text.isdecimal() or len(text) > MAXIMUM_DIGITS:
        raise Failure(400, TITLE, "Invalid page size", (Violation("size", "invalid format"),))
    if (size := int(text)) > MAXIMUM:
        reason = f"invalid page size of {size}. Maximum page size is {MAXIMUM}"
        raise Failure(400, TITLE, "Invalid page size", (Violation("size", reason),))
    return size


def _offset(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        reason = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise Failure(400, TITLE, f"invalid: invalid offset: {reason}")
    if len(text) > MAXIMUM_DIGITS:
        reason = f'strconv.Atoi: parsing "{text}": value out of range'
        raise Failure(400, TITLE, f"invalid: invalid offset: {reason}")
    return int(text)
