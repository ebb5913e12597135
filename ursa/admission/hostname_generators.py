"""The HostnameGenerators a control plane starts with: how services get names without anybody asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ursa.admission.place import Place
from ursa.model.labels import ENV, GLOBAL, IN_ZONE, ORIGIN
from ursa.model.resource import Resource

HEADLESS = "k8s.kuma.io/is-headless-service"


def default_generators(place: Place) -> Iterator[Resource]:
    """Generators of this control plane (`spec/rest-api.md` §11)."""
    yield from _of_global() if place.is_global else _of_zone(place.locality.environment)


def _of_global() -> Iterator[Resource]:
    kubernetes = {ENV: "kubernetes", ORIGIN: GLOBAL}
    pod = '{{ label "statefulset.kubernetes.io/pod-name" }}.{{ label "k8s.kuma.io/service-name" }}'
    yield _generator(
        "synced-mesh-multi-zone-service",
        "meshMultiZoneService",
        {ORIGIN: GLOBAL},
        "{{ .DisplayName }}.mzsvc.mesh.local",
    )
    yield _generator(
        "synced-kube-mesh-service",
        "meshService",
        {HEADLESS: "false", **kubernetes},
        "{{ .DisplayName }}.{{ .Namespace }}.svc.{{ .Zone }}.mesh.local",
    )
    yield _generator(
        "synced-headless-kube-mesh-service",
        "meshService",
        {HEADLESS: "true", **kubernetes},
        pod + ".{{ .Namespace }}.svc.{{ .Zone }}.mesh.local",
    )
    yield _generator(
        "synced-universal-mesh-service",
        "meshService",
        {ENV: "universal", ORIGIN: GLOBAL},
        "{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local",
    )
    yield _generator(
        "synced-mesh-external-service", "meshExternalService", {ORIGIN: GLOBAL}, "{{ .DisplayName }}.extsvc.mesh.local"
    )


def _of_zone(environment: str) -> Iterator[Resource]:
    here = {ORIGIN: IN_ZONE}
    external = "{{ .DisplayName }}.extsvc.mesh.local"
    yield _generator("local-mesh-external-service", "meshExternalService", here, external, here)
    if environment == "universal":
        template = "{{ .DisplayName }}.svc.mesh.local"
        yield _generator("local-universal-mesh-service", "meshService", here, template, here)


def _generator(
    name: str, selects: str, match: Mapping[str, str], template: str, labels: Mapping[str, str] | None = None
) -> Resource:
    spec = {"selector": {selects: {"matchLabels": dict(match)}}, "template": template}
    return Resource("HostnameGenerator", "", name, spec, labels or {})
