"""Whatever happens on the way, in whatever order: the receiver ends with the newest state, nothing is sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kds.downward import Downward
from kds.envelope import key_of
from kds.held import held_versions
from kds.index import OfferIndex
from kds.offer import Catalogue, OneZone
from kds.ownership import FromGlobal
from kds.reconcile import reconcile
from kds.requester import Node, Requester
from kds.sender import Sender
from kds.transport import node_metadata
from kds.wire import decode_request, decode_response
from ursa.catalog import default_registry
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Batch, Change, Create, Delete, Update
from ursa.view.view import View

REGISTRY = default_registry()
KINDS = [REGISTRY[name] for name in ("MeshTimeout", "Mesh", "Secret")]
NAMES = ("a", "b", "c", "d")
LOCAL = Resource("MeshTimeout", "default", "own", {}, {"kuma.io/origin": "zone"})


def build(kind: str, name: str, value: int) -> Resource:
    """One of several contents; value 0 of a policy breaks the rules of its kind."""
    match kind:
        case "Mesh":
            return Resource(kind, "", name, {"routing": {"zoneEgress": True}} if value % 2 else {})
        case "Secret":
            return Resource(kind, "default", name, {"data": "YQ==" if value % 2 else "Yg=="})
        case _:
            default = {"connectionTimeout": f"{value}s"} if value else {}
            to = [{"targetRef": {"kind": "Mesh"}, "default": default}]
            return Resource(kind, "default", name, {"targetRef": {"kind": "Mesh"}, "to": to})


class Sync(RuleBasedStateMachine):
    """A global's sender and a zone's requester, with the network under the test's control."""

    def __init__(self) -> None:
        super().__init__()
        self.index = OfferIndex()
        self.rules = Downward(REGISTRY)
        self.source: dict[ResourceKey, Resource] = {}
        self.revision = 0
        self.target, _ = View().apply(Batch(1, (Change(LOCAL.key, LOCAL),)))
        self.written = 1

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.revision, self.index.kinds)

    @initialize(resumes=st.booleans())
    def connect(self, resumes: bool) -> None:
        """Both sides start anew; what was under way is lost."""
        held = asyncio.run(held_versions(self.target, KINDS, FromGlobal())) if resumes else None
        metadata = node_metadata("{}", "zone-1-1")
        if not resumes:
            metadata = {**metadata, "features": ["hash-suffix"]}
        self.requester = Requester(KINDS, Node("zone-1", metadata), held)
        self.sender = Sender(
            self, lambda _: OneZone("zone-1", frozenset()), identifier="global", max_message=10 << 20, now=lambda: 0
        )
        self.requests = list(self.requester.opening())
        self.responses: list[bytes] = []
        self.received: dict[tuple[str, str], str] = {}

    @rule(kind=st.sampled_from([k.name for k in KINDS]), name=st.sampled_from(NAMES), value=st.integers(0, 3))
    def put(self, kind: str, name: str, value: int) -> None:
        resource = build(kind, name, value)
        self.source[resource.key] = resource
        self._offer(resource.key)

    @rule(kind=st.sampled_from([k.name for k in KINDS]), name=st.sampled_from(NAMES))
    def delete(self, kind: str, name: str) -> None:
        key = build(kind, name, 1).key
        self.source.pop(key, None)
        self._offer(key)

    @rule()
    def deliver_request(self) -> None:
        if self.requests:
            self.sender.receive(decode_request(self.requests.pop(0)))

    @rule()
    def send(self) -> None:
        self.responses.extend(self.sender.take())

    @rule()
    def deliver_response(self) -> None:
        if self.responses:
            self._apply(self.responses.pop(0))

    @rule(resumes=st.booleans())
    def reconnect(self, resumes: bool) -> None:
        self.connect(resumes)

    @invariant()
    def own_resources_are_left_alone(self) -> None:
        assert self.target.get(*LOCAL.key) == LOCAL

    def teardown(self) -> None:
        """Once the network is left alone, both sides agree."""
        if not hasattr(self, "sender"):
            return
        self.send()
        while self.requests or self.responses:
            self.deliver_request()
            self.send()
            self.deliver_response()
        assert list(self.sender.take()) == []
        expected = {}
        for key, resource in self.source.items():
            offer = self.rules.offer(resource)
            assert offer is not None
            expected[key_of(key.kind, offer.name)] = resource
        for kind in KINDS:
            stored = {r.key: r for r in self.target.list(kind.name) if r.key != LOCAL.key}
            wanted = {k: r for k, r in expected.items() if k.kind == kind.name}
            valid = {k for k, r in wanted.items() if not kind.validate(r)}
            # What breaks the rules is put aside: the receiver keeps what it had under that name, if anything.
            assert valid <= stored.keys() <= wanted.keys()
            for key in valid:
                assert stored[key].spec == wanted[key].spec
            assert self.sender.delivered(kind.name) == self.revision

    def _offer(self, key: ResourceKey) -> None:
        resource = self.source.get(key)
        offer = self.rules.offer(resource) if resource is not None else None
        if offer is None:
            self.index.drop(key)
        else:
            self.index.put(offer)
        self.revision += 1
        self.sender.touch(self.index.take_touched())

    def _apply(self, data: bytes) -> None:
        for item in decode_response(data).items:
            name = (decode_response(data).kind, item.name)
            assert self.received.get(name) != item.version, "sent twice"
            self.received[name] = item.version
        for removed in decode_response(data).removed:
            self.received.pop((decode_response(data).kind, removed), None)
        delivery = self.requester.receive(data)
        plan = reconcile(delivery, REGISTRY[delivery.kind], self.target, FromGlobal())
        self.written += 1
        changes = []
        for write in plan.writes:
            match write:
                case Create(resource) | Update(resource):
                    changes.append(Change(resource.key, replace(resource, version=self.written)))
                case Delete(key):
                    changes.append(Change(key, None))
        self.target, _ = self.target.apply(Batch(self.written, tuple(changes)))
        self.requests.append(self.requester.answer(delivery, {**delivery.quarantined, **plan.conflicts}))


Sync.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSync = Sync.TestCase
