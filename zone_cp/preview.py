"""What a proxy's configuration is, or would be with shadow policies, as JSON for the API; nothing is sent anywhere."""

from __future__ import annotations

from ursa.envoy import types
from ursa.envoy.readable import readable
from ursa.model.json import Json, JsonObject
from ursa.model.resource import Resource
from zone_cp.dp_server.node import node_info
from zone_cp.facts import facts_of
from zone_cp.reconciler.reconciler import Reconciler

SHOWN = tuple(type_url for type_url in types.ORDER if type_url != types.SECRET)
"""Types that are shown: everything but keys."""


class Preview:
    """Configuration on request, from the plans that the reconciler makes."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def configuration(self, dataplane: Resource, metadata: JsonObject, shadow: bool) -> JsonObject:
        """Resources by type and name.

        Args:
            dataplane: the proxy.
            metadata: what its Envoy last said about itself, empty when it never connected.
            shadow: whether policies with the shadow effect count.
        """
        facts = facts_of(node_info(f"{dataplane.mesh}.{dataplane.name}", metadata))
        snapshot = await self._reconciler.preview(dataplane, facts, shadow=shadow)
        found: dict[str, Json] = {}
        for type_url in SHOWN:
            entries = list(snapshot.entries(type_url))
            if entries:
                documents = readable(entry.any_framed for entry in entries)
                found[type_url] = {e.name: document for e, document in zip(entries, documents, strict=True)}
        return found
