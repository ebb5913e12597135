"""The composition root of a zone control plane: makes every part, connects them, runs them."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry

from kds.admin_api import LiveProxies
from kds.client import KdsClient
from kds.metrics import StreamsCollector, SyncMetrics
from kds.replicas.replicas import Replicas
from ursa.admission.manager import ResourceManager
from ursa.admission.place import place_of
from ursa.api.context import ApiContext
from ursa.api.plane_metrics import observe_plane
from ursa.api.server import ApiServer
from ursa.api.store_status import StoreStatus
from ursa.catalog import default_registry
from ursa.identity.data_sources import read_file
from ursa.model.shape import Shapes
from ursa.planner.zone import ZonePlanner
from ursa.policies.effects import policy_plugins
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings
from ursa.runtime.process import new_instance_id, run_until_signal
from ursa.runtime.tasks import Backoff, Restart, Supervisor
from ursa.runtime.tls import ReloadedPair, general_files, server_files
from ursa.store.engines import open_guarded_store
from ursa.store.led import LedStore
from ursa.view.keyed import KeyedChanges
from ursa.view.live import LiveView
from zone_cp.addresses import ResolvedView
from zone_cp.dp_server.ads import AdsServer
from zone_cp.dp_server.bootstrap import bootstrap_application
from zone_cp.dp_server.hds import HealthDiscovery
from zone_cp.dp_server.server import DpServer
from zone_cp.envoy_admin import EnvoyAdmin
from zone_cp.facts import dp_server_settings, health_settings, planner_settings
from zone_cp.leadership import Leadership
from zone_cp.mads.server import MonitoringServer
from zone_cp.metrics import ZoneCollector
from zone_cp.preview import Preview
from zone_cp.proxies.authentication import Authenticator
from zone_cp.proxies.insights import Insights
from zone_cp.proxies.lifecycle import ProxyLifecycle
from zone_cp.proxies.registration import Registration
from zone_cp.proxy_metrics import ProxyMetrics
from zone_cp.reconciler.reconciler import Reconciler
from zone_cp.rollouts import RolloutLedger
from zone_cp.singletons import zone_singletons
from zone_cp.sync_status import SyncStatus

DP_SERVER = "data plane server"


def run(settings: Settings) -> None:
    """Runs a zone control plane until SIGTERM or SIGINT."""
    run_until_signal(lambda: serve(settings))


async def serve(settings: Settings) -> None:
    """Runs a zone control plane until cancelled."""
    clock = SystemClock()
    instance = new_instance_id(clock)
    general = settings.general
    supervisor = Supervisor(
        clock, Backoff(general.resilient_component_base_backoff, general.resilient_component_max_backoff)
    )
    registry = default_registry()
    metrics = CollectorRegistry()
    store = open_guarded_store(settings, clock, metrics, objection=Shapes(registry).objection)
    led = LedStore(store)
    tls = general_files(settings, clock)
    zone = settings.multizone.zone.name

    # What is true: the store, and the view that everything else reads.
    live = LiveView(store)
    changes = KeyedChanges(live)
    resources = ResourceManager(store, live, registry, settings, clock)

    # From the view to snapshots: plans of connected proxies, kept up to date.
    planner = ZonePlanner(zone, registry, policy_plugins(), planner_settings(settings), read_file=read_file)
    kds = settings.multizone.zone.kds
    rollouts = RolloutLedger(clock, kept=kds.reports_kept, pause=kds.report_interval)
    resolved = ResolvedView(live, clock, ttl=general.dns_cache_ttl)
    told = ProxyMetrics(metrics, clock)
    reconciler = Reconciler(resolved, planner, clock, on_step=rollouts.stepped, metrics=told)

    # Proxies: who they are, their resources, what is known about them; and the port at which they connect.
    authenticator = Authenticator(settings, live, clock)
    xds, dp = settings.xds_server, settings.dp_server
    place, gone = place_of(settings), xds.dataplane_deregistration_delay
    registration = Registration(store, live, registry, place.locality, authenticator, clock, instance, gone)
    kept = settings.metrics.dataplane.subscription_limit
    insights = Insights(store, live, registry, clock, instance, xds.dataplane_status_flush_interval, kept=kept)
    lifecycle = ProxyLifecycle(registration, reconciler, insights, rollouts, metrics=told, clock=clock)
    dp_pair = ReloadedPair(server_files(dp.tls_cert_file, dp.tls_key_file, tls))
    hds = HealthDiscovery(store, live, changes, health_settings(settings), authenticator, clock=clock, metrics=metrics)
    replicas = Replicas(
        settings, instance, led, live, clock, is_cut_off=lambda: store.outage is not None, metrics=metrics
    )
    ads = AdsServer(
        lifecycle.attach,
        instance,
        holdings=replicas.holdings,
        nack_backoff=xds.nack_backoff,
        patience=dp.read_header_timeout,
    )
    dp_server = DpServer(
        dp_server_settings(settings),
        dp_pair,
        streams=[told.counted(one) for one in (ads, hds) if one is ads or dp.hds.enabled],
        http=bootstrap_application(settings, live, registry, dp_pair, told.requests.middleware()),
    )

    # What users see.
    admin = EnvoyAdmin(
        live,
        clock,
        settings.bootstrap_server.params.admin_port,
        timeout=kds.admin_timeout,
        witness_timeout=kds.witness_timeout,
    )
    store_status = StoreStatus(settings.store.type, store, live)
    for collector in (ZoneCollector(lifecycle, reconciler, live), store_status, replicas):
        metrics.register(collector)
    observe_plane(metrics, settings, live, registry, instance, leads=lambda: led.lease is not None)
    endpoints = [
        store_status.endpoint(),
        replicas.endpoint(),
        *LiveProxies(settings, live, admin.ask, failed=500).endpoints(),
    ]

    # The way to the global, if there is one.
    client = None
    if settings.is_federated:
        client = KdsClient(
            settings,
            led,
            live,
            registry,
            clock,
            instance=instance,
            admin=admin.answer,
            on_stored=rollouts.stored,
            observer=SyncMetrics(metrics, clock),
        )
        sync = SyncStatus(client, live, zone)
        endpoints.append(sync.endpoint())
        metrics.register(sync)
        metrics.register(StreamsCollector())
    api = ApiServer(
        ApiContext(
            settings,
            registry,
            live,
            resources,
            clock,
            instance,
            tls=tls,
            extra=tuple(endpoints),
            configure=Preview(reconciler).configuration,
            ready=live.ready.is_set,
            metrics=metrics,
        )
    )

    singletons = zone_singletons(settings, led, live, clock, metrics=metrics)
    singletons["catalogue of replicas"] = replicas.lead
    if client is not None:
        singletons["kds client"] = client.run
        singletons["rollout reports"] = partial(rollouts.run, client.report)
    leadership = Leadership(settings, led, clock, supervisor, instance, singletons)

    await store.open()
    try:
        # Ended in reverse order: first what talks to others, last what the rest reads.
        supervisor.start("live view", live.run)
        supervisor.start("keyed changes", changes.run)
        supervisor.start("leadership", leadership.run)
        supervisor.start("addresses of zone proxies", resolved.run)
        supervisor.start("reconciler", reconciler.run)
        supervisor.start("certificate renewal", reconciler.run_renewals)
        supervisor.start("proxy status", insights.run)
        for name, component in replicas.components(admin.answer, live.ready).items():
            supervisor.start(name, component)
        supervisor.start(DP_SERVER, dp_server.run, restart=Restart.NEVER)
        supervisor.start("api", api.run, restart=Restart.NEVER)
        supervisor.start("mads", MonitoringServer(settings, live, reconciler, clock, tls=tls, metrics=metrics).run)
        await supervisor.run_until_failure()
    finally:
        live.ready.clear()  # What follows may take a while, and nobody should be sent here any more.
        await lifecycle.close()
        # That proxies left is written while the view still follows the store: a write waits until it shows there.
        await supervisor.stop(DP_SERVER)
        await insights.flush()
        await supervisor.close()
        await store.close()
