"""What kinds there are: how clients learn paths, scopes and display names without a list of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from ursa.admission.place import Place
from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.model.kind import Family, Kind, PolicyTraits, Sync

_POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)


class Catalogue:
    """`/_resources` and `/policies`."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        yield Endpoint("GET", "/_resources", self.resources, "Could not list resource types")
        yield Endpoint("GET", "/policies", self.policies, "Could not list policies")

    async def resources(self, _: web.Request) -> web.Response:
        """All kinds with a path."""
        return answer({"resources": [_resource(k, self._context.place) for k in self._kinds()]})

    async def policies(self, _: web.Request) -> web.Response:
        """All policy kinds."""
        found = [_policy(k, self._context.place) for k in self._kinds() if k.family in _POLICIES]
        return answer({"policies": found})

    def _kinds(self) -> list[Kind]:
        return sorted((k for k in self._context.registry if k.path), key=lambda k: k.name)


def _resource(kind: Kind, place: Place) -> dict[str, Any]:
    """`readOnly` says what a write would really meet, where Kuma's answer is wrong in two modes (`rest-api` §14)."""
    insight = kind.family is Family.INSIGHT
    found: dict[str, Any] = {
        "includeInFederation": Sync.DOWN in kind.sync and not insight,
        "name": kind.name,
        "path": kind.path,
        "pluralDisplayName": kind.plural,
        "readOnly": not place.writable(kind),
        "scope": kind.scope.value,
        "shortName": kind.short,
        "singularDisplayName": kind.singular,
    }
    if kind.family in _POLICIES:
        traits = kind.policy or PolicyTraits()
        found["policy"] = {
            "hasFromTargetRef": traits.has_from,
            "hasToTargetRef": traits.has_to,
            "isFromAsRules": traits.from_as_rules,
            "isTargetRef": kind.policy is not None,
        }
    return found


def _policy(kind: Kind, place: Place) -> dict[str, Any]:
    traits = kind.policy or PolicyTraits()
    return {
        "name": kind.name,
        "readOnly": not place.writable(kind),
        "path": kind.path,
        "singularDisplayName": kind.singular,
        "pluralDisplayName": kind.plural,
        "isExperimental": False,
        "isTargetRefBased": kind.policy is not None,
        "isInbound": traits.has_from,
        "isOutbound": traits.has_to,
    }
