"""Bootstraps against recorded ones: requests that a real control plane answered, and its project's own examples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ursa.catalog import default_registry
from ursa.envoy.bootstrap import BootstrapInputs, ControlPlane, bootstrap_document
from ursa.model.forms import from_rest
from ursa.runtime.config import Settings, load
from ursa.store.contract import Contents
from ursa.testing import shared_folder
from ursa.view.view import View
from zone_cp.dp_server.bootstrap.answer import bootstrap_inputs, sidecar_configuration
from zone_cp.dp_server.bootstrap.request import parse_request
from zone_cp.dp_server.bootstrap.subject import find_subject

SHARED = shared_folder()
RECORDED = SHARED / "reference/dataplane/bootstrap" if SHARED else None
EXAMPLES = SHARED / "conformance/bootstrap" if SHARED else None

pytestmark = pytest.mark.skipif(SHARED is None, reason="the shared folder is not here")

WITHOUT_CREDENTIALS = "token-path-only-non-reloadable"
"""Kuma's answer is useless to the proxy; ours is a refusal, tested with the refusals."""


def recorded() -> list[str]:
    found = sorted(RECORDED.glob("*.bootstrap.yaml")) if RECORDED else []
    names = [path.name.removesuffix(".bootstrap.yaml") for path in found]
    return [name for name in names if name != WITHOUT_CREDENTIALS]


@pytest.mark.parametrize("name", recorded())
def test_recorded_answers(name: str) -> None:
    assert RECORDED is not None
    request = parse_request(json.loads((RECORDED / f"{name}.request.json").read_text()))
    expected = yaml.safe_load((RECORDED / f"{name}.bootstrap.yaml").read_text())
    settings = settings_of(name)
    subject = find_subject(request, view(), default_registry())
    secret = expected["staticResources"]["secrets"][0]["validationContext"]
    host = secret["matchTypedSubjectAltNames"][0]["matcher"]["exact"]
    authority = request.ca_cert.encode() or b"served"
    inputs = bootstrap_inputs(request, subject, settings, host=host, authority=authority)
    actual = bootstrap_document(inputs)
    assert redacted(actual) == redacted(expected)
    answer = json.loads((RECORDED / f"{name}.response.json").read_text())
    assert sidecar_configuration(subject, settings) == answer["kumaSidecarConfiguration"]


def test_applications_of_the_mesh() -> None:
    assert RECORDED is not None
    request = parse_request(json.loads((RECORDED / "web-1.request.json").read_text()))
    application = {"name": "app", "address": "127.0.0.1", "port": 9090, "path": "/metrics"}
    backend = {"name": "p", "type": "prometheus", "conf": {"aggregate": [application]}}
    mesh = {"type": "Mesh", "name": "default", "metrics": {"enabledBackend": "p", "backends": [backend]}}
    subject = find_subject(request, view(mesh), default_registry())
    answer = json.loads((RECORDED / "with-mesh-prometheus-aggregate.response.json").read_text())
    assert sidecar_configuration(subject, load(None, {}).settings) == answer["kumaSidecarConfiguration"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")) if EXAMPLES else [], ids=lambda path: path.name)
def test_published_examples(path: Path) -> None:
    expected = yaml.safe_load(path.read_text())
    assert bootstrap_document(example(path.name, expected)) == {**expected}


def example(name: str, expected: dict[str, Any]) -> BootstrapInputs:
    """The inputs behind a published example, which are not published: what varies is read from the answer."""
    node, admin = expected["node"], expected.get("admin")
    metadata = node["metadata"]
    mesh, _, proxy = node["id"].partition(".")
    _, ads = expected["staticResources"]["clusters"]
    secret = expected["staticResources"]["secrets"][0]["validationContext"]
    address = ads["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]
    service = expected["dynamicResources"]["adsConfig"]["grpcServices"][0]
    control_plane = ControlPlane(
        host=address["address"],
        port=address["portValue"],
        connect_timeout=float(ads["connectTimeout"].removesuffix("s")),
        authority=decoded(secret["trustedCa"]["inlineBytes"]),
        token=service.get("initialMetadata", [{"value": ""}])[0]["value"],
    )
    inputs = BootstrapInputs(
        mesh=mesh,
        name=proxy,
        proxy_type="dataplane",
        service=node["cluster"],
        control_plane=control_plane,
        features=tuple(metadata["features"]),
        version=metadata["version"],
        workdir="/tmp",
        resource_text=metadata.get("dataplane.resource", ""),
        dynamic_metadata=metadata.get("dynamicMetadata", {}),
        readiness_port=int(metadata.get("dataplane.readinessReporter.port", 0)),
        health_discovery="hdsConfig" in expected,
        unified_names="unified" in name,
        builtin_gateway="gateway" in name,
        max_heap=2_000_000,
        app_probe_proxy="probes" in name,
    )
    if admin is None:
        return inputs
    bound = admin["address"]["socketAddress"]
    log = admin["accessLog"][0]["typedConfig"]["path"]
    return replace(inputs, admin_address=bound["address"], admin_port=bound["portValue"], admin_access_log=log)


def decoded(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


def settings_of(name: str) -> Settings:
    """The recording control plane's settings; the one with reloadable tokens differed in more than that."""
    if name.startswith("reloadable"):
        changed = {
            "KUMA_DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS": "true",
            "KUMA_DP_SERVER_HDS_ENABLED": "false",
            "KUMA_BOOTSTRAP_SERVER_PARAMS_ADMIN_PORT": "9999",
        }
        return load(None, changed).settings
    return load(None, {}).settings


def view(mesh: dict[str, Any] | None = None) -> View:
    registry = default_registry()
    assert RECORDED is not None
    created = json.loads(json.loads((RECORDED / "web-1.request.json").read_text())["dataplaneResource"])
    documents = [mesh or {"type": "Mesh", "name": "default"}, created]
    found, _ = View().catch_up(Contents(revision=1, resources=[from_rest(d, registry) for d in documents]))
    return found


def redacted(document: Any) -> Any:
    """Without what recordings had to hide (paths) and without the order of features, which is random."""
    document = json.loads(json.dumps(document))
    document["node"]["metadata"]["features"].sort()
    sink = document["staticResources"]["clusters"][0]["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]
    sink["endpoint"]["address"]["pipe"]["path"] = "-"
    for service in document["dynamicResources"]["adsConfig"]["grpcServices"]:
        for plugin in service.get("googleGrpc", {}).get("callCredentials", ()):
            plugin["fromPlugin"]["typedConfig"]["secretData"]["filename"] = "-"
    trusted = document["staticResources"]["secrets"][0]["validationContext"]["trustedCa"]
    if trusted["inlineBytes"] in served():
        trusted["inlineBytes"] = "served"
    return document


def served() -> set[str]:
    """The two forms of what a recording served itself: ours, and the one that is only in recordings."""
    import base64

    found = {base64.b64encode(b"served").decode()}
    if RECORDED:
        for path in RECORDED.glob("*.bootstrap.yaml"):
            request = json.loads(path.with_name(path.name.replace("bootstrap.yaml", "request.json")).read_text())
            if not request.get("caCert"):
                document = yaml.safe_load(path.read_text())
                secret = document["staticResources"]["secrets"][0]["validationContext"]
                found.add(secret["trustedCa"]["inlineBytes"])
    return found
