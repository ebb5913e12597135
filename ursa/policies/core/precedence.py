"""Which of two policies is stronger. The order is total and does not depend on input order.

Compared from the most to the least important: kind of the top-level reference, how exactly a Dataplane is named,
origin, number of gateway tags, role, name (the alphabetically smaller name is stronger). Stronger policies come last,
because merging lets the last one win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ursa.policies.core.policy import (
    CONSUMER,
    GLOBAL_ORIGIN,
    PRODUCER,
    SYSTEM,
    WORKLOAD_OWNER,
    ZONE_ORIGIN,
    Item,
    Policy,
)
from ursa.policies.core.target_ref import DATAPLANE, MESH_GATEWAY, STRENGTH, TargetRef

Strength: TypeAlias = tuple[int, ...]
"""Comparable part of a policy's strength without its name."""

_ORIGIN: Mapping[str, int] = MappingProxyType({GLOBAL_ORIGIN: 0, ZONE_ORIGIN: 2})
_ANY_ORIGIN = 1
_ROLE: Mapping[str, int] = MappingProxyType({SYSTEM: 0, PRODUCER: 1, CONSUMER: 2, WORKLOAD_OWNER: 3})


def strength(policy: Policy) -> Strength:
    """Everything that decides between two policies before their names do."""
    target = policy.target
    return (
        STRENGTH[target.kind],
        *_exactness(target),
        _ORIGIN.get(policy.origin, _ANY_ORIGIN),
        len(target.tags) if target.kind == MESH_GATEWAY else 0,
        _ROLE.get(policy.role, 0),
    )


def by_precedence(policies: Iterable[Policy]) -> tuple[Policy, ...]:
    """The policies from the weakest to the strongest."""
    return tuple(sorted(_by_name(policies), key=strength))


def destination_order(policies: Iterable[Policy]) -> tuple[tuple[Policy, Item], ...]:
    """All `to` items from the weakest to the strongest, as they apply to real destinations.

    The strength of the policy comes first, then the kind of the item, then the policy's name: who is addressed as
    client outranks which destination is addressed. The number of a gateway's tags does not count here.

    Args:
        policies: in any order.
    """
    entries = [(policy, item) for policy in _by_name(policies) for item in policy.to_items]
    return tuple(sorted(entries, key=lambda entry: _entry_strength(*entry)))


def _by_name(policies: Iterable[Policy]) -> list[Policy]:
    """From the alphabetically largest name to the smallest; copies of equal name from several zones by full name."""
    return sorted(policies, key=lambda policy: (policy.display_name, policy.resource.name), reverse=True)


def _entry_strength(policy: Policy, item: Item) -> Strength:
    *client, _gateway_tags, role = strength(policy)
    return (*client, role, STRENGTH[item.target.kind], 1 if item.target.section else 0)


def _exactness(target: TargetRef) -> tuple[int, int]:
    if target.kind != DATAPLANE:
        return (0, 0)
    naming = 2 if target.name else 1 if target.labels else 0
    return (naming, 1 if target.section else 0)
