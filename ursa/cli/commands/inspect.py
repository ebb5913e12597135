"""`ursactl inspect`: how proxies, zones, meshes and services are doing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from ursa.cli import matches, states
from ursa.cli.client import path_of
from ursa.cli.commands.zone_sync import zone_sync
from ursa.cli.failures import CommandFailed
from ursa.cli.output import print_document, print_table
from ursa.cli.session import Session, mesh_option, output_option, pass_session
from ursa.model.kind import Family, Kind
from ursa.runtime.clock import SystemClock

POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)
GATEWAYS = ("MeshGateway", "MeshGatewayRoute")
"""Kinds whose inspection answers plain names."""

Row = Callable[[Mapping[str, Any], int], Sequence[str]]

RAW = {"config-dump": "xds", "stats": "stats", "clusters": "clusters", "config": "_config", "policies": "policies"}
"""What `--type` asks for, and the path below the proxy where it is."""


class Inspections(click.Group):
    """The commands below, and one for every kind of policy by its own name, as Kuma's tool has them."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = super().get_command(ctx, name)
        if found is not None:
            return found
        kind = ctx.ensure_object(Session).kind(name)
        return _of_kind(kind) if kind.family in POLICIES or kind.name in GATEWAYS else None


@click.group(cls=Inspections)
def command() -> None:
    """Show how proxies, zones, meshes and services are doing.

    Besides the commands listed, every kind of policy is one: `inspect meshtimeout NAME` shows the proxies it meets.
    """


def _of_kind(kind: Kind) -> click.Command:
    @click.command(name=kind.path, help=f"Show which proxies a {kind.name} meets.")
    @click.argument("name")
    @mesh_option
    @click.option("--new-api", is_flag=True, help="names only, by the newer call")
    @pass_session
    def show(session: Session, name: str, mesh: str, new_api: bool) -> None:
        if new_api:
            _selected(session, kind, mesh, name)
            return
        document = session.client.get(session.path(kind, mesh, name, "dataplanes")).document
        if kind.name in GATEWAYS:
            lines = iter([str(item["dataplane"]["name"]) for item in document.get("items") or ()])
        else:
            lines = matches.proxies_of_policy(document)
        for line in lines:
            click.echo(line)

    return show


@command.command()
@mesh_option
@click.option("--tag", "tags", multiple=True, help="NAME=VALUE a proxy must have; may be repeated")
@click.option("--gateway", is_flag=True, help="gateways only")
@click.option("--ingress", is_flag=True, hidden=True)
@output_option
@pass_session
def dataplanes(session: Session, mesh: str, tags: tuple[str, ...], gateway: bool, ingress: bool, output: str) -> None:
    """Show proxies of a mesh and their connections."""
    if ingress:
        raise CommandFailed("zone ingresses are no dataplanes any more: see `inspect zoneingresses`")
    parameters = {"tag": [tag.replace("=", ":", 1) for tag in tags], "gateway": "true" if gateway else None}
    items = session.client.pages(path_of("meshes", mesh, "dataplanes", "_overview"), parameters)
    _show(items, states.DATAPLANE, states.dataplane, output)


@command.command()
@output_option
@pass_session
def zones(session: Session, output: str) -> None:
    """Show zones and their connections."""
    items = map(session.zone_overview, session.client.pages("/zones/_overview"))
    _show(items, states.ZONE, states.zone, output)


@command.command()
@output_option
@pass_session
def zoneingresses(session: Session, output: str) -> None:
    """Show zone ingresses and their connections."""
    _show(session.client.pages("/zoneingresses/_overview"), states.ZONE_PROXY, states.zone_proxy, output)


@command.command()
@output_option
@pass_session
def zoneegresses(session: Session, output: str) -> None:
    """Show zone egresses and their connections."""
    _show(session.client.pages("/zoneegresses/_overview"), states.ZONE_PROXY, states.zone_proxy, output)


@command.command()
@output_option
@pass_session
def meshes(session: Session, output: str) -> None:
    """Show what meshes hold."""
    _show(session.client.pages("/mesh-insights"), states.MESH, states.mesh, output)


@command.command()
@mesh_option
@output_option
@pass_session
def services(session: Session, mesh: str, output: str) -> None:
    """Show services of a mesh."""
    items = session.client.pages(path_of("meshes", mesh, "service-insights"))
    _show(items, states.SERVICE, states.service, output)


@command.command()
@click.argument("name")
@mesh_option
@click.option("--type", "what", type=click.Choice(sorted(RAW)), default="policies", show_default=True)
@click.option("--include-eds", is_flag=True, help="with config-dump: endpoints too")
@click.option("--shadow", is_flag=True, help="with config: as if shadow policies applied")
@click.option("--include", type=click.Choice(["diff"]), multiple=True, help="with config: what shadow policies change")
@pass_session
def dataplane(
    session: Session, name: str, mesh: str, what: str, include_eds: bool, shadow: bool, include: tuple[str, ...]
) -> None:
    """Show one proxy: its policies, its configuration, its statistics."""
    if (shadow or include) and what != "config":
        raise CommandFailed("flag '--shadow' can be used only when '--type=config'")
    if include_eds and what != "config-dump":
        raise CommandFailed("flag '--include-eds' can be used only when '--type=config-dump'")
    parameters: dict[str, Any] = {}
    if what == "config":
        parameters = {"shadow": str(shadow).lower(), "include": ",".join(include)}
    elif what == "config-dump":
        parameters = {"include_eds": str(include_eds).lower()}
    answer = session.client.get(path_of("meshes", mesh, "dataplanes", name, RAW[what]), parameters)
    if what == "policies":
        for line in matches.policies_of_proxy(answer.document):
            click.echo(line)
    else:
        click.echo(answer.text)


def _zone_proxy(kind: str, path: str) -> click.Command:
    @click.command(name=kind, help=f"Show one {kind}: its configuration, its statistics.")
    @click.argument("name")
    @click.option("--type", "what", type=click.Choice(["config-dump", "stats", "clusters"]), default="config-dump")
    @pass_session
    def show(session: Session, name: str, what: str) -> None:
        click.echo(session.client.get(path_of(path, name, RAW[what])).text)

    return show


@command.command()
@click.argument("type_", metavar="TYPE")
@click.argument("name")
@mesh_option
@pass_session
def policy(session: Session, type_: str, name: str, mesh: str) -> None:
    """Show which proxies a policy of a TYPE selects."""
    _selected(session, session.kind(type_), mesh, name)


def _selected(session: Session, kind: Kind, mesh: str, name: str) -> None:
    click.echo("Affected data plane proxies:\n")
    for item in session.client.pages(session.path(kind, mesh, name, "_resources", "dataplanes")):
        click.echo(f"  {item['name']}")


def _show(items: Iterable[Mapping[str, Any]], header: Sequence[str], row: Row, output: str) -> None:
    found = list(items)
    if output != "table":
        print_document({"total": len(found), "items": found, "next": None}, output)
        return
    now = SystemClock().now_ns()
    print_table(header, [row(item, now) for item in found])


command.add_command(_zone_proxy("zoneingress", "zoneingresses"))
command.add_command(_zone_proxy("zoneegress", "zoneegresses"))
command.add_command(zone_sync)
command.add_command(zoneingresses, "zone-ingresses")
command.add_command(zoneegresses, "zone-egresses")
