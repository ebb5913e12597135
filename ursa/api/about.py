"""What this control plane is: its index, its configuration, its view of the caller, its counts."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import orjson
from aiohttp import web

from ursa.admission.startup import CLUSTER_ID
from ursa.api.access import Access
from ursa.api.answers import JSON, answer
from ursa.api.callers import caller_of
from ursa.api.context import ApiContext, Endpoint, Guard
from ursa.api.insights.overall import global_scope_totals, overall
from ursa.api.insights.sight import unseen_zones
from ursa.api.reader import Reader
from ursa.model.timestamps import rfc3339
from ursa.runtime.config import effective
from ursa.version import BASED_ON_KUMA

PRODUCT = "Kuma"
"""Kuma's own command line refuses to talk to anything else (`spec/rest-api.md` §1)."""


class About:
    """The calls about the control plane itself."""

    def __init__(self, context: ApiContext, reader: Reader, access: Access) -> None:
        self._context = context
        self._reader = reader
        self._access = access

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        yield Endpoint("GET", "/", self.index, "Could not get the index", public=True)
        yield Endpoint("GET", "/config", self.config, "Could not get the configuration", guard=Guard.OWN)
        yield Endpoint("GET", "/who-am-i", self.who_am_i, "Could not identify the caller", guard=Guard.OWN)
        yield Endpoint("GET", "/global-insight", self.global_insight, "Could not retrieve insights")
        yield Endpoint("GET", "/global-insights", self.global_insights, "Could not retrieve insights")

    async def index(self, _: web.Request) -> web.Response:
        """Who we are; clients check product and version here."""
        cluster = self._context.view.get("Config", "", CLUSTER_ID)
        return answer(
            {
                "basedOnKuma": BASED_ON_KUMA,
                "clusterId": cluster.spec.get("config", "") if cluster is not None else "",
                "gui": self._gui(),
                "hostname": socket.gethostname(),
                "instanceId": self._context.instance_id,
                "product": PRODUCT,
                "version": BASED_ON_KUMA,
            }
        )

    async def config(self, request: web.Request) -> web.Response:
        """The effective configuration, secrets masked."""
        self._access.configuration(request)
        tls = self._context.tls
        pair = (str(tls.cert), str(tls.key)) if tls is not None else None
        return web.Response(body=orjson.dumps(effective(self._context.settings, pair)), headers={"Content-Type": JSON})

    async def who_am_i(self, request: web.Request) -> web.Response:
        """Whom we take the caller for."""
        caller = caller_of(request)
        return answer({"name": caller.name, "groups": list(caller.groups)})

    async def global_insight(self, _: web.Request) -> web.Response:
        """Counts over all meshes and zones."""
        view = self._context.view
        unseen = unseen_zones(view, self._context.place)
        counts = overall(view, self._reader.meshes, self._reader.services, unseen)
        return answer({"createdAt": self._now(), **counts})

    async def global_insights(self, _: web.Request) -> web.Response:
        """Counts of objects outside meshes."""
        totals = global_scope_totals(self._context.view, self._context.registry)
        return answer({"type": "GlobalInsights", "creationTime": self._now(), "resources": totals})

    def _now(self) -> str:
        return rfc3339(self._context.clock.now_ns())

    def _gui(self) -> str:
        gui = self._context.settings.api_server.gui
        if not gui.enabled or self._context.place.federated:
            return ""
        return gui.root_url or gui.base_path
