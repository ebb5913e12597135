"""TLS of the proxies' admin listeners, from the zone's admin CA."""

from __future__ import annotations

import logging

from ursa.errors import UrsaError
from ursa.identity.certificates import LeafIssuer
from ursa.identity.envoy_admin import CLIENT_NAME, server_leaf, server_request
from ursa.identity.kept_authority import ENVOY_ADMIN, load_kept
from ursa.ir.tls import DownstreamTls, InlineCertificate, InlineValidation, SanMatcher
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.view.view import View

log = logging.getLogger(__name__)


class AdminTls:
    """Certificates for admin listeners; equal addresses give equal certificates, whoever issues them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loaded: tuple[Resource, LeafIssuer] | None = None
        self._shown: dict[tuple[str, ...], tuple[int, DownstreamTls]] = {}
        """What proxies serve, by their addresses, with the time at which it is another certificate."""

    def forget(self, addresses: tuple[str, ...]) -> None:
        """Drops what is remembered for a proxy that is gone."""
        self._shown.pop(addresses, None)
        if self._loaded is not None:
            self._loaded[1].forget(server_request(addresses))

    def server(self, view: View, addresses: tuple[str, ...]) -> DownstreamTls | None:
        """What a proxy at these addresses serves; None while the zone has no admin CA."""
        resource = view.get("GlobalSecret", "", ENVOY_ADMIN)
        if resource is None:
            return None
        if self._loaded is None or self._loaded[0] is not resource:
            try:
                self._loaded = (resource, LeafIssuer(load_kept(resource)))
                self._shown.clear()
            except UrsaError as error:
                log.error("envoy admin CA cannot be used", extra={"error": str(error)})
                return None
        issuer, now = self._loaded[1], self._clock.now_ns()
        known = self._shown.get(addresses)
        if known is None or now >= known[0]:
            leaf = server_leaf(issuer, addresses, now)
            known = self._shown[addresses] = (
                leaf.renew_at,
                DownstreamTls(
                    InlineCertificate(leaf.certificate_pem, leaf.key_pem),
                    InlineValidation(issuer.authority.bundle_pem, (SanMatcher(CLIENT_NAME, type="DNS"),)),
                ),
            )
        return known[1]
