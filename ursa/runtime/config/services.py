"""Names, virtual addresses, policies and what a new mesh brings along.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from typing import Literal

from ursa.runtime.config.setting import FOLLOWED, Duration, Group, StrList, group, setting


class DnsServer(Group):
    """Settings below `dnsServer`."""

    domain: str = setting("mesh", env="DNS_SERVER_DOMAIN", doc="suffix of <service>.mesh")
    cidr: str = setting("240.0.0.0/4", env="DNS_SERVER_CIDR", doc="VIP range of tag-based services", key="CIDR")
    service_vip_enabled: bool = setting(True, env="DNS_SERVER_SERVICE_VIP_ENABLED")
    service_vip_port: int = setting(
        80,
        env="DNS_SERVER_SERVICE_VIP_PORT",
        doc="port of the virtual address of a tag-based service",
        also="DNS_SERVICE_SERVICE_VIP_PORT",
    )


class Policies(Group):
    """Settings below `policies`."""

    plugin_policies_enabled: StrList = setting(
        (
            "meshaccesslogs",
            "meshcircuitbreakers",
            "meshfaultinjections",
            "meshhealthchecks",
            "meshhttproutes",
            "meshloadbalancingstrategies",
            "meshmetrics",
            "meshpassthroughs",
            "meshproxypatches",
            "meshratelimits",
            "meshretries",
            "meshtcproutes",
            "meshtimeouts",
            "meshtlses",
            "meshtraces",
            "meshtrafficpermissions",
        ),
        env="PLUGIN_POLICIES_ENABLED",
    )


class CoreResourcesStatus(Group):
    """Settings below `coreResources.status`."""

    mesh_multi_zone_service_interval: Duration = setting(
        5.0, env="CORE_RESOURCES_STATUS_MESH_MULTI_ZONE_SERVICE_INTERVAL", inert=FOLLOWED
    )
    mesh_service_interval: Duration = setting(5.0, env="CORE_RESOURCES_STATUS_MESH_SERVICE_INTERVAL", inert=FOLLOWED)
    mesh_identity_interval: Duration = setting(5.0, env="CORE_RESOURCES_STATUS_MESH_IDENTITY_INTERVAL")
    workload_interval: Duration = setting(5.0, env="CORE_RESOURCES_STATUS_WORKLOAD_INTERVAL")


class CoreResources(Group):
    """Settings below `coreResources`."""

    enabled: StrList = setting(
        (
            "hostnamegenerators",
            "meshexternalservices",
            "meshidentities",
            "meshmultizoneservices",
            "meshservices",
            "meshtrusts",
            "workloads",
        ),
        env="CORE_RESOURCES_ENABLED",
    )
    status: CoreResourcesStatus = group(CoreResourcesStatus)


class IpamMeshService(Group):
    """Settings below `ipam.meshService`."""

    cidr: str = setting("241.0.0.0/8", env="IPAM_MESH_SERVICE_CIDR")


class IpamMeshExternalService(Group):
    """Settings below `ipam.meshExternalService`."""

    cidr: str = setting("242.0.0.0/8", env="IPAM_MESH_EXTERNAL_SERVICE_CIDR")


class IpamMeshMultiZoneService(Group):
    """Settings below `ipam.meshMultiZoneService`."""

    cidr: str = setting("243.0.0.0/8", env="IPAM_MESH_MULTI_ZONE_SERVICE_CIDR")


class Ipam(Group):
    """Settings below `ipam`."""

    mesh_service: IpamMeshService = group(IpamMeshService)
    mesh_external_service: IpamMeshExternalService = group(IpamMeshExternalService)
    mesh_multi_zone_service: IpamMeshMultiZoneService = group(IpamMeshMultiZoneService)
    allocation_interval: Duration = setting(5.0, env="IPAM_ALLOCATION_INTERVAL", inert=FOLLOWED)
    known_internal_cidrs: StrList = setting(
        ("10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "fc00::/7", "fd00::/8", "127.0.0.1/32", "::1/128"),
        env="IPAM_KNOWN_INTERNAL_CIDRS",
        doc="sources treated as internal by Envoy",
        key="knownInternalCIDRs",
    )


class MeshService(Group):
    """Settings below `meshService`."""

    generation_interval: Duration = setting(2.0, env="MESH_SERVICE_GENERATION_INTERVAL", inert=FOLLOWED)
    deletion_grace_period: Duration = setting(
        3600.0,
        env="MESH_SERVICE_DELETION_GRACE_PERIOD",
        doc="wait before a generated MeshService without proxies is deleted",
    )


class Defaults(Group):
    """Settings below `defaults`."""

    skip_mesh_creation: bool = setting(False, env="DEFAULTS_SKIP_MESH_CREATION", doc="do not create Mesh default")
    skip_tenant_resources: bool = setting(
        False,
        env="DEFAULTS_SKIP_TENANT_RESOURCES",
        doc="run none of the start-up defaults (mesh, zone, signing keys, hostname generators, envoy admin CA)",
    )
    create_mesh_routing_resources: bool = setting(
        False,
        env="DEFAULTS_CREATE_MESH_ROUTING_RESOURCES",
        doc="add the legacy TrafficPermission and TrafficRoute to each new mesh",
    )
    generation: Literal["targetRef", "legacy"] = setting(
        "targetRef",
        env="DEFAULTS_GENERATION",
        doc="ours: policies of a new mesh; targetRef as in Kuma 2.13, legacy as in Kuma 2.2 (source/destination)",
    )
    skip_hostname_generators: bool = setting(
        False,
        env="DEFAULTS_SKIP_HOSTNAME_GENERATORS",
        doc="do not create the default HostnameGenerators",
        key="SkipHostnameGenerators",
    )
