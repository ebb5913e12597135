"""What a zone offers the global, and how it looks there (`spec/kds.md` §4.3, §5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kds.labels import admits_sync, display_kept, without_prefixes
from kds.offer import Offer, make_offer
from ursa.model.json import JsonObject
from ursa.model.kind import Family, Registry, Sync
from ursa.model.labels import DELETION_GRACE, IN_ZONE, ORIGIN, ZONE
from ursa.model.resource import Resource, ResourceKey
from ursa.model.synced_names import hashed_name
from ursa.view.view import View


class Upward:
    """The rules of the way from a zone to the global."""

    def __init__(self, registry: Registry, zone: str, skip_prefixes: Iterable[str] = ()) -> None:
        self._registry = registry
        self._zone = zone
        self._skip = tuple(skip_prefixes)

    def observe(self, view: View) -> Iterable[ResourceKey]:
        """See `OfferMaker`: what a zone offers depends on nothing else."""
        return ()

    def offer(self, resource: Resource) -> Offer | None:
        """See `OfferMaker`."""
        kind = self._registry[resource.kind]
        if Sync.UP not in kind.sync or not admits_sync(resource):
            return None
        if resource.labels.get(ORIGIN) not in (None, IN_ZONE):
            return None
        labels = without_prefixes(resource.labels, self._skip) | {ORIGIN: IN_ZONE, ZONE: self._zone}
        labels.pop(DELETION_GRACE, None)
        name = hashed_name(resource.mesh, resource.name, labels)
        spec = _without_generations(resource.spec) if kind.family is Family.INSIGHT else resource.spec
        mapped = replace(resource, name=name, spec=spec, labels=display_kept(labels, resource.name, name))
        return make_offer(resource.key, mapped, kind)


def _without_generations(spec: JsonObject) -> JsonObject:
    """Generations only prove to the zone itself that a stream lives; they would make the global write for nothing."""
    subscriptions = spec.get("subscriptions")
    if not subscriptions or not any("generation" in one for one in subscriptions):
        return spec
    kept = [{k: v for k, v in one.items() if k != "generation"} for one in subscriptions]
    return {**spec, "subscriptions": kept}
