"""The entries of leases in PostgreSQL."""

from __future__ import annotations

from ursa.store.beat_lease import Entry
from ursa.store.postgres_news import News
from ursa.store.postgres_pool import Pool
from ursa.store.postgres_tables import CHANNEL

_LOOK = "SELECT holder, token, beat, ttl FROM ursa_leases WHERE name = $1"

_FIRST = """
    INSERT INTO ursa_leases (name, holder, token, beat, ttl) VALUES ($1, $2, 1, 0, $3)
    ON CONFLICT DO NOTHING RETURNING token
"""

_TAKE = """
    UPDATE ursa_leases SET holder = $2, token = token + 1, beat = 0, ttl = $3
    WHERE name = $1 AND holder = $4 AND token = $5 AND beat = $6 RETURNING token
"""

_BEAT = "UPDATE ursa_leases SET beat = beat + 1 WHERE name = $1 AND token = $2 AND holder <> '' RETURNING token"

_FREE = f"""
    WITH freed AS (UPDATE ursa_leases SET holder = '' WHERE name = $1 AND token = $2)
    SELECT pg_notify('{CHANNEL}', '')
"""


class PostgresRegister:
    """See `Register`."""

    def __init__(self, pool: Pool, news: News) -> None:
        self._pool, self._news = pool, news
        self._waiting = news.next()

    async def look(self, name: str) -> Entry | None:
        self._waiting = self._news.next()
        async with self._pool.transaction() as connection:
            row = await connection.fetchrow(_LOOK, name)
        return None if row is None else Entry(*row)

    async def take(self, name: str, holder: str, ttl: float, *, seen: Entry | None) -> int | None:
        async with self._pool.transaction() as connection:
            if seen is None:
                token: int | None = await connection.fetchval(_FIRST, name, holder, ttl)
            else:
                token = await connection.fetchval(_TAKE, name, holder, ttl, seen.holder, seen.token, seen.beat)
        return token

    async def beat(self, name: str, token: int) -> bool:
        async with self._pool.transaction() as connection:
            return await connection.fetchval(_BEAT, name, token) is not None

    async def free(self, name: str, token: int) -> None:
        async with self._pool.transaction() as connection:
            await connection.execute(_FREE, name, token)
        self._news.tell()

    async def hint(self, seconds: float) -> None:
        await self._waiting.wait(seconds)
