"""Tokens of people and scripts that use the API: name and groups, signed by a key of this control plane alone."""

from __future__ import annotations

from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ursa.errors import ConfigError, Unauthenticated
from ursa.identity.pem import new_rsa_key, rsa_private_pem
from ursa.identity.signing_keys import FIRST_SERIAL, Secrets, newest_key, secret, secret_data
from ursa.identity.tokens import ALGORITHM, times, verify_claims
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock

USER_KEY = "user-token-signing-key"
REVOCATIONS = "user-token-revocations"
ADMIN_TOKEN = "admin-user-token"
ADMIN = "mesh-system:admin"
"""Name and group of the administrator."""


@dataclass(frozen=True, slots=True)
class UserClaims:
    """Whom a user token names."""

    name: str
    groups: tuple[str, ...] = ()


def user_key_prefix(_mesh: str = "") -> str:
    """Names of the signing keys without `-<serial>`."""
    return USER_KEY


def new_user_signing_key() -> Resource:
    """The first signing key of a control plane."""
    return secret("GlobalSecret", "", f"{USER_KEY}-{FIRST_SERIAL}", rsa_private_pem(new_rsa_key()))


def issue_user_token(secrets: Secrets, clock: Clock, claims: UserClaims, valid_for: float = 0) -> str:
    """A signed token; `valid_for` in seconds, 0 = ten years. Raises NotFound without a signing key."""
    serial, key = newest_key(secrets, "GlobalSecret", "", USER_KEY)
    return sign_user_token(key, serial, clock, claims, valid_for)


def issue_with_key(key: Resource, clock: Clock, claims: UserClaims, valid_for: float = 0) -> str:
    """A token signed with this GlobalSecret, for the time when there is no view yet."""
    private = serialization.load_pem_private_key(secret_data(key), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ConfigError(f"signing key {key.name} is not an RSA key")
    return sign_user_token(private, key.name.rpartition("-")[2], clock, claims, valid_for)


def verify_user_token(secrets: Secrets, clock: Clock, token: str) -> UserClaims:
    """Whom a token names, after signature, times and revocation were checked; raises Unauthenticated."""
    claims = verify_claims(secrets, clock, token, "GlobalSecret", "", USER_KEY, REVOCATIONS)
    name = str(claims.get("Name") or "")
    if not name:
        raise Unauthenticated("token names nobody")
    return UserClaims(name, tuple(str(g) for g in claims.get("Groups") or ()))


def sign_user_token(key: rsa.RSAPrivateKey, kid: str, clock: Clock, claims: UserClaims, valid_for: float) -> str:
    """A token signed with this key; verifiers find its public half by `kid`."""
    body = {"Name": claims.name, "Groups": list(claims.groups) or None}
    return jwt.encode(body | times(clock, valid_for), key, ALGORITHM, {"kid": kid})
