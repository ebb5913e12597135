"""The one place that knows every resource kind: those of the model and those that policies declare."""

from __future__ import annotations

from ursa.model.kind import Registry
from ursa.model.registry import default_kinds
from ursa.policies.catalog import policy_kinds


def default_registry() -> Registry:
    """All kinds of this version, freshly assembled."""
    return Registry([*default_kinds(), *policy_kinds()])
