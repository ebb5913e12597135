"""How Envoy's resource types depend on each other; sessions know nothing of Envoy but this."""

from __future__ import annotations

from ursa.discovery.dialect import Dialect
from ursa.envoy.types import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE, SECRET

ENVOY = Dialect(
    order=ORDER,
    wildcard_types=frozenset({CLUSTER, LISTENER}),
    warmed_by={ENDPOINT: CLUSTER},
    waits_for={LISTENER: CLUSTER, ROUTE: CLUSTER},
    used_by={CLUSTER: (LISTENER, ROUTE), ENDPOINT: (CLUSTER,), ROUTE: (LISTENER,), SECRET: (CLUSTER, LISTENER)},
)
