"""A bootstrap request (`spec/dataplane.md` §2.3), read as tolerantly as Kuma does: unknown keys and nulls are fine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ursa.errors import BadRequest
from ursa.model.json import Json

T = TypeVar("T")


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, strict=True)


class LauncherVersion(_Part):
    """Version of the launcher."""

    version: str = ""
    git_tag: str = ""
    git_commit: str = ""
    build_date: str = ""


class EnvoyVersion(_Part):
    """Version of Envoy, and whether the launcher was made for it."""

    version: str = ""
    build: str = ""
    kuma_dp_compatible: bool = False


class Version(_Part):
    """What runs beside the workload."""

    kuma_dp: LauncherVersion = LauncherVersion()
    envoy: EnvoyVersion = EnvoyVersion()


class Resources(_Part):
    """Limits of the proxy."""

    max_heap_size_bytes: int = 0


class MetricsResources(_Part):
    """Certificate with which metrics are served."""

    cert_path: str = ""
    key_path: str = ""


class SpireResources(_Part):
    """Where a SPIRE agent listens."""

    socket_path: str = ""


class TransparentProxyConfig(_Part):
    """Redirection as the launcher knows it."""

    ip_family_mode: str = ""
    redirect: Mapping[str, Mapping[str, bool | int]] = Field(default_factory=dict)


class BootstrapRequest(_Part):
    """A launcher's request."""

    mesh: str = ""
    name: str = ""
    proxy_type: str = ""
    dataplane_token: str = ""
    dataplane_token_path: str = ""
    dataplane_resource: str = ""
    version: Version = Version()
    ca_cert: str = ""
    dynamic_metadata: Mapping[str, str] = Field(default_factory=dict)
    dns_port: int = 0
    readiness_port: int = 0
    app_probe_proxy_enabled: bool = Field(default=False, alias="appProbeProxyDisabled")
    """The name on the wire says the opposite of what it means."""
    operating_system: str = ""
    features: Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)] = ()
    resources: Resources = Resources()
    workdir: str = ""
    system_ca_path: str = ""
    metrics_resources: MetricsResources = MetricsResources()
    dataplane_config: TransparentProxyConfig | None = None
    ipv6_enabled: bool = Field(default=False, alias="ipv6Enabled")
    spire_resources: SpireResources = SpireResources()


def parse_request(document: Json) -> BootstrapRequest:
    """Reads a request.

    Raises:
        BadRequest: it is not one.
    """
    try:
        return BootstrapRequest.model_validate(_without_nulls(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{where}: {first['msg'].lower()}") from None
