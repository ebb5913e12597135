"""Whether an Envoy is the proxy it says it is: dataplane tokens, zone tokens, or nobody asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ursa.errors import Unauthenticated, UrsaError
from ursa.identity.signing_keys import dataplane_key_prefix, zone_key_prefix
from ursa.identity.tokens import check_dataplane, check_zone_proxy, verify_dataplane_token, verify_zone_token
from ursa.identity.trusted_keys import TrustedKeys, offline_keys
from ursa.model.dataplane import parse_dataplane
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.view.live import LiveView
from zone_cp.dp_server.node import NodeInfo

NONE = "none"
PREFIX = "authentication failed: "
"""Kuma's (`spec/dataplane.md` §4.3); launchers and people look for it."""


class Validator(Protocol):
    """Where the keys of a sort of token come from."""

    @property
    def use_secrets(self) -> bool:
        """Whether signing keys in secrets are trusted."""

    @property
    def public_keys(self) -> Sequence[Mapping[str, str]]:
        """Keys of the configuration."""


class _Keys:
    """The keys that verify one sort of token."""

    def __init__(self, live: LiveView, prefix: Callable[[str], str], validator: Validator, setting: str) -> None:
        self._live, self._prefix, self._use_secrets = live, prefix, validator.use_secrets
        self._offline = offline_keys(validator.public_keys, f"{setting}.validator.publicKeys")

    def now(self) -> TrustedKeys:
        """Those of this moment."""
        return TrustedKeys(self._live.current, self._prefix, self._offline, use_secrets=self._use_secrets)


class Authenticator:
    """Checks the token of a proxy against its resource."""

    def __init__(self, settings: Settings, live: LiveView, clock: Clock) -> None:
        authn = settings.dp_server.authn
        self._dataplanes = authn.dp_proxy.type or "dpToken"
        self._zone_proxies = authn.zone_proxy.type or "zoneToken"
        self._zone = settings.multizone.zone.name
        self._dataplane_keys = _Keys(
            live, dataplane_key_prefix, authn.dp_proxy.dp_token.validator, "dpServer.authn.dpProxy.dpToken"
        )
        self._zone_keys = _Keys(
            live, zone_key_prefix, authn.zone_proxy.zone_token.validator, "dpServer.authn.zoneProxy.zoneToken"
        )
        self._clock = clock

    def check(self, node: NodeInfo, token: str, *resources: Resource) -> None:
        """Raises Unauthenticated unless the token is good for all these forms of the proxy's resource."""
        try:
            if node.kind == "dataplane":
                self._dataplane(node, token, resources)
            else:
                self._zone_proxy(node, token)
        except UrsaError as error:
            raise Unauthenticated(f"{PREFIX}{error}") from None

    def _dataplane(self, node: NodeInfo, token: str, resources: tuple[Resource, ...]) -> None:
        if self._dataplanes == NONE:
            return
        claims = verify_dataplane_token(self._dataplane_keys.now(), self._clock, token, node.mesh)
        for resource in resources:
            tags = parse_dataplane(resource).all_tags
            check_dataplane(claims, name=node.name, mesh=node.mesh, tags=tags, labels=resource.labels)

    def _zone_proxy(self, node: NodeInfo, token: str) -> None:
        if self._zone_proxies == NONE:
            return
        claims = verify_zone_token(self._zone_keys.now(), self._clock, token)
        check_zone_proxy(claims, zone=self._zone, kind=node.kind)
