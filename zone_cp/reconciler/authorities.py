"""The certificate authorities of meshes, loaded from their Secrets, and what proxies get from them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ursa.discovery.snapshot import ResourceSet, entry
from ursa.envoy import types
from ursa.envoy.secrets import secret_bytes
from ursa.errors import NotFound, UrsaError
from ursa.identity.ca import CertificateAuthority, builtin_cert_secret, builtin_key_secret
from ursa.identity.certificates import Leaf, LeafIssuer, LeafRequest
from ursa.identity.data_sources import read_file, read_source
from ursa.identity.signing_keys import secret_data
from ursa.ir.tls import CertificateSecret, ValidationSecret
from ursa.model.json import JsonObject
from ursa.model.mesh import CaBackend, Mesh
from ursa.planner.names import SCHEMES, Scheme
from ursa.runtime.clock import Clock
from ursa.view.view import View
from zone_cp.proxy_metrics import ProxyMetrics

log = logging.getLogger(__name__)

IdentityKey: TypeAlias = tuple[str, LeafRequest, Scheme]
"""Mesh and names of a certificate, and how the Secret with it is named."""


@dataclass(frozen=True, slots=True)
class MeshAuthority:
    """The enabled CA of a mesh, ready to issue."""

    mesh: str
    backend: CaBackend
    issuer: LeafIssuer
    bundle: bytes
    """Its certificates, PEM."""
    validation: Mapping[Scheme, ResourceSet]
    """The SDS secret by which proxies of the mesh validate each other, by how it is named."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A proxy's certificate as an SDS secret, and the leaf in it."""

    leaf: Leaf
    backend: str
    resources: ResourceSet
    key: IdentityKey
    """Under which it is given back."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What an authority was made from, and the authority if it could be made."""

    source: tuple[CaBackend, bytes, bytes]
    authority: MeshAuthority | None


class Authorities:
    """The authorities of all meshes, loaded when they are first needed and again when their key or backend changes.

    An authority that stays the same object keeps the certificates it issued; loading a key takes as long as issuing a
    hundred of them.
    """

    def __init__(self, clock: Clock, metrics: ProxyMetrics) -> None:
        self._clock, self._metrics = clock, metrics
        self._view = View()
        self._current: dict[str, MeshAuthority | None] = {}
        """Of the newest view; what is missing is looked up when it is needed."""
        self._loaded: dict[str, _Loaded] = {}
        self._identities: dict[IdentityKey, Identity] = {}
        self._users: Counter[IdentityKey] = Counter()
        self._together: dict[Scheme, tuple[bytes, ResourceSet]] = {}

    def observe(self, view: View, meshes: set[str]) -> None:
        """Takes over a view in which the Mesh or Secrets of these meshes changed."""
        self._view = view
        for mesh in meshes:
            self._current.pop(mesh, None)
            if view.get("Mesh", "", mesh) is None:
                self._loaded.pop(mesh, None)

    def of(self, mesh: Mesh) -> MeshAuthority | None:
        """The enabled authority of a mesh; None without mTLS, or while its Secrets are not there."""
        if mesh.name not in self._current:
            self._current[mesh.name] = self._find(mesh)
        return self._current[mesh.name]

    def acquire(self, authority: MeshAuthority, request: LeafRequest, scheme: Scheme) -> Identity:
        """The certificate of a proxy; proxies with equal names share it. Give it back with `release`."""
        key = (authority.mesh, request, scheme)
        self._users[key] += 1
        with self._metrics.issuing.timed(authority.backend.name):
            leaf = authority.issuer.issue(request, self._clock.now_ns())
        known = self._identities.get(key)
        if known is not None and known.leaf is leaf:
            return known
        self._metrics.issued(authority.mesh)
        name = scheme.identity_secret(authority.mesh)
        body = secret_bytes(CertificateSecret(name, leaf.certificate_pem, leaf.key_pem))
        resources = ResourceSet.of([entry(types.SECRET, name, body)])
        self._identities[key] = Identity(leaf, authority.backend.name, resources, key)
        return self._identities[key]

    def together(self, authorities: Sequence[MeshAuthority], scheme: Scheme) -> ResourceSet:
        """The SDS secret by which clients of all these meshes are believed; the same one while they are the same."""
        bundle = b"\n".join(one.bundle for one in authorities)
        known = self._together.get(scheme)
        if known is not None and known[0] == bundle:
            return known[1]
        name = scheme.all_authorities_secret
        made = ResourceSet.of([entry(types.SECRET, name, secret_bytes(ValidationSecret(name, bundle)))])
        self._together[scheme] = (bundle, made)
        return made

    def release(self, identity: Identity) -> None:
        """Ends one use; what nobody uses is dropped, since the same one is made again when it is needed again."""
        mesh, request, _ = identity.key
        self._users[identity.key] -= 1
        if self._users[identity.key]:
            return
        del self._users[identity.key], self._identities[identity.key]
        loaded = self._loaded.get(mesh)
        used = any((mesh, request, scheme) in self._users for scheme in SCHEMES)
        if loaded is not None and loaded.authority is not None and not used:
            loaded.authority.issuer.forget(request)

    def _find(self, mesh: Mesh) -> MeshAuthority | None:
        backend = mesh.backend
        if backend is None:
            return None
        try:
            source = (backend, *self._key_material(mesh.name, backend))
        except NotFound as missing:
            log.info("certificate authority is not there yet", extra={"mesh": mesh.name, "missing": str(missing)})
            return None
        except UrsaError as error:
            log.error("certificate authority cannot be used", extra={"mesh": mesh.name, "error": str(error)})
            return None
        known = self._loaded.get(mesh.name)
        if known is None or known.source != source:
            with self._metrics.loading.timed(source[0].name):
                known = self._loaded[mesh.name] = _Loaded(source, _load(mesh.name, *source))
        return known.authority

    def _key_material(self, mesh: str, backend: CaBackend) -> tuple[bytes, bytes]:
        if backend.type == "builtin":
            certificate = self._secret(mesh, builtin_cert_secret(mesh, backend.name))
            return certificate, self._secret(mesh, builtin_key_secret(mesh, backend.name))
        return self._source(mesh, backend.conf.get("cert", {})), self._source(mesh, backend.conf.get("key", {}))

    def _source(self, mesh: str, source: JsonObject) -> bytes:
        return read_source(source, lambda name: self._secret(mesh, name), read_file)

    def _secret(self, mesh: str, name: str) -> bytes:
        resource = self._view.get("Secret", mesh, name)
        if resource is None:
            raise NotFound(f'secret "{name}"')
        return secret_data(resource)


def _load(mesh: str, backend: CaBackend, certificate: bytes, key: bytes) -> MeshAuthority | None:
    try:
        authority = CertificateAuthority.load(certificate, key)
    except UrsaError as error:
        log.error("certificate authority cannot be used", extra={"mesh": mesh, "error": str(error)})
        return None
    validation = {}
    for scheme in SCHEMES:
        name = scheme.authority_secret(mesh)
        body = secret_bytes(ValidationSecret(name, authority.bundle_pem))
        validation[scheme] = ResourceSet.of([entry(types.SECRET, name, body)])
    return MeshAuthority(mesh, backend, LeafIssuer(authority), authority.bundle_pem, validation)
