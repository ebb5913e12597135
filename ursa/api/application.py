"""Assembles the API: all endpoints under the base path, and what every request passes on its way to them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ursa.api.about import About
from ursa.api.access import Access
from ursa.api.answers import JSON, plain
from ursa.api.audit import Audit
from ursa.api.callers import CALLER, Authenticator
from ursa.api.catalogue import Catalogue
from ursa.api.context import ApiContext, Endpoint, Handle
from ursa.api.cors import cors
from ursa.api.failures import TITLE, failures
from ursa.api.hostnames import Hostnames
from ursa.api.kris import Kris
from ursa.api.metrics import RequestMetrics
from ursa.api.openapi import OpenApi
from ursa.api.overviews import Overviews
from ursa.api.proxies.attachments import Attachments
from ursa.api.proxies.config import ProxyConfig
from ursa.api.proxies.endpoints import ProxyPolicies
from ursa.api.proxies.older_rules import OlderRules
from ursa.api.proxies.rules import ProxyRules
from ursa.api.proxy_status import ProxyStatuses
from ursa.api.reader import Reader
from ursa.api.resources import Resources
from ursa.api.selected import Selected
from ursa.api.tokens import Tokens
from ursa.errors import Forbidden, Unauthenticated

MAX_BODY = 16 * 1024 * 1024
"""Bytes. Larger than any object a store takes; what exceeds it is refused while it is being read."""

_WITH_BODY = ("PUT", "POST")


def build_application(context: ApiContext) -> web.Application:
    """The API as an application; `ApiServer` gives it sockets."""
    metrics = RequestMetrics(context.metrics, context.clock)
    middlewares: list[Middleware] = [metrics.middleware(), failures, _outside(context)]
    if origins := context.settings.api_server.cors_allowed_domains:
        middlewares.insert(1, cors(origins))
    application = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    authenticator = Authenticator(context)
    prefix = _prefix(context)
    access, audit = Access(context.settings), Audit(context.settings.api_server.audit, context.clock)
    endpoints = list(_endpoints(context, access, audit))
    for endpoint in (OpenApi(context, endpoints).endpoint(), *endpoints):
        handle = _guarded(endpoint, authenticator, access, audit)
        application.router.add_route(endpoint.method, prefix + endpoint.path, handle)
        if endpoint.unprefixed and prefix:
            application.router.add_route(endpoint.method, endpoint.path, handle)
    return application


def _endpoints(context: ApiContext, access: Access, audit: Audit) -> Iterator[Endpoint]:
    """All calls; where two routes match the same path the earlier one wins."""
    reader = Reader(context)
    yield from context.extra
    yield from About(context, reader, access).endpoints()
    yield from Catalogue(context).endpoints()
    yield from Tokens(context, access, audit).endpoints()
    yield from Kris(context, access).endpoints()
    yield from Overviews(context, reader, access).endpoints()
    yield from ProxyStatuses(context, reader, access).endpoints()
    yield from Selected(context, reader).endpoints()
    yield from Hostnames(context, reader).endpoints()
    yield from ProxyPolicies(context, reader).endpoints()
    yield from ProxyRules(context, reader).endpoints()
    yield from OlderRules(context, reader).endpoints()
    yield from ProxyConfig(context, reader, access).endpoints()
    yield from Attachments(context, reader).endpoints()
    yield from Resources(context, reader, access, audit).endpoints()


def _guarded(endpoint: Endpoint, authenticator: Authenticator, access: Access, audit: Audit) -> Handle:
    """The endpoint's handler behind what is checked of every request, in Kuma's order; who is turned away is noted."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[TITLE] = endpoint.title
        if endpoint.json and not _accepts_json(request):
            return plain(406, f"406: Not Acceptable\n\nAvailable representations: {JSON}")
        if endpoint.method in _WITH_BODY and request.headers.get("Content-Type", "").split(";")[0].strip() != JSON:
            return plain(415, "415: Unsupported Media Type")
        if endpoint.public:
            return await endpoint.handle(request)
        try:
            request[CALLER] = authenticator.identify(request)
            access.route(request, endpoint.guard)
            return await endpoint.handle(request)
        except (Forbidden, Unauthenticated) as error:
            audit.refused(request, str(error))
            raise

    return handle


def _accepts_json(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "")
    return not accepted or any(
        part.split(";")[0].strip() in ("*/*", "application/*", JSON) for part in accepted.split(",")
    )


def _prefix(context: ApiContext) -> str:
    return context.settings.api_server.base_path.rstrip("/")


def _outside(context: ApiContext) -> Middleware:
    """Cleans doubled slashes, and answers for paths that are not below the base path."""
    prefix = _prefix(context)

    @web.middleware
    async def outside(request: web.Request, handler: Handler) -> web.StreamResponse:
        raw = request.rel_url.raw_path
        if "//" in raw:
            clean = raw
            while "//" in clean:
                clean = clean.replace("//", "/")
            body = f'<a href="{escape(clean)}">Temporary Redirect</a>.\n\n'
            return web.Response(status=307, text=body, content_type="text/html", headers={"Location": clean})
        if prefix and not request.path.startswith(prefix) and request.match_info.http_exception is not None:
            return plain(404, "404 page not found\n", {"X-Content-Type-Options": "nosniff"})
        return await handler(request)

    return outside
