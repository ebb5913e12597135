"""Which proxies policies may reach, whatever their targets say: zones, namespaces, shadow, and the parts selected."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ursa.model.resource import Resource
from ursa.policies.catalog import policy_kinds
from ursa.policies.core.matching import match_policies
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.selection import Selection, select
from ursa.policies.core.subject import Subject, SubjectListener, dataplane_subject, pairs

KINDS = {kind.name: kind for kind in policy_kinds()}
TAGS = st.dictionaries(st.sampled_from(["version", "team"]), st.sampled_from(["1", "2"]))
SERVICES = st.sampled_from(["web", "api"])
ZONES = st.sampled_from(["", "east", "west"])
NAMESPACES = st.sampled_from(["", "shop", "pay"])

targets = st.one_of(
    st.just({"kind": "Mesh"}),
    st.sampled_from(["Sidecar", "Gateway"]).map(lambda t: {"kind": "Mesh", "proxyTypes": [t]}),
    TAGS.map(lambda tags: {"kind": "MeshSubset", "tags": tags}),
    SERVICES.map(lambda name: {"kind": "MeshService", "name": name}),
    st.tuples(SERVICES, TAGS).map(lambda t: {"kind": "MeshServiceSubset", "name": t[0], "tags": t[1]}),
    st.just({"kind": "Dataplane"}),
    st.sampled_from(["http", "8081"]).map(lambda s: {"kind": "Dataplane", "sectionName": s}),
    st.tuples(st.sampled_from(["dp-1", "dp-2"]), NAMESPACES).map(
        lambda t: {"kind": "Dataplane", "name": t[0], **({"namespace": t[1]} if t[1] else {})}
    ),
    TAGS.map(lambda labels: {"kind": "Dataplane", "labels": labels}),
    TAGS.map(lambda tags: {"kind": "MeshGateway", "name": "edge", "tags": tags}),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Policies for inbounds, for outbounds, or for both."""
    labels = {
        "kuma.io/origin": draw(st.sampled_from(["", "global", "zone"])),
        "kuma.io/policy-role": draw(st.sampled_from(["", "system", "producer", "consumer", "workload-owner"])),
        "kuma.io/zone": draw(ZONES),
        "k8s.kuma.io/namespace": draw(NAMESPACES),
        "kuma.io/effect": draw(st.sampled_from(["", "shadow"])),
    }
    item = {"targetRef": {"kind": "Mesh"}, "default": {}}
    spec = {"targetRef": draw(targets), **{part: [item] for part in draw(st.sets(st.sampled_from(["to", "from"])))}}
    made = Resource("MeshTimeout", "default", "p", spec, labels={k: v for k, v in labels.items() if v})
    return parse_policy(made, KINDS["MeshTimeout"])


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """Sidecars and builtin gateways."""
    labels = {"kuma.io/zone": draw(ZONES), "k8s.kuma.io/namespace": draw(NAMESPACES), **draw(TAGS)}
    named = {k: v for k, v in labels.items() if v}
    networking: dict[str, Any] = {"address": "1.1.1.1"}
    listeners: tuple[SubjectListener, ...] = ()
    if draw(st.booleans()):
        networking["gateway"] = {"type": "BUILTIN", "tags": {"kuma.io/service": draw(SERVICES), **draw(TAGS)}}
        listeners = tuple(SubjectListener("edge", 80 + n, "", pairs(draw(TAGS))) for n in range(2))
    else:
        networking["inbound"] = [
            {"port": 8080, "name": "http", "tags": {"kuma.io/service": draw(SERVICES), **draw(TAGS)}},
            {"port": 8081, "tags": {"kuma.io/service": draw(SERVICES), **draw(TAGS)}},
        ]
    return dataplane_subject(
        Resource("Dataplane", "default", "dp-1", {"networking": networking}, labels=named), listeners
    )


@given(policies(), subjects())
def test_a_zone_keeps_its_policies_to_itself_unless_it_produces_for_all(policy: Policy, subject: Subject) -> None:
    found = select(policy, subject, shadow=True)
    if found is not None and policy.origin == "zone" and policy.zone and policy.role != "producer":
        assert policy.zone == subject.zone
    if found is not None:
        assert select(policy, subject, shadow=True, any_zone=True) == found


@given(policies(), subjects())
def test_consumers_and_owners_stay_in_their_namespace(policy: Policy, subject: Subject) -> None:
    if select(policy, subject, shadow=True) is not None and policy.role in ("consumer", "workload-owner"):
        assert policy.namespace == subject.namespace


@given(policies(), subjects())
def test_shadow_policies_count_only_when_asked_for(policy: Policy, subject: Subject) -> None:
    usual = select(policy, subject)
    assert usual == (None if policy.shadow else select(policy, subject, shadow=True))
    assert bool(match_policies([policy], subject).entries) is (usual is not None)


@given(policies(), subjects())
def test_what_is_selected_is_there_and_policies_for_inbounds_select_some(policy: Policy, subject: Subject) -> None:
    found = select(policy, subject, shadow=True)
    if found is None:
        return
    assert {*found.inbounds} <= {*range(len(subject.inbounds))}
    assert {*found.listeners} <= {*range(len(subject.listeners))}
    if policy.inbound_only:
        assert found != Selection()
    if policy.target.kind == "Dataplane":
        assert not subject.gateway and not found.listeners
    if policy.target.kind == "MeshGateway":
        assert found.listeners and not found.inbounds


@given(TAGS, TAGS, subjects())
def test_more_tags_never_select_more(tags: dict[str, str], more: dict[str, str], subject: Subject) -> None:
    def selected(wanted: dict[str, str]) -> Selection | None:
        spec = {"targetRef": {"kind": "MeshSubset", "tags": wanted}, "to": []}
        return select(parse_policy(Resource("MeshTimeout", "default", "p", spec), KINDS["MeshTimeout"]), subject)

    wide, narrow = selected(tags), selected({**more, **tags})
    if narrow is not None:
        assert wide is not None
        assert {*narrow.inbounds} <= {*wide.inbounds} and {*narrow.listeners} <= {*wide.listeners}
