"""Counts the calls of proxies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from ursa.runtime.grpc_counts import CANCELLED, UNKNOWN, CountedCall, GrpcCounts
from zone_cp.dp_server.calls import Call, CallEnded, Handler, StreamService


class CountedService:
    """A service whose calls are counted."""

    def __init__(self, service: StreamService, counts: GrpcCounts) -> None:
        self._service, self._counts = service, counts

    def methods(self) -> Mapping[str, Handler]:
        """See `StreamService`."""
        return {path: self._counted(path, serve) for path, serve in self._service.methods().items()}

    def close(self) -> None:
        """See `StreamService`."""
        self._service.close()

    def _counted(self, path: str, serve: Handler) -> Handler:
        async def counting(call: Call) -> None:
            with self._counts.call(path) as counted:
                try:
                    await serve(_CountedMessages(call, counted))
                except CallEnded as error:
                    counted.code = error.status
                    raise
                except asyncio.CancelledError:
                    counted.code = CANCELLED
                    raise
                except Exception:
                    counted.code = UNKNOWN
                    raise

        return counting


class _CountedMessages:
    """A call whose messages are counted."""

    def __init__(self, call: Call, counted: CountedCall) -> None:
        self._call, self._counted = call, counted
        self._messages = aiter(call)

    @property
    def peer(self) -> str:
        return self._call.peer

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._call.metadata

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        message = await anext(self._messages)
        self._counted.received()
        return message

    async def write(self, message: bytes) -> None:
        await self._call.write(message)
        self._counted.sent()
