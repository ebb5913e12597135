"""`ursactl apply`: checks all documents first, then sends them one by one and says what each changed."""

from __future__ import annotations

from typing import Any

import click

from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.manifests import parse_variables, read_documents
from ursa.cli.output import yaml_of
from ursa.cli.rollout import Arrival, wait_for
from ursa.cli.session import Session, pass_session
from ursa.errors import UrsaError
from ursa.model.forms import from_kubernetes, from_rest, is_kubernetes, to_rest
from ursa.model.kind import Kind
from ursa.model.resource import Resource

REVISION, CHANGED = "X-Ursa-Revision", "X-Ursa-Changed"


@click.command()
@click.option("-f", "--file", "files", multiple=True, required=True, help="file, folder, - or URL; may be repeated")
@click.option("-v", "--var", "variables", multiple=True, help="NAME=VALUE for {{ NAME }} in the files")
@click.option(
    "--dry-run",
    type=click.Choice(["none", "client", "server"]),
    is_flag=False,
    flag_value="client",
    default="none",
    help="client: print what would be sent; server: let the control plane check it",
)
@click.option(
    "--wait",
    type=click.Choice(["none", "stored", "complete"]),
    is_flag=False,
    flag_value="complete",
    default="none",
    help="wait until zones have stored it, or until their proxies have it, too",
)
@click.option("--timeout", default="30s", show_default=True, help="how long to wait, as in 1m30s")
@click.option("--zones", default="", help="wait for these zones only, separated by commas")
@pass_session
def command(
    session: Session,
    files: tuple[str, ...],
    variables: tuple[str, ...],
    dry_run: str,
    wait: str,
    timeout: str,
    zones: str,
) -> None:
    """Create or change resources from files."""
    documents = read_documents(files, parse_variables(variables))
    if not documents:
        raise CommandFailed("no resource(s) passed to apply")
    resources = check_all(session, documents)
    if dry_run == "client":
        click.echo("---\n".join(yaml_of(_body(resource, session)) for resource in resources), nl=False)
        return
    arrival = Arrival(wait, timeout, tuple(filter(None, zones.split(",")))) if wait != "none" else None
    for resource in resources:
        _send(session, resource, on_trial=dry_run == "server", arrival=arrival)


def check_all(session: Session, documents: list[dict[str, Any]]) -> list[Resource]:
    """The resources of all documents, meshes first so that what lives in them finds them.

    Raises:
        CommandFailed: a document is not valid; every one that is not is named.
    """
    resources: list[Resource] = []
    notes: list[str] = []
    for index, document in enumerate(documents):
        try:
            resources.append(_check(session, document))
        except UrsaError as error:
            notes.append(f"resource[{index}]: failed to parse resource: {error}")
    if notes:
        raise CommandFailed("failed to validate some resources", notes)
    return sorted(resources, key=lambda resource: resource.kind != "Mesh")


def _check(session: Session, document: dict[str, Any]) -> Resource:
    if is_kubernetes(document):
        document = from_kubernetes(document, session.registry)
    resource = from_rest(document, session.registry, keep_status=False)
    kind = session.registry[resource.kind]
    if not resource.name:
        raise CommandFailed("name: cannot be empty")
    if not kind.global_scope and not resource.mesh:
        raise CommandFailed("mesh: cannot be empty")
    if found := kind.validate(resource):
        raise CommandFailed("; ".join(map(str, found)))
    return resource


def _body(resource: Resource, session: Session) -> dict[str, Any]:
    """The REST form without what only the server knows."""
    document = to_rest(resource, session.registry)
    return {k: v for k, v in document.items() if k not in ("creationTime", "modificationTime", "kri", "status")}


def _send(session: Session, resource: Resource, *, on_trial: bool, arrival: Arrival | None) -> None:
    kind: Kind = session.registry[resource.kind]
    path = session.path(kind, resource.mesh, resource.name)
    try:
        answer = session.client.call("PUT", path + ("?dryRun=true" if on_trial else ""), _body(resource, session))
    except ServerRefused as error:
        where = f'resource type="{kind.name}" mesh="{resource.mesh}" name="{resource.name}"'
        raise CommandFailed(f"{where}: failed server side: {error}", error.notes) from None
    unchanged = answer.headers.get(CHANGED) == "false"
    change = "unchanged" if unchanged else "created" if answer.status == 201 else "configured"
    revision = answer.headers.get(REVISION, "")
    suffix = " (dry run)" if on_trial else f" (revision {revision})" if revision else ""
    if arrival is not None and revision and not on_trial:
        suffix += f": {wait_for(session, revision, arrival)}"
    click.echo(f"{kind.name.lower()}.{resource.name} {change}{suffix}")
    for warning in answer.document.get("warnings") or ():
        click.echo(f"Warning: {warning}", err=True)
