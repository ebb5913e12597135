"""Clients of discovery sessions that behave as Envoy does and complain when a session does not behave."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from envoy.service.discovery.v3 import discovery_pb2

from ursa.discovery.delta import DeltaSession
from ursa.discovery.dialect import Dialect
from ursa.discovery.messages import Acknowledged, DeltaRequest, Effect, Rejected, Send, SotwRequest
from ursa.discovery.snapshot import Entry, ResourceSet, Snapshot, entry
from ursa.discovery.sotw import SotwSession

CDS, EDS, LDS, RDS, SDS = "cds", "eds", "lds", "rds", "sds"

DIALECT = Dialect(
    order=(CDS, EDS, LDS, RDS, SDS),
    wildcard_types=frozenset({CDS, LDS}),
    warmed_by={EDS: CDS},
    waits_for={LDS: CDS, RDS: CDS},
    used_by={CDS: (LDS, RDS), EDS: (CDS,), RDS: (LDS,), SDS: (CDS, LDS)},
)

State = dict[str, dict[str, bytes]]


def some(type_url: str, bodies: Mapping[str, str]) -> list[Entry]:
    """Entries of a type by name."""
    return [entry(type_url, name, body.encode()) for name, body in bodies.items()]


def snapshot(**types: Mapping[str, str]) -> Snapshot:
    """A snapshot with one layer per type."""
    return Snapshot({type_url: (ResourceSet.of(some(type_url, bodies)),) for type_url, bodies in types.items()})


def content(current: Snapshot) -> State:
    """Bodies by type and name."""
    result: State = {}
    for type_url in current.layers:
        message = discovery_pb2.DiscoveryResponse()
        for one in current.entries(type_url):
            message.MergeFromString(one.any_framed)
        names = [one.name for one in current.entries(type_url)]
        result[type_url] = dict(zip(names, (r.value for r in message.resources), strict=True))
    return result


class Client:
    """What both variants have in common: a wire that keeps order, and what was applied."""

    session: DeltaSession | SotwSession

    def __init__(self) -> None:
        self.wire: deque[Send] = deque()
        self.unanswered: dict[str, str] = {}
        self.events: list[Acknowledged | Rejected] = []
        self.state: State = {}
        self.warming: set[str] = set()
        self.log: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        """Type, names and removed names of every response."""

    def feed(self, effects: Iterable[Effect]) -> None:
        """Takes what the session wants to be done."""
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.type_url not in self.unanswered, "a second response before the first was answered"
                self.unanswered[effect.type_url] = effect.nonce
                self.wire.append(effect)
            else:
                self.events.append(effect)

    def publish(self, current: Snapshot) -> None:
        self.feed(self.session.publish(current))

    def listeners_work(self) -> bool:
        """Whether all clusters are there that listeners name in their bodies."""
        used = {c for body in self.state.get(LDS, {}).values() for c in body.decode().split(":")[0].split(",") if c}
        return used <= self.state.get(CDS, {}).keys()


class DeltaClient(Client):
    """An Envoy that uses delta."""

    def __init__(self, dialect: Dialect = DIALECT, *, resume: DeltaClient | None = None) -> None:
        super().__init__()
        self.dialect = dialect
        self.session = DeltaSession(dialect, "cp")
        self.versions: dict[str, dict[str, str]] = {}
        self.accepted: State = {}
        """What belongs to these versions; `state` may differ from it after a refusal."""
        self.names: dict[str, set[str]] = {}
        self.expected: dict[tuple[str, str], int] = {}
        """How many responses until resources may not come any more unless their content is new."""
        if resume is not None:
            self.names = resume.names
            # What came of a refused response is forgotten: Envoy tells nobody, so nobody could mend it.
            self.versions, self.accepted = resume.versions, resume.accepted
            self.state = {type_url: dict(bodies) for type_url, bodies in resume.accepted.items()}
            if CDS in self.names:
                self.names[EDS] = set(self.state.get(CDS, {}))
                self._forget_unwanted(EDS)

    def request(self, type_url: str, *subscribe: str, drop: Iterable[str] = (), nonce: str = "") -> None:
        drop = tuple(drop)
        first = type_url not in self.names
        self.names.setdefault(type_url, set()).update(subscribe)
        self.names[type_url].difference_update(drop)
        if drop:
            self._forget_unwanted(type_url)
        self._expect(type_url, (*subscribe, *drop))
        if first and not subscribe:
            self.names[type_url].add("*")
        self.feed(self.session.receive(DeltaRequest(type_url, subscribe, drop, nonce=nonce)))

    def reconnect(self) -> None:
        """What Envoy says first on a new stream after an old one."""
        for type_url in self.dialect.order:
            if (names := self.names.get(type_url)) is None:
                continue
            is_plain = names == {"*"} and type_url in self.dialect.wildcard_types
            subscribe = () if is_plain else tuple(sorted(names))
            held = dict(self.versions.get(type_url, {}))
            self._expect(type_url, set(subscribe) - held.keys())
            self.feed(self.session.receive(DeltaRequest(type_url, subscribe, held=held)))

    def take(self) -> discovery_pb2.DeltaDiscoveryResponse:
        """Reads the next response off the wire without applying it."""
        send = self.wire.popleft()
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(send.data)
        assert (response.type_url, response.nonce) == (send.type_url, send.nonce)
        assert response.control_plane.identifier == "cp"
        names = [r.name for r in response.resources]
        assert len(set(names)) == len(names)
        assert not set(names) & set(response.removed_resources)
        self._check_news(response)
        self.log.append((response.type_url, tuple(names), tuple(response.removed_resources)))
        return response

    def accept(self, response: discovery_pb2.DeltaDiscoveryResponse) -> None:
        """Applies a response and acknowledges it."""
        type_url = response.type_url
        names = {r.name for r in response.resources}
        self._apply(response, names | set(response.removed_resources))
        versions, accepted = self.versions.setdefault(type_url, {}), self.accepted.setdefault(type_url, {})
        for resource in response.resources:
            if self._wants(type_url, resource.name):
                versions[resource.name], accepted[resource.name] = resource.version, resource.resource.value
        for name in response.removed_resources:
            versions.pop(name, None)
            accepted.pop(name, None)
        self.acknowledge(type_url)

    def _check_news(self, response: discovery_pb2.DeltaDiscoveryResponse) -> None:
        """Nothing is sent twice: neither what the client has nor the removal of what it does not have."""
        versions = self.versions.get(response.type_url, {})
        anything = self._expects((response.type_url, "*"))
        for resource in response.resources:
            key = (response.type_url, resource.name)
            is_news = self._expects(key) or versions.get(resource.name) != resource.version
            assert is_news or anything, f"{key} was sent twice"
        for name in response.removed_resources:
            key = (response.type_url, name)
            is_news = self._expects(key) or name in versions
            is_wanted = self._wants(*key)  # otherwise it has dropped the name in the meantime
            assert is_news or anything or not is_wanted, f"{key} was removed twice"

    def _expect(self, type_url: str, names: Iterable[str]) -> None:
        """The next response may hold these; one that is on its way does not know of that yet."""
        self.expected.update(((type_url, name), 2 if type_url in self.unanswered else 1) for name in names)

    def _expects(self, key: tuple[str, str]) -> bool:
        """Whether the client may get this again; counts down."""
        left = self.expected.pop(key, 0)
        if left > 1:
            self.expected[key] = left - 1
        return left > 0

    def _apply(self, response: discovery_pb2.DeltaDiscoveryResponse, names: Collection[str]) -> None:
        """Applies the part of a response that concerns these names; what it does not want any more it ignores."""
        type_url = response.type_url
        state = self.state.setdefault(type_url, {})
        wanted = [r for r in response.resources if r.name in names and self._wants(type_url, r.name)]
        changed = {r.name: r.resource.value for r in wanted}
        removed = {name for name in response.removed_resources if name in names}
        state.update(changed)
        for name in removed:
            state.pop(name, None)
        self._follow_clusters(type_url, changed.keys(), removed)

    def _forget_unwanted(self, type_url: str) -> None:
        for kept in (self.versions, self.accepted, self.state):
            for name in [name for name in kept.get(type_url, {}) if not self._wants(type_url, name)]:
                del kept[type_url][name]

    def _wants(self, type_url: str, name: str) -> bool:
        return not self.names.get(type_url, set()).isdisjoint((name, "*"))

    def acknowledge(self, type_url: str) -> None:
        """Acknowledges; clusters only when they are warm, as Envoy does."""
        if type_url == CDS and self.warming:
            return
        self.feed(self.session.receive(DeltaRequest(type_url, nonce=self.unanswered.pop(type_url))))
        self._acknowledge_warm_clusters(type_url)

    def refuse(
        self, response: discovery_pb2.DeltaDiscoveryResponse, reason: str, *, applied: Collection[str] = ()
    ) -> None:
        """Applies only these, without taking note of their versions, as Envoy does."""
        type_url = response.type_url
        names = {*(r.name for r in response.resources), *response.removed_resources}
        self._expect(type_url, names)
        # The session could not know that these clusters would be refused when it sent their endpoints along.
        self._expect(EDS, names if type_url == CDS else ())
        self._apply(response, applied)
        if type_url == EDS:
            self.warming -= names  # a refusal ends the wait as well
        nonce = self.unanswered.pop(type_url)
        self.feed(self.session.receive(DeltaRequest(type_url, nonce=nonce, error=reason)))
        self._acknowledge_warm_clusters(type_url)

    def _acknowledge_warm_clusters(self, changed: str) -> None:
        if not self.warming and changed == EDS and CDS in self.unanswered and not self._on_the_wire(CDS):
            self.acknowledge(CDS)

    def settle(self) -> None:
        """Accepts everything until nothing comes any more."""
        while self.wire:
            self.accept(self.take())

    def _on_the_wire(self, type_url: str) -> bool:
        return any(send.type_url == type_url for send in self.wire)

    def _follow_clusters(self, type_url: str, changed: Collection[str], removed: Collection[str]) -> None:
        if EDS not in self.dialect.order:
            return
        if type_url == EDS:
            self.warming.difference_update(changed, removed)
        elif type_url == CDS:
            known = self.names.get(EDS, set())
            self.warming = self.warming.union(changed).difference(removed)
            self._expect(EDS, changed)
            new, dropped = sorted(set(changed) - known), sorted(known.intersection(removed))
            if new or dropped:
                self.request(EDS, *new, drop=dropped)


class SotwClient(Client):
    """An Envoy that uses state of the world."""

    def __init__(self, *, resume: SotwClient | None = None) -> None:
        super().__init__()
        self.session = SotwSession(DIALECT, "cp")
        self.versions: dict[str, str] = {}
        self.nonces: dict[str, str] = {}
        self.names: dict[str, set[str]] = {}
        self.expected: set[str] = set()
        """Types of which a response may come although the client has that version."""
        if resume is not None:
            self.state, self.versions, self.names = resume.state, resume.versions, resume.names

    def request(self, type_url: str, *names: str, error: str | None = None) -> None:
        """Says what it wants, which also answers the last response."""
        if error is not None or not self.names.get(type_url, set()).issuperset(names):
            self.expected.add(type_url)
        self.names[type_url] = set(names)
        self.unanswered_by_nonce(type_url)
        self.feed(
            self.session.receive(
                SotwRequest(type_url, self.versions.get(type_url, ""), names, self.nonces.get(type_url, ""), error)
            )
        )

    def unanswered_by_nonce(self, type_url: str) -> None:
        if self.unanswered.get(type_url) == self.nonces.get(type_url):
            self.unanswered.pop(type_url, None)

    def take(self) -> discovery_pb2.DiscoveryResponse:
        """Reads the next response off the wire without applying it."""
        send = self.wire.popleft()
        response = discovery_pb2.DiscoveryResponse.FromString(send.data)
        assert (response.type_url, response.nonce) == (send.type_url, send.nonce)
        assert response.control_plane.identifier == "cp"
        type_url, version = response.type_url, response.version_info
        assert type_url in self.expected or self.versions.get(type_url) != version, f"{type_url} was sent twice"
        self.expected.discard(type_url)
        self.log.append((type_url, (version,), ()))
        return response

    def accept(self, response: discovery_pb2.DiscoveryResponse, names: Mapping[bytes, str]) -> None:
        """Applies a response and acknowledges it; `names` tells what body is what."""
        type_url = response.type_url
        self.nonces[type_url], self.versions[type_url] = response.nonce, response.version_info
        bodies = {names[r.value]: r.value for r in response.resources}
        before = self.state.get(type_url, {})
        if type_url in DIALECT.wildcard_types:
            self.state[type_url] = bodies
        else:  # what it does not want any more it ignores
            bodies = {name: body for name, body in bodies.items() if name in self.names[type_url]}
            self.state[type_url] = {**before, **bodies}
        if type_url == CDS:
            self.expected.add(EDS)
            changed = {n for n, body in bodies.items() if before.get(n) != body}
            self.warming = (self.warming | changed) & bodies.keys()
            if bodies.keys() != self.names.get(EDS):
                for gone in self.names.get(EDS, set()) - bodies.keys():
                    self.state.get(EDS, {}).pop(gone, None)
                self.request(EDS, *sorted(bodies))
        elif type_url == EDS:
            self.warming -= bodies.keys()
        self.acknowledge(type_url)

    def acknowledge(self, type_url: str) -> None:
        """Acknowledges; clusters only when they are warm, as Envoy does."""
        if type_url == CDS and self.warming:
            return
        self.request(type_url, *sorted(self.names.get(type_url, ())))
        self._acknowledge_warm_clusters(type_url)

    def _acknowledge_warm_clusters(self, changed: str) -> None:
        pending = self.unanswered.get(CDS)
        if changed == EDS and not self.warming and pending is not None and pending == self.nonces.get(CDS):
            self.acknowledge(CDS)

    def refuse(self, response: discovery_pb2.DiscoveryResponse, reason: str) -> None:
        """Applies nothing."""
        type_url = response.type_url
        self.nonces[type_url] = response.nonce
        if type_url == CDS:
            self.expected.add(EDS)  # the session sent endpoints along before it could know of the refusal
        elif type_url == EDS:
            self.warming.clear()  # a refusal ends the wait as well
        self.request(type_url, *sorted(self.names.get(type_url, ())), error=reason)
        self._acknowledge_warm_clusters(type_url)

    def settle(self, names: Mapping[bytes, str]) -> None:
        """Accepts everything until nothing comes any more."""
        while self.wire:
            self.accept(self.take(), names)
