"""The listener by which the launcher asks for what may change while it runs: texts, and whether they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from ursa.ir import origins
from ursa.ir.address import Pipe
from ursa.ir.listener import FilterChain, Listener
from ursa.ir.naming import stat_safe
from ursa.ir.routes import EXACT, DirectResponse, HeaderMatcher, HeaderValue, Route, RouteMatch, VirtualHost
from ursa.planner import names
from ursa.planner.blocks import technical_http
from ursa.planner.names import Scheme


def dynamic_config(bodies: Mapping[str, str], workdir: str, scheme: Scheme, *, ipv6: bool) -> Listener:
    """The listener for the texts at these paths."""
    routes = [route for path, body in bodies.items() for route in _routes(path, body, scheme)]
    host = VirtualHost(scheme.dynamic_config, routes)
    longest = max(len(body.encode()) for body in bodies.values())
    manager = technical_http(stat_safe(scheme.dynamic_config), host, ipv6=ipv6, max_body=longest)
    socket = Pipe(names.dynamic_config_socket(workdir))
    return Listener(scheme.dynamic_config, socket, origins.DYNAMIC_CONFIG, [FilterChain([manager])])


def _routes(path: str, body: str, scheme: Scheme) -> Iterator[Route]:
    etag = hashlib.sha256(body.encode()).hexdigest()
    match = RouteMatch(path, EXACT, (HeaderMatcher("If-None-Match", EXACT, etag),))
    yield Route(match, DirectResponse(304), name=scheme.dynamic_route_unchanged(path))
    yield Route(
        RouteMatch(path, EXACT),
        DirectResponse(200, body),
        name=scheme.dynamic_route(path),
        response_headers_to_add=(HeaderValue("Etag", etag),),
    )
