"""The tables of the SQLite engine; synchronous, used by one thread only.

`resources` is the present, `changes` the recent past (what a resumed watch replays), `meta` the counters. The revision
of a transaction is handed out inside it, so acknowledged writes, feed and counters cannot disagree after a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from ursa.errors import ConfigError, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.store.blob import assemble, batch_of, split, whole
from ursa.store.contract import Batch, Change, Compacted, Contents, Damaged, Page, Stored, Write
from ursa.store.settle import Outcome, settle

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, mesh TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL, spec BLOB NOT NULL, labels BLOB NOT NULL, status BLOB,
    PRIMARY KEY (kind, mesh, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, mesh TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    created INTEGER, modified INTEGER, spec BLOB, labels BLOB, status BLOB
);
"""

_RESCUE = (
    "the file is damaged: restore it from a backup, or save what can be read with the .recover command of sqlite3, "
    "or move it away together with its -wal and -shm files to start with an empty store"
)
_ACCESS = "this process needs to write the file and its folder"
HOPELESS = {
    sqlite3.SQLITE_CORRUPT: _RESCUE,
    sqlite3.SQLITE_NOTADB: _RESCUE,
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
}
"""What SQLite says at the start that no waiting mends, and what does."""

_COLUMNS = "kind, mesh, name, version, created, modified, spec, labels, status"


class Tables:
    """An open database file."""

    def __init__(self, path: Path, kept: int) -> None:
        """Args: `kept` changes stay for resumed watches; they are trimmed when twice as many have gathered."""
        self._kept = kept
        self._files: dict[Path, tuple[int, int]] = {}
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(path)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path) -> None:
        """Checks and completes the file; raises ConfigError when pages of it are damaged."""
        path.chmod(0o600)
        # Text that is not UTF-8 must not keep everything else from being read.
        self._db.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise ConfigError(f"store.sqlite.path: {path}: {verdict.splitlines()[-1]}; {_RESCUE}")
        self._db.executescript(_SCHEMA)
        found = self._meta("schema", SCHEMA_VERSION)
        if found != SCHEMA_VERSION:
            raise ConfigError(f"{path} has schema version {found}, this program knows {SCHEMA_VERSION}")
        self._set_meta("schema", SCHEMA_VERSION)
        # Where the log cannot be shared memory, as on some network drives, SQLite does without it.
        self._files = {file: _inode(file) for file in (path, path.with_name(path.name + "-wal")) if file.exists()}

    def check_place(self) -> None:
        """Raises Unavailable when the files are no longer where they were: what is written to them would be lost."""
        for file, inode in self._files.items():
            try:
                found = _inode(file)
            except FileNotFoundError:
                found = None
            if found != inode:
                raise Unavailable(
                    f"{file} was deleted or replaced under this process, so nothing more is written; "
                    "put it back, or restart this control plane to go on with what is there now"
                )

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def revision(self) -> int:
        """The newest revision."""
        return self._meta("revision", 0)

    def get(self, key: ResourceKey) -> Resource:
        """One resource; raises NotFound."""
        return whole(key, self._get(key))

    def list(self, kind: str, mesh: str | None, limit: int, after: tuple[str, str] | None) -> Page:
        """A page of one kind, ordered by (mesh, name)."""
        where, values = "kind = ?", [kind]
        if mesh is not None:
            where, values = where + " AND mesh = ?", [*values, mesh]
        if after is not None:
            where, values = where + " AND (mesh, name) > (?, ?)", [*values, *after]
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM resources WHERE {where} ORDER BY mesh, name LIMIT ?", [*values, limit + 1]
        ).fetchall()
        resources, _ = split(map(_stored, rows[:limit]))
        return Page(resources, rows[limit - 1][1:3] if len(rows) > limit else None, self.revision())

    def contents(self) -> Contents:
        """Everything."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM resources").fetchall()
        return Contents(self.revision(), *split(map(_stored, rows)))

    def changes(self, after: int, until: int) -> Iterable[Batch]:
        """The batches with after < revision <= until; raises Compacted when some of them are gone."""
        if after < self._meta("compacted", 0):
            raise Compacted(f"changes after revision {after} are no longer held")
        query = f"SELECT {_COLUMNS} FROM changes WHERE version > ? AND version <= ? ORDER BY seq"
        rows = self._db.execute(query, (after, until)).fetchall()
        return [
            batch_of(revision, ((ResourceKey(*row[:3]), None if row[6] is None else _stored(row)) for row in group))
            for revision, group in groupby(rows, lambda row: int(row[3]))
        ]

    def next_token(self, lease: str) -> int:
        """A fencing token larger than all before."""
        token = self._meta(f"lease:{lease}", 0) + 1
        self._set_meta(f"lease:{lease}", token)
        return token

    def write(self, requests: Sequence[Sequence[Write]], now: int) -> Sequence[Outcome | UrsaError]:
        """Applies each request as a whole or not at all, all in one transaction on disk."""
        self.check_place()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            revision = self.revision()
            outcomes = settle(requests, self._get, revision=revision, now=now)
            for outcome in outcomes:
                if not isinstance(outcome, UrsaError) and (batch := outcome[0]) is not None:
                    revision = batch.revision
                    self._apply(batch)
            self._set_meta("revision", revision)
            self._trim(revision)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return outcomes

    def _apply(self, batch: Batch) -> None:
        for change in batch.changes:
            self._put(change)
            self._record(change, batch.revision)

    def _get(self, key: ResourceKey) -> Stored | None:
        query = f"SELECT {_COLUMNS} FROM resources WHERE kind = ? AND mesh = ? AND name = ?"
        row = self._db.execute(query, key).fetchone()
        return None if row is None else _stored(row)

    def _put(self, change: Change) -> None:
        if change.after is None:
            self._db.execute("DELETE FROM resources WHERE kind = ? AND mesh = ? AND name = ?", change.key)
            return
        row = _row(change.after)
        self._db.execute(f"INSERT OR REPLACE INTO resources ({_COLUMNS}) VALUES ({_marks(row)})", row)

    def _record(self, change: Change, revision: int) -> None:
        row = (*change.key, revision, *([None] * 5)) if change.after is None else _row(change.after)
        self._db.execute(f"INSERT INTO changes ({_COLUMNS}) VALUES ({_marks(row)})", row)

    def _trim(self, revision: int) -> None:
        # Two queries in one: asked for both at once, SQLite reads the whole table instead of its two ends.
        ends = "SELECT (SELECT min(seq) FROM changes), (SELECT max(seq) FROM changes)"
        with closing(self._db.execute(ends)) as cursor:
            first, last = cursor.fetchone()
        if first is None or last - first < 2 * self._kept:
            return
        (cut,) = self._db.execute("SELECT version FROM changes WHERE seq = ?", (last - self._kept,)).fetchone()
        self._db.execute("DELETE FROM changes WHERE version <= ?", (cut,))
        self._set_meta("compacted", min(cut, revision))

    def _meta(self, key: str, default: int) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else int(row[0])

    def _set_meta(self, key: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _inode(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_dev, status.st_ino


def _marks(row: Sequence[object]) -> str:
    return ", ".join("?" * len(row))


def _row(resource: Resource) -> tuple[Any, ...]:
    return (
        *resource.key,
        resource.version,
        resource.created,
        resource.modified,
        orjson.dumps(resource.spec),
        orjson.dumps(dict(resource.labels)),
        None if resource.status is None else orjson.dumps(resource.status),
    )


def _stored(row: tuple[Any, ...]) -> Stored:
    """What stands in a row; its columns may hold anything, because SQLite keeps to no types."""
    kind, mesh, name, version, created, modified, spec, labels, status = row
    key = ResourceKey(str(kind), str(mesh), str(name))
    at = version if isinstance(version, int) else 0
    try:
        return assemble(
            key,
            at,
            spec=orjson.loads(spec),
            labels=orjson.loads(labels),
            status=None if status is None else orjson.loads(status),
            times=(created, modified),
        )
    except orjson.JSONDecodeError as error:
        return Damaged(key, at, f"not JSON: {error.msg} at byte {error.pos}")
