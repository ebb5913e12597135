"""Tokens of proxies: RS256 JWTs with Kuma's capitalised claims, issued over the API and checked when a stream opens.

Every refusal is an `Unauthenticated` with the text Kuma gives for it, because launchers and operators match on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from ursa.errors import NotFound, Unauthenticated
from ursa.identity.signing_keys import (
    ZONE_KEY,
    Secrets,
    dataplane_key_prefix,
    newest_key,
    secret_data,
    verification_key,
)
from ursa.runtime.clock import Clock

ALGORITHM = "RS256"
BACKDATE = 5
"""Seconds that `nbf` and `iat` lie before the moment of issue (`spec/dataplane.md` §4.2)."""

TEN_YEARS = 10 * 365 * 86_400
"""Seconds a token lives when the request names no time."""


@dataclass(frozen=True, slots=True)
class DataplaneClaims:
    """What a dataplane token allows; empty fields allow anything."""

    name: str = ""
    mesh: str = ""
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    type: str = ""
    workload: str = ""


@dataclass(frozen=True, slots=True)
class ZoneClaims:
    """What a zone token allows: zone proxies of that zone (any, if empty) of the kinds in `scope`."""

    zone: str
    scope: tuple[str, ...]


def issue_dataplane_token(secrets: Secrets, clock: Clock, claims: DataplaneClaims, valid_for: float = 0) -> str:
    """A signed token; `valid_for` in seconds, 0 = ten years. Raises NotFound without a signing key."""
    serial, key = newest_key(secrets, "Secret", claims.mesh, dataplane_key_prefix(claims.mesh))
    return sign_dataplane_token(key, serial, clock, claims, valid_for)


def sign_dataplane_token(
    key: rsa.RSAPrivateKey, kid: str, clock: Clock, claims: DataplaneClaims, valid_for: float
) -> str:
    """A token signed with this key; verifiers find its public half by `kid`."""
    body = {
        "Name": claims.name,
        "Mesh": claims.mesh,
        "Tags": {k: list(v) for k, v in claims.tags.items()},
        "Type": claims.type,
        "Workload": claims.workload,
    }
    return jwt.encode(body | times(clock, valid_for), key, ALGORITHM, {"kid": kid})


def issue_zone_token(secrets: Secrets, clock: Clock, claims: ZoneClaims, valid_for: float = 0) -> str:
    """A signed token for zone proxies. Raises NotFound without a private signing key (on a federated zone)."""
    serial, key = newest_key(secrets, "GlobalSecret", "", ZONE_KEY)
    return sign_zone_token(key, serial, clock, claims, valid_for)


def sign_zone_token(key: rsa.RSAPrivateKey, kid: str, clock: Clock, claims: ZoneClaims, valid_for: float) -> str:
    """A token for zone proxies signed with this key."""
    body = {"Zone": claims.zone, "Scope": list(claims.scope)}
    return jwt.encode(body | times(clock, valid_for), key, ALGORITHM, {"kid": kid})


def verify_dataplane_token(secrets: Secrets, clock: Clock, token: str, mesh: str) -> DataplaneClaims:
    """Checks signature, times and revocation of a token that a proxy of `mesh` shows."""
    claims = verify_claims(
        secrets, clock, token, "Secret", mesh, dataplane_key_prefix(mesh), f"dataplane-token-revocations-{mesh}"
    )
    return DataplaneClaims(
        name=str(claims.get("Name") or ""),
        mesh=str(claims.get("Mesh") or ""),
        tags={str(k): tuple(v) for k, v in (claims.get("Tags") or {}).items()},
        type=str(claims.get("Type") or ""),
        workload=str(claims.get("Workload") or ""),
    )


def verify_zone_token(secrets: Secrets, clock: Clock, token: str) -> ZoneClaims:
    """Checks signature, times and revocation of a token that a zone proxy shows."""
    claims = verify_claims(secrets, clock, token, "GlobalSecret", "", ZONE_KEY, "zone-token-revocations")
    return ZoneClaims(str(claims.get("Zone") or ""), tuple(claims.get("Scope") or ()))


def check_dataplane(
    claims: DataplaneClaims, *, name: str, mesh: str, tags: Mapping[str, Sequence[str]], labels: Mapping[str, str]
) -> None:
    """Whether the holder may be this proxy (`spec/dataplane.md` §4.2, §4.3); raises Unauthenticated.

    Args:
        claims: of its verified token.
        name: of the proxy.
        mesh: of the proxy.
        tags: every tag of the proxy with all its values over inbounds or gateway.
        labels: of the Dataplane.
    """
    if claims.name and claims.name != name:
        raise Unauthenticated(f"proxy name from requestor: {name} is different than in token: {claims.name}")
    if claims.mesh and claims.mesh != mesh:
        raise Unauthenticated(f"proxy mesh from requestor: {mesh} is different than in token: {claims.mesh}")
    for tag, allowed in claims.tags.items():
        values = tags.get(tag)
        if not values:
            raise Unauthenticated(f'dataplane has no tag "{tag}" required by the token')
        for value in values:
            if value not in allowed:
                listed = " ".join(f'"{a}"' for a in allowed)
                raise Unauthenticated(
                    f'dataplane contains tag "{tag}" with value "{value}" which is not allowed with this token. '
                    f"Allowed values in token are [{listed}]"
                )
    if claims.workload:
        workload = labels.get("kuma.io/workload")
        if not workload:
            raise Unauthenticated("dataplane has no workload label required by the token")
        if workload != claims.workload:
            raise Unauthenticated(
                f'dataplane workload "{workload}" is not allowed with this token. '
                f'Allowed workload in token is "{claims.workload}"'
            )


def check_zone_proxy(claims: ZoneClaims, *, zone: str, kind: str) -> None:
    """Whether the holder may be a zone proxy of this zone; `kind` is `ingress` or `egress`."""
    if claims.zone and claims.zone != zone:
        raise Unauthenticated(f"zone from requestor: {zone} is different than in token: {claims.zone}")
    if kind not in claims.scope:
        raise Unauthenticated(
            f"token cannot be used to authenticate zone entity ({kind} is out of token's scope: "
            f"[{' '.join(claims.scope)}])"
        )


def times(clock: Clock, valid_for: float) -> dict[str, Any]:
    """The claims about time and identity of a new token; `valid_for` in seconds, 0 = ten years."""
    now = clock.now_ns() // 1_000_000_000
    issued = now - BACKDATE
    return {"exp": now + int(valid_for or TEN_YEARS), "nbf": issued, "iat": issued, "jti": clock.new_id()}


def verify_claims(
    secrets: Secrets, clock: Clock, token: str, kind: str, mesh: str, prefix: str, revocations: str
) -> dict[str, Any]:
    """All claims of a token after its signature, times and revocation were checked; raises Unauthenticated.

    A mesh's revocations count in a GlobalSecret, where Kuma looks, and in a Secret of the mesh, where its users put
    them.
    """
    try:
        kid = str(jwt.get_unverified_header(token).get("kid") or "0")
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"could not parse token. token is malformed: {error}") from None
    try:
        key = verification_key(secrets, kind, mesh, prefix, kid)
    except NotFound as error:
        raise Unauthenticated(str(error)) from None
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, [ALGORITHM], options={"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        )
    except jwt.InvalidSignatureError:
        raise Unauthenticated(
            "could not parse token. token signature is invalid: crypto/rsa: verification error"
        ) from None
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"could not parse token. token is malformed: {error}") from None
    _check_times(claims, clock.now_ns() // 1_000_000_000)
    for lists in (secrets.get("GlobalSecret", "", revocations), secrets.get("Secret", mesh, revocations)):
        if lists is not None and claims.get("jti") in secret_data(lists).decode(errors="replace").strip().split(","):
            raise Unauthenticated("token is revoked")
    return claims


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if now >= int(claims.get("exp", now + 1)):
        raise Unauthenticated("could not parse token. token has invalid claims: token is expired")
    if now < int(claims.get("nbf", now)):
        raise Unauthenticated("could not parse token. token has invalid claims: token is not valid yet")
