"""Whatever happens in whatever order, a client ends with the newest state, and never loses what it still uses."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.discovery.clients import CDS, EDS, LDS, RDS, SDS, DeltaClient, SotwClient, State, content, some
from ursa.discovery.dialect import Dialect
from ursa.discovery.layers import difference, digest, entries, payload
from ursa.discovery.snapshot import ResourceSet, Snapshot

NAMES = "abcdef"

bodies = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=5)
worlds = st.tuples(bodies, bodies, bodies, st.dictionaries(st.sampled_from("xyz"), st.sets(st.sampled_from(NAMES))))
MOVES = ("publish", "take", "accept", "refuse", "reconnect")


def make_snapshot(world: tuple[dict[str, int], dict[str, int], dict[str, int], dict[str, set[str]]]) -> Snapshot:
    """A consistent snapshot: endpoints for every cluster, listeners that name only clusters that exist."""
    shared, own, endpoints, listeners = world
    clusters = (
        ResourceSet.of(some(CDS, {n: f"{CDS} {n} {v}" for n, v in shared.items()})),
        ResourceSet.of(some(CDS, {n: f"{CDS} {n} {v}" for n, v in own.items()})),
    )
    names = shared.keys() | own.keys()
    assignments = ResourceSet.of(some(EDS, {n: f"{EDS} {n} {endpoints.get(n, 0)}" for n in names}))
    routed = {n: ",".join(sorted(used & names)) + f": {n}" for n, used in listeners.items()}
    return Snapshot({CDS: clusters, EDS: (assignments,), LDS: (ResourceSet.of(some(LDS, routed)),)})


def names_of(body: bytes) -> str:
    return body.decode().split(" ")[1]


class BodyNames(dict[bytes, str]):
    """Every body of `make_snapshot` says whose it is."""

    def __missing__(self, body: bytes) -> str:
        return names_of(body)


def fresh(number: int) -> Snapshot:
    """A snapshot with content that nobody has seen or refused."""
    return make_snapshot(({"a": number, "b": number}, {"c": number}, {"a": number, "b": number}, {"x": {"a", "c"}}))


@given(moves=st.lists(st.tuples(st.sampled_from(("publish", "accept", "reconnect")), worlds), max_size=25))
@settings(max_examples=300, deadline=None)
def test_delta_ends_in_the_newest_state_and_never_breaks_a_listener(moves: list[tuple[str, tuple]]) -> None:
    client, current = connect_delta(), Snapshot.EMPTY
    for move, world in moves:
        if move == "publish":
            current = make_snapshot(world)
            client.publish(current)
        elif move == "accept" and client.wire:
            client.accept(client.take())
        elif move == "reconnect":
            client = resume_delta(client, current)
        assert client.listeners_work()
    while client.wire:
        client.accept(client.take())
        assert client.listeners_work()
    if current is not Snapshot.EMPTY:
        assert without_empty_types(client.state) == without_empty_types(content(current))
    assert not client.unanswered and not client.warming
    check_silence(client.publish, client, current)


def without_empty_types(state: State) -> State:
    """A client that names what it wants is not told that there is nothing."""
    return {type_url: bodies for type_url, bodies in state.items() if bodies}


def connect_delta() -> DeltaClient:
    client = DeltaClient()
    for type_url in (CDS, LDS):
        client.request(type_url)
    return client


def resume_delta(old: DeltaClient, current: Snapshot) -> DeltaClient:
    client = DeltaClient(resume=old)
    # Clusters that were warming on the old stream are awaited with what there is (Envoy's own timeout).
    client.publish(current)
    client.reconnect()
    return client


def check_silence(publish: Callable[[Snapshot], None], client: DeltaClient | SotwClient, current: Snapshot) -> None:
    """The same content in other objects is no news."""
    layers = {t: tuple(ResourceSet.of(list(one)) for one in stack) for t, stack in current.layers.items()}
    publish(Snapshot(layers))
    assert not client.wire


@given(moves=st.lists(st.tuples(st.sampled_from((*MOVES, "retry")), worlds, st.booleans(), st.booleans()), max_size=25))
@settings(max_examples=300, deadline=None)
def test_delta_recovers_from_refusals(moves: list[tuple[str, tuple, bool, bool]]) -> None:
    client, current, clusters_refused = connect_delta(), Snapshot.EMPTY, False
    for move, world, names_culprit, applies_rest in moves:
        if move == "publish":
            current = make_snapshot(world)
            client.publish(current)
        elif move == "reconnect":
            client = resume_delta(client, current)
        elif move == "retry":
            client.feed(client.session.retry())
        elif client.wire:
            response = client.take()
            items = [*(r.name for r in response.resources), *response.removed_resources]
            if move == "refuse" and items:
                reason = f"cannot use {items[0]}: bad" if names_culprit else "bad"
                client.refuse(response, reason, applied=items[1:] if applies_rest else ())
                clusters_refused = clusters_refused or response.type_url == CDS
            else:
                client.accept(response)
        assert client.listeners_work() or clusters_refused
    client.settle()
    client.feed(client.session.retry())
    client.settle()
    assert not client.session.has_refused
    if current is not Snapshot.EMPTY:
        assert without_empty_types(client.state) == without_empty_types(content(current))
    assert not client.unanswered and not client.warming
    check_silence(client.publish, client, current)


TYPES = (CDS, EDS, LDS)


def refuse_the_bad(client: DeltaClient, bad: set[tuple[str, str]], *, names_culprit: bool, applies_rest: bool) -> None:
    """Answers everything; refuses whatever holds one of these resources."""
    while client.wire:
        response = client.take()
        names = {r.name for r in response.resources}
        culprits = {name for name in names if (response.type_url, name) in bad}
        if not culprits:
            client.accept(response)
            continue
        reason = f"cannot use {', '.join(sorted(culprits))}: bad" if names_culprit else "bad"
        rest = {*names, *response.removed_resources} - culprits if applies_rest else ()
        client.refuse(response, reason, applied=rest)


@given(
    moves=st.lists(st.tuples(st.sampled_from(("publish", "answer")), worlds), max_size=20),
    bad=st.sampled_from(TYPES),
    names_culprit=st.booleans(),
    applies_rest=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_one_bad_resource_never_holds_the_others(
    moves: list[tuple[str, tuple]], bad: str, names_culprit: bool, applies_rest: bool
) -> None:
    client, current = connect_delta(), Snapshot.EMPTY
    refused = {(bad, "a"), (bad, "b"), (bad, "x")}
    for move, world in moves:
        if move == "publish":
            current = make_snapshot(world)
            client.publish(current)
        else:
            refuse_the_bad(client, refused, names_culprit=names_culprit, applies_rest=applies_rest)
    refuse_the_bad(client, refused, names_culprit=names_culprit, applies_rest=applies_rest)
    if current is not Snapshot.EMPTY:
        check_all_but(client, current, refused)
    settled = len(client.log)
    check_silence(client.publish, client, current)
    assert len(client.log) == settled
    client.feed(client.session.retry())
    refuse_the_bad(client, refused, names_culprit=names_culprit, applies_rest=applies_rest)
    assert len(client.log) - settled <= 6, "refused resources are sent in a loop"
    client.feed(client.session.retry())
    client.settle()
    if current is not Snapshot.EMPTY:
        assert without_empty_types(client.state) == without_empty_types(content(current))
    assert not client.unanswered and not client.warming


@given(
    moves=st.lists(st.tuples(st.sampled_from(("publish", "answer")), worlds), max_size=20),
    bad=st.sampled_from(TYPES),
    names_culprit=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_one_bad_resource_never_holds_the_full_state(
    moves: list[tuple[str, tuple]], bad: str, names_culprit: bool
) -> None:
    client, current, names = SotwClient(), Snapshot.EMPTY, BodyNames()
    client.request(CDS)
    client.request(LDS)
    refused = {(bad, "a"), (bad, "b"), (bad, "x")}

    def answer() -> None:
        while client.wire:
            response = client.take()
            found = {names[r.value] for r in response.resources}
            culprits = sorted(name for name in found if (response.type_url, name) in refused)
            if culprits:
                client.refuse(response, f"cannot use {', '.join(culprits)}: bad" if names_culprit else "bad")
            else:
                client.accept(response, names)

    for move, world in moves:
        if move == "publish":
            current = make_snapshot(world)
            client.publish(current)
        else:
            answer()
    answer()
    if current is not Snapshot.EMPTY:
        check_all_but(client, current, refused)
    check_silence(client.publish, client, current)
    settled = len(client.log)
    client.feed(client.session.retry())
    answer()
    assert len(client.log) - settled <= 6, "refused resources are sent in a loop"
    client.feed(client.session.retry())
    client.settle(names)
    if current is not Snapshot.EMPTY:
        assert without_empty_types(client.state) == without_empty_types(content(current))
    assert not client.unanswered and not client.warming


def check_all_but(client: DeltaClient | SotwClient, current: Snapshot, refused: set[tuple[str, str]]) -> None:
    """All that is wanted is there, except what was refused; what is not wanted is gone unless it may be in use."""
    for type_url, bodies in content(current).items():
        have = client.state.get(type_url, {})
        for name, body in bodies.items():
            is_asked = type_url != EDS or name in client.names.get(EDS, set())
            assert have.get(name) == body or (type_url, name) in refused or not is_asked
    if not client.session.has_refused:
        assert without_empty_types(client.state) == without_empty_types(content(current))


PLAIN = Dialect(order=(RDS, SDS), wildcard_types=frozenset())


@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(("publish", "accept", "subscribe", "drop", "reconnect")),
            bodies,
            st.sets(st.sampled_from((*NAMES, "*")), min_size=1),
        ),
        max_size=30,
    )
)
@settings(max_examples=300, deadline=None)
def test_delta_follows_subscriptions(moves: list[tuple[str, dict[str, int], set[str]]]) -> None:
    client, current = DeltaClient(PLAIN), Snapshot.EMPTY
    for move, versions, names in moves:
        if move == "publish":
            current = Snapshot({RDS: (ResourceSet.of(some(RDS, {n: f"{n} {v}" for n, v in versions.items()})),)})
            client.publish(current)
        elif move == "subscribe":
            client.request(RDS, *sorted(names))
        elif move == "drop" and RDS in client.names:
            client.request(RDS, drop=sorted(names))
        elif move == "accept" and client.wire:
            client.accept(client.take())
        elif move == "reconnect":
            client = DeltaClient(PLAIN, resume=client)
            client.publish(current)
            client.reconnect()
    while client.wire:
        client.accept(client.take())
    wanted = client.names.get(RDS, set())
    expected = {n: body for n, body in content(current).get(RDS, {}).items() if n in wanted or "*" in wanted}
    kept = {n: body for n, body in client.state.get(RDS, {}).items() if n in wanted or "*" in wanted}
    if current is not Snapshot.EMPTY:
        assert kept == expected


@given(moves=st.lists(st.tuples(st.sampled_from((*MOVES, "retry")), worlds), max_size=25), refusals=st.booleans())
@settings(max_examples=400, deadline=None)
def test_sotw_ends_in_the_newest_state(moves: list[tuple[str, tuple]], refusals: bool) -> None:
    client, current, names = SotwClient(), Snapshot.EMPTY, BodyNames()
    client.request(CDS)
    client.request(LDS)
    clean = True
    for move, world in moves:
        if move == "publish":
            current = make_snapshot(world)
            client.publish(current)
        elif move == "reconnect":
            clean = False  # what a client used before nobody knows, so clusters may go too early
            client = SotwClient(resume=client)
            client.publish(current)
            for type_url in (CDS, EDS, LDS):
                if type_url in client.names:
                    client.request(type_url, *sorted(client.names[type_url]))
        elif move == "retry":
            client.feed(client.session.retry())
        elif client.wire:
            response = client.take()
            if move == "refuse" and refusals:
                clean = False
                client.refuse(response, "bad")
            else:
                client.accept(response, names)
        assert client.listeners_work() or not clean
    client.settle(names)
    client.feed(client.session.retry())
    client.settle(names)
    assert not client.session.has_refused
    if current is not Snapshot.EMPTY:
        assert client.state[CDS] == content(current)[CDS]
        assert client.state[LDS] == content(current)[LDS]
        assert client.state.get(EDS, {}) == content(current)[EDS]
    assert not client.unanswered and not client.warming
    check_silence(client.publish, client, current)


stacks = st.lists(bodies, max_size=3)


@given(old=stacks, new=stacks, same=st.integers(0, 3))
@settings(max_examples=500, deadline=None)
def test_a_difference_leads_from_one_stack_to_the_other(
    old: list[dict[str, int]], new: list[dict[str, int]], same: int
) -> None:
    before = tuple(ResourceSet.of(some("t", {n: str(v) for n, v in one.items()})) for one in old)
    after = before[:same] + tuple(ResourceSet.of(some("t", {n: str(v) for n, v in one.items()})) for one in new[same:])
    result = {e.name: e for e in entries(before)}
    step = difference(before, after)
    for one in step.changed:
        assert result.get(one.name) != one
        result[one.name] = one
    for name in step.removed:
        del result[name]
    assert result == {e.name: e for e in entries(after)}
    assert b"".join(step.payload()) == b"".join(e.delta_framed for e in step.changed)
    flat = ResourceSet.of(entries(after))
    assert digest(after) == flat.digest
    assert sorted(payload((flat,))[0] if flat else b"") == sorted(b"".join(payload(after)))


@given(steps=st.lists(st.tuples(bodies, st.sets(st.sampled_from(NAMES))), max_size=6))
@settings(max_examples=300, deadline=None)
def test_sets_keep_their_books(steps: list[tuple[dict[str, int], set[str]]]) -> None:
    current, model = ResourceSet.EMPTY, {}
    for changed, removed in steps:
        before, known = current, dict(model)
        current = current.updated(some("t", {n: str(v) for n, v in changed.items()}), removed)
        model = {n: v for n, v in {**model, **changed}.items() if n not in removed or n in changed}
        assert {e.name: e for e in current} == {e.name: e for e in some("t", {n: str(v) for n, v in model.items()})}
        assert current.version == ResourceSet.of(list(current)).version
        assert (current is before) == (model == known)
        assert current.step_from(before) is current.step_from(before) or current is before
