"""Who listens where: every zone has loopback addresses of its own, every process ports of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ZONES = ("east", "west")
FIRST_PORT = 25600
"""The demo uses ports from here on; another start puts a second demo beside the first, on other addresses."""

BACKEND_PORT = 18080
OUTBOUND_PORT = 10080
INGRESS_PORT = 10001
EGRESS_PORT = 10002

WEB, BACKEND, INGRESS, EGRESS, OUTBOUND, WEB_APP, BACKEND_APP = 10, 11, 14, 15, 20, 110, 111
"""Last byte of the addresses in a zone."""

PROXIES = {"web": WEB, "backend": BACKEND, "ingress": INGRESS, "egress": EGRESS}
"""The proxies of every zone by role."""

BYTE = 250
"""Values used for a byte of an address."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Ports of one control plane; `base` is the first of its hundred."""

    base: int

    @property
    def api_port(self) -> int:
        """HTTP API."""
        return self.base + 81

    @property
    def kds_port(self) -> int:
        """Where zones connect to a global."""
        return self.base + 85

    @property
    def dp_port(self) -> int:
        """Bootstrap, xDS and health discovery of a zone."""
        return self.base + 78

    @property
    def diagnostics_port(self) -> int:
        """Health and metrics."""
        return self.base + 80

    @property
    def replicas_port(self) -> int:
        """Where replicas of a control plane talk to each other."""
        return self.base + 83

    @property
    def monitoring_port(self) -> int:
        """Monitoring assignments of a zone."""
        return self.base + 76

    @property
    def ports(self) -> dict[str, int]:
        """All of them, by what they are for."""
        return {
            "API": self.api_port,
            "KDS": self.kds_port,
            "data plane server": self.dp_port,
            "diagnostics": self.diagnostics_port,
            "replicas": self.replicas_port,
            "monitoring assignments": self.monitoring_port,
        }


@dataclass(frozen=True, slots=True)
class Zone(ControlPlane):
    """Ports and addresses of one zone; `network` is what all its addresses begin with."""

    name: str
    network: str

    def address(self, host: int) -> str:
        """A loopback address of this zone."""
        return f"{self.network}.{host}"

    def admin_port(self, host: int) -> int:
        """Envoy admin port of the proxy at `host`; they share 127.0.0.1, so each has its own."""
        return self.base + host

    @property
    def proxies(self) -> dict[str, int]:
        """Hosts of the zone's proxies by name."""
        return {f"{role}-{self.name}": host for role, host in PROXIES.items()}


@dataclass(frozen=True, slots=True)
class Layout:
    """A global and its zones."""

    centre: ControlPlane
    zones: tuple[Zone, ...]

    def listeners(self) -> dict[tuple[str, int], str]:
        """Every address and port that must be free, and what it is for."""
        found = {("127.0.0.1", port): f"{what} of the global" for what, port in self.centre.ports.items()}
        for zone in self.zones:
            found |= {("127.0.0.1", port): f"{what} of {zone.name}" for what, port in zone.ports.items()}
            for name, host in zone.proxies.items():
                found["127.0.0.1", zone.admin_port(host)] = f"Envoy admin of {name}"
            found |= {
                (zone.address(WEB), BACKEND_PORT): f"web-{zone.name}",
                (zone.address(OUTBOUND), OUTBOUND_PORT): f"the way from web-{zone.name} to backend",
                (zone.address(BACKEND), BACKEND_PORT): f"backend-{zone.name}",
                (zone.address(INGRESS), INGRESS_PORT): f"ingress-{zone.name}",
                (zone.address(EGRESS), EGRESS_PORT): f"egress-{zone.name}",
                (zone.address(WEB_APP), BACKEND_PORT): f"workload web of {zone.name}",
                (zone.address(BACKEND_APP), BACKEND_PORT): f"workload backend of {zone.name}",
            }
        return found


def layout(first_port: int = FIRST_PORT, zones: Sequence[str] = ZONES) -> Layout:
    """A global and zones on ports from `first_port` on; each start has loopback networks of its own."""
    middle = (first_port - FIRST_PORT) // 100 % BYTE
    return Layout(
        ControlPlane(first_port),
        tuple(
            Zone(first_port + 100 * (index + 1), name, f"127.{middle}.{11 + index}") for index, name in enumerate(zones)
        ),
    )


def global_settings(centre: ControlPlane, work_dir: str) -> dict[str, str]:
    """Environment of the global control plane."""
    return {
        **_settings(centre, work_dir),
        "URSA_MODE": "global",
        "URSA_MULTIZONE_GLOBAL_KDS_GRPC_PORT": str(centre.kds_port),
    }


def zone_settings(zone: Zone, work_dir: str, kds_port: int, global_ca: str) -> dict[str, str]:
    """Environment of a zone control plane below the global at `kds_port`."""
    return {
        **_settings(zone, work_dir),
        "URSA_MODE": "zone",
        "URSA_MULTIZONE_ZONE_NAME": zone.name,
        "URSA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://127.0.0.1:{kds_port}",
        "URSA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE": global_ca,
        "URSA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF": "500ms",
        "URSA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "2s",
        "URSA_DP_SERVER_PORT": str(zone.dp_port),
        "URSA_DP_SERVER_HDS_INTERVAL": "500ms",
        "URSA_MONITORING_ASSIGNMENT_SERVER_PORT": str(zone.monitoring_port),
    }


def _settings(plane: ControlPlane, work_dir: str) -> dict[str, str]:
    return {
        "URSA_STORE_TYPE": "sqlite",
        "URSA_STORE_SQLITE_PATH": f"{work_dir}/store.db",
        "URSA_GENERAL_WORK_DIR": work_dir,
        "URSA_API_SERVER_HTTP_INTERFACE": "127.0.0.1",
        "URSA_API_SERVER_HTTP_PORT": str(plane.api_port),
        "URSA_API_SERVER_HTTPS_ENABLED": "false",
        "URSA_DIAGNOSTICS_SERVER_PORT": str(plane.diagnostics_port),
        "URSA_INTER_CP_SERVER_PORT": str(plane.replicas_port),
        "URSA_INTER_CP_CATALOG_INSTANCE_ADDRESS": "127.0.0.1",
    }
