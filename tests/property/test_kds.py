"""Whatever happens on the way, in whatever order: both ends hold what one store would, and nothing is sent twice.

A global and two zones write, refuse, crash, restart and lose their streams under the test's control; what their users
wrote is the single store that they are compared with.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kds.downward import Downward
from kds.envelope import key_of
from kds.held import held_versions
from kds.index import OfferIndex
from kds.offer import Audience, Catalogue, Everyone, OfferMaker, OneZone
from kds.ownership import FromGlobal, FromZone, Ownership
from kds.reconcile import reconcile
from kds.requester import Node, Requester
from kds.sender import Sender, Speaker
from kds.transport import node_metadata
from kds.upward import Upward
from kds.wire import decode_request, decode_response
from tests.unit.kds.lab import Stopped
from ursa.catalog import default_registry
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Batch, Change, Create, Delete, Update
from ursa.view.view import View

REGISTRY = default_registry()
ZONES = ("zone-1", "zone-2")
NAMES = ("a", "b", "c")
DOWN_KINDS = ("MeshTimeout", "Mesh", "Secret", "MeshService")
UP_KINDS = ("MeshTimeout", "Dataplane", "MeshService")
TAKEN_KINDS = ("Secret",)
"""Kinds whose names stay as they are on the way down, so that a zone may have taken one."""
SMALL = 700
"""Bytes at which differences are split: two or three resources."""
OWN = {"kuma.io/origin": "zone"}


def build(kind: str, name: str, value: int) -> Resource:
    """One of several contents; value 0 of a policy breaks the rules of its kind."""
    match kind:
        case "Mesh":
            return Resource(kind, "", name, {"routing": {"zoneEgress": True}} if value % 2 else {})
        case "Secret":
            return Resource(kind, "default", name, {"data": "YQ==" if value % 2 else "Yg=="})
        case "MeshService":
            return Resource(kind, "default", name, {"ports": [{"port": 80 + value, "appProtocol": "tcp"}]})
        case "Dataplane":
            return Resource(kind, "default", name, {"networking": {"address": f"10.0.0.{value}"}})
        case _:
            default = {"connectionTimeout": f"{value}s"} if value else {}
            to = [{"targetRef": {"kind": "Mesh"}, "default": default}]
            return Resource(kind, "default", name, {"targetRef": {"kind": "Mesh"}, "to": to})


@dataclass
class Side:
    """One control plane: its store, and what its user wrote there."""

    written: dict[ResourceKey, Resource] = field(default_factory=dict)
    view: View = field(default_factory=View)
    revision: int = 0
    links: list[Link] = field(default_factory=list)

    def change(self, *changes: Change) -> None:
        """One transaction, after which everything that leaves this side is offered anew."""
        self.revision += 1
        versioned = (
            c if c.after is None else replace(c, after=replace(c.after, version=self.revision)) for c in changes
        )
        self.view, touched = self.view.apply(Batch(self.revision, tuple(versioned)))
        for link in self.links:
            link.offer(touched.keys)


class Link:
    """One direction: a sender at `source`, a requester at `target`, and what is on its way between them."""

    def __init__(self, source: Side, target: Side, zone: str, *, down: bool, clock: Clock) -> None:
        self.source, self.target, self.zone, self.clock = source, target, zone, clock
        self.rules: OfferMaker = Downward(REGISTRY) if down else Upward(REGISTRY, zone)
        self.ownership: Ownership = FromGlobal() if down else FromZone(zone)
        self.audience: Audience = OneZone(zone, frozenset()) if down else Everyone()
        self.kinds = [REGISTRY[name] for name in (DOWN_KINDS if down else UP_KINDS)]
        self.blocked: set[str] = set()
        self.index = OfferIndex()
        source.links.append(self)
        self.connect(resumes=True)

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.source.revision, self.index.kinds)

    def connect(self, *, resumes: bool, quiet: bool = True) -> None:
        """Both sides start anew; what was under way is lost."""
        held = asyncio.run(held_versions(self.target.view, self.kinds, self.ownership)) if resumes else None
        metadata = node_metadata("{}", "instance")
        if not resumes:
            metadata = {**metadata, "features": ["hash-suffix"]}
        self.requester = Requester(self.kinds, Node(self.zone, metadata), held, quiet=quiet)
        self.sender = Sender(self, lambda _: self.audience, Speaker("sender", chunk=SMALL), clock=self.clock)
        self.requests = list(self.requester.opening())
        self.responses: list[bytes] = []
        self.received: dict[tuple[str, str], str] = {}

    def start(self) -> None:
        """The sending process starts with nothing but its store."""
        self.index = OfferIndex()
        self.offer(frozenset(resource.key for resource in self.source.view.all()))

    def offer(self, keys: frozenset[ResourceKey]) -> None:
        for key in sorted(keys):
            resource = self.source.view.get(*key)
            offer = self.rules.offer(resource) if resource is not None else None
            if offer is None:
                self.index.drop(key)
            else:
                self.index.put(offer)
        self.sender.touch(self.index.take_touched())

    def deliver_request(self) -> None:
        if self.requests:
            self.sender.receive(decode_request(self.requests.pop(0)))

    def send(self) -> None:
        self.responses.extend(self.sender.take())

    def deliver_response(self) -> None:
        if not self.responses:
            return
        data = self.responses.pop(0)
        response = decode_response(data)
        names = [(response.kind, item.name) for item in response.items]
        for name, item in zip(names, response.items, strict=True):
            assert self.received.get(name) != item.version, "sent twice"
            self.received[name] = item.version
        for removed in response.removed:
            self.received.pop((response.kind, removed), None)
        refused = self._apply(data)
        if refused:
            # A sender is not told what was refused; it may send each again to find out.
            for name in names:
                self.received.pop(name, None)

    def settle(self) -> None:
        """Delivers until there is nothing to deliver."""
        self.send()
        while self.requests or self.responses:
            self.deliver_request()
            self.send()
            self.deliver_response()

    def _apply(self, data: bytes, *, most: int | None = None) -> bool:
        """Takes a response, or no more than so many of its writes, after which the receiver is gone."""
        delivery = self.requester.receive(data)
        assert delivery is not None
        barred = {r.key: "not now" for r in delivery.resources if r.display_name in self.blocked}
        kept = tuple(r for r in delivery.resources if r.key not in barred)
        delivery = replace(delivery, resources=kept, quarantined={**delivery.quarantined, **barred})
        plan = reconcile(delivery, REGISTRY[delivery.kind], self.target.view, self.ownership)
        spared = {key: self.target.view.get(*self.ownership.rename(key)) for key in delivery.quarantined}
        self.target.change(*list(_changes(plan.writes))[:most])
        for key, before in spared.items():
            assert self.target.view.get(*self.ownership.rename(key)) == before, "what is put aside changes nothing"
        problems = {**delivery.quarantined, **plan.conflicts}
        self.requests.append(self.requester.answer(delivery, problems))
        return bool(problems)

    def fail(self, most: int, *, resumes: bool) -> None:
        """The receiver's store takes only a part of the next response; the stream ends with that."""
        if self.responses:
            self._apply(self.responses.pop(0), most=most)
        self.connect(resumes=resumes)

    def expected(self) -> tuple[dict[ResourceKey, Resource], set[ResourceKey]]:
        """What there is at the source for the target, and names of which the target keeps what it had, if anything."""
        found, broken = {}, set()
        for resource in self.source.view.all():
            offer = self.rules.offer(resource)
            if offer is None or not self.audience.admits(offer, self.catalogue) or resource.kind not in self.names:
                continue
            key = key_of(resource.kind, offer.name)
            if REGISTRY[resource.kind].validate(resource):
                broken.add(key)
            elif key not in self.target.written:
                # What the target's own user has under a name stays, and the peer's has to wait.
                found[key] = resource
        return found, broken

    @property
    def names(self) -> set[str]:
        return {kind.name for kind in self.kinds}

    def check(self) -> None:
        """The target has what the source has for it, and what its own user wrote, and nothing else."""
        expected, broken = self.expected()
        stored = {
            r.key: r
            for kind in self.kinds
            for r in self.target.view.list(kind.name)
            if self.ownership.owns(r, kind) and r.key not in self.target.written
        }
        assert stored.keys() - broken == expected.keys() - broken
        for key, resource in expected.items():
            assert stored[key].spec == resource.spec
        for kind in self.kinds:
            assert self.sender.delivered(kind.name) == self.source.revision


def _changes(writes: object) -> Iterator[Change]:
    for write in writes:  # type: ignore[attr-defined]
        match write:
            case Create(resource) | Update(resource):
                yield Change(resource.key, resource)
            case Delete(key):
                yield Change(key, None)


LINKS = st.integers(0, 2 * len(ZONES) - 1)
VALUES = st.integers(0, 3)


class Sync(RuleBasedStateMachine):
    """A global and two zones, with the network, the clock and the users under the test's control."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Stopped()
        self.centre, self.zones = Side(), [Side() for _ in ZONES]
        self.links: list[Link] = []
        for name, zone in zip(ZONES, self.zones, strict=True):
            self.links.append(Link(zone, self.centre, name, down=False, clock=self.clock))
            self.links.append(Link(self.centre, zone, name, down=True, clock=self.clock))

    @property
    def sides(self) -> list[Side]:
        return [self.centre, *self.zones]

    def put(self, side: Side, kind: str, name: str, value: int) -> None:
        resource = build(kind, name, value)
        if side is not self.centre:
            resource = resource.with_labels(OWN)
            if side.view.get(*resource.key) is not None and resource.key not in side.written:
                return  # The global's: no user of a zone can write it.
        side.written[resource.key] = resource
        side.change(Change(resource.key, resource))

    def remove(self, side: Side, place: int) -> None:
        """Deletes one of what the side's user wrote, if there is any."""
        if side.written:
            key = sorted(side.written)[place % len(side.written)]
            del side.written[key]
            side.change(Change(key, None))

    @rule(kind=st.sampled_from(DOWN_KINDS[:3]), name=st.sampled_from(NAMES), value=VALUES)
    def put_at_global(self, kind: str, name: str, value: int) -> None:
        self.put(self.centre, kind, name, value)

    @rule(
        zone=st.integers(0, 1),
        kind=st.sampled_from((*UP_KINDS, *TAKEN_KINDS)),
        name=st.sampled_from(NAMES),
        value=VALUES,
    )
    def put_in_zone(self, zone: int, kind: str, name: str, value: int) -> None:
        self.put(self.zones[zone], kind, name, value)

    @rule(side=st.integers(0, 2), place=st.integers(0, 20))
    def delete(self, side: int, place: int) -> None:
        self.remove(self.sides[side], place)

    @rule(link=LINKS)
    def deliver_request(self, link: int) -> None:
        self.links[link].deliver_request()

    @rule(link=LINKS)
    def send(self, link: int) -> None:
        self.links[link].send()

    @rule(link=LINKS)
    def deliver_response(self, link: int) -> None:
        self.links[link].deliver_response()

    @rule(link=LINKS)
    def exchange(self, link: int) -> None:
        """For a moment nothing is held up."""
        self.links[link].settle()

    @rule(link=LINKS, resumes=st.booleans(), quiet=st.booleans())
    def reconnect(self, link: int, resumes: bool, quiet: bool) -> None:
        self.links[link].connect(resumes=resumes, quiet=quiet)

    @rule(link=LINKS, most=st.integers(0, 2), resumes=st.booleans())
    def store_fails(self, link: int, most: int, resumes: bool) -> None:
        self.links[link].fail(most, resumes=resumes)

    @rule(
        link=LINKS,
        puts=st.lists(st.tuples(st.sampled_from(UP_KINDS[:2]), st.sampled_from(NAMES), VALUES), max_size=3),
        places=st.lists(st.integers(0, 20), max_size=3),
        resumes=st.booleans(),
    )
    def away(self, link: int, puts: list[tuple[str, str, int]], places: list[int], resumes: bool) -> None:
        """The stream is down while much happens at its source."""
        one = self.links[link]
        one.settle()
        for place in places:
            self.remove(one.source, place)
        for kind, name, value in puts:
            if one.source is not self.centre or kind in DOWN_KINDS:
                self.put(one.source, kind, name, value)
        one.connect(resumes=resumes)

    @rule(side=st.integers(0, 2), resumes=st.booleans())
    def restart(self, side: int, resumes: bool) -> None:
        """A process starts anew: all it offers, and every stream at its end."""
        for link in self.links:
            if link.source is self.sides[side]:
                link.start()
            if self.sides[side] in (link.source, link.target):
                link.connect(resumes=resumes)

    @rule(link=LINKS, name=st.sampled_from(NAMES))
    def refuse(self, link: int, name: str) -> None:
        """From now on, or no longer, the receiver cannot store a name."""
        self.links[link].blocked ^= {name}

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.clock.ns += seconds * 1_000_000_000

    @invariant()
    def what_users_wrote_is_left_alone(self) -> None:
        for side in self.sides:
            for key, resource in side.written.items():
                stored = side.view.get(*key)
                assert stored is not None and stored.same_content(resource)

    @rule()
    def agree(self) -> None:
        """Once all are left alone, nothing is refused for longer than its back-off, and all agree."""
        for link in self.links:
            link.blocked.clear()
        for _ in range(3):
            # What one zone sends goes on to the other one.
            for link in (*self.links, *self.links):
                link.settle()
            # Longer than any back-off that can have been reached.
            self.clock.ns += 10_000 * 1_000_000_000
        for link in self.links:
            link.check()

    def teardown(self) -> None:
        self.agree()


Sync.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSync = Sync.TestCase


def walk(seed: int, steps: int = 120) -> None:
    """The same by pure chance, which gets further than a search for the shortest way: all steps, all of them often."""
    chance, machine = random.Random(seed), Sync()
    kinds, links = (*UP_KINDS, *TAKEN_KINDS), range(2 * len(ZONES))
    some = chance.choice

    def away() -> None:
        puts = [(some(UP_KINDS[:2]), some(NAMES), some(range(4))) for _ in range(some(range(4)))]
        places = [some(range(20)) for _ in range(some(range(4)))]
        machine.away(some(links), puts, places, some((True, False)))

    steps_there_are: list[tuple[int, Callable[[], None]]] = [
        (6, lambda: machine.put_at_global(some(DOWN_KINDS[:3]), some(NAMES), some(range(4)))),
        (6, lambda: machine.put_in_zone(some((0, 1)), some(kinds), some(NAMES), some(range(4)))),
        (4, lambda: machine.delete(some(range(3)), some(range(20)))),
        (6, lambda: machine.deliver_request(some(links))),
        (6, lambda: machine.send(some(links))),
        (6, lambda: machine.deliver_response(some(links))),
        (4, lambda: machine.exchange(some(links))),
        (2, lambda: machine.reconnect(some(links), some((True, False)), some((True, False)))),
        (2, lambda: machine.store_fails(some(links), some(range(3)), some((True, False)))),
        (2, away),
        (1, lambda: machine.restart(some(range(3)), some((True, False)))),
        (1, lambda: machine.refuse(some(links), some(NAMES))),
        (2, lambda: machine.wait(some(range(1, 20)))),
        (1, machine.agree),
    ]
    weights = [weight for weight, _ in steps_there_are]
    for _, step in chance.choices(steps_there_are, weights, k=steps):
        step()
        machine.what_users_wrote_is_left_alone()
    machine.agree()


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_by_chance(first: int) -> None:
    for seed in range(first, first + 25):
        walk(seed)
