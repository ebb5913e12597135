"""MeshHTTPRoute's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import ItemConf, Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment, any_conf, check_items, top_kind
from ursa.policies.core.checks import must_not_be_defined
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import (
    MESH,
    MESH_EXTERNAL_SERVICE,
    MESH_GATEWAY,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
)
from ursa.policies.core.warnings import target_warnings
from ursa.policies.mesh_http_route.prefixes import new_prefixes
from ursa.policies.mesh_http_route.validation import check_rule

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY,))
_DESTINATIONS = (MESH_SERVICE, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE)


def kind() -> Kind:
    """Declares MeshHTTPRoute."""
    return policy_kind(
        "MeshHTTPRoute",
        short="mhttpr",
        path="meshhttproutes",
        title="Mesh HTTP Route",
        titles="Mesh HTTP Routes",
        traits=PolicyTraits(has_to=True, item_conf=ItemConf.ROUTES),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=lambda resource: (*target_warnings(resource), *_cut_paths(resource)),
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    on_gateway = top_kind(resource) == MESH_GATEWAY
    yield from check_items(resource, "to", (MESH,) if on_gateway else _DESTINATIONS, any_conf)
    for index, item in enumerate(resource.spec.get("to") or ()):
        field = f"spec.to[{index}]"
        if item.get("hostnames") and not on_gateway:
            yield must_not_be_defined(f"{field}.hostnames")
        for place, rule in enumerate(item["rules"]):
            yield from check_rule(f"{field}.rules[{place}]", rule, on_gateway=on_gateway)


def _cut_paths(resource: Resource) -> Iterator[str]:
    """Warns of new prefixes that sidecars, those of Kuma as well, put before the rest of a path without a slash."""
    if top_kind(resource) == MESH_GATEWAY:
        return
    for index, item in enumerate(resource.spec.get("to") or ()):
        for place, rule in enumerate(item["rules"]):
            for field, new in new_prefixes(rule).items():
                if not new.endswith("/"):
                    yield (
                        f"'spec.to[{index}].rules[{place}].{field}' does not end with '/': what follows the prefix is "
                        f"put behind '{new}' without one, use '{new}/'"
                    )
