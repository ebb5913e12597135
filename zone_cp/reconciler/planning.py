"""From a proxy's resource to the parts of its snapshot; parts whose inputs did not change stay the same objects."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.identity.certificates import workload_request
from ursa.ir.plan import EdsReference
from ursa.model.dataplane import parse_dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.planner.external_outbounds import EGRESS_SERVICE
from ursa.planner.gateway_inputs import GatewayInputs
from ursa.planner.inputs import (
    AdminInputs,
    InboundInputs,
    OutboundInputs,
    ZoneProxyInputs,
)
from ursa.planner.memo import Memo
from ursa.planner.names import OLD, UNIFIED
from ursa.planner.zone import ZonePlanner
from ursa.runtime.clock import Clock
from ursa.view.view import View
from zone_cp.proxy_metrics import ProxyMetrics
from zone_cp.reconciler.admin_tls import AdminTls
from zone_cp.reconciler.assignments import Assignments
from zone_cp.reconciler.authorities import Authorities, Identity, MeshAuthority
from zone_cp.reconciler.patching import Patching
from zone_cp.reconciler.proxy import OwnInputs, Proxy
from zone_cp.reconciler.render import Rendered, render
from zone_cp.reconciler.shares import Share, Shares

CLASSES = 4096
"""Outbound halves remembered; a class whose half was dropped is planned again, nothing worse."""


class Planning:
    """Plans proxies one by one and shares what they have in common."""

    def __init__(self, planner: ZonePlanner, clock: Clock, metrics: ProxyMetrics | None = None) -> None:
        self._planner = planner
        self.assignments = Assignments(planner.assignment)
        self.authorities = Authorities(clock, metrics or ProxyMetrics.unseen(clock))
        self._admin = AdminTls(clock)
        self.own_planned = 0
        """How many own halves had to be made so far."""
        self._shares = Shares(planner.plan_way)
        self._patching = Patching()
        self._classes: Memo[OutboundInputs | GatewayInputs, Rendered] = Memo(self._plan_class, size=CLASSES)

    @property
    def classes_planned(self) -> int:
        """How many outbound halves had to be made so far."""
        return self._classes.misses

    @property
    def ways_planned(self) -> int:
        """How many ways from zone proxies to destinations had to be made so far."""
        return self._shares.made

    def plan(self, proxy: Proxy, resource: Resource, view: View, *, shadow: bool = False) -> bool:
        """Brings the parts of a proxy up to date.

        Args:
            proxy: what to bring up to date.
            resource: its Dataplane, ZoneIngress or ZoneEgress.
            view: the newest view.
            shadow: whether policies with the shadow effect count.

        Returns:
            Whether a part is another one than before.

        Raises:
            UrsaError: it cannot be planned; its parts are as they were.
        """
        before, halves = proxy.parts, proxy.halves
        if resource.kind == "Dataplane":
            gateway = parse_dataplane(resource).builtin_gateway
            inputs_of = self._planner.gateway_inputs if gateway else self._planner.sidecar_inputs
            inputs = inputs_of(resource, proxy.facts, shadow=shadow)
            if inputs is None:
                return False
            own_inputs = (inputs[0], self._admin_inputs(proxy, inputs[0], view))
            own, outbound = self._plan_own(proxy, own_inputs), self._classes(inputs[1])
            patches = self._planner.patches(resource, shadow=shadow)
            proxy.patched = () if patches is None else self._patching.both(outbound, own, patches)
            proxy.outbound = outbound
            self._take_own(proxy, own_inputs, own)
        else:
            zone_inputs = self._planner.zone_proxy_inputs(resource, proxy.facts)
            shares = [self._shares.of(share) for share in zone_inputs.shares]
            zone_own_inputs = (zone_inputs, self._admin_inputs(proxy, zone_inputs, view))
            own = self._plan_own(proxy, zone_own_inputs, shares)
            proxy.shares = tuple(shares)
            self._take_own(proxy, zone_own_inputs, own)
        if proxy.assignments is None or proxy.halves != halves:
            self._plan_endpoints(proxy)
        self._plan_secrets(proxy, resource)
        return proxy.parts != before

    def release(self, proxy: Proxy) -> None:
        """Gives back what a proxy holds of what is shared."""
        if proxy.assignments is not None:
            self.assignments.release(proxy.assignments)
            proxy.assignments = None
        for identity in proxy.identities.values():
            self.authorities.release(identity)
        proxy.identities = {}
        if proxy.own_inputs is not None:
            self._admin.forget(_addresses(proxy.own_inputs[0]))

    def _plan_class(self, inputs: OutboundInputs | GatewayInputs) -> Rendered:
        if isinstance(inputs, GatewayInputs):
            return render(self._planner.plan_gateway(inputs))
        return render(self._planner.plan_outbound(inputs))

    def _plan_own(self, proxy: Proxy, inputs: OwnInputs, shares: Sequence[Share] = ()) -> Rendered:
        """The own half for these inputs; the one the proxy has when they did not change."""
        if proxy.own is not None and proxy.own_inputs == inputs:
            return proxy.own
        self.own_planned += 1
        plan, admin = inputs
        if isinstance(plan, InboundInputs):
            return render(self._planner.plan_own(plan, admin))
        chains = [chain for share in shares for chain in share.chains]
        return render(self._planner.plan_zone_proxy(plan, admin), chains)

    def _take_own(self, proxy: Proxy, inputs: OwnInputs, own: Rendered) -> None:
        if proxy.own_inputs is not None and _addresses(proxy.own_inputs[0]) != _addresses(inputs[0]):
            self._admin.forget(_addresses(proxy.own_inputs[0]))
        proxy.own_inputs, proxy.own = inputs, own

    def _admin_inputs(self, proxy: Proxy, own: InboundInputs | ZoneProxyInputs, view: View) -> AdminInputs:
        if isinstance(own, InboundInputs):
            address, scheme = own.dataplane.address, own.scheme
        else:
            address, scheme = own.address, own.scheme
        return AdminInputs(proxy.facts, address, self._admin.server(view, _addresses(own)), scheme)

    def _plan_endpoints(self, proxy: Proxy) -> None:
        wanted: dict[str, EdsReference] = {}
        for half in proxy.halves:
            wanted |= half.endpoints
        previous = proxy.assignments
        if previous is not None and previous.clusters == wanted.items():
            return
        proxy.assignments = self.assignments.acquire(wanted)
        if previous is not None:
            self.assignments.release(previous)

    def _plan_secrets(self, proxy: Proxy, resource: Resource) -> None:
        scheme = UNIFIED if any(half.unified for half in proxy.halves) else OLD
        trusted = {mesh for half in proxy.halves for mesh in half.authorities}
        authorities = [found for mesh in sorted(trusted) if (found := self._authority(mesh)) is not None]
        proxy.authorities = tuple(authority.validation[scheme] for authority in authorities)
        if any(half.trusts_all for half in proxy.halves):
            every = [found for mesh in sorted(self._planner.meshes) if (found := self._authority(mesh)) is not None]
            proxy.authorities += (self.authorities.together(every, scheme),)
        identities: dict[str, Identity] = {}
        for mesh in sorted({mesh for half in proxy.halves for mesh in half.identities}):
            if (authority := self._authority(mesh)) is not None:
                request = workload_request(mesh, _identity_tags(resource), authority.backend.expiration)
                identities[mesh] = self.authorities.acquire(authority, request, scheme)
        for identity in proxy.identities.values():
            self.authorities.release(identity)
        proxy.identities = identities

    def _authority(self, mesh: str) -> MeshAuthority | None:
        state = self._planner.mesh(mesh)
        return None if state is None else self.authorities.of(state.mesh)


def _addresses(own: InboundInputs | ZoneProxyInputs) -> tuple[str, ...]:
    """Addresses at which others reach a proxy's admin listener."""
    if isinstance(own, InboundInputs):
        return tuple(one for one in (own.dataplane.address, own.dataplane.advertised_address) if one)
    return (own.address,) if own.address else ()


def _identity_tags(resource: Resource) -> list[tuple[str, Sequence[str]]]:
    """As what a proxy proves who it is."""
    if resource.kind == "Dataplane":
        return list(parse_dataplane(resource).all_tags.items())
    return [(SERVICE_TAG, (EGRESS_SERVICE,))]
