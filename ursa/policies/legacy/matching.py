"""Which source/destination policy counts: one per destination, the one whose selectors are most specific.

No merging: exactly one policy applies. Ranks count the tags a selector names; more tags beat fewer, then more exact
values beat wildcards; a tie goes to the policy created later, then to the smaller name (`spec/policies-legacy.md` §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource

Tags = Mapping[str, str]


class Rank(NamedTuple):
    """How specific a selector is."""

    exact: int = 0
    wildcard: int = 0

    def __add__(self, other: object) -> Rank:
        """The rank of both selectors together."""
        if not isinstance(other, Rank):
            return NotImplemented
        return Rank(self.exact + other.exact, self.wildcard + other.wildcard)

    @property
    def strength(self) -> tuple[int, int]:
        """Comparable: total number of tags, then exact ones."""
        return (self.exact + self.wildcard, self.exact)


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionPolicy:
    """A parsed source/destination policy; compared by identity, one object per stored version.

    Attributes:
        selectors: of policies on proxies, which know no connections.
    """

    resource: Resource
    sources: tuple[Tags, ...]
    destinations: tuple[Tags, ...]
    selectors: tuple[Tags, ...] = ()

    @property
    def name(self) -> str:
        """Name in this control plane."""
        return self.resource.name


def parse_connection_policy(resource: Resource) -> ConnectionPolicy:
    """Reads the selectors of a stored policy."""
    parts = (_selectors(resource.spec.get(name, ())) for name in ("sources", "destinations", "selectors"))
    return ConnectionPolicy(resource, *parts)


def rank(selector: Tags, tags: Tags) -> Rank | None:
    """How specifically a selector matches a tag set, None when it does not; `*` needs the tag to exist."""
    exact = wildcard = 0
    for key, value in selector.items():
        if key not in tags or value not in ("*", tags[key]):
            return None
        if value == "*":
            wildcard += 1
        else:
            exact += 1
    return Rank(exact, wildcard)


def best_rank(selectors: Iterable[Tags], tag_sets: Sequence[Tags]) -> Rank | None:
    """The best rank of any selector against any of the tag sets."""
    ranks = (found for selector in selectors for tags in tag_sets if (found := rank(selector, tags)) is not None)
    return max(ranks, key=lambda r: r.strength, default=None)


class FromSource:
    """The policies of one kind for connections from a proxy with these tag sets, ready to be asked for destinations.

    A proxy may have thousands of destinations and a mesh a policy for each of them, so a question looks only at the
    policies that name its service, and at those for any.
    """

    def __init__(self, policies: Iterable[ConnectionPolicy], source: Sequence[Tags]) -> None:
        self._exact: dict[str, list[tuple[Rank, ConnectionPolicy]]] = {}
        self._any: list[tuple[Rank, ConnectionPolicy]] = []
        for policy in policies:
            found = best_rank(policy.sources, source)
            if found is not None:
                self._add(policy, found)

    def to(self, service: str) -> ConnectionPolicy | None:
        """The policy for connections to a service."""
        return _winner((*self._exact.get(service, ()), *self._any))

    def _add(self, policy: ConnectionPolicy, source: Rank) -> None:
        for selector in policy.destinations:
            # Nothing but the service is known of a destination, so that selectors that ask for more never fit.
            if not selector.keys() <= {SERVICE_TAG}:
                continue
            service = selector.get(SERVICE_TAG, "*")
            if service != "*":
                self._exact.setdefault(service, []).append((source + Rank(exact=1), policy))
            else:
                self._any.append((source + Rank(wildcard=len(selector)), policy))


def for_destination(
    policies: Iterable[ConnectionPolicy], source: Sequence[Tags], service: str
) -> ConnectionPolicy | None:
    """The policy for connections from a proxy with these tag sets to a service."""
    return FromSource(policies, source).to(service)


def for_inbound(policies: Iterable[ConnectionPolicy], tags: Tags) -> ConnectionPolicy | None:
    """The policy for connections to an inbound with these tags; its sources say who may come."""
    candidates = [
        (found, policy) for policy in policies if (found := best_rank(policy.destinations, (tags,))) is not None
    ]
    return _winner(candidates)


def all_for_inbound(policies: Iterable[ConnectionPolicy], tags: Tags) -> tuple[ConnectionPolicy, ...]:
    """All policies for connections to an inbound with these tags; those that name their sources best come first."""
    matching = [policy for policy in policies if best_rank(policy.destinations, (tags,)) is not None]
    matching.sort(key=lambda policy: (-policy.resource.created, policy.name))
    return tuple(sorted(matching, key=_naming_of_sources, reverse=True))


def for_proxy(policies: Iterable[ConnectionPolicy], tag_sets: Sequence[Tags]) -> ConnectionPolicy | None:
    """The policy for a proxy with these tag sets; one without selectors is for all, and the least specific."""
    candidates = []
    for policy in policies:
        found = best_rank(policy.selectors, tag_sets) if policy.selectors else Rank()
        if found is not None:
            candidates.append((found, policy))
    return _winner(candidates)


def naming(selector: Tags) -> tuple[int, int]:
    """How specifically a selector names what it is for; comparable."""
    exact = sum(value != "*" for value in selector.values())
    return Rank(exact, len(selector) - exact).strength


def _naming_of_sources(policy: ConnectionPolicy) -> tuple[int, int]:
    return max(map(naming, policy.sources), default=(0, 0))


def _winner(candidates: Iterable[tuple[Rank, ConnectionPolicy]]) -> ConnectionPolicy | None:
    def order(candidate: tuple[Rank, ConnectionPolicy]) -> tuple[tuple[int, int], int]:
        return candidate[0].strength, candidate[1].resource.created

    by_name = sorted(candidates, key=lambda candidate: candidate[1].name)
    # `max` keeps the first of equals, which is the one with the smallest name.
    return max(by_name, key=order)[1] if by_name else None


def _selectors(selectors: Iterable[Mapping[str, Tags]]) -> tuple[Tags, ...]:
    return tuple(selector.get("match", {}) for selector in selectors)
