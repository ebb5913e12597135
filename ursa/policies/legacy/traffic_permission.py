"""TrafficPermission: a network RBAC in front of everything on chains that terminate mesh TLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ursa.ir.listener import FilterChain, Listener, NetworkRbac
from ursa.ir.naming import stat_safe
from ursa.ir.rbac import AllPrincipals, AnyPrincipal, NamedPrincipal, Principal, PrincipalRules, Rbac
from ursa.model.labels import SERVICE_TAG
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, best_rank

KIND = "TrafficPermission"


def permit(listener: Listener, permission: ConnectionPolicy, mesh: str) -> None:
    """Lets the sources of the permission in, and nobody else."""
    for chain in listener.chains:
        if chain.tls is not None:
            guard(chain, listener.name, permission, mesh)


def guard(chain: FilterChain, name: str, permission: ConnectionPolicy | None, mesh: str) -> None:
    """Lets the sources of the permission pass a chain, nobody without one; `name` is for statistics."""
    rules = PrincipalRules()
    if permission is not None:
        rules.policies[permission.name] = tuple(_principal(source, mesh) for source in permission.sources)
    chain.filters.insert(0, NetworkRbac(f"{stat_safe(name)}.", Rbac(rules)))


def may_permit(permissions: Iterable[ConnectionPolicy], client: Sequence[Tags], destination: Mapping[str, str]) -> bool:
    """Whether one of the permissions may let a client in; of the destination only these tags are known."""
    return any(
        best_rank(permission.sources, client) is not None
        for permission in permissions
        if any(_may_be(selector, destination) for selector in permission.destinations)
    )


def _may_be(selector: Tags, tags: Mapping[str, str]) -> bool:
    return all(value in ("*", tags.get(key, value)) for key, value in selector.items())


def _principal(source: Tags, mesh: str) -> Principal:
    named = tuple(
        NamedPrincipal(f"spiffe://{mesh}/{value}" if key == SERVICE_TAG else f"kuma://{key}/{value}")
        for key, value in sorted(source.items())
        if value != "*"
    )
    if not named:
        return AnyPrincipal()
    return named[0] if len(named) == 1 else AllPrincipals(named)
