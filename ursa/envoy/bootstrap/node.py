"""What Envoy will say about itself: the control plane gives it to Envoy, to get it back when Envoy connects."""

from __future__ import annotations

from ursa.envoy.bootstrap.inputs import BootstrapInputs, Document


def node(inputs: BootstrapInputs) -> Document:
    """Envoy's node (`spec/dataplane.md` §3.1)."""
    return {
        "id": f"{inputs.mesh}.{inputs.name}",
        "cluster": inputs.service,
        "metadata": _always(inputs) | _where_known(inputs),
    }


def _always(inputs: BootstrapInputs) -> Document:
    return {
        "dataplane.proxyType": inputs.proxy_type,
        "features": list(inputs.features),
        "version": dict(inputs.version),
        "workdir": inputs.workdir,
        "systemCaPath": inputs.system_ca_path,
        "metricsCertPath": inputs.metrics_cert_path,
        "metricsKeyPath": inputs.metrics_key_path,
        "spireAgent.socketPath": inputs.spire_socket_path,
        "ipv6Enabled": inputs.ipv6,
    }


def _where_known(inputs: BootstrapInputs) -> Document:
    found: Document = {}
    if inputs.admin_port:
        found["dataplane.admin.port"] = str(inputs.admin_port)
        found["dataplane.admin.address"] = inputs.admin_address
    if inputs.dns_port:
        found["dataplane.dns.port"] = str(inputs.dns_port)
    if inputs.readiness_port:
        found["dataplane.readinessReporter.port"] = str(inputs.readiness_port)
    if inputs.app_probe_proxy:
        found["dataplane.appProbeProxy.enabled"] = "true"
    if inputs.resource_text:
        found["dataplane.resource"] = inputs.resource_text
    if inputs.dynamic_metadata:
        found["dynamicMetadata"] = dict(inputs.dynamic_metadata)
    if inputs.transparent_proxy is not None:
        found["transparentProxy"] = dict(inputs.transparent_proxy)
    return found
