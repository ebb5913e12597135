"""The one place where the untyped world of JSON documents gets a name.

Specs of resources stay plain JSON values in their canonical form (proto3 JSON mapping for protobuf kinds), because a
control plane mostly moves, compares and indexes them; what
computes with a spec parses it into a slotted dataclass first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Any JSON value: null, bool, number, string, list, object."""

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object that the reader must not change."""

Definitions: TypeAlias = dict[str, JsonObject]
"""JSON schemas by name, for other schemas to refer to."""
