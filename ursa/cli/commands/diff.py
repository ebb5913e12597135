"""`ursactl diff`: what `apply` of the same files would change, line by line; exit status 1 when that is anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ursa.cli.failures import CommandFailed, Different, ServerRefused
from ursa.cli.manifests import parse_variables, read_documents
from ursa.cli.output import yaml_of
from ursa.cli.resources import body_of, check_all, without_servers_own
from ursa.cli.session import Session, files_option, pass_session, variables_option
from ursa.model.resource import Resource

COMPUTED = ("kuma.io/", "k8s.kuma.io/")
"""Beginnings of labels that the control plane sets by itself."""


@click.command()
@files_option(required=True)
@variables_option
@pass_session
def command(session: Session, files: tuple[str, ...], variables: tuple[str, ...]) -> None:
    """Show what apply would change."""
    documents = read_documents(files, parse_variables(variables))
    if not documents:
        raise CommandFailed("no resource(s) passed to diff")
    changed = False
    for resource in check_all(session, documents):
        for line in differences(resource, session):
            changed = True
            click.echo(line)
    if changed:
        raise Different


def differences(resource: Resource, session: Session) -> Iterator[str]:
    """The lines of a unified difference between the object as it is and as the file wants it."""
    wanted = body_of(resource, session)
    present = _present(resource, session)
    before = [] if present is None else yaml_of(_comparable(present, wanted)).splitlines()
    title = f"{resource.kind} {resource.mesh}/{resource.name}" if resource.mesh else f"{resource.kind} {resource.name}"
    yield from difflib.unified_diff(
        before, yaml_of(wanted).splitlines(), f"present {title}", f"wanted {title}", lineterm=""
    )


def _present(resource: Resource, session: Session) -> dict[str, Any] | None:
    kind = session.registry[resource.kind]
    try:
        return without_servers_own(session.client.get(session.path(kind, resource.mesh, resource.name)).document)
    except ServerRefused as error:
        if error.status == 404:
            return None
        raise


def _comparable(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Without labels that the control plane added and the file does not speak of."""
    given = wanted.get("labels") or {}
    labels = {k: v for k, v in (present.get("labels") or {}).items() if k in given or not k.startswith(COMPUTED)}
    return {key: value for key, value in {**present, "labels": labels}.items() if key != "labels" or labels}
