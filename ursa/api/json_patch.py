"""The difference of two JSON documents as a JSON patch (RFC 6902) that says what it takes away.

Every value that goes is tested first and named again in its removal, so that the patch can be read alone and turned
round. Members are compared in the order of their names. Of two lists the items that stay are kept in place; items
between them are compared one by one, what is left over is removed or added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

import orjson

from ursa.model.json import Json, JsonObject

Operation = JsonObject


def difference(before: Json, after: Json, path: str = "") -> Iterator[Operation]:
    """The operations that turn `before` into `after`; none when they are equal."""
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            place = f"{path}/{_escaped(key)}"
            if key not in after:
                yield from _remove(before[key], place)
            elif key not in before:
                yield _add(after[key], place)
            else:
                yield from difference(before[key], after[key], place)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(before, after, path)
    else:
        yield from _remove(before, path)
        yield _add(after, path)


def _lists(before: Sequence[Json], after: Sequence[Json], path: str) -> Iterator[Operation]:
    """Positions are those of `after`, because what stands before them is already as it should be."""
    matcher = SequenceMatcher(None, [_token(i) for i in before], [_token(i) for i in after], autojunk=False)
    for tag, old_start, old_end, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired = min(old_end - old_start, end - start)
        for offset in range(paired):
            yield from difference(before[old_start + offset], after[start + offset], f"{path}/{start + offset}")
        for item in before[old_start + paired : old_end]:
            yield from _remove(item, f"{path}/{start + paired}")
        for position in range(start + paired, end):
            yield _add(after[position], f"{path}/{position}")


def _remove(value: Json, path: str) -> Iterator[Operation]:
    yield {"op": "test", "path": path, "value": value}
    yield {"op": "remove", "path": path, "value": value}


def _add(value: Json, path: str) -> Operation:
    return {"op": "add", "path": path, "value": value}


def _token(item: Json) -> bytes:
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
