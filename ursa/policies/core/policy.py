"""A targetRef policy as the rest of this package reads it: parsed once per stored object, shared by all proxies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ursa.model.json import JsonObject
from ursa.model.kind import ItemConf, Kind, PolicyTraits
from ursa.model.kri import kri_of
from ursa.model.labels import EFFECT, NAMESPACE, ORIGIN, POLICY_ROLE, ZONE
from ursa.model.resource import Resource
from ursa.policies.core.merge import merge_all
from ursa.policies.core.merge_routes import merge_routes, rules_by_hash
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
    """What was merged, together with the items it was merged from, weakest first.

    Attributes:
        confs: one conf; for routes one per host name.
        parts: the items with what each of them says.
        by_matches: for routes, the item that each rule comes from, by the hash of the rule's matches.
    """

    confs: tuple[JsonObject, ...]
    parts: tuple[tuple[Origin, JsonObject], ...]
    by_matches: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def conf(self) -> JsonObject:
        """The conf, where there is only one."""
        return self.confs[0]

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The items, weakest first."""
        return tuple(origin for origin, _ in self.parts)

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
        item_conf: what the items look like.
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
    item_conf: ItemConf
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
    def outbound_only(self) -> bool:
        """Whether the policy says nothing about inbounds or the proxy as a whole."""
        return bool(self.to_items) and not self.from_items and not self.inbound_items

    @property
    def inbound_only(self) -> bool:
        """Whether the policy says nothing about outbounds or the proxy as a whole."""
        return bool(self.from_items or self.inbound_items) and not self.to_items

    def __repr__(self) -> str:
        return f"Policy({self.resource.kind} {self.resource.mesh}/{self.resource.name})"


def parse_policy(resource: Resource, kind: Kind) -> Policy:
    """Parses a stored (hence valid) policy."""
    spec, labels = resource.spec, resource.labels
    traits = kind.policy or PolicyTraits()
    from_items = _items(spec.get("from"), traits.item_conf)
    rules = _items(spec.get("rules"), traits.item_conf)
    return Policy(
        resource=resource,
        kri=kri_of(resource, kind),
        target=parse_target_ref(spec.get("targetRef")),
        to_items=_items(spec.get("to"), traits.item_conf),
        from_items=from_items,
        inbound_items=rules or (from_items if traits.from_as_rules else ()),
        has_rules=bool(rules),
        item_conf=traits.item_conf,
        default=spec.get("default"),
        zone=labels.get(ZONE, ""),
        namespace=labels.get(NAMESPACE, ""),
        origin=labels.get(ORIGIN, ""),
        role=labels.get(POLICY_ROLE, SYSTEM),
        shadow=labels.get(EFFECT) == _SHADOW,
    )


def effective(parts: Iterable[tuple[Origin, JsonObject]]) -> Effective | None:
    """Merges confs in ascending strength; None when there are none."""
    found = tuple(parts)
    if not found:
        return None
    if found[0][0].policy.item_conf is not ItemConf.ROUTES:
        return Effective((merge_all(conf for _, conf in found),), found)
    by_matches = {digest: origin for origin, conf in found for digest in rules_by_hash(conf)}
    return Effective(merge_routes([conf for _, conf in found]), found, by_matches)


def stacked(weaker: Effective | None, origin: Origin, conf: JsonObject) -> Effective:
    """What was merged so far with one more conf on top."""
    on_top = effective([(origin, conf)])
    assert on_top is not None
    if weaker is None:
        return on_top
    confs = (*weaker.confs, *on_top.confs)
    merged = merge_routes(confs) if origin.policy.item_conf is ItemConf.ROUTES else (merge_all(confs),)
    return Effective(merged, (*weaker.parts, *on_top.parts), {**weaker.by_matches, **on_top.by_matches})


def effective_items(items: Iterable[tuple[Policy, Item]]) -> Effective | None:
    """Merges the confs of items in ascending strength; None when there are none."""
    return effective((Origin(policy, item.index), item.conf) for policy, item in items)


def effective_default(policies: Iterable[Policy]) -> Effective | None:
    """Merges the confs of policies for the proxy as a whole, in ascending strength; None when there are none."""
    return effective((Origin(policy, 0), policy.default) for policy in policies if policy.default is not None)


def _items(entries: Sequence[JsonObject] | None, item_conf: ItemConf) -> tuple[Item, ...]:
    return tuple(
        Item(
            index=index,
            target=parse_target_ref(entry.get("targetRef")),
            conf=_conf(entry, item_conf),
            matches=tuple(entry.get("matches") or ()),
        )
        for index, entry in enumerate(entries or ())
    )


def _conf(entry: JsonObject, item_conf: ItemConf) -> JsonObject:
    conf: JsonObject
    match item_conf:
        case ItemConf.DEFAULT:
            conf = entry.get("default") or {}
        case ItemConf.ROUTES:
            conf = {key: entry[key] for key in ("hostnames", "rules") if key in entry}
        case ItemConf.ONE_RULE:
            conf = next(iter(entry.get("rules") or ()), {})
    return conf
