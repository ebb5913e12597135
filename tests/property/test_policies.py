"""Matching and merging: what may not depend on order, who wins, that nothing loses its origin, how much work it is."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from itertools import combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ursa.model.resource import Resource
from ursa.policies.catalog import policy_kinds
from ursa.policies.core.entries import client_entries
from ursa.policies.core.merge import merge, merge_all
from ursa.policies.core.merge_routes import merge_routes
from ursa.policies.core.policy import Policy, effective_items, parse_policy, stacked
from ursa.policies.core.precedence import by_precedence, destination_order
from ursa.policies.core.resource_rules import resource_rules
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.core.sources import sources
from ursa.policies.core.subject import Tags
from ursa.policies.core.subsets import Entry, SubsetRule, SubsetRules, compile_subsets
from ursa.policies.legacy.matching import best_rank, for_destination, parse_connection_policy

KINDS = {kind.name: kind for kind in policy_kinds()}


def policy(kind: str, name: str, spec: dict[str, Any], **labels: str) -> Policy:
    names = {"origin": "kuma.io/origin", "role": "kuma.io/policy-role", "zone": "kuma.io/zone"}
    return parse_policy(
        Resource(kind, "default", name, spec, labels={names[k]: v for k, v in labels.items() if v}), KINDS[kind]
    )


# --- precedence

KIND_ORDER = (
    "Mesh",
    "Dataplane",
    "MeshSubset",
    "MeshGateway",
    "MeshService",
    "MeshExternalService",
    "MeshMultiZoneService",
    "MeshServiceSubset",
    "MeshHTTPRoute",
)
EXACTNESS: tuple[dict[str, Any], ...] = (
    {},
    {"sectionName": "main"},
    {"labels": {"app": "web"}},
    {"labels": {"app": "web"}, "sectionName": "main"},
    {"name": "web-1"},
    {"name": "web-1", "sectionName": "main"},
)
ORIGINS = ("global", "", "zone")
GATEWAY_TAGS: tuple[dict[str, str], ...] = ({}, {"a": "1"}, {"a": "1", "b": "2"})
ROLES = ("system", "producer", "consumer", "workload-owner")
NAMES = ("c", "b", "a")

standings = st.tuples(
    *(st.integers(0, len(of) - 1) for of in (KIND_ORDER, EXACTNESS, ORIGINS, GATEWAY_TAGS, ROLES, NAMES))
)


def of_standing(standing: tuple[int, ...]) -> tuple[tuple[int, ...], Policy]:
    """A policy, and where the specification puts it; what does not exist for a kind counts as nothing."""
    kind, exact, origin, tags, role, name = standing
    target: dict[str, Any] = {"kind": KIND_ORDER[kind]}
    if KIND_ORDER[kind] == "Dataplane":
        target |= EXACTNESS[exact]
    else:
        exact = 0
    if KIND_ORDER[kind] == "MeshGateway":
        target |= {"name": "edge", "tags": GATEWAY_TAGS[tags]}
    else:
        tags = 0
    made = policy("MeshTimeout", NAMES[name], {"targetRef": target}, origin=ORIGINS[origin], role=ROLES[role])
    return (kind, exact, origin, tags, role, name), made


@given(st.lists(standings, unique_by=lambda s: of_standing(s)[0], max_size=6), st.randoms(use_true_random=False))
def test_policies_are_ordered_as_specified_however_they_come(given_: list[tuple[int, ...]], random: Any) -> None:
    placed = [of_standing(standing) for standing in given_]
    shuffled = random.sample(placed, len(placed))
    expected = [made for _, made in sorted(placed, key=lambda item: item[0])]
    assert list(by_precedence(made for _, made in shuffled)) == expected


def test_copies_of_equal_name_from_two_zones_have_an_order() -> None:
    copies = [
        parse_policy(
            Resource("MeshTimeout", "default", name, {}, labels={"kuma.io/display-name": "t"}), KINDS["MeshTimeout"]
        )
        for name in ("t-1", "t-2", "t-3")
    ]
    assert {by_precedence(order) for order in permutations(copies)} == {tuple(reversed(copies))}


# --- merging


@st.composite
def confs(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Documents in which a field has the same type everywhere, as schemas demand."""
    conf: dict[str, Any] = {}
    for name in draw(st.sets(st.sampled_from(["s1", "s2", "l1", "appendL", "o1", "o2"]))):
        if name.startswith("s"):
            conf[name] = draw(st.integers(0, 3))
        elif name.startswith("o"):
            conf[name] = draw(confs(depth=depth - 1)) if depth else {}
        else:
            conf[name] = draw(st.lists(st.integers(0, 3), max_size=2))
    return conf


@given(confs(), confs(), confs())
def test_merging_may_be_grouped_in_any_way(a: Any, b: Any, c: Any) -> None:
    before = copy.deepcopy((a, b, c))
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge_all([a, b, c])
    assert (a, b, c) == before


@given(confs(), confs())
def test_the_stronger_conf_wins_and_the_weaker_one_fills_in(weaker: Any, stronger: Any) -> None:
    merged = merge(weaker, stronger)
    assert merged.keys() == {*weaker, *stronger}
    for key, value in merged.items():
        if isinstance(value, dict):
            assert value == merge(weaker.get(key, {}), stronger.get(key, {}))
        elif key.startswith("append"):
            assert value == [*weaker.get(key, []), *stronger.get(key, [])]
        else:
            assert value == stronger.get(key, weaker.get(key))


@st.composite
def routes(draw: st.DrawFn) -> dict[str, Any]:
    """Confs of MeshHTTPRoutes over few matches and host names, so that they meet."""
    paths = draw(st.lists(st.sampled_from(["/", "/a", "/b"]), max_size=3))
    rules = [{"matches": [{"path": {"type": "Exact", "value": p}}], "default": draw(confs(depth=1))} for p in paths]
    hosts = draw(st.lists(st.sampled_from(["a.com", "b.com"]), unique=True, max_size=2))
    return {"rules": rules, **({"hostnames": hosts} if hosts else {})}


@given(st.lists(routes(), max_size=3), st.lists(routes(), max_size=3))
def test_merging_routes_may_be_grouped_in_any_way(weaker: list[Any], stronger: list[Any]) -> None:
    assert merge_routes([*merge_routes(weaker), *merge_routes(stronger)]) == merge_routes([*weaker, *stronger])


@given(st.lists(routes(), max_size=4))
def test_of_rules_with_equal_matches_the_strongest_stands_first_and_once(given_: list[Any]) -> None:
    for conf in merge_routes(given_):
        digests = [matches_hash(rule["matches"]) for rule in conf["rules"]]
        of_host = [c for c in given_ if conf.get("hostnames", [""])[0] in (c.get("hostnames") or [""])]
        by_strength = [matches_hash(rule["matches"]) for c in reversed(of_host) for rule in c["rules"]]
        assert digests == list(dict.fromkeys(by_strength))


@given(st.lists(routes(), min_size=1, max_size=4))
def test_stacking_confs_one_by_one_is_merging_them_all(given_: list[Any]) -> None:
    made = [policy("MeshHTTPRoute", f"r{n}", {"to": [c]}) for n, c in enumerate(given_)]
    items = [(p, p.to_items[0]) for p in made]
    whole = effective_items(items)
    piecewise = None
    for p, item in items:
        (origin,) = (effective_items([(p, item)]) or pytest.fail()).origins
        piecewise = stacked(piecewise, origin, item.conf)
    assert piecewise == whole


# --- origins


def leaves(conf: Any, path: str = "") -> dict[str, Any]:
    """Every value of a conf by its place."""
    if isinstance(conf, dict) and conf:
        return {place: value for key in conf for place, value in leaves(conf[key], f"{path}/{key}").items()}
    return {path: conf} if path else {}


@given(st.lists(confs(), min_size=1, max_size=4))
def test_every_value_knows_the_items_that_decided_it(given_: list[Any]) -> None:
    items = [{"targetRef": {"kind": "Mesh"}, "default": conf} for conf in given_]
    made = policy("MeshTimeout", "p", {"to": items})
    found = effective_items((made, item) for item in made.to_items)
    assert found is not None
    by_place, merged = sources(found, found.conf), leaves(found.conf)
    assert by_place.keys() == merged.keys()
    for place, origins in by_place.items():
        said = [leaves(given_[origin.item])[place] for origin in origins]
        assert merged[place] == ([x for part in said for x in part] if "/append" in place else said[-1])
        later = given_[origins[-1].item + 1 :]
        assert not any(place in leaves(conf) for conf in later if leaves(conf).get(place) != {})


@given(st.lists(routes(), min_size=1, max_size=4))
def test_every_rule_of_a_route_knows_the_item_it_comes_from(given_: list[Any]) -> None:
    made = [policy("MeshHTTPRoute", f"r{n}", {"to": [conf]}) for n, conf in enumerate(given_)]
    found = effective_items((p, p.to_items[0]) for p in made)
    assert found is not None
    for conf in found.confs:
        by_place = sources(found, conf)
        assert list(by_place) == [f"/rules/{n}" for n in range(len(conf["rules"]))]
        for rule, (origin,) in zip(conf["rules"], by_place.values(), strict=True):
            having = [
                p for p, c in zip(made, given_, strict=True) if rule["matches"] in [r["matches"] for r in c["rules"]]
            ]
            assert origin.policy is having[-1]


# --- rules over subsets of clients

KEYS = ("service", "zone", "version", "team")
client_tags = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["1", "2", "3"]))
targets = st.one_of(
    st.just({"kind": "Mesh"}),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["1", "2"]), max_size=2).map(
        lambda tags: {"kind": "MeshSubset", "tags": tags}
    ),
)
from_lists = st.lists(
    st.tuples(targets, st.sampled_from(["Allow", "Deny"])).map(
        lambda i: {"targetRef": i[0], "default": {"action": i[1]}}
    ),
    max_size=8,
)


def compiled(*lists: list[Any]) -> SubsetRules:
    policies = [policy("MeshTrafficPermission", f"p{n}", {"from": items}) for n, items in enumerate(lists)]
    return compile_subsets(client_entries(policies))


def entries_for(rules: SubsetRules, client: Tags) -> list[Entry]:
    return [entry for entry in rules.entries if entry.tags <= client]


@given(from_lists, from_lists, client_tags)
def test_a_client_gets_all_entries_that_fit_it_in_order(first: list[Any], second: list[Any], client: Any) -> None:
    rules, tags = compiled(first, second), frozenset(client.items())
    fitting, found = entries_for(rules, tags), rules.lookup(tags)
    assert (found is None) is (not fitting)
    if found is not None:
        assert found.conf == merge_all(entry.conf for entry in fitting)
        assert found.origins == tuple(entry.origin for entry in fitting)


@given(from_lists, from_lists, client_tags)
def test_the_list_of_rules_holds_every_client_s_conf_once(first: list[Any], second: list[Any], client: Any) -> None:
    rules, tags = compiled(first, second), frozenset(client.items())
    fitting = tuple(n for n, entry in enumerate(rules.entries) if entry.tags <= tags)
    in_groups = [[r for r in rules.rules if r.group == n and r.fits(tags)] for n in range(len(rules.groups))]
    assert all(len(of_group) <= 1 for of_group in in_groups)
    if fitting and rules.expanded:
        (whole,) = [
            of_group[0] for of_group, group in zip(in_groups, rules.groups, strict=True) if {*fitting} <= {*group}
        ][:1]
        assert whole.entries == fitting
        assert whole.effective == rules.lookup(tags)


def spelled_out(rules: SubsetRules) -> set[tuple[Any, ...]]:
    """The rules as the specification words them: maximal groups, every combination of their tags, confs merged."""
    entries = rules.entries

    def agree(a: Entry, b: Entry) -> bool:
        return len({key for key, _ in a.tags | b.tags}) == len(a.tags | b.tags)

    groups = [
        group
        for size in range(1, len(entries) + 1)
        for group in combinations(range(len(entries)), size)
        if all(agree(entries[a], entries[b]) for a, b in combinations(group, 2))
    ]
    maximal = [group for group in groups if not any({*group} < {*other} for other in groups)]
    found = set()
    for group in maximal:
        values: dict[str, set[str]] = {}
        for position in group:
            for key, value in entries[position].tags:
                values.setdefault(key, set()).add(value)
        for chosen in product(*([*sorted(of), None] for _, of in sorted(values.items()))):
            client = {(key, value) for key, value in zip(sorted(values), chosen, strict=True) if value is not None}
            absent = {
                (key, v)
                for key, value in zip(sorted(values), chosen, strict=True)
                if value is None
                for v in values[key]
            }
            fitting = [position for position in group if entries[position].tags <= client]
            if fitting:
                conditions = {(*tag, False) for tag in client} | {(*tag, True) for tag in absent}
                action = merge_all(entries[position].conf for position in fitting)["action"]
                found.add((frozenset(conditions), action, tuple(fitting)))
    return found


@given(from_lists)
def test_the_list_of_rules_is_the_one_that_the_specification_words(items: list[Any]) -> None:
    rules = compiled(items)
    found = [(frozenset(map(tuple, r.subset)), r.effective.conf["action"], r.entries) for r in rules.rules]
    assert rules.expanded
    assert set(found) == spelled_out(rules)
    positive = [sum(not tag.negated for tag in rule.subset) for rule in rules.rules]
    assert positive == sorted(positive, reverse=True)


@given(from_lists, from_lists)
def test_every_rule_knows_the_entries_it_was_made_of(first: list[Any], second: list[Any]) -> None:
    rules = compiled(first, second)
    for rule in rules.rules:
        made_of = [rules.entries[position] for position in rule.entries]
        assert rule.effective.origins == tuple(entry.origin for entry in made_of)
        assert rule.effective.conf == merge_all(entry.conf for entry in made_of)


@given(st.permutations(KEYS), from_lists)
def test_where_the_list_would_be_too_long_the_first_rule_that_fits_decides_alike(
    keys: Sequence[str], tail: list[Any]
) -> None:
    many = [
        {"targetRef": {"kind": "MeshSubset", "tags": {f"{keys[n % 4]}{n}": "1"}}, "default": {"action": action}}
        for n, action in enumerate(["Allow", "Deny"] * 12)
    ]
    rules = compiled([*many, *tail])
    assert not rules.expanded
    for positions in ((), (0,), (1, 2), tuple(range(24))):
        client = frozenset((f"{keys[n % 4]}{n}", "1") for n in positions) | {("service", "1")}
        found = rules.lookup(client)
        first = next((rule for rule in rules.rules if rule.fits(client)), None)
        assert (first and first.effective.conf) == (found and found.conf)


@pytest.mark.parametrize(("last", "to_web", "to_others"), [("web", "Deny", "Allow"), ("mesh", "Allow", "Allow")])
def test_a_deny_of_one_client_beats_an_allow_of_all_when_it_comes_later(last: str, to_web: str, to_others: str) -> None:
    allow = {"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}
    deny = {"targetRef": {"kind": "MeshService", "name": "web"}, "default": {"action": "Deny"}}
    rules = compiled([allow, deny] if last == "web" else [deny, allow])

    def action(rule: SubsetRule) -> Any:
        return rule.effective.conf["action"]

    (positive,) = [rule for rule in rules.rules if not rule.subset[0].negated]
    (negative,) = [rule for rule in rules.rules if rule.subset[0].negated]
    assert (action(positive), action(negative)) == (to_web, to_others)


# --- work


def calls_of(work: Callable[[], object]) -> int:
    """How many function calls something takes: a measure that no other process disturbs."""
    count = 0

    def counting(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


SHAPES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "services": lambda n: [{"kind": "MeshService", "name": f"s{i}"} for i in range(n)],
    "mesh and services": lambda n: [
        {"kind": "Mesh"},
        *({"kind": "MeshService", "name": f"s{i}"} for i in range(n - 1)),
    ],
    "service versions": lambda n: [
        {"kind": "MeshServiceSubset", "name": f"s{i // 3}", "tags": {"version": f"v{i % 3}"}} for i in range(n)
    ],
    "unrelated tags": lambda n: [{"kind": "MeshSubset", "tags": {f"k{i}": "v"}} for i in range(n)],
    "two dimensions": lambda n: [{"kind": "MeshSubset", "tags": {("a", "b")[i % 2]: f"v{i}"}} for i in range(n)],
    "mesh in between": lambda n: [
        {"kind": "Mesh"} if i % 2 == 0 else {"kind": "MeshService", "name": f"s{i}"} for i in range(n)
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rules_of_a_from_list_take_work_in_proportion_to_its_length(shape: str) -> None:
    def work(length: int) -> int:
        items = [{"targetRef": target, "default": {"action": "Allow"}} for target in SHAPES[shape](length)]
        entries = client_entries([policy("MeshTrafficPermission", "p", {"from": items})])
        return calls_of(lambda: compile_subsets(entries))

    few, many = work(140), work(1120)
    assert many <= 8 * 1.25 * few


# --- real destinations

destinations = st.sampled_from(
    [
        {"kind": "Mesh"},
        {"kind": "MeshService", "name": "web"},
        {"kind": "MeshService", "name": "api"},
        {"kind": "MeshService", "name": "web", "sectionName": "main"},
        {"kind": "MeshService", "labels": {"team": "a"}},
    ]
)
to_lists = st.lists(
    st.tuples(destinations, st.integers(1, 5)).map(
        lambda i: {"targetRef": i[0], "default": {"connectionTimeout": f"{i[1]}s"}}
    ),
    max_size=3,
)
SERVICES = [
    Resource("MeshService", "default", name, {"ports": [{"name": "main", "port": 80}]}, labels={"team": team})
    for name, team in (("web", "a"), ("api", "b"))
]


@given(
    st.lists(st.tuples(standings, to_lists), max_size=4, unique_by=lambda s: s[0][-1]),
    st.randoms(use_true_random=False),
)
def test_rules_for_destinations_do_not_depend_on_the_order_of_policies(given_: list[Any], random: Any) -> None:
    policies = [
        policy("MeshTimeout", NAMES[s[5]], {"to": to}, origin=ORIGINS[s[2]], role=ROLES[s[4]]) for s, to in given_
    ]
    mesh = Resource("Mesh", "", "default")
    rules = list(resource_rules(policies, SERVICES, mesh))
    assert list(resource_rules(random.sample(policies, len(policies)), SERVICES, mesh)) == rules
    ordered = destination_order(policies)
    for rule in rules:
        items = {(p, item.index): item for p, item in ordered}
        made_of = [items[origin.policy, origin.item] for origin in rule.effective.origins]
        assert [(p, i.index) for p, i in ordered if i in made_of and (p, i.index) in rule.effective.origins] == [
            tuple(origin) for origin in rule.effective.origins
        ]
        assert rule.effective.conf == merge_all(item.conf for item in made_of)


# --- the older generation

selectors = st.lists(
    st.dictionaries(st.sampled_from(["kuma.io/service", "zone"]), st.sampled_from(["*", "web", "api"]), min_size=1).map(
        lambda match: {"match": match}
    ),
    min_size=1,
    max_size=2,
)
connection_policies = st.lists(st.tuples(selectors, selectors, st.integers(0, 2)), max_size=4)


@given(connection_policies, st.randoms(use_true_random=False))
def test_one_connection_policy_counts_whichever_comes_first(given_: list[Any], random: Any) -> None:
    policies = [
        parse_connection_policy(
            Resource("Timeout", "default", f"t{n}", {"sources": sources, "destinations": to}, created=created)
        )
        for n, (sources, to, created) in enumerate(given_)
    ]
    source = ({"kuma.io/service": "api", "zone": "web"},)
    winner = for_destination(policies, source, "web")
    assert for_destination(random.sample(policies, len(policies)), source, "web") is winner
    ranks = {
        p: (a + b).strength
        for p in policies
        if (a := best_rank(p.sources, source)) and (b := best_rank(p.destinations, ({"kuma.io/service": "web"},)))
    }
    assert (winner is None) is (not ranks)
    if winner is not None:
        assert ranks[winner] == max(ranks.values())
