"""The HTTP side: requests in, documents or refusals out, with the statuses that launchers act on.

A launcher gives up on 4xx, except on 404: then, and on 5xx, it asks again. So what time or a person's `apply` can heal
must not be a 4xx.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import socket

import orjson
import yaml
from aiohttp import web
from aiohttp.typedefs import Middleware

from ursa.envoy.bootstrap import bootstrap_document
from ursa.errors import BadRequest, InvalidResource, NotFound, UrsaError
from ursa.ir.naming import is_ip
from ursa.model.json import Json
from ursa.model.kind import Registry
from ursa.runtime.config import Settings
from ursa.runtime.tls import ReloadedPair
from ursa.view.live import LiveView
from zone_cp.dp_server.bootstrap.answer import bootstrap_inputs, sidecar_configuration
from zone_cp.dp_server.bootstrap.refusals import Broken, ServedNames, Unusable, check_authority, check_token
from zone_cp.dp_server.bootstrap.request import BootstrapRequest, parse_request
from zone_cp.dp_server.bootstrap.subject import find_subject

log = logging.getLogger(__name__)

LOOKUP_TIMEOUT = 2.0
"""Seconds for a look-up of a name. No setting: without an answer the address family is taken from elsewhere."""
MAX_BODY = 4 << 20
"""Bytes of a request. No setting: a bootstrap request is some kibibytes."""
NO_AUTHENTICATION = "none"


def bootstrap_application(
    settings: Settings, live: LiveView, registry: Registry, pair: ReloadedPair, *middlewares: Middleware
) -> web.Application:
    """What answers HTTP on the dataplane server.

    Args:
        settings: of the control plane.
        live: where meshes and proxies are looked up.
        registry: how resources in requests are read.
        pair: the certificate that proxies will see.
        middlewares: see every request.
    """
    application = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    application.router.add_route("*", "/bootstrap", _Handler(settings, live, registry, pair).answer)
    application.router.add_route("*", "/{path:.*}", _not_found)
    return application


class _Handler:
    def __init__(self, settings: Settings, live: LiveView, registry: Registry, pair: ReloadedPair) -> None:
        self._settings, self._live, self._registry, self._pair = settings, live, registry, pair
        self._names = ServedNames(pair)

    async def answer(self, http: web.Request) -> web.Response:
        """The bootstrap, or a refusal; each is logged once, here."""
        if http.method != "POST":
            return web.Response(status=400)
        proxy = ""
        try:
            request = parse_request(await _body(http))
            proxy = f"{request.mesh}.{request.name}"
            return await self._bootstrap(http, request)
        except UrsaError as error:
            log.warning("bootstrap refused", extra={"proxy": proxy, "peer": http.remote, "error": error})
            return _refusal(error)

    async def _bootstrap(self, http: web.Request, request: BootstrapRequest) -> web.Response:
        settings, params = self._settings, self._settings.bootstrap_server.params
        host = params.xds_host or http.url.host or ""
        authn = settings.dp_server.authn
        sort = authn.dp_proxy if request.proxy_type in ("", "dataplane") else authn.zone_proxy
        required, from_file = sort.type != NO_AUTHENTICATION, authn.enable_reloadable_tokens
        check_token(request, required=required, from_file=from_file)
        if not params.xds_host:
            self._names.check(host)
        subject = find_subject(request, self._live.current, self._registry)
        # Without a CA from the launcher, Envoy trusts what is served now: right for a pair that signs itself.
        authority = request.ca_cert.encode() or self._pair.current().cert_pem
        check_authority(authority)
        v4_only = await _has_only_v4(host)
        inputs = bootstrap_inputs(request, subject, settings, host=host, authority=authority, v4_only=v4_only)
        text = yaml.dump(bootstrap_document(inputs), Dumper=yaml.CSafeDumper, width=1 << 20).encode()
        if "application/json" not in http.headers.get("accept", ""):
            return web.Response(body=text, content_type="text/x-yaml")
        sidecar = await asyncio.to_thread(sidecar_configuration, subject, settings)
        document = {"bootstrap": base64.b64encode(text).decode(), "kumaSidecarConfiguration": sidecar}
        return web.Response(body=orjson.dumps(document), content_type="application/json")


async def _body(http: web.Request) -> Json:
    try:
        document: Json = orjson.loads(await http.read())
    except orjson.JSONDecodeError as error:
        raise _NotJson(str(error)) from None
    return document


class _NotJson(BadRequest):
    """Not even JSON, so whoever asks is no launcher."""


def _refusal(error: UrsaError) -> web.Response:
    match error:
        case Unusable() | InvalidResource():
            return web.Response(status=422, text=str(error))
        case _NotJson():
            return web.Response(status=400)
        case BadRequest():
            return web.Response(status=400, text=str(error))
        case NotFound():
            return web.Response(status=404)
        case Broken():
            return web.Response(status=500)
    raise error


async def _not_found(_: web.Request) -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


async def _has_only_v4(host: str) -> bool:
    """Whether a name has no IPv6 address; when in doubt it may have one."""
    if is_ip(host):
        return False
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return False
    return bool(found) and all(family == socket.AF_INET for family, *_ in found)
