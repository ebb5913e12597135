"""What every lease has that this process holds: a name, a token, and an end that one can wait for."""

from __future__ import annotations

import asyncio


class OwnLease:
    """See `Lease`; subclasses say how it ends."""

    def __init__(self, name: str, token: int) -> None:
        self._name, self._token = name, token
        self._gone = asyncio.Event()

    @property
    def name(self) -> str:
        return self._name

    @property
    def token(self) -> int:
        return self._token

    @property
    def held(self) -> bool:
        return not self._gone.is_set()

    async def lost(self) -> None:
        await self._gone.wait()
