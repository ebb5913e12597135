"""Who may do what: access lists, which name users and groups, for what is delicate; roles for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from ursa.api.answers import DRY_RUN, is_true
from ursa.api.callers import Caller, caller_of
from ursa.api.context import Guard
from ursa.api.roles import Roles
from ursa.errors import Forbidden
from ursa.model.kind import Family, Kind
from ursa.model.resource import Resource
from ursa.runtime.config.tree import Settings

MESHES = ("meshes", "mesh-insights")
"""Paths of kinds outside meshes whose objects are about the mesh of their name."""


class AccessList(Protocol):
    """Names that are allowed something."""

    @property
    def users(self) -> tuple[str, ...]:
        """Users."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups."""


class Access:
    """The access lists of this process."""

    def __init__(self, settings: Settings) -> None:
        self._lists = settings.access.static
        self._roles = Roles(settings.access)

    def route(self, request: web.Request, guard: Guard) -> None:
        """Anything at all, by the roles of the caller. Raises Forbidden."""
        if guard is Guard.OWN:
            return
        caller, path, mesh = caller_of(request), request.match_info.get("path"), request.match_info.get("mesh")
        itself = path in MESHES and "name" in request.match_info
        if itself:
            mesh = request.match_info["name"]
        if request.method == "GET" or guard is Guard.READS or is_true(request, DRY_RUN):
            self._roles.check_read(caller, mesh)
        else:
            self._roles.check_write(caller, mesh, itself=itself)

    def reading(self, request: web.Request, mesh: str) -> None:
        """Reading in a mesh that the path does not name; empty outside meshes."""
        self._roles.check_read(caller_of(request), mesh or None)

    def visible(self, request: web.Request, resources: Sequence[Resource]) -> Sequence[Resource]:
        """Those resources of a list over all meshes that the caller may read."""
        return self._roles.visible(caller_of(request), resources)

    def resource(self, request: web.Request, kind: Kind) -> None:
        """Any verb on an object of this kind; only secrets are guarded."""
        if kind.family is Family.ADMIN:
            self._check(request, self._lists.admin_resources, f'the resource of type "{kind.name}"')

    def dataplane_token(self, request: web.Request) -> None:
        """Issuing a dataplane token."""
        self._check(request, self._lists.generate_dp_token, "generate dataplane token")

    def zone_token(self, request: web.Request, zone: str) -> None:
        """Issuing a zone token."""
        self._check(request, self._lists.generate_zone_token, f"generate zone token for zone '{zone}'")

    def user_token(self, request: web.Request) -> None:
        """Issuing a user token."""
        if not _listed(caller_of(request), self._lists.generate_user_token):
            raise Forbidden("action not allowed")

    def configuration(self, request: web.Request) -> None:
        """Looking at the configuration of the control plane."""
        self._check(request, self._lists.control_plane_metadata, "control plane metadata")

    def config_dump(self, request: web.Request) -> None:
        """Looking at a proxy's configuration."""
        self._check(request, self._lists.view_config_dump, "config dump")

    def stats(self, request: web.Request) -> None:
        """Looking at a proxy's statistics."""
        self._check(request, self._lists.view_stats, "stats")

    def clusters(self, request: web.Request) -> None:
        """Looking at a proxy's clusters."""
        self._check(request, self._lists.view_clusters, "clusters")

    def _check(self, request: web.Request, allowed: AccessList, what: str) -> None:
        caller = caller_of(request)
        if not _listed(caller, allowed):
            raise Forbidden(f'user "{caller}" cannot access {what}')


def _listed(caller: Caller, allowed: AccessList) -> bool:
    return caller.name in allowed.users or not set(caller.groups).isdisjoint(allowed.groups)
