"""Who listens where: every zone has loopback addresses of its own, every process ports of its own."""

from __future__ import annotations

from dataclasses import dataclass

ZONES = ("east", "west")
GLOBAL_API = 25681
GLOBAL_KDS = 25685
BACKEND_PORT = 18080
OUTBOUND_PORT = 10080
INGRESS_PORT = 10001
EGRESS_PORT = 10002


@dataclass(frozen=True, slots=True)
class Zone:
    """Addresses and ports of one zone."""

    name: str
    index: int

    @property
    def base(self) -> int:
        """First of the zone's control plane ports."""
        return 26600 + 1000 * self.index

    @property
    def api_port(self) -> int:
        """HTTP API of the zone's control plane."""
        return self.base + 81

    @property
    def dp_port(self) -> int:
        """Bootstrap, xDS and health discovery."""
        return self.base + 78

    def address(self, host: int) -> str:
        """A loopback address of this zone."""
        return f"127.0.{11 + self.index}.{host}"

    def admin_port(self, host: int) -> int:
        """Envoy admin port of the proxy at `host`; they share 127.0.0.1, so each has its own."""
        return 29000 + 100 * self.index + host


WEB, BACKEND, INGRESS, EGRESS, WEB_APP, BACKEND_APP, OUTBOUND = 10, 11, 14, 15, 110, 111, 20


def zones() -> list[Zone]:
    """East and west."""
    return [Zone(name, index) for index, name in enumerate(ZONES)]


def global_settings(work_dir: str) -> dict[str, str]:
    """Environment of the global control plane."""
    return {
        "URSA_MODE": "global",
        "URSA_STORE_TYPE": "sqlite",
        "URSA_STORE_SQLITE_PATH": f"{work_dir}/store.db",
        "URSA_GENERAL_WORK_DIR": work_dir,
        "URSA_API_SERVER_HTTP_INTERFACE": "127.0.0.1",
        "URSA_API_SERVER_HTTP_PORT": str(GLOBAL_API),
        "URSA_API_SERVER_HTTPS_ENABLED": "false",
        "URSA_DIAGNOSTICS_SERVER_PORT": "25680",
        "URSA_INTER_CP_SERVER_PORT": "25683",
        "URSA_INTER_CP_CATALOG_INSTANCE_ADDRESS": "127.0.0.1",
        "URSA_MULTIZONE_GLOBAL_KDS_GRPC_PORT": str(GLOBAL_KDS),
    }


def zone_settings(zone: Zone, work_dir: str, global_ca: str) -> dict[str, str]:
    """Environment of a zone control plane."""
    return {
        "URSA_MODE": "zone",
        "URSA_MULTIZONE_ZONE_NAME": zone.name,
        "URSA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://127.0.0.1:{GLOBAL_KDS}",
        "URSA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE": global_ca,
        "URSA_STORE_TYPE": "sqlite",
        "URSA_STORE_SQLITE_PATH": f"{work_dir}/store.db",
        "URSA_GENERAL_WORK_DIR": work_dir,
        "URSA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF": "500ms",
        "URSA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "2s",
        "URSA_API_SERVER_HTTP_INTERFACE": "127.0.0.1",
        "URSA_API_SERVER_HTTP_PORT": str(zone.api_port),
        "URSA_API_SERVER_HTTPS_ENABLED": "false",
        "URSA_DP_SERVER_PORT": str(zone.dp_port),
        "URSA_DP_SERVER_HDS_INTERVAL": "1s",
        "URSA_DIAGNOSTICS_SERVER_PORT": str(zone.base + 80),
        "URSA_INTER_CP_SERVER_PORT": str(zone.base + 83),
        "URSA_INTER_CP_CATALOG_INSTANCE_ADDRESS": "127.0.0.1",
        "URSA_MONITORING_ASSIGNMENT_SERVER_PORT": str(zone.base + 76),
    }
