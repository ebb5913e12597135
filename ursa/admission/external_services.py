"""RateLimits on external services, which are known by `kuma.io/service` alone: checked from both sides."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.view.view import View

KINDS = ("RateLimit", "ExternalService")
_ONLY_SERVICE = "RateLimit applied to external service only supports kuma.io/service as destination match"


def limit_violations(resource: Resource, view: View) -> Iterator[Violation]:
    """What an object of `KINDS` would break together with those that are there."""
    if resource.kind == "RateLimit":
        external = {_service(other) for other in view.list("ExternalService", resource.mesh)}
        if external & set(_narrowed(resource)):
            yield Violation("ratelimit", _ONLY_SERVICE)
    elif any(_service(resource) in _narrowed(limit) for limit in view.list("RateLimit", resource.mesh)):
        yield Violation(f'tags["{SERVICE_TAG}"]', _ONLY_SERVICE)


def _service(external: Resource) -> str:
    return str(external.spec.get("tags", {}).get(SERVICE_TAG, ""))


def _narrowed(limit: Resource) -> Iterator[str]:
    """Services of which a RateLimit means only those with other tags, too."""
    for selector in limit.spec.get("destinations", []):
        match = selector.get("match", {})
        if SERVICE_TAG in match and len(match) > 1:
            yield match[SERVICE_TAG]
