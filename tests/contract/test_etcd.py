"""What only etcd needs: a cluster whose members come and go, TLS both ways, users, and its own limits."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.samples import by_name, names, take, timeout
from tests.servers.certificates import Authority
from tests.servers.etcd import Etcd
from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd, StoreEtcdTls
from ursa.store.contract import Batch, Compacted, Create, Delete, Full, TooLarge, create, delete, update
from ursa.store.etcd import EtcdStore
from ursa.store.etcd_client import EtcdClient
from ursa.store.etcd_methods import TXN
from ursa.store.tuning import Tuning
from ursa.wire import etcd_pb2 as pb


async def test_a_member_of_three_may_die_at_any_time(tmp_path: Path) -> None:
    cluster = Etcd(tmp_path, 3)
    await cluster.start()
    store = EtcdStore(StoreEtcd(endpoints=cluster.endpoints, request_timeout="10s"), SystemClock())
    await store.open()
    lease = await store.acquire("leader", "one", 10)
    seen: list[Batch] = []

    async def follow() -> None:
        async for batch in store.watch(0):
            seen.append(batch)  # noqa: PERF401 - it never ends

    following = asyncio.create_task(follow())
    written: list[str] = []
    try:
        for member in cluster.members:
            await write_some(store, written)
            await member.kill()
            await write_some(store, written)
            await member.start()
        last = await create(store, timeout("last"))
        async with asyncio.timeout(20):
            while not seen or seen[-1].revision < last.version:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.05)
        assert names(seen) == [*written, "last"]
        assert lease.held
        assert {r.name for r in (await store.contents()).resources} == {*written, "last"}
    finally:
        following.cancel()
        await store.close()
        await cluster.kill()


@pytest.mark.parametrize("leader", [False, True], ids=["follower", "leader"])
async def test_a_member_that_hangs_is_left_and_does_nothing_twice_when_it_wakes_up(
    tmp_path: Path, *, leader: bool
) -> None:
    cluster = Etcd(tmp_path, 3)
    await cluster.start()
    leads = json.loads(await cluster.ctl("endpoint", "status", "-w", "json", "--cluster"))
    is_leader = {one["Endpoint"].rpartition("/")[2]: _leads(one["Status"]) for one in leads}
    number = next(i for i, endpoint in enumerate(cluster.endpoints) if is_leader[endpoint] == leader)
    # The first store talks to the member that will hang; whoever waited for half the time for a request would fail.
    order = (cluster.endpoints[number], *(e for e in cluster.endpoints if e != cluster.endpoints[number]))
    store = EtcdStore(StoreEtcd(endpoints=order, request_timeout="60s"), First())
    await store.open()
    lease = await store.acquire("leader", "one", 8)
    seen: list[Batch] = []
    following = asyncio.create_task(follow(store, await store.revision(), seen))
    try:
        async with asyncio.timeout(20):
            await create(store, timeout("before"))
            while not seen:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.01)
            cluster.members[number].freeze()
            created = await create(store, timeout("x"))
            await delete(store, created.key)
            await create(store, timeout("y"))
            while names(seen) != ["before", "x", "x", "y"]:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.01)
        cluster.members[number].thaw()
        await cluster.members[number].start()
        await asyncio.sleep(1)
        last = await create(store, timeout("last"))
        async with asyncio.timeout(20):
            while seen[-1].revision < last.version:  # noqa: ASYNC110 - filled by another task
                await asyncio.sleep(0.01)
        assert names(seen) == ["before", "x", "x", "y", "last"]
        assert {r.name for r in (await store.contents()).resources} == {"before", "y", "last"}
        assert lease.held
    finally:
        following.cancel()
        await store.close()
        await cluster.kill()


def _leads(status: dict[str, Any]) -> bool:
    return bool(status["leader"] == status["header"]["member_id"])


class First(SystemClock):
    """Chance always takes the first."""

    def uniform(self, low: float, high: float) -> float:
        return low


async def follow(store: EtcdStore, revision: int, seen: list[Batch]) -> None:
    async for batch in store.watch(revision):
        seen.append(batch)  # noqa: PERF401 - it never ends


async def test_a_creation_that_was_sent_twice_cannot_happen_after_its_deletion(
    etcd_server: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[pb.TxnRequest] = []

    async def ask(client: EtcdClient, method: Any, request: Any) -> Any:
        answered = await asked(client, method, request)
        if method is not TXN or not any(one.request_put.key.endswith(b"x") for one in request.success):
            return answered
        sent.append(request)
        return replace(answered, repeated=True)

    asked = EtcdClient.ask
    store = EtcdStore(StoreEtcd(endpoints=etcd_server.endpoints, prefix="/twice"), SystemClock())
    other = EtcdStore(StoreEtcd(endpoints=etcd_server.endpoints, prefix="/twice"), SystemClock())
    client = EtcdClient(StoreEtcd(endpoints=etcd_server.endpoints), SystemClock())
    await store.open()
    await other.open()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(EtcdClient, "ask", ask)
            created = await create(store, timeout("x"))
        await delete(store, created.key)
        assert not (await client.call(TXN, sent[0])).succeeded
        # Others, who know nothing of this, create as ever.
        await asyncio.gather(create(other, timeout("y")), create(store, timeout("z")))
        assert {r.name for r in (await store.contents()).resources} == {"y", "z"}
    finally:
        await client.close()
        await store.close()
        await other.close()


async def write_some(store: EtcdStore, written: list[str]) -> None:
    for _ in range(20):
        name = f"t{len(written)}"
        await create(store, timeout(name))
        written.append(name)


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "other-ca")
    server, client = authority.issue("server"), authority.issue("client")
    files = ("--cert-file", str(server.cert), "--key-file", str(server.key))
    etcd = Etcd(
        tmp_path,
        extra=(*files, "--client-cert-auth", "--trusted-ca-file", str(authority.cert)),
        flags=(f"--cacert={authority.cert}", f"--cert={client.cert}", f"--key={client.key}"),
        scheme="https",
    )
    await etcd.start()
    tls = StoreEtcdTls(enabled=True, ca_path=str(authority.cert), cert_path=str(client.cert), key_path=str(client.key))
    good = StoreEtcd(endpoints=etcd.endpoints, tls=tls, request_timeout="1.5s")
    try:
        store = EtcdStore(good, SystemClock())
        await store.open()
        await create(store, timeout("x"))
        await store.close()
        for bad in (
            good.model_copy(update={"tls": tls.model_copy(update={"ca_path": str(stranger.cert)})}),
            good.model_copy(update={"tls": tls.model_copy(update={"cert_path": "", "key_path": ""})}),
            StoreEtcd(endpoints=etcd.endpoints, request_timeout="1.5s"),
        ):
            refused = EtcdStore(bad, SystemClock())
            with pytest.raises(Unavailable):
                await refused.open()
            await refused.close()
    finally:
        await etcd.kill()


async def test_users_and_tokens_that_run_out(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path, extra=("--auth-token-ttl", "1"), flags=("--user=root:secret",))
    await etcd.start()
    plain = ("--user=",)
    try:
        for command in (("user", "add", "root:secret"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
            await etcd.ctl(*plain, *command)
        access = StoreEtcd(endpoints=etcd.endpoints, user="root", password="secret", request_timeout="3s")
        store = EtcdStore(access, SystemClock())
        await store.open()
        first = await create(store, timeout("x"))
        await asyncio.sleep(3)
        await create(store, timeout("y"))
        assert names(await take(store, first.version - 1, 2)) == ["x", "y"]
        await store.close()
        for user, password in (("root", "wrong"), ("", "")):
            stranger = StoreEtcd(endpoints=etcd.endpoints, user=user, password=password, request_timeout="1s")
            refused = EtcdStore(stranger, SystemClock())
            with pytest.raises(Unavailable) as refusal:
                await refused.open()
            assert "secret" not in str(refusal.value)
            await refused.close()
    finally:
        await etcd.kill()


async def test_users_that_change_while_we_are_connected(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path, flags=("--user=root:secret",))
    await etcd.start()
    try:
        for command in (("user", "add", "root:secret"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
            await etcd.ctl("--user=", *command)
        access = StoreEtcd(endpoints=etcd.endpoints, user="root", password="secret", request_timeout="3s")
        store = EtcdStore(access, SystemClock())
        await store.open()
        first = await create(store, timeout("x"))
        watching = asyncio.create_task(take(store, first.version, 2))
        await etcd.ctl("user", "add", "another:password")
        await create(store, timeout("y"))
        await etcd.ctl("user", "delete", "another")
        await create(store, timeout("z"))
        assert names(await watching) == ["y", "z"]
        await store.close()
    finally:
        await etcd.kill()


async def test_a_full_server_refuses_writes_in_words_and_goes_on_with_room(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path, extra=("--quota-backend-bytes", str(4 << 20)))
    await etcd.start()
    store = EtcdStore(StoreEtcd(endpoints=etcd.endpoints, request_timeout="3s"), SystemClock())
    try:
        await store.open()
        spare = [await create(store, timeout(f"spare{i}")) for i in range(3)]
        stored = await create(store, Resource("Secret", "default", "s"))
        with pytest.raises(Full, match="space exceeded"):
            for number in range(600):
                # What fills it is history: the same secret, over and over. etcd looks at its size after commits only.
                stored = await update(store, stored.with_spec({"data": f"{number % 10}" * 150_000}))
        late = EtcdStore(StoreEtcd(endpoints=etcd.endpoints, request_timeout="3s"), SystemClock())
        await late.open()
        for one in (store, late):
            assert await one.get(stored.key) == stored
            assert (await one.list("Secret")).items == (stored,)
            assert by_name((await one.contents()).resources) == by_name([stored, *spare])
        await late.close()
        # What is asked for one by one may go, and is asked for together with what may not.
        results = await asyncio.gather(
            store.write([Delete(spare[0].key, spare[0].version + 1)]),
            store.write([Delete(spare[1].key, spare[1].version)]),
            store.write([Delete(spare[2].key), Create(timeout("never"))]),
            store.write([Delete(timeout("nobody").key)]),
            create(store, timeout("never")),
            return_exceptions=True,
        )
        assert [type(r).__name__ for r in results] == ["Conflict", "tuple", "NoSpace", "NotFound", "NoSpace"]
        (batch,) = await take(store, stored.version, 1)
        assert (batch.revision, batch.changes[0].key, batch.changes[0].after) == (results[1][0], spare[1].key, None)
        assert by_name((await store.contents()).resources) == by_name([stored, spare[0], spare[2]])
        await etcd.ctl("compact", str(await store.revision()))
        await etcd.ctl("defrag")
        await etcd.ctl("alarm", "disarm")
        await create(store, timeout("after"))
        assert {r.name for r in (await store.contents()).resources} == {"s", "spare0", "spare2", "after"}
    finally:
        await store.close()
        await etcd.kill()


async def test_own_compaction_and_too_large_transactions(etcd_server: Etcd) -> None:
    store = EtcdStore(StoreEtcd(endpoints=etcd_server.endpoints, prefix="/compacting"), SystemClock(), Tuning(kept=5))
    await store.open()
    first = await create(store, timeout("t0"))
    for number in range(1, 21):
        await create(store, timeout(f"t{number}"))
    with pytest.raises(Compacted):
        async with asyncio.timeout(10):
            while True:
                await take(store, first.version, 1)
    with pytest.raises(TooLarge):
        await store.write([Create(Resource("Secret", "default", f"s{i}", {"data": "x" * 400_000})) for i in range(4)])
    assert len((await store.contents()).resources) == 21
    await store.close()


async def test_large_writes_that_wait_together_all_fit(etcd_server: Etcd) -> None:
    store = EtcdStore(StoreEtcd(endpoints=etcd_server.endpoints, prefix="/heavy"), SystemClock())
    await store.open()
    before = await store.revision()
    large = [Resource("Secret", "default", f"s{i}", {"data": "x" * 300_000}) for i in range(12)]
    results = await asyncio.gather(
        *(create(store, resource) for resource in large),
        store.write([Create(Resource("Secret", "default", f"t{i}", {"data": "x" * 400_000})) for i in range(4)]),
        *(create(store, timeout(f"t{i}")) for i in range(300)),
        return_exceptions=True,
    )
    assert [type(r).__name__ for r in results] == ["Resource"] * 12 + ["TooLarge"] + ["Resource"] * 300
    batches = await take(store, before, 312)
    assert len(batches) < 60
    await store.close()


async def test_what_others_write_there_harms_nothing(etcd_server: Etcd) -> None:
    store = EtcdStore(StoreEtcd(endpoints=etcd_server.endpoints, prefix="/messy"), SystemClock())
    await store.open()
    first = await create(store, timeout("good"))
    for key, value in (("/messy/resources/nonsense", "x"), ("/messy/elsewhere", "y"), ("/messy-too", "z")):
        await etcd_server.ctl("put", key, value)
    await etcd_server.ctl("del", "/messy/resources/nonsense")
    second = await create(store, timeout("better"))
    assert {r.name for r in (await store.contents()).resources} == {"good", "better"}
    assert names(await take(store, first.version, 1)) == ["better"]
    assert second.version == await store.revision()
    await store.close()


class InstantClock(SystemClock):
    """Sleeping takes no time, but the clock moves on by it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_cluster_that_is_gone_is_not_waited_for_longer_than_configured(tmp_path: Path, size: int) -> None:
    cluster, clock = Etcd(tmp_path, size), InstantClock()
    await cluster.start()
    store = EtcdStore(StoreEtcd(endpoints=cluster.endpoints, request_timeout="60s", connect_timeout="1s"), clock)
    try:
        await store.open()
        await create(store, timeout("before"))
        await cluster.kill()
        clock.slept = 0.0
        with pytest.raises(Unavailable):
            await create(store, timeout("after"))
        assert 0.5 < clock.slept <= 1
    finally:
        await store.close()
        await cluster.kill()
