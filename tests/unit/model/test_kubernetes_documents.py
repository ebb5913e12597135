"""Documents in Kubernetes form as people publish them: each is read, valid, and says the same in Universal form."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.catalog import default_registry
from ursa.model.documents import load_documents
from ursa.model.forms import from_kubernetes, from_rest, to_kubernetes

REGISTRY = default_registry()

PUBLISHED = """
apiVersion: kuma.io/v1alpha1
kind: MeshGateway
mesh: default
metadata: {name: sock-shop}
spec:
  conf: {listeners: [{port: 80, protocol: HTTP}]}
  selectors: [{match: {kuma.io/service: sock-shop_gateway}}]
---
apiVersion: kuma.io/v1alpha1
kind: MeshGatewayRoute
mesh: default
metadata: {name: sock-shop}
spec:
  conf:
    http:
      rules:
      - matches: [{path: {match: PREFIX, value: /}}]
        backends: [{destination: {kuma.io/service: front-end_sock-shop_svc_80}, weight: 1}]
  selectors: [{match: {kuma.io/service: sock-shop_gateway}}]
---
apiVersion: kuma.io/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  mtls:
    enabledBackend: ca-1
    backends:
    - {name: ca-1, type: builtin, dpCert: {rotation: {expiration: 1d}},
       conf: {caCert: {RSAbits: 2048, expiration: 10y}}}
---
apiVersion: kuma.io/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  metrics: {enabledBackend: prometheus-1, backends: [{name: prometheus-1, type: prometheus}]}
---
apiVersion: kuma.io/v1alpha1
kind: RateLimit
mesh: default
metadata: {name: rate-limit-to-front-end}
spec:
  sources: [{match: {kuma.io/service: '*'}}]
  destinations: [{match: {kuma.io/service: front-end_sock-shop_svc_80}}]
  conf:
    http:
      requests: 1
      interval: 60s
      onRateLimit: {status: 423, headers: [{key: x-kuma-rate-limited, value: 'true', append: true}]}
---
apiVersion: kuma.io/v1alpha1
kind: CircuitBreaker
mesh: default
metadata: {name: circuit-breaker-example}
spec:
  sources: [{match: {kuma.io/service: '*'}}]
  destinations: [{match: {kuma.io/service: front-end_sock-shop_svc_80}}]
  conf:
    interval: 5s
    baseEjectionTime: 30s
    maxEjectionPercent: 20
    splitExternalAndLocalErrors: false
    thresholds: {maxConnections: 2, maxPendingRequests: 2, maxRequests: 2, maxRetries: 2}
    detectors: {totalErrors: {consecutive: 2}}
---
apiVersion: kuma.io/v1alpha1
kind: FaultInjection
mesh: default
metadata: {name: fi1}
spec:
  sources: [{match: {kuma.io/service: '*', kuma.io/protocol: http}}]
  destinations: [{match: {kuma.io/service: front-end_sock-shop_svc_80, kuma.io/protocol: http}}]
  conf: {abort: {httpStatus: 500, percentage: 100}}
"""


@pytest.mark.parametrize("document", load_documents(PUBLISHED), ids=lambda document: document["kind"])
def test_published_documents_are_accepted_unchanged(document: dict[str, Any]) -> None:
    resource = from_rest(from_kubernetes(document, REGISTRY), REGISTRY)
    assert list(REGISTRY[resource.kind].validate(resource)) == []
    shown = to_kubernetes(resource, REGISTRY)
    again = from_rest(from_kubernetes(shown, REGISTRY), REGISTRY)
    assert (again.mesh, again.name, again.spec) == (resource.mesh, resource.name, resource.spec)
    assert shown["spec"].keys() == document["spec"].keys()
