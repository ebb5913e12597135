"""What a group of requests leads to when they are applied one after the other, worked out before anything is stored.

Engines that decide in this process (memory, PostgreSQL, Redis) share it; each request succeeds or fails as a whole and
gets a revision of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ursa.errors import UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import MAX_WRITES, Batch, Change, Damaged, Stored, TooLarge, Write
from ursa.store.transition import key_of, transition

Outcome = tuple[Batch | None, int, tuple[Resource, ...]]
"""What a request led to: its batch when it changed something, the revision, the stored resources."""

Find = Callable[[ResourceKey], Stored | None]
"""How what stands at a key is found."""


def settle(
    requests: Sequence[Sequence[Write]], find: Find, *, revision: int, now: int
) -> Sequence[Outcome | UrsaError]:
    """The outcome of each request.

    Args:
        requests: transactions, in order.
        find: looks up what is stored now.
        revision: newest revision of what `find` sees.
        now: nanoseconds since the epoch.
    """
    present: dict[ResourceKey, Stored | None] = {}
    outcomes: list[Outcome | UrsaError] = []
    for writes in requests:
        try:
            outcome = settle_one(writes, lambda key: present[key] if key in present else find(key), revision, now)
        except UrsaError as error:
            outcomes.append(error)
            continue
        batch, revision, _ = outcome
        present.update((change.key, change.after) for change in (batch.changes if batch else ()))
        outcomes.append(outcome)
    return outcomes


def settle_one(writes: Sequence[Write], find: Find, revision: int, now: int) -> Outcome:
    """The outcome of one request; raises what the contract says. See `settle`."""
    check_count(writes)
    changes: dict[ResourceKey, Change] = {}
    stored: list[Resource] = []
    for write in writes:
        key = key_of(write)
        present = changes[key].after if key in changes else find(key)
        change = transition(write, present, revision + 1, now)
        if change is not None:
            changes[key] = change
            present = change.after
        if present is not None and not isinstance(present, Damaged):
            stored.append(present)
    if not changes:
        return None, revision, tuple(stored)
    return Batch(revision + 1, tuple(changes.values())), revision + 1, tuple(stored)


def check_count(writes: Sequence[Write]) -> None:
    """Raises TooLarge when a transaction has more writes than engines take."""
    if len(writes) > MAX_WRITES:
        raise TooLarge(f"a transaction of {len(writes)} writes is larger than {MAX_WRITES}")
