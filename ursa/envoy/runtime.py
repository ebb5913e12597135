"""Runtime layers: numbers that Envoy looks up by name, such as limits of single listeners."""

from __future__ import annotations

from collections.abc import Mapping

from envoy.service.runtime.v3.rtds_pb2 import Runtime
from google.protobuf.struct_pb2 import Struct, Value

from ursa.envoy.values import serialised

GATEWAY_LAYER = "gateway.listeners"
"""The layer that the bootstrap of a builtin gateway asks for."""


def runtime_bytes(values: Mapping[str, int]) -> bytes:
    """Serialised `envoy.service.runtime.v3.Runtime` with the layer of a gateway."""
    layer = Struct(fields={key: Value(number_value=value) for key, value in values.items()})
    return serialised(Runtime(name=GATEWAY_LAYER, layer=layer))
