"""`ursactl describe`: one object, what was observed of it, and what it has to do with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from ursa.cli import states
from ursa.cli.ages import age
from ursa.cli.failures import ServerRefused
from ursa.cli.output import yaml_of
from ursa.cli.session import Session, mesh_option, pass_session, type_argument
from ursa.model.forms import META
from ursa.model.kind import Family, Kind
from ursa.runtime.clock import SystemClock

Facts = Iterator[tuple[str, str]]

MOST = 20
"""Names that one line lists."""

_POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)
_ROWS: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "Dataplane": (states.DATAPLANE, states.dataplane),
    "Zone": (states.ZONE, states.zone),
    "ZoneIngress": (states.ZONE_PROXY, states.zone_proxy),
    "ZoneEgress": (states.ZONE_PROXY, states.zone_proxy),
}
"""Columns of a kind's overview and how they are filled."""


@click.command()
@type_argument
@click.argument("name")
@mesh_option
@pass_session
def command(session: Session, type_: str, name: str, mesh: str) -> None:
    """Show all there is to know about one resource."""
    kind = session.kind(type_)
    item = session.client.get(session.path(kind, mesh, name)).document
    facts = [*_identity(item), *_observed(session, kind, mesh, name)]
    width = max(len(title) for title, _ in facts) + 1
    for title, value in facts:
        click.echo(f"{title + ':':<{width}}   {value}".rstrip())
    spec = item.get("spec") if "spec" in item else {k: v for k, v in item.items() if k not in META}
    for title, part in (("Spec", spec), ("Status", item.get("status"))):
        if part:
            click.echo(f"{title}:")
            for line in yaml_of(part).splitlines():
                click.echo(f"  {line}")


def _identity(item: dict[str, Any]) -> Facts:
    now = SystemClock().now_ns()
    for title, key in (("Type", "type"), ("Mesh", "mesh"), ("Name", "name"), ("KRI", "kri")):
        if item.get(key):
            yield title, str(item[key])
    for title, key in (("Created", "creationTime"), ("Modified", "modificationTime")):
        yield title, f"{item.get(key, '')} ({age(item.get(key), now)} ago)"
    labels = item.get("labels") or {}
    yield "Labels", " ".join(f"{key}={labels[key]}" for key in sorted(labels)) or "-"


def _observed(session: Session, kind: Kind, mesh: str, name: str) -> Facts:
    """What other calls say about the object; a control plane that lacks one of them says nothing."""
    try:
        if kind.name in _ROWS:
            header, row = _ROWS[kind.name]
            overview = session.client.get(session.path(kind, mesh, name, "_overview")).document
            if kind.name == "Zone":
                overview = session.zone_overview(overview)
            facts = zip(header, row(overview, SystemClock().now_ns()), strict=True)
            yield from ((t.capitalize(), v) for t, v in facts if t not in ("MESH", "NAME") and v)
        elif kind.name == "Mesh":
            insight = session.client.get(f"/mesh-insights/{name}").document
            header, cells = states.MESH, states.mesh(insight, 0)
            yield from ((t.capitalize(), v) for t, v in zip(header, cells, strict=True) if v != "0" and t != "MESH")
        elif kind.family in _POLICIES or kind.name == "MeshService":
            path = session.path(kind, mesh, name, "_resources", "dataplanes")
            yield "Selects", _names(session.client.get(path, {"size": MOST}).document)
    except ServerRefused as error:
        if error.status not in (404, 405):
            raise


def _names(page: dict[str, Any]) -> str:
    names = [str(item["name"]) for item in page.get("items") or ()]
    more = page.get("total", len(names)) - len(names)
    return (" ".join(names) or "no proxy") + (f" and {more} more" if more > 0 else "")
