"""Where settings come from and which wins; what is refused, and in which words; what is warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ursa.errors import ConfigError
from ursa.runtime.config import Loaded, Settings, effective, load


def loaded(tmp_path: Path, text: str = "", **variables: str) -> Loaded:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load(str(file) if text else None, variables)


SOURCES: list[tuple[str, str, str, str, Any, Any, Any]] = [
    ("dnsServer.domain", "a.b", "KUMA_DNS_SERVER_DOMAIN", "c.d", "mesh", "a.b", "c.d"),
    ("apiServer.readOnly", "true", "KUMA_API_SERVER_READ_ONLY", "false", False, True, False),
    ("dpServer.port", "1", "KUMA_DP_SERVER_PORT", "2", 5678, 1, 2),
    (
        "dpServer.tlsCipherSuites", "[AES128-SHA, AES256-SHA]",
        "KUMA_DP_SERVER_TLS_CIPHER_SUITES", "AES128-GCM-SHA256, AES256-GCM-SHA384",
        [], ["AES128-SHA", "AES256-SHA"], ["AES128-GCM-SHA256", "AES256-GCM-SHA384"],
    ),
    ("general.dnsCacheTTL", "1m30s", "KUMA_GENERAL_DNS_CACHE_TTL", "500ms", "10s", "1m30s", "500ms"),
    ("general.dnsCacheTTL", "1000000000", "URSA_GENERAL_DNS_CACHE_TTL", "2h", "10s", "1s", "2h0m0s"),
    (
        "runtime.kubernetes.injector.containerPatches", "[x]",
        "KUMA_RUNTIME_KUBERNETES_INJECTOR_CONTAINER_PATCHES", "y,z", [], ["x"], ["y", "z"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("key", "written", "variable", "value", "default", "of_file", "of_variable"), SOURCES)
def test_defaults_files_and_variables(
    tmp_path: Path, key: str, written: str, variable: str, value: str, default: Any, of_file: Any, of_variable: Any
) -> None:
    def at(found: Loaded) -> Any:
        document: Any = found.settings.model_dump(mode="json", by_alias=True)
        for part in key.split("."):
            document = document[part]
        return document

    text = ""
    for depth, part in enumerate(key.split(".")):
        text += f"{'  ' * depth}{part.upper()}:\n"
    text = text.rstrip("\n") + f" {written}\n"
    assert at(loaded(tmp_path)) == default
    assert at(loaded(tmp_path, text)) == of_file, "keys match without regard to case"
    assert at(loaded(tmp_path, text, **{variable: value})) == of_variable


def test_our_prefix_wins_over_kumas(tmp_path: Path) -> None:
    found = loaded(tmp_path, KUMA_DNS_SERVER_DOMAIN="kuma", URSA_DNS_SERVER_DOMAIN="ursa")
    assert found.settings.dns_server.domain == "ursa"
    for variable in ("KUMA_STORE_SQLITE_PATH", "URSA_STORE_SQLITE_PATH"):
        assert loaded(tmp_path, **{variable: "/x"}).settings.store.sqlite.path == "/x"


def test_maps_in_variables(tmp_path: Path) -> None:
    name = "KUMA_RUNTIME_KUBERNETES_INJECTOR_BUILTIN_DNS_LOGGING"
    assert loaded(tmp_path, **{name: "true"}).settings is not None
    name = "KUMA_RUNTIME_KUBERNETES_INJECTOR_SIDECAR_CONTAINER_ENV_VARS"
    found = loaded(tmp_path, **{name: "a:b,c:d"}).settings.runtime.kubernetes.injector.sidecar_container.env_vars
    assert found == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"MODE": "foo"}, "Mode validation failed: invalid mode. Available modes: standalone, zone, global"),
        ({"ENVIRONMENT": "foo"}, "Environment should be either kubernetes or universal"),
        ({"STORE_TYPE": "foo"}, "Store validation failed: Type should be one of memory, sqlite, "),
        ({"API_SERVER_HTTP_PORT": "70000"}, "ApiServer validation failed: Port must be in range [0, 65535]"),
        ({"API_SERVER_HTTP_PORT": "abc"}, "apiServer.http.port (URSA_API_SERVER_HTTP_PORT): "),
        ({"MULTIZONE_ZONE_NAME": ""}, "Multizone Zone validation failed: Name is mandatory"),
        ({"MULTIZONE_ZONE_NAME": "a" * 64}, "Zone name cannot be longer than 63 characters"),
        ({"MULTIZONE_ZONE_NAME": "a!"}, "Zone name a! has to be a valid DNS name"),
        ({"MULTIZONE_ZONE_GLOBAL_ADDRESS": "http://g"}, 'unsupported scheme "http" in zone GlobalAddress. Use one of'),
        ({"MULTIZONE_ZONE_GLOBAL_ADDRESS": "grpc://[x"}, "unable to parse zone GlobalAddress.: "),
        ({"GENERAL_TLS_KEY_FILE": "k"}, ".TlsCertFile cannot be empty if TlsKeyFile has been set"),
        ({"DP_SERVER_TLS_CERT_FILE": "c"}, ".TlsKeyFile cannot be empty if TlsCertFile has been set"),
        (
            {"XDS_SERVER_DATAPLANE_CONFIGURATION_REFRESH_INTERVAL": "0s"},
            "Xds Server validation failed: DataplaneConfigurationRefreshInterval must be positive",
        ),
        ({"INTER_CP_LEASE_LEADER": "0s"}, "Inter CP Lease validation failed: Leader must be positive"),
        (
            {"MULTIZONE_ZONE_KDS_ADMIN_PART_SIZE": "0"},
            "Multizone Zone KDS validation failed: AdminPartSize must be positive",
        ),
        (
            {"MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_TIMEOUT": "1s"},
            "timeout and pollInterval must both be either set or unset",
        ),
        ({"GENERAL_TLS_MIN_VERSION": "TLSv1_1"}, "unsupported tls version: TLSv1_1"),
        ({"INTER_CP_SERVER_TLS_MAX_VERSION": "SSLv3"}, "unsupported tls version: SSLv3"),
        ({"MULTIZONE_GLOBAL_KDS_TLS_CIPHER_SUITES": "foo"}, "unsupported tls cipher suite: foo"),
        ({"DP_SERVER_TLS_MIN_VERSION": "TLSv1_3", "GENERAL_TLS_MAX_VERSION": "TLSv1_2"}, "no version of tls is left"),
        ({"DNS_SERVER_CIDR": "foo"}, "DNSServer validation failed: CIDR must be valid"),
        ({"IPAM_MESH_SERVICE_CIDR": "foo"}, "IPAM validation failed: MeshServiceCIDR: invalid CIDR address: foo"),
        ({"API_SERVER_AUTHN_TYPE": "foo"}, "there is not implementation of authn named foo"),
        ({"PLUGIN_POLICIES_ENABLED": "meshtimeout"}, "unknown name 'meshtimeout', did you mean 'meshtimeouts'?"),
        ({"CORE_RESOURCES_ENABLED": "foo"}, "coreResources.enabled: unknown name 'foo'"),
    ],
)
def test_what_stops_the_start(tmp_path: Path, variables: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, **{f"KUMA_{name}": value for name, value in variables.items()})
    assert str(refused.value).startswith("configuration validation failed: ")
    assert text in str(refused.value)


def test_what_changes_nothing_is_said_of_those_who_set_it(tmp_path: Path) -> None:
    variable = "KUMA_MULTIZONE_GLOBAL_KDS_REFRESH_INTERVAL"
    text = "multizone.global.kds.refreshInterval has no effect: changes are followed as they come, nothing is polled"
    assert text in loaded(tmp_path, **{variable: "5s"}).warnings
    assert text in loaded(tmp_path, "multizone: {global: {kds: {refreshInterval: 5s}}}").warnings
    assert not loaded(tmp_path, **{variable: "1s"}).warnings, "who writes Kuma's defaults down gets what is meant"
    assert not loaded(tmp_path).warnings


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unable to access configuration file '/nowhere', please check if"):
        load("/nowhere", {})
    for text in ("a: [", "- a"):
        with pytest.raises(ConfigError, match=r"parsing configuration from file '.*' failed: "):
            loaded(tmp_path, text)


def test_typos_are_warned_of_with_what_was_meant(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "apiServer: {http: {prot: 1}}\nnonsense: 1\nmode: standalone\n",
        KUMA_API_SERVER_HTTP_PROT="1",
        URSA_SOMETHING_ELSE="1",
        KUMA_CONTROL_PLANE_SERVICE_HOST="10.0.0.1",
        KUMA_CONTROL_PLANE_PORT_5681_TCP_ADDR="10.0.0.1",
        KUMA_DATAPLANE_NAME="of a launcher",
        URSA_CONFIG_FILE="x",
        HOME="/root",
    )
    assert found.warnings == (
        "unknown configuration key apiServer.http.prot, did you mean apiServer.http.port?",
        "unknown configuration key nonsense",
        "unknown variable KUMA_API_SERVER_HTTP_PROT, did you mean KUMA_API_SERVER_HTTP_PORT?",
        "unknown variable URSA_SOMETHING_ELSE",
        "mode: standalone is an old word for zone without a global; it is treated as zone",
    )
    assert not found.settings.is_global


def test_names_that_only_documents_know_are_read_and_lose_against_real_ones(tmp_path: Path) -> None:
    found = loaded(tmp_path, KUMA_STORE_POSTGRES_TLS_ROOT_CERT_PATH="/documented")
    assert (found.settings.store.postgres.tls.ca_path, found.warnings) == ("/documented", ())
    both = {"URSA_STORE_POSTGRES_TLS_CA_PATH": "/real", "URSA_STORE_POSTGRES_TLS_ROOT_CERT_PATH": "/documented"}
    assert loaded(tmp_path, **both).settings.store.postgres.tls.ca_path == "/real"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = loaded(tmp_path, KUMA_STORE_POSTGRES_PASSWORD="hunter2", KUMA_MULTIZONE_ZONE_KDS_TOKEN="hunter2")
    shown = str(effective(found.settings, None))
    assert "hunter2" not in shown
    assert shown.count("*****") == 2


def test_what_was_left_empty_is_shown_as_it_takes_effect() -> None:
    shown = effective(
        Settings.model_validate({"dpServer": {"tlsCertFile": "/own.crt", "tlsKeyFile": "/own.key"}}), ("c", "k")
    )
    assert shown["dpServer"]["tlsCertFile"] == "/own.crt"
    assert shown["apiServer"]["https"]["tlsKeyFile"] == "k"
    assert shown["dpServer"]["authn"]["zoneProxy"]["type"] == "zoneToken"
    kubernetes = effective(Settings.model_validate({"environment": "kubernetes"}), None)
    assert kubernetes["dpServer"]["authn"]["dpProxy"]["type"] == "serviceAccountToken"
