"""What a builtin gateway needs in addition: it meets clients that nobody controls, so it must refuse in time."""

from __future__ import annotations

from ursa.envoy.bootstrap.inputs import BootstrapInputs, Document

TYPE = "type.googleapis.com/envoy.extensions.resource_monitors."
LAYER = "gateway.listeners"
"""Runtime values by listener, such as connection limits, come over the discovery stream."""

THRESHOLDS = (("shrink_heap", 0.95), ("stop_accepting_requests", 0.98))
"""What Envoy does when that part of its heap limit is used."""


def runtime_layer() -> Document:
    """The layer of runtime values that the control plane sends."""
    return {
        "name": LAYER,
        "rtdsLayer": {"name": LAYER, "rtdsConfig": {"ads": {}, "resourceApiVersion": "V3"}},
    }


def overload_manager(inputs: BootstrapInputs) -> Document:
    """Limits of connections and, where one is known, of memory."""
    monitors = [
        {
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typedConfig": {
                "@type": TYPE + "downstream_connections.v3.DownstreamConnectionsConfig",
                "maxActiveDownstreamConnections": str(inputs.max_connections),
            },
        }
    ]
    manager: Document = {"refreshInterval": "0.250s", "resourceMonitors": monitors}
    if inputs.max_heap > 0:
        name = "envoy.resource_monitors.fixed_heap"
        limit = {"@type": TYPE + "fixed_heap.v3.FixedHeapConfig", "maxHeapSizeBytes": str(inputs.max_heap)}
        monitors.append({"name": name, "typedConfig": limit})
        manager["actions"] = [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": name, "threshold": {"value": threshold}}],
            }
            for action, threshold in THRESHOLDS
        ]
    return manager
