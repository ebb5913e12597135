"""The difference of two documents, applied to the first, gives the second; turned round, it leads back."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ursa.api.json_patch import difference

scalars = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "~", "/"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c/d", "~e"]), inner),
    max_leaves=12,
)


def apply(document: Any, operations: list[Any]) -> Any:
    """The document after all operations, whose tests must hold."""
    holder = {"": copy.deepcopy(document)}
    for operation in operations:
        *parents, last = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")]
        target: Any = holder
        for step in parents:
            target = target[int(step)] if isinstance(target, list) else target[step]
        key: Any = int(last) if isinstance(target, list) else last
        value = copy.deepcopy(operation["value"])
        match operation["op"]:
            case "test":
                assert target[key] == value
            case "remove":
                assert target[key] == value
                del target[key]
            case "add" if isinstance(target, list):
                target.insert(key, value)
            case "add":
                target[key] = value
    return holder[""]


@given(documents, documents)
def test_applied_to_the_first_it_gives_the_second(before: Any, after: Any) -> None:
    assert apply(before, list(difference(before, after))) == after


@given(documents, documents)
def test_turned_round_it_leads_back(before: Any, after: Any) -> None:
    turned = {"add": "remove", "remove": "add"}
    changes = [o for o in difference(before, after) if o["op"] != "test"]
    back = [{**o, "op": turned[o["op"]]} for o in reversed(changes)]
    assert apply(after, back) == before


@given(documents)
def test_equal_documents_have_no_difference(document: Any) -> None:
    assert list(difference(document, copy.deepcopy(document))) == []


def test_items_that_stay_are_not_touched() -> None:
    before, after = [{"n": n} for n in range(200)], [{"n": "new"}, *({"n": n} for n in range(200))]
    assert list(difference(before, after)) == [{"op": "add", "path": "/0", "value": {"n": "new"}}]
