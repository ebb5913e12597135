"""Parsed forms of resources that refer to certificates and keys, kept up to date with what they refer to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ursa.errors import NotFound, UrsaError
from ursa.identity.data_sources import Load, read_source
from ursa.identity.signing_keys import secret_data
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

T = TypeVar("T")

ReadFile = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Moved(Generic[T]):
    """A form that came, went or changed."""

    key: ResourceKey
    before: T | None
    after: T | None


def no_file(path: str) -> bytes:
    """Knows no files: for planners without a place to read them from."""
    raise NotFound(f"file {path}")


class _Sources:
    """Reads what one resource refers to, and remembers which Secrets that were."""

    def __init__(self, view: View, mesh: str, read_file: ReadFile) -> None:
        self._view, self._mesh, self._read_file = view, mesh, read_file
        self.secrets: set[ResourceKey] = set()

    def load(self, source: JsonObject) -> bytes:
        """The bytes of a DataSource; raises NotFound."""
        return read_source(source, self._secret, self._read_file)

    def _secret(self, name: str) -> bytes:
        key = ResourceKey("Secret", self._mesh, name)
        self.secrets.add(key)
        resource = self._view.get(*key)
        if resource is None:
            raise NotFound(f'secret "{name}"')
        return secret_data(resource)


class Resolved(Generic[T]):
    """The forms of all resources of one kind; one that is wrong, or whose certificates are not there yet, has none."""

    def __init__(self, kind: str, parse: Callable[[Resource, Load], T], read_file: ReadFile) -> None:
        self._kind, self._parse, self._read_file = kind, parse, read_file
        self._forms: dict[str, dict[ResourceKey, T]] = {}
        self._secrets: dict[ResourceKey, frozenset[ResourceKey]] = {}

    def of(self, mesh: str) -> Sequence[T]:
        """The forms in a mesh, by name."""
        return [form for _, form in sorted(self._forms.get(mesh, {}).items())]

    def update(self, view: View, touched: Touched) -> Iterable[Moved[T]]:
        """Takes over a step of the view; tells which forms are others now."""
        dirty = {key for key in touched.keys if key.kind == self._kind}
        secrets = {key for key in touched.keys if key.kind == "Secret"}
        if secrets:
            dirty |= {key for key, used in self._secrets.items() if used & secrets}
        moved = []
        for key in sorted(dirty):
            before, after = self._forms.get(key.mesh, {}).get(key), self._form(view, key)
            if after == before:
                continue
            forms = self._forms.setdefault(key.mesh, {})
            if after is None:
                del forms[key]
            else:
                forms[key] = after
            moved.append(Moved(key, before, after))
        return moved

    def _form(self, view: View, key: ResourceKey) -> T | None:
        resource = view.get(*key)
        if resource is None:
            self._secrets.pop(key, None)
            return None
        sources = _Sources(view, key.mesh, self._read_file)
        try:
            return self._parse(resource, sources.load)
        except UrsaError as error:
            log.warning("resource is left out", extra={"resource": str(key), "error": str(error)})
            return None
        finally:
            self._secrets[key] = frozenset(sources.secrets)
