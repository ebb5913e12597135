"""ExternalServices of all meshes by service, kept up to date service by service."""

from __future__ import annotations

from collections.abc import Mapping

from ursa.planner.resolved import ReadFile, Resolved
from ursa.topology.external_services import ExternalService, parse_external_service
from ursa.view.view import Touched, View

ServiceKey = tuple[str, str]


class ExternalIndex:
    """ExternalServices by mesh and `kuma.io/service`."""

    def __init__(self, read_file: ReadFile) -> None:
        self._forms = Resolved("ExternalService", parse_external_service, read_file)
        self._services: dict[str, dict[str, tuple[ExternalService, ...]]] = {}

    def of(self, mesh: str) -> Mapping[str, tuple[ExternalService, ...]]:
        """The external services of a mesh by service, those of one service in order of their names."""
        return self._services.get(mesh, {})

    def update(self, view: View, touched: Touched) -> set[ServiceKey]:
        """Takes over a step of the view; returns the services that came, went or changed."""
        changed = {
            (moved.key.mesh, form.service)
            for moved in self._forms.update(view, touched)
            for form in (moved.before, moved.after)
            if form is not None
        }
        for mesh in {mesh for mesh, _ in changed}:
            grouped: dict[str, tuple[ExternalService, ...]] = {}
            for form in self._forms.of(mesh):
                grouped[form.service] = (*grouped.get(form.service, ()), form)
            self._services[mesh] = grouped
        return changed
