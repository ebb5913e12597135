"""Keys that sign tokens: where they are kept, how the newest one is found, how a verifier finds the one a token names.

Dataplane tokens are signed per mesh (Secret `dataplane-token-signing-key-<mesh>-<serial>`), zone tokens once
(GlobalSecret `zone-token-signing-key-<serial>`); federated zones only get the public half of the latter under
`zone-token-signing-public-key-<serial>` (`spec/dataplane.md` §4.2).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ursa.errors import NotFound
from ursa.identity.pem import BadKeyMaterial, new_rsa_key, rsa_private_pem
from ursa.model.resource import Resource

ZONE_KEY = "zone-token-signing-key"
ZONE_PUBLIC_KEY = "zone-token-signing-public-key"
FIRST_SERIAL = "1"


def dataplane_key_prefix(mesh: str) -> str:
    """Names of a mesh's signing keys without `-<serial>`."""
    return f"dataplane-token-signing-key-{mesh}"


def zone_key_prefix(_mesh: str = "") -> str:
    """Names of the keys that sign zone tokens, without `-<serial>`."""
    return ZONE_KEY


class Secrets(Protocol):
    """Where keys are looked up: a view of the store."""

    def get(self, kind: str, mesh: str, name: str) -> Resource | None:
        """The resource or None."""

    def list(self, kind: str, mesh: str | None = None) -> Iterable[Resource]:
        """Resources of one kind and mesh."""


def secret_data(resource: Resource) -> bytes:
    """The bytes a Secret or GlobalSecret holds."""
    return base64.b64decode(str(resource.spec.get("data", "")))


def secret(kind: str, mesh: str, name: str, data: bytes) -> Resource:
    """A new Secret or GlobalSecret with these bytes."""
    return Resource(kind, mesh, name, {"data": base64.b64encode(data).decode()})


def new_dataplane_signing_key(mesh: str) -> Resource:
    """The first signing key of a new mesh."""
    return secret("Secret", mesh, f"{dataplane_key_prefix(mesh)}-{FIRST_SERIAL}", rsa_private_pem(new_rsa_key()))


def new_zone_signing_key() -> Resource:
    """The first zone-token signing key of a global or of a zone without one."""
    return secret("GlobalSecret", "", f"{ZONE_KEY}-{FIRST_SERIAL}", rsa_private_pem(new_rsa_key()))


def newest_key(secrets: Secrets, kind: str, mesh: str, prefix: str) -> tuple[str, rsa.RSAPrivateKey]:
    """Serial and key with the highest serial number.

    Raises:
        NotFound: there is none; the text is Kuma's.
    """
    found = _by_serial(secrets, kind, mesh, prefix)
    if not found:
        raise NotFound(missing_key(kind, mesh, prefix, FIRST_SERIAL))
    serial = max(found)
    newest = found[serial]
    key = _private(secret_data(newest))
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadKeyMaterial(f"signing key {newest.name} is not an RSA key")
    return str(serial), key


def verification_key(secrets: Secrets, kind: str, mesh: str, prefix: str, kid: str) -> rsa.RSAPublicKey:
    """The public key a token names by `kid`, from a private key or, for zone tokens, its published half."""
    for name in (f"{prefix}-{kid}", f"{ZONE_PUBLIC_KEY}-{kid}" if prefix == ZONE_KEY else ""):
        found = secrets.get(kind, mesh, name) if name else None
        if found is not None:
            return _public(secret_data(found), found.name)
    if kid.isdecimal() and (padded := _by_serial(secrets, kind, mesh, prefix).get(int(kid))) is not None:
        return _public(secret_data(padded), padded.name)
    raise NotFound(missing_key(kind, mesh, prefix, kid))


def missing_key(kind: str, mesh: str, prefix: str, kid: str) -> str:
    """Kuma's text for a signing key that is not there."""
    where = (
        f'GlobalSecret of name "{prefix}-{kid}"'
        if kind == "GlobalSecret"
        else (f'Secret of name "{prefix}-{kid}" in mesh "{mesh}"')
    )
    return (
        f"there is no signing key with KID {kid}. {where} is not found. "
        "If signing key was rotated, regenerate the token"
    )


def _by_serial(secrets: Secrets, kind: str, mesh: str, prefix: str) -> dict[int, Resource]:
    """All signing keys by number, one without is number 0.

    A key named `…-0002` signs and verifies as number 2, where Kuma loses it.
    """
    found = {}
    for resource in secrets.list(kind, mesh):
        rest = resource.name.removeprefix(f"{prefix}-")
        if resource.name == prefix:
            found[0] = resource
        elif rest != resource.name and rest.isdecimal():
            found[int(rest)] = resource
    return found


def _private(data: bytes) -> object:
    """A private key in PEM, or in the DER that early versions stored."""
    try:
        if data.startswith(b"-----"):
            return serialization.load_pem_private_key(data, None)
        return serialization.load_der_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise BadKeyMaterial(f"not a private key: {error}") from None


def _public(data: bytes, name: str) -> rsa.RSAPublicKey:
    key: object
    if b"PUBLIC KEY" in data:
        key = serialization.load_pem_public_key(data)
    else:
        private = _private(data)
        key = private.public_key() if isinstance(private, rsa.RSAPrivateKey) else None
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadKeyMaterial(f"signing key {name} is not an RSA key")
    return key
