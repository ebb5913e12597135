"""Resources on their way to the control plane: checked before anything is sent, sent, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.manifests import Document
from ursa.cli.session import Session
from ursa.errors import UrsaError
from ursa.model.forms import from_kubernetes, from_rest, is_kubernetes, to_rest
from ursa.model.names import name_violations
from ursa.model.resource import Resource
from ursa.model.strays import stray_fields

REVISION, CHANGED = "X-Ursa-Revision", "X-Ursa-Changed"
SERVERS_OWN = ("creationTime", "modificationTime", "kri", "status")
"""What only the server knows of an object."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a write did.

    Attributes:
        change: created, configured or unchanged.
        revision: of the control plane's store; empty when it tells none.
        warnings: what the control plane warns of.
    """

    change: str
    revision: str
    warnings: tuple[str, ...]


class BadName(CommandFailed):
    """A resource cannot be called like this."""


def check_all(session: Session, documents: list[Document]) -> list[Resource]:
    """The resources of all documents, meshes first so that what lives in them finds them; warns of ignored fields.

    Raises:
        CommandFailed: a document is not valid; every one that is not is named.
    """
    resources: list[Resource] = []
    notes: list[str] = []
    several = len({document.source for document in documents}) > 1
    for index, document in enumerate(documents):
        where = f"resource[{index}]" + (f" of {document.source}" if several else "")
        try:
            resources.append(check(session, document.content, where=where))
        except BadName as error:
            notes.append(f"{where}: failed to read meta: {error}")
        except UrsaError as error:
            notes.append(f"{where}: failed to parse resource: {error}")
    if notes:
        raise CommandFailed("failed to validate some resources", notes)
    return sorted(resources, key=lambda resource: resource.kind != "Mesh")


def check(session: Session, document: dict[str, Any], *, where: str = "") -> Resource:
    """The resource of one document, in either form; warns of fields that are ignored.

    Raises:
        UrsaError: it is not valid.
    """
    if is_kubernetes(document):
        document = from_kubernetes(document, session.registry)
    _warn_of_strays(session, document, where)
    resource = from_rest(document, session.registry, keep_status=False)
    kind = session.registry[resource.kind]
    if not resource.name:
        raise CommandFailed("name: cannot be empty")
    if not kind.global_scope and not resource.mesh:
        raise CommandFailed("mesh: cannot be empty")
    if found := kind.validate(resource):
        raise CommandFailed("; ".join(map(str, found)))
    if found := name_violations("name", resource.name):
        raise BadName("; ".join(map(str, found)))
    return resource


def _warn_of_strays(session: Session, document: dict[str, Any], where: str) -> None:
    """Tells of ignored fields even if the document is refused: they are often the reason."""
    kind = next((kind for kind in session.registry if kind.name == document.get("type")), None)
    for stray in stray_fields(document, kind) if kind is not None else ():
        click.echo(f"Warning: {where + ': ' if where else ''}{stray}", err=True)


def body_of(resource: Resource, session: Session) -> dict[str, Any]:
    """The REST form without what only the server knows."""
    return without_servers_own(to_rest(resource, session.registry))


def without_servers_own(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as a user would have written it."""
    return {key: value for key, value in document.items() if key not in SERVERS_OWN}


def send(session: Session, resource: Resource, *, on_trial: bool = False, tag: str = "") -> Sent:
    """Creates or replaces a resource.

    Args:
        session: of the command.
        resource: what is wanted.
        on_trial: whether the control plane only checks it.
        tag: the `ETag` that was read; somebody else's change since then is not overwritten.

    Raises:
        CommandFailed: the control plane refused it; the text names the resource.
    """
    kind = session.registry[resource.kind]
    path = session.path(kind, resource.mesh, resource.name)
    headers = {"If-Match": tag} if tag else {}
    try:
        answer = session.client.call(
            "PUT", path + ("?dryRun=true" if on_trial else ""), body_of(resource, session), headers=headers
        )
    except ServerRefused as error:
        where = f'resource type="{kind.name}" mesh="{resource.mesh}" name="{resource.name}"'
        raise error.about(f"{where}: failed server side") from None
    unchanged = answer.headers.get(CHANGED) == "false"
    change = "unchanged" if unchanged else "created" if answer.status == 201 else "configured"
    return Sent(change, answer.headers.get(REVISION, ""), tuple(answer.document.get("warnings") or ()))
