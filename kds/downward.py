"""What a global offers its zones, and how it looks there (`spec/kds.md` §4.1, §5.1)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa

from kds import features
from kds.absence import LAPSED, Absences, read_absences
from kds.drains import in_whole_instances, shares_of
from kds.labels import admits_sync, display_kept, without_prefixes
from kds.offer import Offer, make_offer
from kds.relay import is_producer, only_zone, zone_of
from ursa.errors import ProtocolError
from ursa.identity.pem import BadKeyMaterial, load_private_key, rsa_public_pem
from ursa.identity.signing_keys import ZONE_KEY, ZONE_PUBLIC_KEY
from ursa.model.json import JsonObject
from ursa.model.kind import Family, Kind, Registry, Sync
from ursa.model.labels import GLOBAL, MANAGED_BY, ORIGIN, PRESENCE, SHARE
from ursa.model.resource import Resource, ResourceKey
from ursa.model.synced_names import hashed_name
from ursa.view.view import View

CLUSTER_ID = "kuma-cluster-id"
"""The only Config that zones get."""

PRIVATE = frozenset({"envoy-admin-ca", "admin-user-token", "inter-cp-ca", "user-token-revocations"})
PRIVATE_PREFIX = "user-token-signing-key"
"""Names of GlobalSecrets that belong to this control plane alone."""


def has_identity(view: View) -> bool:
    """Whether a global has made its id, which tells zones that it is the one they know. Until then it is nobody."""
    return view.get("Config", "", CLUSTER_ID) is not None


class Downward:
    """The rules of the way from the global to zones."""

    def __init__(self, registry: Registry, skip_prefixes: Iterable[str] = ()) -> None:
        self._registry = registry
        self._skip = tuple(skip_prefixes)
        self._absences = Absences()
        self._shares: Mapping[str, int] = {}

    def observe(self, view: View) -> Iterable[ResourceKey]:
        """See `OfferMaker`: ingresses of a zone that is not there, or is drained, are marked: used last, or less."""
        before, self._absences = self._absences, read_absences(view)
        shares, self._shares = self._shares, shares_of(view)
        changed = self._absences.differing(before) | {zone for zone, _ in shares.items() ^ self._shares.items()}
        return [one.key for one in view.list("ZoneIngress") if zone_of(one) in changed] if changed else ()

    def offer(self, resource: Resource) -> Offer | None:
        """See `OfferMaker`."""
        kind = self._registry[resource.kind]
        if not admits_sync(resource) or not _may_leave(resource):
            return None
        if resource.labels.get(ORIGIN) in (None, GLOBAL):
            if Sync.DOWN not in kind.sync:
                return None
            return make_offer(resource.key, self._mapped(resource, kind), kind, features=_needs(resource, kind))
        if Sync.ACROSS not in kind.sync:
            return None
        if kind.name == "ZoneIngress":
            return self._ingress(resource, kind)
        policy = kind.family is Family.TARGETREF_POLICY
        if policy and not is_producer(resource):
            return None
        return make_offer(
            resource.key,
            self._mapped(_as_foreign(resource), kind),
            kind,
            origin_zone=zone_of(resource),
            only_zone=only_zone(resource) if policy else "",
            features=_needs(resource, kind) | ({features.PRODUCER_POLICIES} if policy else frozenset()),
        )

    def _ingress(self, resource: Resource, kind: Kind) -> Offer:
        """The offer of an ingress: as it is, or with what others are to make of it."""
        zone, labels = zone_of(resource), dict(resource.labels)
        if zone in self._absences.lapsed:
            labels[PRESENCE] = LAPSED
        marked, share = resource.with_labels(labels), self._shares.get(zone)
        if share is None:
            return make_offer(resource.key, self._mapped(marked, kind), kind, origin_zone=zone)
        fewer = replace(marked, spec=in_whole_instances(resource.spec, share))
        return make_offer(
            resource.key,
            self._mapped(marked.with_labels({**labels, SHARE: str(share)}), kind),
            kind,
            origin_zone=zone,
            features=frozenset({features.SHARES}),
            otherwise=make_offer(resource.key, self._mapped(fewer, kind), kind, origin_zone=zone),
        )

    def _mapped(self, resource: Resource, kind: Kind) -> Resource:
        labels = without_prefixes(resource.labels, self._skip) | {ORIGIN: GLOBAL}
        name, spec = resource.name, resource.spec
        if kind.name == "GlobalSecret" and name.startswith(ZONE_KEY):
            name, spec = ZONE_PUBLIC_KEY + name.removeprefix(ZONE_KEY), _public_half(spec)
        elif kind.hashed:
            name = hashed_name(resource.mesh, name, labels)
        labels = display_kept(labels, resource.name, name)
        status = kind.empty_status if kind.status_codec is not None else None
        return replace(resource, name=name, spec=spec, labels=labels, status=status)


def _may_leave(resource: Resource) -> bool:
    if resource.kind == "Config":
        return resource.name == CLUSTER_ID
    if resource.kind == "GlobalSecret":
        return resource.name not in PRIVATE and not resource.name.startswith(PRIVATE_PREFIX)
    return True


def _as_foreign(resource: Resource) -> Resource:
    """Without the label that makes a zone's MeshService generator take it for its own and delete it."""
    if resource.kind != "MeshService" or MANAGED_BY not in resource.labels:
        return resource
    return resource.with_labels({k: v for k, v in resource.labels.items() if k != MANAGED_BY})


def _needs(resource: Resource, kind: Kind) -> frozenset[str]:
    if kind.family is Family.TARGETREF_POLICY and not resource.spec.get("targetRef"):
        return frozenset({features.OPTIONAL_TARGET})
    if kind.name == "HostnameGenerator" and resource.spec.get("selector", {}).get("meshMultiZoneService"):
        return frozenset({features.MULTIZONE_SELECTOR})
    return frozenset()


def _public_half(spec: JsonObject) -> JsonObject:
    try:
        key = load_private_key(base64.b64decode(str(spec.get("data", ""))))
    except (BadKeyMaterial, ValueError) as error:
        raise ProtocolError(f"zone token signing key cannot be read: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ProtocolError("zone token signing key is not an RSA key")
    return {"data": base64.b64encode(rsa_public_pem(key.public_key())).decode()}
