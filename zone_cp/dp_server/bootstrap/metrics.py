"""Which applications' metrics a launcher gathers beside Envoy's: what the mesh says, overridden by the Dataplane."""

from __future__ import annotations

from ursa.model.json import JsonObject

DEFAULT_PATH = "/metrics"


def aggregated_applications(mesh: JsonObject, dataplane: JsonObject) -> tuple[JsonObject, ...]:
    """Applications in the launcher's terms; a Dataplane's entry replaces the mesh's of the same name."""
    metrics = mesh.get("metrics", {})
    enabled = metrics.get("enabledBackend", "")
    backend = next((b for b in metrics.get("backends", ()) if enabled and b.get("name") == enabled), None)
    if backend is None or backend.get("type") != "prometheus":
        return ()
    own = dataplane.get("metrics", {})
    sources = [backend.get("conf", {})] + ([own.get("conf", {})] if own.get("type") == "prometheus" else [])
    entries = {entry.get("name", ""): entry for conf in sources for entry in conf.get("aggregate", ())}
    return tuple(
        {
            "name": name,
            "address": entry.get("address", ""),
            "port": int(entry.get("port", 0)),
            "path": entry.get("path") or DEFAULT_PATH,
        }
        for name, entry in entries.items()
        if entry.get("enabled", True)
    )
