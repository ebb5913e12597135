"""The composition root of a global control plane: makes every part, connects them, runs them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from global_cp.absence import ZoneAbsence
from global_cp.drain_api import DrainApi
from global_cp.draining import ZoneDraining
from global_cp.elsewhere import ZONE_DRAIN, ZONE_SYNC, Elsewhere
from global_cp.kds_port import KdsPort
from global_cp.leadership import Leadership
from global_cp.metrics import ZonesCollector
from global_cp.presence import Presence
from global_cp.proxies import ForwardedProxies
from global_cp.rollout_api import RolloutApi
from global_cp.rollouts import Rollouts
from global_cp.zone_sync import ZoneSync
from global_cp.zone_tokens import zone_authenticator
from global_cp.zones import Zones
from kds.admin_api import LiveProxies
from kds.downward import Downward, has_identity
from kds.metrics import StreamsCollector, SyncMetrics
from kds.publisher import Publisher
from kds.replicas.replicas import Replicas
from kds.rollout_report import REPORT
from kds.server import KdsServer, Parts
from kds.tuning import global_tuning
from kds.tunnel import AdminTunnel
from ursa.admission.manager import ResourceManager
from ursa.api.context import ApiContext
from ursa.api.plane_metrics import observe_plane
from ursa.api.server import ApiServer
from ursa.api.store_status import StoreStatus
from ursa.catalog import default_registry
from ursa.model.shape import Shapes
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings
from ursa.runtime.grpc_counts import GrpcCounts
from ursa.runtime.process import new_instance_id, run_until_signal
from ursa.runtime.tasks import Backoff, Restart, Supervisor
from ursa.runtime.tls import general_files
from ursa.store.engines import open_guarded_store
from ursa.store.led import LedStore
from ursa.view.live import LiveView


def run(settings: Settings) -> None:
    """Runs a global control plane until SIGTERM or SIGINT."""
    run_until_signal(lambda: serve(settings))


async def serve(settings: Settings) -> None:
    """Runs a global control plane until cancelled."""
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

    # What is true: the store, and the view that everything else reads.
    live = LiveView(store)
    resources = ResourceManager(store, live, registry, settings, clock)

    # What zones get, who they are, and how their proxies are asked.
    skipped = settings.multizone.global_.kds.labels.skip_prefixes
    anonymous = settings.defaults.skip_tenant_resources
    observer = SyncMetrics(metrics, clock)
    publisher = Publisher(
        live,
        Downward(registry, skipped),
        complete=lambda view: anonymous or has_identity(view),
        observer=observer,
    )
    authenticate = zone_authenticator(settings, live, clock)
    replicas = Replicas(
        settings, instance, led, live, clock, is_cut_off=lambda: store.outage is not None, metrics=metrics
    )
    zones = Zones(
        settings,
        store,
        live,
        registry,
        clock,
        instance=instance,
        holdings=replicas.holdings,
        authenticate=authenticate,
    )
    tunnel = AdminTunnel(clock, timeout=settings.multizone.global_.kds.admin_timeout)
    server = KdsServer(
        Parts(store, live, registry, clock, publisher, zones, tunnel, observer, GrpcCounts(metrics, clock)),
        instance=instance,
        tuning=global_tuning(settings),
    )

    # What users see.
    store_status = StoreStatus(settings.store.type, store, live)
    metrics.register(store_status)
    observe_plane(metrics, settings, live, registry, instance, leads=lambda: led.lease is not None)
    metrics.register(StreamsCollector(zones.versions))
    patience = settings.inter_cp.client.ping_timeout
    elsewhere = Elsewhere(live, replicas.peers, clock, instance=instance, patience=patience)
    stalled = settings.multizone.global_.zone_stalled_after
    sync = ZoneSync(zones, live, publisher, clock, elsewhere, instance=instance, stalled=stalled)
    metrics.register(ZonesCollector(zones, sync, live))
    limits = settings.multizone.global_.rollouts
    rollouts = Rollouts(live, registry, zones, publisher, clock, kept=limits.kept)
    rollouts.observe(metrics)
    metrics.register(replicas)
    proof = RolloutApi(rollouts, live, clock, elsewhere, settings=limits)
    drains = DrainApi(settings, store, live, zones, clock, elsewhere)
    questions = {REPORT: proof.answer, ZONE_SYNC: sync.answer, ZONE_DRAIN: drains.answer}
    forwarded = ForwardedProxies(tunnel, live, replicas.peers, instance, questions=questions)
    proxies = LiveProxies(settings, live, forwarded.ask, failed=400)
    api = ApiServer(
        ApiContext(
            settings,
            registry,
            live,
            resources,
            clock,
            instance,
            tls=tls,
            extra=(
                store_status.endpoint(),
                replicas.endpoint(),
                *sync.endpoints(),
                *proof.endpoints(),
                *drains.endpoints(),
                *proxies.endpoints(),
            ),
            zone_status=lambda zone: sync.state(zone).status.value,
            ready=publisher.ready.is_set,
            metrics=metrics,
        )
    )

    presence = Presence(
        led, live, clock, registry["ZoneInsight"], instance, ttl=settings.inter_cp.lease.presence, metrics=metrics
    )
    absence = ZoneAbsence(settings, led, live, forwarded, clock, metrics=metrics)
    draining = ZoneDraining(settings, led, live, clock)
    duties = [absence.run, draining.run, replicas.lead]
    leadership = Leadership(settings, led, clock, presence, instance, duties)

    await store.open()
    try:
        # Ended in reverse order: first what talks to others, last what the rest reads.
        supervisor.start("live view", live.run)
        supervisor.start("leadership", leadership.run)
        supervisor.start("kds publisher", publisher.run)
        supervisor.start("zones of other replicas", zones.follow_others)
        supervisor.start("rollouts", rollouts.run)
        for name, component in replicas.components(forwarded.answer, publisher.ready).items():
            supervisor.start(name, component)
        supervisor.start("kds server", KdsPort(settings, server, zones, tls).run, restart=Restart.NEVER)
        supervisor.start("api", api.run, restart=Restart.NEVER)
        await supervisor.run_until_failure()
    finally:
        await supervisor.close()
        await store.close()
