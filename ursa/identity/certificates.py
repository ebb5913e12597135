"""Workload certificates that any control plane with the CA makes alike, without storing or sharing them.

Kuma keeps an issued certificate in memory, so a restart or a move to another instance re-issues it and Envoy sees a
change where nothing changed. Here a leaf is a pure function of the CA, the names it certifies and the *rotation slot*
the clock stands in: key and serial number are derived from the CA's private key with HKDF, and signatures are
deterministic. Two instances, or one before and after a crash, therefore serve identical bytes; nothing secret is
stored, and whoever could derive a leaf key already holds the CA key and could sign anything.

Slots are four fifths of a certificate's life long, so that a new one is served while a fifth of the life is left
(`spec/dataplane.md` §5.2). Each set of names has its own phase, so that a mesh does not rotate all at once.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID

from ursa.identity.ca import BACKDATE, CertificateAuthority
from ursa.identity.pem import certificate_pem, private_pem
from ursa.runtime.clock import to_datetime

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
"""Default life of a workload certificate, nanoseconds."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_CONTEXT = b"ursa workload certificate v1"


@dataclass(frozen=True, slots=True)
class LeafRequest:
    """What a certificate shall say.

    Attributes:
        uris: URI names, in order.
        dns: DNS names, in order.
        ips: IP addresses, in order.
        life: nanoseconds from the start of its slot to its end.
    """

    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    life: int = DAY


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its key. Times are nanoseconds since the epoch; `renew_at` is the end of its slot."""

    certificate_pem: bytes
    key_pem: bytes
    not_before: int
    not_after: int
    renew_at: int


def slot_bounds(request: LeafRequest, now_ns: int) -> tuple[int, int]:
    """Start and end of the rotation slot that `now_ns` lies in, in nanoseconds since the epoch."""
    period = max(1, request.life * 4 // 5 // SECOND)
    phase = int.from_bytes(hashlib.sha256(_identity(request)).digest()[:8], "big") % period
    start = (now_ns // SECOND - phase) // period * period + phase
    return start * SECOND, (start + period) * SECOND


class LeafIssuer:
    """Issues leaves of one CA; remembers the current one per request, so that asking again is free."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        der = authority.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._root = hashlib.sha256(der).digest()
        self._current: dict[LeafRequest, Leaf] = {}

    @property
    def authority(self) -> CertificateAuthority:
        """The CA that signs."""
        return self._authority

    def issue(self, request: LeafRequest, now_ns: int) -> Leaf:
        """The certificate for `request` at that time; identical for everybody who asks within its slot."""
        leaf = self._current.get(request)
        if leaf is None or not leaf.not_before <= now_ns < leaf.renew_at:
            leaf = self._current[request] = self._make(request, *slot_bounds(request, now_ns))
        return leaf

    def forget(self, request: LeafRequest) -> None:
        """Drops what is remembered of a request nobody needs any more."""
        self._current.pop(request, None)

    def _make(self, request: LeafRequest, start: int, end: int) -> Leaf:
        secret = HKDF(hashes.SHA256(), 64, _CONTEXT, _identity(request) + start.to_bytes(8, "big")).derive(self._root)
        key = ec.derive_private_key(int.from_bytes(secret[:48], "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())
        not_after = start + request.life
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(secret[48:63], "big") | 1)
            .not_valid_before(to_datetime(start) - BACKDATE)
            .not_valid_after(to_datetime(not_after))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_leaf_usage(), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(_names(request)), critical=True)
        )
        rsa_ca = isinstance(self._authority.key, rsa.RSAPrivateKey)
        certificate = builder.sign(self._authority.key, hashes.SHA256(), ecdsa_deterministic=None if rsa_ca else True)
        return Leaf(certificate_pem(certificate), private_pem(key), start, not_after, end)


def workload_request(mesh: str, tags: Sequence[tuple[str, Sequence[str]]], life: int = DAY) -> LeafRequest:
    """The names of a proxy of a mesh: `spiffe://<mesh>/<service>` per service, then `kuma://<tag>/<value>` per tag.

    Args:
        mesh: the mesh.
        tags: every tag key with all its values over the inbounds or the gateway of the proxy, in any order.
        life: nanoseconds.
    """
    ordered = sorted((key, sorted(set(values))) for key, values in tags)
    services = [value for key, values in ordered if key == "kuma.io/service" for value in values]
    uris = [f"spiffe://{mesh}/{service}" for service in services]
    uris += [f"kuma://{key}/{value}" for key, values in ordered for value in values]
    return LeafRequest(uris=tuple(uris), life=life)


def _identity(request: LeafRequest) -> bytes:
    parts = (*request.uris, "", *request.dns, "", *request.ips, "", str(request.life))
    return b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)


def _names(request: LeafRequest) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in request.uris]
    names += [x509.DNSName(name) for name in request.dns]
    names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in request.ips]
    return names


def _leaf_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
