"""MeshProxyPatch: modifications of all policies of a proxy one after another, the weakest policy's first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.ir import origins
from ursa.ir.modifications import JsonPatch, Match, Modification, Operation, Part
from ursa.model.json import JsonObject
from ursa.model.validation.native import load_types, read_piece
from ursa.policies.core.policy import Policy

KIND = "MeshProxyPatch"
_LIST = "appendModifications"


def modifications(policies: Iterable[Policy]) -> Iterator[Modification]:
    """What the policies of a proxy, in ascending strength, change in its configuration.

    Raises:
        InvalidResource: a value cannot be read; it names the policy.
    """
    for policy in policies:
        for index, modification in enumerate((policy.default or {}).get(_LIST) or ()):
            for part in Part:
                if part.value in modification:
                    place = f"spec.default.{_LIST}[{index}].{part.value}"
                    yield _modification(policy, part, modification[part.value], place)


def _modification(policy: Policy, part: Part, conf: JsonObject, place: str) -> Modification:
    said_by, text = f'{KIND} "{policy.resource.name}"', conf.get("value")
    try:
        value = None if text is None else read_piece(part.value, text)
    except BadRequest as error:
        raise InvalidResource([Violation(f"{said_by}: {place}.value", str(error))]) from error
    return Modification(
        part,
        Operation(conf["operation"]),
        match_of(conf.get("match") or {}),
        value,
        tuple(map(_json_patch, conf.get("jsonPatches") or ())),
        origins.MESH_PROXY_PATCH,
        said_by,
        place,
    )


def match_of(match: JsonObject) -> Match:
    """What a modification is for, in the fields that legacy templates share with this policy."""
    return Match(
        name=match.get("name") or "",
        origin=match.get("origin") or "",
        listener=match.get("listenerName") or "",
        tags=match.get("tags") or match.get("listenerTags") or {},
        route_config=match.get("routeConfigurationName") or "",
    )


def _json_patch(conf: JsonObject) -> JsonPatch:
    load_types(conf.get("value"))
    return JsonPatch(conf["op"], conf["path"], conf.get("value"), conf.get("from") or "")
