"""The certificate authorities of meshes, loaded from their Secrets, and what proxies get from them."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from pathlib import Path

from ursa.discovery.snapshot import ResourceSet, entry
from ursa.envoy import types
from ursa.envoy.secrets import secret_bytes
from ursa.errors import NotFound, UrsaError
from ursa.identity.ca import CertificateAuthority, builtin_cert_secret, builtin_key_secret
from ursa.identity.certificates import Leaf, LeafIssuer, LeafRequest
from ursa.identity.signing_keys import secret_data
from ursa.ir.tls import CertificateSecret, ValidationSecret
from ursa.model.json import JsonObject
from ursa.model.mesh import CaBackend, Mesh
from ursa.planner import names
from ursa.runtime.clock import Clock
from ursa.view.view import View

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MeshAuthority:
    """The enabled CA of a mesh, ready to issue."""

    mesh: str
    backend: CaBackend
    issuer: LeafIssuer
    validation: ResourceSet
    """The SDS secret by which proxies of the mesh validate each other."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A proxy's certificate as an SDS secret, and the leaf in it."""

    leaf: Leaf
    backend: str
    resources: ResourceSet


class Authorities:
    """The authorities of all meshes, loaded when they are first needed and again when their Secrets change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._view = View()
        self._loaded: dict[str, MeshAuthority | None] = {}
        self._identities: dict[tuple[str, LeafRequest], Identity] = {}

    def observe(self, view: View, meshes: set[str]) -> None:
        """Takes over a view in which the Mesh or Secrets of these meshes changed."""
        self._view = view
        for mesh in meshes:
            self._loaded.pop(mesh, None)

    def of(self, mesh: Mesh) -> MeshAuthority | None:
        """The enabled authority of a mesh; None without mTLS, or while its Secrets are not there."""
        if mesh.name not in self._loaded:
            self._loaded[mesh.name] = self._load(mesh)
        return self._loaded[mesh.name]

    def identity(self, authority: MeshAuthority, request: LeafRequest) -> Identity:
        """The certificate of a proxy; proxies with equal names share it."""
        leaf = authority.issuer.issue(request, self._clock.now_ns())
        key = (authority.mesh, request)
        known = self._identities.get(key)
        if known is not None and known.leaf is leaf:
            return known
        name = names.identity_secret(authority.mesh)
        body = secret_bytes(CertificateSecret(name, leaf.certificate_pem, leaf.key_pem))
        resources = ResourceSet.of([entry(types.SECRET, name, body)])
        self._identities[key] = Identity(leaf, authority.backend.name, resources)
        return self._identities[key]

    def _load(self, mesh: Mesh) -> MeshAuthority | None:
        backend = mesh.backend
        if backend is None:
            return None
        try:
            authority = CertificateAuthority.load(*self._key_material(mesh.name, backend))
        except NotFound as missing:
            log.info("certificate authority is not there yet", extra={"mesh": mesh.name, "missing": str(missing)})
            return None
        except UrsaError as error:
            log.error("certificate authority cannot be used", extra={"mesh": mesh.name, "error": str(error)})
            return None
        name = names.authority_secret(mesh.name)
        body = secret_bytes(ValidationSecret(name, authority.bundle_pem))
        return MeshAuthority(
            mesh.name, backend, LeafIssuer(authority), ResourceSet.of([entry(types.SECRET, name, body)])
        )

    def _key_material(self, mesh: str, backend: CaBackend) -> tuple[bytes, bytes]:
        if backend.type == "builtin":
            certificate = self._secret(mesh, builtin_cert_secret(mesh, backend.name))
            return certificate, self._secret(mesh, builtin_key_secret(mesh, backend.name))
        return self._source(mesh, backend.conf.get("cert", {})), self._source(mesh, backend.conf.get("key", {}))

    def _source(self, mesh: str, source: JsonObject) -> bytes:
        """The bytes that a DataSource refers to."""
        if "secret" in source:
            return self._secret(mesh, source["secret"])
        if "file" in source:
            try:
                return Path(source["file"]).read_bytes()
            except OSError as error:
                raise NotFound(f"file {source['file']}: {error.strerror}") from None
        if "inline" in source:
            return base64.b64decode(source["inline"])
        return str(source.get("inlineString", "")).encode()

    def _secret(self, mesh: str, name: str) -> bytes:
        resource = self._view.get("Secret", mesh, name)
        if resource is None:
            raise NotFound(f'secret "{name}"')
        return secret_data(resource)
