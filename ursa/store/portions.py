"""Cuts long lists of writes into transactions that every engine takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from ursa.store.contract import MAX_BYTES, MAX_WRITES, Delete, Write

_BESIDE = 200
"""Bytes of a stored resource beside spec, labels and status."""


def portions(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """The same writes in the same order; a write that is too large by itself stands alone."""
    start, total = 0, 0
    for position, write in enumerate(writes):
        own = _size(write)
        if position > start and (position - start >= MAX_WRITES or total + own > MAX_BYTES):
            yield writes[start:position]
            start, total = position, 0
        total += own
    if start < len(writes):
        yield writes[start:]


def _size(write: Write) -> int:
    if isinstance(write, Delete):
        return _BESIDE
    resource = write.resource
    return _BESIDE + len(orjson.dumps((resource.name, resource.spec, dict(resource.labels), resource.status)))
