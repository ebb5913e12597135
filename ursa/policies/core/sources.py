"""Where every single value of a merged conf comes from: the answer to "why is this timeout 15 s?".

Merging is replayed on places instead of values (RFC 6901 pointers), so that the answer cannot drift from the rules of
`merge`: a value belongs to the last item that set it, a concatenated list to all that added to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.json import Json, JsonObject
from ursa.model.kind import ItemConf
from ursa.policies.core.merge import concatenated
from ursa.policies.core.merge_routes import rules_by_hash
from ursa.policies.core.policy import Effective, Origin

Sources = dict[str, tuple[Origin, ...]]
"""Items by the place of the value they decided."""


def sources(effective: Effective, conf: JsonObject) -> Sources:
    """The items behind every value of one of the confs; of a route's rules behind each rule as a whole."""
    if effective.origins[0].policy.item_conf is ItemConf.ROUTES:
        return {f"/rules/{n}": (effective.by_matches[digest],) for n, digest in enumerate(rules_by_hash(conf))}
    found: Sources = {}
    for origin, part in effective.parts:
        _lay_over(found, part, origin, "")
    return found


def _lay_over(found: Sources, part: JsonObject, origin: Origin, path: str) -> None:
    for key, value in part.items():
        place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, Mapping) and value:
            found.pop(place, None)
            _lay_over(found, value, origin, place)
        elif not isinstance(value, Mapping):
            _put(found, place, key, value, origin)
        elif not _below(found, place):
            found[place] = (origin,)


def _put(found: Sources, place: str, key: str, value: Json, origin: Origin) -> None:
    for replaced in _below(found, place):
        del found[replaced]
    added_to = found.get(place, ()) if concatenated(key, value) else ()
    found[place] = (*added_to, origin)


def _below(found: Sources, place: str) -> list[str]:
    return [known for known in found if known.startswith(f"{place}/")]
