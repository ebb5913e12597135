"""What MeshProxyPatches and ProxyTemplates do to finished resources."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message

from tests.unit.policies.building import policy
from ursa.envoy import types
from ursa.envoy.patching.modify import modify
from ursa.envoy.patching.pieces import Piece, Pieces
from ursa.errors import InvalidResource
from ursa.policies.mesh_proxy_patch.effect import modifications

HTTP = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"
BUFFER = "name: envoy.filters.http.buffer\ntypedConfig:\n  '@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer\n  maxRequestBytes: 9"  # noqa: E501


def packed(message: Message) -> Packed:
    found = Packed()
    found.Pack(message)
    return found


def piece(type_url: str, message: Any, origin: str) -> Piece:
    return Piece(type_url, message.name, origin, message.SerializeToString())


def http_listener(name: str, origin: str, **tags: str) -> Piece:
    manager = HttpConnectionManager(stat_prefix=name)
    manager.route_config.name = f"routes-{name}"
    manager.route_config.virtual_hosts.add(name="host", domains=["*"])
    manager.http_filters.add(name=ROUTER, typed_config=packed(Router()))
    listener = Listener(name=name)
    listener.filter_chains.add().filters.append(Filter(name=HTTP, typed_config=packed(manager)))
    metadata = Metadata()
    for key, value in tags.items():
        metadata.filter_metadata["io.kuma.tags"].fields[key].string_value = value
    listener.metadata.CopyFrom(metadata)
    return piece(types.LISTENER, listener, origin)


def tcp_listener(name: str) -> Piece:
    listener = Listener(name=name)
    proxy = TcpProxy(stat_prefix=name, cluster="redis")
    listener.filter_chains.add().filters.append(
        Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(proxy))
    )
    return piece(types.LISTENER, listener, "outbound")


def bench() -> Pieces:
    clusters = []
    for name, origin in (("backend", "outbound"), ("localhost:8080", "inbound")):
        cluster = Cluster(name=name)
        cluster.connect_timeout.seconds, cluster.connect_timeout.nanos = 5, 7
        cluster.track_timeout_budgets = True
        clusters.append(piece(types.CLUSTER, cluster, origin))
    listeners = [
        http_listener("in", "inbound", team="a"),
        http_listener("out", "outbound", team="b"),
        tcp_listener("tcp"),
    ]
    return {
        types.CLUSTER: {one.name: one for one in clusters},
        types.LISTENER: {one.name: one for one in listeners},
    }


def after(*appended: dict[str, Any], adding: bool = True) -> Pieces:
    found = bench()
    modify(found, modifications([patch("one", *appended)]), adding=adding)
    return found


def patch(name: str, *appended: dict[str, Any]) -> Any:
    return policy("MeshProxyPatch", name, default={"appendModifications": list(appended)})


def changed(of: Pieces) -> set[str]:
    return {name for found in of.values() for name, one in found.items() if one.changed_by}


def filters(of: Pieces, name: str) -> list[str]:
    return [one.name for one in manager(of, name).http_filters]


def manager(of: Pieces, name: str) -> HttpConnectionManager:
    found = HttpConnectionManager()
    chain: Any = of[types.LISTENER][name].message
    chain.filter_chains[0].filters[0].typed_config.Unpack(found)
    return found


def cluster(of: Pieces, name: str) -> Any:
    return of[types.CLUSTER][name].message


def test_patch_replaces_values_and_keeps_the_rest() -> None:
    found = after({"cluster": {"operation": "Patch", "match": {"name": "backend"}, "value": "connect_timeout: 7s"}})
    assert changed(found) == {"backend"}
    assert (cluster(found, "backend").connect_timeout.seconds, cluster(found, "backend").connect_timeout.nanos) == (
        7,
        0,
    )
    assert cluster(found, "backend").track_timeout_budgets


def test_wrapped_false_replaces_true() -> None:
    value = "perConnectionBufferLimitBytes: {v}\nuseOriginalDst: {t}"
    found = after(
        {"listener": {"operation": "Patch", "value": value.format(v=5, t="true")}},
        {"listener": {"operation": "Patch", "match": {"name": "in"}, "value": value.format(v=0, t="false")}},
    )
    listener: Any = found[types.LISTENER]["in"].message
    assert not listener.use_original_dst.value
    assert listener.per_connection_buffer_limit_bytes.value == 0


def test_lists_grow_and_packed_map_entries_are_replaced() -> None:
    options = "typedExtensionProtocolOptions:\n  o:\n    '@type': type.googleapis.com/{of}"
    buffer, router = "envoy.extensions.filters.http.buffer.v3.Buffer", "envoy.extensions.filters.http.router.v3.Router"
    match = {"name": "backend"}
    found = after(
        {"cluster": {"operation": "Patch", "match": match, "value": options.format(of=router)}},
        {"cluster": {"operation": "Patch", "match": match, "value": options.format(of=buffer)}},
        {"cluster": {"operation": "Patch", "match": match, "value": "circuitBreakers: {thresholds: [{}]}"}},
        {"cluster": {"operation": "Patch", "match": match, "value": "circuitBreakers: {thresholds: [{}]}"}},
    )
    assert cluster(found, "backend").typed_extension_protocol_options["o"].Is(Buffer.DESCRIPTOR)
    assert len(cluster(found, "backend").circuit_breakers.thresholds) == 2


def test_matches_by_origin() -> None:
    assert changed(after({"cluster": {"operation": "Patch", "match": {"origin": "inbound"}, "value": "{}"}})) == {
        "localhost:8080"
    }


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ({}, {"in", "out"}),
        ({"origin": "outbound"}, {"out"}),
        ({"listenerName": "in"}, {"in"}),
        ({"listenerTags": {"team": "b"}}, {"out"}),
        ({"listenerTags": {"team": "*"}}, {"in", "out"}),
        ({"listenerTags": {"zone": "*"}}, set()),
        ({"origin": "outbound", "listenerName": "in"}, set()),
    ],
)
def test_filters_are_added_where_their_listener_matches(match: dict[str, Any], names: set[str]) -> None:
    found = after({"httpFilter": {"operation": "AddFirst", "match": match, "value": BUFFER}})
    assert changed(found) == names
    assert {name for name in ("in", "out") if len(filters(found, name)) == 2} == names


@pytest.mark.parametrize(
    ("operation", "match", "names"),
    [
        ("AddFirst", {}, ["envoy.filters.http.buffer", ROUTER]),
        ("AddLast", {}, [ROUTER, "envoy.filters.http.buffer"]),
        ("AddBefore", {"name": ROUTER}, ["envoy.filters.http.buffer", ROUTER]),
        ("AddAfter", {"name": ROUTER}, [ROUTER, "envoy.filters.http.buffer"]),
        ("AddBefore", {"name": "nobody"}, [ROUTER]),
    ],
)
def test_place_of_an_added_filter(operation: str, match: dict[str, Any], names: list[str]) -> None:
    assert filters(after({"httpFilter": {"operation": operation, "match": match, "value": BUFFER}}), "in") == names


def test_filter_is_removed_and_patched() -> None:
    config = "'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    tcp = {"name": "envoy.filters.network.tcp_proxy"}
    found = after(
        {"httpFilter": {"operation": "Remove", "match": {"name": ROUTER, "listenerName": "in"}}},
        {
            "networkFilter": {
                "operation": "Patch",
                "match": tcp,
                "value": f"typedConfig:\n  {config}\n  idleTimeout: 7s",
            }
        },
        {"networkFilter": {"operation": "Patch", "match": tcp, "jsonPatches": [JSON_PATCH]}},
    )
    proxy, listener = TcpProxy(), found[types.LISTENER]["tcp"].message
    listener.filter_chains[0].filters[0].typed_config.Unpack(proxy)  # type: ignore[attr-defined]
    assert (proxy.cluster, proxy.idle_timeout.seconds, proxy.max_connect_attempts.value) == ("redis", 7, 4)
    assert filters(found, "in") == []
    assert filters(found, "out") == [ROUTER]


JSON_PATCH = {"op": "add", "path": "/maxConnectAttempts", "value": 4}


def test_virtual_hosts() -> None:
    found = after(
        {
            "virtualHost": {
                "operation": "Patch",
                "match": {"origin": "outbound"},
                "value": "includeRequestAttemptCount: true",
            }
        },
        {
            "virtualHost": {
                "operation": "Add",
                "match": {"routeConfigurationName": "routes-in"},
                "value": "name: more\ndomains: [more]",
            }
        },
        {"virtualHost": {"operation": "Remove", "match": {"routeConfigurationName": "routes-in", "name": "host"}}},
    )
    assert manager(found, "out").route_config.virtual_hosts[0].include_request_attempt_count
    assert [host.name for host in manager(found, "in").route_config.virtual_hosts] == ["more"]


def test_what_is_added_can_be_patched_and_replaces_what_has_its_name() -> None:
    found = after(
        {"cluster": {"operation": "Add", "value": "name: backend\nconnectTimeout: 3s"}},
        {"cluster": {"operation": "Patch", "match": {"origin": "mesh-proxy-patch"}, "value": "connectTimeout: 4s"}},
        {"listener": {"operation": "Remove", "match": {"name": "tcp"}}},
    )
    assert cluster(found, "backend").connect_timeout.seconds == 4
    assert not cluster(found, "backend").track_timeout_budgets
    assert "tcp" not in found[types.LISTENER]


def test_other_half_only_replaces() -> None:
    appended = [{"cluster": {"operation": "Add", "value": f"name: {name}"}} for name in ("backend", "new")]
    assert after(*appended, adding=False)[types.CLUSTER].keys() == {"backend", "localhost:8080"}
    assert after(*appended)[types.CLUSTER].keys() == {"backend", "localhost:8080", "new"}


def test_weaker_policies_come_first() -> None:
    found = bench()
    policies = [
        patch(name, {"cluster": {"operation": "Patch", "value": f"connectTimeout: {seconds}s"}})
        for name, seconds in (("weak", 1), ("strong", 2))
    ]
    modify(found, modifications(policies))
    assert cluster(found, "backend").connect_timeout.seconds == 2
    assert found[types.CLUSTER]["backend"].changed_by == 'MeshProxyPatch "strong"'


@pytest.mark.parametrize(
    ("modification", "error"),
    [
        (
            {"cluster": {"operation": "Patch", "jsonPatches": [{"op": "replace", "path": "/nope", "value": 1}]}},
            'MeshProxyPatch "one": spec.default.appendModifications[1].cluster: path "/nope" does not exist',
        ),
        (
            {"httpFilter": {"operation": "Patch", "match": {"name": ROUTER}, "value": BUFFER}},
            'MeshProxyPatch "one": spec.default.appendModifications[1].httpFilter: '
            '"envoy.extensions.filters.http.buffer.v3.Buffer" cannot be merged into '
            '"envoy.extensions.filters.http.router.v3.Router"',
        ),
        (
            {"cluster": {"operation": "Add", "value": "name: [1]"}},
            'MeshProxyPatch "one": spec.default.appendModifications[1].cluster.value: Failed to parse name field',
        ),
    ],
)
def test_error_names_the_policy_and_the_place(modification: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        after({"cluster": {"operation": "Patch", "value": "{}"}}, modification)
    assert str(caught.value).startswith(error)
