"""How the confs of several policies become one: JSON merge patch, except that fields named `append…` are concatenated.

The later conf is the stronger one. For documents in which a field has the same JSON type everywhere (what the schemas
guarantee) merging is associative, so partial results may be merged in any grouping as long as the order is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ursa.model.json import Json, JsonObject

_APPEND = "append"


def merge(base: JsonObject, over: JsonObject) -> JsonObject:
    """Merges `over` on top of `base`; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        present = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge(present if isinstance(present, Mapping) else {}, value)
        elif concatenated(key, value) and isinstance(present, list):
            merged[key] = [*present, *value]
        else:
            merged[key] = value
    return merged


def concatenated(key: str, value: Json) -> bool:
    """Whether a field's values are put together instead of replaced."""
    return key.startswith(_APPEND) and isinstance(value, list)


def merge_all(confs: Iterable[JsonObject]) -> JsonObject:
    """Merges confs in ascending strength; no confs give an empty one."""
    merged: JsonObject = {}
    for conf in confs:
        merged = merge(merged, conf) if merged else conf
    return merged
