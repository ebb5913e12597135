"""Direct access: instances of services by their own addresses, where redirection hands such connections over."""

from __future__ import annotations

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import ORIGINAL_DST, Cluster
from ursa.ir.listener import OUTBOUND, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.tls import SanMatcher
from ursa.planner import names
from ursa.planner.blocks import mesh_client_tls, tcp_chain
from ursa.planner.inputs import OutboundInputs


def plan_direct_access(plan: ProxyPlan, inputs: OutboundInputs) -> None:
    """Adds a listener per address and one cluster for all of them; any identity of the mesh may answer."""
    if not inputs.direct:
        return
    mesh = inputs.mesh
    cluster = Cluster(names.DIRECT_ACCESS, ORIGINAL_DST, origins.DIRECT_ACCESS, cluster_provided=True)
    if mesh.mtls:
        cluster.tls = mesh_client_tls(
            mesh.name, "", (SanMatcher(f"spiffe://{mesh.name}/", prefix=True),), inputs.scheme
        )
        plan.identities.add(mesh.name)
        plan.authorities.add(mesh.name)
    plan.add(cluster)
    for address, port in inputs.direct:
        name = names.direct_access_listener(address, port)
        chain = tcp_chain(stat_safe(name), names.DIRECT_ACCESS)
        where = SocketAddress(address, port)
        plan.add(Listener(name, where, origins.DIRECT_ACCESS, [chain], direction=OUTBOUND, bind=False))
