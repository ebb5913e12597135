"""Everything that a plan may depend on, as comparable values: these are the keys under which plans are remembered.

A generator gets one of these and nothing else. What is not in here cannot influence a plan, and what is in here makes
two proxies different.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

from ursa.ir.cluster import Endpoint
from ursa.ir.plan import Reach
from ursa.ir.tls import DownstreamTls, TlsMatch, TlsParams
from ursa.model.dataplane import Dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.mesh import Mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.planner.names import OLD, Scheme
from ursa.policies.core.place import NOWHERE, Place
from ursa.policies.core.policy import Policy
from ursa.policies.core.speaker import Speaker
from ursa.policies.core.tracers import Collector, Tracer
from ursa.policies.legacy.inbounds import InboundPolicies
from ursa.policies.legacy.matching import ConnectionPolicy
from ursa.policies.legacy.outbounds import NO_POLICIES, OutboundPolicies
from ursa.topology.external_services import ExternalService

Pairs = tuple[tuple[str, str], ...]

FEATURE_BIND_OUTBOUNDS = "feature-bind-outbounds"
FEATURE_EMBEDDED_DNS = "feature-embedded-dns"
FEATURE_READINESS_UNIX_SOCKET = "feature-readiness-unix-socket"
FEATURE_REUSE_PORT = "feature-reuse-port"
FEATURE_STRICT_INBOUND_PORTS = "feature-strict-inbound-ports"
FEATURE_UNIFIED_NAMING = "feature-unified-resource-naming"
FEATURE_TPROXY_IN_METADATA = "feature-transparent-proxy-in-dataplane-metadata"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the control plane's configuration says about all proxies.

    Attributes:
        internal_cidrs: ranges that count as internal for HTTP, (address, bits).
        vip_domain: domain of the names of tag services.
        vip_port: port at which outbounds of tag services listen on virtual addresses.
        system_namespace: where this control plane lives, empty outside of Kubernetes.
        auto_reachable: whether proxies that do not say what they need get what permissions let them in to.
    """

    internal_cidrs: tuple[tuple[str, int], ...] = ()
    vip_domain: str = "mesh"
    vip_port: int = 80
    system_namespace: str = ""
    auto_reachable: bool = False


@dataclass(frozen=True, slots=True)
class Redirection:
    """Transparent proxying of one proxy; a port is 0 when that direction is not redirected."""

    inbound_port: int
    outbound_port: int
    dns: bool
    ipv6: bool


@dataclass(frozen=True, slots=True)
class ProxyFacts:
    """What an Envoy said about itself when it connected.

    Attributes:
        admin_port: 0 when there is no admin interface.
        admin_address: where it listens, empty for 127.0.0.1.
        workdir: folder of the Unix sockets it shares with its launcher.
        system_ca: path of its system's CAs, empty when there are none.
        metrics_cert, metrics_key: paths of what it shows to those who read metrics, empty when there is none.
        ipv6: whether it may use IPv6.
        redirection: from the metadata; None when the Dataplane says it or there is none.
    """

    name: str
    features: frozenset[str] = frozenset()
    admin_port: int = 0
    admin_address: str = ""
    readiness_port: int = 0
    dns_port: int = 0
    workdir: str = ""
    system_ca: str = ""
    metrics_cert: str = ""
    metrics_key: str = ""
    ipv6: bool = True
    redirection: Redirection | None = None

    def has(self, feature: str) -> bool:
        """Whether the launcher announced a feature."""
        return feature in self.features


@dataclass(frozen=True, slots=True)
class AdminInputs:
    """Inputs of the admin resources, for every sort of proxy; `tls` serves remote administration."""

    facts: ProxyFacts
    address: str
    tls: DownstreamTls | None
    scheme: Scheme = OLD


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The policies for connections that no outbound takes: MeshAccessLogs, and the TrafficLog that counts."""

    policies: tuple[Policy, ...] = ()
    legacy: ConnectionPolicy | None = None


NO_PASS_THROUGH = PassThrough()


@dataclass(frozen=True, slots=True)
class InboundInputs:
    """Inputs of the own half of a sidecar.

    Attributes:
        policies: per plugin, in their order, per inbound: the policies that select it.
        legacy: per inbound the source/destination policies that count there.
        pass_through: policies for connections that redirection hands over and no outbound takes.
        metrics: what MeshMetrics say.
        dns_table: what the launcher is told of names, where this half tells it.
        passthrough: MeshPassthroughs that select the proxy.
        tracer: how requests are traced.
        span_collectors: all that policies name, whether they are used or not.
    """

    settings: Settings
    mesh: Mesh
    dataplane: Dataplane
    facts: ProxyFacts
    redirection: Redirection | None
    policies: tuple[tuple[tuple[Policy, ...], ...], ...]
    legacy: tuple[InboundPolicies, ...]
    scheme: Scheme = OLD
    pass_through: PassThrough = NO_PASS_THROUGH
    metrics: JsonObject | None = None
    dns_table: str = ""
    passthrough: tuple[Policy, ...] = ()
    tracer: Tracer | None = None
    span_collectors: tuple[Collector, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboundSpec:
    """One outbound: where it listens, where it leads, and what is known of the destination.

    Attributes:
        protocol: of the service.
        tls: whether the service's instances accept mesh TLS.
        hostnames: names that lead to it by DNS.
        legacy: the source/destination policies that count, in a mesh that routes by TrafficRoutes.
    """

    address: str
    port: int
    tags: Pairs
    protocol: str
    tls: bool
    hostnames: tuple[str, ...] = ()
    legacy: OutboundPolicies = NO_POLICIES

    @property
    def service(self) -> str:
        """The service it leads to."""
        return dict(self.tags)[SERVICE_TAG]


@dataclass(frozen=True, slots=True)
class ExternalOutbound:
    """A service outside of the mesh as a sidecar reaches it.

    Attributes:
        instances: its servers with their endpoints; none when the zone's egresses lead to them.
        ipv6: whether host names may be resolved to IPv6 addresses.
    """

    service: str
    instances: tuple[tuple[ExternalService, Endpoint], ...] = ()
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class RealOutbound:
    """One outbound to a port of a real service; `section` is how the port is referred to."""

    address: str
    port: int
    service: RealService
    of: ServicePort
    section: str
    hostnames: tuple[str, ...] = ()

    def __hash__(self) -> int:
        # Enough to tell outbounds apart; there may be thousands, and they are hashed for every proxy.
        return hash((self.address, self.port))


@dataclass(frozen=True, slots=True)
class TagService:
    """What is known of a tag service that routes lead to; `tls` tells whether its instances accept mesh TLS."""

    service: str
    protocol: str
    tls: bool


@dataclass(frozen=True, slots=True)
class MeshRoutes:
    """The routes that select a proxy, weakest first, and what they lead to.

    Attributes:
        http: MeshHTTPRoutes.
        tcp: MeshTCPRoutes.
    """

    http: tuple[Policy, ...] = ()
    tcp: tuple[Policy, ...] = ()
    services: tuple[RealService, ...] = ()
    tags: tuple[TagService, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.http or self.tcp)


NO_ROUTES = MeshRoutes()


@dataclass(frozen=True, slots=True)
class DnsInputs:
    """How a proxy answers names: its DNS listener's port, or the socket at which its launcher asks for the table."""

    embedded: bool
    port: int
    workdir: str
    ipv6: bool


@dataclass(frozen=True, slots=True)
class OutboundInputs:
    """Inputs of the outbound half, shared by a class of proxies.

    Attributes:
        outbounds: those to tag services.
        real: those to real services.
        routes: where they lead.
        egress: whether the zone has an egress.
        scheme: of the names of resources.
        legacy: whether TrafficRoutes decide where the outbounds lead.
        policies: per plugin, in their order: the policies that speak about destinations.
        source_tags: value of the header that tells the source's tags, empty when nothing says them.
        tell_source: whether requests carry that header.
        tls_params: versions and ciphers of mesh TLS.
        speaker: the proxy itself, where it writes down what passes: then it shares its plan with none.
        collectors: those that the own half has clusters for.
        pass_through: policies for what is reached directly.
        tracer: how requests are traced.
        bind: False when transparent proxying hands connections over.
        direct: addresses that may be reached directly, (address, port).
        external: services outside of the mesh that the outbounds may lead to.
        place: where the proxies are.
    """

    settings: Settings
    mesh: Mesh
    ipv6: bool
    outbounds: tuple[OutboundSpec, ...]
    policies: tuple[tuple[Policy, ...], ...]
    real: tuple[RealOutbound, ...] = ()
    routes: MeshRoutes = NO_ROUTES
    egress: bool = False
    scheme: Scheme = OLD
    legacy: bool = False
    source_tags: str = ""
    tell_source: bool = False
    tls_params: TlsParams | None = None
    speaker: Speaker | None = None
    collectors: tuple[str, ...] = ()
    tracer: Tracer | None = None
    pass_through: PassThrough = NO_PASS_THROUGH
    bind: bool = True
    dns: DnsInputs | None = None
    direct: tuple[tuple[str, int], ...] = ()
    external: tuple[ExternalOutbound, ...] = ()
    place: Place = NOWHERE

    def __hash__(self) -> int:
        # Enough to tell classes apart nearly always, and little, because it is asked for every proxy.
        outbounds = tuple(map(_PLACE, self.outbounds))
        return hash(
            (self.mesh.name, outbounds, self.policies, self.source_tags, self.real[:1], len(self.real), self.speaker)
        )


_PLACE = attrgetter("address", "port", "tags", "protocol", "tls")


@dataclass(frozen=True, slots=True)
class PassedDestination:
    """A destination in the mesh behind a zone proxy, which does not touch the TLS of the connections to it.

    Attributes:
        cluster: name of its cluster.
        service: under which name its endpoints are known.
        snis: lead to it; tags that narrow one down where they divide the endpoints.
    """

    cluster: str
    service: str
    snis: tuple[tuple[str, Pairs], ...]


@dataclass(frozen=True, slots=True)
class ExternalDestination:
    """A service outside of the mesh behind an egress.

    Attributes:
        label: its name in routes and statistics.
        chain: name of its filter chains.
        routes: name of its route configuration.
        snis: lead to it; tags that narrow one down.
        real: identifier of the MeshExternalService, empty for ExternalServices.
        service: the ExternalServices' own, empty for MeshExternalServices.
        older: the source/destination policies that count for ExternalServices.
        policies: per ExternalService, per plugin: the policies that select it.
    """

    cluster: str
    label: str
    chain: str
    routes: str
    snis: tuple[tuple[str, Pairs], ...]
    protocol: str
    endpoints: tuple[Endpoint, ...]
    tls: tuple[TlsMatch, ...] = ()
    real: str = ""
    service: str = ""
    older: InboundPolicies = field(default_factory=InboundPolicies)
    policies: tuple[tuple[tuple[Policy, ...], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Passing:
    """What every `PassedDestination` of a mesh depends on.

    Attributes:
        reach: which instances are meant.
        zone: that of the proxy.
        policies: per plugin: those for all clients that speak about destinations.
    """

    mesh: str
    origin: str
    reach: Reach
    zone: str = ""
    policies: tuple[tuple[Policy, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """What every `ExternalDestination` of a mesh depends on.

    Attributes:
        mesh: name of the mesh.
        forbidden: whether nobody may use its MeshExternalServices.
        settings: the control plane's.
        scheme: of the names of resources.
        listener: name of the egress' listener.
        zone: that of the egress.
        ipv6: whether the egress' Envoy may use IPv6.
        resolve_ipv6: whether host names are resolved to IPv6 addresses, too.
        policies: per plugin: policies that speak about all MeshExternalServices.
    """

    mesh: str
    forbidden: bool
    settings: Settings
    scheme: Scheme
    listener: str
    zone: str
    ipv6: bool
    resolve_ipv6: bool
    policies: tuple[tuple[Policy, ...], ...]


ShareContext = Passing | Leaving
Destination = PassedDestination | ExternalDestination


@dataclass(frozen=True, slots=True)
class MeshShare:
    """What one mesh contributes to a zone proxy: destinations of one sort, in order of their chains."""

    context: ShareContext
    destinations: tuple[Destination, ...]


@dataclass(frozen=True, slots=True)
class ZoneProxyInputs:
    """Inputs of an ingress' or egress' plan.

    Attributes:
        listener: name of its listener.
        scheme: of the names of resources.
        shares: of the meshes, by name; what is in a mesh comes before what is outside of it.
    """

    facts: ProxyFacts
    address: str
    port: int
    zone: str
    name: str
    origin: str
    listener: str
    scheme: Scheme
    shares: tuple[MeshShare, ...] = ()
