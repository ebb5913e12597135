"""Keys that verify tokens: those of the configuration first, which other places sign with, then those of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ursa.errors import ConfigError
from ursa.identity.signing_keys import ZONE_PUBLIC_KEY, Secrets, secret
from ursa.model.resource import Resource
from ursa.runtime.files import FollowedFile


@dataclass(frozen=True, slots=True)
class OfflineKey:
    """A configured public key.

    Attributes:
        kid: which tokens it is for.
        mesh: the only mesh it is good for; empty for all.
        pem: reads the key; a file may be replaced at any time.
    """

    kid: str
    mesh: str
    pem: Callable[[], bytes]


def offline_keys(entries: Sequence[Mapping[str, str]], setting: str) -> tuple[OfflineKey, ...]:
    """The keys of a `publicKeys` setting, each `{kid, key | keyFile, mesh?}`.

    Raises:
        ConfigError: a file cannot be read, or an entry has no key; the text names `setting`.
    """
    found = []
    for entry in entries:
        kid, file, text = str(entry.get("kid", "")), entry.get("keyFile", ""), str(entry.get("key", ""))
        if not kid or not (file or text):
            raise ConfigError(f"{setting}: an entry needs a kid and either a key or a keyFile")
        read = FollowedFile(Path(file), "public key").content if file else text.encode
        found.append(OfflineKey(kid, str(entry.get("mesh", "")), read))
    return tuple(found)


class TrustedKeys:
    """The secrets a verifier looks at."""

    def __init__(
        self, secrets: Secrets, prefix: Callable[[str], str], offline: Sequence[OfflineKey], *, use_secrets: bool
    ) -> None:
        """What is trusted.

        Args:
            secrets: the store's.
            prefix: beginning of the signing keys' names, by mesh.
            offline: keys of the configuration.
            use_secrets: whether signing keys in secrets are trusted too.
        """
        self._secrets, self._prefix, self._offline, self._use_secrets = secrets, prefix, offline, use_secrets

    def get(self, kind: str, mesh: str, name: str) -> Resource | None:
        """The key with this name, or another secret."""
        prefix = f"{self._prefix(mesh)}-"
        if not name.startswith((prefix, f"{ZONE_PUBLIC_KEY}-")):
            return self._secrets.get(kind, mesh, name)
        for key in self._offline:
            if key.kid == name.removeprefix(prefix) and key.mesh in ("", mesh):
                return secret(kind, mesh, name, key.pem())
        return self._secrets.get(kind, mesh, name) if self._use_secrets else None

    def list(self, kind: str, mesh: str | None = None) -> Iterable[Resource]:
        """Secrets of one kind and mesh that are trusted."""
        if self._use_secrets:
            return self._secrets.list(kind, mesh)
        return [r for r in self._secrets.list(kind, mesh) if not r.name.startswith(f"{self._prefix(r.mesh)}-")]
