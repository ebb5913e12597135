"""All kinds that the model itself declares."""

from __future__ import annotations

from ursa.model.kind import Kind
from ursa.model.kinds import gateways, insights, legacy_policies, meshes, proxies, services, system


def default_kinds() -> tuple[Kind, ...]:
    """Every kind except targetRef policies, which are declared by their own packages."""
    return (
        *meshes.KINDS,
        *system.KINDS,
        *proxies.KINDS,
        *insights.KINDS,
        *legacy_policies.KINDS,
        *gateways.KINDS,
        *services.KINDS,
    )
