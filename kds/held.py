"""What this side has from a peer, as name and version, so that a reconnect sends only what differs.

Versions are not stored: they are hashes of the content and are computed from it. What differs in a detail, such as the
order of JSON fields a peer writes, is simply sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from kds.envelope import encode_envelope, version_of, wire_name
from kds.ownership import Ownership
from ursa.errors import ProtocolError
from ursa.model.kind import Kind
from ursa.view.view import View

SLICE = 256
"""Resources encoded before other tasks get their turn. No setting: only fairness within the process."""


async def held_versions(view: View, kinds: Iterable[Kind], ownership: Ownership) -> dict[str, dict[str, str]]:
    """Version by kind and wire name of everything that the peer owns here."""
    held: dict[str, dict[str, str]] = {}
    for kind in kinds:
        owned = [resource for resource in view.list(kind.name) if ownership.owns(resource, kind)]
        versions = held[kind.name] = {}
        for count, resource in enumerate(owned, 1):
            sent = resource
            if ownership.keeps_status and kind.status_codec is not None:
                sent = resource.with_status(kind.empty_status)
            try:
                version = version_of(encode_envelope(sent, kind))
            except ProtocolError:
                version = ""
            versions[wire_name(resource.mesh, resource.name)] = version
            if count % SLICE == 0:
                await asyncio.sleep(0)
    return held
