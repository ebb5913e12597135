"""What the API is given by the composition root, and how a composition root adds calls of its own."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

from ursa.admission.manager import ResourceManager
from ursa.admission.place import Place
from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.config.tree import Settings
from ursa.runtime.tls import TlsFiles
from ursa.view.live import LiveView
from ursa.view.view import View

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

Configure = Callable[[Resource, JsonObject, bool], Awaitable[JsonObject]]
"""Computes the configuration of a Dataplane's proxy, by type and name, from the metadata its Envoy sent last; the flag
says whether policies with the shadow effect count."""


class Guard(enum.Enum):
    """Who may call an endpoint when roles are on."""

    ROLES = "roles"
    """Whoever may read where it reads (GET), or write where it writes (other methods)."""
    READS = "reads"
    """Whoever may read there, whatever the method is."""
    OWN = "own"
    """Whoever its handler lets in: by an access list of its own, or everybody."""


class Shape(enum.Enum):
    """What an endpoint answers, for descriptions of the API."""

    OTHER = "other"
    PAGE = "page"
    """A page of objects of the kind that the path names."""
    OBJECT = "object"
    """One object of it."""
    WRITE = "write"
    """What became of a write to it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the API.

    Attributes:
        method: HTTP method.
        path: route below the base path, with `{variables}`.
        handle: answers the request; expected errors are raised as `UrsaError`.
        title: what failed, when the call fails (`Could not retrieve a resource`).
        json: whether the answer is JSON, so that `Accept` must allow that.
        public: whether anybody may call, even with a bad token.
        unprefixed: whether the call is also served outside the base path.
        guard: who may call.
        shape: what is answered.
        body: JSON schema of what is sent, where it is not an object of the kind that the path names.
    """

    method: str
    path: str
    handle: Handle
    title: str
    json: bool = True
    public: bool = False
    unprefixed: bool = False
    guard: Guard = Guard.ROLES
    shape: Shape = Shape.OTHER
    body: JsonObject | None = None


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Everything the API needs.

    Attributes:
        settings: of this process.
        registry: all kinds.
        live: what reads are answered from.
        resources: what writes go through.
        clock: time.
        instance_id: name of this process among its replicas.
        tls: certificate and key for servers that have none of their own; without them HTTPS stays off.
        extra: calls that only this control plane has (inspection of proxies, rollouts, zones …); they come before
            the generated ones.
        configure: computes the configuration of proxies; None on a global, which cannot.
        zone_status: the status of a Zone in one word; None in a zone, which does not know others.
        ready: whether the process may get traffic (`/ready`).
        metrics: where counters are registered and what `/metrics` prints.
    """

    settings: Settings
    registry: Registry
    live: LiveView
    resources: ResourceManager
    clock: Clock
    instance_id: str
    tls: TlsFiles | None = None
    extra: tuple[Endpoint, ...] = ()
    configure: Configure | None = None
    zone_status: Callable[[Resource], str] | None = None
    ready: Callable[[], bool] = _always
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def view(self) -> View:
        """The newest view."""
        return self.live.current

    @property
    def place(self) -> Place:
        """Where this control plane stands."""
        return self.resources.place
