"""Writes gather while a commit is under way, keep their order, and are bounded in number."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ursa.errors import Conflict, Unavailable, UrsaError
from ursa.model.resource import Resource
from ursa.store.contract import Create, Write
from ursa.store.group_writer import GroupWriter, Request
from ursa.store.settle import Outcome
from ursa.store.tuning import USUAL


class Engine:
    """Commits when it is let; refuses writes named `bad`."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.go = asyncio.Event()
        self.revision = 0
        self.away = False
        self.writer = GroupWriter(self.commit, "test writer", USUAL)

    async def commit(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        await self.go.wait()
        if self.away:
            raise Unavailable("gone")
        self.groups.append([write.resource.name for r in group for write in r.writes if isinstance(write, Create)])
        return [self.outcome(request) for request in group]

    def outcome(self, request: Request) -> Outcome | UrsaError:
        (write,) = request.writes[:1]
        if isinstance(write, Create) and write.resource.name == "bad":
            return Conflict("refused")
        self.revision += 1
        return None, self.revision, ()

    def write(self, *names: str) -> asyncio.Task[tuple[int, tuple[Resource, ...]]]:
        writes: list[Write] = [Create(Resource("Config", "", name)) for name in names]
        return asyncio.create_task(self.writer.write(writes, None))


async def test_what_gathers_is_committed_together_and_in_order() -> None:
    engine = Engine()
    tasks = [engine.write("first")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [engine.write(name) for name in ("a", "bad", "b")]
    await asyncio.sleep(0)
    engine.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert engine.groups == [["first"], ["a", "bad", "b"]]
    assert [r if isinstance(r, tuple) else type(r) for r in results] == [(1, ()), (2, ()), Conflict, (3, ())]


async def test_groups_have_a_largest_size_unless_one_request_is_larger() -> None:
    engine = Engine()
    engine.go.set()
    sizes = (USUAL.group - 1, 1, 1, USUAL.group + 5, 2)
    await asyncio.gather(*(engine.write(*(f"{i}-{n}" for n in range(size))) for i, size in enumerate(sizes)))
    assert [len(group) for group in engine.groups] == [USUAL.group, 1, USUAL.group + 5, 2]


async def test_a_store_that_cannot_keep_up_is_reported_to_writers() -> None:
    engine = Engine()
    tasks = [engine.write(f"w{i}") for i in range(USUAL.queue + USUAL.group + 10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    refused = [task for task in tasks if task.done()]
    assert refused
    for task in refused:
        with pytest.raises(Unavailable, match="too slow"):
            task.result()
    engine.go.set()
    await asyncio.gather(*(task for task in tasks if task not in refused))
    assert sum(map(len, engine.groups)) == len(tasks) - len(refused) >= USUAL.queue


async def test_an_outage_reaches_everybody_who_waits_and_nobody_after() -> None:
    engine = Engine()
    engine.away = True
    engine.go.set()
    results = await asyncio.gather(*(engine.write(f"w{i}") for i in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    engine.away = False
    assert await engine.write("later") == (1, ())
    await engine.writer.close()


async def test_a_caller_that_leaves_spoils_nothing() -> None:
    engine = Engine()
    leaving, staying = engine.write("leaving"), engine.write("staying")
    await asyncio.sleep(0)
    leaving.cancel()
    engine.go.set()
    assert (await staying)[0] == 2
    assert engine.groups == [["leaving", "staying"]]


async def test_who_waits_behind_an_outage_is_told_at_once() -> None:
    engine = Engine()
    tasks = [engine.write("sent")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [engine.write(f"w{i}", f"x{i}") for i in range(3 * USUAL.group // 2)]
    await asyncio.sleep(0)
    engine.away = True
    engine.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert str(results[0]) == "gone"
    assert {str(result) for result in results[1:]} == {"the store could not be reached; nothing was stored"}
