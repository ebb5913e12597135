"""Pieces of Envoy configuration: what Envoy itself would refuse is named."""

from __future__ import annotations

import pytest

from ursa.model.validation.native import native_error, raw_resource_error

EMBEDDED = "embedded message failed validation | caused by: "
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


@pytest.mark.parametrize(
    ("part", "text", "error"),
    [
        ("cluster", "name: a", ""),
        ("cluster", "name: a\nunknown: true", ""),
        ("cluster", "", "invalid Cluster.Name: value length must be at least 1 runes"),
        ("cluster", "name: a\nconnectTimeout: -1s", "invalid Cluster.ConnectTimeout: value must be greater than 0s"),
        (
            "cluster",
            "name: a\nload_assignment: {}",
            f"invalid Cluster.LoadAssignment: {EMBEDDED}"
            "invalid ClusterLoadAssignment.ClusterName: value length must be at least 1 runes",
        ),
        (
            "listener",
            "address: {socketAddress: {address: 1.1.1.1, portValue: 65536}}",
            f"invalid Listener.Address: {EMBEDDED}invalid Address.SocketAddress: {EMBEDDED}"
            "invalid SocketAddress.PortValue: value must be less than or equal to 65535",
        ),
        ("virtualHost", "name: a", "invalid VirtualHost.Domains: value must contain at least 1 item(s)"),
        (
            "virtualHost",
            "name: a\ndomains: [a]\nroutes: [{match: {}, route: {cluster: a}}]",
            f"invalid VirtualHost.Routes[0]: {EMBEDDED}invalid Route.Match: {EMBEDDED}"
            "invalid RouteMatch.PathSpecifier: value is required",
        ),
        (
            "cluster",
            "name: a\nhealthChecks: [{timeout: 1s, interval: 1s, unhealthyThreshold: 1}]",
            f"invalid Cluster.HealthChecks[0]: {EMBEDDED}invalid HealthCheck.HealthyThreshold: value is required",
        ),
        ("cluster", "name: a\nlbPolicy: 99", "invalid Cluster.LbPolicy: value must be one of the defined enum values"),
        ("httpFilter", f"name: a\ntypedConfig: {{'@type': {LUA}, inlineCode: x}}", ""),
        ("networkFilter", "- 1", "document 1 is not a mapping"),
        ("cluster", "name: a\n---\nname: b", "more than one document"),
    ],
)
def test_a_complete_piece_keeps_the_rules_of_its_message(part: str, text: str, error: str) -> None:
    assert native_error(part, text) == error


def test_a_piece_to_be_merged_only_has_to_be_readable() -> None:
    assert native_error("cluster", "connectTimeout: 5s", complete=False) == ""
    assert "connectTimeout" in native_error("cluster", "connectTimeout: {a: b}", complete=False)


def test_a_packed_message_of_an_unknown_type_is_named() -> None:
    assert "envoy.nope.v3.Nope" in native_error(
        "httpFilter", "name: a\ntypedConfig: {'@type': type.googleapis.com/envoy.nope.v3.Nope}"
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name: a", "Any JSON doesn't have '@type'"),
        ("'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: a", ""),
        ("'@type': type.googleapis.com/nope.Nope", "unknown message type 'type.googleapis.com/nope.Nope'"),
        (
            "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "invalid Cluster.Name: value length must be at least 1 runes",
        ),
    ],
)
def test_a_whole_resource_names_its_type(text: str, error: str) -> None:
    assert raw_resource_error(text) == error
