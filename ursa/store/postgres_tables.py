"""The tables of the PostgreSQL engine and the statements on them.

`ursa_head` has one row; whoever writes locks it first, so revisions become visible in the order in which they were
handed out and the change table has no gaps. `ursa_changes` is the feed; `writer` names the process and its group of
writes: that tells a process that lost its connection during a commit whether the commit happened, and a reader whether
a revision is the one it knows or, after a replica was promoted that lacked some, another one. Names are compared by
their bytes (`COLLATE "C"`), which is the order of the contract. Bodies are `ursa.store.blob`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ursa.errors import ConfigError
from ursa.model.resource import ResourceKey
from ursa.store.blob import batch_of, pack, unpack
from ursa.store.contract import Batch, Stored

CHANNEL = "ursa_changes"
"""Notifications on it wake those who wait for changes or leases; they carry no truth."""

_LOCK = 0x75727361
"""Advisory lock of migrations."""

MIGRATIONS = (
    """
    CREATE TABLE ursa_head (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        schema int NOT NULL, identity text NOT NULL, revision bigint NOT NULL, compacted bigint NOT NULL
    );
    CREATE TABLE ursa_resources (
        kind text COLLATE "C" NOT NULL, mesh text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
        version bigint NOT NULL, body bytea NOT NULL,
        PRIMARY KEY (kind, mesh, name)
    );
    CREATE TABLE ursa_changes (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, revision bigint NOT NULL, writer text NOT NULL,
        kind text COLLATE "C" NOT NULL, mesh text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, body bytea
    );
    CREATE INDEX ursa_changes_revision ON ursa_changes (revision);
    CREATE TABLE ursa_leases (
        name text PRIMARY KEY, holder text NOT NULL, token bigint NOT NULL, beat bigint NOT NULL,
        ttl double precision NOT NULL
    );
    INSERT INTO ursa_head (schema, identity, revision, compacted) VALUES (0, gen_random_uuid()::text, 0, 0);
    """,
)
"""What brings the schema from version i to version i + 1."""

HEAD = "SELECT schema, identity, revision, compacted FROM ursa_head"

HEAD_AND_WRITER = (
    "SELECT schema, identity, revision, compacted, "
    "(SELECT writer FROM ursa_changes WHERE revision = $1 LIMIT 1) AS writer FROM ursa_head"
)
"""The same, and by whom a revision was written."""

LOCKED_HEAD = HEAD + " FOR UPDATE"

PRESENT = """
    SELECT r.kind, r.mesh, r.name, r.version, r.body FROM ursa_resources r
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (kind, mesh, name)
      ON r.kind = k.kind AND r.mesh = k.mesh AND r.name = k.name
"""

HELD = "SELECT 1 FROM ursa_leases WHERE name = $1 AND token = $2 AND holder <> '' FOR SHARE"

STORE = f"""
    WITH change AS (
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[])
            WITH ORDINALITY AS c (revision, kind, mesh, name, body, place)
    ), newest AS (
        SELECT DISTINCT ON (kind, mesh, name) * FROM change ORDER BY kind, mesh, name, place DESC
    ), stored AS (
        INSERT INTO ursa_resources (kind, mesh, name, version, body)
        SELECT kind, mesh, name, revision, body FROM newest WHERE body IS NOT NULL
        ON CONFLICT (kind, mesh, name) DO UPDATE SET version = excluded.version, body = excluded.body
    ), removed AS (
        DELETE FROM ursa_resources r USING newest n
        WHERE r.kind = n.kind AND r.mesh = n.mesh AND r.name = n.name AND n.body IS NULL
    ), noted AS (
        INSERT INTO ursa_changes (revision, writer, kind, mesh, name, body)
        SELECT revision, $6, kind, mesh, name, body FROM change ORDER BY place
    ), moved AS (
        UPDATE ursa_head SET revision = $7
    )
    SELECT pg_notify('{CHANNEL}', $7::text)
"""

WRITTEN = "SELECT 1 FROM ursa_changes WHERE revision = $1 AND writer = $2 LIMIT 1"

CHANGES = """
    SELECT kind, mesh, name, revision, body, writer FROM ursa_changes
    WHERE revision > $1 AND revision <= $2 ORDER BY seq
"""

TRIM = """
    WITH cut AS (
        SELECT revision FROM ursa_changes WHERE seq <= (SELECT max(seq) FROM ursa_changes) - $1
        ORDER BY seq DESC LIMIT 1
    ), gone AS (
        DELETE FROM ursa_changes WHERE revision <= (SELECT revision FROM cut)
    )
    UPDATE ursa_head SET compacted = (SELECT revision FROM cut) WHERE EXISTS (SELECT 1 FROM cut)
"""


async def migrate(connection: Any) -> None:
    """Brings the schema to this program's version; raises ConfigError when it is newer."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    exists = await connection.fetchval("SELECT to_regclass('ursa_head') IS NOT NULL")
    found = await connection.fetchval("SELECT schema FROM ursa_head") if exists else 0
    if found > len(MIGRATIONS):
        raise ConfigError(f"the database has schema version {found}, this program knows {len(MIGRATIONS)}")
    for statements in MIGRATIONS[found:]:
        await connection.execute(statements)
    if found < len(MIGRATIONS):
        await connection.execute("UPDATE ursa_head SET schema = $1", len(MIGRATIONS))


def listing(kind: str, mesh: str | None, limit: int, after: tuple[str, str] | None) -> tuple[str, Sequence[object]]:
    """The statement that reads a page, and its values."""
    where, values = "kind = $1", [kind, limit]
    if mesh is not None:
        values.append(mesh)
        where += f" AND mesh = ${len(values)}"
    if after is not None:
        values += after
        where += f" AND (mesh, name) > (${len(values) - 1}, ${len(values)})"
    query = f"SELECT kind, mesh, name, version, body FROM ursa_resources WHERE {where} ORDER BY mesh, name LIMIT $2"
    return query, values


def columns(batches: Sequence[Batch]) -> Sequence[Sequence[object]]:
    """All changes of the batches, as the arrays that `STORE` takes."""
    changes = [(batch.revision, change) for batch in batches for change in batch.changes]
    return [
        [revision for revision, _ in changes],
        [change.key.kind for _, change in changes],
        [change.key.mesh for _, change in changes],
        [change.key.name for _, change in changes],
        [None if change.after is None else pack(change.after) for _, change in changes],
    ]


def stored(row: Sequence[Any]) -> Stored:
    """What stands in a row of key, version and body."""
    kind, mesh, name, version, body = row
    return unpack(ResourceKey(kind, mesh, name), version, body)


def batches(rows: Sequence[Sequence[Any]]) -> Iterator[Batch]:
    """Changes, ordered and with whole revisions, as batches."""
    for revision, group in groupby(rows, lambda row: int(row[3])):
        yield batch_of(
            revision, ((ResourceKey(*row[:3]), None if row[4] is None else stored(row[:5])) for row in group)
        )


def by_key(rows: Sequence[Sequence[Any]]) -> Mapping[ResourceKey, Stored]:
    """Rows of `PRESENT` by key."""
    return {found.key: found for found in map(stored, rows)}
