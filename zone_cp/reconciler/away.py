"""Proxies that left and may come back: what was planned for them is kept, so that their return plans nothing.

A connection that broke, a control plane that moved its proxies, a network that was gone for a moment: all of them bring
the same proxies back with the same facts. What they hold goes when their resource does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ursa.model.resource import ResourceKey
from ursa.planner.inputs import ProxyFacts
from zone_cp.reconciler.proxy import Proxy

KEPT = 4096
"""Proxies remembered; one that was dropped is planned again when it comes back, nothing worse."""


class Away:
    """The last state of every proxy that is not connected."""

    def __init__(self, release: Callable[[Proxy], None]) -> None:
        """Args: release: gives back what a proxy holds when it is not kept any longer."""
        self._release = release
        self._proxies: dict[ResourceKey, Proxy] = {}

    def __iter__(self) -> Iterator[Proxy]:
        return iter(self._proxies.values())

    def keep(self, proxy: Proxy) -> None:
        """Remembers a proxy that left; the one that left first makes room."""
        self._drop(proxy.key)
        self._proxies[proxy.key] = proxy
        if len(self._proxies) > KEPT:
            self._drop(next(iter(self._proxies)))

    def take(self, key: ResourceKey, facts: ProxyFacts) -> Proxy | None:
        """Hands a proxy back that returns; None if it is unknown or another one by now."""
        found = self._proxies.get(key)
        if found is None or found.facts != facts:
            self._drop(key)
            return None
        return self._proxies.pop(key)

    def forget(self, keys: Iterable[ResourceKey]) -> None:
        """These will not come back as what they were."""
        for key in keys:
            self._drop(key)

    def _drop(self, key: ResourceKey) -> None:
        if (proxy := self._proxies.pop(key, None)) is not None:
            self._release(proxy)
