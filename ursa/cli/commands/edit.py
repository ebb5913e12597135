"""`ursactl edit`: opens one object in an editor and applies what was changed, unless somebody else was faster."""

from __future__ import annotations

from typing import Any

import click

from ursa.cli.commands.apply import revision_of, tell
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.output import yaml_of
from ursa.cli.resources import check, send, without_servers_own
from ursa.cli.session import Session, mesh_option, pass_session, type_argument
from ursa.errors import BadRequest, UrsaError
from ursa.model.documents import load_documents

NOTE = "# "


@click.command()
@type_argument
@click.argument("name")
@mesh_option
@pass_session
def command(session: Session, type_: str, name: str, mesh: str) -> None:
    """Change one resource in your editor ($EDITOR)."""
    kind = session.kind(type_)
    answer = session.client.get(session.path(kind, mesh, name))
    original = yaml_of(without_servers_own(answer.document))
    text, problem = original, ""
    while True:
        edited = click.edit(_with_notes(text, problem), extension=".yaml")
        text = _without_notes(edited) if edited is not None else original
        if text == original:
            click.echo(f"{kind.name.lower()}.{name} unchanged")
            return
        try:
            resource = check(session, _one(text))
            if (resource.kind, resource.name) != (kind.name, name):
                raise CommandFailed("type and name of an object cannot be changed")
            sent = send(session, resource, tag=answer.headers.get("ETag", ""))
            tell(resource, sent, revision_of(sent))
            return
        except ServerRefused as error:
            if error.status == 412:
                raise CommandFailed("somebody else has changed the object meanwhile, edit it again") from None
            problem = "\n".join((str(error), *error.notes))
        except UrsaError as error:
            problem = str(error)
        click.echo(f"Error: {problem}", err=True)
        if not click.confirm("edit again?", default=True, err=True):
            raise CommandFailed("the object was not changed")


def _one(text: str) -> dict[str, Any]:
    documents = load_documents(text)
    if len(documents) != 1:
        raise BadRequest("exactly one document is expected")
    return documents[0]


def _with_notes(text: str, problem: str) -> str:
    return "".join(f"{NOTE}{line}\n" for line in problem.splitlines()) + text


def _without_notes(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(NOTE))
