"""Clusters of real services: who is let prove to be one, and how proxies speak to it."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.ir.cluster import Cluster, HttpOptions
from ursa.ir.plan import EdsReference
from ursa.ir.tls import SanMatcher
from ursa.model.mesh import parse_mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.model.resource import Resource
from ursa.planner.backends import RealBackend, backend_cluster, backend_endpoints
from ursa.planner.inputs import OutboundInputs, Settings
from ursa.planner.names import UNIFIED

HTTP, TCP = ServicePort(80, "main", "http"), ServicePort(81)
WEB = RealService("MeshService", "default", "web", "web", "east", identities=("spiffe://default/web",))
OUT = RealService("MeshExternalService", "default", "out", "out")


def inputs(mode: str = "STRICT", **more: Any) -> OutboundInputs:
    mtls = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin", "mode": mode}]} if mode else {}
    mesh = parse_mesh(Resource("Mesh", "", "default", {"mtls": mtls}))
    return OutboundInputs(Settings(), mesh, ipv6=True, outbounds=(), policies=(), **more)


def cluster(service: RealService = WEB, port: ServicePort = HTTP, section: str = "main", **more: Any) -> Cluster:
    return backend_cluster(RealBackend(service, port, section), inputs(**more))


def sans(of: Cluster) -> tuple[SanMatcher, ...]:
    assert of.tls is not None
    return of.tls.validation.sans


def test_a_cluster_is_called_after_the_port_and_knows_its_service() -> None:
    found = cluster()
    assert (found.name, found.type, found.http) == ("default_web__east_msvc_80", "EDS", HttpOptions(2))
    assert found.resource_origin == "kri_msvc_default_east__web_main"
    assert found.tls is not None and found.tls.sni.endswith(".web.80.default.ms")
    assert backend_endpoints(RealBackend(WEB, HTTP, "main"), "default") == EdsReference("default", "MeshService/web:80")


def test_in_the_unified_scheme_the_reference_is_the_name() -> None:
    names = {cluster(section=section, scheme=UNIFIED).name for section in ("main", "80")}
    assert names == {"kri_msvc_default_east__web_main", "kri_msvc_default_east__web_80"}
    tls = cluster(scheme=UNIFIED).tls
    assert tls is not None
    assert (tls.certificate, tls.validation.secret) == ("system_mtls_identity_default", "system_mtls_ca_default")


def test_only_the_identities_of_the_service_are_accepted_or_any_of_the_mesh() -> None:
    assert sans(cluster()) == (SanMatcher("spiffe://default/web"),)
    nobody = RealService("MeshService", "default", "web", "web", "east")
    assert sans(cluster(nobody)) == (SanMatcher("spiffe://default/", prefix=True),)


@pytest.mark.parametrize(
    ("mode", "ready", "secured"),
    [
        ("", True, False),
        ("STRICT", True, True),
        ("STRICT", False, True),
        ("PERMISSIVE", True, True),
        ("PERMISSIVE", False, False),
    ],
)
def test_plaintext_is_spoken_where_the_service_is_not_ready_for_more(mode: str, ready: bool, secured: bool) -> None:
    service = RealService("MeshService", "default", "web", "web", "east", tls=ready)
    assert (cluster(service, mode=mode).tls is not None) is secured


def test_what_is_outside_is_reached_by_an_egress_which_says_what_the_server_is_told() -> None:
    found = cluster(OUT, egress=True)
    assert sans(found) == (SanMatcher("spiffe://default/zone-egress"),)
    assert found.http == HttpOptions(1)
    assert cluster(OUT, TCP, "81", egress=True).http is None
    assert cluster(OUT, egress=False).tls is None, "without an egress there is nobody to speak to"


def test_in_the_old_scheme_timeouts_go_by_what_the_instances_speak() -> None:
    raw = ServicePort(81, carried="http")
    assert cluster(port=raw).protocol == "http"
    assert cluster(port=raw, scheme=UNIFIED).protocol == "tcp"
