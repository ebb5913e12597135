"""Names of resources (`spec/xds.md` §1.4, §1.5): contracts with tools, dashboards and launchers.

There is an old scheme and a unified one, in which names say whose something is; a proxy has all of its names in one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ursa.ir.naming import bracketed
from ursa.model.dataplane import Inbound

DIRECT_ACCESS = "direct_access"
NO_DESTINATION = "self_transparentproxy_no_destination_inbound"

SOCKET_LIMIT = 98
"""Characters of a socket's path that are kept before `.sock` is added; Unix allows 108 in all."""


def inbound_listener(address: str, port: int) -> str:
    """`inbound:10.0.0.1:80`."""
    return f"inbound:{bracketed(address)}:{port}"


def outbound_listener(address: str, port: int) -> str:
    """`outbound:240.0.0.0:80`."""
    return f"outbound:{bracketed(address)}:{port}"


def own_inbound(inbound: Inbound) -> str:
    """Everything of an inbound in the unified scheme."""
    return f"self_inbound_dp_{inbound.section}"


def direct_access_listener(address: str, port: int) -> str:
    """`direct_access_10.0.0.1:80`."""
    return f"{DIRECT_ACCESS}_{bracketed(address)}:{port}"


def zone_proxy_cluster(mesh: str, service: str) -> str:
    """Cluster of a tag service on an ingress or egress."""
    return f"{mesh}:{service}"


def socket_path(workdir: str, name: str) -> str:
    """Path of a Unix socket that proxy and launcher share; both compute it alike."""
    return f"{workdir}/{name}"[:SOCKET_LIMIT] + ".sock"


def readiness_socket(workdir: str) -> str:
    """Where the launcher says whether the proxy may get traffic."""
    return socket_path(workdir, "kuma-readiness-reporter")


def access_log_pipe(workdir: str, name: str, mesh: str) -> str:
    """Where the launcher takes lines for collectors."""
    return socket_path(workdir, f"kuma-al-{name}-{mesh}")


def metrics_socket(workdir: str, name: str, mesh: str) -> str:
    """Where the launcher shows the metrics of proxy and applications."""
    return socket_path(workdir, f"kuma-mh-{name}-{mesh}")


def collector_socket(workdir: str, name: str) -> str:
    """Where the launcher sends metrics for a collector."""
    return socket_path(workdir, f"kuma-otel-{name}")


def dynamic_config_socket(workdir: str) -> str:
    """Where the launcher asks for DNS records and the like."""
    return socket_path(workdir, "kuma-mesh-metric-config")


@dataclass(frozen=True, slots=True)
class Scheme:
    """The names that differ between the schemes."""

    unified: bool = False

    @property
    def admin(self) -> str:
        """Cluster and listener of the admin interface."""
        return "system_envoy_admin" if self.unified else "kuma:envoy:admin"

    @property
    def readiness(self) -> str:
        """Cluster of what tells whether the proxy may get traffic."""
        return "system_probe_readiness" if self.unified else "kuma:readiness"

    @property
    def dns(self) -> str:
        """Listener that answers names."""
        return "system_dns" if self.unified else "kuma:dns"

    @property
    def dynamic_config(self) -> str:
        """Listener by which the launcher asks for DNS records and the like."""
        return "system_dynamicconfig" if self.unified else "_kuma:dynamicconfig"

    def dynamic_route(self, path: str) -> str:
        """Route of what is asked for there."""
        return f"{self.dynamic_config}{path.replace('/', '_')}" if self.unified else f"{self.dynamic_config}:{path}"

    def dynamic_route_unchanged(self, path: str) -> str:
        """Route that says that it has not changed."""
        return f"{self.dynamic_route(path)}_not_modified" if self.unified else ""

    def passthrough(self, direction: str, family: str) -> str:
        """Listener and cluster of what no other listener takes: `inbound:passthrough:ipv4`."""
        if self.unified:
            return f"self_transparentproxy_passthrough_{direction}_{family}"
        return f"{direction}:passthrough:{family}"

    def inbound(self, inbound: Inbound) -> str:
        """Listener of an inbound."""
        return own_inbound(inbound) if self.unified else inbound_listener(inbound.address, inbound.port)

    def workload(self, inbound: Inbound) -> str:
        """Cluster of the workload behind an inbound."""
        return own_inbound(inbound) if self.unified else f"localhost:{inbound.workload_port}"

    def inbound_host(self, inbound: Inbound) -> str:
        """Virtual host of an inbound."""
        return own_inbound(inbound) if self.unified else inbound.service

    def inbound_routes(self, inbound: Inbound) -> str:
        """Route configuration of an inbound."""
        return own_inbound(inbound) if self.unified else f"inbound:{inbound.service}"

    def ingress_listener(self, address: str, port: int) -> str:
        """Listener of a zone ingress."""
        return f"self_inbound_zi_{port}" if self.unified else inbound_listener(address, port)

    def egress_listener(self, address: str, port: int) -> str:
        """Listener of a zone egress."""
        return f"self_inbound_ze_{port}" if self.unified else inbound_listener(address, port)

    def identity_secret(self, mesh: str) -> str:
        """SDS name of a proxy's certificate."""
        return f"system_mtls_identity_{mesh}" if self.unified else f"identity_cert:secret:{mesh}"

    def authority_secret(self, mesh: str) -> str:
        """SDS name of a mesh's CA."""
        return f"system_mtls_ca_{mesh}" if self.unified else f"mesh_ca:secret:{mesh}"

    @property
    def all_authorities_secret(self) -> str:
        """SDS name of the CAs of all meshes."""
        return "system_mtls_ca_all_meshes" if self.unified else "mesh_ca:secret:all"


METRICS, METRICS_HIJACKER = "kuma:metrics:prometheus", "kuma:metrics:hijacker"
"""Listener and cluster of metrics as a Mesh asks for them."""

MESH_METRICS, MESH_METRICS_HIJACKER = "_kuma:metrics:prometheus", "_kuma:metrics:hijacker"
MESH_METRICS_COLLECTOR = "_kuma:metrics:opentelemetry"
"""The same as MeshMetrics ask for them: beginnings of names, and the cluster."""

SCHEMES = OLD, UNIFIED = Scheme(), Scheme(unified=True)
