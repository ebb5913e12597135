"""Counts the calls of zones: between the server and its handlers, none of which knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any as Untyped

import grpc

from ursa.runtime.grpc_counts import CANCELLED, OK, STREAM, UNARY, UNKNOWN, CountedCall, GrpcCounts

Serve = Callable[[object, Untyped], Awaitable[object]]
Continuation = Callable[[Untyped], Awaitable[Untyped]]


class CountingInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Puts itself before every handler."""

    def __init__(self, counts: GrpcCounts) -> None:
        self._counts = counts

    async def intercept_service(self, continuation: Continuation, handler_call_details: Untyped) -> Untyped:
        """See `grpc.aio`."""
        handler, path = await continuation(handler_call_details), handler_call_details.method
        if handler is None:
            return None
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._counted(path, handler.unary_unary, UNARY))
        return grpc.stream_stream_rpc_method_handler(self._counted(path, handler.stream_stream, STREAM))

    def _counted(self, path: str, serve: Serve, kind: str) -> Serve:
        async def counting(request: object, context: Untyped) -> object:
            with self._counts.call(path, kind) as counted:
                try:
                    return await serve(request, _CountedContext(context, counted))
                except asyncio.CancelledError:
                    counted.code = CANCELLED
                    raise
                except Exception:
                    counted.code = _code(context) or UNKNOWN
                    raise

        return counting


class _CountedContext:
    """A context whose messages are counted; everything else is the context's own."""

    def __init__(self, context: Untyped, counted: CountedCall) -> None:
        self._context, self._counted = context, counted

    async def read(self) -> object:
        message = await self._context.read()
        if message is not grpc.aio.EOF:
            self._counted.received()
        return message

    async def write(self, message: bytes) -> None:
        await self._context.write(message)
        self._counted.sent()

    def __getattr__(self, name: str) -> Untyped:
        return getattr(self._context, name)


def _code(context: Untyped) -> int:
    """The number of the status that was set."""
    code = context.code()
    return code.value[0] if isinstance(code, grpc.StatusCode) else code or OK
