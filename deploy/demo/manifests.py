"""What the demo applies: one mesh with mTLS and locality awareness, one permission, and the proxies of each zone."""

from __future__ import annotations

from typing import Any

from deploy.demo.layout import (
    BACKEND,
    BACKEND_APP,
    BACKEND_PORT,
    EGRESS,
    EGRESS_PORT,
    INGRESS,
    INGRESS_PORT,
    OUTBOUND,
    OUTBOUND_PORT,
    WEB,
    WEB_APP,
    Zone,
)

Document = dict[str, Any]


def mesh() -> list[Document]:
    """Applied at the global, synced to both zones."""
    return [
        {
            "type": "Mesh",
            "name": "default",
            "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]},
            "routing": {"localityAwareLoadBalancing": True},
        },
        _policy(
            "MeshTrafficPermission",
            "web-to-backend",
            {
                "targetRef": {"kind": "Dataplane"},
                "from": [
                    {
                        "targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "web"}},
                        "default": {"action": "Allow"},
                    }
                ],
            },
        ),
        # What fails before the news of it arrives is tried again elsewhere: first at another host, then farther away.
        _policy(
            "MeshRetry",
            "try-elsewhere",
            _to_backend(
                {
                    "http": {
                        "numRetries": 4,
                        "retryOn": ["ConnectFailure", "RefusedStream", "Reset", "GatewayError", "HttpMethodGet"],
                        "backOff": {"baseInterval": "10ms", "maxInterval": "100ms"},
                        "hostSelection": [
                            {"predicate": "OmitPreviousHosts"},
                            {"predicate": "OmitPreviousPriorities", "updateFrequency": 1},
                        ],
                        "hostSelectionMaxAttempts": 5,
                    }
                }
            ),
        ),
        # Until then, hosts that keep failing are left alone for a while. Every request may need a second try at once;
        # the three that a mesh allows at a time by default are too few for that.
        _policy(
            "MeshCircuitBreaker",
            "leave-failing-hosts-alone",
            _to_backend(
                {
                    "connectionLimits": {"maxRetries": 100},
                    "outlierDetection": {
                        "interval": "1s",
                        "baseEjectionTime": "1s",
                        "maxEjectionPercent": 100,
                        "healthyPanicThreshold": "0",
                        "detectors": {"gatewayFailures": {"consecutive": 3}},
                    },
                }
            ),
        ),
    ]


def web(zone: Zone) -> Document:
    """The caller: one outbound to `backend`."""
    return _dataplane(
        zone,
        "web",
        WEB,
        WEB_APP,
        outbound=[
            {"address": zone.address(OUTBOUND), "port": OUTBOUND_PORT, "tags": {"kuma.io/service": "backend"}},
        ],
    )


def backend(zone: Zone) -> Document:
    """The called: its Envoy probes the workload, so a dead one leaves the mesh by itself."""
    document = _dataplane(zone, "backend", BACKEND, BACKEND_APP)
    document["networking"]["inbound"][0]["serviceProbe"] = {"interval": "0.3s", "timeout": "0.3s", "tcp": {}}
    return document


def ingress(zone: Zone) -> Document:
    """Where other zones come in."""
    return {
        "type": "ZoneIngress",
        "name": f"ingress-{zone.name}",
        "networking": {
            "address": zone.address(INGRESS),
            "port": INGRESS_PORT,
            "advertisedAddress": zone.address(INGRESS),
            "advertisedPort": INGRESS_PORT,
            "admin": {"port": zone.admin_port(INGRESS)},
        },
    }


def egress(zone: Zone) -> Document:
    """Where traffic leaves the zone when the mesh routes it that way."""
    return {
        "type": "ZoneEgress",
        "name": f"egress-{zone.name}",
        "networking": {
            "address": zone.address(EGRESS),
            "port": EGRESS_PORT,
            "admin": {"port": zone.admin_port(EGRESS)},
        },
    }


def _policy(kind: str, name: str, spec: Document) -> Document:
    return {"type": kind, "mesh": "default", "name": name, "spec": spec}


def _to_backend(default: Document) -> Document:
    to = [{"targetRef": {"kind": "MeshService", "name": "backend"}, "default": default}]
    return {"targetRef": {"kind": "Mesh"}, "to": to}


def _dataplane(zone: Zone, service: str, host: int, app: int, **more: Any) -> Document:
    return {
        "type": "Dataplane",
        "mesh": "default",
        "name": f"{service}-{zone.name}",
        "networking": {
            "address": zone.address(host),
            "admin": {"port": zone.admin_port(host)},
            "inbound": [
                {
                    "port": BACKEND_PORT,
                    "serviceAddress": zone.address(app),
                    "servicePort": BACKEND_PORT,
                    "tags": {"kuma.io/service": service, "kuma.io/protocol": "http"},
                }
            ],
            **more,
        },
    }
