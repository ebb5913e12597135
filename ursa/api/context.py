"""What the API is given by the composition root, and how a composition root adds calls of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

from ursa.admission.manager import ResourceManager
from ursa.admission.place import Place
from ursa.model.kind import Registry
from ursa.runtime.clock import Clock
from ursa.runtime.config.tree import Settings
from ursa.runtime.tls import TlsFiles
from ursa.view.live import LiveView
from ursa.view.view import View

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
    """

    method: str
    path: str
    handle: Handle
    title: str
    json: bool = True
    public: bool = False
    unprefixed: bool = False


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
