"""Proxy tokens: Kuma's claims out, Kuma's refusals back."""

import base64
import json
from collections.abc import Iterable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from ursa.errors import ConfigError, NotFound, Unauthenticated
from ursa.identity import signing_keys, tokens
from ursa.identity.pem import rsa_public_pem
from ursa.identity.signing_keys import secret
from ursa.identity.trusted_keys import TrustedKeys, offline_keys
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock


class SomeSecrets:
    def __init__(self, *resources: Resource) -> None:
        self._all = {r.key: r for r in resources}

    def get(self, kind: str, mesh: str, name: str) -> Resource | None:
        return self._all.get((kind, mesh, name))  # type: ignore[call-overload]

    def list(self, kind: str, mesh: str | None = None) -> Iterable[Resource]:
        return [r for r in self._all.values() if r.kind == kind and mesh in (None, r.mesh)]


class FixedClock(SystemClock):
    def __init__(self, now: int) -> None:
        super().__init__()
        self.now = now

    def now_ns(self) -> int:
        return self.now * 1_000_000_000


KEY = signing_keys.new_dataplane_signing_key("default")
ZONE_KEY = signing_keys.new_zone_signing_key()
CLOCK = FixedClock(1_795_000_000)


def payload(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_dataplane_token_has_kumas_claims_and_comes_back() -> None:
    claims = tokens.DataplaneClaims("web-1", "default", {"kuma.io/service": ["web"]})
    token = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, claims, 3600)
    body = payload(token)
    assert {k: body[k] for k in ("Name", "Mesh", "Tags", "Type", "Workload")} == {
        "Name": "web-1", "Mesh": "default", "Tags": {"kuma.io/service": ["web"]}, "Type": "", "Workload": "",
    }  # fmt: skip
    assert body["exp"] == CLOCK.now + 3600
    assert body["nbf"] == body["iat"] == CLOCK.now - 5
    assert tokens.verify_dataplane_token(SomeSecrets(KEY), CLOCK, token, "default").name == "web-1"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: "Bearer " + t, "token is malformed"),
        (lambda t: t[:-8] + "AAAAAAAA", "token signature is invalid"),
        (lambda t: "", "token is malformed"),
    ],
)
def test_a_damaged_token_is_refused(change: object, text: str) -> None:
    token = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, tokens.DataplaneClaims(mesh="default"))
    with pytest.raises(Unauthenticated, match=text):
        tokens.verify_dataplane_token(SomeSecrets(KEY), CLOCK, change(token), "default")  # type: ignore[operator]


def test_expired_revoked_and_unknown_keys_are_told_apart() -> None:
    token = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, tokens.DataplaneClaims(mesh="default"), 60)
    with pytest.raises(Unauthenticated, match="token is expired"):
        tokens.verify_dataplane_token(SomeSecrets(KEY), FixedClock(CLOCK.now + 61), token, "default")
    revoked = secret("GlobalSecret", "", "dataplane-token-revocations-default", str(payload(token)["jti"]).encode())
    with pytest.raises(Unauthenticated, match="token is revoked"):
        tokens.verify_dataplane_token(SomeSecrets(KEY, revoked), CLOCK, token, "default")
    with pytest.raises(Unauthenticated, match="there is no signing key with KID 1"):
        tokens.verify_dataplane_token(SomeSecrets(), CLOCK, token, "default")
    with pytest.raises(NotFound, match='Secret of name "dataplane-token-signing-key-default-1" in mesh "default"'):
        tokens.issue_dataplane_token(SomeSecrets(), CLOCK, tokens.DataplaneClaims(mesh="default"))


def test_a_token_of_another_service_is_refused_in_kumas_words() -> None:
    claims = tokens.DataplaneClaims(tags={"kuma.io/service": ["web"]})
    with pytest.raises(Unauthenticated) as refused:
        tokens.check_dataplane(claims, name="x", mesh="default", tags={"kuma.io/service": ["other"]}, labels={})
    assert str(refused.value) == (
        'dataplane contains tag "kuma.io/service" with value "other" which is not allowed with this token. '
        'Allowed values in token are ["web"]'
    )


def test_zone_token_binds_zone_and_scope() -> None:
    secrets = SomeSecrets(ZONE_KEY)
    token = tokens.issue_zone_token(secrets, CLOCK, tokens.ZoneClaims("west", ("ingress",)))
    claims = tokens.verify_zone_token(secrets, CLOCK, token)
    tokens.check_zone_proxy(claims, zone="west", kind="ingress")
    with pytest.raises(Unauthenticated, match="zone from requestor: east is different than in token: west"):
        tokens.check_zone_proxy(claims, zone="east", kind="ingress")
    with pytest.raises(Unauthenticated, match=r"egress is out of token's scope: \[ingress\]"):
        tokens.check_zone_proxy(claims, zone="west", kind="egress")


def test_keys_rotate_by_number_however_they_are_written() -> None:
    """A newer key signs at once, older tokens stay good until their key goes, and padding does not matter."""
    newer = signing_keys.new_dataplane_signing_key("default")
    padded = secret("Secret", "default", "dataplane-token-signing-key-default-0002", signing_keys.secret_data(newer))
    old = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, tokens.DataplaneClaims("a", "default"), 60)
    both = SomeSecrets(KEY, padded)
    new = tokens.issue_dataplane_token(both, CLOCK, tokens.DataplaneClaims("b", "default"), 60)
    assert jwt.get_unverified_header(new)["kid"] == "2"
    for token, name in ((old, "a"), (new, "b")):
        assert tokens.verify_dataplane_token(both, CLOCK, token, "default").name == name
    with pytest.raises(Unauthenticated, match="KID 1"):
        tokens.verify_dataplane_token(SomeSecrets(padded), CLOCK, old, "default")


def test_keys_of_early_versions_are_read() -> None:
    key = serialization.load_pem_private_key(signing_keys.secret_data(KEY), None)
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    early = SomeSecrets(secret("Secret", "default", "dataplane-token-signing-key-default", der))
    token = tokens.issue_dataplane_token(early, CLOCK, tokens.DataplaneClaims("a", "default"), 60)
    assert jwt.get_unverified_header(token)["kid"] == "0"
    assert tokens.verify_dataplane_token(early, CLOCK, token, "default").name == "a"


@pytest.mark.parametrize("place", [("GlobalSecret", ""), ("Secret", "default")])
def test_tokens_are_revoked_where_kuma_looks_and_where_its_users_write(place: tuple[str, str]) -> None:
    token = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, tokens.DataplaneClaims("a", "default"), 60)
    listed = f"x,{payload(token)['jti']}\n".encode()
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.verify_dataplane_token(
            SomeSecrets(KEY, secret(*place, "dataplane-token-revocations-default", listed)), CLOCK, token, "default"
        )


def test_configured_keys_are_good_for_their_mesh_alone() -> None:
    public = rsa_public_pem(serialization.load_pem_private_key(signing_keys.secret_data(KEY), None).public_key())
    entries = [{"kid": "1", "mesh": "default", "key": public.decode()}]
    trusted = TrustedKeys(
        SomeSecrets(), signing_keys.dataplane_key_prefix, offline_keys(entries, "publicKeys"), use_secrets=False
    )
    token = tokens.issue_dataplane_token(SomeSecrets(KEY), CLOCK, tokens.DataplaneClaims("a", "default"), 60)
    assert tokens.verify_dataplane_token(trusted, CLOCK, token, "default").name == "a"
    with pytest.raises(Unauthenticated, match="no signing key"):
        tokens.verify_dataplane_token(trusted, CLOCK, token, "other")
    with pytest.raises(ConfigError, match="publicKeys"):
        offline_keys([{"kid": "1"}], "publicKeys")
