"""ExternalServices of all meshes, kept up to date service by service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ursa.errors import NotFound
from ursa.identity.data_sources import read_source
from ursa.identity.signing_keys import secret_data
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey
from ursa.topology.external_services import ExternalService, parse_external_service
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

KIND = "ExternalService"

ServiceKey = tuple[str, str]


class Sources:
    """Reads what resources of one mesh refer to, and remembers to which Secrets they did."""

    def __init__(self, view: View, mesh: str, read_file: Callable[[str], bytes]) -> None:
        self._view, self._mesh, self._read_file = view, mesh, read_file
        self.secrets: set[ResourceKey] = set()

    def load(self, source: JsonObject) -> bytes:
        """The bytes of a DataSource; raises NotFound."""
        return read_source(source, self._secret, self._read_file)

    def _secret(self, name: str) -> bytes:
        key = ResourceKey("Secret", self._mesh, name)
        self.secrets.add(key)
        resource = self._view.get(*key)
        if resource is None:
            raise NotFound(f'secret "{name}"')
        return secret_data(resource)


class _Known(NamedTuple):
    """A resource's form, None when it cannot be used, and the Secrets that went into it."""

    form: ExternalService | None
    secrets: frozenset[ResourceKey]


class ExternalIndex:
    """ExternalServices by mesh and service."""

    def __init__(self, read_file: Callable[[str], bytes]) -> None:
        self._read_file = read_file
        self._known: dict[ResourceKey, _Known] = {}
        self._services: dict[str, dict[str, tuple[ExternalService, ...]]] = {}

    def of(self, mesh: str) -> Mapping[str, tuple[ExternalService, ...]]:
        """The external services of a mesh by `kuma.io/service`, each in order of the names."""
        return self._services.get(mesh, {})

    def update(self, view: View, touched: Touched) -> set[ServiceKey]:
        """Takes over a step of the view; returns the services that came, went or changed."""
        dirty = {key for key in touched.keys if key.kind == KIND}
        secrets = {key for key in touched.keys if key.kind == "Secret"}
        if secrets:
            dirty |= {key for key, known in self._known.items() if known.secrets & secrets}
        changed: set[ServiceKey] = set()
        for key in dirty:
            before, after = self._known.get(key), self._parse(view, key)
            if after is None:
                self._known.pop(key, None)
            else:
                self._known[key] = after
            forms = [known.form for known in (before, after) if known is not None and known.form is not None]
            if len(forms) == 2 and forms[0] == forms[1]:
                continue
            changed |= {(key.mesh, form.service) for form in forms}
        for mesh in {mesh for mesh, _ in changed}:
            self._group(mesh)
        return changed

    def _parse(self, view: View, key: ResourceKey) -> _Known | None:
        resource = view.get(*key)
        if resource is None:
            return None
        sources = Sources(view, key.mesh, self._read_file)
        return _Known(self._form(resource, sources), frozenset(sources.secrets))

    def _form(self, resource: Resource, sources: Sources) -> ExternalService | None:
        try:
            return parse_external_service(resource, sources.load)
        except NotFound as missing:
            log.warning("external service is left out", extra={"resource": str(resource.key), "missing": str(missing)})
            return None

    def _group(self, mesh: str) -> None:
        grouped: dict[str, tuple[ExternalService, ...]] = {}
        for key in sorted(key for key in self._known if key.mesh == mesh):
            form = self._known[key].form
            if form is not None:
                grouped[form.service] = (*grouped.get(form.service, ()), form)
        if grouped:
            self._services[mesh] = grouped
        else:
            self._services.pop(mesh, None)
