"""What runs once per zone, whatever number of instances there is: at the one that holds the lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Store
from ursa.view.live import LiveView
from zone_cp.offers import Offers
from zone_cp.proxies.gone import GoneProxies
from zone_cp.services import Services
from zone_cp.vips import VipAllocator


def zone_singletons(
    settings: Settings, store: Store, live: LiveView, clock: Clock, *, metrics: CollectorRegistry
) -> dict[str, Callable[[], Awaitable[None]]]:
    """The components by name, each to be run until cancelled; `store` takes writes only while this instance leads."""
    zone = settings.multizone.zone.name
    filters = settings.experimental.ingress_tag_filters
    singletons: dict[str, Callable[[], Awaitable[None]]] = {
        "offered services": Offers(store, live, clock, zone, filters, metrics=metrics).run,
        "real services": Services(store, live, clock, settings, metrics=metrics).run,
    }
    if settings.environment == "universal":
        singletons["gone proxies"] = GoneProxies(settings, store, live, clock).run
    dns = settings.dns_server
    allocator = VipAllocator(store, live, clock, zone, dns.cidr, named=dns.service_vip_enabled, metrics=metrics)
    singletons["virtual addresses"] = allocator.run
    return singletons
