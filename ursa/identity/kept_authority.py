"""An authority that is kept whole, certificate and key in one text, in a GlobalSecret; and what it is asked to certify.

There are two: one for the admin ports of a zone's proxies, one for the replicas of a control plane.
"""

from __future__ import annotations

from collections.abc import Sequence

from ursa.identity.ca import CertificateAuthority
from ursa.identity.certificates import DAY, LeafRequest
from ursa.identity.signing_keys import secret, secret_data
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_ip

ENVOY_ADMIN = "envoy-admin-ca"
INTER_CP = "inter-cp-ca"

LIFE = 3650 * DAY
"""Of what they certify. No setting: it is made anew whenever a proxy connects, or a replica starts."""


def kept(name: str, authority: CertificateAuthority) -> Resource:
    """The GlobalSecret with an authority."""
    return secret("GlobalSecret", "", name, authority.bundle_pem + authority.key_pem)


def load_kept(resource: Resource) -> CertificateAuthority:
    """The authority in a GlobalSecret; raises BadKeyMaterial."""
    pem = secret_data(resource)
    certificate, marker, rest = pem.partition(b"-----END CERTIFICATE-----\n")
    return CertificateAuthority.load(certificate + marker, rest)


def request_for(addresses: Sequence[str]) -> LeafRequest:
    """What certifies these addresses, IP addresses and names."""
    every = tuple(dict.fromkeys(addresses))
    return LeafRequest(ips=tuple(filter(is_ip, every)), dns=tuple(a for a in every if not is_ip(a)), life=LIFE)
