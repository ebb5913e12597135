"""Access to Envoy's admin port over the network: only the control plane that owns the zone gets in.

Each zone has a CA of its own (GlobalSecret `envoy-admin-ca`, certificate and key in one text). Proxies serve their
admin listener with a certificate for their address; the control plane shows one for `kuma-cp`
(`spec/dataplane.md` §4.9).
Leaves are derived like workload certificates, so a proxy's admin listener does not change when the proxy reconnects.
"""

from __future__ import annotations

from ursa.identity.ca import create_named_ca
from ursa.identity.certificates import Leaf, LeafIssuer, LeafRequest
from ursa.identity.kept_authority import ENVOY_ADMIN, LIFE, kept, request_for
from ursa.identity.pem import new_ec_key
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_ip

CLIENT_NAME = "kuma-cp"


def new_admin_ca(now_ns: int) -> Resource:
    """The GlobalSecret with a fresh admin CA."""
    # Every proxy has a leaf of its own, so what a signature costs is paid for each that connects.
    authority = create_named_ca("Envoy Admin CA", now_ns, key=new_ec_key())
    return kept(ENVOY_ADMIN, authority)


def server_request(addresses: tuple[str, ...]) -> LeafRequest:
    """The names of a proxy reachable at these IP addresses."""
    return request_for([address for address in addresses if is_ip(address)] or ["localhost"])


def server_leaf(issuer: LeafIssuer, addresses: tuple[str, ...], now_ns: int) -> Leaf:
    """What a proxy reachable at these IP addresses serves."""
    return issuer.issue(server_request(addresses), now_ns)


def client_leaf(issuer: LeafIssuer, now_ns: int) -> Leaf:
    """What the control plane shows to proxies."""
    return issuer.issue(LeafRequest(dns=(CLIENT_NAME,), life=LIFE), now_ns)
