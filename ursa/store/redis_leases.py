"""The entries of leases in Redis."""

from __future__ import annotations

from ursa.store import redis_scripts as scripts
from ursa.store.beat_lease import Entry
from ursa.store.redis_client import Client, script, within


class RedisRegister:
    """See `Register`."""

    def __init__(self, client: Client, base: bytes, timeout: float) -> None:
        self._client, self._base, self._timeout = client, base, timeout
        self._take = script(client, scripts.TAKE)
        self._beat = script(client, scripts.BEAT)
        self._free = script(client, scripts.FREE)
        self._released = base + b":released"
        self._last = b"0-0"

    async def look(self, name: str) -> Entry | None:
        async with within(self._timeout), self._client.pipeline(transaction=False) as reads:
            # In this order, so that a release in between is seen or wakes us.
            reads.xrevrange(self._released, count=1)
            reads.hmget(self._key(name), ["holder", "token", "beat", "ttl"])
            newest, (holder, token, beat, ttl) = await reads.execute()
        self._last = newest[0][0] if newest else b"0-0"
        return None if token is None else Entry(holder.decode(), int(token), int(beat), float(ttl))

    async def take(self, name: str, holder: str, ttl: float, *, seen: Entry | None) -> int | None:
        before = (seen.holder, seen.token, seen.beat) if seen else ("", 0, 0)
        async with within(self._timeout):
            return int(await self._take([self._key(name)], [holder, ttl, *before])) or None

    async def beat(self, name: str, token: int) -> bool:
        async with within(self._timeout):
            return bool(await self._beat([self._key(name)], [token]))

    async def free(self, name: str, token: int) -> None:
        async with within(self._timeout):
            await self._free([self._key(name), self._released], [token])

    async def hint(self, seconds: float) -> None:
        async with within(seconds + self._timeout):
            await self._client.xread({self._released: self._last}, count=1, block=max(1, int(seconds * 1000)))

    def _key(self, name: str) -> bytes:
        return self._base + b":lease:" + name.encode()
