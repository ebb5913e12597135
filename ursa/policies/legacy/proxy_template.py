"""ProxyTemplate: what is generated for a proxy, whole resources beside it, and modifications (`spec` §3.12)."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.ir import origins
from ursa.ir.modifications import Modification, Operation, Part, RawResource
from ursa.model.json import JsonObject
from ursa.model.validation.native import read_piece, read_raw_resource
from ursa.policies.legacy.matching import ConnectionPolicy
from ursa.policies.mesh_proxy_patch.effect import match_of

KIND = "ProxyTemplate"
_TYPE_URL_PREFIX = "type.googleapis.com/"


def profiles(policy: ConnectionPolicy) -> tuple[str, ...]:
    """What is generated; for a template without imports nothing is."""
    return tuple(_conf(policy).get("imports") or ())


def raw_resources(policy: ConnectionPolicy) -> Iterator[RawResource]:
    """The resources that a template brings along.

    Raises:
        InvalidResource: one cannot be read; it names the policy.
    """
    for index, raw in enumerate(_conf(policy).get("resources") or ()):
        try:
            message = read_raw_resource(raw["resource"])
        except BadRequest as error:
            raise _invalid(policy, f"conf.resources[{index}].resource", error) from error
        type_url = f"{_TYPE_URL_PREFIX}{message.DESCRIPTOR.full_name}"
        body = message.SerializeToString(deterministic=True)
        yield RawResource(type_url, _name(message, raw["name"]), body, _said_by(policy))


def modifications(policy: ConnectionPolicy) -> Iterator[Modification]:
    """What a template changes.

    Raises:
        InvalidResource: a value cannot be read; it names the policy.
    """
    for index, modification in enumerate(_conf(policy).get("modifications") or ()):
        for part in Part:
            if part.value in modification:
                yield _modification(policy, part, modification[part.value], f"conf.modifications[{index}].{part.value}")


def _modification(policy: ConnectionPolicy, part: Part, conf: JsonObject, place: str) -> Modification:
    name, text = conf["operation"], conf.get("value")
    try:
        value = read_piece(part.value, text) if text else None
    except BadRequest as error:
        raise _invalid(policy, f"{place}.value", error) from error
    return Modification(
        part,
        Operation(name[:1].upper() + name[1:]),
        match_of(conf.get("match") or {}),
        value,
        (),
        origins.TEMPLATE_MODIFICATIONS,
        _said_by(policy),
        place,
    )


def _name(message: object, given: str) -> str:
    """What Envoy calls a resource; the template's own name for it counts only where the type has none."""
    return str(getattr(message, "name", "") or getattr(message, "cluster_name", "") or given)


def _conf(policy: ConnectionPolicy) -> JsonObject:
    conf: JsonObject = policy.resource.spec.get("conf") or {}
    return conf


def _said_by(policy: ConnectionPolicy) -> str:
    return f'{KIND} "{policy.name}"'


def _invalid(policy: ConnectionPolicy, place: str, error: BadRequest) -> InvalidResource:
    return InvalidResource([Violation(f"{_said_by(policy)}: {place}", str(error))])
