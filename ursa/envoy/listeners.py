"""Listeners."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.listener.v3.listener_components_pb2 import FilterChain as FilterChainMessage
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from envoy.extensions.filters.udp.dns_filter.v3.dns_filter_pb2 import DnsFilterConfig

from ursa.discovery.framing import field
from ursa.envoy.addresses import address
from ursa.envoy.filters import network_filter
from ursa.envoy.transport import downstream
from ursa.envoy.values import Fields, packed, serialised, string_struct, wrapped
from ursa.ir.listener import ChainMatch, DnsTable, FilterChain, Listener

TAGS_METADATA = "io.kuma.tags"
"""Filter metadata by which patches find a listener."""

FILTER_CHAINS = ListenerMessage.DESCRIPTOR.fields_by_name["filter_chains"].number

_ORIGINAL_DST: Fields = {"name": "envoy.filters.listener.original_dst", "typed_config": packed(OriginalDst())}
_HTTP_INSPECTOR: Fields = {"name": "envoy.filters.listener.http_inspector", "typed_config": packed(HttpInspector())}
_TLS_INSPECTOR: Fields = {"name": "envoy.filters.listener.tls_inspector", "typed_config": packed(TlsInspector())}


def listener_bytes(of: Listener, chains: Iterable[bytes] = ()) -> bytes:
    """Serialised `envoy.config.listener.v3.Listener`.

    Args:
        of: the listener.
        chains: further filter chains, made by `chain_bytes`; the fields of a message may come in any order.
    """
    fields: Fields = {
        "name": of.name,
        "address": address(of.address),
        "filter_chains": [_chain(chain) for chain in of.chains],
        "stat_prefix": of.stat_prefix,
    }
    if of.direction:
        fields["traffic_direction"] = of.direction
    if of.reuse_port is not None:
        fields["enable_reuse_port"] = wrapped(of.reuse_port)
    if of.buffer_limit is not None:
        fields["per_connection_buffer_limit_bytes"] = wrapped(of.buffer_limit)
    if not of.bind:
        fields["bind_to_port"] = wrapped(False)
    if of.original_dst:
        fields["use_original_dst"] = wrapped(True)
    filters = [_ORIGINAL_DST] if of.original_dst_filter else []
    inspectors = ((of.tls_inspector, _TLS_INSPECTOR), (of.http_inspector, _HTTP_INSPECTOR))
    filters += [inspector | _disabled(of.uninspected_ports) for wanted, inspector in inspectors if wanted]
    if of.dns is not None:
        filters.append(_dns(of.dns))
    fields["listener_filters"] = filters
    if of.tags:
        fields["metadata"] = {"filter_metadata": {TAGS_METADATA: string_struct(of.tags)}}
    return serialised(ListenerMessage(**fields)) + b"".join(field(FILTER_CHAINS, chain) for chain in chains)


def chain_bytes(of: FilterChain) -> bytes:
    """Serialised `envoy.config.listener.v3.FilterChain`."""
    return serialised(FilterChainMessage(**_chain(of)))


def _chain(of: FilterChain) -> Fields:
    fields: Fields = {"name": of.name, "filters": [network_filter(f) for f in of.filters]}
    if of.match is not None:
        fields["filter_chain_match"] = _match(of.match)
    if of.tls is not None:
        fields["transport_socket"] = downstream(of.tls)
    return fields


def _disabled(ports: tuple[int, ...]) -> Fields:
    """The part of a listener filter that says at which ports it does nothing."""
    rules: list[Fields] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in ports]
    if not rules:
        return {}
    return {"filter_disabled": rules[0] if len(rules) == 1 else {"or_match": {"rules": rules}}}


def _match(of: ChainMatch) -> Fields:
    fields: Fields = {
        "transport_protocol": of.transport_protocol,
        "application_protocols": list(of.application_protocols),
        "server_names": list(of.server_names),
    }
    if of.source:
        bits = 128 if ":" in of.source else 32
        fields["source_prefix_ranges"] = [{"address_prefix": of.source, "prefix_len": wrapped(bits)}]
    if of.destination is not None:
        prefix, length = of.destination
        fields["prefix_ranges"] = [{"address_prefix": prefix, "prefix_len": wrapped(length)}]
    if of.destination_port:
        fields["destination_port"] = wrapped(of.destination_port)
    return fields


def _dns(table: DnsTable) -> Fields:
    domains = [
        {
            "name": name,
            "endpoint": {"address_list": {"address": list(addresses)}},
            "answer_ttl": {"seconds": table.ttl},
        }
        for name, addresses in table.records
    ]
    config = DnsFilterConfig(stat_prefix="kuma_dns", server_config={"inline_dns_table": {"virtual_domains": domains}})
    return {"name": "envoy.filters.udp.dns_filter", "typed_config": packed(config)}
