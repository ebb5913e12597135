"""What differs between Universal and Kubernetes, and switches for experiments.

Keys, variables and defaults are those of the Kuma 2.13 line unless a text says ours.
"""

from __future__ import annotations

from ursa.runtime.config.setting import FOLLOWED, Duration, Group, IntList, StrList, StrMap, group, setting


class RuntimeUniversalSpire(Group):
    """Settings below `runtime.universal.spire`."""

    socket_path: str = setting("/tmp/spire-agent/public/api.sock", env="RUNTIME_UNIVERSAL_SPIRE_SOCKET_PATH")


class RuntimeUniversalWorkload(Group):
    """Settings below `runtime.universal.workload`."""

    generation_interval: Duration = setting(2.0, env="RUNTIME_UNIVERSAL_WORKLOAD_GENERATION_INTERVAL")


class RuntimeUniversal(Group):
    """Settings below `runtime.universal`."""

    dataplane_cleanup_age: Duration = setting(
        259200.0, env="RUNTIME_UNIVERSAL_DATAPLANE_CLEANUP_AGE", doc="offline Dataplanes older than this are deleted"
    )
    zone_resource_cleanup_age: Duration = setting(
        259200.0, env="RUNTIME_UNIVERSAL_ZONE_RESOURCE_CLEANUP_AGE", doc="same for ZoneIngress / ZoneEgress"
    )
    vip_refresh_interval: Duration = setting(0.5, env="RUNTIME_UNIVERSAL_VIP_REFRESH_INTERVAL", inert=FOLLOWED)
    spire: RuntimeUniversalSpire = group(RuntimeUniversalSpire)
    workload: RuntimeUniversalWorkload = group(RuntimeUniversalWorkload)


class RuntimeKubernetesAdmissionServer(Group):
    """Settings below `runtime.kubernetes.admissionServer`."""

    address: str = setting("", env="RUNTIME_KUBERNETES_ADMISSION_SERVER_ADDRESS", doc="webhook server bind address")
    port: int = setting(5443, env="RUNTIME_KUBERNETES_ADMISSION_SERVER_PORT")
    cert_dir: str = setting(
        "",
        env="RUNTIME_KUBERNETES_ADMISSION_SERVER_CERT_DIR",
        doc="directory with tls.crt, tls.key; mandatory on Kubernetes",
    )


class RuntimeKubernetesInjectorSidecarContainerReadinessProbe(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.readinessProbe`."""

    initial_delay_seconds: int = setting(
        1, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_READINESS_PROBE_INITIAL_DELAY_SECONDS"
    )
    timeout_seconds: int = setting(
        3, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_READINESS_PROBE_TIMEOUT_SECONDS"
    )
    period_seconds: int = setting(5, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_READINESS_PROBE_PERIOD_SECONDS")
    success_threshold: int = setting(
        1, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_READINESS_PROBE_SUCCESS_THRESHOLD"
    )
    failure_threshold: int = setting(
        12, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_READINESS_PROBE_FAILURE_THRESHOLD"
    )


class RuntimeKubernetesInjectorSidecarContainerLivenessProbe(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.livenessProbe`."""

    initial_delay_seconds: int = setting(
        60, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_LIVENESS_PROBE_INITIAL_DELAY_SECONDS"
    )
    timeout_seconds: int = setting(
        3, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_LIVENESS_PROBE_TIMEOUT_SECONDS"
    )
    period_seconds: int = setting(5, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_LIVENESS_PROBE_PERIOD_SECONDS")
    failure_threshold: int = setting(
        12, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_LIVENESS_PROBE_FAILURE_THRESHOLD"
    )


class RuntimeKubernetesInjectorSidecarContainerStartupProbe(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.startupProbe`."""

    initial_delay_seconds: int = setting(
        1, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_STARTUP_PROBE_INITIAL_DELAY_SECONDS"
    )
    timeout_seconds: int = setting(3, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_STARTUP_PROBE_TIMEOUT_SECONDS")
    period_seconds: int = setting(5, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_STARTUP_PROBE_PERIOD_SECONDS")
    failure_threshold: int = setting(
        12, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_STARTUP_PROBE_FAILURE_THRESHOLD"
    )


class RuntimeKubernetesInjectorSidecarContainerResourcesRequests(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.resources.requests`."""

    cpu: str = setting("50m", env="INJECTOR_SIDECAR_CONTAINER_RESOURCES_REQUESTS_CPU")
    memory: str = setting("64Mi", env="INJECTOR_SIDECAR_CONTAINER_RESOURCES_REQUESTS_MEMORY")


class RuntimeKubernetesInjectorSidecarContainerResourcesLimits(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.resources.limits`."""

    cpu: str = setting("1000m", env="INJECTOR_SIDECAR_CONTAINER_RESOURCES_LIMITS_CPU")
    memory: str = setting("512Mi", env="INJECTOR_SIDECAR_CONTAINER_RESOURCES_LIMITS_MEMORY")


class RuntimeKubernetesInjectorSidecarContainerResources(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer.resources`."""

    requests: RuntimeKubernetesInjectorSidecarContainerResourcesRequests = group(
        RuntimeKubernetesInjectorSidecarContainerResourcesRequests
    )
    limits: RuntimeKubernetesInjectorSidecarContainerResourcesLimits = group(
        RuntimeKubernetesInjectorSidecarContainerResourcesLimits
    )


class RuntimeKubernetesInjectorSidecarContainer(Group):
    """Settings below `runtime.kubernetes.injector.sidecarContainer`."""

    image: str = setting("kuma/kuma-dp:latest", env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_IMAGE")
    uid: int = setting(5678, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_UID")
    gid: int = setting(5678, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_GUI", doc="group of the sidecar")
    admin_port: int = setting(0, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_ADMIN_PORT", doc="deprecated")
    drain_time: Duration = setting(30.0, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_DRAIN_TIME")
    readiness_probe: RuntimeKubernetesInjectorSidecarContainerReadinessProbe = group(
        RuntimeKubernetesInjectorSidecarContainerReadinessProbe
    )
    liveness_probe: RuntimeKubernetesInjectorSidecarContainerLivenessProbe = group(
        RuntimeKubernetesInjectorSidecarContainerLivenessProbe
    )
    startup_probe: RuntimeKubernetesInjectorSidecarContainerStartupProbe = group(
        RuntimeKubernetesInjectorSidecarContainerStartupProbe
    )
    resources: RuntimeKubernetesInjectorSidecarContainerResources = group(
        RuntimeKubernetesInjectorSidecarContainerResources
    )
    env_vars: StrMap = setting(
        {}, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_ENV_VARS", doc="extra variables; env form k:v,k:v"
    )
    redirect_port_inbound: int = setting(
        15006, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_REDIRECT_PORT_INBOUND"
    )
    ip_family_mode: str = setting(
        "dualstack", env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_IP_FAMILY_MODE", doc="dualstack or ipv4"
    )
    redirect_port_outbound: int = setting(
        15001, env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_REDIRECT_PORT_OUTBOUND"
    )
    wait_for_dataplane_ready: bool = setting(
        False,
        env="RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_WAIT_FOR_DATAPLANE_READY",
        doc="hold the app container until the proxy is ready",
    )


class RuntimeKubernetesInjectorInitContainer(Group):
    """Settings below `runtime.kubernetes.injector.initContainer`."""

    image: str = setting("kuma/kuma-init:latest", env="INJECTOR_INIT_CONTAINER_IMAGE")


class RuntimeKubernetesInjectorSidecarTraffic(Group):
    """Settings below `runtime.kubernetes.injector.sidecarTraffic`."""

    exclude_inbound_ports: IntList = setting((), env="RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_INBOUND_PORTS")
    exclude_outbound_ports: IntList = setting((), env="RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_OUTBOUND_PORTS")
    exclude_inbound_i_ps: StrList = setting((), env="RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_INBOUND_IPS")
    exclude_outbound_i_ps: StrList = setting((), env="RUNTIME_KUBERNETES_SIDECAR_TRAFFIC_EXCLUDE_OUTBOUND_IPS")


class RuntimeKubernetesInjectorExceptions(Group):
    """Settings below `runtime.kubernetes.injector.exceptions`."""

    labels: StrMap = setting(
        {"openshift.io/build.name": "*", "openshift.io/deployer-pod-for.name": "*"},
        env="RUNTIME_KUBERNETES_EXCEPTIONS_LABELS",
        doc="pods with such a label (value or *) are never injected",
    )


class RuntimeKubernetesInjectorBuiltinDNS(Group):
    """Settings below `runtime.kubernetes.injector.builtinDNS`."""

    enabled: bool = setting(True, env="RUNTIME_KUBERNETES_INJECTOR_BUILTIN_DNS_ENABLED")
    port: int = setting(15053, env="RUNTIME_KUBERNETES_INJECTOR_BUILTIN_DNS_PORT")
    logging: bool = setting(False, env="RUNTIME_KUBERNETES_INJECTOR_BUILTIN_DNS_LOGGING")
    experimental_proxy: bool = setting(
        True,
        env="RUNTIME_KUBERNETES_INJECTOR_BUILTIN_DNS_EXPERIMENTAL_PROXY",
        doc="DNS proxy inside kuma-dp instead of CoreDNS",
    )


class RuntimeKubernetesInjectorEbpf(Group):
    """Settings below `runtime.kubernetes.injector.ebpf`."""

    enabled: bool = setting(False, env="RUNTIME_KUBERNETES_INJECTOR_EBPF_ENABLED")
    instance_ip_env_var_name: str = setting(
        "INSTANCE_IP", env="RUNTIME_KUBERNETES_INJECTOR_EBPF_INSTANCE_IP_ENV_VAR_NAME", key="instanceIPEnvVarName"
    )
    bpffs_path: str = setting("/sys/fs/bpf", env="RUNTIME_KUBERNETES_INJECTOR_EBPF_BPFFS_PATH")
    cgroup_path: str = setting("/sys/fs/cgroup", env="RUNTIME_KUBERNETES_INJECTOR_EBPF_CGROUP_PATH")
    tc_attach_iface: str = setting("", env="RUNTIME_KUBERNETES_INJECTOR_EBPF_TC_ATTACH_IFACE")
    programs_source_path: str = setting("/tmp/kuma-ebpf", env="RUNTIME_KUBERNETES_INJECTOR_EBPF_PROGRAMS_SOURCE_PATH")


class RuntimeKubernetesInjectorSpire(Group):
    """Settings below `runtime.kubernetes.injector.spire`."""

    enabled: bool = setting(False, env="RUNTIME_KUBERNETES_INJECTOR_SPIRE_ENABLED")
    mount_path: str = setting("/run/spire/sockets", env="RUNTIME_KUBERNETES_INJECTOR_SPIRE_MOUNT_PATH")
    socket_file_name: str = setting("socket", env="RUNTIME_KUBERNETES_INJECTOR_SPIRE_SOCKET_FILE_NAME")


class RuntimeKubernetesInjector(Group):
    """Settings below `runtime.kubernetes.injector`."""

    sidecar_container: RuntimeKubernetesInjectorSidecarContainer = group(RuntimeKubernetesInjectorSidecarContainer)
    init_container: RuntimeKubernetesInjectorInitContainer = group(RuntimeKubernetesInjectorInitContainer)
    container_patches: StrList = setting(
        (),
        env="RUNTIME_KUBERNETES_INJECTOR_CONTAINER_PATCHES",
        doc="names of ContainerPatch objects applied to every sidecar",
    )
    cni_enabled: bool = setting(False, env="RUNTIME_KUBERNETES_INJECTOR_CNI_ENABLED", doc="no init container")
    virtual_probes_enabled: bool = setting(False, env="RUNTIME_KUBERNETES_VIRTUAL_PROBES_ENABLED", doc="deprecated")
    virtual_probes_port: int = setting(9000, env="RUNTIME_KUBERNETES_VIRTUAL_PROBES_PORT", doc="deprecated")
    application_probe_proxy_port: int = setting(
        9001, env="RUNTIME_KUBERNETES_APPLICATION_PROBE_PROXY_PORT", doc="0 turns probe proxying off"
    )
    sidecar_traffic: RuntimeKubernetesInjectorSidecarTraffic = group(RuntimeKubernetesInjectorSidecarTraffic)
    exceptions: RuntimeKubernetesInjectorExceptions = group(RuntimeKubernetesInjectorExceptions)
    ca_cert_file: str = setting("", env="RUNTIME_KUBERNETES_INJECTOR_CA_CERT_FILE", doc="CA given to sidecars")
    builtin_dns: RuntimeKubernetesInjectorBuiltinDNS = group(RuntimeKubernetesInjectorBuiltinDNS, key="builtinDNS")
    ebpf: RuntimeKubernetesInjectorEbpf = group(RuntimeKubernetesInjectorEbpf)
    ignored_service_selector_labels: StrList = setting(
        (),
        env="RUNTIME_KUBERNETES_INJECTOR_IGNORED_SERVICE_SELECTOR_LABELS",
        doc="labels skipped when matching Services to pods",
    )
    node_labels_to_copy: StrList = setting(
        ("topology.kubernetes.io/zone", "topology.kubernetes.io/region", "kubernetes.io/hostname"),
        env="RUNTIME_KUBERNETES_INJECTOR_NODE_LABELS_TO_COPY",
        doc="copied onto the inbound tags",
    )
    transparent_proxy_config_map: str = setting(
        "",
        env="RUNTIME_KUBERNETES_INJECTOR_TRANSPARENT_PROXY_CONFIGMAP_NAME",
        doc="name of the config map with the transparent proxy configuration",
    )
    unified_resource_naming_enabled: bool = setting(
        False, env="RUNTIME_KUBERNETES_INJECTOR_UNIFIED_RESOURCE_NAMING_ENABLED", doc="KRI-style names in Envoy"
    )
    spire: RuntimeKubernetesInjectorSpire = group(RuntimeKubernetesInjectorSpire)


class RuntimeKubernetesNodeTaintController(Group):
    """Settings below `runtime.kubernetes.nodeTaintController`."""

    enabled: bool = setting(False, env="RUNTIME_KUBERNETES_NODE_TAINT_CONTROLLER_ENABLED")
    cni_app: str = setting("", env="RUNTIME_KUBERNETES_NODE_TAINT_CONTROLLER_CNI_APP")
    cni_namespace: str = setting("kube-system", env="RUNTIME_KUBERNETES_NODE_TAINT_CONTROLLER_CNI_NAMESPACE")


class RuntimeKubernetesControllersConcurrency(Group):
    """Settings below `runtime.kubernetes.controllersConcurrency`."""

    pod_controller: int = setting(10, env="RUNTIME_KUBERNETES_CONTROLLERS_CONCURRENCY_POD_CONTROLLER")


class RuntimeKubernetesClientConfig(Group):
    """Settings below `runtime.kubernetes.clientConfig`."""

    qps: int = setting(100, env="RUNTIME_KUBERNETES_CLIENT_CONFIG_QPS")
    burst_qps: int = setting(100, env="RUNTIME_KUBERNETES_CLIENT_CONFIG_BURST_QPS")


class RuntimeKubernetesLeaderElection(Group):
    """Settings below `runtime.kubernetes.leaderElection`."""

    lease_duration: Duration = setting(15.0, env="RUNTIME_KUBERNETES_LEADER_ELECTION_LEASE_DURATION")
    renew_deadline: Duration = setting(10.0, env="RUNTIME_KUBERNETES_LEADER_ELECTION_RENEW_DEADLINE")


class RuntimeKubernetes(Group):
    """Settings below `runtime.kubernetes`."""

    admission_server: RuntimeKubernetesAdmissionServer = group(RuntimeKubernetesAdmissionServer)
    injector: RuntimeKubernetesInjector = group(RuntimeKubernetesInjector)
    marshaling_cache_expiration_time: Duration = setting(
        300.0, env="RUNTIME_KUBERNETES_MARSHALING_CACHE_EXPIRATION_TIME"
    )
    allowed_users: StrList = setting(
        (),
        env="RUNTIME_KUBERNETES_ALLOWED_USERS",
        doc="extra service accounts allowed to change control-plane-owned objects",
    )
    control_plane_service_name: str = setting("kuma-control-plane", env="RUNTIME_KUBERNETES_CONTROL_PLANE_SERVICE_NAME")
    node_taint_controller: RuntimeKubernetesNodeTaintController = group(RuntimeKubernetesNodeTaintController)
    controllers_concurrency: RuntimeKubernetesControllersConcurrency = group(RuntimeKubernetesControllersConcurrency)
    client_config: RuntimeKubernetesClientConfig = group(RuntimeKubernetesClientConfig)
    leader_election: RuntimeKubernetesLeaderElection = group(RuntimeKubernetesLeaderElection)
    skip_mesh_owner_reference: bool = setting(False, env="RUNTIME_KUBERNETES_SKIP_MESH_OWNER_REFERENCE")
    support_gateway_secrets_in_all_namespaces: bool = setting(
        False, env="RUNTIME_KUBERNETES_SUPPORT_GATEWAY_SECRETS_IN_ALL_NAMESPACES"
    )
    workload_labels: StrList = setting(
        (), env="RUNTIME_KUBERNETES_WORKLOAD_LABELS", doc="pod labels tried, in order, for the workload name"
    )
    disallow_multiple_meshes_per_namespace: bool = setting(
        False, env="RUNTIME_KUBERNETES_DISALLOW_MULTIPLE_MESHES_PER_NAMESPACE"
    )


class Runtime(Group):
    """Settings below `runtime`."""

    universal: RuntimeUniversal = group(RuntimeUniversal)
    kubernetes: RuntimeKubernetes = group(RuntimeKubernetes)


class ExperimentalKdsEventBasedWatchdog(Group):
    """Settings below `experimental.kdsEventBasedWatchdog`."""

    enabled: bool = setting(False, env="EXPERIMENTAL_KDS_EVENT_BASED_WATCHDOG_ENABLED", inert=FOLLOWED)
    flush_interval: Duration = setting(5.0, env="EXPERIMENTAL_KDS_EVENT_BASED_WATCHDOG_FLUSH_INTERVAL", inert=FOLLOWED)
    full_resync_interval: Duration = setting(
        60.0, env="EXPERIMENTAL_KDS_EVENT_BASED_WATCHDOG_FULL_RESYNC_INTERVAL", inert=FOLLOWED
    )
    delay_full_resync: bool = setting(
        False, env="EXPERIMENTAL_KDS_EVENT_BASED_WATCHDOG_DELAY_FULL_RESYNC", inert=FOLLOWED
    )


class Experimental(Group):
    """Settings below `experimental`."""

    kube_outbounds_as_vi_ps: bool = setting(True, env="EXPERIMENTAL_KUBE_OUTBOUNDS_AS_VIPS", key="kubeOutboundsAsVIPs")
    use_tag_first_virtual_outbound_model: bool = setting(
        False,
        env="EXPERIMENTAL_USE_TAG_FIRST_VIRTUAL_OUTBOUND_MODEL",
        inert="the table of virtual addresses is kept in one form only",
    )
    ingress_tag_filters: StrList = setting(
        (), env="EXPERIMENTAL_INGRESS_TAG_FILTERS", doc="key prefixes of tags kept in availableServices"
    )
    kds_event_based_watchdog: ExperimentalKdsEventBasedWatchdog = group(ExperimentalKdsEventBasedWatchdog)
    auto_reachable_services: bool = setting(
        False, env="EXPERIMENTAL_AUTO_REACHABLE_SERVICES", doc="reachable services from MeshTrafficPermission"
    )
    sidecar_containers: bool = setting(False, env="EXPERIMENTAL_SIDECAR_CONTAINERS", doc="Kubernetes native sidecars")
    delta_xds: bool = setting(False, env="EXPERIMENTAL_DELTA_XDS", doc="incremental xDS to proxies")
