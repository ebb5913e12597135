"""Whatever stands where in a document: it is refused in words or accepted, and what is accepted survives the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.model.broken_dataplanes import DATAPLANE
from tests.unit.model.broken_legacy import LEGACY
from tests.unit.model.broken_resources import RESOURCES
from tests.unit.policies.broken import TABLES
from tests.unit.policies.broken_common import COMMON_TABLES
from ursa.catalog import default_registry
from ursa.errors import UrsaError
from ursa.model.forms import from_rest

REGISTRY = default_registry()
DOCUMENTS = [
    *(
        (kind, row[0])
        for kind, rows in {**LEGACY, **RESOURCES, "Dataplane": DATAPLANE}.items()
        for row in rows
        if row[0]
    ),
    *((kind, {"spec": row[0]}) for kind, rows in {**TABLES, **COMMON_TABLES}.items() for row in rows),
]
"""Documents of all kinds that come close to every rule."""

ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where in a document something stands."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: Path, other: Any) -> Any:
    """The document with something else in one place."""
    if not path:
        return other
    key, *rest = path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    changed = {name: replaced(inner, tuple(rest), other) if name == key else inner for name, inner in items}
    return changed if isinstance(value, dict) else list(changed.values())


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_document_breaks_the_rules_themselves(data: st.DataObject) -> None:
    name, document = data.draw(st.sampled_from(DOCUMENTS))
    where = data.draw(st.sampled_from(list(places(document))))
    document = replaced(document, where, data.draw(ODD))
    kind = REGISTRY[name]
    mesh = {} if kind.global_scope else {"mesh": "default"}
    try:
        resource = from_rest({"type": name, "name": "x", **mesh, **document}, REGISTRY)
    except UrsaError:
        return
    if not kind.validate(resource):
        assert kind.codec.decode(kind.codec.encode(resource.spec)) == resource.spec
        kind.fill_defaults(resource.spec)
        kind.warnings(resource)
