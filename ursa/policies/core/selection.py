"""Which proxies a policy selects, and which of their inbounds and gateway listeners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ursa.policies.core.policy import CONSUMER, PRODUCER, WORKLOAD_OWNER, ZONE_ORIGIN, Policy
from ursa.policies.core.references import routes_meant
from ursa.policies.core.subject import BUILTIN, Subject, SubjectInbound, Tags, pairs
from ursa.policies.core.target_ref import GATEWAY, SERVICE_TAG, SIDECAR, TargetRef

_NAMESPACED_ROLES = frozenset({CONSUMER, WORKLOAD_OWNER})


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a proxy that a policy selects: positions of inbounds and of gateway listeners."""

    inbounds: tuple[int, ...] = ()
    listeners: tuple[int, ...] = ()


def select(
    policy: Policy,
    subject: Subject,
    *,
    routes: Sequence[Policy] = (),
    shadow: bool = False,
    any_zone: bool = False,
) -> Selection | None:
    """The part of the proxy that the policy selects, or None.

    Args:
        policy: the policy.
        subject: the proxy.
        routes: MeshHTTPRoutes of the mesh, for policies attached to one.
        shadow: whether policies with the shadow effect count.
        any_zone: whether a zone's own policy counts for proxies of other zones, too.
    """
    if policy.shadow and not shadow:
        return None
    if policy.resource.mesh != subject.mesh or not _same_namespace(policy, subject):
        return None
    if not any_zone and not _same_zone(policy, subject):
        return None
    selection = _select(policy, policy.target, subject, routes)
    if selection is None or (policy.inbound_only and not selection.inbounds and not selection.listeners):
        return None
    return selection


def _same_zone(policy: Policy, subject: Subject) -> bool:
    """A zone's own policy stays there, unless a producer made it for all clients of its service."""
    if policy.origin != ZONE_ORIGIN or policy.role == PRODUCER or not policy.zone:
        return True
    return policy.zone == subject.zone


def _same_namespace(policy: Policy, subject: Subject) -> bool:
    return policy.role not in _NAMESPACED_ROLES or policy.namespace == subject.namespace


def _select(policy: Policy, target: TargetRef, subject: Subject, routes: Sequence[Policy]) -> Selection | None:
    match target.kind:
        case "Mesh" | "MeshSubset":
            return _by_tags(pairs(target.tags), subject) if _proxy_type(target, subject) else None
        case "MeshService":
            return _by_tags(pairs({SERVICE_TAG: target.name}), subject)
        case "MeshServiceSubset":
            return _by_tags(pairs({SERVICE_TAG: target.name, **target.tags}), subject)
        case "Dataplane":
            return _by_name(policy, target, subject)
        case "MeshGateway":
            return _by_gateway(target, subject)
        case "MeshHTTPRoute":
            return _union(_select(route, route.target, subject, ()) for route in routes_meant(policy, routes))
        case _:
            return None


def _union(selections: Iterable[Selection | None]) -> Selection | None:
    """Everything that one of them selects."""
    found = [selection for selection in selections if selection is not None]
    if not found:
        return None
    inbounds = {position for selection in found for position in selection.inbounds}
    listeners = {position for selection in found for position in selection.listeners}
    return Selection(tuple(sorted(inbounds)), tuple(sorted(listeners)))


def _proxy_type(target: TargetRef, subject: Subject) -> bool:
    return not target.proxy_types or (GATEWAY if subject.gateway else SIDECAR) in target.proxy_types


def _by_tags(needed: Tags, subject: Subject) -> Selection | None:
    """Every inbound and listener with the tags; a delegated gateway as a whole by its own tags."""
    inbounds = tuple(i for i, inbound in enumerate(subject.inbounds) if needed <= inbound.tags)
    listeners = tuple(i for i, listener in enumerate(subject.listeners) if needed <= listener.tags)
    by_gateway_tags = bool(subject.gateway) and needed <= subject.gateway_tags
    if inbounds or listeners or by_gateway_tags or not needed:
        return Selection(inbounds, listeners)
    return None


def _by_name(policy: Policy, target: TargetRef, subject: Subject) -> Selection | None:
    """A name means the proxy of that name in the policy's own zone and (or the given) namespace."""
    if subject.gateway == BUILTIN:
        return None
    if target.name:
        namespace = target.namespace or policy.namespace
        if (subject.name, subject.namespace, subject.zone) != (target.name, namespace, policy.zone):
            return None
    elif not pairs(target.labels) <= subject.labels:
        return None
    inbounds = tuple(i for i, inbound in enumerate(subject.inbounds) if _has_section(inbound, target.section))
    return Selection(inbounds) if inbounds or not target.section else None


def _has_section(inbound: SubjectInbound, section: str) -> bool:
    return not section or section in (inbound.name, str(inbound.port))


def _by_gateway(target: TargetRef, subject: Subject) -> Selection | None:
    needed = pairs(target.tags)
    listeners = tuple(
        i for i, listener in enumerate(subject.listeners) if listener.gateway == target.name and needed <= listener.tags
    )
    return Selection(listeners=listeners) if listeners else None
