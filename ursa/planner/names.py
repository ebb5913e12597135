"""Names of resources in the legacy scheme (`spec/xds.md` §1.4): contracts with tools, dashboards and launchers."""

from __future__ import annotations

from ursa.ir.naming import bracketed

ADMIN = "kuma:envoy:admin"
READINESS = "kuma:readiness"
DNS = "kuma:dns"
DYNAMIC_CONFIG = "_kuma:dynamicconfig"
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


def workload_cluster(port: int) -> str:
    """Cluster of the workload behind an inbound."""
    return f"localhost:{port}"


def passthrough(direction: str, family: str) -> str:
    """`inbound:passthrough:ipv4`."""
    return f"{direction}:passthrough:{family}"


def direct_access_listener(address: str, port: int) -> str:
    """`direct_access_10.0.0.1:80`."""
    return f"{DIRECT_ACCESS}_{bracketed(address)}:{port}"


def zone_proxy_cluster(mesh: str, service: str) -> str:
    """Cluster of a tag service on an ingress or egress."""
    return f"{mesh}:{service}"


def ingress_listener(address: str, port: int, *, unified: bool) -> str:
    """Listener of a zone ingress; in the unified scheme `self_inbound_zi_10001`."""
    return f"self_inbound_zi_{port}" if unified else inbound_listener(address, port)


def egress_listener(address: str, port: int, *, unified: bool) -> str:
    """Listener of a zone egress; in the unified scheme `self_inbound_ze_10002`."""
    return f"self_inbound_ze_{port}" if unified else inbound_listener(address, port)


def identity_secret(mesh: str) -> str:
    """SDS name of a proxy's certificate."""
    return f"identity_cert:secret:{mesh}"


def authority_secret(mesh: str) -> str:
    """SDS name of a mesh's CA."""
    return f"mesh_ca:secret:{mesh}"


def socket_path(workdir: str, name: str) -> str:
    """Path of a Unix socket that proxy and launcher share; both compute it alike."""
    return f"{workdir}/{name}"[:SOCKET_LIMIT] + ".sock"


def readiness_socket(workdir: str) -> str:
    """Where the launcher says whether the proxy may get traffic."""
    return socket_path(workdir, "kuma-readiness-reporter")


def dynamic_config_socket(workdir: str) -> str:
    """Where the launcher asks for DNS records and the like."""
    return socket_path(workdir, "kuma-mesh-metric-config")
