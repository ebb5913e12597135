"""`ursactl delete`: by type and name, or everything that a file describes."""

from __future__ import annotations

import click

from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.manifests import Document, parse_variables, read_documents
from ursa.cli.session import Session, mesh_option, pass_session
from ursa.model.forms import from_kubernetes, is_kubernetes
from ursa.model.kind import Kind


@click.command()
@click.argument("type_", metavar="[TYPE", default="")
@click.argument("name", metavar="NAME]", default="")
@mesh_option
@click.option("-f", "--file", "files", multiple=True, help="delete what these files describe, last first")
@click.option("-v", "--var", "variables", multiple=True, help="NAME=VALUE for {{ NAME }} in the files")
@pass_session
def command(
    session: Session, type_: str, name: str, mesh: str, files: tuple[str, ...], variables: tuple[str, ...]
) -> None:
    """Delete a resource."""
    if files:
        _delete_all(session, read_documents(files, parse_variables(variables)), mesh)
        return
    if not type_ or not name:
        raise CommandFailed("give a TYPE and a NAME, or --file")
    _delete(session, session.kind(type_), mesh, name)


def _delete_all(session: Session, documents: list[Document], mesh: str) -> None:
    """Last first and meshes at the end, because a mesh takes along what is in it."""
    targets = []
    for given in reversed(documents):
        document = given.content
        if is_kubernetes(document):
            document = from_kubernetes(document, session.registry)
        kind = session.kind(str(document.get("type", "")))
        if not document.get("name"):
            raise CommandFailed(f"{given.source}: a {kind.name} has no name")
        targets.append((kind, str(document.get("mesh") or mesh), str(document["name"])))
    for kind, of, name in sorted(targets, key=lambda target: target[0].name == "Mesh"):
        _delete(session, kind, of, name)


def _delete(session: Session, kind: Kind, mesh: str, name: str) -> None:
    try:
        session.client.call("DELETE", session.path(kind, mesh, name))
    except ServerRefused as error:
        if error.status == 404:
            raise CommandFailed(f'there is no {kind.name} with name "{name}"') from None
        raise
    click.echo(f'deleted {kind.name} "{name}"')
