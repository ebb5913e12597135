"""A resource kind, declared once: everything API, CLI, KDS, stores and validation know about it comes from here.

Adding a kind means adding one `Kind` value; nothing anywhere else switches on a kind's name to learn these facts.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ursa.errors import NotFound, Violation
from ursa.model.json import Definitions, Json, JsonObject
from ursa.model.resource import Resource


class Scope(enum.Enum):
    """Whether names of a kind are unique per mesh or in the whole control plane."""

    MESH = "Mesh"
    GLOBAL = "Global"


class Sync(enum.Flag):
    """Which ways a kind travels over KDS (`spec/kds.md` §4)."""

    NONE = 0
    DOWN = enum.auto()
    """Global-originated objects go to every zone."""
    UP = enum.auto()
    """Zone-originated objects go to the global."""
    ACROSS = enum.auto()
    """Zone-originated objects are relayed by the global to the other zones."""


class Family(enum.Enum):
    """What a kind is for; decides listing, inspection and access rules."""

    RESOURCE = "resource"
    LEGACY_POLICY = "legacy policy"
    TARGETREF_POLICY = "targetRef policy"
    INSIGHT = "insight"
    ADMIN = "admin"
    INTERNAL = "internal"


class Writable(enum.Flag):
    """Which sort of control plane accepts PUT and DELETE of a kind."""

    NOWHERE = 0
    ZONE = enum.auto()
    """A zone control plane without a global."""
    GLOBAL = enum.auto()
    FEDERATED_ZONE = enum.auto()
    EVERYWHERE = ZONE | GLOBAL | FEDERATED_ZONE


class SpecCodec(Protocol):
    """Translates the spec of one kind between user input, canonical JSON and wire bytes."""

    @property
    def flat(self) -> bool:
        """Whether the spec's fields stand at the top level of the REST form (protobuf kinds) or below `spec`."""

    @property
    def type_url(self) -> str:
        """Type URL of the `Any` that holds the spec in KDS; empty for JSON kinds."""

    def normalise(self, document: JsonObject) -> JsonObject:
        """User's JSON → canonical JSON; unknown fields are dropped.

        Raises:
            BadRequest: a value has the wrong type or an unknown enum name.
        """

    def encode(self, spec: JsonObject) -> bytes:
        """Canonical JSON → deterministic wire bytes of the spec; raises ValueError when it is no spec of this kind."""

    def decode(self, data: bytes) -> JsonObject:
        """Wire bytes → canonical JSON.

        Raises:
            ProtocolError: the bytes are not a spec of this kind.
        """

    def schema(self, prefix: str) -> tuple[JsonObject, Definitions]:
        """The JSON schema of the spec, as far as the codec knows, with definitions that are found below `prefix`."""


class ItemConf(enum.Enum):
    """Where an item of a targetRef policy's list has its conf, and how confs of one destination are merged."""

    DEFAULT = enum.auto()
    """In `default`; confs are merged into one."""
    ROUTES = enum.auto()
    """In `rules` and `hostnames`: rules are told apart by their matches, one conf per host name."""
    ONE_RULE = enum.auto()
    """In the only rule."""


@dataclass(frozen=True, slots=True)
class PolicyTraits:
    """Which lists a targetRef policy has, and what their items look like."""

    has_to: bool = False
    has_from: bool = False
    has_rules: bool = False
    from_as_rules: bool = False
    """Whether `from` is evaluated like `rules` (no distinction of clients)."""
    item_conf: ItemConf = ItemConf.DEFAULT


@dataclass(frozen=True, slots=True)
class Column:
    """A column that `ursactl get` prints after MESH and NAME: title and the function that fills a cell."""

    title: str
    cell: Callable[[Resource], str]


def _no_violations(_: Resource) -> Sequence[Violation]:
    return ()


def _no_warnings(_: Resource) -> Sequence[str]:
    return ()


def _no_defaults(spec: JsonObject) -> JsonObject:
    return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One resource kind.

    Attributes:
        name: Kuma's type name, `MeshTimeout`.
        path: plural in URLs, `meshtimeouts`; empty when the kind has no HTTP path (Config).
        path_aliases: other plurals that the API accepts.
        codec: translation of the spec.
        short: KRI short name (`mt`), empty when the kind has no KRI.
        hashed: whether names get the hash suffix on the way from global to zone.
        status_codec: translation of the status, None for kinds without status.
        empty_status: what is shown while nobody has observed anything.
        schema: JSON schema of `spec` (JSON kinds only): checked before `validate`, its defaults are filled in.
        fill_defaults: what is added to a new object's spec on top of schema defaults.
        validate: semantic rules; returns every violation with Kuma's field paths and messages.
        warnings: what the answer to a write warns of.
        insight: kind of the insight that belongs to this kind (`DataplaneInsight`), or empty.
        overview: kind name of the joined view (`DataplaneOverview`), or empty.
        cli: singular and plural argument of `kumactl get`/`ursactl get`; empty when there is none.
        singular, plural: display names in `/policies` and `/_resources`.
        namespaced: whether the Kubernetes form is namespaced.
    """

    name: str
    path: str
    scope: Scope
    codec: SpecCodec
    family: Family
    path_aliases: tuple[str, ...] = ()
    short: str = ""
    sync: Sync = Sync.NONE
    hashed: bool = True
    writable: Writable = Writable.NOWHERE
    status_codec: SpecCodec | None = None
    empty_status: JsonObject = field(default_factory=dict)
    policy: PolicyTraits | None = None
    schema: JsonObject | None = None
    fill_defaults: Callable[[JsonObject], JsonObject] = _no_defaults
    validate: Callable[[Resource], Sequence[Violation]] = _no_violations
    warnings: Callable[[Resource], Sequence[str]] = _no_warnings
    columns: tuple[Column, ...] = ()
    insight: str = ""
    overview: str = ""
    cli: tuple[str, str] | None = None
    singular: str = ""
    plural: str = ""
    namespaced: bool = False

    def spec_schema(self, prefix: str) -> tuple[JsonObject, Definitions]:
        """The JSON schema of the spec, with definitions that it refers to below `prefix`."""
        return (self.schema, {}) if self.schema is not None else self.codec.schema(prefix)

    @property
    def global_scope(self) -> bool:
        """Whether objects of this kind stand outside any mesh."""
        return self.scope is Scope.GLOBAL

    @property
    def zone_writable(self) -> bool:
        """Whether a zone may own objects of this kind (`spec/kds.md` §4, decides ownership on sync)."""
        return Sync.UP in self.sync or self.name in ("Config", "Secret", "GlobalSecret")


class Registry:
    """All kinds a process knows, by name and by path. Built once, by a composition root, and passed on."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._by_name: dict[str, Kind] = {}
        self._by_path: dict[str, Kind] = {}
        for kind in kinds:
            if kind.name in self._by_name:
                raise ValueError(f"kind {kind.name} is declared twice")
            self._by_name[kind.name] = kind
            for path in (kind.path, *kind.path_aliases):
                if path:
                    self._by_path[path] = kind

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Kind:
        try:
            return self._by_name[name]
        except KeyError:
            raise NotFound(f"unknown resource type {name!r}") from None

    def by_path(self, path: str) -> Kind | None:
        """The kind with this plural or alias, or None."""
        return self._by_path.get(path)

    @property
    def names(self) -> Mapping[str, Kind]:
        """All kinds by name."""
        return self._by_name


__all__ = [
    "Column",
    "Family",
    "Json",
    "Kind",
    "PolicyTraits",
    "Registry",
    "Scope",
    "SpecCodec",
    "Sync",
    "Writable",
]
