"""`ursactl get`: lists of any kind, or one object, as a table, YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from ursa.cli.ages import age
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.output import print_document, print_row, print_table
from ursa.cli.session import Session, mesh_option, output_option, pass_session, type_argument
from ursa.model.forms import META
from ursa.model.kind import Kind
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock


@click.command()
@type_argument
@click.argument("name", default=None)
@mesh_option
@click.option("-A", "--all-meshes", is_flag=True, help="objects of all meshes")
@click.option("--size", type=int, help="at most so many, instead of all")
@click.option("--offset", type=int, help="leave out so many")
@click.option("-w", "--watch", is_flag=True, help="go on and show every change")
@output_option
@pass_session
def command(
    session: Session,
    type_: str,
    name: str | None,
    mesh: str,
    all_meshes: bool,
    size: int | None,
    offset: int | None,
    watch: bool,
    output: str,
) -> None:
    """Show resources of a TYPE, or the one with NAME."""
    kind = session.kind(type_)
    if name == "":
        # An unset variable of a script, most likely: it did not mean everything.
        raise CommandFailed("NAME is empty")
    if watch:
        _watch(session, kind, "" if all_meshes else mesh, name or "", output)
        return
    if name:
        _one(session, kind, mesh, name, output)
        return
    path = session.path(kind, "" if all_meshes else mesh)
    if size is None and offset is None:
        items = list(session.client.pages(path))
        page: dict[str, Any] = {"total": len(items), "items": items, "next": None}
    else:
        page = session.client.get(path, {"size": size, "offset": offset}).document
    if output != "table":
        print_document(page, output)
        return
    _table(kind, page["items"])
    if page.get("next"):
        following = (offset or 0) + len(page["items"])
        click.echo(f"\nRerun command with --offset={following} argument to retrieve more resources")


def _one(session: Session, kind: Kind, mesh: str, name: str, output: str) -> None:
    try:
        item = session.client.get(session.path(kind, mesh, name)).document
    except ServerRefused as error:
        if error.status != 404:
            raise
        where = "" if kind.global_scope else f" in {mesh} mesh"
        raise CommandFailed(f"No resources found{where}") from None
    if output == "table":
        _table(kind, [item])
    else:
        print_document(item, output)


def _watch(session: Session, kind: Kind, mesh: str, name: str, output: str) -> None:
    """Prints what is there and then every change, until interrupted."""
    present: list[dict[str, Any]] = []
    synced = False
    widths: list[int] = []
    for line in session.client.lines(session.path(kind, mesh), {"watch": "true", **({"name": name} if name else {})}):
        item = line.get("object")
        if item is not None and name and item["name"] != name:
            continue
        if output != "table":
            if item is not None:
                print_document({"change": line["change"], "object": item}, output, separate=True)
        elif line["change"] == "present":
            present.append(line)
        elif not synced:
            synced = True
            rows = [_header(kind, "CHANGE"), *(_row(kind, one["object"], "present") for one in present)]
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            for row in rows:
                print_row(row, widths)
        elif item is not None:
            print_row(_row(kind, item, line["change"]), widths)


def _table(kind: Kind, items: Iterable[dict[str, Any]]) -> None:
    print_table(_header(kind), [_row(kind, item) for item in items])


def _header(kind: Kind, *first: str) -> list[str]:
    place = [] if kind.global_scope else ["MESH"]
    return [*first, *place, "NAME", *(column.title for column in kind.columns), "AGE"]


def _row(kind: Kind, item: dict[str, Any], *first: str) -> list[str]:
    resource = _resource(kind, item)
    cells = [column.cell(resource) for column in kind.columns]
    place = [] if kind.global_scope else [resource.mesh]
    return [*first, *place, resource.name, *cells, age(item.get("modificationTime"), SystemClock().now_ns())]


def _resource(kind: Kind, item: dict[str, Any]) -> Resource:
    """The item as columns want it; a server of another version may send what our schema would refuse."""
    spec = {k: v for k, v in item.items() if k not in META} if kind.codec.flat else item.get("spec") or {}
    return Resource(kind.name, item.get("mesh", ""), item.get("name", ""), spec, item.get("labels") or {})
