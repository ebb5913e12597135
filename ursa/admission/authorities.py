"""Certificate authorities of meshes as a write meets them: builtin ones are made, provided ones are checked."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509

from ursa.errors import Violation
from ursa.identity.ca import (
    TEN_YEARS,
    CertificateAuthority,
    builtin_cert_secret,
    builtin_key_secret,
    create_mesh_ca,
)
from ursa.identity.pem import RSA_BITS, BadKeyMaterial
from ursa.identity.signing_keys import secret, secret_data
from ursa.model.json import JsonObject
from ursa.model.mesh import CaBackend, backends, parse_expiration
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_subdomain

BUILTIN, PROVIDED = "builtin", "provided"
_SECOND = 1_000_000_000


class Find(Protocol):
    """Looks up one stored resource."""

    async def __call__(self, kind: str, mesh: str, name: str) -> Resource | None:
        """The resource or None."""


class NoSuchData(Exception):
    """A data source that leads nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A Secret that a backend of a Mesh needs."""

    backend: str
    secret: str


def secrets_in_use(mesh: Resource) -> Iterator[SecretUse]:
    """Every Secret that the backends of a Mesh refer to."""
    for backend in backends(mesh.spec):
        if backend.type == BUILTIN:
            yield SecretUse(backend.name, builtin_cert_secret(mesh.name, backend.name))
            yield SecretUse(backend.name, builtin_key_secret(mesh.name, backend.name))
        for part in ("cert", "key"):
            name = (backend.conf.get(part) or {}).get("secret")
            if name:
                yield SecretUse(backend.name, str(name))


async def backend_violations(mesh: Resource, find: Find) -> list[Violation]:
    """What is wrong with the backends of a Mesh that cannot be told from the Mesh alone."""
    found: list[Violation] = []
    skip = bool(mesh.spec.get("mtls", {}).get("skipValidation"))
    for index, backend in enumerate(backends(mesh.spec)):
        field = f"mtls.backends[{index}]"
        if backend.type not in (BUILTIN, PROVIDED):
            found.append(Violation(f"{field}.type", "could not find installed plugin for this type"))
        elif backend.type == PROVIDED and not skip:
            found += await _provided(mesh.name, backend, field, find)
        elif backend.type == BUILTIN:
            found += _builtin(backend, field)
    return found


def new_builtin_secrets(mesh: Resource, missing: Iterable[str], now_ns: int) -> list[Resource]:
    """Certificate and key of every builtin backend that is named in `missing`. Takes long: keys are made."""
    made: list[Resource] = []
    wanted = set(missing)
    for backend in backends(mesh.spec):
        if backend.type != BUILTIN or backend.name not in wanted:
            continue
        options = backend.conf.get("caCert") or {}
        life = timedelta(seconds=parse_expiration(options.get("expiration", ""), 0) / _SECOND)
        bits = int(options.get("RSAbits") or RSA_BITS)
        authority = create_mesh_ca(mesh.name, now_ns, bits=bits, life=life or TEN_YEARS)
        made.append(secret("Secret", mesh.name, builtin_cert_secret(mesh.name, backend.name), authority.bundle_pem))
        made.append(secret("Secret", mesh.name, builtin_key_secret(mesh.name, backend.name), authority.key_pem))
    return made


async def missing_builtin(mesh: Resource, find: Find) -> list[str]:
    """Names of builtin backends whose secrets do not exist yet."""
    missing = []
    for backend in backends(mesh.spec):
        names = (builtin_cert_secret(mesh.name, backend.name), builtin_key_secret(mesh.name, backend.name))
        if backend.type == BUILTIN and not all([await find("Secret", mesh.name, name) for name in names]):
            missing.append(backend.name)
    return missing


def _builtin(backend: CaBackend, field: str) -> Iterator[Violation]:
    options = backend.conf.get("caCert") or {}
    if not is_subdomain(backend.name):  # it becomes part of the names of secrets
        yield Violation(f"{field}.conf.mtls.backends.name", f'"{backend.name}" name must be valid dns name')
    bits = options.get("RSAbits", RSA_BITS)
    if not isinstance(bits, int | float) or not 1024 <= bits <= 16_384:
        yield Violation(f"{field}.conf.caCert.RSAbits", "must be in inclusive range [1024, 16384]")
    try:
        parse_expiration(str(options.get("expiration", "")))
    except ValueError:
        yield Violation(f"{field}.conf.caCert.expiration", "has to be a valid format")


async def _provided(mesh: str, backend: CaBackend, field: str, find: Find) -> list[Violation]:
    found: list[Violation] = []
    texts: list[bytes] = []
    for part in ("cert", "key"):
        place = f"{field}.conf.{part}"
        source = backend.conf.get(part)
        if not source:
            found.append(Violation(place, "has to be defined"))
            continue
        try:
            texts.append(await _load(mesh, source, find))
        except NoSuchData as error:
            found.append(Violation(place, f"could not load data: {error}"))
    if found:
        return found
    try:
        authority = CertificateAuthority.load(*texts)
    except BadKeyMaterial as error:
        return [Violation(f"{field}.conf.cert", f"not a valid TLS key pair: {error}")]
    if not _is_ca(authority.certificate):
        return [Violation(f"{field}.conf.cert", "basic constraint 'CA' must be set to 'true' (see X509-SVID: 4.1)")]
    return []


async def _load(mesh: str, source: JsonObject, find: Find) -> bytes:
    if "secret" in source:
        found = await find("Secret", mesh, str(source["secret"]))
        if found is None:
            raise NoSuchData(f'resource not found: type="Secret" name="{source["secret"]}" mesh="{mesh}"')
        return secret_data(found)
    if "file" in source:
        try:
            return Path(str(source["file"])).read_bytes()
        except OSError as error:
            raise NoSuchData(f"{source['file']}: {(error.strerror or '').lower()}") from None
    if "inline" in source:
        try:
            return base64.b64decode(str(source["inline"]), validate=True)
        except ValueError:
            raise NoSuchData("inline data is not base64") from None
    if "inlineString" in source:
        return str(source["inlineString"]).encode()
    raise NoSuchData("unsupported type of the DataSource")


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
