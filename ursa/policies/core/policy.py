"""A targetRef policy as the rest of this package reads it: parsed once per stored object, shared by all proxies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ursa.model.json import JsonObject
from ursa.model.kind import Kind
from ursa.model.kri import kri_of
from ursa.model.labels import EFFECT, NAMESPACE, ORIGIN, POLICY_ROLE, ZONE
from ursa.model.resource import Resource
from ursa.policies.core.target_ref import TargetRef, parse_target_ref

SYSTEM = "system"
PRODUCER = "producer"
CONSUMER = "consumer"
WORKLOAD_OWNER = "workload-owner"

GLOBAL_ORIGIN = "global"
ZONE_ORIGIN = "zone"

_SHADOW = "shadow"


class Origin(NamedTuple):
    """Where an effective value comes from: a policy and the position of the item in its list."""

    policy: Policy
    item: int

    @property
    def kri(self) -> str:
        """KRI of the policy."""
        return self.policy.kri


@dataclass(frozen=True, slots=True)
class Effective:
    """A merged conf together with the items it was merged from, weakest first."""

    conf: JsonObject
    origins: tuple[Origin, ...]

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies behind the conf, each once, weakest first."""
        return tuple(dict.fromkeys(origin.policy for origin in self.origins))


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of `to`, `from` or `rules`; `target` is the whole mesh for `rules`."""

    index: int
    target: TargetRef
    conf: JsonObject
    matches: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A parsed policy. Compared by identity: one object per stored version.

    Attributes:
        from_items: items of `from`.
        inbound_items: items that apply to inbounds whoever the client is: `rules`, or `from` where a kind reads it so.
        default: conf of a policy without lists.
        zone: zone label, empty for objects of the global.
        shadow: the policy counts only in previews.
    """

    resource: Resource
    kri: str
    target: TargetRef
    to_items: tuple[Item, ...]
    from_items: tuple[Item, ...]
    inbound_items: tuple[Item, ...]
    has_rules: bool
    default: JsonObject | None
    zone: str
    namespace: str
    origin: str
    role: str
    shadow: bool

    @property
    def kind(self) -> str:
        """Type name."""
        return self.resource.kind

    @property
    def display_name(self) -> str:
        """Name given by the author."""
        return self.resource.display_name

    @property
    def inbound_only(self) -> bool:
        """Whether the policy says nothing about outbounds or the proxy as a whole."""
        return bool(self.from_items or self.inbound_items) and not self.to_items

    def __repr__(self) -> str:
        return f"Policy({self.resource.kind} {self.resource.mesh}/{self.resource.name})"


def parse_policy(resource: Resource, kind: Kind) -> Policy:
    """Parses a stored (hence valid) policy."""
    spec, labels = resource.spec, resource.labels
    from_items = _items(spec.get("from"))
    rules = _items(spec.get("rules"))
    from_as_rules = kind.policy is not None and kind.policy.from_as_rules
    return Policy(
        resource=resource,
        kri=kri_of(resource, kind),
        target=parse_target_ref(spec.get("targetRef")),
        to_items=_items(spec.get("to")),
        from_items=from_items,
        inbound_items=rules or (from_items if from_as_rules else ()),
        has_rules=bool(rules),
        default=spec.get("default"),
        zone=labels.get(ZONE, ""),
        namespace=labels.get(NAMESPACE, ""),
        origin=labels.get(ORIGIN, ""),
        role=labels.get(POLICY_ROLE, SYSTEM),
        shadow=labels.get(EFFECT) == _SHADOW,
    )


def _items(entries: Sequence[JsonObject] | None) -> tuple[Item, ...]:
    return tuple(
        Item(
            index=index,
            target=parse_target_ref(entry.get("targetRef")),
            conf=_conf(entry),
            matches=tuple(entry.get("matches") or ()),
        )
        for index, entry in enumerate(entries or ())
    )


def _conf(entry: JsonObject) -> JsonObject:
    """The conf of an item; routes have no `default`, their whole item counts."""
    if "default" in entry:
        conf: JsonObject = entry["default"] or {}
        return conf
    return {key: value for key, value in entry.items() if key not in ("targetRef", "matches")}
