"""Names of real services on the wire: observed ones decide."""

from __future__ import annotations

import pytest

from ursa.model.real_service import RealService
from ursa.topology.destinations import sni_of_service

GLOBAL = {"kuma.io/origin": "global"}
LOCAL = {"kuma.io/origin": "zone"}


@pytest.mark.parametrize(
    ("service", "port", "sni"),
    [
        (
            RealService("MeshService", "default", "backend", "backend"),
            18080,
            "a601e0c00295a9fbe.backend.18080.default.ms",
        ),
        (
            RealService("MeshService", "default", "only-z2-4bc5", "only-z2", labels=GLOBAL),
            18080,
            "a6befa07daccf42bd.only-z2.18080.default.ms",
        ),
        (RealService("MeshService", "demo", "backend", "backend"), 8080, "ae10a8071b8a8eeb8.backend.8080.demo.ms"),
        (
            RealService("MeshMultiZoneService", "default", "x", "backend-mz"),
            80,
            "abe14e6f5c6136e28.backend-mz.80.default.mzms",
        ),
        (
            RealService("MeshExternalService", "default", "x", "mes-http"),
            80,
            "afaaef98d6ceadc6a.mes-http.80.default.mes",
        ),
    ],
)
def test_snis(service: RealService, port: int, sni: str) -> None:
    assert sni_of_service(service, port) == sni


@pytest.mark.parametrize(
    ("name", "labels", "system_namespace", "visible"),
    [
        ("web.shop", LOCAL, "kuma-system", "web.shop"),  # Kubernetes: the stored name has the namespace already
        ("web-hash", GLOBAL, "kuma-system", "web.shop"),
        ("web-hash", GLOBAL, "shop", "web"),  # from the system namespace: as if there were none
        ("web", LOCAL, "", "web.shop"),
        ("web-hash", GLOBAL, "", "web.shop"),
    ],
)
def test_all_zones_ask_for_a_service_by_one_name(
    name: str, labels: dict[str, str], system_namespace: str, visible: str
) -> None:
    service = RealService("MeshService", "default", name, "web", "east", "shop", labels)
    sni = sni_of_service(service, 80, system_namespace=system_namespace)
    assert sni.partition(".")[2] == f"{visible}.80.default.ms"


def test_long_names_are_cut_where_they_are_shown_and_count_as_a_whole() -> None:
    one, other = (RealService("MeshService", "default", "n" * 70 + end, "d") for end in "ab")
    assert sni_of_service(one, 80).partition(".")[2] == sni_of_service(other, 80).partition(".")[2]
    assert sni_of_service(one, 80) != sni_of_service(other, 80)
    assert sni_of_service(one, 80).split(".")[1] == "n" * 62 + "x"


def test_names_in_both_schemes() -> None:
    service = RealService("MeshService", "default", "backend-4bc5", "backend", "zone-1")
    assert service.legacy_name(18080) == "default_backend__zone-1_msvc_18080"
    assert service.kri("main") == "kri_msvc_default_zone-1__backend_main"
