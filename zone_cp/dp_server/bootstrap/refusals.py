"""Requests that cannot succeed, and why, in words that launchers print and people search for: Kuma's own."""

from __future__ import annotations

import ipaddress

from cryptography import x509

from ursa.errors import BadRequest, InvalidResource, UrsaError, Violation
from ursa.runtime.tls import ReloadedPair
from zone_cp.dp_server.bootstrap.request import BootstrapRequest

TOKEN_REQUIRED = (
    "Dataplane Token is required. Generate token using 'kumactl generate dataplane-token > /path/file' and provide it "
    "via --dataplane-token-file=/path/file argument to Kuma DP"
)
ONLY_A_PATH = (
    "Dataplane Token is required: this control plane does not let Envoy read tokens from files "
    "(KUMA_DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS), so the launcher has to send the token itself, not only its path"
)
WRONG_HOST = """\
A data plane proxy is trying to connect to the control plane using "{host}" address, but the certificate in the \
control plane has the following SANs [{names}]. Either change the --cp-address in kuma-dp to one of those or execute \
the following steps:
1) Generate a new certificate with the address you are trying to use. It is recommended to use trusted Certificate \
Authority, but you can also generate self-signed certificates using \
'kumactl generate tls-certificate --type=server --hostname={host}'
2) Set KUMA_GENERAL_TLS_CERT_FILE and KUMA_GENERAL_TLS_KEY_FILE or the equivalent in Kuma CP config file to the new \
certificate.
3) Restart the control plane to read the new certificate and start kuma-dp."""
NOT_AN_AUTHORITY = """\
A data plane proxy is trying to verify the control plane using the certificate which is not a certificate authority \
(basic constraint 'CA' is set to 'false').
Provide CA that was used to sign a certificate used in the control plane by using 'kuma-dp run --ca-cert-file=file' \
or via KUMA_CONTROL_PLANE_CA_CERT_FILE"""
TRANSPARENT_WITH_OUTBOUNDS = InvalidResource(
    [Violation("outbound", "should be empty since dataplane is in Transparent Proxying mode")]
)


class Unusable(UrsaError):
    """The request is well formed, but what it brings cannot be used: unprocessable."""


class Broken(UrsaError):
    """The request carries something that cannot even be read."""


class ServedNames:
    """Names in the certificate that proxies see; read again only when the certificate changed."""

    def __init__(self, pair: ReloadedPair) -> None:
        self._pair = pair
        self._generation, self._names = -1, frozenset[str]()

    def check(self, host: str) -> None:
        """Raises BadRequest when a client that used this address would not accept the certificate."""
        current = self._pair.current()
        if current.generation != self._generation:
            self._names, self._generation = _names(current.cert_pem), current.generation
        if _normal(host) not in self._names:
            names = " ".join(f'"{name}"' for name in sorted(self._names))
            raise BadRequest(WRONG_HOST.format(host=host, names=names))


def check_token(request: BootstrapRequest, *, required: bool, from_file: bool) -> None:
    """Raises Unusable when Envoy would have no credentials to show."""
    if not required or request.dataplane_token:
        return
    if not request.dataplane_token_path:
        raise Unusable(TOKEN_REQUIRED)
    if not from_file:
        raise Unusable(ONLY_A_PATH)


def check_authority(pem: bytes) -> None:
    """Raises BadRequest when nothing can be verified with these certificates, Broken when they are none."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Broken("could not parse the certificate of the control plane's authority") from None
    if not any(_is_authority(certificate) for certificate in certificates):
        raise BadRequest(NOT_AN_AUTHORITY)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _names(pem: bytes) -> frozenset[str]:
    certificate = x509.load_pem_x509_certificates(pem)[0]
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset((*names.get_values_for_type(x509.DNSName), *addresses))


def _normal(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
