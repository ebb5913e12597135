"""Formats of access logs, the same for both generations of policies."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.ir.access_logs import AccessLog
from ursa.ir.listener import FilterChain, Listener
from ursa.ir.naming import bracketed
from ursa.policies.core.speaker import Speaker

HTTP_FORMAT = (
    '[%START_TIME%] %KUMA_MESH% "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%KUMA_SOURCE_SERVICE%" "%KUMA_DESTINATION_SERVICE%" '
    '"%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%" "%UPSTREAM_HOST%"'
)
TCP_FORMAT = (
    "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% "
    "%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) "
    "took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes"
)
UNKNOWN, EXTERNAL = "unknown", "external"
"""Services of clients of an inbound, and of destinations that are none of the mesh."""

PASS_THROUGH = "pass_through"
"""The service whose policies count for connections that no outbound takes."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who talks to whom, as one proxy writes it down."""

    speaker: Speaker
    source: str
    destination: str
    direction: str

    def fill(self, text: str) -> str:
        """A format with everything in it that Envoy does not know itself."""
        address = self.speaker.address
        for name, value in (
            ("SOURCE_SERVICE", self.source),
            ("DESTINATION_SERVICE", self.destination),
            ("MESH", self.speaker.mesh),
            ("TRAFFIC_DIRECTION", self.direction),
            ("SOURCE_ADDRESS", f"{bracketed(address)}:0"),
            ("SOURCE_ADDRESS_WITHOUT_PORT", address),
        ):
            text = text.replace(f"%KUMA_{name}%", value)
        return text


def default_format(chain: FilterChain) -> str:
    """What is written down where a policy does not say it."""
    return TCP_FORMAT if chain.http is None else HTTP_FORMAT


def logging(listener: Listener) -> list[tuple[FilterChain, list[AccessLog]]]:
    """The chains of a listener that can write something down, with their logs."""
    found = ((chain, chain.http or chain.tcp) for chain in listener.chains)
    return [(chain, filter_.access_logs) for chain, filter_ in found if filter_ is not None]
