"""Whatever happens on the way, in whatever order: both ends hold what one store would, and nothing is sent twice.

A global and a zone write, refuse, restart and lose their streams under the test's control; what both users wrote is the
single store that they are compared with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
from ursa.model.kind import Sync as Way
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Batch, Change, Create, Delete, Update
from ursa.view.view import View

REGISTRY = default_registry()
ZONE = "zone-1"
NAMES = ("a", "b", "c")
DOWN_KINDS = ("MeshTimeout", "Mesh", "Secret")
UP_KINDS = ("MeshTimeout", "Dataplane")
OWN = {"kuma.io/origin": "zone"}


def build(kind: str, name: str, value: int) -> Resource:
    """One of several contents; value 0 of a policy breaks the rules of its kind."""
    match kind:
        case "Mesh":
            return Resource(kind, "", name, {"routing": {"zoneEgress": True}} if value % 2 else {})
        case "Secret":
            return Resource(kind, "default", name, {"data": "YQ==" if value % 2 else "Yg=="})
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

    def __init__(self, source: Side, target: Side, *, down: bool, clock: Clock) -> None:
        self.source, self.target, self.clock = source, target, clock
        self.rules: OfferMaker = Downward(REGISTRY) if down else Upward(REGISTRY, ZONE)
        self.ownership: Ownership = FromGlobal() if down else FromZone(ZONE)
        self.audience: Audience = OneZone(ZONE, frozenset()) if down else Everyone()
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
        self.requester = Requester(self.kinds, Node(ZONE, metadata), held, quiet=quiet)
        self.sender = Sender(self, lambda _: self.audience, Speaker("sender"), clock=self.clock)
        self.requests = list(self.requester.opening())
        self.responses: list[bytes] = []
        self.received: dict[tuple[str, str], str] = {}

    def restart(self) -> None:
        """The sending process starts with nothing but its store."""
        self.index = OfferIndex()
        self.offer(frozenset(resource.key for resource in self.source.view.all()))
        self.connect(resumes=True)

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

    def _apply(self, data: bytes) -> bool:
        delivery = self.requester.receive(data)
        assert delivery is not None
        barred = {r.key: "not now" for r in delivery.resources if r.display_name in self.blocked}
        kept = tuple(r for r in delivery.resources if r.key not in barred)
        delivery = replace(delivery, resources=kept, quarantined={**delivery.quarantined, **barred})
        plan = reconcile(delivery, REGISTRY[delivery.kind], self.target.view, self.ownership)
        self.target.change(*_changes(plan.writes))
        problems = {**delivery.quarantined, **plan.conflicts}
        self.requests.append(self.requester.answer(delivery, problems))
        return bool(problems)

    def expected(self) -> dict[ResourceKey, Resource]:
        """What this direction brings to the target, from what the user of the source wrote there."""
        found = {}
        for resource in self.source.written.values():
            kind = REGISTRY[resource.kind]
            way = Way.UP if isinstance(self.rules, Upward) else Way.DOWN
            if way in kind.sync and not kind.validate(resource) and (offer := self.rules.offer(resource)) is not None:
                found[key_of(resource.kind, offer.name)] = resource
        return found


def _changes(writes: object) -> Iterator[Change]:
    for write in writes:  # type: ignore[attr-defined]
        match write:
            case Create(resource) | Update(resource):
                yield Change(resource.key, resource)
            case Delete(key):
                yield Change(key, None)


class Sync(RuleBasedStateMachine):
    """A global and a zone, with the network, the clock and the users under the test's control."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Stopped()
        self.centre, self.zone = Side(), Side()
        self.down = Link(self.centre, self.zone, down=True, clock=self.clock)
        self.up = Link(self.zone, self.centre, down=False, clock=self.clock)

    def link(self, down: bool) -> Link:
        return self.down if down else self.up

    @rule(kind=st.sampled_from(DOWN_KINDS), name=st.sampled_from(NAMES), value=st.integers(0, 3))
    def put_at_global(self, kind: str, name: str, value: int) -> None:
        resource = build(kind, name, value)
        self.centre.written[resource.key] = resource
        self.centre.change(Change(resource.key, resource))

    @rule(kind=st.sampled_from(UP_KINDS), name=st.sampled_from(NAMES), value=st.integers(0, 3))
    def put_in_zone(self, kind: str, name: str, value: int) -> None:
        resource = build(kind, name, value).with_labels(OWN)
        self.zone.written[resource.key] = resource
        self.zone.change(Change(resource.key, resource))

    @rule(down=st.booleans(), name=st.sampled_from(NAMES), kind=st.sampled_from((*DOWN_KINDS, *UP_KINDS)))
    def delete(self, down: bool, name: str, kind: str) -> None:
        side, key = self.link(down).source, build(kind, name, 1).key
        if side.written.pop(key, None) is not None:
            side.change(Change(key, None))

    @rule(down=st.booleans())
    def deliver_request(self, down: bool) -> None:
        self.link(down).deliver_request()

    @rule(down=st.booleans())
    def send(self, down: bool) -> None:
        self.link(down).send()

    @rule(down=st.booleans())
    def deliver_response(self, down: bool) -> None:
        self.link(down).deliver_response()

    @rule(down=st.booleans())
    def exchange(self, down: bool) -> None:
        """For a moment nothing is held up."""
        self.link(down).settle()

    @rule(down=st.booleans(), resumes=st.booleans(), quiet=st.booleans())
    def reconnect(self, down: bool, resumes: bool, quiet: bool) -> None:
        self.link(down).connect(resumes=resumes, quiet=quiet)

    @rule(down=st.booleans())
    def restart(self, down: bool) -> None:
        self.link(down).restart()

    @rule(down=st.booleans(), name=st.sampled_from(NAMES))
    def refuse(self, down: bool, name: str) -> None:
        """From now on, or no longer, the receiver cannot store a name."""
        self.link(down).blocked ^= {name}

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.clock.ns += seconds * 1_000_000_000

    @invariant()
    def what_users_wrote_is_left_alone(self) -> None:
        for side in (self.centre, self.zone):
            for key, resource in side.written.items():
                stored = side.view.get(*key)
                assert stored is not None and stored.same_content(resource)

    def teardown(self) -> None:
        """Once both are left alone, nothing is refused for longer than its back-off, and both sides agree."""
        for link in (self.down, self.up):
            link.blocked.clear()
        for _ in range(3):
            for link in (self.down, self.up, self.down):
                link.settle()
            # Longer than any back-off that can have been reached.
            self.clock.ns += 10_000 * 1_000_000_000
        for link in (self.down, self.up):
            expected = link.expected()
            stored = {
                r.key: r
                for kind in link.kinds
                for r in link.target.view.list(kind.name)
                if r.key not in link.target.written and not kind.validate(r)
            }
            # What breaks the rules is put aside: the receiver keeps what it had under that name, if anything.
            broken = {
                key_of(r.kind, o.name)
                for r in link.source.written.values()
                if REGISTRY[r.kind].validate(r) and (o := link.rules.offer(r)) is not None
            }
            assert stored.keys() - broken == expected.keys()
            for key, resource in expected.items():
                assert stored[key].spec == resource.spec
            for kind in link.kinds:
                assert link.sender.delivered(kind.name) == link.source.revision


Sync.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestSync = Sync.TestCase
