"""Which services accept mesh TLS while a mesh also allows plaintext.

A service is ready once every connected instance of it has a certificate of the enabled backend. It stays ready: an
instance that loses its connection is no reason to fall back to plaintext.
"""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.resource import Resource
from ursa.planner.meshes import MeshState
from ursa.view.view import Touched, View, services_of


class TlsReadiness:
    """Services that are ready, in meshes with a permissive backend."""

    def __init__(self) -> None:
        self._backends: dict[str, str] = {}
        self._ready: set[tuple[str, str]] = set()
        self._strict: set[str] = set()
        self._view = View()

    def ready(self, mesh: str, service: str) -> bool:
        """Whether clients should use TLS; always where only TLS is allowed."""
        if mesh in self._strict or (mesh, service) in self._ready:
            return True
        # What only other zones serve is reached through ingresses, which pass on nothing but TLS.
        return not self._view.serving(mesh, service)

    def update(self, view: View, touched: Touched, meshes: Mapping[str, MeshState]) -> set[str]:
        """Takes over a step of the view; returns the meshes in which a service became ready."""
        self._view = view
        changed = set()
        for name, state in meshes.items():
            backend = state.mesh.backend
            if backend is None or not backend.permissive:
                self._backends.pop(name, None)
                self._strict.add(name)
                continue
            self._strict.discard(name)
            fresh = self._backends.get(name) != backend.name
            if fresh:
                self._backends[name] = backend.name
                self._ready = {key for key in self._ready if key[0] != name}
            services = view.services(name) if fresh else _concerned(view, touched, name)
            became = {s for s in services if (name, s) not in self._ready and _all_issued(view, name, s, backend.name)}
            self._ready |= {(name, service) for service in became}
            if became or fresh:
                changed.add(name)
        return changed


def _concerned(view: View, touched: Touched, mesh: str) -> set[str]:
    services = {service for of, service in touched.services if of == mesh}
    for change in touched.of("DataplaneInsight"):
        if change.key.mesh == mesh:
            dataplane = view.get("Dataplane", mesh, change.key.name)
            services |= services_of(dataplane) if dataplane is not None else set()
    return services


def _all_issued(view: View, mesh: str, service: str, backend: str) -> bool:
    online = [
        insight
        for name in view.serving(mesh, service)
        if (insight := view.get("DataplaneInsight", mesh, name)) is not None and _online(insight)
    ]
    return bool(online) and all(i.spec.get("mTLS", {}).get("issuedBackend") == backend for i in online)


def _online(insight: Resource) -> bool:
    return any("connectTime" in s and "disconnectTime" not in s for s in insight.spec.get("subscriptions", ()))
