"""What all streams of proxies have in common before they are authenticated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from ursa.errors import Unavailable

FIRST_REQUEST = 5.0
"""Seconds until a stream must have said who it is."""


async def first_request(requests: AsyncIterator[bytes]) -> bytes | None:
    """The first message of a stream, None if it ends before; raises Unavailable when it takes too long."""
    try:
        return await asyncio.wait_for(anext(aiter(requests), None), FIRST_REQUEST)
    except TimeoutError:
        raise Unavailable(f"no request within {FIRST_REQUEST:g}s") from None


def authorization(context: grpc.aio.ServicerContext) -> str:
    """The token of the caller; empty if it sent none."""
    value = dict(context.invocation_metadata() or ()).get("authorization", "")
    return value if isinstance(value, str) else value.decode(errors="replace")
